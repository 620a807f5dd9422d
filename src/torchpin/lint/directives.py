"""Comments by which a file says that a finding in it is right: `# torchpin: ignore=ADO006 because REASON`."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.checks.registry import REGISTRY, register
from torchpin.lint.matches import Match
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

INVALID, UNUSED, INVALID_DESCRIPTION = "ADO020", "ADO021", "ADO022"
_COMMENT = re.compile(r"(?:^|(?<=\s))#[ \t]*torchpin[ \t]*:(?P<text>.*)")
_DIRECTIVE = re.compile(
    r"[ \t]*(?P<kind>ignore|ignore-file)[ \t]*=[ \t]*(?P<ids>[A-Za-z]+\d+(?:[ \t]*,[ \t]*[A-Za-z]+\d+)*)"
    r"(?:[ \t]+because[ \t]+(?P<reason>\S.*))?[ \t]*"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Directive:
    """A comment that ignores findings of a file from line `first` to line `last`, both included, from 1; all from 0.

    `line` and `column` are those of the comment; `ids` in capitals.
    """

    file: str
    line: int
    column: int
    ids: tuple[str, ...]
    reason: str
    first: int
    last: int


def read_directives(
    file: str, text: str, starts: Sequence[int], known_ids: Collection[str]
) -> tuple[tuple[Directive, ...], tuple[Match, ...]]:
    """The directives of a text, and a match for each comment that is meant as one and is none.

    `starts`: the lines on which the file's instructions begin, ascending; () where a line is a statement.
    """
    directives: list[Directive] = []
    problems: list[Match] = []
    lines = text.split("\n") if "torchpin" in text else []
    for number, line in enumerate(lines, start=1):
        comment = _COMMENT.search(line.rstrip("\r"))
        if not comment:
            continue
        column = comment.start() + 1
        parsed = _DIRECTIVE.fullmatch(comment["text"])
        ids = tuple(re.findall(r"\w+", parsed["ids"].upper())) if parsed else ()
        place = f"{file}:{number}:{column}"
        problems += [
            Match(id=INVALID, finding=row) for row in invalid_directive(parsed, ids, known_ids, place)
        ]
        if not parsed or not parsed["reason"]:
            continue
        first, last = (
            (0, len(lines))
            if parsed["kind"] == "ignore-file"
            else _covered_lines(lines, number, comment.start(), starts)
        )
        directives.append(
            Directive(
                file=file, line=number, column=column, ids=tuple(id_ for id_ in ids if id_ in known_ids),
                reason=parsed["reason"].strip(), first=first, last=last,
            )
        )  # fmt: skip
    return tuple(directives), tuple(problems)


def invalid_directive(
    parsed: re.Match[str] | None, ids: Sequence[str], known_ids: Collection[str], place: str
) -> Iterator[Finding]:
    """Write it as `# torchpin: ignore=ADO006 because REASON`, or with `ignore-file=` for the whole file.

    A comment that begins with `# torchpin:` and is no directive ignores nothing, and so does one without a reason: who reads
    the line later has to see why the finding is right. Several ids are separated by commas.

    Example: `# torchpin: ignore=ADO006` has no reason.

    Wrong:
        FROM ubuntu:24.04
        # torchpin: ignore=ADO006
        RUN git clone https://example.com/some/tool.git

    Right:
        FROM ubuntu:24.04
        # torchpin: ignore=ADO006 because the newest commit is what this image is there to test
        RUN git clone https://example.com/some/tool.git

    Sources: ESLint and tally require a description in the same way, by a setting.
    """
    if not parsed:
        yield _finding(INVALID, place, "this comment is not a directive")
    elif not parsed["reason"]:
        message = f"`{parsed['kind']}={parsed['ids']}` has no reason, and ignores nothing"
        yield _finding(INVALID, place, message, "add ` because ` and the reason")
    else:
        unknown = [id_ for id_ in ids if id_ not in known_ids]
        if unknown:
            message = f"no rule has the id {', '.join(unknown)}"
            yield _finding(INVALID, place, message, "use an id that `invoke explain` knows")


register(INVALID, "a directive ignores nothing", invalid_directive, kind="rule", level="warning")


def _covered_lines(lines: Sequence[str], number: int, column: int, starts: Sequence[int]) -> tuple[int, int]:
    """The lines that a comment on line `number` is about: its own, or, where it has nothing else, those of the next statement.

    Between the lines of an instruction it is the next line alone.
    """
    if lines[number - 1][:column].strip():
        return number, number
    following = number + 1
    while following <= len(lines) and (
        not lines[following - 1].strip() or lines[following - 1].lstrip().startswith("#")
    ):
        following += 1
    position = bisect_right(starts, following) - 1
    if position < 0 or starts[position] != following:
        return following, following
    return following, (starts[position + 1] - 1 if position + 1 < len(starts) else len(lines))


def apply_directives(
    matches: Iterable[Match], directives: Sequence[Directive], ids: Collection[str]
) -> tuple[tuple[Match, ...], tuple[tuple[Match, Directive], ...], tuple[Match, ...]]:
    """The matches that stay, those that are ignored with their directives, and a match for each directive of no use.

    `ids`: the rules that were asked; a directive for another one may be of use.
    """
    by_line: dict[tuple[str, int, str], list[Directive]] = {}  # of a file, for an id; line 0 stands for all
    for directive in directives:
        for line in range(directive.first, directive.last + 1) if directive.first else (0,):
            for id_ in directive.ids:
                by_line.setdefault((directive.file, line, id_), []).append(directive)
    remaining: list[Match] = []
    ignored: list[tuple[Match, Directive]] = []
    used: set[tuple[Directive, str]] = set()
    for match in matches:
        file, line, _ = match.place
        covering = [
            directive
            for number in dict.fromkeys((line, 0))
            for directive in by_line.get((file, number, match.id), ())
        ]
        used |= {(directive, match.id) for directive in covering}
        if covering:
            ignored.append((match, covering[0]))
        else:
            remaining.append(match)
    unused = tuple(Match(id=UNUSED, finding=finding) for finding in unused_directive(directives, used, ids))
    return tuple(remaining), tuple(ignored), unused


def unused_directive(
    directives: Iterable[Directive], used: Collection[tuple[Directive, str]], ids: Collection[str]
) -> Iterator[Finding]:
    """Remove the id from the directive, or the whole comment.

    The line was changed, or the rule was, since the comment was written. It would hide the next finding that comes there.

    Example: the base image below `# torchpin: ignore=ADO006 because …` has a tag by now.

    Wrong:
        # torchpin: ignore=ADO006 because there is no other tag
        FROM ubuntu:24.04

    Right:
        # torchpin: ignore=ADO006 because there is no other tag
        FROM example/base:latest

    Sources: ruff's RUF100 and mypy's `--warn-unused-ignores` do the same.
    """
    for directive in directives:
        for id_ in directive.ids:
            if id_ in ids and (directive, id_) not in used:
                place = f"{directive.file}:{directive.line}:{directive.column}"
                yield _finding(UNUSED, place, f"{id_} is ignored, and there is no such finding")


register(UNUSED, "a directive has no effect", unused_directive, kind="rule", level="warning")


def _finding(id_: str, place: str, message: str, help_text: str = "") -> Finding:
    return Finding(
        location=place, message=message, help=help_text or REGISTRY[id_].help_line, level=REGISTRY[id_].level
    )
