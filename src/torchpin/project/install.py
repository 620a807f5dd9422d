"""A command that installs something, and what it brings with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torchpin.project.index_list import IndexList
from torchpin.project.package_origin import package_origin

if TYPE_CHECKING:
    from torchpin.model import Problem
    from torchpin.project.package_origin import PackageOrigin
    from torchpin.project.requirement import InstallTarget

Program = Literal["pip", "uv", "poetry", "pipenv", "pdm", "conda", "apt"]
# Options under which what is installed and satisfies does not stay.
UPGRADING = frozenset({"--upgrade", "-U"})
FORCING = frozenset({"--reinstall", "--force-reinstall", "--ignore-installed", "-I"})


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallCommand:
    """One install. `tool`: pip (and all else that installs Python packages of indexes), conda or apt; `program`: which one.

    `targets`: what is requested, that of requirement files, pyproject.toml and locks included; `locked`: what a lock adds to
    them. `environment`: what it installs into where that is not the image's Python: `conda NAME`, or a path.
    """

    tool: Literal["pip", "conda", "apt"]
    location: str
    file: str
    program: Program = "pip"
    targets: tuple[InstallTarget, ...] = ()
    locked: tuple[InstallTarget, ...] = ()
    constraints: tuple[InstallTarget, ...] = ()  # the lines of its constraints files
    overrides: tuple[InstallTarget, ...] = ()  # uv's, which stand for every requirement of their package
    indexes: IndexList = field(default_factory=IndexList)
    missing: tuple[str, ...] = ()  # named files that the project does not have
    left_out: tuple[
        tuple[str, str], ...
    ] = ()  # named files, and the project's that a .dockerignore leaves out
    by_name: tuple[tuple[str, str], ...] = ()  # named files, and the project's that only have their names
    problems: tuple[Problem, ...] = ()  # what of the files that it reads could not be read
    no_binary: tuple[str, ...] = ()
    upgrade: bool = False
    no_deps: bool = False
    environment: str = ""

    @property
    def index(self) -> str:
        """The address of the default index, "" for PyPI."""
        default = self.indexes.default
        return default.url if default else ""

    @property
    def extra_index(self) -> str:
        """The address of the last further index that is for every package, "" for none."""
        extras = [index.url for index in self.indexes.implicit if index.kind == "extra"]
        return extras[-1] if extras else ""

    def origin(self, target: InstallTarget) -> PackageOrigin:
        """Where a target comes from, by the rules of the program."""
        return package_origin(self.indexes, target)
