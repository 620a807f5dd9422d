"""Conditions of `test`, `[ … ]` and `[[ … ]]`: true, false, or None for what depends on more than known values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from torchpin.project.shell.arithmetic import UndecidedArithmeticError, evaluate
from torchpin.project.shell.patterns import UndecidedPatternError, matches

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_OPERANDS = 200
_NUMBER_OPERATORS = {"-eq": "==", "-ne": "!=", "-lt": "<", "-le": "<=", "-gt": ">", "-ge": ">="}
_BINARY = {"=", "==", "!=", "<", ">", "=~", "-nt", "-ot", "-ef", *_NUMBER_OPERATORS}
_UNARY = re.compile(r"-[a-zA-Z]")
# Expressions that Python reads as bash does, and in bounded time: single characters, repeated at most twice.
_PLAIN_EXPRESSION = re.compile(
    r"\^?(?:[\w -]|\\?\.|\[[\w-]+\])*(?:(?:[\w -]|\\?\.|\[[\w-]+\])[*+?](?:[\w -]|\\?\.|\[[\w-]+\])*){0,2}\$?"
)
_LONGEST_SEARCHED = 200  # characters

Truth = bool | None


class Operand(NamedTuple):
    """A word of a condition: its value, None for one that is not known, and the word as a pattern."""

    text: str | None
    pattern: str
    quoted: bool = False


def decide(operands: Sequence[Operand], *, extended: bool) -> Truth:
    """Whether a condition holds. `extended`: that of `[[ … ]]`, where the right side is a pattern."""
    if len(operands) > _MOST_OPERANDS:
        return None
    condition = _Condition(operands, extended=extended)
    return condition.read()


def opposite(truth: Truth) -> Truth:
    return None if truth is None else not truth


def both(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


class _Condition:
    def __init__(self, operands: Sequence[Operand], *, extended: bool) -> None:
        self._operands, self._extended = operands, extended
        self._index = self._depth = 0
        self._is_broken = False

    def read(self) -> Truth:
        if not self._operands:
            return False
        truth = self._or()
        return None if self._is_broken or self._index < len(self._operands) else truth

    def _peek(self, ahead: int = 0) -> str | None:
        """An operator at the position; None for an operand or the end."""
        index = self._index + ahead
        if index >= len(self._operands) or self._operands[index].quoted:
            return None
        return self._operands[index].text

    def _left(self) -> int:
        return len(self._operands) - self._index

    def _or(self) -> Truth:
        truth = self._and()
        while self._peek() in ({"||"} if self._extended else {"-o"}):
            self._index += 1
            right = self._and()
            truth = opposite(both(opposite(truth), opposite(right)))
        return truth

    def _and(self) -> Truth:
        truth = self._not()
        while self._peek() in ({"&&"} if self._extended else {"-a"}):
            self._index += 1
            truth = both(truth, self._not())
        return truth

    def _not(self) -> Truth:
        negated = False
        while self._peek() == "!" and self._left() > 1 and self._peek(1) not in _BINARY:
            negated = not negated
            self._index += 1
        truth = self._primary()
        return opposite(truth) if negated else truth

    def _primary(self) -> Truth:
        if not self._left():
            self._is_broken = True
            return None
        if self._left() > 2 and self._peek(1) in _BINARY:  # noqa: PLR2004 - LEFT OPERATOR RIGHT
            left, operator, right = self._operands[self._index : self._index + 3]
            self._index += 3
            return self._compare(left, operator.text or "", right)
        if self._peek() == "(":
            return self._group()
        operator_text = self._peek()
        if operator_text and self._left() > 1 and _UNARY.fullmatch(operator_text) and self._is_unary():
            operand = self._operands[self._index + 1]
            self._index += 2
            if operator_text not in {"-n", "-z"} or operand.text is None:
                return None  # of files, options and the like
            return bool(operand.text) == (operator_text == "-n")
        operand = self._operands[self._index]
        self._index += 1
        return None if operand.text is None else bool(operand.text)

    def _is_unary(self) -> bool:
        """Whether the operator at the position has an operand, and is not an operand itself, as in `[ -n -a x ]`."""
        return self._left() == 2 or self._peek(1) not in {"-a", "-o", "&&", "||", ")"}  # noqa: PLR2004

    def _group(self) -> Truth:
        self._index += 1
        self._depth += 1
        if self._depth > 20:  # noqa: PLR2004 - Python's stack
            self._is_broken = True
            return None
        truth = self._or()
        self._depth -= 1
        self._is_broken |= self._peek() != ")"
        self._index += 1
        return truth

    def _compare(self, left: Operand, operator: str, right: Operand) -> Truth:
        if left.text is None or right.text is None or operator in {"-nt", "-ot", "-ef"}:
            return None
        if operator in _NUMBER_OPERATORS:
            return _compare_numbers(left.text, operator, right.text, arithmetic=self._extended)
        if operator == "=~":
            return _search(left.text, right)
        if operator in {"<", ">"}:
            return (left.text < right.text) == (operator == "<") and left.text != right.text
        is_equal = self._is_equal(left.text, right)
        return opposite(is_equal) if operator == "!=" else is_equal

    def _is_equal(self, left: str, right: Operand) -> Truth:
        if not self._extended:
            return left == right.text
        try:
            return matches(left, right.pattern)
        except UndecidedPatternError:
            return None


def _compare_numbers(left: str, operator: str, right: str, *, arithmetic: bool) -> Truth:
    if not arithmetic and not all(re.fullmatch(r"\s*[-+]?\d{1,18}\s*", text) for text in (left, right)):
        return False  # an error, which is no success either
    try:
        return bool(evaluate(f"({left}) {_NUMBER_OPERATORS[operator]} ({right})", _no_variable))
    except UndecidedArithmeticError:
        return None


def _no_variable(name: str) -> str:
    raise UndecidedArithmeticError(name)


def _search(text: str, expression: Operand) -> Truth:
    if expression.quoted:
        return (expression.text or "") in text
    if max(len(text), len(expression.text or "")) > _LONGEST_SEARCHED or not _PLAIN_EXPRESSION.fullmatch(
        expression.text or "x("
    ):
        return None
    return bool(re.search(expression.text or "", text))
