"""A parser of Dockerfiles: stages, instructions, and the shell commands of RUN lines, with the position of each word.

What cannot be parsed is kept as it is written, and adopt/rules/unreadable_lines.py reports it. Only a bound raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from torchpin.adopt.secret_values import hide_secret, hide_secrets
from torchpin.adopt.variables import VARIABLE, BoundError, Variables
from torchpin.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

KEYWORDS = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip
# A file beyond it is not read: each stage may repeat the instructions of the one before. Real ones have below fifty.
_MOST_STAGES = 200
_KEPT_FILES = 64  # parsed Dockerfiles that are kept for the rules, which read each one several times
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_FLAG = re.compile(r"\s*--([\w-]+)(?:=(\S+))?(?=\s|$)")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)", re.IGNORECASE)
_OPERATORS = (
    "&&",
    "||",
    ";;",
    "|&",
    ";",
    "|",
    "&",
    "(",
    ")",
    "\n",
)  # the long ones first: `&` starts `&&` too
_OPERATOR_STARTS = frozenset(symbol[0] for symbol in _OPERATORS)


class Char(NamedTuple):
    """A character with its position; lines and columns count from 1."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word of a command, its quotes removed."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A simple command. `operator`: what follows it, "" at the end; `redirects`: operators with their targets."""

    argv: tuple[Word, ...]
    redirects: tuple[tuple[str, Word], ...] = ()
    operator: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.argv)

    @property
    def line(self) -> int:
        return self.argv[0].line if self.argv else 0

    @property
    def column(self) -> int:
        return self.argv[0].column if self.argv else 0


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
    def exec_form(self) -> tuple[str, ...]:
        """The exec form's words, () for the shell form."""
        if not self.text.lstrip().startswith("["):
            return ()
        try:
            words = parse_json(self.text)
        except ValueError:
            return ()
        return tuple(map(str, words)) if isinstance(words, list) else ()


@lru_cache(maxsize=_KEPT_FILES)
def parse_instructions(text: str) -> tuple[Instruction, ...]:
    """The instructions of a Dockerfile in their order, those with an unknown keyword included."""
    lines = text.splitlines()
    escape = _escape_character(lines)
    parsed, number = [], 0
    while number < len(lines):
        if not lines[number].strip() or lines[number].lstrip().startswith("#"):
            number += 1
            continue
        chars, number = _join_lines(lines, number, escape)
        body: list[Char] = []
        for _, name in _HEREDOC.findall("".join(char.text for char in chars)):
            inner, number = _read_heredoc(lines, number, name)
            body += inner
        parsed.append(_parse_instruction(chars, body))
    return tuple(parsed)


def _escape_character(lines: Sequence[str]) -> str:
    """The line continuation: of the `# escape=` directive, which must be the first line, else a backslash."""
    first = next((line for line in lines if line.strip()), "")
    match = _ESCAPE.match(first.strip())
    return match[1] if match else "\\"


def _join_lines(lines: Sequence[str], number: int, escape: str) -> tuple[list[Char], int]:
    """A logical line and the number of the next one: lines joined at the escape, without comments and blank lines inside."""
    chars: list[Char] = []
    while number < len(lines):
        line = lines[number]
        number += 1
        if chars and (line.lstrip().startswith("#") or not line.strip()):
            continue
        stripped = line.rstrip()
        continued = stripped.endswith(escape)
        content = stripped[:-1] if continued else line
        chars += [Char(char, number, column) for column, char in enumerate(content, start=1)]
        if not continued:
            break
    return chars, number


def _read_heredoc(lines: Sequence[str], number: int, name: str) -> tuple[list[Char], int]:
    """The body of a heredoc, and the number of the line after its end."""
    chars: list[Char] = []
    while number < len(lines):
        line = lines[number]
        number += 1
        if line.strip() == name:
            break
        chars += [Char(char, number, column) for column, char in enumerate(line, start=1)]
        chars.append(Char("\n", number, len(line) + 1))
    return chars, number


def _parse_instruction(chars: list[Char], body: list[Char]) -> Instruction:
    start = next((n for n, char in enumerate(chars) if not char.text.isspace()), 0)
    end = next((n for n in range(start, len(chars)) if chars[n].text.isspace()), len(chars))
    keyword = "".join(char.text for char in chars[start:end]).upper()
    arguments, flags = _parse_flags(chars[end:])
    text = "".join(char.text for char in arguments).strip()
    first = chars[start] if chars else Char("", 1, 1)
    return Instruction(
        keyword=keyword,
        text=text,
        line=first.line,
        column=first.column,
        flags=flags,
        chars=tuple(arguments),
        body=tuple(body),
    )


def _parse_flags(chars: list[Char]) -> tuple[list[Char], dict[str, str]]:
    flags: dict[str, str] = {}
    text, position = "".join(char.text for char in chars), 0
    while match := _FLAG.match(text, position):
        flags[match[1]] = match[2] or ""
        position = match.end()
    return chars[position:], flags


def parse_commands(instruction: Instruction) -> tuple[Command, ...]:
    """The simple commands of a RUN (or CMD …), whether in shell form, exec form or a heredoc."""
    if instruction.exec_form:
        return (
            Command(
                argv=tuple(
                    Word(text=word, line=instruction.line, column=instruction.column)
                    for word in instruction.exec_form
                )
            ),
        )
    if instruction.body:
        return tuple(_parse_commands(instruction.body))
    return tuple(_parse_commands(instruction.chars))


def _parse_commands(chars: Sequence[Char]) -> Iterator[Command]:
    argv: list[Word] = []
    redirects: list[tuple[str, Word]] = []
    pending = ""
    for token in _tokenize(chars):
        if isinstance(token, Word):
            if pending:
                redirects.append((pending, token))
            else:
                argv.append(token)
            pending = ""
        elif token.text[0] in "<>":
            pending = token.text
        else:
            if argv or redirects:
                yield Command(argv=tuple(argv), redirects=tuple(redirects), operator=token.text)
            argv, redirects, pending = [], [], ""
    if argv or redirects:
        yield Command(argv=tuple(argv), redirects=tuple(redirects))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Operator:
    text: str


def _tokenize(chars: Sequence[Char]) -> Iterator[Word | _Operator]:
    position = 0
    while position < len(chars):
        char = chars[position].text
        ahead = char + (chars[position + 1].text if position + 1 < len(chars) else "")
        operator = (
            next((symbol for symbol in _OPERATORS if ahead.startswith(symbol)), "")
            if char in _OPERATOR_STARTS
            else ""
        )
        if operator:
            yield _Operator(text=operator)
            position += len(operator)
        elif char in "<>":
            length = 2 if ahead in {">>", "<<", ">&", "<&"} else 1
            yield _Operator(text=ahead[:length])
            position += length
        elif char.isspace():
            position += 1
        elif char == "#":
            position = next((n for n in range(position, len(chars)) if chars[n].text == "\n"), len(chars))
        else:
            word, position = _read_word(chars, position)
            yield word


def _read_word(chars: Sequence[Char], position: int) -> tuple[Word, int]:
    """The word at a position, and the position after it; an open quote ends with the text."""
    start, quote = chars[position], ""
    text: list[str] = []
    while position < len(chars):
        char = chars[position].text
        if quote:
            if char == quote:
                quote = ""
            else:
                text.append(char)
        elif char in "'\"":
            quote = char
        elif char == "\\" and position + 1 < len(chars):
            position += 1
            text.append(chars[position].text)
        elif char.isspace() or char in ";|&()<>":
            break
        else:
            text.append(char)
        position += 1
    # the 2 of `2>file`, a file descriptor, becomes a word of its own
    return Word(text="".join(text), line=start.line, column=start.column), position


def unresolved_variable(text: str) -> str:
    """The first variable in a text, "" for none."""
    match = VARIABLE.search(text)
    return (match[1] or match[4]) if match else ""


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


def assignments(instruction: Instruction) -> dict[str, str]:
    """The variables that an ARG or ENV sets; an ARG without a default sets none."""
    arguments = [token for token in _tokenize(instruction.chars) if isinstance(token, Word)]
    pairs = dict(word.text.split("=", 1) for word in arguments if "=" in word.text)
    if not pairs and instruction.keyword == "ENV" and len(arguments) > 1:  # the old form: ENV KEY the rest
        return {arguments[0].text: " ".join(word.text for word in arguments[1:])}
    return pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A FROM and what follows it. `image`: with its variables filled in; `variables`: their values at the end of the stage."""

    image: str
    name: str
    start: Instruction
    instructions: tuple[Instruction, ...]
    variables: Mapping[str, str]


@lru_cache(maxsize=_KEPT_FILES)
def parse_stages(text: str) -> tuple[Stage, ...]:
    """The build stages of a Dockerfile; one that is FROM an earlier stage starts with that stage's image and instructions.

    Raises BoundError for a file with too many stages or variables.
    """
    global_args = Variables()
    parsed: list[Stage] = []
    instructions: list[Instruction] = []
    variables = Variables()
    for instruction in parse_instructions(text):
        if instruction.keyword == "FROM":
            parsed[-1:] = [_close_stage(stage, instructions, variables) for stage in parsed[-1:]]
            parsed.append(_parse_stage(instruction, global_args, parsed))
            instructions, variables = [*parsed[-1].instructions], variables.restarted(parsed[-1].variables)
        elif not parsed:
            global_args.set(assignments(instruction) if instruction.keyword == "ARG" else {})
        else:
            instructions.append(instruction)
            variables.set(_set_variables(instruction, variables, global_args.values))
        if len(parsed) > _MOST_STAGES:
            raise BoundError(f"it has more than {_MOST_STAGES} stages")
    return (*parsed[:-1], *(_close_stage(stage, instructions, variables) for stage in parsed[-1:]))


def _close_stage(stage: Stage, instructions: Sequence[Instruction], variables: Variables) -> Stage:
    return replace(stage, instructions=tuple(instructions), variables=variables.values)


def _parse_stage(instruction: Instruction, global_args: Variables, earlier: Iterable[Stage]) -> Stage:
    """A stage without its own instructions, with those of the earlier stage that it is FROM."""
    arguments = global_args.fill_in(instruction.text).split()
    image = hide_secret(arguments[0]) if arguments else ""
    name = arguments[2] if len(arguments) > 2 and arguments[1].lower() == "as" else ""  # noqa: PLR2004 - IMAGE AS NAME
    for stage in earlier:
        if stage.name and stage.name == image:
            return Stage(
                image=stage.image,
                name=name,
                start=instruction,
                instructions=stage.instructions,
                variables=stage.variables,
            )
    return Stage(image=image, name=name, start=instruction, instructions=(), variables={})


def _set_variables(
    instruction: Instruction, variables: Variables, global_args: Mapping[str, str]
) -> dict[str, str]:
    if instruction.keyword not in {"ARG", "ENV"}:
        return {}
    pairs = {name: variables.fill_in(value) for name, value in assignments(instruction).items()}
    if (
        instruction.keyword == "ARG" and not pairs
    ):  # `ARG X` in a stage imports the X from before the first FROM
        names = instruction.text.split()
        return {name: global_args[name] for name in names if name in global_args}
    return pairs


def final_stage(text: str) -> Stage | None:
    all_stages = parse_stages(text)
    return all_stages[-1] if all_stages else None
