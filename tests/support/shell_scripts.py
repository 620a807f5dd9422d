"""Shell scripts for tests: read with a few variables, and shown in short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.project.shell.script import parse_script
from torchpin.project.text import PlacedText

if TYPE_CHECKING:
    from torchpin.project.shell.values import Script

VARIABLES = {"X": "x y", "V": "12.8.1", "E": "", "N": "3"}


def read_script(text: str, *, shell: str = "bash", options: tuple[str, ...] = ()) -> Script:
    return parse_script(
        PlacedText.of_text(text), VARIABLES, shell=shell, options=options, outputs={"uname -m": "x86_64"}
    )


def argvs(text: str, *, shell: str = "bash") -> list[str]:
    """The commands that run, their words separated by `|`; `?` before one that may run."""
    return [
        ("" if command.runs else "?") + "|".join(command.texts)
        for command in read_script(text, shell=shell).commands
        if command.runs is not False and command.argv and command.texts[0] not in {"[", "[["}
    ]
