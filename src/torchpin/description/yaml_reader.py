"""A reader of YAML nodes that collects every problem with its file, line, column and key path."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

import yaml

from torchpin.controls import CONTROL
from torchpin.description.suggestions import name_hint
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    T = TypeVar("T")

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

__all__ = ["MOST_CHARACTERS", "Loader", "Reader", "TextRule", "describe_node", "is_unquoted", "text_rule"]

_TAG_NAMES = {
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:map": "a mapping",
    "tag:yaml.org,2002:seq": "a list",
}
MOST_CHARACTERS = 4_000_000  # of a description; a list of 50,000 packages has one million
# YAML ends lines with these too; git, editors and the edits of a description do not.
_OTHER_LINE_BREAK = re.compile(r"\r(?!\n)|[\x85\u2028\u2029]")
# libyaml's composer crashes the process at some ten thousand levels; descriptions have under ten.
_MAX_DEPTH = 64


class TextRule(NamedTuple):
    """The pattern that a whole text must match, and what a message calls it (`a full Python version such as 3.10.14`)."""

    pattern: re.Pattern[str]
    expected: str


def text_rule(pattern: str, expected: str) -> TextRule:
    """A rule whose `\\d` and `\\w` match ASCII only: Unicode has digits and letters that look like them."""
    return TextRule(re.compile(pattern, re.ASCII), expected)


def _plain_path_advice(value: str, rule: TextRule) -> str:
    """The path to write instead of one with `./`, `//` or a slash at its end; "" for everything else."""
    plain = posixpath.normpath(value)
    if plain == value or ".." in value or not rule.pattern.fullmatch(plain):
        return ""
    return f"; write {plain!r}"


class Reader:
    """Reads the nodes of one file, and collects problems and the positions of values. Bad input raises nothing."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.positions: dict[str, Position] = {}
        self._first_offset = 0  # 1 behind a byte order mark, which libyaml's offsets do not count

    def compose(self, text: str) -> yaml.MappingNode | None:
        """The root mapping of a text, or None if it has none."""
        if len(text) > MOST_CHARACTERS:
            message = f"has {len(text)} characters, and at most {MOST_CHARACTERS} are read"
            self.problems.append(self._problem(1, 1, "", message))
            return None
        if text.startswith("\ufeff") and not text.startswith("\ufeff\ufeff"):  # a second one is no mark
            self._first_offset, text = 1, text[1:]
        try:
            refusal = _other_line_break(text) or _find_too_deep(text)
            if refusal:
                self.problems.append(self._problem(*refusal[:2], "", refusal[2]))
                return None
            node = yaml.compose(text, Loader=Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            message = (
                "expected one YAML document, found another"
                if error.problem == "but found another document"
                else f"invalid YAML: {error.problem or error.context}"
            )
            if "expected" in (error.problem or "") and "block" in (error.context or ""):
                message += f"; check the indentation of line {line}"
            self.problems.append(self._problem(line, column, "", message))
            return None
        except yaml.reader.ReaderError as error:
            self.problems.append(
                self._problem(1, 1, "", f"invalid YAML: {error.reason} at character {error.position}")
            )
            return None
        if not isinstance(node, yaml.MappingNode):
            self.problems.append(
                self._problem(
                    1,
                    1,
                    "",
                    "expected a mapping of keys, found " + (describe_node(node) if node else "an empty file"),
                )
            )
            return None
        return node

    def _problem(self, line: int, column: int, path: str, message: str) -> Problem:
        return Problem(
            position=Position(file=self.file, line=line, column=column), path=path, message=message
        )

    def position(self, node: yaml.Node) -> Position:
        start, end = node.start_mark, node.end_mark
        return Position(
            file=self.file,
            line=start.line + 1,
            column=start.column + 1,
            start=start.index + self._first_offset,
            end=end.index + self._first_offset,
        )

    def add_problem(self, node: yaml.Node, path: str, message: str) -> None:
        self.problems.append(Problem(position=self.position(node), path=path, message=message))

    def add_problem_at(self, path: str, message: str) -> None:
        """Adds a problem of a value that was read, by its key path."""
        self.problems.append(Problem(position=self.positions[path], path=path, message=message))

    def mapping(
        self, node: yaml.Node, path: str, allowed: tuple[str, ...] | None = None
    ) -> dict[str, yaml.Node]:
        """The values of a mapping by key. Duplicate and unknown keys are problems; with `allowed` None any name is known."""
        if not isinstance(node, yaml.MappingNode):
            self.add_problem(node, path, f"expected a mapping, found {describe_node(node)}")
            return {}
        values: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            key_path = f"{path}.{name}" if path else str(name)
            if name is None or (allowed is None and key.tag != "tag:yaml.org,2002:str"):
                self.add_problem(
                    key,
                    path,
                    f"expected a name as key, found {describe_node(key)}" + (" (quote it)" if name else ""),
                )
            elif allowed is None and CONTROL.search(name):
                self.add_problem(
                    key, path, f"expected a name without control characters as key, found {name!r}"
                )
            elif name in values:
                self.add_problem(key, key_path, "duplicate key; keep one")
            elif allowed is not None and name not in allowed:
                self.add_problem(key, path, f"unknown key {name!r} ({name_hint(name, sorted(allowed))})")
            else:
                values[name] = value
                self.positions[key_path] = self.position(value)
        return values

    def items(self, node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node]]:
        """The entries of a list, each with its key path."""
        if not isinstance(node, yaml.SequenceNode):
            self.add_problem(node, path, f"expected a list, found {describe_node(node)}")
            return
        for number, value in enumerate(node.value):
            self.positions[f"{path}[{number}]"] = self.position(value)
            yield f"{path}[{number}]", value

    def scalar(self, node: yaml.Node, path: str, kind: str) -> str | None:
        """The text of a scalar of a kind of _TAG_NAMES; None, and a problem, if it is another."""
        if isinstance(node, yaml.ScalarNode) and _TAG_NAMES.get(node.tag, node.tag) == kind:
            return str(node.value)
        quote = " (quote it)" if kind == "text" and is_unquoted(node) else ""
        self.add_problem(node, path, f"expected {kind}, found {describe_node(node)}{quote}")
        return None

    def text(self, node: yaml.Node, path: str, rule: TextRule | None = None) -> str:
        """A text that matches its rule; "", and a problem, if it does not."""
        value = self.scalar(node, path, "text")
        if value is None:
            return ""
        if CONTROL.search(value):
            self.add_problem(node, path, "expected one line of text without control characters")
            return ""
        if rule and not rule.pattern.fullmatch(value):
            self.add_problem(node, path, f"{value!r} is not {rule.expected}{_plain_path_advice(value, rule)}")
            return ""
        return value

    def number(self, node: yaml.Node, path: str, *, low: int, high: int) -> int:
        """A whole number within bounds; `low`, and a problem, for anything else."""
        value = self.scalar(node, path, "a number")
        if value is None:
            return low
        # YAML 1.1 reads a number with a leading zero as octal, so 010 is 8.
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", value) or not low <= int(value) <= high:
            self.add_problem(
                node, path, f"expected a whole number from {low} to {high}, found {describe_node(node)}"
            )
            return low
        return int(value)

    def flag(self, node: yaml.Node, path: str) -> bool:
        value = self.scalar(node, path, "true or false")
        return value is not None and value.lower() in {"true", "yes", "on"}

    def parse(self, node: yaml.Node, path: str, parse: Callable[[str], T], expected: str) -> T | None:
        """The value of a text by a parser that raises ValueError; None, and a problem, if it does."""
        problem_count = len(self.problems)
        value = self.text(node, path)
        if len(self.problems) > problem_count:
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.add_problem(
                node, path, f"{value!r} is not {expected}" + (f": {error}" if str(error) else "")
            )
            return None

    def require_keys(
        self, node: yaml.Node, path: str, values: Mapping[str, yaml.Node], names: tuple[str, ...]
    ) -> bool:
        """Whether a mapping has all names; each missing one is a problem."""
        missing = [name for name in names if name not in values]
        for name in missing:
            self.add_problem(node, path, f"the key {name!r} is missing")
        return not missing


def is_unquoted(node: yaml.Node) -> bool:
    """Whether YAML reads a scalar as a number, a date or the like, which would be text in quotes."""
    return isinstance(node, yaml.ScalarNode) and _TAG_NAMES.get(node.tag, node.tag) not in {"text", "nothing"}


def describe_node(node: yaml.Node) -> str:
    """What a message calls a node: its text on one line, or its kind."""
    if isinstance(node, yaml.ScalarNode):
        plain = node.tag != "tag:yaml.org,2002:str" and not CONTROL.search(node.value)
        return (node.value or "nothing") if plain else repr(node.value)
    return _TAG_NAMES.get(node.tag, node.tag)


def _other_line_break(text: str) -> tuple[int, int, str] | None:
    """Line, column and message of the first line that ends as in YAML alone; None if there is none."""
    match = _OTHER_LINE_BREAK.search(text)
    if not match:
        return None
    line = text.count("\n", 0, match.start()) + 1
    column = match.start() - text.rfind("\n", 0, match.start())
    return (
        line,
        column,
        f"a line ends with {match[0]!r}; save the file with the line ends of Unix or Windows",
    )


def _find_too_deep(text: str) -> tuple[int, int, str] | None:
    """Line, column and message of the first node that is nested too deep, from parser events alone; None if there is none."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        mark = event.start_mark
        if depth > _MAX_DEPTH and mark:
            return mark.line + 1, mark.column + 1, f"nested deeper than {_MAX_DEPTH} levels"
    return None
