"""The console that text for people is printed to."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from torchpin.controls import show_controls
from torchpin.output.program import COMMAND_LINE, INVOKE, name_program, program_name
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.console import ConsoleOptions, RenderableType

_LEAST_WIDTH = 40  # columns: below that a hanging indent leaves too little room for words


def console(file: TextIO | None = None) -> Console:
    """Prints text as it is: no markup, which would read `[standard]` of a requirement as a style, and no wrapping.

    Styles reach a terminal, and with FORCE_COLOR anything; with NO_COLOR no escape at all is written.
    """
    return PeopleConsole(
        file=redacted(file or sys.stdout),
        markup=False,
        highlight=False,
        soft_wrap=True,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


class _RedactedStream:
    """A stream whose texts are written without the credentials of addresses."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(redact_credentials(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redacted(stream: TextIO) -> TextIO:
    """A stream for everything that is printed: no token of an address reaches a terminal, a program or a CI log."""
    return cast("TextIO", _RedactedStream(stream))


def print_lines(out: Console, text: Text) -> None:
    """Prints each line of a text with its own indentation; on a terminal what is wrapped stands two columns deeper."""
    for line in text.split("\n", allow_blank=True):
        print_hanging(out, line, len(line.plain) - len(line.plain.lstrip(" ")) + 2)


def print_hanging(out: Console, text: Text, indent: int) -> None:
    """Prints a text with all lines but its first indented by `indent` columns.

    On a terminal lines are wrapped between words; a word that is longer than a line, such as a digest or a path, stays
    whole. Elsewhere no line is wrapped, so that programs find one message in one line.
    """
    # FORCE_COLOR makes a terminal of a pipe for rich
    width = out.width if out.file.isatty() and out.width >= _LEAST_WIDTH else None
    first, *others = name_program_in_text(text).split("\n", allow_blank=True)
    lines = wrap_text(first, width, indent)
    for line in others:
        lines += wrap_text(Text(" " * indent).append_text(line), width, indent)
    for line in lines:
        line.rstrip()
        if out.is_terminal or "\t" in line.plain:
            # Not out.print: the program is named already, and a wrapped line may begin with the word "invoke" by chance.
            Console.print(out, line)
        else:  # what rich would write, which takes half a millisecond for it
            out.file.write(f"{show_controls(line.plain)}\n")
            out.file.flush()


def wrap_text(text: Text, width: int | None, indent: int) -> list[Text]:
    """The lines of one line of text. rich's own `Text.wrap` breaks long words, or does not wrap at all."""
    offsets, start, margin = [], 0, 0
    for word in re.finditer(r"\S+", text.plain) if width else ():
        too_long = cell_len(text.plain[start : word.end()]) + margin > (width or 0)
        if too_long and text.plain[start : word.start()].strip():
            offsets.append(word.start())
            start, margin = word.start(), indent
    first, *others = text.divide(offsets)
    return [first, *(Text(" " * indent).append_text(line) for line in others)]


def name_program_in_text(text: Text) -> Text:
    """The same for a styled text; a command line keeps its style."""
    matches = [] if program_name() == INVOKE else list(COMMAND_LINE.finditer(text.plain))
    if not matches:
        return text
    offsets = [offset for match in matches for offset in (match.end() - len(INVOKE), match.end())]
    parts = list(text.divide(offsets))
    parts[1::2] = map(_replace_name, parts[1::2])  # every second one is the name itself
    return Text("", end=text.end).join(parts)


def _replace_name(part: Text) -> Text:
    name = Text(program_name(), style=part.style)
    for span in part.spans:
        name.stylize(span.style)
    return name


class SafeConsole(Console):
    """A console whose own styles reach a terminal, and no control character of a printed text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(show_controls(segment.text), segment.style)


class PeopleConsole(SafeConsole):
    """A console for people, whose messages name the called program."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_named(printed) for printed in objects), **options)


def _named(printed: object) -> object:
    if isinstance(printed, Text):
        return name_program_in_text(printed)
    return name_program(printed) if isinstance(printed, str) else printed
