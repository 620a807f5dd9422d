"""Markdown: tables, escaped text, and generated sections between markers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A marker is a whole line: an indented or quoted one is prose. `^` and `$` know "\n" only, whatever else Unicode breaks at.
_MARKER = re.compile(
    r"^<!-- (?P<kind>begin|end) generated: (?P<name>\S+)(?: \(.*\))? -->(?=[ \t]*\r?$)", re.MULTILINE
)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the bars and line breaks of its cells are escaped."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(map(_escape_cell, line))} |" for line in lines)


def _escape_cell(text: str) -> str:
    return re.sub(r"\r\n|\r|\n", "<br>", escape_bars(text.strip()))


def escape_bars(text: str) -> str:
    """A text whose bars end no cell: GitHub splits at one that an even number of backslashes precedes."""
    return re.sub(r"(\\*)\|", lambda match: match[1] * 2 + r"\|", text)


def prose(text: str) -> str:
    """A text with Markdown as one line; what would be read as HTML or as a marker is escaped."""
    line = re.sub(r"\s*[\r\n]\s*", " ", text.strip())
    return re.sub(r"(`+[^`]*`+)|<(?=[A-Za-z!/?])", lambda match: match[1] or r"\<", line)


def escape_literal(text: str) -> str:
    """A text without Markdown, such as `2.5.*`, as one line, escaped."""
    line = re.sub(r"\s*[\r\n]\s*", " ", text.strip())
    return re.sub(r"([\\`*~]|<(?=[A-Za-z!/?]))", r"\\\1", line)


def paragraphs(*parts: str) -> str:
    """The parts that are not empty, with blank lines between."""
    return "\n\n".join(filter(None, parts))


def code(text: str) -> str:
    return f"`{text}`"


def block(lines: Iterable[str], language: str = "") -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def link(text: str, address: str) -> str:
    return f"[{text}]({address})"


def anchor(heading: str) -> str:
    """The anchor of a heading of words, digits and dashes, as GitHub and most renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def section_markers(name: str, *, source: str) -> tuple[str, str]:
    """The two marker lines of a generated section."""
    return (
        f"<!-- begin generated: {name} ({source}; invoke document) -->",
        f"<!-- end generated: {name} -->",
    )


def wrap_section(name: str, body: str, *, source: str) -> str:
    """A generated section: its body between its markers, as `splice_sections` takes it."""
    begin, end = section_markers(name, source=source)
    return f"{begin}\n\n{body}\n\n{end}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _SectionSpan:
    """The span of a section in a text, with both markers; `newline`: the line end of its first line."""

    name: str
    start: int
    end: int
    newline: str


def splice_sections(file: str, text: str, sections: Mapping[str, str]) -> str:
    """A text with its generated sections replaced; everything outside their markers stays, byte for byte.

    `sections`: by name, as `wrap_section` makes them. One that the text does not have is put before those that follow it
    in `sections`, or at the end; one that is not among them is removed with its markers. Raises InputError with file:line for markers that do not pair, or repeat.
    """
    spans = _find_sections(file, text)
    parts, offset = [], 0
    for span in spans:
        replacement = sections.get(span.name)
        parts += [text[offset : span.start], replacement.replace("\n", span.newline) if replacement else ""]
        offset = span.end if replacement else _after_gap(text, span.end)
    whole = "".join([*parts, text[offset:]])
    names = [*sections]
    present = {span.name for span in spans}
    for number, name in reversed([*enumerate(names)]):
        if name not in present:
            following = [later for later in names[number + 1 :] if later in present]
            whole = _insert_section(file, whole, sections[name], following)
            present.add(name)
    return whole


def section_lines(file: str, text: str) -> dict[str, int]:
    """The sections of a document, name to line. Raises InputError as `splice_sections` does."""
    return {name: line for name, (line, _) in generated_sections(file, text).items()}


def remove_section(file: str, text: str, name: str) -> str:
    """The text without one section; all others stay as they are. Raises InputError as `splice_sections` does."""
    for span in _find_sections(file, text):
        if span.name == name:
            return text[: span.start] + text[_after_gap(text, span.end) :]
    return text


def generated_sections(file: str, text: str) -> dict[str, tuple[int, str]]:
    """The generated sections of a text by name: the line of the begin marker, and the text with both markers.

    Raises InputError as `splice_sections` does.
    """
    spans = _find_sections(file, text)
    lines = _line_numbers(text, [span.start for span in spans])
    return {span.name: (lines[span.start], text[span.start : span.end]) for span in spans}


def _line_numbers(text: str, offsets: Sequence[int]) -> dict[int, int]:
    """The line of each offset, which are in ascending order: a document of a thousand services is counted once."""
    lines: dict[int, int] = {}
    line, start = 1, 0
    for offset in offsets:
        line, start = line + text.count("\n", start, offset), offset
        lines[offset] = line
    return lines


def _after_gap(text: str, offset: int) -> int:
    """The offset after the line ends that follow: a section is removed with the blank lines below it."""
    gap = re.compile(r"[\r\n]*").match(text, offset)
    return gap.end() if gap else offset


def _insert_section(file: str, text: str, content: str, following: Sequence[str]) -> str:
    """A text with one more section, before the first of those that follow it, or at the end."""
    starts = (
        {span.name: (span.start, span.newline) for span in _find_sections(file, text)} if following else {}
    )
    places = [starts[name] for name in following if name in starts]
    if not places:
        return _append_section(text, content)
    start, newline = min(places)
    return f"{text[:start]}{content.replace(chr(10), newline)}{newline * 2}{text[start:]}"


def _append_section(text: str, content: str) -> str:
    newline = "\r\n" if re.match(r"[^\n]*\r\n", text) else "\n"
    gap = newline * 2
    if not text or text.endswith(gap):
        gap = ""
    elif text.endswith("\n"):
        gap = newline
    return f"{text}{gap}{content.replace(chr(10), newline)}{newline}"


def _find_sections(file: str, text: str) -> list[_SectionSpan]:
    markers = list(_MARKER.finditer(text))
    lines = _line_numbers(text, [marker.start() for marker in markers])
    problems: list[Problem] = []
    first_lines: dict[str, int] = {}
    spans: list[_SectionSpan] = []
    for before, marker, after in zip([None, *markers], markers, [*markers[1:], None], strict=False):
        name, line = marker["name"], lines[marker.start()]
        messages = []
        if marker["kind"] == "end":
            if not _is_pair(before, marker):
                messages.append(f"the end marker of the section {name!r} has no begin marker before it")
        elif after is None or not _is_pair(marker, after):
            mismatch = f"; the marker on line {lines[after.start()]} is not its end" if after else ""
            messages.append(f"the section {name!r} has no end marker{mismatch}")
        else:
            newline = "\r\n" if re.match(r"[ \t]*\r\n", text[marker.end() :]) else "\n"
            spans.append(_SectionSpan(name=name, start=marker.start(), end=after.end(), newline=newline))
        if marker["kind"] == "begin" and first_lines.setdefault(name, line) != line:
            messages.append(f"the section {name!r} begins again, first on line {first_lines[name]}")
        position = Position(file=file, line=line, column=1, start=marker.start(), end=marker.end())
        problems += [Problem(position=position, path="", message=message) for message in messages]
    if problems:
        raise InputError(
            "correct these lines, then run `invoke document` again; nothing was written", problems
        )
    return spans


def _is_pair(begin: re.Match[str] | None, end: re.Match[str]) -> bool:
    return begin is not None and (begin["kind"], end["kind"], end["name"]) == ("begin", "end", begin["name"])
