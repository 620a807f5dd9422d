"""Packages beyond a resolver: wheels with an ABI in their name, files of two owners, libraries of the system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.facts import builds
from torchpin.facts.rows import Conflict, Native, Wheel
from torchpin.facts.tables import Entry, built, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# --- wheels with an ABI in their name --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Torch:
    """The build that a wheel has to fit: `2.7.1` from `cu126` on `x86_64`."""

    version: str
    channel: str
    machine: str

    @property
    def series(self) -> str:
        return ".".join(self.version.split(".")[:2])

    def __str__(self) -> str:
        return f"torch {self.version} from {self.channel}"


class _NoWheelError(Exception):
    """Why there is none."""


class _NoTorchError(_NoWheelError):
    """Why there is none, and none could be built: there is no such torch."""


def abi_packages() -> frozenset[str]:
    """The packages whose wheel depends on more than Python and platform, by normalized name."""
    return frozenset(row["package"] for row in table("wheels")["packages"])


@cache
def wheels() -> tuple[Wheel, ...]:
    tables = table("wheels")
    kept = ("release", "requires", "min_capability", "archs")
    whole = {(row["package"], row["version"]): {key: row[key] for key in kept} for row in tables["packages"]}
    return tuple(built(Wheel, {**whole[row["package"], row["version"]], **row}) for row in tables["wheels"])


def wheel(package: str, version: str, *, python: str, torch: str, channel: str, machine: str) -> Wheel | str:
    """The file that fits a build of torch, or a sentence: why none does, the nearest, and what makes one."""
    name = canonicalize_name(package)
    rows = {row["version"]: row for row in table("wheels")["packages"] if row["package"] == name}
    if not rows:
        return f"{name}: no wheels with an ABI in their name are recorded; those of {_list(sorted(abi_packages()))} are"
    wanted = _Torch(version=torch.partition("+")[0], channel=channel, machine=machine)
    try:
        return _of_abi(_fitting(name, version, python, wanted), wanted)
    except _NoTorchError as why:
        return f"{name} {version}: {why}"
    except _NoWheelError as why:
        build = rows.get(version, next(iter(rows.values())))["build"]
        return f"{name} {version}: {why}. What makes one: {build}"


def _fitting(name: str, version: str, python: str, torch: _Torch) -> list[Wheel]:
    """The wheels that fit in everything but the ABI; where none does, the nearest fit in what is asked first."""
    asked = {
        "platform": f"linux_{torch.machine}",
        "torch": torch.series,
        "cuda": _cuda_major(torch),
        "python": "cp" + "".join(python.split(".")[:2]),
    }
    named = [row for row in wheels() if row.package == name]
    rows = [row for row in named if row.version == version]
    if not rows:
        nearest = _list(dict.fromkeys(row.version for row in named))
        raise _NoWheelError(f"no wheel of this version is recorded; the nearest are of {nearest}")
    for number, (column, wanted) in enumerate(asked.items(), start=1):
        fitting = [row for row in rows if getattr(row, column) == wanted]
        if not fitting:
            key = ", ".join(f"{column} {value}" for column, value in list(asked.items())[:number])
            nearest = _list(dict.fromkeys(getattr(row, column) for row in rows))
            raise _NoWheelError(f"there is no wheel for {key}; the nearest are for {column} {nearest}")
        rows = fitting
    return rows


def _cuda_major(torch: _Torch) -> str:
    name = torch.channel
    if name == "pypi":
        known = builds.release(torch.version)
        if known is None or known.pypi_local is None or torch.machine != "x86_64":
            raise _NoTorchError(f"which CUDA {torch} has on {torch.machine} is not known; a channel says it")
        name = known.pypi_local
    channel = builds.channel(name)
    homes = _list(each.name for each in builds.channels() if each.cuda and torch.series in each.series)
    if channel is None or torch.series not in channel.series:
        raise _NoTorchError(
            f"there is no {torch}; with CUDA, torch {torch.series} is on {homes or 'no channel'}"
        )
    if channel.cuda is None:
        raise _NoTorchError(f"{torch} is no CUDA build; with CUDA, torch {torch.series} is on {homes}")
    return channel.cuda.partition(".")[0]


def _of_abi(rows: Sequence[Wheel], torch: _Torch) -> Wheel:
    """The ABI has to be torch's twice: by the wheel's name, and by what the wheel was built against."""
    abi, names = builds.cxx11_abi(torch.version, torch.channel), _list(row.filename for row in rows)
    if abi is None:
        raise _NoWheelError(f"the C++11 ABI of {torch} is not known; by that, one of {names} is right")
    labelled = next((row for row in rows if row.abi == abi), None)
    if labelled is None:
        raise _NoWheelError(f"{torch} has the C++11 ABI {abi}; the nearest is {names}")
    against = _against(labelled) or {}
    if labelled.abi == 1 or builds.cxx11_abi(against["with"], against["channel"]) == abi:
        return labelled
    raise _NoWheelError(
        f"{torch} has the C++11 ABI {abi}, and {labelled.filename} has 1 in spite of its name: it was built against "
        f"torch {against['with']} from {against['channel']}, which has wheels that fit "
        f"({against.get('issue', against['source'])})"
    )


def _against(row: Wheel) -> Entry | None:
    """The torch that a wheel was compiled against."""
    key = (row.package, row.version, row.torch)
    rows = table("wheels")["built"]
    return next((each for each in rows if (each["package"], each["version"], each["torch"]) == key), None)


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)


# --- files of two owners, libraries of the system --------------------------------------------------------------------


@cache
def conflicts() -> tuple[Conflict, ...]:
    return tuple(built(Conflict, row) for row in table("packages")["conflicts"])


def needs(package: str) -> Native | None:
    """What a package needs of the system at run time; None: nothing is known."""
    return _natives().get(canonicalize_name(package))


@cache
def _natives() -> dict[str, Native]:
    return {row["package"]: built(Native, row) for row in table("packages")["native"]}
