"""Dockerfiles as others write them: text to instructions, and their RUN lines to shell commands, each word in its place.

Nothing is refused and nothing raises: what cannot be followed is kept as it stands, for others to say so.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

KEYWORDS = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:?[-+])([^}]*))?\}|(\w+))")
_OPERATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "(", ")", "\n")


class Char(NamedTuple):
    """A character with its place; lines and columns count from 1."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word of a command, its quotes removed. `plain`: no part of it was quoted."""

    text: str
    line: int
    column: int
    plain: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A simple command; `after` is the operator that follows it ("" for none), `redirects` go with it."""

    words: tuple[Word, ...]
    redirects: tuple[tuple[str, Word], ...] = ()
    after: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words)

    @property
    def line(self) -> int:
        return self.words[0].line if self.words else 0

    @property
    def column(self) -> int:
        return self.words[0].column if self.words else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    """`keyword` in capitals; `text` without flags and continuations; `flags` without their dashes."""

    keyword: str
    text: str
    line: int
    column: int = 1
    flags: Mapping[str, str] = field(default_factory=dict)
    chars: tuple[Char, ...] = ()
    body: tuple[Char, ...] = ()  # of a heredoc

    @property
    def words(self) -> tuple[str, ...]:
        """The exec form's words, () for the shell form."""
        if not self.text.lstrip().startswith("["):
            return ()
        try:
            read = json.loads(self.text)
        except ValueError:
            return ()
        return tuple(map(str, read)) if isinstance(read, list) else ()


# --- instructions ----------------------------------------------------------------------------------------------------


def instructions(text: str) -> tuple[Instruction, ...]:
    """The instructions of a Dockerfile in their order; an unknown keyword is one too."""
    lines = text.splitlines()
    escape = _escape(lines)
    found, number = [], 0
    while number < len(lines):
        if not lines[number].strip() or lines[number].lstrip().startswith("#"):
            number += 1
            continue
        chars, number = _joined(lines, number, escape)
        body: list[Char] = []
        for _, name in _HEREDOC.findall("".join(one.text for one in chars)):
            inner, number = _heredoc(lines, number, name)
            body += inner
        found.append(_instruction(chars, body))
    return tuple(found)


def _escape(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    found = _ESCAPE.match(first.strip())
    return found[1] if found else "\\"


def _joined(lines: Sequence[str], number: int, escape: str) -> tuple[list[Char], int]:
    """A logical line: continued where a line ends with the escape, comments and blank lines inside left out."""
    chars: list[Char] = []
    while number < len(lines):
        line = lines[number]
        number += 1
        if chars and (line.lstrip().startswith("#") or not line.strip()):
            continue
        stripped = line.rstrip()
        more = stripped.endswith(escape)
        kept = stripped[:-1] if more else line
        chars += [Char(one, number, column) for column, one in enumerate(kept, start=1)]
        if not more:
            break
    return chars, number


def _heredoc(lines: Sequence[str], number: int, name: str) -> tuple[list[Char], int]:
    chars: list[Char] = []
    while number < len(lines):
        line = lines[number]
        number += 1
        if line.strip() == name:
            break
        chars += [Char(one, number, column) for column, one in enumerate(line, start=1)]
        chars.append(Char("\n", number, len(line) + 1))
    return chars, number


def _instruction(chars: list[Char], body: list[Char]) -> Instruction:
    start = next((n for n, one in enumerate(chars) if not one.text.isspace()), 0)
    end = next((n for n in range(start, len(chars)) if chars[n].text.isspace()), len(chars))
    keyword = "".join(one.text for one in chars[start:end]).upper()
    rest, flags = _flags(chars[end:])
    text = "".join(one.text for one in rest).strip()
    first = chars[start] if chars else Char("", 1, 1)
    return Instruction(
        keyword=keyword,
        text=text,
        line=first.line,
        column=first.column,
        flags=flags,
        chars=tuple(rest),
        body=tuple(body),
    )


def _flags(chars: list[Char]) -> tuple[list[Char], dict[str, str]]:
    flags: dict[str, str] = {}
    while True:
        text = "".join(one.text for one in chars)
        found = re.match(r"\s*--([\w-]+)(?:=(\S+))?(?=\s|$)", text)
        if not found:
            return chars, flags
        flags[found[1]] = found[2] or ""
        chars = chars[found.end() :]


# --- shell -----------------------------------------------------------------------------------------------------------


def commands(one: Instruction) -> tuple[Command, ...]:
    """The simple commands of a RUN (or CMD …), whether in shell form, exec form or a heredoc."""
    if one.words:
        return (
            Command(
                words=tuple(Word(text=w, line=one.line, column=one.column, plain=False) for w in one.words)
            ),
        )
    if one.body:
        return tuple(_commands(one.body))
    return tuple(_commands(one.chars))


def _commands(chars: Sequence[Char]) -> Iterator[Command]:
    words: list[Word] = []
    redirects: list[tuple[str, Word]] = []
    pending = ""
    for token in _tokens(chars):
        if isinstance(token, Word):
            if pending:
                redirects.append((pending, token))
            else:
                words.append(token)
            pending = ""
        elif token.text[0] in "<>":
            pending = token.text
        else:
            if words or redirects:
                yield Command(words=tuple(words), redirects=tuple(redirects), after=token.text)
            words, redirects, pending = [], [], ""
    if words or redirects:
        yield Command(words=tuple(words), redirects=tuple(redirects))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Operator:
    text: str


def _tokens(chars: Sequence[Char]) -> Iterator[Word | _Operator]:
    at = 0
    while at < len(chars):
        char = chars[at].text
        ahead = char + (chars[at + 1].text if at + 1 < len(chars) else "")
        operator = next((one for one in _OPERATORS if ahead.startswith(one)), "")
        if operator:
            yield _Operator(text=operator)
            at += len(operator)
        elif char in "<>":
            length = 2 if ahead in {">>", "<<", ">&", "<&"} else 1
            yield _Operator(text=ahead[:length])
            at += length
        elif char.isspace():
            at += 1
        elif char == "#":
            at = next((n for n in range(at, len(chars)) if chars[n].text == "\n"), len(chars))
        else:
            word, at = _word(chars, at)
            yield word


def _word(chars: Sequence[Char], at: int) -> tuple[Word, int]:
    start, text, plain, quote = chars[at], "", True, ""
    while at < len(chars):
        char = chars[at].text
        if quote:
            if char == quote:
                quote = ""
            else:
                text += char
        elif char in "'\"":
            quote, plain = char, False
        elif char == "\\" and at + 1 < len(chars):
            at += 1
            text, plain = text + chars[at].text, False
        elif char.isspace() or char in ";|&()<>":
            break
        else:
            text += char
        at += 1
    # A number before a redirection is its descriptor: 2>file
    return Word(text=text, line=start.line, column=start.column, plain=plain), at


# --- variables -------------------------------------------------------------------------------------------------------


def substituted(text: str, known: Mapping[str, str]) -> str:
    """A text with $X, ${X}, ${X:-d} and ${X:+d} filled in; what is not known stays as it is written."""

    def value(found: re.Match[str]) -> str:
        name, how, other = found[1] or found[4], found[2] or "", found[3] or ""
        there = known.get(name)
        if how.endswith("-"):
            return there or other
        if how.endswith("+"):
            return other if there else ""
        return found[0] if there is None else there

    return _VARIABLE.sub(value, text)


def unresolved(text: str) -> str:
    """The first variable that is still in a text, "" for none."""
    found = _VARIABLE.search(text)
    return (found[1] or found[4]) if found else ""


def filled(command: Command, known: Mapping[str, str]) -> Command:
    words = tuple(replace(word, text=substituted(word.text, known)) for word in command.words)
    return replace(command, words=words)


def assignments(one: Instruction) -> dict[str, str]:
    """What an ARG or ENV sets; an ARG without a default sets nothing."""
    words = [token for token in _tokens(one.chars) if isinstance(token, Word)]
    pairs = dict(word.text.split("=", 1) for word in words if "=" in word.text)
    if not pairs and one.keyword == "ENV" and len(words) > 1:  # ENV KEY the rest
        return {words[0].text: " ".join(word.text for word in words[1:])}
    return pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A FROM and what follows it; `image` with the variables filled in; `known` are the variables at its end."""

    image: str
    name: str
    start: Instruction
    instructions: tuple[Instruction, ...]
    known: Mapping[str, str]


def stages(text: str) -> tuple[Stage, ...]:
    """The build stages of a Dockerfile; a FROM of an earlier stage gives that stage's image and its instructions first."""
    before: dict[str, str] = {}
    found: list[Stage] = []
    for one in instructions(text):
        if one.keyword == "FROM":
            found.append(_stage(one, before, found))
        elif not found:
            before |= assignments(one) if one.keyword == "ARG" else {}
        else:
            last = found[-1]
            known = {**last.known, **_set(one, last.known, before)}
            found[-1] = replace(last, instructions=(*last.instructions, one), known=known)
    return tuple(found)


def _stage(one: Instruction, before: Mapping[str, str], earlier: Iterable[Stage]) -> Stage:
    words = substituted(one.text, before).split()
    image = words[0] if words else ""
    name = words[2] if len(words) > 2 and words[1].lower() == "as" else ""  # noqa: PLR2004 - IMAGE AS NAME
    for stage in earlier:
        if stage.name and stage.name == image:
            return Stage(
                image=stage.image, name=name, start=one, instructions=stage.instructions, known=stage.known
            )
    return Stage(image=image, name=name, start=one, instructions=(), known={})


def _set(one: Instruction, known: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    if one.keyword not in {"ARG", "ENV"}:
        return {}
    pairs = {name: substituted(value, known) for name, value in assignments(one).items()}
    if one.keyword == "ARG" and not pairs:  # an ARG from before the first FROM is taken in by its name
        names = one.text.split()
        return {name: before[name] for name in names if name in before}
    return pairs


def final(text: str) -> Stage | None:
    found = stages(text)
    return found[-1] if found else None
