"""Reading the tables: each file once, when it is first asked for."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)

NAMES = (
    *("archs", "bases", "channels", "drivers", "failures", "floors", "gpus", "packages", "sources", "torch"),
    "wheels",
)

Entry = dict[str, Any]
Table = dict[str, list[Entry]]  # section → rows

_FOLDER = Path(__file__).parent / "data"


@cache
def table(name: str) -> Table:
    import yaml  # a build with nothing to do should not pay for it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return merged(yaml.load(text, Loader=loader))  # noqa: S506 - both are safe loaders


def merged(raw: Mapping[str, Any]) -> Table:
    """Every row with the defaults of its file, and of its section, filled in."""
    defaults = raw.get("defaults", {})
    common = {key: value for key, value in defaults.items() if not isinstance(value, dict)}
    return {
        section: [{**common, **defaults.get(section, {}), **row} for row in rows]
        for section, rows in raw.items()
        if section != "defaults"
    }


def all_tables() -> dict[str, Table]:
    return {name: table(name) for name in NAMES}


@cache
def index(name: str) -> Any | None:
    path = _FOLDER / "index" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def built(kind: type[Kind], row: Entry) -> Kind:
    """The row as a value; keys that the value has no field for stay behind."""
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: _frozen(value) for name, value in row.items() if name in names})


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType(value)
    return tuple(value) if isinstance(value, list) else value
