"""The commands that a page names: lines of its console blocks, and inline code that is a command."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAMS = {".", "cd", "docker", "git", "invoke", "nox", "pip", "pipx", "python3", "torchpin", "uv", "uvx"}
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A command of a page: the text that it prints, its exit code, and how it is run if not as it stands there.

    `place`: `clone` is a clean clone whose files stay; in `changed`, a clone, in `own`, an empty folder in git, and in
    `project`, one with the Dockerfile of README.md, commands write, in the order of the table. `engine`: with the Docker engine. `reason`: why another command is run.
    """

    text: str
    command: str = ""
    code: int = 0
    place: str = "clone"
    engine: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Why a command is not run by this test, and the one that runs it."""

    reason: str
    test: str


def read_commands(page: str) -> set[str]:
    """Every command, without the comment behind it."""
    lines = [
        line[2:].split(" #")[0].strip()
        for block in _CONSOLE.findall(page)
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    commands = {command for line in lines for command in line.split(" && ")}
    inline = _INLINE.findall(_BLOCK.sub("", page))
    return commands | {code for code in inline if code.split(" ")[0] in PROGRAMS}
