"""`judge --fix`: the safe fixes of the judge's findings, judged again before the descriptions are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.commands import judge
from torchpin.description import edit, read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.workspace import writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Change, Environment, Finding
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedFile:
    """A fixed description: its path, the findings that the new text ends, and the text before and after."""

    file: str
    findings: tuple[Finding, ...]
    before: str
    after: str


def apply_safe_fixes(repo: Repository, environments: Sequence[Environment]) -> tuple[FixedFile, ...]:
    """Applies every safe fix of the judge's open findings, and writes the descriptions.

    Where findings propose different values for one place, none is applied: neither follows from facts alone.
    Raises InputError, with nothing written, where the judge still has a finding that was fixed, or has a new one.
    """
    results = judge.judge(repo, environments)
    findings = _undisputed_findings(_open_findings(results))
    fixed_files = tuple(
        _fix_description(repo, service, [finding for finding in findings if finding.service == service])
        for service in dict.fromkeys(finding.service for finding in findings)
    )
    _require_improvement(repo, results, fixed_files)
    writer.write_with_outcomes(repo, {fixed_file.file: fixed_file.after for fixed_file in fixed_files})
    return fixed_files


def _open_findings(results: Iterable[Result]) -> list[Finding]:
    return [finding for result in results for finding in result.findings]


def _undisputed_findings(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with a safe fix whose places no other finding wants to be something else."""
    values: dict[tuple[str, str], set[str]] = {}
    for finding in findings:
        for change in finding.fix:
            values.setdefault((finding.service, change.path), set()).add(str(change.value))
    return [
        finding
        for finding in findings
        if finding.fix_is_safe
        and all(len(values[finding.service, change.path]) == 1 for change in finding.fix)
    ]


def _fix_description(repo: Repository, service: str, findings: Sequence[Finding]) -> FixedFile:
    file = next(described.file for described in repo.services if described.name == service)
    before = repo.text(file) or ""
    changes: dict[str, Change] = {change.path: change for finding in findings for change in finding.fix}
    after = edit.apply_changes(before, list(changes.values()), file=file)
    return FixedFile(file=file, findings=tuple(findings), before=before, after=after)


def _require_improvement(
    repo: Repository, before: Iterable[Result], fixed_files: Sequence[FixedFile]
) -> None:
    texts: Mapping[str, str] = {service.file: repo.text(service.file) or "" for service in repo.services}
    fixed = {fixed_file.file: fixed_file.after for fixed_file in fixed_files}
    fixed_repo = replace(
        repo,
        services=read.read_services({**texts, **fixed}),
        staged=fixed,  # which are in no file yet, so that no answer about the files counts
    )
    names = {finding.service for fixed_file in fixed_files for finding in fixed_file.findings}
    chosen = [env for env in select_environments(fixed_repo.services) if env.service.name in names]
    remaining = {
        (id_, finding.service, finding.about)
        for id_, finding in _findings_by_check(judge.judge(fixed_repo, chosen))
    }
    present_before = {(id_, finding.service, finding.about) for id_, finding in _findings_by_check(before)}
    ended_findings = {
        (finding.service, finding.about, finding.message)
        for fixed_file in fixed_files
        for finding in fixed_file.findings
    }
    ended = {
        (id_, finding.service, finding.about)
        for id_, finding in _findings_by_check(before)
        if (finding.service, finding.about, finding.message) in ended_findings
    }
    # a fix may end its finding and cause another one, or not end it where two fixes meet
    wrong = sorted((remaining & ended) | (remaining - present_before))
    if wrong:
        text = "; ".join(f"{id_} about {about} in {service}" for id_, service, about in wrong)
        raise InputError(f"the fixes leave or cause {text}; nothing was written; fix the description by hand")


def _findings_by_check(results: Iterable[Result]) -> list[tuple[str, Finding]]:
    return [(result.check, finding) for result in results for finding in result.findings]
