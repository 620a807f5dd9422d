"""What checks may look at, and the needs that must be met before one can run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torchpin.lock.layers import outdated_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from typing import Any

    from torchpin.model import Environment, Lock, Service
    from torchpin.records.bump_log import BumpEntry


Need = Literal["lock", "clone", "record", "docker", "image", "network", "gpu", "bump"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckContext:
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
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    probe_reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, Mapping[str, str | None]]] | None = None
    orphans: tuple[str, ...] = ()
    engine_problem: str = ""
    tags: Mapping[str, Mapping[str, str]] | None = None
    unreachable: Mapping[str, str] = field(default_factory=dict)
    gpu_reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gpu_problem: str = ""
    bumps: Mapping[str, BumpEntry] = field(default_factory=dict)
    target_gpus: tuple[str, ...] = ()
    target_driver: str = ""


def current_lock(evidence: CheckContext, env: Environment) -> Lock | None:
    """An environment's lock where it answers the description; a judge may not believe a stale one."""
    lock = evidence.locks.get(env.name)
    return None if lock is None or outdated_files(env, lock) else lock


def uses_stubs(evidence: CheckContext) -> bool:
    """Whether bases and sources are the lab's stand-ins, which no fact can tell of."""
    return evidence.published is not None


def target_gpus(evidence: CheckContext, env: Environment) -> tuple[tuple[str, str], ...]:
    """The GPUs to judge for, each with where it is named: those that were asked for, or the described ones."""
    if evidence.target_gpus:
        return tuple((name, f"--gpu {name}") for name in evidence.target_gpus)
    return tuple(
        (name, location_of(env.service, f"gpus[{number}]")) for number, name in enumerate(env.service.gpus)
    )


def location_of(service: Service, path: str) -> str:
    """Where a value of a description stands, as file:line:column."""
    return str(service.positions.get(path) or service.file)


def missing_need(evidence: CheckContext, env: Environment, need: Need) -> str:
    """Why a need is not met, "" when it is."""
    states = evidence.clones.get(env.name, {})
    absent = [
        source.name for source in env.service.sources if states.get(source.name, "not cloned") == "not cloned"
    ]
    # One changed clone is told even where another is missing.
    missing = [] if any(state and state != "not cloned" for state in states.values()) else absent
    no_image = "" if env.name in evidence.images else "no image of this key on this machine"
    no_answer = "" if env.name in evidence.gpu_reports else "no image of this key answered with a GPU"
    not_asked = "the network was not asked (--require network)"
    reasons: dict[Need, str] = {
        "lock": "" if env.name in evidence.locks else "there is no readable lock",
        "clone": f"{', '.join(missing)} not cloned" if missing else "",
        "record": "not recorded yet" if evidence.records.get(env.name) is None else "",
        "docker": evidence.engine_problem,
        "image": evidence.engine_problem or no_image,
        "network": not_asked if evidence.tags is None else evidence.unreachable.get(env.name, ""),
        "gpu": evidence.gpu_problem or no_answer,
        "bump": _pending_message(evidence.bumps.get(env.name)),
    }
    return reasons[need]


def _pending_message(entry: BumpEntry | None) -> str:
    if entry is None:
        return "the log has no bump of this service"
    steps = ", ".join(map(str, entry.pending))
    return (
        f"steps {steps} of the bump {entry.bump} are pending: `invoke bump --resume` finishes them"
        if steps
        else ""
    )
