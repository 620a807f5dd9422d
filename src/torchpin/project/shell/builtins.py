"""What the shell's own commands do to its state: cd, set, export, read, exit and their like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.project.shell import conditions
from torchpin.project.shell.arithmetic import UndecidedArithmeticError, evaluate
from torchpin.project.shell.parameters import number_text
from torchpin.project.shell.values import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchpin.project.shell.state import ShellState
    from torchpin.project.shell.values import ShellCommand, ShellWord

_NAME = re.compile(r"[A-Za-z_]\w*")
_LETTERS = {"e": "errexit", "u": "nounset", "a": "allexport", "x": "xtrace"}
# Commands whose purpose is to tell something: neither outcome is a failure.
_QUERIES = {
    "[", "[[", "test", "command", "type", "which", "hash", "grep", "egrep", "fgrep", "diff", "cmp", "getent", "id",
    "pgrep", "expr", "dpkg-query", "nvidia-smi", "getopts", "read", "whereis", "ls", "stat",
}  # fmt: skip
_CONSTANTS = {"true": Status.SUCCESS, ":": Status.SUCCESS, "false": Status.FAILURE}
TRUTHS = {True: Status.SUCCESS, False: Status.FAILURE, None: Status.OPEN}


def is_query(texts: Sequence[str]) -> bool:
    """Whether a command is run to learn something, such as `command -v` and `grep -q`."""
    return bool(texts) and texts[0] in _QUERIES


def run_builtin(
    command: ShellCommand, state: ShellState, *, runs: bool | None, stdin: str | None
) -> Status | None:
    """What a command does to the state, and how it ends; None for one that is none of the shell's own."""
    name = command.argv[0].text
    arguments = command.argv[1:]
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in {"test", "["}:
        return _test(arguments if name == "test" else arguments[:-1])
    if name in {"exit", "return", "break", "continue"}:
        return _leave(name, arguments, state, runs=runs)
    if name == "read" and runs is not False:
        return _read(command, state, stdin)
    if name not in _EFFECTS:
        return None
    if runs is not False:
        _EFFECTS[name](arguments, state)
    return Status.LIKELY if name in {"cd", "pushd", "popd", "let", "read"} else Status.SUCCESS


def _test(arguments: Sequence[ShellWord]) -> Status:
    operands = [
        conditions.Operand(None if word.unresolved else word.text, "", word.quoted) for word in arguments
    ]
    return TRUTHS[conditions.decide(operands, extended=False)]


def _leave(name: str, arguments: Sequence[ShellWord], state: ShellState, *, runs: bool | None) -> Status:
    code = arguments[0].text if arguments else "0"
    fails = name in {"exit", "return"} and code != "0"
    state.fails = state.fails or fails
    if runs:
        state.left = name
    elif runs is None and not fails:
        state.may_have_left = True
    return Status.FAILURE if fails else Status.SUCCESS


def _cd(arguments: Sequence[ShellWord], state: ShellState) -> None:
    if [word.text for word in arguments] == ["-"]:
        state.folder, state.previous_folder = state.previous_folder, state.folder
    else:
        state.change_folder(_folder(arguments, state))


def _folder(arguments: Sequence[ShellWord], state: ShellState) -> str | None:
    """The folder that `cd` or `pushd` names; None where it cannot be determined."""
    paths = [word for word in arguments if not re.fullmatch(r"-[PLe@n]+|--", word.text)]
    home = state.variables.get("HOME")
    if not paths:
        return home if isinstance(home, str) else None
    path = paths[0]
    if path.unresolved or re.search(r"[*?\[]", path.text):
        return None
    if path.text.startswith("~") and not path.quoted:
        is_home = path.text == "~" or path.text.startswith("~/")
        return home + path.text[1:] if isinstance(home, str) and is_home else None
    return path.text


def _pushd(arguments: Sequence[ShellWord], state: ShellState) -> None:
    state.folders = (*state.folders, state.folder)
    state.change_folder(_folder(arguments, state) if arguments else None)


def _popd(_arguments: Sequence[ShellWord], state: ShellState) -> None:
    *folders, folder = state.folders or (None,)
    state.folders = tuple(folders)
    state.previous_folder, state.folder = state.folder, folder


def _declare(arguments: Sequence[ShellWord], state: ShellState) -> None:
    for word in arguments:
        name, sign, value = word.text.partition("=")
        if sign and _NAME.fullmatch(name) and not word.source[len(name) + 1 :].startswith("("):
            state.set(name, None if word.unresolved else value)


def _export(arguments: Sequence[ShellWord], state: ShellState) -> None:
    _declare(arguments, state)
    names = {word.text.partition("=")[0] for word in arguments if not word.text.startswith("-")}
    is_undone = any(word.text == "-n" for word in arguments)
    state.exported = state.exported - names if is_undone else state.exported | names


def _typeset(arguments: Sequence[ShellWord], state: ShellState) -> None:
    is_exported = any(re.fullmatch(r"-\w*x\w*", word.text) for word in arguments)
    (_export if is_exported else _declare)(arguments, state)


def _local(arguments: Sequence[ShellWord], state: ShellState) -> None:
    state.local_names |= {word.text.partition("=")[0] for word in arguments}
    _declare(arguments, state)


def _unset(arguments: Sequence[ShellWord], state: ShellState) -> None:
    for word in arguments:
        state.variables[word.text] = ""


def _set(arguments: Sequence[ShellWord], state: ShellState) -> None:
    texts = [word.text for word in arguments]
    position = 0
    while position < len(texts) and re.fullmatch(r"[-+][A-Za-z]+", texts[position]):
        sign, letters = texts[position][0], texts[position][1:]
        names = {_LETTERS[letter] for letter in letters if letter in _LETTERS}
        if letters.endswith("o") and position + 1 < len(texts):
            position += 1
            names.add(texts[position])
        state.options = state.options | names if sign == "-" else state.options - names
        position += 1
    if position < len(texts):
        start = position + (texts[position] in {"--", "-"})
        is_known = not any(word.unresolved for word in arguments[start:])
        state.arguments = tuple(texts[start:]) if is_known else None


def _shift(arguments: Sequence[ShellWord], state: ShellState) -> None:
    count = arguments[0].text if arguments else "1"
    if state.arguments is not None and re.fullmatch(r"\d{1,4}", count):
        state.arguments = state.arguments[int(count) :]
    else:
        state.arguments = None


def _read(command: ShellCommand, state: ShellState, stdin: str | None) -> Status:
    """`read`: the variables of a line that is known. Only the whole line, or its words where IFS is not changed."""
    for redirect in command.redirects:
        stdin = redirect.body if redirect.operator[0] == "<" else stdin
    names = [word.text for word in command.argv[1:] if _NAME.fullmatch(word.text)]
    options = [word.text for word in command.argv[1:] if word.text.startswith("-")]
    separator = next((word.text for name, word in command.assignments if name == "IFS"), " ")
    values: list[str] = []
    is_known = stdin is not None and not {*options} - {"-r"} and separator in {"", " "}
    if stdin is not None and is_known:
        line = stdin.partition("\n")[0]
        values = line.split(None, max(len(names) - 1, 0)) if separator else [line]
        values = [value.strip() if separator else value for value in values] + [""] * len(names)
    for number, name in enumerate(names or ["REPLY"]):
        state.set(name, values[number] if is_known else None)
    if not is_known:
        return Status.OPEN
    return Status.SUCCESS if stdin else Status.FAILURE


def _let(arguments: Sequence[ShellWord], state: ShellState) -> None:
    for word in arguments:
        assign(word.text, state)


def _forget(arguments: Sequence[ShellWord], state: ShellState) -> None:
    """mapfile, readarray, getopts, printf -v: what they set cannot be determined."""
    for word in arguments:
        if _NAME.fullmatch(word.text):
            state.set(word.text, None)


def assign(expression: str, state: ShellState) -> Status:
    """`((…))` and `let`: computes an expression, which may set a variable."""
    match = re.fullmatch(
        r"\s*([A-Za-z_]\w*)\s*(?:(\+\+|--)|([-+*/%]?)=(?!=)(.+))\s*|\s*(\+\+|--)([A-Za-z_]\w*)\s*",
        expression,
        re.DOTALL,
    )
    name, text = "", expression
    if match:
        name = match[1] or match[6]
        step = match[2] or match[5]
        text = f"{name} {step[0]} 1" if step else f"{name} {match[3]} ({match[4]})" if match[3] else match[4]
    try:
        number = evaluate(text, lambda variable: number_text(state, variable))
    except UndecidedArithmeticError:
        if name:
            state.set(name, None)
        return Status.OPEN
    if name:
        state.set(name, str(number))
    return Status.SUCCESS if number or name else Status.FAILURE


_EFFECTS: dict[str, Callable[[Sequence[ShellWord], ShellState], None]] = {
    "cd": _cd, "pushd": _pushd, "popd": _popd, "export": _export, "declare": _typeset, "typeset": _typeset,
    "readonly": _declare, "local": _local, "unset": _unset, "set": _set, "shift": _shift, "let": _let,
    "mapfile": _forget, "readarray": _forget, "getopts": _forget, "read": _forget,
}  # fmt: skip
