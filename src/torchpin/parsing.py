"""JSON and TOML that others wrote: whatever is wrong with a text is a ValueError with one sentence."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_KEY_PARTS = 100  # tomllib needs quadratic time for the parts of a dotted key; real ones have under ten
_STRING = re.compile(
    r""""(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?"""
)  # also without its end, so that nothing is read twice
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){{{_MOST_KEY_PARTS}}}", re.ASCII)
_TOO_DEEP = "it is nested too deep"


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text, or of the UTF-8 bytes of one.

    Raises ValueError for what is not JSON, is nested too deep, or has an escape that no UTF-8 file can hold.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode()
        value = json.loads(decoded)
        if "\\ud" in decoded.lower():  # half of a surrogate pair would fail only where it is written
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except UnicodeError:
        message = "it is not UTF-8"
        raise ValueError(message) from None
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError for what is not TOML, or is nested too deep."""
    if _LONG_KEY.search(_STRING.sub("s", text)):
        message = f"it has a key of more than {_MOST_KEY_PARTS} parts"
        raise ValueError(message)
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return tables
