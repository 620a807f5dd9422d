"""The shapes of values in a description: what the reader accepts, the schema says and the reference explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.description.yaml_reader import TextRule

__all__ = [
    "Alternatives",
    "Date",
    "Flag",
    "Items",
    "Key",
    "Number",
    "OneOrList",
    "Record",
    "Shape",
    "Table",
    "Text",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One line of text that matches a rule; None: any line.

    `refuse` returns why a text cannot be used, "" if it can; it is asked before the rule, whose message repeats the text.
    `parse` makes a value of it and raises ValueError with the reason; without it the value is the text.
    """

    rule: TextRule | None = None
    refuse: Callable[[str], str] | None = None
    parse: Callable[[str], Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    """A whole number within bounds."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Flag:
    """`true` or `false`."""


@dataclass(frozen=True, slots=True)
class Date:
    """A day, such as 2027-01-31."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Items:
    """A list of values of one shape; `unique`: of texts or numbers. `name_of`: what may stand once alone, if not the value.

    `expected` is the end of the message about an empty list that may not be empty.
    """

    of: Shape
    unique: bool = False
    name_of: Callable[[str], str] | None = None
    expected: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A mapping from names that people choose to values of one shape.

    `refuse_name` returns why a name that matches its rule cannot be used, "" if it can.
    """

    name: TextRule
    of: Shape
    expected: str = ""
    refuse_name: Callable[[str], str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key of a record. `doc` is one or two sentences, `example` a YAML value that the reader accepts."""

    name: str
    shape: Shape
    doc: str
    example: str = ""
    required: bool = False
    default: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A mapping with fixed keys."""

    keys: tuple[Key, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternatives:
    """Either a text, or a mapping with fixed keys: a short and a long form of the same thing."""

    text: Text
    record: Record


@dataclass(frozen=True, kw_only=True, slots=True)
class OneOrList:
    """Either a single value, or a list; `one` is a text or a flag."""

    one: Text | Flag
    several: Items


Shape = Text | Number | Flag | Date | Items | Table | Record | Alternatives | OneOrList
