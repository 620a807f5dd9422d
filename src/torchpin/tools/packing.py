"""Values as bytes, for files of kept answers and between processes; `pickle.loads` reads them."""

from __future__ import annotations

import io
import pickle
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


def pack(value: object) -> bytes:
    """The bytes of a value, whose dataclasses have slots, for the most part."""
    buffer = io.BytesIO()
    _Packer(buffer, protocol=5).dump(value)
    return buffer.getvalue()


class _Packer(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """Frozen dataclasses with slots by the values of their fields: those of `dataclasses` itself take five times as long."""
        kind = type(value)
        if not is_dataclass(kind) or not _setters(kind):
            return NotImplemented
        return _restore, (kind, *(getattr(value, row.name) for row in fields(kind)))


@cache
def _setters(kind: Hashable) -> tuple[Callable[[Any, Any], None], ...]:
    """What sets each field of a dataclass; empty where one is in no slot."""
    slots: list[Any] = [getattr(kind, row.name, None) for row in fields(cast("Any", kind))]
    if not all(hasattr(slot, "__set__") for slot in slots):
        return ()
    return tuple(slot.__set__ for slot in slots)


def _restore(kind: Any, *values: Any) -> Any:
    restored = object.__new__(kind)
    for set_value, value in zip(_setters(kind), values, strict=True):
        set_value(restored, value)
    return restored
