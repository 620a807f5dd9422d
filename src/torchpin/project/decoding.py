"""The text of another project's file: its encoding is that of its byte order mark, or declared, or UTF-8; never guessed."""

from __future__ import annotations

import codecs
import re

# The longer ones first: that of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# As in PEP 263, which pip follows for requirement files: in a comment of the first two lines.
_DECLARED = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


class UndecodableError(ValueError):
    """A file that is not the text it should be: the line from 1, and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason = line, reason


def decode_text(content: bytes, name: str) -> str:
    """The text of a file. Only a requirement file (`*.txt`) can declare its encoding. Raises UndecodableError."""
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), "")
    declared = "" if marked or not name.endswith(".txt") else _declared_encoding(content)
    encoding = marked or declared or "utf-8"
    try:
        if not codecs.lookup(encoding)._is_text_encoding:  # noqa: SLF001 - str.decode checks it, too late for a bomb
            raise UndecodableError(1, f"the declared encoding {declared!r} is not a text encoding")
        return content.decode(encoding)
    except LookupError:
        raise UndecodableError(
            1, f"the declared encoding {declared!r} is unknown; save it as UTF-8"
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        kind = {"utf-8-sig": "UTF-8"}.get(encoding, encoding.upper())
        raise UndecodableError(
            line, f"not {kind} text at byte {error.start} (0x{content[error.start]:02x}); save it as UTF-8"
        ) from None


def _declared_encoding(content: bytes) -> str:
    for line in content.split(b"\n", 2)[:2]:
        match = _DECLARED.match(line)
        if match:
            return match[1].decode("ascii", errors="replace")
    return ""
