"""docs/SERVICE.md: every key of a service.yaml, from the shapes that the reader reads by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.description.sections.service import SERVICE
from torchpin.description.shapes import (
    Alternatives,
    Date,
    Flag,
    Items,
    Number,
    OneOrList,
    Record,
    Table,
    Text,
)
from torchpin.documents.markdown import code, paragraphs, prose, table, wrap_section
from torchpin.documents.sections import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torchpin.description.shapes import Key, Shape

SERVICE_OPENING = """\
# service.yaml

A service is described in `services/<name>/service.yaml`; this page lists every key that the file may have.
Texts are one line, without control characters. An unknown key, a key that is there twice and a value of another type are refused, with the line and column.
`torchpin schema` prints the same rules as a JSON Schema, for editors.
<!-- Text outside the generated section is kept. -->
"""
_HEADERS = ("Key", "Value", "Default", "What it is", "Example")


def reference_sections() -> dict[str, str]:
    """The section of docs/SERVICE.md: a table of the keys of a service, then of each mapping in it."""
    body = paragraphs(*_tables(SERVICE, ""))
    return {"keys": wrap_section("keys", body, source="torchpin/description/sections")}


def _tables(record: Record, path: str) -> Iterator[str]:
    yield paragraphs(f"## {code(path)}" if path else "## Keys", table(_HEADERS, map(_row, record.keys)))
    for key in record.keys:
        for suffix, inner in _records(key.shape):
            yield from _tables(inner, f"{path}.{key.name}{suffix}" if path else f"{key.name}{suffix}")


def _records(shape: Shape) -> Iterator[tuple[str, Record]]:
    """The records in a shape, with the end of their key path: `[]` for those of a list, `.<name>` for those of a table."""
    match shape:
        case Record():
            yield "", shape
        case Items():
            yield from ((f"[]{suffix}", record) for suffix, record in _records(shape.of))
        case Table():
            yield from ((f".<name>{suffix}", record) for suffix, record in _records(shape.of))
        case Alternatives():
            yield "", shape.record


def _row(key: Key) -> tuple[str, ...]:
    default = "required" if key.required else code(key.default) if key.default else NOTHING
    example = code(key.example) if key.example else NOTHING
    return code(key.name), prose(type_text(key.shape)), default, prose(key.doc), example


def type_text(shape: Shape) -> str:
    """What a value of a shape is, in words: `a list of: a Debian package name`."""
    return _TYPES[type(shape)](shape)


def _text_type(shape: Text) -> str:
    return shape.rule.expected if shape.rule else "a text"


def _items_type(shape: Items) -> str:
    return f"a list of: {type_text(shape.of)}{', each once' if shape.unique else ''}"


def _table_type(shape: Table) -> str:
    return f"a mapping from {shape.name.expected} to: {type_text(shape.of)}"


def _record_type(_shape: Record) -> str:
    return "a mapping"


_TYPES: Mapping[type, Callable[..., str]] = {
    Text: _text_type,
    Number: lambda shape: f"a whole number from {shape.low} to {shape.high}",
    Flag: lambda _: "`true` or `false`",
    Date: lambda _: "a date",
    Items: _items_type,
    Table: _table_type,
    Record: _record_type,
    Alternatives: lambda shape: f"{type_text(shape.text)}, or a mapping",
    OneOrList: lambda shape: f"{type_text(shape.one)}, or {type_text(shape.several)}",
}
