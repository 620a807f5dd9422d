"""The registered checks: pure functions of what was gathered, each with an id that is never reused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date
    from typing import Any

    from torchpin.model import Environment, Lock, Service

Need = Literal["lock", "clone", "record", "docker", "image", "network", "gpu"]


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
    # environments that no description has. `engine`, `gpu`: why there is none.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """What a check cannot say for want of a fact. It is shown and counted; it is never ok."""

    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    id: str
    title: str
    remedy: str
    needs: tuple[Need, ...]
    judge: bool
    run: Callable[[Evidence, Environment], Iterator[Finding | Unknown]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One check on one environment. `note` tells why a skipped one could not run, or what is unknown."""

    check: str
    title: str
    environment: str
    status: Literal["ok", "found", "waived", "skipped", "unknown"]
    findings: tuple[Finding, ...] = ()
    note: str = ""
    need: str = ""
    image: bool = False  # what is missing is an image, whatever it is missing for


REGISTRY: dict[str, Check] = {}


def check(id: str, title: str, *needs: Need, judge: bool = False) -> Callable[..., Any]:  # noqa: A002 - the field's word
    """Registers a check. Its docstring is what people are told to do. `judge`: it says before any work whether pins can work."""

    def register(function: Callable[[Evidence, Environment], Iterator[Finding | Unknown]]) -> Any:
        if id in REGISTRY:
            message = f"{id} is the id of two checks"
            raise ValueError(message)
        remedy = " ".join((function.__doc__ or "").split())
        REGISTRY[id] = Check(id=id, title=title, remedy=remedy, needs=needs, judge=judge, run=function)
        return function

    return register


def finding(
    env: Environment, where: str, message: str, *, remedy: str = "", about: str = "", evidence: str = ""
) -> Finding:
    return Finding(
        where=where, message=message, remedy=remedy, about=about, service=env.service.name, evidence=evidence
    )


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
    }
    return reasons[need]


def run(evidence: Evidence, *, judge: bool = False) -> tuple[Result, ...]:
    """Every registered check (or the judge's alone) on every environment, in order of their ids."""
    from torchpin.checks import families  # noqa: F401 - registers them

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
        broken = finding(
            env, env.service.file, message, remedy="This is a fault of torchpin: report it with this line."
        )
        return result("found", findings=(broken,))
    findings = tuple(_completed(answer, one) for answer in answers if isinstance(answer, Finding))
    waived = {w.about for w in env.service.waivers if w.check == one.id and w.review_by >= evidence.today}
    open_ = tuple(each for each in findings if each.about not in waived)
    unknown = [answer.message for answer in answers if isinstance(answer, Unknown)]
    if open_:
        return result("found", findings=open_)
    if unknown:
        return result("unknown", note="; ".join(unknown))
    return result("waived", findings=findings) if findings else result("ok")


def _completed(one: Finding, by: Check) -> Finding:
    return one if one.remedy else replace(one, remedy=by.remedy)


def blocking(results: Iterable[Result]) -> tuple[Finding, ...]:
    return tuple(each for result in results if result.status == "found" for each in result.findings)
