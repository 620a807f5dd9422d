"""Packages beyond a resolver: wheels with an ABI in their name, files of two owners, libraries of the system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.facts import torch as facts_torch
from torchpin.facts.load import RawRow, build_row, load_table
from torchpin.facts.rows import Conflict, ImpliedPackages, NativeNeeds, Wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# --- wheels with an ABI in their name --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _TorchBuild:
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

    message: str
    certain: bool
    column: str = ""
    nearest: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.message


class _NoWheelError(Exception):
    """Why there is none."""

    def __init__(
        self, sentence: str, *, certain: bool = True, column: str = "", nearest: Iterable[str] = ()
    ) -> None:
        super().__init__(sentence)
        self.certain, self.column, self.nearest = certain, column, tuple(nearest)


class _NoTorchError(_NoWheelError):
    """Why there is none, and none could be built: there is no such torch."""


def abi_packages() -> frozenset[str]:
    """The packages whose wheel depends on more than Python and platform, by normalized name."""
    return frozenset(row["package"] for row in load_table("wheels")["packages"])


@cache
def wheels() -> tuple[Wheel, ...]:
    tables = load_table("wheels")
    keys = ("release", "requires", "min_capability", "archs")
    package_columns = {
        (row["package"], row["version"]): {key: row[key] for key in keys} for row in tables["packages"]
    }
    return tuple(
        build_row(Wheel, {**package_columns[row["package"], row["version"]], **row})
        for row in tables["wheels"]
    )


def find_wheel(
    package: str, version: str, *, python: str, torch: str, channel: str, machine: str
) -> Wheel | NoWheel:
    """The file that fits a build of torch, or why none does."""
    name = canonicalize_name(package)
    rows = {row["version"]: row for row in load_table("wheels")["packages"] if row["package"] == name}
    if not rows:
        recorded = _join(sorted(abi_packages()))
        sentence = f"{name}: no wheels with an ABI in their name are recorded; those of {recorded} are"
        return NoWheel(message=sentence, certain=False)
    torch_build = _TorchBuild(version=torch.partition("+")[0], channel=channel, machine=machine)
    try:
        return _select_by_abi(_fitting_wheels(name, version, python, torch_build), torch_build)
    except _NoWheelError as error:
        build = rows.get(version, next(iter(rows.values())))["build"]
        makes = "" if isinstance(error, _NoTorchError) else f". What makes one: {build}"
        sentence = f"{name} {version}: {error}{makes}"
        return NoWheel(message=sentence, certain=error.certain, column=error.column, nearest=error.nearest)


def _fitting_wheels(name: str, version: str, python: str, torch: _TorchBuild) -> list[Wheel]:
    """The wheels that fit in everything but the ABI; where none does, the nearest fit in what is asked first."""
    required = {
        "platform": f"linux_{torch.machine}",
        "torch": torch.series,
        "cuda": _cuda_major(torch),
        "python": "cp" + "".join(python.split(".")[:2]),
    }
    named = [row for row in wheels() if row.package == name]
    rows = [row for row in named if row.version == version]
    if not rows:
        nearest = _join(dict.fromkeys(row.version for row in named))
        raise _NoWheelError(
            f"no wheel of this version is recorded; the nearest are of {nearest}", certain=False
        )
    for number, (column, expected) in enumerate(required.items(), start=1):
        fitting = [row for row in rows if getattr(row, column) == expected]
        if not fitting:
            key = ", ".join(f"{column} {value}" for column, value in list(required.items())[:number])
            near = [*dict.fromkeys(getattr(row, column) for row in rows)]
            sentence = f"there is no wheel for {key}; the nearest are for {column} {_join(near)}"
            raise _NoWheelError(sentence, column=column, nearest=near)
        rows = fitting
    return rows


def _cuda_major(torch: _TorchBuild) -> str:
    name = torch.channel
    if name == "pypi":
        release_row = facts_torch.release(torch.version)
        if release_row is None or release_row.pypi_local is None or torch.machine != "x86_64":
            sentence = f"which CUDA {torch} has on {torch.machine} is not known; a channel says it"
            raise _NoTorchError(sentence, certain=False)
        name = release_row.pypi_local
    channel = facts_torch.channel(name)
    homes = [row.name for row in facts_torch.channels() if row.cuda and torch.series in row.series]
    with_cuda = f"with CUDA, torch {torch.series} is on {_join(homes) or 'no channel'}"
    if channel is None or torch.series not in channel.series:
        sentence = f"there is no {torch}; {with_cuda}"
        raise _NoTorchError(sentence, certain=bool(channel and homes), column="channel", nearest=homes)
    if channel.cuda is None:
        raise _NoTorchError(f"{torch} is no CUDA build; {with_cuda}", column="channel", nearest=homes)
    return channel.cuda.partition(".")[0]


def _select_by_abi(rows: Sequence[Wheel], torch: _TorchBuild) -> Wheel:
    """The ABI has to be torch's twice: by the wheel's name, and by what the wheel was built against."""
    abi, names = facts_torch.cxx11_abi(torch.version, torch.channel), _join(row.filename for row in rows)
    if abi is None:
        sentence = f"the C++11 ABI of {torch} is not known; by that, one of {names} is right"
        raise _NoWheelError(sentence, certain=False)
    labelled = next((row for row in rows if row.abi == abi), None)
    if labelled is None:
        raise _NoWheelError(f"{torch} has the C++11 ABI {abi}; the nearest is {names}", column="abi")
    against = _built_against(labelled) or {}
    if labelled.abi == 1 or facts_torch.cxx11_abi(against["with"], against["channel"]) == abi:
        return labelled
    raise _NoWheelError(
        f"{torch} has the C++11 ABI {abi}, and {labelled.filename} has 1 in spite of its name: it was built against "
        f"torch {against['with']} from {against['channel']}, which has wheels that fit "
        f"({against.get('issue', against['source'])})",
        column="channel",
        nearest=[against["channel"]],
    )


def _built_against(row: Wheel) -> RawRow | None:
    """The torch that a wheel was compiled against."""
    key = (row.package, row.version, row.torch)
    rows = load_table("wheels")["built"]
    return next(
        (entry for entry in rows if (entry["package"], entry["version"], entry["torch"]) == key), None
    )


def _join(parts: Iterable[str]) -> str:
    return ", ".join(parts)


# --- files of two owners, libraries of the system --------------------------------------------------------------------


@cache
def conflicts() -> tuple[Conflict, ...]:
    return tuple(build_row(Conflict, row) for row in load_table("packages")["conflicts"])


@cache
def implied_packages() -> tuple[ImpliedPackages, ...]:
    return tuple(build_row(ImpliedPackages, row) for row in load_table("packages")["brings"])


def native_needs(package: str) -> NativeNeeds | None:
    """What a package needs of the system at run time; None: nothing is known."""
    return _natives().get(canonicalize_name(package))


@cache
def _natives() -> dict[str, NativeNeeds]:
    return {row["package"]: build_row(NativeNeeds, row) for row in load_table("packages")["native"]}
