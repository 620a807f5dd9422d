"""The judge's safe repairs, made: edits of descriptions that the judge itself has looked at again before they stay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.commands import judge
from torchpin.description import edit, read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.workspace import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Change, Environment, Finding
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedFile:
    """One description: its path, the findings that its new text ends, and the text before and after."""

    file: str
    findings: tuple[Finding, ...]
    before: str
    after: str


def apply_safe_fixes(repo: Repository, environments: Sequence[Environment]) -> tuple[FixedFile, ...]:
    """Makes every safe repair of the judge's open findings, and writes the descriptions.

    A description is written only if the judge then no longer finds what was repaired, and nothing that it did not find
    before. Raises InputError, with nothing written, where that does not hold.
    """
    results = judge.judge(repo, environments)
    repaired_files = tuple(
        _fix_description(
            repo,
            service,
            [
                finding
                for finding in _open_findings(results)
                if finding.service == service and finding.fix_is_safe
            ],
        )
        for service in dict.fromkeys(
            finding.service for finding in _open_findings(results) if finding.fix_is_safe
        )
    )
    _require_improvement(repo, results, repaired_files)
    write.write_with_outcomes(
        repo, {repaired_file.file: repaired_file.after for repaired_file in repaired_files}
    )
    return repaired_files


def _open_findings(results: Iterable[Result]) -> list[Finding]:
    return [finding for result in results for finding in result.findings]


def _fix_description(repo: Repository, service: str, findings: Sequence[Finding]) -> FixedFile:
    file = next(described.file for described in repo.services if described.name == service)
    before = repo.text(file) or ""
    changes: dict[str, Change] = {change.path: change for finding in findings for change in finding.fix}
    after = edit.apply_changes(before, list(changes.values()), file=file)
    return FixedFile(file=file, findings=tuple(findings), before=before, after=after)


def _require_improvement(
    repo: Repository, before: Iterable[Result], repaired_files: Sequence[FixedFile]
) -> None:
    texts: Mapping[str, str] = {service.file: repo.text(service.file) or "" for service in repo.services}
    repaired_repo = replace(
        repo,
        services=read.read_services(
            {**texts, **{repaired_file.file: repaired_file.after for repaired_file in repaired_files}}
        ),
    )
    names = {finding.service for repaired_file in repaired_files for finding in repaired_file.findings}
    chosen = [env for env in select_environments(repaired_repo.services) if env.service.name in names]
    remaining = {
        (id_, finding.service, finding.about)
        for id_, finding in _findings_by_check(judge.judge(repaired_repo, chosen))
    }
    present_before = {(id_, finding.service, finding.about) for id_, finding in _findings_by_check(before)}
    repaired = {
        (finding.service, finding.about, finding.message)
        for repaired_file in repaired_files
        for finding in repaired_file.findings
    }
    ended = {
        (id_, finding.service, finding.about)
        for id_, finding in _findings_by_check(before)
        if (finding.service, finding.about, finding.message) in repaired
    }
    wrong = sorted((remaining & ended) | (remaining - present_before))
    if wrong:
        text = "; ".join(f"{id_} about {about} in {service}" for id_, service, about in wrong)
        raise InputError(f"The repairs would leave or bring {text}; nothing was written. Repair by hand.")


def _findings_by_check(results: Iterable[Result]) -> list[tuple[str, Finding]]:
    return [(result.check, finding) for result in results for finding in result.findings]
