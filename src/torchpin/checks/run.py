"""The registered checks: pure functions of what was gathered, each with an id that is never reused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from torchpin import facts
from torchpin.lock import layers
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from typing import Any

    from torchpin.model import Change, Environment, Lock, Service, Waiver
    from torchpin.records.bump_log import Entry

Need = Literal["lock", "clone", "record", "docker", "image", "network", "gpu", "bump"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """All that checks may look at. Mappings are by environment name unless said; a text of None: there is no file."""

    environments: tuple[Environment, ...]
    today: date
    uv: str
    # `lock_files`: file name to text. `renderings`, `documents`: path to (committed, expected); `document_problems`: markers that cannot be read. `clones`: source to its
    # state, "" when right. `tags`: source to what is wrong at its origin, None when it was not asked;
    # `unreachable`: why an origin gave no answer. `answers`: the probe's
    # document of an image; `gpus`: the same, run with the machine's GPUs. `published`: the hashes that the
    # lab's own index gives, by channel, package and file; None: the recorded facts hold. `orphans`: folders of
    # environments that no description has. `engine`, `gpu`: why there is none. `asked_gpus`, `asked_driver`: what to judge
    # for instead of what the descriptions name. `bumps`: the last entry of the log that names the service.
    lock_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    locks: Mapping[str, Lock] = field(default_factory=dict)
    broken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    renderings: Mapping[str, Mapping[str, tuple[str | None, str]]] = field(default_factory=dict)
    documents: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)
    document_problems: tuple[str, ...] = ()
    clones: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    records: Mapping[str, str | None] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    built: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, Mapping[str, str | None]]] | None = None
    orphans: tuple[str, ...] = ()
    engine: str = ""
    tags: Mapping[str, Mapping[str, str]] | None = None
    unreachable: Mapping[str, str] = field(default_factory=dict)
    gpus: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gpu: str = ""
    bumps: Mapping[str, Entry] = field(default_factory=dict)
    asked_gpus: tuple[str, ...] = ()
    asked_driver: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ok:
    """What a judge's check holds to be right, and the evidence with its source. Without one, nothing was judged."""

    about: str
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """What a check cannot say for want of a fact. It is shown and counted; it is never ok."""

    message: str
    about: str = ""


Answer = Finding | Unknown | Ok


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """`remedy`: what people are told to do; `meaning`, `example`, `sources`: what `invoke explain` tells beside it."""

    id: str
    title: str
    remedy: str
    meaning: str
    example: str
    sources: str
    needs: tuple[Need, ...]
    judge: bool
    run: Callable[[Evidence, Environment], Iterator[Answer]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A finding that its service waives."""

    finding: Finding
    waiver: Waiver


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One check on one environment.

    `moot`: a judge's check found nothing that it could judge. `findings`: the open ones; `accepted`: the waived ones;
    `unknown`: what no fact tells, whatever the status; `grounds`: what was held right, on what evidence. `note` tells
    why a skipped one could not run.
    """

    check: str
    title: str
    environment: str
    status: Literal["ok", "found", "waived", "skipped", "unknown", "moot"]
    findings: tuple[Finding, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    unknown: tuple[str, ...] = ()
    grounds: tuple[Ok, ...] = ()
    note: str = ""
    need: str = ""
    image: bool = False  # what is missing is an image, whatever it is missing for


REGISTRY: dict[str, Check] = {}


def check(id: str, title: str, *needs: Need, judge: bool = False) -> Callable[..., Any]:  # noqa: A002 - the field's word
    """Registers a check. `judge`: it says before any work whether pins can work, and answers Ok only from evidence.

    The first paragraph of its docstring is the remedy, which people are told; one that begins with `Example:` or
    `Sources:` is that; the others tell what the check means.
    """

    def register(function: Callable[[Evidence, Environment], Iterator[Answer]]) -> Any:
        if id in REGISTRY:
            message = f"{id} is the id of two checks"
            raise ValueError(message)
        remedy, *told = _paragraphs(function.__doc__ or "")
        example, sources = _told(told, "Example:"), _told(told, "Sources:")
        meaning = "\n\n".join(one for one in told if not one.startswith(("Example:", "Sources:")))
        REGISTRY[id] = Check(
            id=id,
            title=title,
            remedy=remedy,
            meaning=meaning,
            example=example,
            sources=sources,
            needs=needs,
            judge=judge,
            run=function,
        )
        return function

    return register


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]


def _told(paragraphs: Iterable[str], word: str) -> str:
    return " ".join(one.removeprefix(word).strip() for one in paragraphs if one.startswith(word))


def finding(
    env: Environment,
    where: str,
    message: str,
    *,
    remedy: str = "",
    about: str = "",
    evidence: str = "",
    level: Literal["error", "warning"] = "error",
    repair: Sequence[Change] = (),
    safe: bool = False,
) -> Finding:
    return Finding(
        where=where,
        message=message,
        remedy=remedy,
        about=about,
        service=env.service.name,
        evidence=evidence,
        level=level,
        repair=tuple(repair),
        safe=safe,
    )


def lock_of(evidence: Evidence, env: Environment) -> Lock | None:
    """An environment's lock where it answers the description; a judge may not believe a stale one."""
    lock = evidence.locks.get(env.name)
    return None if lock is None or layers.stale(env, lock) else lock


def stands_in(evidence: Evidence) -> bool:
    """Whether bases and sources are the lab's stand-ins, which no fact can tell of."""
    return evidence.published is not None


def gpus_of(evidence: Evidence, env: Environment) -> tuple[tuple[str, str], ...]:
    """The GPUs to judge for, each with where it is named: those that were asked for, or the described ones."""
    if evidence.asked_gpus:
        return tuple((name, f"--gpu {name}") for name in evidence.asked_gpus)
    return tuple((name, at(env.service, f"gpus[{n}]")) for n, name in enumerate(env.service.gpus))


def at(service: Service, path: str) -> str:
    """Where a value of a description stands, as file:line:column."""
    return str(service.marks.get(path) or service.file)


def unmet(evidence: Evidence, env: Environment, need: Need) -> str:
    """Why a need is not met, "" when it is."""
    states = evidence.clones.get(env.name, {})
    absent = [s.name for s in env.service.sources if states.get(s.name, "not cloned") == "not cloned"]
    # One changed clone is told even where another is missing.
    missing = [] if any(state and state != "not cloned" for state in states.values()) else absent
    no_image = "" if env.name in evidence.built else "no image of this key on this machine"
    no_answer = "" if env.name in evidence.gpus else "no image of this key answered with a GPU"
    not_asked = "the network was not asked (--require network)"
    reasons: dict[Need, str] = {
        "lock": "" if env.name in evidence.locks else "there is no readable lock",
        "clone": f"{', '.join(missing)} not cloned" if missing else "",
        "record": "not recorded yet" if evidence.records.get(env.name) is None else "",
        "docker": evidence.engine,
        "image": evidence.engine or no_image,
        "network": not_asked if evidence.tags is None else evidence.unreachable.get(env.name, ""),
        "gpu": evidence.gpu or no_answer,
        "bump": _unfinished(evidence.bumps.get(env.name)),
    }
    return reasons[need]


def _unfinished(entry: Entry | None) -> str:
    if entry is None:
        return "the log has no bump of this service"
    steps = ", ".join(map(str, entry.pending))
    return (
        f"steps {steps} of the bump {entry.bump} are pending: `invoke bump --resume` finishes them"
        if steps
        else ""
    )


def run(evidence: Evidence, *, judge: bool = False) -> tuple[Result, ...]:
    """Every registered check (or the judge's alone) on every environment, in order of their ids."""
    from torchpin.checks import rules  # noqa: F401 - registers them

    chosen = [one for _, one in sorted(REGISTRY.items()) if one.judge or not judge]
    return tuple(_result(evidence, env, one) for env in evidence.environments for one in chosen)


def _result(evidence: Evidence, env: Environment, one: Check) -> Result:
    def result(status: Any, **more: Any) -> Result:
        return Result(check=one.id, title=one.title, environment=env.name, status=status, **more)

    for need in one.needs:
        reason = unmet(evidence, env, need)
        if reason:
            return result(
                "skipped",
                note=reason,
                need="docker" if need == "image" and evidence.engine else need,
                image=need == "image",
            )
    try:
        answers = tuple(one.run(evidence, env))
    except Exception as error:  # noqa: BLE001 - a check that breaks is a failed check, never a pass
        message = f"the check itself failed: {type(error).__name__}: {error}"
        remedy = "This is a fault of torchpin: report it with this line."
        return result("found", findings=(finding(env, env.service.file, message, remedy=remedy),))
    findings = tuple(_completed(answer, one) for answer in answers if isinstance(answer, Finding))
    waivers = [_waiver(evidence, env, one.id, each) for each in findings]
    open_ = tuple(each for each, waiver in zip(findings, waivers, strict=True) if not waiver)
    accepted = tuple(
        Accepted(finding=each, waiver=waiver)
        for each, waiver in zip(findings, waivers, strict=True)
        if waiver
    )
    unknown = tuple(answer.message for answer in answers if isinstance(answer, Unknown))
    grounds = tuple(answer for answer in answers if isinstance(answer, Ok))
    right = "ok" if grounds or not one.judge else "moot"
    status = "found" if open_ else "unknown" if unknown else "waived" if accepted else right
    return result(status, findings=open_, accepted=accepted, unknown=unknown, grounds=grounds)


def _waiver(evidence: Evidence, env: Environment, check: str, one: Finding) -> Waiver | None:
    """The waiver of a finding, while it lasts; a GPU is waived by any of its names."""
    for waiver in env.service.waivers:
        if waiver.check == check and waiver.review_by >= evidence.today and waives(waiver, one):
            return waiver
    return None


def waives(waiver: Waiver, one: Finding) -> bool:
    """Whether a waiver of the same check is about what a finding is about."""
    known = facts.gpu(one.about)
    return waiver.about == one.about or (known is not None and facts.gpu(waiver.about) == known)


def _completed(one: Finding, by: Check) -> Finding:
    return one if one.remedy else replace(one, remedy=by.remedy)


def blocking(results: Iterable[Result]) -> tuple[Finding, ...]:
    """The open errors: pins that cannot work, whatever else is right."""
    return tuple(each for result in results for each in result.findings if each.level == "error")
