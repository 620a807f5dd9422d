"""Arithmetic of the shell, `$((…))` and `((…))`: whole numbers of 64 bits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 500  # characters
_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|\d+(?![\w#]))|([A-Za-z_]\w*)|(\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&^|()?:]))"
)
_LEVELS = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="), ("<<", ">>"), ("+", "-"),
    ("*", "/", "%"),
)  # fmt: skip


class UndecidedArithmeticError(Exception):
    """An expression that is not computed."""


def evaluate(expression: str, value: Callable[[str], str]) -> int:
    """The number that an expression gives; `value`: that of a variable. Raises UndecidedArithmeticError."""
    if len(expression) > _LONGEST:
        raise UndecidedArithmeticError
    return _Expression(expression, value).read()


class _Expression:
    def __init__(self, text: str, value: Callable[[str], str]) -> None:
        self._value = value
        self._tokens: list[str] = []
        self._index = self._depth = 0
        position, text = 0, text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match:
                raise UndecidedArithmeticError
            self._tokens.append(match[0].strip())
            position = match.end()

    def read(self) -> int:
        number = self._choice() if self._tokens else 0
        if self._index < len(self._tokens):
            raise UndecidedArithmeticError
        return number

    def _peek(self) -> str:
        return self._tokens[self._index] if self._index < len(self._tokens) else ""

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._index += 1
        return True

    def _choice(self) -> int:
        self._depth += 1
        if self._depth > 20:  # noqa: PLR2004 - Python's stack
            raise UndecidedArithmeticError
        number = self._binary(0)
        if self._accept("?"):
            first = self._choice()
            if not self._accept(":"):
                raise UndecidedArithmeticError
            second = self._choice()
            number = first if number else second
        self._depth -= 1
        return number

    def _binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._power()
        number = self._binary(level + 1)
        while self._peek() in _LEVELS[level]:
            operator = self._tokens[self._index]
            self._index += 1
            number = _wrap(_compute(operator, number, self._binary(level + 1)))
        return number

    def _power(self) -> int:
        number = self._unary()
        if self._accept("**"):
            exponent = self._power()
            if not 0 <= exponent <= 64:  # noqa: PLR2004 - bits
                raise UndecidedArithmeticError
            return _wrap(number**exponent)
        return number

    def _unary(self) -> int:
        signs = []
        while self._peek() in {"-", "+", "!", "~"}:
            signs.append(self._tokens[self._index])
            self._index += 1
        number = self._atom()
        for sign in reversed(signs):
            number = {"-": -number, "+": number, "!": int(not number), "~": ~number}[sign]
        return _wrap(number)

    def _atom(self) -> int:
        if self._accept("("):
            number = self._choice()
            if not self._accept(")"):
                raise UndecidedArithmeticError
            return number
        token = self._peek()
        if not token or not (token[0].isalnum() or token[0] == "_"):
            raise UndecidedArithmeticError
        self._index += 1
        return _number(token if token[0].isdigit() else self._value(token).strip())


def _number(text: str) -> int:
    if re.fullmatch(r"[-+]?(?:0[xX][0-9a-fA-F]{1,16}|\d{1,19})|", text):
        base = 16 if "x" in text.lower() else 8 if re.fullmatch(r"[-+]?0[0-7]+", text) else 10
        try:
            return _wrap(int(text or "0", base))
        except ValueError:  # 08
            pass
    raise UndecidedArithmeticError


def _wrap(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def _compute(operator: str, left: int, right: int) -> int:
    if operator in {"/", "%"}:
        if not right:
            raise UndecidedArithmeticError
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if operator == "/" else left - quotient * right
    if operator in {"<<", ">>"}:
        return left << right % 64 if operator == "<<" else left >> right % 64
    functions: dict[str, Callable[[int, int], int]] = {
        "||": lambda a, b: int(bool(a or b)), "&&": lambda a, b: int(bool(a and b)), "|": int.__or__,
        "^": int.__xor__, "&": int.__and__, "==": lambda a, b: int(a == b), "!=": lambda a, b: int(a != b),
        "<": lambda a, b: int(a < b), ">": lambda a, b: int(a > b), "<=": lambda a, b: int(a <= b),
        ">=": lambda a, b: int(a >= b), "+": int.__add__, "-": int.__sub__, "*": int.__mul__,
    }  # fmt: skip
    return functions[operator](left, right)
