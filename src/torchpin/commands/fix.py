"""The judge's safe repairs, made: edits of descriptions that the judge itself has looked at again before they stay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.commands import judge
from torchpin.description import edit, read
from torchpin.description import environments as description_environments
from torchpin.errors import InputError
from torchpin.workspace import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Change, Environment, Finding
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Repaired:
    """One description: its path, the findings that its new text ends, and the text before and after."""

    file: str
    findings: tuple[Finding, ...]
    before: str
    after: str


def repair(repo: Repository, environments: Sequence[Environment]) -> tuple[Repaired, ...]:
    """Makes every safe repair of the judge's open findings, and writes the descriptions.

    A description is written only if the judge then no longer finds what was repaired, and nothing that it did not find
    before. Raises InputError, with nothing written, where that does not hold.
    """
    results = judge.judge(repo, environments)
    made = tuple(
        _repaired(repo, service, [one for one in _open(results) if one.service == service and one.safe])
        for service in dict.fromkeys(one.service for one in _open(results) if one.safe)
    )
    _expect_better(repo, results, made)
    write.written(repo, {one.file: one.after for one in made})
    return made


def _open(results: Iterable[Result]) -> list[Finding]:
    return [one for row in results for one in row.findings]


def _repaired(repo: Repository, service: str, findings: Sequence[Finding]) -> Repaired:
    file = next(one.file for one in repo.services if one.name == service)
    before = repo.text(file) or ""
    changes: dict[str, Change] = {change.path: change for one in findings for change in one.repair}
    after = edit.edited(before, list(changes.values()), file=file)
    return Repaired(file=file, findings=tuple(findings), before=before, after=after)


def _expect_better(repo: Repository, before: Iterable[Result], made: Sequence[Repaired]) -> None:
    texts: Mapping[str, str] = {one.file: repo.text(one.file) or "" for one in repo.services}
    again = replace(repo, services=read.services({**texts, **{one.file: one.after for one in made}}))
    names = {finding.service for one in made for finding in one.findings}
    chosen = [
        env for env in description_environments.environments(again.services) if env.service.name in names
    ]
    left = {(id_, one.service, one.about) for id_, one in _named(judge.judge(again, chosen))}
    there = {(id_, one.service, one.about) for id_, one in _named(before)}
    repaired = {(one.service, one.about, one.message) for each in made for one in each.findings}
    ended = {
        (id_, one.service, one.about)
        for id_, one in _named(before)
        if (one.service, one.about, one.message) in repaired
    }
    wrong = sorted((left & ended) | (left - there))
    if wrong:
        said = "; ".join(f"{id_} about {about} in {service}" for id_, service, about in wrong)
        raise InputError(f"The repairs would leave or bring {said}; nothing was written. Repair by hand.")


def _named(results: Iterable[Result]) -> list[tuple[str, Finding]]:
    return [(row.check, one) for row in results for one in row.findings]
