"""The JSON Schema and the reader agree: on every key's examples, and on hundreds of wrong values of every key."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from support.descriptions import LORA, PLAIN, full_text, replace_in_plain
from torchpin.description import read
from torchpin.description.schema import service_schema
from torchpin.description.sections.service import SERVICE
from torchpin.description.shape_reader import read_shape
from torchpin.description.shapes import Alternatives, Items, OneOrList, Record, Table, Text
from torchpin.description.yaml_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.description.shapes import Shape

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # as the loader: much faster, where there is libyaml
_VALIDATOR = Draft202012Validator(service_schema(), format_checker=FormatChecker())
_OTHER_TYPES: tuple[Any, ...] = (
    "text",
    1,
    -1,
    1.5,
    70_000,
    True,
    None,
    [],
    {},
    ["text"],
    {"a": "b"},
    [["a"]],
)
_TEXTS = (
    *("", " ", "a b", "A", "a", "0", "-a", "a-", "a_b", "../a", "/a", "/a/../b", "a//b", "a/", "a\nb", "a\tb"),
    *("x" * 40, "1.0", "1.0+cpu", "1.x", "3.10", "3.10.14", "3.\u0661\u0660.1", "a==1", "a>=1", "a==1.*", "a[b]==1"),
    *("a==1; python_version > '3'", "debian", "debian:12", "debian:12@sha256:0", "sha256:0", "0f" * 20, "v1"),
    *("v1..2", "https://example.org/a", "git@example.org:a", "file:///a", "ftp://a", "cu121", "rocm6.3", "pypi"),
    *("linux/amd64", "windows", "20GB", "20 GB", "550.54.14", "GPU001", "2027-01-31", "2027-13-31", "index", "base"),
    *("$a", '"', "`a`", "a\\b", "\u00e9", "\u200b", "\u202ea", "torch"),
)  # fmt: skip


def read_alone(description: object) -> Reader:
    """The reader of a description after its shapes were read, without what belongs together in it."""
    reader = Reader(LORA)
    root = reader.compose(yaml.dump(description, Dumper=_DUMPER, allow_unicode=True))
    if root:
        read_shape(reader, root, "", SERVICE)
    return reader


def schema_errors(description: object) -> list[str]:
    """What the schema refuses; dates are texts for it, as for an editor."""
    value = json.loads(json.dumps(description, default=str))
    return [f"{error.json_path}: {error.message}" for error in _VALIDATOR.iter_errors(value)]


def complete(shape: Shape, example: str = "") -> Any:
    """A value of a shape in which every key is given, by the examples of the keys."""
    if isinstance(shape, Items) and isinstance(shape.of, Alternatives):
        return [*yaml.safe_load(example), complete(shape.of.record)]
    if example:
        return yaml.safe_load(example)
    if isinstance(shape, Record):
        return {key.name: complete(key.shape, key.example) for key in shape.keys}
    if isinstance(shape, Items):
        return [complete(shape.of)]
    if isinstance(shape, Table):
        return {"gpu": complete(shape.of)}
    pytest.fail(f"a key with {shape} has no example")


def places(shape: Shape, value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Shape]]:
    """Every value in a description with its shape, by its path of keys and numbers."""
    yield path, shape
    if isinstance(shape, Alternatives):
        shape = shape.record if isinstance(value, dict) else shape.text
    if isinstance(shape, OneOrList):
        shape = shape.several if isinstance(value, list) else shape.one
    if isinstance(shape, Record):
        for key in shape.keys:
            if key.name in value:
                yield from places(key.shape, value[key.name], (*path, key.name))
    elif isinstance(shape, Items):
        for number, item in enumerate(value):
            yield from places(shape.of, item, (*path, number))
    elif isinstance(shape, Table):
        for name, item in value.items():
            yield from places(shape.of, item, (*path, name))


def with_value(description: Any, path: tuple[Any, ...], value: object) -> Any:
    """A description with another value at a path."""
    if not path:
        return value
    changed = copy.deepcopy(description)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def is_refused_by_name(shape: Shape, value: object) -> bool:
    """Whether a text is one that its pattern takes, and that is refused for what it names: no schema knows that."""
    texts = [shape.text if isinstance(shape, Alternatives) else shape]
    return any(
        isinstance(text, Text)
        and isinstance(value, str)
        and bool((text.refuse and text.refuse(value)) or (text.parse and _cannot_parse(text, value)))
        for text in texts
    )


def _cannot_parse(shape: Text, value: str) -> bool:
    try:
        return shape.parse is not None and shape.parse(value) is None
    except ValueError:
        return True


COMPLETE = complete(SERVICE)
# the keys that no description lacks: a wrong value is tried among these and its own section, for all others stay right
REQUIRED = {name: COMPLETE[name] for name in service_schema()["required"]}
PLACES = [(path, shape) for path, shape in places(SERVICE, COMPLETE) if path]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(service_schema())


def test_reader_and_schema_accept_the_examples_of_all_keys_together() -> None:
    assert read_alone(COMPLETE).problems == []
    assert schema_errors(COMPLETE) == []


@pytest.mark.parametrize("text", [PLAIN, full_text()], ids=["plain", "full"])
def test_the_schema_accepts_what_the_reader_reads(text: str) -> None:
    assert read.read_services({LORA: text})
    assert schema_errors(yaml.safe_load(text)) == []


def test_the_schema_refuses_an_unknown_key_and_a_missing_one() -> None:
    assert schema_errors(yaml.safe_load(replace_in_plain("summary: Training", "sumary: Training"))) == [
        "$: 'summary' is a required property",
        "$: Additional properties are not allowed ('sumary' was unexpected)",
    ]


@pytest.mark.parametrize(("path", "shape"), PLACES, ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "")  # fmt: skip
def test_reader_and_schema_agree_on_wrong_values_of_a_key(path: tuple[Any, ...], shape: Shape) -> None:
    values = [*_OTHER_TYPES, *(_TEXTS if isinstance(shape, Text | Alternatives | OneOrList) else ())]
    if isinstance(shape, Items) and shape.unique:
        values.append(["a", "a"])
    differing = []
    for value in values:
        description = with_value(REQUIRED | {path[0]: COMPLETE[path[0]]}, path, value)
        is_wrong = bool(schema_errors(description))
        if bool(read_alone(description).problems) != is_wrong and not is_refused_by_name(shape, value):
            differing.append(
                (value, "refused by the schema alone" if is_wrong else "refused by the reader alone")
            )
    assert differing == []


@pytest.mark.parametrize(
    "path", [path for path, shape in places(SERVICE, COMPLETE) if isinstance(shape, Record)], ids=str
)
def test_reader_and_schema_agree_on_the_keys_of_a_mapping(path: tuple[Any, ...]) -> None:
    value = COMPLETE
    for key in path:
        value = value[key]
    changes = [{**value, "zzz": 1}, *({k: v for k, v in value.items() if k != name} for name in value)]
    for change in changes:
        description = with_value(COMPLETE, path, change)
        assert bool(read_alone(description).problems) == bool(schema_errors(description)), change
