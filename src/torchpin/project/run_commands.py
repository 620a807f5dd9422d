"""The commands that a RUN (or CMD …) runs, in exec form, in shell form or in a heredoc."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from torchpin.project.shell.nested import SHEBANG, SHELLS, parse_shell_call
from torchpin.project.shell.script import parse_script
from torchpin.project.shell.simple_commands import without_secrets
from torchpin.project.shell.values import Script, ShellCommand, ShellWord, UnreadPart
from torchpin.project.text import PlacedText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.project.dockerfile import Instruction
    from torchpin.project.shell.reader import FindScript
    from torchpin.project.shell.values import Budget

_SH = ("/bin/sh", "-c")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def parse_commands(
    instruction: Instruction,
    variables: Mapping[str, str] | None = None,
    *,
    shell: Sequence[str] = _SH,
    platform: str = "linux/amd64",
    budget: Budget | None = None,
    find_script: FindScript | None = None,
) -> Script:
    """The simple commands of an instruction, and what of it cannot be followed. `shell`: that of SHELL.

    A heredoc for another program, such as Python, has no commands.
    """
    text, words = instruction.script, tuple(shell)
    if instruction.exec_form:
        words = instruction.exec_form
        call = parse_shell_call(words) if posixpath.basename(words[0]) in SHELLS else None
        if call is None or call.script < 0:
            return Script(commands=(_exec_command(instruction, words),))
        text = PlacedText.at(words[call.script], instruction.place)
    elif instruction.heredoc_is_script and (match := SHEBANG.match(text.text)):
        words = (match[1], *match[2].split(), "-c")
    if posixpath.basename(words[0]) not in SHELLS:
        return _foreign(instruction, words[0])
    return parse_script(
        text,
        variables or {},
        shell=posixpath.basename(words[0]),
        options=parse_shell_call((*words, "")).options,
        outputs=_machine_outputs(platform),
        budget=budget,
        find_script=find_script,
    )


def _exec_command(instruction: Instruction, words: Sequence[str]) -> ShellCommand:
    """A command that no shell reads; its words are where the instruction is."""
    place = instruction.place
    argv = tuple(ShellWord(text=word, source=word, place=place, end=place, quoted=True) for word in words)
    return without_secrets(ShellCommand(argv=argv, place=place))


def _foreign(instruction: Instruction, program: str) -> Script:
    if instruction.heredoc_is_script:
        return Script()
    part = UnreadPart(place=instruction.place, reason=f"its shell is {posixpath.basename(program)[:40]!r}")
    return Script(unread=(part,))


def _machine_outputs(platform: str) -> dict[str, str]:
    """What commands print that ask for the machine."""
    architecture = [*platform.split("/"), ""][1]
    machine = _MACHINES.get(architecture)
    if machine is None:
        return {}
    return {
        "uname -m": machine, "uname -p": machine, "arch": machine, "uname -s": "Linux", "uname": "Linux",
        "dpkg --print-architecture": architecture,
    }  # fmt: skip
