"""What is read of a shell script: its commands in the order in which they run, and the parts that cannot be followed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torchpin.project.text import Place, PlacedText


class Status(Enum):
    """How a statement ends. LIKELY: with success, if nothing fails; OPEN: its purpose is to tell."""

    SUCCESS = "success"
    LIKELY = "likely"
    FAILURE = "failure"
    OPEN = "open"


class Arm(NamedTuple):
    """An arm of an `if`, a `case` or an `||`: two arms of the same branching exclude each other."""

    branching: int
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShellWord:
    """A word without its quotes and with its variables filled in; one without a value stays as it is written."""

    text: str
    source: str
    place: Place
    end: Place  # behind its last character
    quoted: bool = False  # whether any of it is
    unresolved: tuple[str, ...] = ()  # the variables without a value, `$(…)` for the output of a command

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column


@dataclass(frozen=True, kw_only=True, slots=True)
class Redirect:
    """`operator` as it is written, without its descriptor; `body`: the text of `<<` and `<<<`, and of a file of the project."""

    operator: str
    target: ShellWord
    place: Place
    descriptor: int | None = None
    body: str | None = None


class WrittenFile(NamedTuple):
    """What a command writes to a file, at its end where it `appends`; `path`: relative to the folder of the command."""

    path: str
    text: PlacedText
    appends: bool = False


class ReadFiles(NamedTuple):
    """The text of the files that the words of a command name, from the word at `first` on."""

    text: str
    first: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShellCommand:
    """A simple command, in the form in which it runs: without `sudo`, `env` and other commands that only start it.

    An assignment alone has no words. A command in an unrolled loop or a called function comes once for each time it runs.
    """

    argv: tuple[ShellWord, ...]
    place: Place
    assignments: tuple[tuple[str, ShellWord], ...] = ()  # in front of it, and those of `env`
    redirects: tuple[Redirect, ...] = ()
    operator: str = ""  # what follows it: `&&`, `||`, `;`, `|`, `|&`, `&` or a line end, "" at the end
    # The working directory: absolute, or relative to that at the start; None where it cannot be told.
    folder: str | None = "."
    branch: tuple[Arm, ...] = ()
    # Whether it runs, if all before it succeeds; None where that depends on what is not known.
    runs: bool | None = True
    ignored_by: str = (
        ""  # what hides its failure: `|| true`, `;`, `|`, `&`; `&&` where `set -e` does not end the script
    )
    prefixes: tuple[str, ...] = ()  # the commands that start it: sudo, env, xargs
    substitution: bool = False  # whether it stands in `$(…)` or `<(…)`
    file: str = ""  # the script that it stands in, "" for the text itself
    writes: WrittenFile | None = None  # where its words tell it
    reads: ReadFiles | None = None  # of cat, grep and sed, where the project has the files

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.argv)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnreadPart:
    """A part of a script that cannot be followed: where it is, why, and its first words for a message."""

    place: Place
    reason: str
    source: str = ""
    file: str = ""  # the script that it stands in, "" for the text itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    commands: tuple[ShellCommand, ...] = ()
    unread: tuple[UnreadPart, ...] = ()


class ScriptFile(NamedTuple):
    """A script of the project: its path there, and its text."""

    path: str
    text: PlacedText


class ExhaustedError(Exception):
    """A script exceeds a bound; the text is its reason."""


class Budget:
    """What a script may grow by when it is read; shared by all scripts of a file. Real ones have below a hundredth of it."""

    def __init__(
        self,
        *,
        characters: int = 1_000_000,
        commands: int = 20_000,
        operators: int = 40_000,
        copies: int = 1_000_000,
    ) -> None:
        self.characters, self.commands, self.operators, self.copies = characters, commands, operators, copies

    def fill_in(self, characters: int) -> None:
        """Counts characters that are filled in. Raises ExhaustedError."""
        self.characters -= characters
        if self.characters < 0:
            raise ExhaustedError("its variables fill in too many characters")

    def run(self) -> None:
        """Counts a command. Raises ExhaustedError."""
        self.commands -= 1
        if self.commands < 0:
            raise ExhaustedError("its loops and functions run too many commands")

    def copy(self, variables: int) -> None:
        """Counts variables that a subshell or an arm copies. Raises ExhaustedError."""
        self.copies -= variables
        if self.copies < 0:
            raise ExhaustedError("it has too many branches and subshells for its many variables")

    def parse(self, operators: int) -> None:
        """Counts what takes the grammar more than linear time where it is nested. Raises ExhaustedError."""
        self.operators -= operators
        if self.operators < 0:
            raise ExhaustedError("the scripts up to it have too many parentheses and pipes")
