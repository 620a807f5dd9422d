"""Texts for fuzz targets: valid ones that are changed in a few places, and what messages may not contain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchpin.errors import InputError

ROOT = Path(__file__).parents[2]
# Controls but "\n", and what changes the direction of text: a terminal acts on them, and a reader sees another text.
CONTROL = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# What files hold: no surrogates, since they are read as UTF-8.
characters = st.characters(exclude_categories=["Cs"])
short_texts = st.text(characters, max_size=12)
FRAGMENTS = (
    *("\x00", "\t", "\r", "\x0b", "\x1b[31m", "\x7f", "\x85", "\x9b", "\u202e", "\u2028", "\u200b", "\ufeff", "\ufffe"),
    *("\u0661", "é", "\U0001f600", "\u00b2", "\u017f", "\u212a"),
    *("'", '"', "`", "\\", "\n", "\r\n", "\\\n", "#", " # ", ":", ": ", "-", "- ", ",", "|", ">", "&a", "*a", "@", "%", "="),
    *("{", "}", "[", "]", "(", ")", "<", "$", "${A}", "{{ a }}", "<<EOF\n", "/../", "//", "~", ".", "!!binary a", "!!x "),
    *("0", "00", "-1", "1e400", "9" * 5000, "0x1f", "2024-99-99", "2024-01-01", "null", "true", ".inf", "NaN"),
    *("https://u:p@example.org/a?b=c#d", "file:///etc/passwd", "git+https://example.org/a@v1"),
)  # fmt: skip


def read_texts(*patterns: str) -> tuple[str, ...]:
    """The texts of the repository's files that match glob patterns, by name."""
    paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file())
    return tuple(path.read_bytes().decode() for path in paths)


def fragments(*special: str) -> st.SearchStrategy[str]:
    """Pieces to put into a text: those of a format, those that any reader may stumble over, and repeated ones."""
    single = st.sampled_from(special or FRAGMENTS) | st.sampled_from(FRAGMENTS) | short_texts
    repeated = st.tuples(single, st.sampled_from([2, 70, 1500])).map(lambda pair: pair[0][:20] * pair[1])
    return st.one_of(single, single, single, repeated)


@st.composite
def mutated(draw: st.DrawFn, texts: Sequence[str], pieces: st.SearchStrategy[str]) -> str:
    """One of these texts with up to five changes."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(0, 5))):
        text = draw(st.sampled_from(_CHANGES))(draw, text, pieces)
    return text


def _span(draw: st.DrawFn, text: str, longest: int) -> tuple[int, int]:
    start = draw(st.integers(0, len(text)))
    return start, min(len(text), start + draw(st.integers(0, longest)))


def _insert(draw: st.DrawFn, text: str, pieces: st.SearchStrategy[str]) -> str:
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(pieces) + text[start:]


def _replace_span(draw: st.DrawFn, text: str, pieces: st.SearchStrategy[str]) -> str:
    start, end = _span(draw, text, 30)
    return text[:start] + draw(pieces) + text[end:]


def _replace_value(draw: st.DrawFn, text: str, pieces: st.SearchStrategy[str]) -> str:
    """A run of characters between delimiters replaced: a value, more often than a random span is."""
    values = list(re.finditer(r"[^\s:=\"',\[\]{}]+", text))
    if not values:
        return text
    value = draw(st.sampled_from(values))
    return text[: value.start()] + draw(pieces) + text[value.end() :]


def _delete(draw: st.DrawFn, text: str, pieces: st.SearchStrategy[str]) -> str:
    start, end = _span(draw, text, draw(st.sampled_from([1, 5, 80, 2000])))
    return text[:start] + text[end:]


def _edit_lines(draw: st.DrawFn, text: str, pieces: st.SearchStrategy[str]) -> str:
    """A line removed, repeated, moved, or indented."""
    lines = text.split("\n")
    number = draw(st.integers(0, len(lines) - 1))
    target = draw(st.integers(0, len(lines)))
    kind = draw(st.sampled_from(["remove", "copy", "move", "repeat", "indent"]))
    line = lines[number]
    if kind == "indent":
        lines[number] = " " * draw(st.integers(0, 8)) + line.lstrip()
        return "\n".join(lines)
    if kind in {"remove", "move"}:
        del lines[number]
    if kind in {"copy", "move"}:
        lines.insert(target, line)
    if kind == "repeat":
        lines[number:number] = [line] * draw(st.sampled_from([1, 20, 300]))
    return "\n".join(lines)


def _change_newlines(draw: st.DrawFn, text: str, pieces: st.SearchStrategy[str]) -> str:
    return text.replace("\n", draw(st.sampled_from(["\r\n", "\r", "\u2028", "\n\n"])))


def _mark_start(draw: st.DrawFn, text: str, pieces: st.SearchStrategy[str]) -> str:
    return "\ufeff" + text


_CHANGES: tuple[Callable[[st.DrawFn, str, st.SearchStrategy[str]], str], ...] = (
    _insert,
    _insert,
    _replace_span,
    _replace_value,
    _replace_value,
    _replace_value,
    _delete,
    _edit_lines,
    _edit_lines,
    _change_newlines,
    _mark_start,
)


def require_printable(text: str) -> None:
    """Fails for a text with characters that a message must not have."""
    match = CONTROL.search(text)
    assert match is None, f"{match[0]!r} in {text[:300]!r}" if match else ""


def require_located(error: InputError, texts: dict[str, str]) -> None:
    """Fails unless an error names a place in these texts for each problem, in a message that can be printed."""
    require_printable(str(error))
    assert error.problems, f"no problem is located: {error}"
    for problem in error.problems:
        position = problem.position
        assert position.file in texts, f"not a file: {problem}"
        lines = texts[position.file].splitlines()
        assert 1 <= position.line <= len(lines) + 1, f"no line: {problem}"
        longest = max(map(len, lines), default=0)
        assert 1 <= position.column <= longest + 1, f"no column: {problem}"


def require_plain(value: Any) -> None:
    """Fails for a control character in any text of a value: of a dataclass, a mapping or a list."""
    if isinstance(value, str):
        require_printable(value)
        assert "\n" not in value, f"a line break in {value[:300]!r}"
    elif isinstance(value, dict):
        for key, child in value.items():
            require_plain(key)
            require_plain(child)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for child in value:
            require_plain(child)
