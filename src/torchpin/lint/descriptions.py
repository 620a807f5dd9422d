"""`service.yaml` among the files that are checked: what its reader refuses, and what the judge finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.checks import run
from torchpin.checks.registry import REGISTRY, register
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.lint.directives import INVALID_DESCRIPTION
from torchpin.lint.matches import Match
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torchpin.checks.context import CheckContext
    from torchpin.model import Environment, Problem


def description_matches(
    file: str, text: str, context: Callable[[Sequence[Environment]], CheckContext]
) -> tuple[Match, ...]:
    """What is wrong with a description, by its own text alone. `context`: what the judge's checks get of environments.

    A finding without a place of its own is at the file; one that is of several environments is there once.
    """
    services, problems = read.read_valid_services({file: text})
    refused = [
        Match(id=INVALID_DESCRIPTION, finding=row) for row in invalid_description(problems.get(file, ()))
    ]
    results = run.run(context(select_environments(services)), judge=True) if services else ()
    judged = [
        Match(id=result.check, finding=finding)
        for result in results
        for finding in (*result.findings, *result.notices)
    ]
    return tuple(dict.fromkeys([*refused, *judged]))


def invalid_description(problems: Sequence[Problem]) -> Iterator[Finding]:
    """Correct the key as the message says; docs/SERVICE.md and `invoke schema` have all keys.

    A description that cannot be read is neither judged nor locked.

    Example: `python: 3.12`, which YAML reads as a number, with the 0 of `3.10` lost.

    Sources: the shapes of the description's sections.
    """
    for problem in problems:
        yield Finding(
            location=str(problem.position),
            message=problem.text,
            help=REGISTRY[INVALID_DESCRIPTION].help_line,
            about=problem.path,
            level="error",
        )


register(INVALID_DESCRIPTION, "a description is not valid", invalid_description, kind="rule", level="error")
