"""Commands that write a list of requirements: `poetry export`, `uv export`, `uv pip compile`, `pip-compile`, a download."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchpin.project.shell.values import ShellCommand

_EXPORTS = {
    ("poetry", "export"): 2,
    ("uv", "export"): 2,
    ("pdm", "export"): 2,
    ("uv", "pip", "compile"): 3,
    ("pip-compile",): 1,
}
_DOWNLOADS = {"curl": ("-o", "--output"), "wget": ("-O", "--output-document")}
_OUTPUTS = ("-o", "--output", "--output-file")


def export_words(command: ShellCommand) -> tuple[str, int]:
    """The name of an export, such as `uv pip compile`, and where its arguments begin; "" for another command."""
    texts = (posixpath.basename(command.texts[0]), *command.texts[1:]) if command.texts else ()
    for words, number in _EXPORTS.items():
        if texts[:number] == words:
            return " ".join(words), number
    return "", 0


def written_list(command: ShellCommand) -> str:
    """The file that an export or a download writes, relative to its folder; "" for none, or for another command."""
    name, number = export_words(command)
    options: tuple[str, ...] = _OUTPUTS if name else _DOWNLOADS.get("".join(command.texts[:1]), ())
    texts = command.texts[number:]
    for index, text in enumerate(texts) if options else ():
        option, separator, value = text.partition("=")
        if option in options:
            return value if separator else next(iter(texts[index + 1 :]), "")
    redirect = next(
        (row for row in command.redirects if row.operator in {">", ">|"} and row.descriptor in {None, 1}),
        None,
    )
    if redirect and (options or name) and not redirect.target.unresolved:
        return redirect.target.text
    inputs = [text for text in texts if text.endswith(".in")]
    return f"{inputs[0].removesuffix('.in')}.txt" if name == "pip-compile" and len(inputs) == 1 else ""


def without_output(texts: tuple[str, ...]) -> list[int]:
    """The indexes of the arguments of an export that are not about its output."""
    kept: list[int] = []
    skip = False
    for index, text in enumerate(texts):
        is_output = text.partition("=")[0] in (*_OUTPUTS, "-f", "--format")
        if not skip and not is_output:
            kept.append(index)
        skip = is_output and "=" not in text
    return kept
