"""The values of a draft with the lines that they come from, and the questions that no line answers."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "?"  # an open value of a draft; a description with it is invalid


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnValue:
    """A value of a draft, "" where nothing gives it.

    `location`: `file:line:column` of the line that it comes from, "" for an option of the command line; `reason`: what that
    line says. `choice`: what of the value was chosen and not read, and why; "" where all of it was read.
    """

    value: str = ""
    location: str = ""
    reason: str = ""
    choice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenValue:
    """An open value. `key`: python, base, torch or channel, also the name of the option that answers it."""

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
    """The answers of a person about a project, "" where there is none; they override the files.

    `python`: 3.12 or 3.12.4; `torch`: a release; `base`: an image with a tag; `file`: the Dockerfile to draft from.
    `until`: the last day, 2025-03-31, of which releases of torch are chosen where none is read.
    """

    python: str = ""
    channel: str = ""
    base: str = ""
    torch: str = ""
    file: str = ""
    until: str = ""
