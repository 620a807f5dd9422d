"""Reads a YAML node by its shape."""

from __future__ import annotations

import re
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

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
from torchpin.description.yaml_reader import describe_node, is_unquoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchpin.description.shapes import Shape
    from torchpin.description.yaml_reader import Reader


def read_shape(reader: Reader, node: yaml.Node, path: str, shape: Shape) -> Any:
    """The value of a node; what does not fit its shape is a problem of the reader, and None.

    A record is a mapping of the keys that it has, a list a tuple, a table a mapping; what is wrong inside them is None.
    """
    return _READERS[type(shape)](reader, node, path, shape)


def _read_number(reader: Reader, node: yaml.Node, path: str, shape: Number) -> int:
    return reader.number(node, path, low=shape.low, high=shape.high)


def _read_flag(reader: Reader, node: yaml.Node, path: str, _shape: Flag) -> bool:
    return reader.flag(node, path)


def _read_alternatives(reader: Reader, node: yaml.Node, path: str, shape: Alternatives) -> Any:
    return read_shape(reader, node, path, shape.record if isinstance(node, yaml.MappingNode) else shape.text)


def _read_one_or_list(reader: Reader, node: yaml.Node, path: str, shape: OneOrList) -> Any:
    return read_shape(reader, node, path, shape.several if isinstance(node, yaml.SequenceNode) else shape.one)


def _read_text(reader: Reader, node: yaml.Node, path: str, shape: Text) -> Any:
    problem_count = len(reader.problems)
    if (
        shape.rule and is_unquoted(node) and not shape.rule.pattern.fullmatch(node.value)
    ):  # quotes alone do not help
        reader.add_problem(node, path, f"expected {shape.rule.expected}, found {describe_node(node)}")
        return None
    text = reader.text(node, path)
    value: Any = text
    if len(reader.problems) == problem_count and shape.refuse and (reason := shape.refuse(text)):
        reader.add_problem(node, path, reason)
    if len(reader.problems) == problem_count and shape.parse and shape.rule:
        value = reader.parse(node, path, shape.parse, shape.rule.expected)
    if len(reader.problems) == problem_count:
        reader.text(node, path, shape.rule)
    return value if len(reader.problems) == problem_count else None


def _read_items(reader: Reader, node: yaml.Node, path: str, shape: Items) -> tuple[Any, ...]:
    values: list[Any] = []
    accepted: set[Any] = set()
    for item_path, item in reader.items(node, path):
        value = read_shape(reader, item, item_path, shape.of)
        name = shape.name_of(value) if shape.name_of and value is not None else value
        if shape.unique and name is not None and name in accepted:
            reader.add_problem(item, item_path, f"duplicate {name!r}; keep one")
        values.append(value)
        if shape.unique:
            accepted.add(name)
    if not values and shape.expected and isinstance(node, yaml.SequenceNode):
        reader.add_problem(node, path, f"expected at least one {shape.expected}")
    return tuple(values)


def _read_table(reader: Reader, node: yaml.Node, path: str, shape: Table) -> Mapping[str, Any]:
    named = reader.mapping(node, path)
    if not named and shape.expected and isinstance(node, yaml.MappingNode):
        reader.add_problem(node, path, f"expected at least one {shape.expected}")
    for name, value in named.items():
        if not shape.name.pattern.fullmatch(name):
            reader.add_problem(value, f"{path}.{name}", f"{name!r} is not {shape.name.expected}")
        elif shape.refuse_name and (reason := shape.refuse_name(name)):
            reader.add_problem(value, f"{path}.{name}", reason)
    return MappingProxyType(
        {name: read_shape(reader, value, f"{path}.{name}", shape.of) for name, value in named.items()}
    )


def _read_record(reader: Reader, node: yaml.Node, path: str, shape: Record) -> Mapping[str, Any]:
    nodes = reader.mapping(node, path, shape.names)
    reader.require_keys(node, path, nodes, tuple(key.name for key in shape.keys if key.required))
    return MappingProxyType(
        {
            key.name: read_shape(
                reader, nodes[key.name], f"{path}.{key.name}" if path else key.name, key.shape
            )
            for key in shape.keys
            if key.name in nodes
        }
    )


def _read_date(reader: Reader, node: yaml.Node, path: str, _shape: Date) -> date | None:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    try:  # the pattern, since fromisoformat accepts 20270131 too from Python 3.11 on
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    reader.add_problem(node, path, f"expected a date such as 2027-01-31, found {describe_node(node)}")
    return None


_READERS: Mapping[type, Callable[..., Any]] = {
    Text: _read_text,
    Number: _read_number,
    Flag: _read_flag,
    Date: _read_date,
    Items: _read_items,
    Table: _read_table,
    Record: _read_record,
    Alternatives: _read_alternatives,
    OneOrList: _read_one_or_list,
}
