"""Expansions of parameters: `$X`, `${X:-default}`, `${X%pattern}`, `${X//pattern/text}`, `${#X}`, `${X:0:3}`, `${A[@]}`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from torchpin.project.shell import patterns
from torchpin.project.shell.arithmetic import UndecidedArithmeticError, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.project.shell.state import ShellState, Value

_FORM = re.compile(
    r"(?P<sign>[!#](?=[\w@*]))?(?P<name>[A-Za-z_]\w*|\d+|[@*#?$!-])(?:\[(?P<subscript>[^\]]*)\])?"
    r"(?P<operator>:[-=+?]|[-=+?]|##?|%%?|//|/[#%]?|\^\^?|,,?|:|@[A-Za-z]|)",
    re.DOTALL,
)


class Parameter(NamedTuple):
    """`subscript`: None for none; `sign`: `#` for the length, `!` for the variable that it names; `argument`: what follows the operator, at an offset."""

    sign: str
    name: str
    subscript: str | None
    operator: str
    argument: str
    offset: int


class UnresolvedError(Exception):
    """An expansion without a value; the text is the variable's name."""


def parse_parameter(text: str) -> Parameter | None:
    """The parts of what stands between the brackets of `${…}`; None for what is no expansion."""
    match = _FORM.match(text)
    if not match or (not match["operator"] and match.end() < len(text)):
        return None
    return Parameter(
        match["sign"] or "",
        match["name"],
        match["subscript"],
        match["operator"],
        text[match.end() :],
        match.end(),
    )


def parameter_value(state: ShellState, parameter: Parameter) -> Value:
    """The value of a parameter: a text, the elements for `@` and `*`. Raises UnresolvedError; None for one that is not set."""
    name, subscript = parameter.name, parameter.subscript
    if name in {"@", "*", "#"} or name.isdigit():
        return _argument(state, name)
    if not (name[0].isalpha() or name[0] == "_"):
        raise UnresolvedError(name)
    if name not in state.variables:
        return None
    value = state.variables[name]
    if value is None:
        raise UnresolvedError(name)
    elements = value if isinstance(value, tuple) else (value,)
    if subscript in {"@", "*"}:
        return elements
    if subscript is None:
        return elements[0] if elements else ""
    return _element(state, name, elements, subscript)


def _argument(state: ShellState, name: str) -> Value:
    if state.arguments is None:
        raise UnresolvedError(name)
    if name == "#":
        return str(len(state.arguments))
    if name in {"@", "*"}:
        return state.arguments
    number = int(name) if len(name) < 6 else 0  # noqa: PLR2004 - beyond any number of arguments
    if not number:
        raise UnresolvedError(name)
    return state.arguments[number - 1] if number <= len(state.arguments) else None


def _element(state: ShellState, name: str, elements: tuple[str, ...], subscript: str) -> str:
    try:
        number = evaluate(subscript, lambda variable: number_text(state, variable))
    except UndecidedArithmeticError:
        raise UnresolvedError(name) from None
    number += len(elements) if number < 0 else 0
    return elements[number] if 0 <= number < len(elements) else ""


def number_text(state: ShellState, name: str) -> str:
    """A variable's value for arithmetic. Raises UndecidedArithmeticError."""
    value = state.variables.get(name)
    if not isinstance(value, str):
        raise UndecidedArithmeticError
    return value


def change_value(
    state: ShellState, parameter: Parameter, value: str, pattern: Callable[[str, int], str]
) -> str:
    """A value after the operator. `pattern`: expands an argument at an offset. Raises UnresolvedError."""
    operator, argument = parameter.operator, parameter.argument
    try:
        if operator == ":":
            return _substring(state, value, argument)
        if operator in {"#", "##"}:
            return patterns.without_prefix(
                value, pattern(argument, parameter.offset), longest=operator == "##"
            )
        if operator in {"%", "%%"}:
            return patterns.without_suffix(
                value, pattern(argument, parameter.offset), longest=operator == "%%"
            )
        if operator in {"^^", ",,", "^", ","} and not argument:
            return _change_case(value, operator)
    except (patterns.UndecidedPatternError, UndecidedArithmeticError):
        pass
    raise UnresolvedError(parameter.name)


def _change_case(value: str, operator: str) -> str:
    changed = value.upper() if operator[0] == "^" else value.lower()
    return changed if len(operator) == 2 else changed[:1] + value[1:]  # noqa: PLR2004 - `^^`


def _substring(state: ShellState, value: str, argument: str) -> str:
    first, _, second = argument.partition(":")
    start, length = (
        evaluate(part, lambda variable: number_text(state, variable)) if part.strip() else 0
        for part in (first, second)
    )
    start = start if start >= 0 else len(value) + start
    if start < 0:
        return ""
    if not second.strip() and ":" not in argument:
        return value[start:]
    return value[start : start + length] if length >= 0 else value[start : len(value) + length]


def split_replacement(argument: str) -> tuple[str, int]:
    """The pattern of `${X/pattern/text}`, and the offset of the text behind it."""
    position, quote = 0, ""
    while position < len(argument):
        char = argument[position]
        if char == "\\":
            position += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "/":
            return argument[:position], position + 1
        position += 1
    return argument, len(argument)
