"""Facts taken away row by row: which answers of the checks rest on a row, and what they are without it."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeGuard

import torchpin
from torchpin.checks.registry import REGISTRY, Ok, Unknown
from torchpin.checks.run import registered_checks
from torchpin.facts.load import NAMES, load_table
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Answer
    from torchpin.facts.load import RawRow
    from torchpin.model import Environment

# Made of index snapshots alone, or the tables themselves; all other caches may hold what was made of a row.
KEPT_CACHES = {"load_table", "load_snapshot", "index_snapshot", "listed_files", "listed_releases", "metadata"}
ROOMS = ("facts", "compat", "checks", "description", "lock")


@dataclass(frozen=True, eq=False)
class Question:
    """A check of an environment: what is asked again when facts are missing."""

    check: str
    context: CheckContext
    env: Environment

    def answer(self) -> tuple[Answer, ...]:
        """The answers; a check that raises has failed, as the runner has it: it passes nothing."""
        try:
            return tuple(REGISTRY[self.check].run(self.context, self.env))
        except Exception as error:  # noqa: BLE001 - as the runner
            return (Unknown(message=f"raised {type(error).__name__}: {error}"),)

    def __str__(self) -> str:
        torch = f"torch {self.env.service.torch.version} on {self.env.variant.channel}"
        return f"{self.check} of {self.env.name} ({torch}, {self.env.base.image})"


@dataclass(frozen=True)
class Section:
    """A section of a table, with the questions whose answers read it."""

    table: str
    name: str
    rows: tuple[RawRow, ...]
    questions: tuple[Question, ...]


class _ReadRows(list[Any]):
    """The rows of a section, which notes that they are read."""

    read = False

    def __iter__(self) -> Iterator[Any]:
        self.read = True
        return super().__iter__()

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        self.read = True
        return super().__getitem__(index)


@cache
def _caches() -> tuple[Any, ...]:
    """The caches of the look-ups, which may hold what was made of a row."""
    packages = [importlib.import_module(f"{torchpin.__name__}.{room}") for room in ROOMS]
    names = [
        info.name
        for package in packages
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    reads = {
        id(value): value
        for module in (*packages, *map(importlib.import_module, names))
        for name, value in vars(module).items()
        if hasattr(value, "cache_clear") and name not in KEPT_CACHES
    }
    return tuple(reads.values())


def clear_caches() -> None:
    """Forgets all that was made of the tables, so that the next look-up reads them."""
    for cached in _caches():
        cached.cache_clear()


@contextmanager
def without(section: Section, rows: Sequence[RawRow]) -> Iterator[None]:
    """The section without some of its rows."""
    absent = {id(row) for row in rows}
    table_part = load_table(section.table)[section.name]
    load_table(section.table)[section.name] = [row for row in table_part if id(row) not in absent]
    clear_caches()
    try:
        yield
    finally:
        load_table(section.table)[section.name] = table_part
        clear_caches()


def sections_with_questions(questions: Sequence[Question]) -> tuple[Section, ...]:
    """Every section of every table, with those of the questions whose answers read it."""
    tables = {name: load_table(name) for name in NAMES}
    plain = {(name, section): rows for name, table in tables.items() for section, rows in table.items()}
    readers: dict[tuple[str, str], list[Question]] = {key: [] for key in plain}
    try:
        for question in questions:
            watched = {key: _ReadRows(rows) for key, rows in plain.items()}
            for (name, section), rows in watched.items():
                tables[name][section] = rows
            clear_caches()
            question.answer()
            for key, rows in watched.items():
                if rows.read:
                    readers[key].append(question)
    finally:
        for (name, section), plain_rows in plain.items():
            tables[name][section] = plain_rows
        clear_caches()
    return tuple(
        Section(table=name, name=section, rows=tuple(rows), questions=tuple(readers[name, section]))
        for (name, section), rows in plain.items()
    )


def questions_of(context: CheckContext) -> tuple[Question, ...]:
    """Every check of the judge on every environment of a context."""
    chosen = [check.id for check in registered_checks() if check.judge]
    return tuple(Question(check, context, env) for env in context.environments for check in chosen)


def answer_all(questions: Sequence[Question]) -> dict[Question, tuple[Answer, ...]]:
    """The answers with all facts."""
    clear_caches()
    return {question: question.answer() for question in questions}


def unfounded(before: Sequence[Answer], after: Sequence[Answer]) -> Iterator[str]:
    """What is wrong with the answers after a fact was taken away: an ok that is new, or a doubt that is gone.

    A doubt is an error, a warning, or what is unknown; notices fail nothing. It may become another one, of its subject or of
    what is missing now; it must not become nothing, which reads as ok.
    """
    was_right = {answer.about for answer in before if isinstance(answer, Ok)}
    doubts = [{_sign(answer) for answer in answers if _is_doubt(answer)} for answers in (before, after)]
    in_doubt = {about for _, about, _ in doubts[1]}
    for answer in after:
        if isinstance(answer, Ok) and answer.about not in was_right:
            yield f"a new ok of {answer.about}: {answer.evidence}"
    if not doubts[1] - doubts[0]:
        gone = [answer for answer in before if _is_doubt(answer) and answer.about not in in_doubt]
        yield from (f"nothing is said any more of {answer.about}: {answer.message}" for answer in gone)


def _is_doubt(answer: Answer) -> TypeGuard[Finding | Unknown]:
    return isinstance(answer, Unknown) or (isinstance(answer, Finding) and answer.level != "notice")


def _sign(answer: Answer) -> tuple[str, str, str]:
    """What makes an answer another one: its evidence does not, which may count the rows."""
    return type(answer).__name__, answer.about, "" if isinstance(answer, Ok) else answer.message


def _signs(answers: Sequence[Answer]) -> list[tuple[str, str, str]]:
    return [_sign(answer) for answer in answers]


def rows_that_matter(
    section: Section, answers: dict[Question, tuple[Answer, ...]]
) -> Iterator[tuple[RawRow, Question, tuple[Answer, ...]]]:
    """Each row without which an answer differs, with the question and the answers without it.

    Halves are taken away first: rows without which all answers stay the same need not be taken away one by one.
    """
    yield from _search(section, section.rows, section.questions, answers)


def _search(
    section: Section,
    rows: Sequence[RawRow],
    questions: Sequence[Question],
    answers: dict[Question, tuple[Answer, ...]],
) -> Iterator[tuple[RawRow, Question, tuple[Answer, ...]]]:
    with without(section, rows):
        changed = [
            (question, given)
            for question in questions
            if _signs(given := question.answer()) != _signs(answers[question])
        ]
    if len(rows) == 1:
        yield from ((rows[0], question, given) for question, given in changed)
    elif changed:
        middle, still = len(rows) // 2, [question for question, _ in changed]
        yield from _search(section, rows[:middle], still, answers)
        yield from _search(section, rows[middle:], still, answers)
