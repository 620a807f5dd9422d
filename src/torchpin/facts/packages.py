"""Packages beyond a resolver: wheels with an ABI in their name, files of two owners, libraries of the system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.facts import torch as facts_torch
from torchpin.facts.load import Entry, built, table
from torchpin.facts.rows import Brings, Conflict, Native, Wheel

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


@dataclass(frozen=True, kw_only=True, slots=True)
class NoWheel:
    """Why no wheel fits, the nearest, and what makes one; not `known`: a fact is missing, so that one may fit.

    `column`: what of a wheel's name does not fit, with the values that would.
    """

    sentence: str
    known: bool
    column: str = ""
    nearest: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.sentence


class _NoWheelError(Exception):
    """Why there is none."""

    def __init__(
        self, sentence: str, *, known: bool = True, column: str = "", nearest: Iterable[str] = ()
    ) -> None:
        super().__init__(sentence)
        self.known, self.column, self.nearest = known, column, tuple(nearest)


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


def wheel(
    package: str, version: str, *, python: str, torch: str, channel: str, machine: str
) -> Wheel | NoWheel:
    """The file that fits a build of torch, or why none does."""
    name = canonicalize_name(package)
    rows = {row["version"]: row for row in table("wheels")["packages"] if row["package"] == name}
    if not rows:
        known = _list(sorted(abi_packages()))
        why = f"{name}: no wheels with an ABI in their name are recorded; those of {known} are"
        return NoWheel(sentence=why, known=False)
    wanted = _Torch(version=torch.partition("+")[0], channel=channel, machine=machine)
    try:
        return _of_abi(_fitting(name, version, python, wanted), wanted)
    except _NoWheelError as why:
        build = rows.get(version, next(iter(rows.values())))["build"]
        makes = "" if isinstance(why, _NoTorchError) else f". What makes one: {build}"
        sentence = f"{name} {version}: {why}{makes}"
        return NoWheel(sentence=sentence, known=why.known, column=why.column, nearest=why.nearest)


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
        raise _NoWheelError(
            f"no wheel of this version is recorded; the nearest are of {nearest}", known=False
        )
    for number, (column, wanted) in enumerate(asked.items(), start=1):
        fitting = [row for row in rows if getattr(row, column) == wanted]
        if not fitting:
            key = ", ".join(f"{column} {value}" for column, value in list(asked.items())[:number])
            near = [*dict.fromkeys(getattr(row, column) for row in rows)]
            sentence = f"there is no wheel for {key}; the nearest are for {column} {_list(near)}"
            raise _NoWheelError(sentence, column=column, nearest=near)
        rows = fitting
    return rows


def _cuda_major(torch: _Torch) -> str:
    name = torch.channel
    if name == "pypi":
        known = facts_torch.release(torch.version)
        if known is None or known.pypi_local is None or torch.machine != "x86_64":
            sentence = f"which CUDA {torch} has on {torch.machine} is not known; a channel says it"
            raise _NoTorchError(sentence, known=False)
        name = known.pypi_local
    channel = facts_torch.channel(name)
    homes = [each.name for each in facts_torch.channels() if each.cuda and torch.series in each.series]
    with_cuda = f"with CUDA, torch {torch.series} is on {_list(homes) or 'no channel'}"
    if channel is None or torch.series not in channel.series:
        sentence = f"there is no {torch}; {with_cuda}"
        raise _NoTorchError(sentence, known=bool(channel and homes), column="channel", nearest=homes)
    if channel.cuda is None:
        raise _NoTorchError(f"{torch} is no CUDA build; {with_cuda}", column="channel", nearest=homes)
    return channel.cuda.partition(".")[0]


def _of_abi(rows: Sequence[Wheel], torch: _Torch) -> Wheel:
    """The ABI has to be torch's twice: by the wheel's name, and by what the wheel was built against."""
    abi, names = facts_torch.cxx11_abi(torch.version, torch.channel), _list(row.filename for row in rows)
    if abi is None:
        sentence = f"the C++11 ABI of {torch} is not known; by that, one of {names} is right"
        raise _NoWheelError(sentence, known=False)
    labelled = next((row for row in rows if row.abi == abi), None)
    if labelled is None:
        raise _NoWheelError(f"{torch} has the C++11 ABI {abi}; the nearest is {names}", column="abi")
    against = _against(labelled) or {}
    if labelled.abi == 1 or facts_torch.cxx11_abi(against["with"], against["channel"]) == abi:
        return labelled
    raise _NoWheelError(
        f"{torch} has the C++11 ABI {abi}, and {labelled.filename} has 1 in spite of its name: it was built against "
        f"torch {against['with']} from {against['channel']}, which has wheels that fit "
        f"({against.get('issue', against['source'])})",
        column="channel",
        nearest=[against["channel"]],
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


@cache
def brings() -> tuple[Brings, ...]:
    return tuple(built(Brings, row) for row in table("packages")["brings"])


def needs(package: str) -> Native | None:
    """What a package needs of the system at run time; None: nothing is known."""
    return _natives().get(canonicalize_name(package))


@cache
def _natives() -> dict[str, Native]:
    return {row["package"]: built(Native, row) for row in table("packages")["native"]}
