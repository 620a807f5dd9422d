"""TOML files of another project: tables of any shape, and the places of their texts, which the standard library's reader drops."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torchpin.model import Position, Problem
from torchpin.parsing import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_KEY = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')\s*(?:[.=])")
_TABLE = re.compile(r"\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_MOST_CHARACTERS = 20_000_000


@dataclass(kw_only=True, slots=True)
class _Places:
    """Lines and columns from 1, by table and text; a text of any table by "". `tables`: the lines of their headers."""

    quoted: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)


def _scan(text: str) -> _Places:
    places, table = _Places(), ""
    for number, line in enumerate(text.split("\n"), start=1):
        header = _TABLE.match(line)
        if header and "=" not in line.partition("#")[0]:
            table = header[1].replace('"', "").replace(" ", "")
            places.tables.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key:
            for name in (table, ""):
                places.keys.setdefault((name, key["key"].strip("\"'")), (number, key.start("key") + 1))
        for match in _QUOTED.finditer(line):
            for name in (table, ""):
                places.quoted.setdefault((name, match[0][1:-1]), (number, match.start() + 2))
    return places


class TomlFile:
    """The tables of a TOML file; `problems` say why there are none, or that a value has another type than it should."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.tables: Mapping[str, Any] = {}
        self._places: _Places | None = None
        self._text = text
        try:
            if len(text) > _MOST_CHARACTERS:
                message = f"it has {len(text)} characters, and at most {_MOST_CHARACTERS} are read"
                raise ValueError(message)  # noqa: TRY301 - all that is wrong is one kind of problem
            self.tables = parse_toml(text)
        except ValueError as error:
            self._refuse(error)

    def _refuse(self, error: ValueError) -> None:
        match = re.search(r"\(at line (\d+), column (\d+)\)$", str(error))
        line, column = (int(match[1]), int(match[2])) if match else (1, 1)
        position = Position(file=self.file, line=line, column=column)
        self.problems.append(Problem(position=position, path="", message=str(error)))

    def position(self, value: str, table: str = "") -> Position:
        """Where a text stands in quotes: in a table, else in any; its table, else the first line, where it is not seen."""
        return self._place(value, table, self._scanned.quoted)

    def key_position(self, key: str, table: str = "") -> Position:
        """Where a key stands, as `position` does."""
        return self._place(key, table, self._scanned.keys)

    def _place(self, text: str, table: str, places: Mapping[tuple[str, str], tuple[int, int]]) -> Position:
        place = places.get((table, text)) or places.get(("", text))
        line, column = place or (self._scanned.tables.get(table, 1), 1)
        return Position(file=self.file, line=line, column=column)

    @property
    def _scanned(self) -> _Places:
        if self._places is None:
            self._places = _scan(self._text)
        return self._places

    def wrong_type(self, name: str, expected: str) -> None:
        """Notes a value of another type than it should have, by its dotted name."""
        table, _, key = name.rpartition(".")
        position = self.key_position(key, table)
        self.problems.append(Problem(position=position, path=name, message=f"expected {expected}"))

    def table(self, *names: str) -> Mapping[str, Any]:
        """The table of a path, empty where there is none, or another value (which is a problem)."""
        value: Any = self.tables
        for number, name in enumerate(names):
            value = value.get(name)
            if value is None:
                return {}
            if not isinstance(value, dict):
                self.wrong_type(".".join(names[: number + 1]), "a table")
                return {}
        table: Mapping[str, Any] = value
        return table

    def texts(self, parent: Mapping[str, Any], key: str, table: str) -> tuple[str, ...]:
        """The texts of a list; another value is a problem and counts as empty, as does an entry that is not a text."""
        values = parent.get(key, [])
        if not isinstance(values, list):
            self.wrong_type(f"{table}.{key}".lstrip("."), "a list of texts")
            return ()
        if not all(isinstance(value, str) for value in values):
            self.wrong_type(f"{table}.{key}".lstrip("."), "a list of texts")
        return tuple(value for value in values if isinstance(value, str))

    def rows(self, parent: Mapping[str, Any], key: str, table: str) -> tuple[Mapping[str, Any], ...]:
        """The tables of a list of tables; another value is a problem."""
        values = parent.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.wrong_type(f"{table}.{key}".lstrip("."), "a list of tables")
            return ()
        return tuple(values)


def text_of(row: Mapping[str, Any], key: str) -> str:
    """The text of a key, "" for none and for another type."""
    value = row.get(key)
    return value if isinstance(value, str) else ""


def table_of(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table of a key, empty for none and for another type."""
    value = row.get(key)
    return value if isinstance(value, dict) else {}
