"""The instructions of a Dockerfile as BuildKit reads them, each with its flags, arguments and heredocs at their places.

What BuildKit refuses is a problem with its place, and reading goes on after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from torchpin.parsing import parse_json
from torchpin.project.docker_words import split_words
from torchpin.project.text import Place, PlacedText, ReadProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KEYWORDS = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip
# Names of source code: `dockerfile.py`; a Dockerfile.go is one for a service in Go, a dockerfile.go is a part of it.
SOURCE_CODE = (
    r".*\.(?:pyi?|pyc|ipynb|sh|bash|ps1|m?js|jsx|tsx?|rs|rb|c|cc|cpp|hh?|hpp|lua)$"
    r"|[a-z].*\.(?:go|java|php|swift|kt)$"
)
# Dockerfile, Containerfile, Dockerfile.gpu, Dockerfile-gpu, gpu.Dockerfile, gpu.dockerfile; and none of a template or copy.
FILE_NAME = (
    r"(?!.*\.(?:j2|jinja2?|tmpl|tpl|template|erb|mustache|in|dockerignore|md|bak|orig|rej|swp)$)"
    rf"(?!{SOURCE_CODE})"
    r"(?:(?:[Dd]ockerfile|[Cc]ontainerfile)(?:[._-][\w.+-]+)?|[\w.+-]+\.(?:[Dd]ockerfile|[Cc]ontainerfile))"
)
_WITH_HEREDOCS = {"ADD", "COPY", "RUN"}
_BLANKS = " \t\r\n\v\f"
_KEPT_FILES = 64  # parsed Dockerfiles that are kept for the rules, which read each one several times
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = {"check", "escape", "syntax"}
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)", re.DOTALL)
_FLAG = re.compile(r"--([\w.-]+)(?:=(.*))?", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class InstructionFlag:
    """`--name=value` of an instruction; `place`: of its value, of the flag where it has none."""

    name: str
    value: str
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Heredoc:
    """A document below an instruction. `content`: with its last line end; `expands`: its name is not quoted."""

    name: str
    content: PlacedText
    expands: bool = True
    strips_tabs: bool = False


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """`keyword` in capitals; `arguments`: the rest of its logical line, joined, without flags.

    `escape`: the file's escape character; `end`: its last line, with the heredocs.
    """

    keyword: str
    arguments: PlacedText
    place: Place
    end: int
    escape: str = "\\"
    all_flags: tuple[InstructionFlag, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column

    @property
    def text(self) -> str:
        return self.arguments.text

    @cached_property
    def flags(self) -> Mapping[str, str]:
        """The value of each flag, of one that is repeated the last."""
        return {flag.name: flag.value for flag in self.all_flags}

    @cached_property
    def exec_form(self) -> tuple[str, ...]:
        """The words of the exec form, () for the shell form; a list that is not all strings is shell form."""
        if not self.text.startswith("["):
            return ()
        try:
            words = parse_json(self.text)
        except ValueError:
            return ()
        is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
        return tuple(words) if is_list else ()

    @property
    def heredoc_is_script(self) -> bool:
        """Whether a RUN has nothing but a heredoc, which is then what the shell runs."""
        return self.keyword == "RUN" and bool(self.heredocs) and _heredoc(self.text, self.escape) is not None

    @cached_property
    def script(self) -> PlacedText:
        """What the shell of a RUN gets: the heredoc where there is nothing else, otherwise the line with its heredocs."""
        if self.heredoc_is_script:
            document = self.heredocs[0]
            return _without_tabs(document.content) if document.strips_tabs else document.content
        parts = [self.arguments]
        for document in self.heredocs:
            last = document.content.place(len(document.content.text))
            parts += [
                PlacedText.of_lines([("\n", self.arguments.place(len(self.arguments.text)))]),
                document.content,
                PlacedText.of_lines([(document.name, last)]),
            ]
        return self.arguments if len(parts) == 1 else PlacedText.of_lines(_pieces(parts))


@dataclass(frozen=True, kw_only=True, slots=True)
class Dockerfile:
    """`directives`: the parser directives at its top, by name in lower case."""

    instructions: tuple[Instruction, ...]
    problems: tuple[ReadProblem, ...] = ()
    directives: Mapping[str, str]


def is_dockerfile(name: str) -> bool:
    """Whether a file is a Dockerfile by its name without folders."""
    return re.fullmatch(FILE_NAME, name) is not None


def parse_instructions(text: str) -> tuple[Instruction, ...]:
    """The instructions of a Dockerfile in their order, those with an unknown keyword included."""
    return parse_dockerfile(text).instructions


@lru_cache(maxsize=_KEPT_FILES)
def parse_dockerfile(text: str) -> Dockerfile:
    """A Dockerfile's instructions, and what BuildKit refuses about them."""
    lines = text.removeprefix("\ufeff").split("\n")
    if lines[-1] == "":
        lines.pop()
    problems: list[ReadProblem] = []
    directives = _parse_directives(lines, problems)
    escape = directives.get("escape", "\\")
    escape = escape if escape in {"\\", "`"} else "\\"
    instructions, number = [], 0
    while number < len(lines):
        if not lines[number].strip() or lines[number].lstrip().startswith("#"):
            number += 1
            continue
        line, number = _join_lines(lines, number, escape)
        if line.text.strip():
            instruction, number = _parse_instruction(line, lines, number, escape, problems)
            instructions.append(instruction)
    problems += _check_order(instructions)
    return Dockerfile(
        instructions=tuple(instructions),
        problems=tuple(sorted(problems, key=lambda problem: problem.place)),
        directives=directives,
    )


def triggered_instruction(onbuild: Instruction) -> Instruction:
    """What an ONBUILD adds to a stage that is FROM its own."""
    keyword, arguments = _split_keyword(onbuild.arguments)
    flags, arguments = _split_flags(arguments, onbuild.escape)
    place = onbuild.arguments.place(0)
    return replace(onbuild, keyword=keyword, arguments=arguments, place=place, all_flags=flags)


def _parse_directives(lines: Sequence[str], problems: list[ReadProblem]) -> dict[str, str]:
    """The directives: of the comments at the top, up to the first line that is none of a known directive."""
    directives: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _DIRECTIVE.match(line.strip())
        name = match[1].lower() if match else ""
        if match is None or name not in _DIRECTIVES:
            break
        if name in directives:
            problems.append(
                ReadProblem(message=f"the directive `{name}` stands twice", place=Place(number, 1))
            )
            break
        if name == "escape" and match[2] not in {"\\", "`"}:
            problems.append(
                ReadProblem(message="the escape character must be \\ or `", place=Place(number, 1))
            )
        directives[name] = match[2]
    return directives


def _join_lines(lines: Sequence[str], number: int, escape: str) -> tuple[PlacedText, int]:
    """A logical line and the number of the next one: lines joined at the escape, without comments and blank lines inside."""
    parts: list[tuple[str, Place]] = []
    while number < len(lines):
        line = lines[number].removesuffix("\r")
        number += 1
        stripped = line.lstrip()
        if parts and (not stripped or stripped.startswith("#")):
            continue
        column = 1
        if not parts:
            column, line = len(line) - len(stripped) + 1, stripped
        content = line.rstrip(" \t")
        is_continued = content.endswith(escape) and not content.endswith(escape * 2)
        parts.append((content[:-1] if is_continued else line, Place(number, column)))
        if not is_continued:
            break
    return PlacedText.of_lines(parts), number


def _parse_instruction(
    line: PlacedText, lines: Sequence[str], number: int, escape: str, problems: list[ReadProblem]
) -> tuple[Instruction, int]:
    """The instruction of a logical line, and the number of the line after it and its heredocs."""
    keyword, arguments = _split_keyword(line)
    flags, arguments = _split_flags(arguments, escape)
    takes_heredocs = keyword in _WITH_HEREDOCS or (
        keyword == "ONBUILD" and _split_keyword(arguments)[0] in _WITH_HEREDOCS
    )
    heredocs: list[Heredoc] = []
    if takes_heredocs and "<<" in arguments.text:
        for name, expands, strips_tabs in _heredoc_names(arguments.text, escape):
            content, number, ended = _read_heredoc(lines, number, name, strips_tabs=strips_tabs)
            heredocs.append(Heredoc(name=name, content=content, expands=expands, strips_tabs=strips_tabs))
            if not ended:
                problems.append(
                    ReadProblem(
                        message=f"the heredoc {name} has no end: no line is {name}", place=line.place(0)
                    )
                )
    instruction = Instruction(
        keyword=keyword,
        arguments=arguments,
        place=line.place(len(line.text) - len(line.text.lstrip())),
        end=number,
        escape=escape,
        all_flags=flags,
        heredocs=tuple(heredocs),
    )
    if keyword in KEYWORDS and not arguments.text and not heredocs:
        problems.append(ReadProblem(message=f"{keyword} has no arguments", place=instruction.place))
    return instruction, number


def _split_keyword(line: PlacedText) -> tuple[str, PlacedText]:
    """The keyword in capitals, and what follows it without blanks around it."""
    text = line.text
    start = len(text) - len(text.lstrip(_BLANKS))
    end = next((n for n in range(start, len(text)) if text[n] in _BLANKS), len(text))
    return text[start:end].upper(), _stripped(line, end)


def _stripped(text: PlacedText, start: int) -> PlacedText:
    """A text from an offset on, without the blanks around it."""
    tail = text.text[start:]
    begin = start + len(tail) - len(tail.lstrip())
    return text.part(begin, max(begin, len(text.text.rstrip())))


def _split_flags(arguments: PlacedText, escape: str) -> tuple[tuple[InstructionFlag, ...], PlacedText]:
    """The flags in front of the arguments, and the arguments; `--` alone ends the flags."""
    flags: list[InstructionFlag] = []
    if not arguments.text.startswith("--"):
        return (), arguments
    end = 0
    for word in split_words(arguments.text, escape):
        match = _FLAG.fullmatch(word.text)
        if word.text == "--":
            end = word.end
            break
        if match is None:
            break
        has_value = match[2] is not None
        start = word.start + (match.start(2) if has_value else 0)
        value = (match[2] or "").strip("\"'")
        flags.append(InstructionFlag(name=match[1].lower(), value=value, place=arguments.place(start)))
        end = word.end
    return tuple(flags), _stripped(arguments, end)


def _heredoc_names(text: str, escape: str) -> Iterator[tuple[str, bool, bool]]:
    """The name of each heredoc of a line, whether its content is expanded, and whether its tabs are stripped."""
    for word in split_words(text, escape):
        heredoc = _heredoc(word.text, escape)
        if heredoc:
            yield heredoc


def _heredoc(text: str, escape: str) -> tuple[str, bool, bool] | None:
    """The name of a heredoc, whether its content is expanded, and whether its tabs are stripped; None for other words."""
    match = _HEREDOC.fullmatch(text)
    words = split_words(match[2], escape) if match else ()
    if match is None or len(words) != 1:
        return None
    name = re.sub(r"[\"'\\]", "", words[0].text)
    return (name, name == words[0].text, bool(match[1])) if name else None


def _read_heredoc(
    lines: Sequence[str], number: int, name: str, *, strips_tabs: bool
) -> tuple[PlacedText, int, bool]:
    """The content of a heredoc, the number of the line after its end, and whether it ends; without an end it goes to the file's."""
    parts: list[tuple[str, Place]] = []
    while number < len(lines):
        line = lines[number].removesuffix("\r")
        number += 1
        if (line.lstrip("\t") if strips_tabs else line) == name:
            return PlacedText.of_lines(parts), number, True
        parts.append((f"{line}\n", Place(number, 1)))
    return PlacedText.of_lines(parts), number, False


def _without_tabs(text: PlacedText) -> PlacedText:
    """A heredoc without the tabs at the start of its lines, as `<<-` strips them."""
    parts, offset = [], 0
    for line in text.text.split("\n"):
        tabs = len(line) - len(line.lstrip("\t"))
        parts.append((f"{line[tabs:]}\n", text.place(offset + tabs)))
        offset += len(line) + 1
    return PlacedText.of_lines(parts[:-1])


def _pieces(texts: Sequence[PlacedText]) -> Iterator[tuple[str, Place]]:
    for text in texts:
        for number, start in enumerate(text.starts):
            end = text.starts[number + 1] if number + 1 < len(text.starts) else len(text.text)
            yield text.text[start:end], text.places[number]


def _check_order(instructions: Sequence[Instruction]) -> Iterator[ReadProblem]:
    """Instructions before the first FROM, a file without one, and what is no instruction."""
    has_stage = False
    for instruction in instructions:
        keyword, place = instruction.keyword, instruction.place
        has_stage = has_stage or keyword == "FROM"
        if keyword not in KEYWORDS:
            message = f"{_shown_keyword(keyword)!r} is not a Dockerfile instruction"
            yield ReadProblem(message=message, place=place)
        elif not has_stage and keyword != "ARG":
            yield ReadProblem(message=f"{keyword} stands before the first FROM", place=place)
        if keyword == "ENV":
            yield from _check_env(instruction)
    if not has_stage:
        place = instructions[-1].place if instructions else Place(1, 1)
        yield ReadProblem(message="there is no FROM, so no stage to build", place=place)


def _check_env(instruction: Instruction) -> Iterator[ReadProblem]:
    words = split_words(instruction.text, instruction.escape)
    if words and "=" not in words[0].text:
        if len(words) == 1:
            yield ReadProblem(message="ENV has a name and no value", place=instruction.place)
        return
    for word in words:
        if "=" not in word.text:  # the word itself may be a part of a secret, whose quotes are missing
            place = instruction.arguments.place(word.start)
            yield ReadProblem(message="ENV takes name=value, and this word has no `=`", place=place)


def _shown_keyword(keyword: str) -> str:
    """An unknown instruction for a message. It may be a line of an ENV whose `\\` is missing, with a secret."""
    name = re.match(r"[A-Z_]{0,40}", keyword)
    return keyword if name and name[0] == keyword else f"{name[0] if name else ''}…"
