"""What the checks of several tables ask: the rows of another table, the names of the channels, whether a text parses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchpin.facts.load import RawRow, Table


def rows(tables: Mapping[str, Table], name: str, section: str) -> list[RawRow]:
    """The rows of a section; none where the table or the section is missing."""
    return tables.get(name, {}).get(section, [])


def channel_names(tables: Mapping[str, Table]) -> set[str]:
    """The names of the channels."""
    return {row["name"] for row in rows(tables, "channels", "channels")}


def parses(kind: Callable[[str], object], text: str) -> bool:
    """Whether a text is a version, a date, a requirement or a pattern, whatever `kind` reads."""
    try:
        kind(text)
    except (ValueError, re.error):  # ValueError: the base class of what packaging and datetime raise
        return False
    return True
