"""What resolvers do not know of packages: wheels with an ABI in their file name, conflicting files, system libraries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from torchpin.facts.load import RawRow, build_row, load_table
from torchpin.facts.package_rows import (
    Conflict,
    CudaBuild,
    ImpliedPackages,
    LibraryChoice,
    NativeNeeds,
    Wheel,
)
from torchpin.facts.torch import channel, channels, cxx11_abi, release
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.version import Version


@dataclass(frozen=True, kw_only=True, slots=True)
class _TorchBuild:
    """The build of torch that a wheel must fit: `2.7.1` from `cu126` on `x86_64`."""

    version: str
    channel: str
    machine: str

    @property
    def series(self) -> str:
        return major_minor(self.version)

    def __str__(self) -> str:
        return f"torch {self.version} from {self.channel}"


@dataclass(frozen=True, kw_only=True, slots=True)
class NoWheel:
    """Why no wheel fits. `certain` False: a fact is missing, so one may fit after all.

    `column`: the part of the file name that does not fit; `nearest`: the values of it that would.
    """

    message: str
    certain: bool
    column: str = ""
    nearest: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.message


class _NoWheelError(Exception):
    """No wheel fits; the arguments are those of `NoWheel`."""

    def __init__(
        self, message: str, *, certain: bool = True, column: str = "", nearest: Iterable[str] = ()
    ) -> None:
        super().__init__(message)
        self.certain, self.column, self.nearest = certain, column, tuple(nearest)


class _NoTorchError(_NoWheelError):
    """No wheel fits, and none can be built, since the build of torch does not exist."""


@cache
def abi_packages() -> frozenset[str]:
    """The normalized names of the packages whose wheels also depend on torch, CUDA and the C++11 ABI."""
    return frozenset(row["package"] for row in load_table("wheels")["packages"])


@cache
def wheels() -> tuple[Wheel, ...]:
    """Every recorded wheel with an ABI in its file name."""
    tables = load_table("wheels")
    keys = ("release", "requires", "min_capability", "archs", "glibc", "installs", "contents_source")
    package_columns = {
        (row["package"], row["version"]): {key: row[key] for key in keys if key in row}
        for row in tables["packages"]
    }
    return tuple(
        build_row(Wheel, {**package_columns[row["package"], row["version"]], **row})
        for row in tables["wheels"]
    )


def find_wheel(
    package: str, version: str, *, python: str, torch: str, channel: str, machine: str
) -> Wheel | NoWheel:
    """The wheel of a package that fits a build of torch, or why none does."""
    name = canonicalize_name(package)
    rows = {row["version"]: row for row in load_table("wheels")["packages"] if row["package"] == name}
    if not rows:
        recorded = _join(sorted(abi_packages()))
        message = f"{name} has no wheels with an ABI in their file name in the facts; {recorded} has"
        return NoWheel(message=message, certain=False)
    torch_build = _TorchBuild(version=torch.partition("+")[0], channel=channel, machine=machine)
    try:
        return _select_by_abi(_fitting_wheels(name, version, python, torch_build), torch_build)
    except _NoWheelError as error:
        # A version without a row is built like the recorded ones.
        build = rows.get(version, next(iter(rows.values())))["build"]
        alternative = "" if isinstance(error, _NoTorchError) else f"; the alternative is {build}"
        message = f"{name} {version}: {error}{alternative}"
        return NoWheel(message=message, certain=error.certain, column=error.column, nearest=error.nearest)


def _fitting_wheels(name: str, version: str, python: str, torch: _TorchBuild) -> list[Wheel]:
    """The wheels that fit in everything but the ABI.

    Raises _NoWheelError with the first column, in the order below, in which none of the remaining wheels fits.
    """
    # In this order: the first column that does not fit is the one to report.
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
            f"no wheel of this version is in the facts; recorded versions: {nearest}", certain=False
        )
    for number, (column, expected) in enumerate(required.items(), start=1):
        fitting = [row for row in rows if getattr(row, column) == expected]
        if not fitting:
            key = ", ".join(f"{column} {value}" for column, value in list(required.items())[:number])
            near = [*dict.fromkeys(getattr(row, column) for row in rows)]
            message = f"no wheel for {key}; available: {column} {_join(near)}"
            raise _NoWheelError(message, column=column, nearest=near)
        rows = fitting
    return rows


def _cuda_major(torch: _TorchBuild) -> str:
    """The CUDA major of a build of torch, such as `12`. Raises _NoTorchError for a CPU build and for one that does not exist."""
    name = torch.channel
    if name == "pypi":
        release_row = release(torch.version)
        # `pypi_local` is recorded for PyPI's x86_64 wheel only.
        if release_row is None or release_row.pypi_local is None or torch.machine != "x86_64":
            message = (
                f"the CUDA of {torch} on {torch.machine} is not in the facts; another channel determines it"
            )
            raise _NoTorchError(message, certain=False)
        name = release_row.pypi_local
    channel_row = channel(name)
    cuda_channels = [row.name for row in channels() if row.cuda and torch.series in row.series]
    with_cuda = f"torch {torch.series} with CUDA is on {_join(cuda_channels) or 'no channel'}"
    if channel_row is None or torch.series not in channel_row.series:
        message = f"torch {torch.version} does not exist on {torch.channel}; {with_cuda}"
        raise _NoTorchError(
            message, certain=bool(channel_row and cuda_channels), column="channel", nearest=cuda_channels
        )
    if channel_row.cuda is None:
        raise _NoTorchError(
            f"{torch} is not a CUDA build; {with_cuda}", column="channel", nearest=cuda_channels
        )
    return channel_row.cuda.partition(".")[0]


def _select_by_abi(rows: Sequence[Wheel], torch: _TorchBuild) -> Wheel:
    """The wheel of torch's C++11 ABI, both by its file name and by the torch that it was built against.

    Raises _NoWheelError where there is none. A label FALSE alone shows nothing: setup.py of flash-attn can force ABI 1
    but not ABI 0, so such a wheel has the ABI of the torch that it was built against.
    """
    abi, names = cxx11_abi(torch.version, torch.channel), _join(row.filename for row in rows)
    if abi is None:
        message = f"the C++11 ABI of {torch} is not in the facts; the wheel is one of {names}"
        raise _NoWheelError(message, certain=False)
    labelled = next((row for row in rows if row.abi == abi), None)
    if labelled is None:
        raise _NoWheelError(f"{torch} has the C++11 ABI {abi}; available: {names}", column="abi")
    against = _built_against(labelled) or {}
    if labelled.abi == 1 or cxx11_abi(against["with"], against["channel"]) == abi:
        return labelled
    raise _NoWheelError(
        f"{torch} has the C++11 ABI {abi}, but {labelled.filename} has 1 despite its name: it was built against "
        f"torch {against['with']} from {against['channel']}, where it fits ({against.get('issue', against['source'])})",
        column="channel",
        nearest=[against["channel"]],
    )


def _built_against(row: Wheel) -> RawRow | None:
    """The row of wheels.yaml about the torch that a wheel was built against."""
    key = (row.package, row.version, row.torch)
    rows = load_table("wheels")["built"]
    return next(
        (entry for entry in rows if (entry["package"], entry["version"], entry["torch"]) == key), None
    )


def _join(parts: Iterable[str]) -> str:
    return ", ".join(parts)


@cache
def conflicts() -> tuple[Conflict, ...]:
    """The sets of packages that overwrite each other's files."""
    return tuple(build_row(Conflict, row) for row in load_table("packages")["conflicts"])


def library_choice(package: str, version: Version) -> LibraryChoice | None:
    """How a version of a package chooses among its libraries for CUDA versions; None: not in the facts."""
    row = _row_of_version("library_choices", package, version)
    return build_row(LibraryChoice, row) if row else None


def cuda_build(package: str, version: Version) -> CudaBuild | None:
    """The CUDA major of a version of a package whose metadata do not tell it; None: not in the facts."""
    row = _row_of_version("cuda_builds", package, version)
    return build_row(CudaBuild, row) if row else None


def _row_of_version(section: str, package: str, version: Version) -> RawRow | None:
    """The row of packages.yaml about a version of a package."""
    rows = (
        row
        for row in load_table("packages")[section]
        if row["package"] == package and SpecifierSet(row["when"]).contains(version, prereleases=True)
    )
    return next(rows, None)


@cache
def implied_packages() -> tuple[ImpliedPackages, ...]:
    """The packages that others pull in, as far as conflicts name them."""
    return tuple(build_row(ImpliedPackages, row) for row in load_table("packages")["brings"])


def native_needs(package: str) -> NativeNeeds | None:
    """The system libraries that a package requires at run time; None: not in the facts."""
    return _natives().get(canonicalize_name(package))


@cache
def _natives() -> dict[str, NativeNeeds]:
    return {row["package"]: build_row(NativeNeeds, row) for row in load_table("packages")["native"]}
