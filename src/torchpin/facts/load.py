"""Reading the tables and index snapshots of `data/`, each file once, on first use."""

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

    RowType = TypeVar("RowType", bound=DataclassInstance)

NAMES = (
    "archs", "base_images", "channels", "compilers", "drivers", "gpus", "known_failures", "other_channels", "packages",
    "partners", "pypi_wheels",
    "secrets", "sources", "torch", "undeclared_requirements", "wheels",
)  # fmt: skip

RawRow = dict[str, Any]
Table = dict[str, list[RawRow]]  # section → rows

# Table to section to its readers; a section of prose has them by the id of its rows.
Readers = dict[str, dict[str, Any]]

_FOLDER = Path(__file__).parent / "data"


@cache
def load_table(name: str) -> Table:
    """A table of `data/` with its defaults filled in."""
    import yaml  # here, since a build with nothing to do needs no table, and importing yaml takes time

    # The C loader is much faster, but missing where PyYAML was built without libyaml.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return merge_defaults(yaml.load(text, Loader=loader))  # noqa: S506 - both are safe loaders


def load_readers() -> Readers:
    """The readers of the tables' sections, as they are stored; for `facts --check`, not for checks."""
    import yaml

    return dict(yaml.safe_load((_FOLDER / "readers.yaml").read_text(encoding="utf-8")))


def merge_defaults(raw: Mapping[str, Any]) -> Table:
    """The sections of a table, each row with the defaults of its file and of its section filled in."""
    defaults = raw.get("defaults", {})
    common = {key: value for key, value in defaults.items() if not isinstance(value, dict)}
    return {
        section: [{**common, **defaults.get(section, {}), **row} for row in rows]
        for section, rows in raw.items()
        if section != "defaults"
    }


def all_tables() -> dict[str, Table]:
    """Every table by name."""
    return {name: load_table(name) for name in NAMES}


@cache
def load_snapshot(name: str) -> Any | None:
    """An index snapshot of `data/index/` as it is stored; None: there is none of that name."""
    path = _FOLDER / "index" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def build_row(kind: type[RowType], row: RawRow) -> RowType:
    """The row as a frozen value; keys that the value has no field for are dropped."""
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: _freeze(value) for name, value in row.items() if name in names})


def _freeze(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType(value)
    return tuple(value) if isinstance(value, list) else value
