"""The commands that a RUN (or CMD …) runs, in exec form, in shell form or in a heredoc."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.project.secret_values import hide_secret, hide_secrets
from torchpin.project.shell import Command, Word, parse_shell

if TYPE_CHECKING:
    from torchpin.project.dockerfile import Instruction
    from torchpin.project.variables import Variables

_SHELLS = re.compile(r"#!\s*(?:/usr/bin/env\s+)?(?:/\S*/)?(?:ba|da|a|z|k)?sh\b")


def parse_commands(instruction: Instruction) -> tuple[Command, ...]:
    """The simple commands of an instruction; a heredoc for another program, such as Python, has none."""
    words = instruction.exec_form
    if words:
        place = instruction.place
        return (
            Command(
                argv=tuple(Word(text=word, line=place.line, column=place.column) for word in words),
            ),
        )
    if instruction.heredoc_is_script:
        script = instruction.script
        is_other = script.text.startswith("#!") and not _SHELLS.match(script.text)
        return () if is_other else tuple(parse_shell(script))
    return tuple(parse_shell(instruction.arguments))


def substitute_command(command: Command, variables: Variables) -> Command:
    """A command with its variables filled in, and *** in the place of its secrets. Raises BoundError."""
    texts = hide_secrets(command.texts)
    if any("$" in text for text in texts):
        # what is filled in may be the value of an option or a part of an address
        texts = hide_secrets([variables.fill_in(text) for text in texts])
    redirects = tuple(
        (operator, _with_text(word, hide_secret(word.text))) for operator, word in command.redirects
    )
    argv = tuple(map(_with_text, command.argv, texts))
    return replace(command, argv=argv, redirects=redirects)


def _with_text(word: Word, text: str) -> Word:
    return word if text == word.text else replace(word, text=text)
