"""What a lock file holds, whatever tool wrote it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name

from torchpin.project.channels import index_channel, version_channel
from torchpin.project.markers import MarkerTarget, holds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from torchpin.model import Problem

LockTool = Literal["uv", "poetry", "pdm", "pylock", "pipenv"]
_MOST_PACKAGES = 100_000  # of a lock; large ones have some thousand


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedDependency:
    """A package that another one requires. `version`: of the row that is meant where a lock has several, else ""."""

    name: str
    version: str = ""
    marker: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackage:
    """A package of a lock. `registry`: the address of its index, "" where it is another source, or the lock does not say.

    `address`: of a repository, file or folder that it comes from instead; `line`: of its name, from 1. `forks`: markers of
    which one has to hold; `marker`: the one that has to hold too; `groups`: those that it belongs to, () for all.
    """

    name: str  # normalized
    version: str
    registry: str = ""
    address: str = ""
    line: int = 1
    forks: tuple[str, ...] = ()
    marker: str = ""
    groups: tuple[str, ...] = ()
    requires: tuple[LockedDependency, ...] = ()
    extras: Mapping[str, tuple[LockedDependency, ...]] = field(default_factory=dict)
    group_requires: Mapping[str, tuple[LockedDependency, ...]] = field(default_factory=dict)
    is_root: bool = False  # the project itself, or a member of its workspace

    @property
    def channel(self) -> str:
        """The channel of PyTorch's index that it comes from, by its index or its local version; "" for any other index."""
        return index_channel(self.registry) or version_channel(self.version)

    def applies(
        self, target: MarkerTarget, extras: Collection[str] = (), groups: Collection[str] = ()
    ) -> bool | None:
        """Whether the row is for an environment; None: that depends on what is unknown of it."""
        forks = [holds(fork, target, extras) for fork in self.forks] or [True]
        fork = True if True in forks else None if None in forks else False
        marked = holds(self.marker, target, extras, groups)
        return False if fork is False or marked is False else None if fork is None or marked is None else True


@dataclass(frozen=True, kw_only=True, slots=True)
class LockFile:
    """A lock. `packages`: in the order of the file; a name may stand several times, for different environments."""

    file: str
    tool: LockTool
    packages: tuple[LockedPackage, ...] = ()
    requires_python: str = ""
    problems: tuple[Problem, ...] = ()

    def rows(self, name: str) -> tuple[LockedPackage, ...]:
        """The rows of a package."""
        normalized = canonicalize_name(name)
        return tuple(package for package in self.packages if package.name == normalized)


def by_name(packages: Iterable[LockedPackage]) -> dict[str, list[LockedPackage]]:
    """The packages of a lock by normalized name."""
    rows: dict[str, list[LockedPackage]] = defaultdict(list)
    for package in packages:
        rows[package.name].append(package)
    return rows


def select_package(
    rows: Iterable[LockedPackage], target: MarkerTarget, extras: Collection[str] = ()
) -> LockedPackage | None:
    """The row of a package that an environment gets; None where none is for it, or it cannot be determined which one is."""
    answers = [(row, row.applies(target, extras)) for row in rows]
    certain = [row for row, answer in answers if answer]
    possible = [row for row, answer in answers if answer is not False]
    if certain:
        return certain[0]
    return possible[0] if len(possible) == 1 else None


def name_lines(text: str, header: str, count: int) -> list[int]:
    """The lines of the names in the tables of a list, from 1; the first line where they are written otherwise."""
    lines: list[int] = []
    is_open = False
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() == header:
            lines.append(number)
            is_open = True
        elif is_open and line.partition("=")[0].strip() == "name":
            lines[-1], is_open = number, False
        elif line.startswith("["):
            is_open = False
    return lines if len(lines) == count else [1] * count


def too_many(packages: Collection[object]) -> str:
    """Why a lock is not read, "" where it is."""
    return f"it has more than {_MOST_PACKAGES} packages" if len(packages) > _MOST_PACKAGES else ""
