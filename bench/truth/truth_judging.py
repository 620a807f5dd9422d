"""What the judge says of a case, whether that is right, and the rates of many."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from truth_cases import FILES, KINDS, Case, environment, lock

from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.tools.uv import UV_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Finding

# The day of the judgement does not move, so that a run of any day prints the same.
TODAY = dt.date(2026, 11, 26)
# It asks for a digest, which no public source of a combination states.
DIGEST = "BAS002"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """The answer to a case: a bad one is refused or missed, a good one passed or alarmed.

    `detail` is the finding behind a refusal or an alarm; of a miss, all that was said instead. `unknown` is what the
    checks that the case asks could not decide, "" where they decided or the case was refused or alarmed.
    """

    case: Case
    answer: Literal["refused", "missed", "passed", "alarmed"]
    detail: str = ""
    unknown: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """Shares from 0 to 1: of refused among bad cases, of alarmed among good ones, of unknown among all."""

    recall: float
    false_alarms: float
    unknown: float


def judge(case: Case) -> Judgement:
    """The judge's answer to a case, from the tables of facts alone. Raises InputError for pins that cannot be read."""
    env = environment(case)
    locked = lock(case, env)
    context = CheckContext(
        environments=(env,), today=TODAY, uv=UV_VERSION, locks={env.name: locked} if locked else {}
    )
    return answer(case, run.run(context, judge=True))


def answer(case: Case, results: Sequence[Result]) -> Judgement:
    """What the results of the judge's checks mean for a case."""
    results = [result for result in results if result.check != DIGEST]
    relevant = [result for result in results if result.check.startswith(KINDS[case.kind])]
    undecided = [result for result in relevant if result.check != FILES or case.kind == "files"]
    unknown = next((f"{result.check}: {text}" for result in undecided for text in result.unknown), "")
    if case.expect == "good":
        error = next(_texts(results, lambda finding: finding.level == "error"), "")
        if error:
            return Judgement(case=case, answer="alarmed", detail=error)
        return Judgement(case=case, answer="passed", unknown=unknown)
    refusal = next(_texts(relevant, lambda finding: names_subject(finding, case.about)), "")
    if refusal:
        return Judgement(case=case, answer="refused", detail=refusal)
    detail = "; ".join(_texts(results, lambda _: True))
    return Judgement(case=case, answer="missed", detail=detail, unknown=unknown)


def _texts(results: Iterable[Result], chosen: Callable[[Finding], bool]) -> Iterator[str]:
    """The chosen open errors and warnings as `ID: message`."""
    for result in results:
        for finding in result.findings:
            if chosen(finding):
                yield f"{result.check}: {finding.message}"


def names_subject(finding: Finding, subjects: Iterable[str]) -> bool:
    """Whether a finding's subject or message names one of the subjects."""
    text = f"{finding.about} {finding.message}".lower()
    return any(word.lower() in text for word in subjects)


def rates(judgements: Sequence[Judgement]) -> Rates:
    """The rates of judgements; 0 of nothing is 1 for the recall and 0 for the others."""
    number = {
        answer: sum(judgement.answer == answer for judgement in judgements)
        for answer in ("refused", "missed", "passed", "alarmed")
    }
    bad, good = number["refused"] + number["missed"], number["passed"] + number["alarmed"]
    return Rates(
        recall=number["refused"] / bad if bad else 1.0,
        false_alarms=number["alarmed"] / good if good else 0.0,
        unknown=sum(bool(judgement.unknown) for judgement in judgements) / max(len(judgements), 1),
    )
