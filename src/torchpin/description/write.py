"""A service as the text of a service.yaml."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from torchpin.description.sections.service import SERVICE, service_mapping
from torchpin.description.shapes import Alternatives, Items, Key, OneOrList, Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.description.shapes import Shape
    from torchpin.model import Service


def to_yaml(service: Service, *, unknown: Mapping[str, str] = MappingProxyType({})) -> str:
    """A service as YAML text that reads back as the same values; comments and order of a file are not kept.

    `unknown`: what stands at a key path, such as `base.image`, in place of the service's value.
    """
    values = _without_defaults(service_mapping(service), SERVICE)
    for path, text in unknown.items():
        *parents, key = path.split(".")
        table: Any = values
        for parent in parents:
            table = table[parent]
        table[key] = text
    # PyYAML folds lines at 80 columns by default; no text of a description is folded.
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=10_000)


def flow_list(texts: Iterable[str]) -> str:
    """Texts as a YAML list in brackets; one that YAML would read as a number, a date or the like is in quotes."""
    return yaml.safe_dump(list(texts), default_flow_style=True, allow_unicode=True, width=10_000).strip()


def _without_defaults(value: object, shape: Shape) -> object:
    """A value without the keys that need not be written: those without a value, and those with their default."""
    if isinstance(value, list) and isinstance(shape, Items):
        return [_without_defaults(item, shape.of) for item in value]
    if isinstance(value, dict) and isinstance(shape, Table):
        return {name: _without_defaults(item, shape.of) for name, item in value.items()}
    record = shape.record if isinstance(shape, Alternatives) else shape
    if isinstance(value, dict) and isinstance(record, Record):
        present = {
            key.name: (key, _without_defaults(value[key.name], key.shape))
            for key in record.keys
            if key.name in value
        }
        return {
            name: item for name, (key, item) in present.items() if key.required or not _is_default(item, key)
        }
    return value


def _is_default(value: object, key: Key) -> bool:
    if value is None or value in ("", {}) or (value == [] and not isinstance(key.shape, OneOrList)):
        return True
    return str(value).lower() == key.default if isinstance(value, (bool, int)) else value == key.default
