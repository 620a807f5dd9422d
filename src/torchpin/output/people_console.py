"""A console for people: styled messages with the name of the called program."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from torchpin.output.program import COMMAND_LINE, INVOKE, name_program, program_name


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


class PeopleConsole(Console):
    """A console for people, whose messages name the called program."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_named(printed) for printed in objects), **options)


def _named(printed: object) -> object:
    if isinstance(printed, Text):
        return name_program_in_text(printed)
    return name_program(printed) if isinstance(printed, str) else printed
