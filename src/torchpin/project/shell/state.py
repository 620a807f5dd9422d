"""The state of a shell while its script is read: variables, options, functions and the working directory."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from torchpin.project.secret_values import hide_secret
from torchpin.redaction import HIDDEN, is_harmless, names_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.project.shell.source import ShellSource

# The value of a variable: a text, an array's elements, or None for one that is set to what cannot be told.
Value = str | tuple[str, ...] | None


class ShellFunction(NamedTuple):
    body: Any  # a node of the grammar
    source: ShellSource


@dataclass(kw_only=True)
class ShellState:
    """`arguments`: $1 and those that follow, None where they cannot be determined; `folder`: as in ShellCommand."""

    variables: dict[str, Value] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    arguments: tuple[str, ...] | None = ()
    options: set[str] = field(default_factory=set)
    folder: str | None = "."
    previous_folder: str | None = None
    folders: tuple[str | None, ...] = ()  # of pushd
    functions: dict[str, ShellFunction] = field(default_factory=dict)
    local_names: set[str] = field(default_factory=set)  # of the function that is called
    left: str = (
        ""  # exit, return, break or continue, after which nothing of its script, function or loop runs
    )
    may_have_left: bool = False  # one of them stands in an arm that may run
    fails: bool = False  # it ended with `exit 1` or the like

    @classmethod
    def started(cls, variables: Mapping[str, str], options: Iterable[str]) -> ShellState:
        """That of a script whose environment has the variables."""
        return cls(variables={**variables}, exported={*variables}, options={*options})

    def copy(self) -> ShellState:
        """That of a subshell."""
        return ShellState(
            variables={**self.variables},
            exported={*self.exported},
            arguments=self.arguments,
            options={*self.options},
            folder=self.folder,
            previous_folder=self.previous_folder,
            folders=self.folders,
            functions={**self.functions},
            local_names={*self.local_names},
        )

    def environment(self) -> dict[str, Value]:
        """What a program that is started sees."""
        return {name: value for name, value in self.variables.items() if name in self.exported}

    def set(self, name: str, value: Value) -> None:
        """Sets a variable, a secret to ***, so that none is filled in anywhere."""
        if isinstance(value, tuple):
            value = tuple(without_secret(name, element) for element in value)
        self.variables[name] = without_secret(name, value) if isinstance(value, str) else value
        if "allexport" in self.options:
            self.exported.add(name)

    def change_folder(self, folder: str | None) -> None:
        """`cd`; `folder` as it is given there, None for one that cannot be determined."""
        self.previous_folder, start = self.folder, self.folder
        if folder is None or (start is None and not folder.startswith("/")):
            self.folder = None
        else:
            self.folder = posixpath.normpath(posixpath.join(start or ".", hide_secret(folder)))

    def take(self, state: ShellState) -> None:
        """What a script that was read in a copy leaves behind."""
        self.__dict__.update(state.__dict__)

    def merge(self, states: Iterable[ShellState]) -> None:
        """The state after one of several arms: what differs between them cannot be determined."""
        first, *following = [replace(state) for state in states]
        merged: dict[str, Value] = {**first.variables}
        for state in following:
            for name, _ in first.variables.items() ^ state.variables.items():
                merged[name] = None
        self.take(first)
        self.variables = merged
        for state in following:
            self.exported = self.exported | state.exported
            self.arguments = self.arguments if self.arguments == state.arguments else None
            self.options = self.options & state.options
            self.folder = self.folder if self.folder == state.folder else None
            self.functions = {**state.functions, **self.functions}
            self.may_have_left = self.may_have_left or state.may_have_left


def without_secret(name: str, value: str) -> str:
    """The value of a variable, *** for a secret."""
    if names_secret(name) and not is_harmless(name, value):
        return HIDDEN
    return hide_secret(value) if value else value
