"""The words that a shell makes of a word as it is written: braces, variables, substitutions, splitting, quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from torchpin.project.shell import patterns
from torchpin.project.shell.arithmetic import UndecidedArithmeticError, evaluate
from torchpin.project.shell.braces import expand_braces
from torchpin.project.shell.parameters import (
    UnresolvedError,
    change_value,
    number_text,
    parameter_value,
    parse_parameter,
    split_replacement,
)
from torchpin.project.shell.pieces import Piece, split_body, split_pieces
from torchpin.project.shell.state import without_secret
from torchpin.project.shell.values import ShellWord
from torchpin.project.text import PlacedText
from torchpin.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torchpin.project.shell.parameters import Parameter
    from torchpin.project.shell.state import ShellState
    from torchpin.project.shell.values import Budget

_DEEPEST = 10  # defaults of variables within each other
_BLANKS = re.compile(r"[ \t\n]+")
_PLAIN_WORD = re.compile(r"[\w./:=@%+,~^-]+")
_BODY_NAME = re.compile(r"\$|`|\\")


class Fragment(NamedTuple):
    """A part of a word. `splits`: an unquoted expansion; `ends`: the word ends behind it, as between those of `"$@"`."""

    text: str
    offset: int
    quoted: bool = False
    splits: bool = False
    ends: bool = False
    unresolved: str = ""


class ExpandedWord(NamedTuple):
    fragments: tuple[Fragment, ...]

    @property
    def text(self) -> str:
        return "".join(fragment.text for fragment in self.fragments)

    @property
    def unresolved(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.unresolved for part in self.fragments if part.unresolved))

    @property
    def pattern(self) -> str:
        """The word as a pattern: what is quoted stands for itself."""
        return "".join(
            patterns.quote_pattern(part.text) if part.quoted else part.text for part in self.fragments
        )


class WordReader:
    """Expands words of a text. `output`: what a command substitution at an offset prints, None for what cannot be determined."""

    def __init__(
        self,
        text: PlacedText,
        state: ShellState,
        budget: Budget,
        output: Callable[[PlacedText], str | None],
        *,
        braces: bool,
    ) -> None:
        self._text, self._state, self._budget, self._output = text, state, budget, output
        self._braces = braces
        self._depth = 0

    def fields(self, start: int, stop: int) -> list[ExpandedWord]:
        """The words that a word becomes: none, or several. Raises ExhaustedError."""
        if _PLAIN_WORD.fullmatch(self._text.text, start, stop):
            return [ExpandedWord((Fragment(self._text.text[start:stop], start),))]
        pieces = split_pieces(self._text.text, start, stop)
        if (
            len(pieces) == 1
            and pieces[0].kind == "literal"
            and (pieces[0].quoted or "{" not in pieces[0].text)
        ):
            return [ExpandedWord((Fragment(pieces[0].text, pieces[0].inner, quoted=pieces[0].quoted),))]
        choices = expand_braces(pieces) if self._braces else [pieces]
        return [word for choice in choices for word in _split_words(self._fragments(choice))]

    def value(self, start: int, stop: int) -> ExpandedWord:
        """A word that is not split: a value, a pattern, the target of a redirection. Raises ExhaustedError."""
        return ExpandedWord(tuple(self._fragments(split_pieces(self._text.text, start, stop))))

    def body(self) -> ExpandedWord:
        """The whole text as the body of a heredoc. Raises ExhaustedError."""
        if not _BODY_NAME.search(self._text.text):
            return ExpandedWord((Fragment(self._text.text, 0),))
        return ExpandedWord(tuple(self._fragments(split_body(self._text.text))))

    def shell_word(self, word: ExpandedWord, start: int, stop: int) -> ShellWord:
        """An expanded word with its place."""
        last = self._text.place(max(stop - 1, start))
        return ShellWord(
            text=word.text,
            source=self._text.text[start:stop],
            place=self._text.place(start),
            end=last._replace(column=last.column + (stop > start)),
            quoted=any(fragment.quoted and not fragment.unresolved for fragment in word.fragments),
            unresolved=word.unresolved,
        )

    def placed(self, word: ExpandedWord) -> PlacedText:
        """The text of a word, with the place of each part in the file."""
        parts = []
        for fragment in word.fragments:
            if self._text.text.startswith(fragment.text, fragment.offset):
                part = self._text.part(fragment.offset, fragment.offset + len(fragment.text))
            else:
                part = PlacedText.at(fragment.text, self._text.place(fragment.offset))
            parts.append(part)
        return PlacedText.joined(parts)

    def _fragments(self, pieces: Iterable[Piece]) -> Iterator[Fragment]:
        for piece in pieces:
            if piece.kind == "literal":
                yield Fragment(piece.text, piece.inner, quoted=piece.quoted)
                continue
            for fragment in self._expand(piece):
                self._budget.fill_in(len(fragment.text))
                yield fragment

    def _expand(self, piece: Piece) -> Iterable[Fragment]:
        text: str | None
        if piece.kind == "parameter":
            return self._parameter(piece)
        if piece.kind == "command":
            is_file = self._text.text[piece.start] in "<>"
            text = self._output(self._text.part(piece.inner, piece.inner + len(piece.text)))
            return self._result(piece, None if is_file or text is None else text.rstrip("\n"), "$(…)")
        number = self._number(piece)
        return self._result(piece, None if number is None else str(number), "$((…))")

    def _number(self, piece: Piece) -> int | None:
        try:
            expression = ExpandedWord(tuple(self._nested(piece.text, piece.inner)))
            if not expression.unresolved:
                return evaluate(expression.text, lambda name: number_text(self._state, name))
        except (UndecidedArithmeticError, UnresolvedError):
            pass
        return None

    def _result(self, piece: Piece, text: str | None, name: str) -> Iterable[Fragment]:
        """A text in the place of an expansion, or the expansion as it is written."""
        if text is None:
            source = self._text.text[piece.start : piece.stop]
            return (Fragment(source, piece.start, quoted=True, unresolved=name),)
        return (Fragment(text, piece.start, quoted=piece.quoted, splits=not piece.quoted),)

    def _nested(self, text: str, offset: int) -> Iterator[Fragment]:
        """The fragments of a word within an expansion."""
        if self._depth >= _DEEPEST:
            raise UnresolvedError("${…}")
        self._depth += 1
        try:
            yield from self._fragments(split_pieces(self._text.text, offset, offset + len(text)))
        finally:
            self._depth -= 1

    def _parameter(self, piece: Piece) -> Iterable[Fragment]:
        parameter = parse_parameter(piece.text)
        if parameter is None:
            return self._result(piece, None, piece.text[:40])
        try:
            return tuple(self._parameter_fragments(piece, parameter))
        except UnresolvedError as error:
            return self._result(piece, None, str(error))

    def _parameter_fragments(self, piece: Piece, parameter: Parameter) -> Iterator[Fragment]:
        """Raises UnresolvedError."""
        operator = parameter.operator
        if parameter.sign == "!":
            parameter = self._indirect(parameter)
        value = parameter_value(self._state, parameter)
        if operator.lstrip(":") in {"-", "=", "+", "?"} and operator:
            is_set = value is not None and (operator[0] != ":" or value not in {"", ()})
            if operator[-1] == "+":
                yield from self._argument(piece, parameter) if is_set else self._result(piece, "", "")
                return
            if not is_set and operator[-1] != "?":
                yield from self._default(piece, parameter)
                return
            operator = ""
        if value is None:
            raise UnresolvedError(parameter.name)
        if parameter.sign == "#":
            yield from self._result(piece, str(len(value)), "")
            return
        if isinstance(value, tuple):
            yield from self._elements(piece, parameter, value, operator)
            return
        yield from self._result(piece, self._changed(piece, parameter, value, operator), "")

    def _indirect(self, parameter: Parameter) -> Parameter:
        name = self._state.variables.get(parameter.name)
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name) or parameter.subscript:
            raise UnresolvedError(parameter.name)
        return parameter._replace(sign="", name=name)

    def _argument(self, piece: Piece, parameter: Parameter) -> Iterator[Fragment]:
        for fragment in self._nested(parameter.argument, piece.inner + parameter.offset):
            quoted = fragment.quoted or piece.quoted
            yield fragment._replace(quoted=quoted, splits=not quoted)

    def _default(self, piece: Piece, parameter: Parameter) -> Iterator[Fragment]:
        fragments = tuple(self._argument(piece, parameter))
        word = ExpandedWord(fragments)
        if without_secret(parameter.name, word.text) != word.text:
            fragments = (Fragment(HIDDEN, piece.start, quoted=piece.quoted),)
        if parameter.operator[-1] == "=":
            self._state.set(parameter.name, None if word.unresolved else word.text)
        yield from fragments

    def _changed(self, piece: Piece, parameter: Parameter, value: str, operator: str) -> str:
        if not operator:
            return value
        if operator[0] == "/":
            pattern, position = split_replacement(parameter.argument)
            start = piece.inner + parameter.offset
            text = ExpandedWord(tuple(self._nested(parameter.argument[position:], start + position)))
            if text.unresolved:
                raise UnresolvedError(text.unresolved[0])
            try:
                return patterns.replaced(
                    value,
                    self._pattern(pattern, start),
                    text.text,
                    every=operator == "//",
                    anchor=operator[1:].strip("/"),
                )
            except patterns.UndecidedPatternError:
                raise UnresolvedError(parameter.name) from None
        return change_value(
            self._state,
            parameter,
            value,
            lambda argument, offset: self._pattern(argument, piece.inner + offset),
        )

    def _pattern(self, argument: str, offset: int) -> str:
        word = ExpandedWord(tuple(self._nested(argument, offset)))
        if word.unresolved:
            raise UnresolvedError(word.unresolved[0])
        return word.pattern

    def _elements(
        self, piece: Piece, parameter: Parameter, elements: Sequence[str], operator: str
    ) -> Iterator[Fragment]:
        """The fragments of `$@`, `$*`, `${A[@]}` and `${A[*]}`."""
        if operator == ":":
            elements = self._slice(parameter, elements)
        elif operator:
            elements = [self._changed(piece, parameter, element, operator) for element in elements]
        if piece.quoted and "*" in (parameter.name, parameter.subscript):
            yield from self._result(piece, " ".join(elements), "")
            return
        for number, element in enumerate(elements):
            is_last = number == len(elements) - 1
            yield Fragment(
                element, piece.start, quoted=piece.quoted, splits=not piece.quoted, ends=not is_last
            )

    def _slice(self, parameter: Parameter, elements: Sequence[str]) -> Sequence[str]:
        match = re.fullmatch(r"\s*(\d{1,6})(?::\s*(\d{1,6}))?\s*", parameter.argument)
        if not match:
            raise UnresolvedError(parameter.name)
        first = int(match[1]) - (parameter.name == "@")
        if first < 0:
            raise UnresolvedError(parameter.name)
        return elements[first : first + int(match[2])] if match[2] else elements[first:]


def _split_words(fragments: Iterable[Fragment]) -> Iterator[ExpandedWord]:
    """The words of fragments: unquoted expansions end them at blanks, and nothing unquoted is no word."""
    word: list[Fragment] = []
    for fragment in fragments:
        texts = _BLANKS.split(fragment.text) if fragment.splits else [fragment.text]
        for number, text in enumerate(texts):
            if number and word:
                yield ExpandedWord(tuple(word))
                word = []
            if text or fragment.quoted:
                word.append(fragment._replace(text=text))
        if fragment.ends and word:
            yield ExpandedWord(tuple(word))
            word = []
    if word:
        yield ExpandedWord(tuple(word))
