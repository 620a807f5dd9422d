"""What simple commands print, as far as their words tell it: echo, printf, cat of a heredoc, and filters behind them."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from torchpin.project.shell.read_files import grep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.project.shell.values import ShellCommand

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_FIELDS = re.compile(r"(\d{1,3})(?:(-)(\d{0,3}))?")
_SED = re.compile(r"s([/|#,:])((?:(?!\1)[\w .+:_/|#,-]|\\\.)*)\1((?:(?!\1)[\w .+:_/|#,-])*)\1(g?)")
_SILENT = {":", "true", "set", "cd", "export", "[", "[[", "test", "read", "local", "exit"}
_CLASSES = {"[:upper:]": "A-Z", "[:lower:]": "a-z", "[:digit:]": "0-9", "[:space:]": " \t\n\r\v\f"}


def printed(
    commands: Sequence[ShellCommand], machine_outputs: Mapping[str, str], stdin: str | None = None
) -> str | None:
    """What commands print together that read a text, None where that cannot be determined.

    `machine_outputs`: what commands print that depend on the machine, such as `uname -m`.
    """
    text, line = "", stdin
    for number, command in enumerate(commands):
        if command.runs is False:
            continue
        if command.runs is None or any(word.unresolved for word in command.argv):
            return None
        line = command_output(command, machine_outputs, line)
        if line is None:
            return None
        if command.operator not in {"|", "|&"} or number == len(commands) - 1:
            text, line = text + line, stdin
    return text


def command_output(
    command: ShellCommand, machine_outputs: Mapping[str, str], stdin: str | None
) -> str | None:
    """What a command prints that reads a text; None where that cannot be determined."""
    name, *arguments = command.texts or ("",)
    if " ".join(command.texts) in machine_outputs:
        return machine_outputs[" ".join(command.texts)] + "\n"
    for redirect in command.redirects:
        if redirect.body is not None:
            stdin = redirect.body
        elif redirect.descriptor != 2:  # noqa: PLR2004 - what is printed does not come from the standard error
            return None
    if command.reads:
        arguments, stdin = arguments[: command.reads.first - 1], command.reads.text
    name = posixpath.basename(name)
    if not name and [redirect.operator for redirect in command.redirects] == ["<"]:
        return stdin  # `$(< FILE)`
    if not name or name in _SILENT:
        return ""
    if name in _PRINTERS:
        return _PRINTERS[name](arguments)
    return _FILTERS[name](arguments, stdin) if name in _FILTERS and stdin is not None else None


def _echo(arguments: Sequence[str]) -> str | None:
    options: list[str] = []
    while len(options) < len(arguments) and re.fullmatch(r"-[neE]+", arguments[len(options)]):
        options.append(arguments[len(options)])
    text = " ".join(arguments[len(options) :])
    letters = "".join(options)
    if "\\" in text:
        if "e" not in letters:
            return None  # dash's echo reads escapes, and bash's does not
        text = _unescape(text)
    return text + ("" if "n" in letters else "\n")


def _unescape(text: str) -> str:
    return re.sub(r"\\([ntr\\])", lambda match: _ESCAPES[match[1]], text)


def _printf(arguments: Sequence[str]) -> str | None:
    if not arguments or arguments[0].startswith("-"):
        return None
    template = re.sub(r"(\\[ntr\\])", lambda match: _unescape(match[1]), arguments[0])
    values = [*arguments[1:]]
    slots = re.findall(r"%.", template, re.DOTALL)
    if any(slot not in {"%s", "%d", "%%"} for slot in slots):
        return None
    number = sum(slot != "%%" for slot in slots)
    rounds = max(-(-len(values) // number), 1) if number else 1
    values += [""] * (rounds * number - len(values))
    position = iter(values)
    return re.sub(r"%(.)", lambda match: "%" if match[1] == "%" else next(position), template * rounds)


def _basename(arguments: Sequence[str]) -> str | None:
    return _path("basename", arguments)


def _dirname(arguments: Sequence[str]) -> str | None:
    return _path("dirname", arguments)


def _path(name: str, arguments: Sequence[str]) -> str | None:
    if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):  # noqa: PLR2004 - a path and a suffix
        return None
    path = arguments[0].rstrip("/")
    if name == "dirname":
        return (posixpath.dirname(path) or ".") + "\n"
    return posixpath.basename(path).removesuffix(arguments[1] if arguments[1:] else "") + "\n"


def _cat(arguments: Sequence[str], text: str) -> str | None:
    return text if not arguments or arguments == ["-"] else None


def _join(arguments: Sequence[str], text: str) -> str | None:
    return " ".join(text.split()) + "\n" if not arguments else None


def _cut(arguments: Sequence[str], text: str) -> str | None:
    match = re.fullmatch(r"-d ?(.) -f ?([\d,-]+)", " ".join(arguments)) or re.fullmatch(
        r"()-c ?([\d,-]+)", " ".join(arguments)
    )
    if not match:
        return None
    lines = []
    for line in text.splitlines():
        parts = line.split(match[1]) if match[1] else list(line)
        chosen: set[int] = set()
        for field in match[2].split(","):
            numbers = _FIELDS.fullmatch(field)
            if not numbers:
                return None
            last = int(numbers[3] or len(parts)) if numbers[2] else int(numbers[1])
            chosen.update(range(int(numbers[1]) - 1, min(last, len(parts))))
        is_whole = bool(match[1]) and len(parts) == 1
        lines.append(line if is_whole else match[1].join(parts[n] for n in sorted(chosen)))
    return "".join(f"{line}\n" for line in lines)


def _tr(arguments: Sequence[str], text: str) -> str | None:
    if len(arguments) != 2:  # noqa: PLR2004 - `-d SET` or `SET SET`
        return None
    first, second = (_char_set(argument) for argument in arguments)
    if arguments[0] == "-d":
        return None if second is None else "".join(char for char in text if char not in second)
    if not first or not second or arguments[0].startswith("-"):
        return None
    second += second[-1] * (len(first) - len(second))
    return text.translate({ord(char): second[n] for n, char in reversed([*enumerate(first)])})


def _char_set(text: str) -> str | None:
    for name, chars in _CLASSES.items():
        text = text.replace(name, chars)
    text = _unescape(text)
    if "[" in text or "\\" in text:
        return None
    return re.sub(
        r"([a-z0-9A-Z])-([a-z0-9A-Z])",
        lambda match: "".join(map(chr, range(ord(match[1]), ord(match[2]) + 1))),
        text,
    )


def _basic(char: str) -> str:
    """A character of a basic regular expression as one of Python's: `.` is any, `\\.` and all that follow are themselves."""
    return char if char == "." else re.escape(char[-1])


def _sed(arguments: Sequence[str], text: str) -> str | None:
    match = _SED.fullmatch(arguments[0]) if len(arguments) == 1 else None
    if not match or "&" in match[3]:
        return None
    pattern = re.compile(re.sub(r"\\?[^\w\\]", lambda part: _basic(part[0]), match[2]))
    lines = text.splitlines()
    return "".join(pattern.sub(match[3], line, count=0 if match[4] else 1) + "\n" for line in lines)


def _egrep(arguments: Sequence[str], text: str) -> str | None:
    return grep(("-E", *arguments), text)


def _fgrep(arguments: Sequence[str], text: str) -> str | None:
    return grep(("-F", *arguments), text)


_PRINTERS = {"echo": _echo, "printf": _printf, "basename": _basename, "dirname": _dirname}
_FILTERS = {
    "cat": _cat, "cut": _cut, "tr": _tr, "sed": _sed, "xargs": _join, "grep": grep, "egrep": _egrep, "fgrep": _fgrep,
}  # fmt: skip
