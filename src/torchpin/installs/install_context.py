"""What reading an install command needs, and what is collected meanwhile."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin.installs.project_files import find_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.installs.project_files import Project
    from torchpin.model import Problem
    from torchpin.project.index_list import Setting
    from torchpin.project.install import InstallCommand
    from torchpin.project.markers import MarkerTarget
    from torchpin.project.requirement import InstallTarget
    from torchpin.project.requirement_file import FileOption
    from torchpin.project.runs import RunCommand
    from torchpin.project.uv_settings import UvSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallContext:
    """A command in its place: `settings` of variables, `config` of pip, and what is known of the image."""

    project: Project
    run: RunCommand
    settings: Mapping[str, Setting]
    config: Mapping[str, Setting]
    target: MarkerTarget
    exports: Mapping[str, InstallCommand] = field(
        default_factory=dict
    )  # lists that commands wrote, by their names

    def exported(self, name: str) -> InstallCommand | None:
        """What the list of a name installs that a command wrote; None where the project's own file lies there."""
        if not self.exports:
            return None
        copied = self.run.files.find(name) if self.run.files else ()
        return None if copied else self.exports.get(posixpath.basename(name))

    def find(self, name: str) -> str | None:
        """The project's file of a name in the command."""
        return find_file(self.project, name, self.run)


@dataclass(kw_only=True, slots=True)
class Collected:
    """What a command installs while it is collected."""

    targets: list[InstallTarget] = field(default_factory=list)
    constraints: list[InstallTarget] = field(default_factory=list)
    overrides: list[InstallTarget] = field(default_factory=list)
    options: list[FileOption] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    by_name: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    uv: list[UvSettings] = field(default_factory=list)
    locked: list[InstallTarget] = field(default_factory=list)
    projects: set[tuple[str, frozenset[str], frozenset[str]]] = field(default_factory=set)  # that were added
