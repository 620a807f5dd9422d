"""The context that checks read, and why a need of a check is not met."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torchpin.lock.layers import outdated_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from typing import Any

    from torchpin.description.policy import Policy
    from torchpin.model import Environment, Lock, PublishedHashes
    from torchpin.records.bump_log import BumpEntry


Need = Literal["lock", "clone", "record", "docker", "image", "network", "gpu", "bump"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckContext:
    """All that checks may read. Mappings are by environment name unless the field says otherwise."""

    environments: tuple[Environment, ...]
    today: date
    # The environment for which findings about the repository are reported; "": the first of `environments`.
    reporting: str = ""
    uv: str  # the version of uv that torchpin pins
    # What holds for all services; None where the repository was not read.
    policy: Policy | None = None
    # The lock files as they are committed: file name to text.
    lock_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # The locks that can be parsed, up to date or not.
    locks: Mapping[str, Lock] = field(default_factory=dict)
    # Why a lock cannot be parsed: `file:line:column: message` each.
    broken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Path to (committed, expected) text of what is rendered; committed None: no such file. Empty without a current lock.
    renderings: Mapping[str, Mapping[str, tuple[str | None, str]]] = field(default_factory=dict)
    # The same for the documents, by path alone: they are the repository's.
    documents: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    # Services that are passed over, since their descriptions cannot be read: the documents, which show all, are not compared.
    passed_over: tuple[str, ...] = ()
    # Section markers of documents that cannot be parsed: `file:line:column: message` each.
    document_problems: tuple[str, ...] = ()
    # Sections of services that are described no more, but have a lock, a record or prose, and a former log of updates:
    # `file:line:column: message; help`.
    standing_sections: tuple[str, ...] = ()
    # Why each entry of `files:` cannot be copied, in their order; "" where nothing is in the way. Without an environment that
    # was not looked at.
    file_problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # The same for the keys of `apt_repositories:`.
    key_problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Source to the state of its clone: "" is right, else `not cloned`, `changed (train.py)` and the like.
    clones: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # The freeze record of the last built image; None: no such file.
    records: Mapping[str, str | None] = field(default_factory=dict)
    # The images with the current key on this machine: `size_bytes`.
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # The JSON report of the probe in these images; empty where the probe failed.
    probe_reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # The same with the GPUs of this machine passed to the container.
    gpu_reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # The hashes of the lab's own index: channel (or ABI package) to package to file; None: the facts apply.
    published: PublishedHashes | None = None
    # Folders of environments that no service describes.
    orphans: tuple[str, ...] = ()
    # Why the Docker engine, or a GPU, cannot be used; "" when it can.
    engine_problem: str = ""
    gpu_problem: str = ""
    # Source to what is wrong with its tag at the origin, "" when nothing is; None: the network was not used.
    tags: Mapping[str, Mapping[str, str]] | None = None
    # Why an origin could not be reached.
    unreachable: Mapping[str, str] = field(default_factory=dict)
    # The last entry of the update log that names the environment's service.
    bumps: Mapping[str, BumpEntry] = field(default_factory=dict)
    # GPUs and driver to judge for instead of the described ones (`--gpu`, `--driver`).
    target_gpus: tuple[str, ...] = ()
    target_driver: str = ""
    # What `current_lock` gave, by the identity of the environment: most checks ask for it.
    current_locks: dict[int, tuple[Environment, Lock | None]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )


def current_lock(context: CheckContext, env: Environment) -> Lock | None:
    """The lock of an environment, None while it is missing or no longer matches its description."""
    remembered = context.current_locks.get(id(env))
    if remembered is None or remembered[0] is not env:
        lock = context.locks.get(env.name)
        remembered = (env, None if lock is None or outdated_files(env, lock) else lock)
        context.current_locks[id(env)] = remembered
    return remembered[1]


def reports_repository(context: CheckContext, env: Environment) -> bool:
    """Whether findings that belong to the repository, and to no environment, are reported for this one."""
    return env.name == (context.reporting or context.environments[0].name)


def uses_stubs(context: CheckContext) -> bool:
    """Whether base images and sources are the lab's stubs, which have no facts."""
    return context.published is not None


def target_gpus(context: CheckContext, env: Environment) -> tuple[tuple[str, str], ...]:
    """The GPUs to judge for, as (name, location): those of `--gpu`, else the described ones."""
    if context.target_gpus:
        return tuple((name, f"--gpu {name}") for name in context.target_gpus)
    return tuple(
        (name, env.service.location(f"gpus[{number}]")) for number, name in enumerate(env.service.gpus)
    )


def missing_need(context: CheckContext, env: Environment, need: Need) -> str:
    """Why a need is not met, as the note of a skipped check; "" when it is met."""
    states = context.clones.get(env.name, {})
    absent = [
        source.name for source in env.service.sources if states.get(source.name, "not cloned") == "not cloned"
    ]
    # SRC005 has to report a changed clone even while another one is missing.
    missing = [] if any(state and state != "not cloned" for state in states.values()) else absent
    no_image = "" if env.name in context.images else "no image with the current key on this machine"
    no_report = "" if env.name in context.gpu_reports else "no image with the current key was probed on a GPU"
    offline = "network checks are off (`--require network` turns them on)"
    reasons: dict[Need, str] = {
        "lock": "" if env.name in context.locks else "no readable lock",
        "clone": f"not cloned: {', '.join(missing)}" if missing else "",
        "record": "not recorded yet" if context.records.get(env.name) is None else "",
        "docker": context.engine_problem,
        "image": context.engine_problem or no_image,
        "network": offline if context.tags is None else context.unreachable.get(env.name, ""),
        "gpu": context.gpu_problem or no_report,
        "bump": _pending_message(context.bumps.get(env.name)),
    }
    return reasons[need]


def _pending_message(entry: BumpEntry | None) -> str:
    if entry is None:
        return "no update of this service is logged"
    steps = ", ".join(map(str, entry.pending))
    return (
        f"steps {steps} of the update {entry.bump} are pending; `invoke bump --resume` runs them"
        if steps
        else ""
    )
