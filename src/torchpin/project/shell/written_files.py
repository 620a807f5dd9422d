"""Files that simple commands write, as far as their words tell: `echo … > FILE`, `cat <<EOF > FILE`, `… | tee FILE`."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.project.secret_values import hide_secret
from torchpin.project.shell.outputs import command_output
from torchpin.project.shell.values import WrittenFile
from torchpin.project.text import PlacedText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchpin.project.shell.values import ShellCommand
    from torchpin.project.text import Place

_HEREDOCS = {"<<", "<<-"}
_OUTPUTS = {">", ">>", ">|"}
_LONGEST = 20_000  # characters of a file; lists and settings have some hundred


def written_file(
    command: ShellCommand,
    document: Callable[[Place], PlacedText | None],
    known: Mapping[str, str],
    stdin: str | None,
) -> WrittenFile | None:
    """What a command writes to its file, without secrets; None where it writes none, or its words do not tell what.

    `document`: the heredoc whose redirection stands at a place; `known`, `stdin`: as of `command_output`.
    """
    path, appends = _target(command)
    if not path or not command.argv or any(word.unresolved for word in command.argv):
        return None
    text = _text(command, document, known, stdin)
    if text is None or not 0 < len(text.text) <= _LONGEST:
        return None
    hidden = hide_secret(text.text)
    shown = text if hidden == text.text else PlacedText.at(hidden, command.place)
    return WrittenFile(path=path, text=shown, appends=appends)


def _target(command: ShellCommand) -> tuple[str, bool]:
    """The file that a command writes, "" for none or several, and whether it appends."""
    name, *arguments = command.texts or ("",)
    if posixpath.basename(name) == "tee":
        files = [argument for argument in arguments if not argument.startswith("-")]
        return (files[0] if len(files) == 1 else ""), bool({"-a", "--append"} & {*arguments})
    redirects = [row for row in command.redirects if row.operator in _OUTPUTS and row.descriptor in {None, 1}]
    if len(redirects) != 1 or redirects[0].target.unresolved or redirects[0].target.text == "/dev/null":
        return "", False
    return redirects[0].target.text, redirects[0].operator == ">>"


def _text(
    command: ShellCommand,
    document: Callable[[Place], PlacedText | None],
    known: Mapping[str, str],
    stdin: str | None,
) -> PlacedText | None:
    name, *arguments = command.texts
    is_tee = posixpath.basename(name) == "tee"
    passes_on = is_tee or (posixpath.basename(name) == "cat" and arguments in ([], ["-"]))
    heredoc = next((row for row in reversed(command.redirects) if row.operator in _HEREDOCS), None)
    if heredoc and passes_on:
        return document(heredoc.place)
    plain = replace(command, redirects=tuple(row for row in command.redirects if row.body is not None))
    text = stdin if is_tee else command_output(plain, known, stdin)
    return None if text is None else PlacedText.at(text, command.place)
