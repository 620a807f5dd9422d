"""The values of a draft with the lines that they come from, and the questions that no line answers."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "?"  # stands in a draft for a value that no line tells; no description with it can be read


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnValue:
    """A value of a draft, "" where nothing tells it.

    `location`: `file:line:column` of the line that it comes from, "" for an option of the command line; `reason`: what that
    line says. `choice`: what of the value was chosen and not read, and why; "" where all of it was read.
    """

    value: str = ""
    location: str = ""
    reason: str = ""
    choice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenValue:
    """A value that no line tells. `key`: python, base, torch or channel, which is the name of its option too."""

    key: str
    text: str
    example: str

    @property
    def option(self) -> str:
        """How the command line answers it: `--python 3.12`."""
        return f"--{self.key} {self.example}"

    def __str__(self) -> str:
        return f"{self.key}: {self.text}; `{self.option}` says it"


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftAnswers:
    """What a person says of a project, each "" where nothing is said; it holds against what the files say.

    `python`: 3.12 or 3.12.4; `torch`: a release; `base`: an image with a tag; `file`: the Dockerfile to draft from.
    `until`: the last day, 2025-03-31, of which releases of torch are chosen where none is read.
    """

    python: str = ""
    channel: str = ""
    base: str = ""
    torch: str = ""
    file: str = ""
    until: str = ""
