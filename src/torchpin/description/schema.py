"""The JSON Schema of service.yaml, made from the shapes that the reader reads by."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from torchpin.controls import CONTROL
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
from torchpin.description.yaml_reader import Loader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchpin.description.shapes import Key, Shape
    from torchpin.description.yaml_reader import TextRule

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What Python's ASCII flag makes of these; an editor's regular expressions may match letters of other scripts.
_CLASSES = {r"\d": "0-9", r"\w": "A-Za-z0-9_"}
_TOKEN = re.compile(r"\\.|\[\^?\]?|\]|[^\\\[\]]+")


def service_schema() -> dict[str, Any]:
    """The JSON Schema of a service.yaml.

    It refuses what has another shape. What only the reader knows it lets pass: names that are given twice, a folder of
    another name, system users.
    """
    return {
        "$schema": DIALECT,
        "title": "torchpin service",
        "description": "A GPU service: its lock, image, verification and documents follow from it.",
        **_schema(SERVICE),
        "$defs": {"line": {"type": "string", "pattern": f"^{_inverted(CONTROL)}*$"}},
    }


def schema_text() -> str:
    """The JSON Schema of a service.yaml as a file."""
    return json.dumps(service_schema(), indent=1, ensure_ascii=True) + "\n"


def _schema(shape: Shape) -> dict[str, Any]:
    return _SCHEMAS[type(shape)](shape)


def _text(shape: Text) -> dict[str, Any]:
    line = {"$ref": "#/$defs/line"}
    return {**line, "pattern": _pattern(shape.rule)} if shape.rule else line


def _number(shape: Number) -> dict[str, Any]:
    return {"type": "integer", "minimum": shape.low, "maximum": shape.high}


def _flag(_shape: Flag) -> dict[str, Any]:
    return {"type": "boolean"}


def _date(_shape: Date) -> dict[str, Any]:
    return {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


def _items(shape: Items) -> dict[str, Any]:
    limits = {
        **({"uniqueItems": True} if shape.unique else {}),
        **({"minItems": 1} if shape.expected else {}),
    }
    return {"type": "array", "items": _schema(shape.of), **limits}


def _table(shape: Table) -> dict[str, Any]:
    names = {"propertyNames": {"pattern": _pattern(shape.name)}, "additionalProperties": _schema(shape.of)}
    return {"type": "object", **names, **({"minProperties": 1} if shape.expected else {})}


def _record(shape: Record) -> dict[str, Any]:
    required = [key.name for key in shape.keys if key.required]
    return {
        "type": "object",
        "properties": {key.name: _key(key) for key in shape.keys},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _key(key: Key) -> dict[str, Any]:
    default = {"default": _json_value(key.default)} if key.default else {}
    examples = {"examples": [_json_value(key.example)]} if key.example else {}
    return {**_schema(key.shape), "description": key.doc, **default, **examples}


def _json_value(text: str) -> Any:
    """The value of a YAML text; dates, which JSON does not have, are texts."""
    return json.loads(json.dumps(yaml.load(text, Loader=Loader), default=str))  # noqa: S506 - a safe loader


def _alternatives(shape: Alternatives) -> dict[str, Any]:
    return {"anyOf": [_schema(shape.text), _schema(shape.record)]}


def _one_or_list(shape: OneOrList) -> dict[str, Any]:
    return {"anyOf": [_schema(shape.one), _schema(shape.several)]}


def _pattern(rule: TextRule) -> str:
    """The pattern of a rule for a whole text, without what only Python reads as it is meant."""
    parts: list[str] = []
    in_class = False
    for part in _TOKEN.findall(rule.pattern.pattern):
        if part in _CLASSES:
            parts.append(_CLASSES[part] if in_class else f"[{_CLASSES[part]}]")
            continue
        parts.append(part)
        in_class = part.startswith("[") or (in_class and part != "]")
    return f"^(?:{''.join(parts)})$"


def _inverted(pattern: re.Pattern[str]) -> str:
    """The characters that a class does not match, with escapes that JSON Schema's regular expressions have."""
    escaped = re.sub(r"\\x([0-9a-f]{2})", r"\\u00\1", pattern.pattern)
    return escaped.replace("[", "[^", 1)


_SCHEMAS: Mapping[type, Callable[..., dict[str, Any]]] = {
    Text: _text,
    Number: _number,
    Flag: _flag,
    Date: _date,
    Items: _items,
    Table: _table,
    Record: _record,
    Alternatives: _alternatives,
    OneOrList: _one_or_list,
}
