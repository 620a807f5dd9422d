"""What reading any statement of a script needs: where it stands, the words of its text, and what has been read so far."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from torchpin.controls import show_controls
from torchpin.project.secret_values import hide_secret
from torchpin.project.shell import conditions, grammar
from torchpin.project.shell.outputs import printed
from torchpin.project.shell.source import UnreadableScriptError, read_source
from torchpin.project.shell.values import Arm, Status, UnreadPart
from torchpin.project.shell.words import WordReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tree_sitter import Node

    from torchpin.project.shell.source import HereDocument, ShellSource
    from torchpin.project.shell.state import ShellState
    from torchpin.project.shell.values import Budget, ScriptFile, ShellCommand
    from torchpin.project.shell.words import ExpandedWord
    from torchpin.project.text import Place, PlacedText

# Finds a script by its name in a folder, which is None where it cannot be told.
FindScript = Callable[[str, "str | None"], "ScriptFile | None"]
_DEEPEST = 30  # statements within each other; real ones have below ten
_MOST_UNREAD = 100
_SHOWN = 60  # characters of what cannot be followed


class Context(NamedTuple):
    """Where a statement stands; the fields of ShellCommand are explained there. `stdin`: what it reads, where that is known."""

    runs: bool | None = True
    branch: tuple[Arm, ...] = ()
    operator: str = ""
    ignored_by: str = ""
    level: int = 0  # how many substitutions it stands in
    outer_runs: bool | None = True  # whether the outermost of them runs; `runs` counts from the innermost
    stdin: str | None = None
    tested: bool = False  # a condition: its failure is no failure
    depth: int = 0
    files: tuple[str, ...] = ()  # the scripts of the project that are being read


class ShellReader(ABC):
    """Reads the statements of a source in a state; `commands` and `unread` are what comes of it."""

    def __init__(
        self,
        state: ShellState,
        budget: Budget,
        *,
        is_bash: bool,
        known_outputs: Mapping[str, str],
        find_script: FindScript | None = None,
    ) -> None:
        self.state, self.budget = state, budget
        self.is_bash, self.known_outputs = is_bash, known_outputs
        self.find_script = find_script
        self.file = ""  # the script that is read, "" for the text itself
        self.context = Context()
        self.commands: list[ShellCommand] = []
        self.unread: list[UnreadPart] = []
        self._traces: list[
            tuple[int, bool | None]
        ] = []  # of each command its substitutions, and whether it runs there
        self.source: ShellSource
        self.documents: dict[Place, HereDocument] = {}  # by the place of their redirection
        self.edited_files: set[str | None] = set()  # by path_here
        self.written_files: dict[str, PlacedText] = {}  # by path_here
        self._branchings = 0

    @abstractmethod
    def run_block(self, nodes: Iterable[Node]) -> Status:
        """Reads statements, one after another."""

    @abstractmethod
    def run_statement(self, node: Node) -> Status:
        """Reads a statement."""

    def run_script(self, text: PlacedText) -> Status:
        """Reads a text in the state that there is. Raises ExhaustedError."""
        if self.context.depth > _DEEPEST:
            self.note(text.place(0), "it is nested too deep", text.text)
            return Status.LIKELY
        try:
            source = read_source(text)
        except UnreadableScriptError as unreadable:
            self.note(text.place(0), str(unreadable), text.text)
            return Status.LIKELY
        self.budget.parse(source.weight)
        root = grammar.parse_tree(source.masked)
        for node in grammar.syntax_errors(root):
            reason = f"a `{node.type}` is missing" if node.is_missing else "it is not the shell's syntax"
            offset = min(node.start_byte, len(source.text.text.rstrip()))  # not behind the last line end
            self.note(source.text.place(offset), reason, source.text.text[node.start_byte :])
        with self.reading(source), self.standing(depth=self.context.depth + 1):
            return self.run_block(root.children)

    @abstractmethod
    def run_inner(self, command: ShellCommand, values: Sequence[ExpandedWord]) -> Status | None:
        """Reads the script or the function that a command runs; None where it runs none. `values`: its words."""

    @property
    def words(self) -> WordReader:
        return self.words_of(self.source.text)

    def words_of(self, text: PlacedText) -> WordReader:
        """What expands the words of a text."""
        return WordReader(text, self.state, self.budget, self._output, braces=self.is_bash)

    @contextmanager
    def reading(self, source: ShellSource) -> Iterator[None]:
        """Reads another source meanwhile."""
        outer = getattr(self, "source", source)
        self.source = source
        try:
            yield
        finally:
            self.source = outer

    @contextmanager
    def standing(self, **changes: object) -> Iterator[None]:
        """Reads in another context meanwhile."""
        outer = self.context
        self.context = outer._replace(**changes)  # type: ignore[arg-type]
        try:
            yield
        finally:
            self.context = outer

    @contextmanager
    def copied(self) -> Iterator[ShellState]:
        """Reads in a copy of the state meanwhile, and gives that; the state itself stays as it is."""
        outer = self.state
        self.budget.copy(len(outer.variables))
        self.state = outer.copy()
        try:
            yield self.state
        finally:
            self.state = outer

    def is_too_deep(self, node: Node) -> bool:
        """Whether a statement is nested too deep to be read, which is then said."""
        if self.context.depth <= _DEEPEST:
            return False
        self.note(self.place(node), "it is nested too deep", self.written(node))
        return True

    def place(self, node: Node) -> Place:
        return self.source.text.place(node.start_byte)

    def written(self, node: Node) -> str:
        """A node as it is written."""
        return self.source.text.text[node.start_byte : node.end_byte]

    def run_arm(self, nodes: Sequence[Node], runs: bool | None, arm: Arm | None = None) -> Status:
        """Reads an arm: it runs for sure, or not, or perhaps, in which case the caller takes what it leaves behind."""
        runs = False if self.context.runs is False or runs is False else self.context.runs and runs
        branch = (*self.context.branch, arm) if arm else self.context.branch
        with self.standing(runs=runs, branch=branch, depth=self.context.depth + 1):
            return self.run_block(nodes)

    def new_branching(self) -> int:
        self._branchings += 1
        return self._branchings

    def note(self, place: Place, reason: str, source: str) -> None:
        """Says what cannot be followed, the first hundred of it, unless it does not run."""
        if self.context.runs is False or len(self.unread) > _MOST_UNREAD:
            return
        if len(self.unread) == _MOST_UNREAD:
            reason = "more that cannot be followed is not listed"
        line = source[: 10 * _SHOWN].strip().partition("\n")[0]
        shown = re.sub(r"[\n\t]", " ", show_controls(hide_secret(line)))
        shown = f"{shown[:_SHOWN]}…" if len(shown) > _SHOWN else shown
        self.unread.append(UnreadPart(place=place, reason=reason, source=shown, file=self.file))

    def _output(self, text: PlacedText) -> str | None:
        """What a command substitution prints, None where that cannot be determined."""
        before = len(self.commands)
        if self.context.depth > _DEEPEST:
            return None
        context = self.context
        with (
            self.copied(),
            self.standing(
                level=context.level + 1,
                outer_runs=conditions.both(context.outer_runs, context.runs),
                runs=context.runs is not False,
                operator="",
                ignored_by="",
                stdin=None,
                depth=context.depth + 1,
            ),
        ):
            self.run_script(text)
            return printed(self.commands_since(before), self.known_outputs)

    def commands_since(self, number: int) -> list[ShellCommand]:
        """The commands from a number on without those of substitutions in them; `runs` counts from the innermost."""
        pairs = zip(self.commands[number:], self._traces[number:], strict=True)
        return [
            replace(command, runs=runs) for command, (level, runs) in pairs if level == self.context.level
        ]

    def add(self, command: ShellCommand) -> None:
        """Adds a command that stands in the context."""
        self.commands.append(command)
        self._traces.append((self.context.level, self.context.runs))
