"""Control characters in texts that others wrote: refused where torchpin writes a file, made visible where it prints."""

from __future__ import annotations

import re

# C0, C1 (U+009B starts a terminal's escape sequence), the line breaks of YAML 1.1 besides them (none may end a line of
# a Dockerfile), and what changes the direction of text, which then reads as another one.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLES = re.compile(r"\x1b\[[0-9;]*[mK]")  # colours and erased lines of a program's output


def show_controls(text: str) -> str:
    """A text for a terminal: with escapes such as `\\x1b` for controls, without the colours of another program.

    Line breaks and tabs stay; a carriage return before a line break does not.
    """
    if text.isprintable():
        return text
    return _SHOWN.sub(_escape, _STYLES.sub("", text).replace("\r\n", "\n"))


def show_on_one_line(text: str) -> str:
    """A text that quotes what others wrote, on one line: line breaks and tabs are escapes such as `\\n` too."""
    return text if text.isprintable() else CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
