"""Results in words: what is not shown, and the verdict as a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.checks.report import entries
from torchpin.checks.run import verdicts
from torchpin.quantities import count, join_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.checks.report import Entry
    from torchpin.model import Environment, Verdict

_MOST_NAMES = 3  # services that a sentence names; more are counted
# What `--require` can name; the reasons for which checks are skipped, as people name them.
REQUIRABLE = ("docker", "gpu", "network", "image", "clone", "record")
_NEEDS: Mapping[str, str] = {
    "docker": "Docker engine",
    "gpu": "GPU",
    "network": "network",
    "image": "image",
    "clone": "clone of a source",
    "record": "record",
    "bump": "logged update",
}
_FORECASTS: Mapping[Verdict, str] = {
    "incompatible": "cannot work",
    "failed": "cannot be judged",
    "warning": "can work, with warnings",
    "unknown": "cannot be judged, since facts are missing",
}


def count_findings(reported: Iterable[Entry]) -> str:
    """`2 errors, 1 warning`: how many entries there are of each level that is open."""
    kinds = [entry.kind for entry in reported]
    counts = [(kinds.count(kind), kind) for kind in ("error", "warning", "notice")]
    return ", ".join(count(number, kind) for number, kind in counts if number) or "no findings"


def hidden_counts(results: Sequence[Result], *, can_require: bool = False) -> str:
    """What a report does not list, with the option that lists it: `not shown: 1 waived finding, 2 skipped checks (no Docker engine); …`; or "".

    `can_require`: the command has `--require`.
    """
    waived = sum(entry.kind == "waived" for entry in entries(results))
    skipped = [result for result in results if result.status == "skipped"]
    others = sum(result.status == "not applicable" for result in results)
    needs = list(dict.fromkeys(result.need for result in skipped if result.need))
    reasons = ", ".join(_NEEDS.get(need, need) for need in needs)
    counts = [
        count(waived, "waived finding") if waived else "",
        f"{count(len(skipped), 'skipped check')} (no {reasons})" if skipped else "",
        f"{count(others, 'check')} not applicable" if others else "",
    ]
    text = ", ".join(filter(None, counts))
    requirable = ",".join(need for need in REQUIRABLE if need in needs)
    require = f", `--require {requirable}` fails without these" if requirable and can_require else ""
    return f"not shown: {text}; `-v` lists them{require}" if text else ""


def forecast_sentence(
    results: Sequence[Result], environments: Sequence[Environment], *, strict: bool = False
) -> str:
    """Whether the pins of the services can work: `the pins of lora can work; those of coaxial cannot work (2 errors)`."""
    services: dict[Verdict, list[str]] = {}
    for service, verdict in verdicts(results, environments).items():
        services.setdefault(verdict, []).append(service)
    working = services.pop("ok", [])
    service_names = {env.name: env.service.name for env in environments}
    good = [result for result in results if service_names[result.environment] in working]
    parts = [f"the pins of {_names(working)} can work{_notice_clause(good)}"] if working else []
    for verdict, forecast in _FORECASTS.items():
        if affected := services.get(verdict):
            rows = [result for result in results if service_names[result.environment] in affected]
            subject = "those" if parts else "the pins"
            parts.append(f"{subject} of {_names(affected)} {forecast} ({_open_counts(rows)})")
    return "; ".join([*_failure_clauses(results, strict, ()), *parts, *_waiver_clause(results)])


def summary_sentence(results: Sequence[Result], *, strict: bool = False, require: Sequence[str] = ()) -> str:
    """The verdict on results of any checks: `nothing is wrong: 14 checks of 7 environments passed`."""
    failures = _failure_clauses(results, strict, require)
    bad = dict.fromkeys(
        "the documents" if result.check.startswith("DOC") else result.environment
        for result in results
        if result.findings
    )
    if bad:
        head = f"{_open_counts(results)} in {_names(list(bad), 'environment')}"
        return "; ".join([head, *failures, *_waiver_clause(results)])
    passed = sum(result.status not in {"skipped", "not applicable", "unknown"} for result in results)
    number = len({result.environment for result in results})
    text = f"{count(passed, 'check')} of {count(number, 'environment')} passed{_notice_clause(results)}"
    if not failures:
        text = f"{'nothing is wrong' if passed else 'nothing was checked'}: {text}"
    return "; ".join([*failures, text, *_waiver_clause(results)])


def _failure_clauses(results: Sequence[Result], strict: bool, require: Sequence[str]) -> list[str]:
    """Why a command fails though no error and no warning may be open."""
    clauses = []
    if strict and any(result.notices or result.unknown for result in results):
        clauses.append("failed, since `--strict` counts notices and unknowns")
    if "lock" in require and any(lacks(result, ("lock",)) for result in results):
        unlocked = dict.fromkeys(result.environment for result in results if lacks(result, ("lock",)))
        clauses.append(f"{_names(list(unlocked), 'environment')} not locked")
    missing = [need for need in require if need != "lock"]
    notes = dict.fromkeys(result.note for result in results if lacks(result, missing))
    if notes:
        clauses.append(f"failed, since `--require` needs what is missing ({'; '.join(notes)})")
    return clauses


def lacks(result: Result, require: Sequence[str]) -> bool:
    """Whether a check was skipped because something that is required is missing."""
    return result.status == "skipped" and (result.need in require or (result.image and "image" in require))


def _open_counts(results: Sequence[Result]) -> str:
    reported = entries(results)
    unknown = sum(entry.kind == "unknown" for entry in reported)
    counts = count_findings(reported)
    if not unknown:
        return counts
    return f"{unknown} unknown" if counts == "no findings" else f"{counts}, {unknown} unknown"


def _notice_clause(results: Sequence[Result]) -> str:
    counts = _open_counts([replace(result, findings=()) for result in results])
    return "" if counts == "no findings" else f" ({counts})"


def _waiver_clause(results: Iterable[Result]) -> list[str]:
    """`1 finding is waived until 2027-03-31`."""
    dates = [entry.waiver.review_by for entry in entries(results) if entry.waiver]
    if not dates:
        return []
    if len(dates) == 1:
        return [f"1 finding is waived until {dates[0]}"]
    return [f"{len(dates)} findings are waived, the first until {min(dates)}"]


def _names(names: Sequence[str], noun: str = "service") -> str:
    if len(names) > _MOST_NAMES:
        return count(len(names), noun)
    return join_names(names)
