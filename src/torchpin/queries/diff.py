"""What changed between two snapshots, each of a repository, a lock or a freeze record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from torchpin import paths
from torchpin.compat.gpus import gpus_with_code
from torchpin.compat.recommendations import compute_deviations
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.quantities import format_megabytes
from torchpin.records.freeze import parse_freeze

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.model import Artifact, Environment, Lock, Source, Upstream

ChangeKind = Literal["added", "removed", "moved", "other file"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentSnapshot:
    """One environment of a snapshot: its packages (None: not locked), and the baseline: Python, channel, base, sources.

    `has_description`: the baseline comes from a description and so is whole; that of a lock alone is not. Only with one are
    there `gpus`, the known ones that the torch build has code for, and `deviations`, the components that deviate.
    """

    service: str = ""
    packages: Mapping[str, Artifact] | None = None
    baseline: Mapping[str, str] = field(default_factory=dict)
    has_description: bool = False
    gpus: frozenset[str] = frozenset()
    deviations: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """One side of a comparison. `is_single`: one lock or record, whose environment may have no name."""

    name: str
    environments: Mapping[str, EnvironmentSnapshot]
    is_single: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemChange:
    """One change of the baseline or of a package; sizes are of its download in bytes, None where unknown."""

    name: str
    kind: ChangeKind
    before: str = ""
    after: str = ""
    size_before: int | None = None
    size_after: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What changed in an environment. Bytes are of the packages' files; `unknown_sizes` counts those without a size.

    The GPUs and deviations gained and lost are known where both sides have a description.
    """

    environment: str
    baseline: tuple[ItemChange, ...]
    packages: tuple[ItemChange, ...]
    added_bytes: int
    removed_bytes: int
    unknown_sizes: int
    gpus_gained: tuple[str, ...] = ()
    gpus_lost: tuple[str, ...] = ()
    deviations_gained: tuple[str, ...] = ()
    deviations_lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.baseline or self.packages or self.notes or named_changes(self))


def repository_snapshot(name: str, texts: Mapping[str, str]) -> Snapshot:
    """The snapshot of a repository, from the texts of its descriptions and locks by path.

    A description of another version of the format is left out; its lock still counts. Raises InputError for a lock
    that was edited.
    """
    described: dict[str, Environment] = {}
    locks: dict[str, dict[str, str]] = {}
    for path, text in texts.items():
        _, _, name_and_file = path.partition("/")
        folder, _, file = name_and_file.partition("/")
        if path == paths.description_path(folder):
            described |= _described_environments(path, text)
        if path == paths.lock_path(folder, file) and paths.is_lock_file(file):
            locks.setdefault(folder, {})[file] = text
    parsed = {
        env_name: file_format.parse_lock(
            f"{name}:{paths.lock_folder(env_name)}", file_format.with_present_names(files)
        )
        for env_name, files in locks.items()
    }
    environments = {
        env_name: _environment_snapshot(described.get(env_name), parsed.get(env_name))
        for env_name in {**described, **parsed}
    }
    return Snapshot(name=name, environments=environments)


def _described_environments(path: str, text: str) -> dict[str, Environment]:
    try:
        services = read.read_services({path: text})
    except InputError:
        return {}
    return {env.name: env for env in select_environments(services)}


def _environment_snapshot(env: Environment | None, lock: Lock | None) -> EnvironmentSnapshot:
    """The snapshot of an environment with a description, a lock, or both."""
    packages = _locked_packages(lock) if lock else None
    if env is None:
        return EnvironmentSnapshot(packages=packages, baseline=_lock_baseline(lock) if lock else {})
    return EnvironmentSnapshot(
        service=env.service.name,
        packages=packages,
        baseline=_description_baseline(env),
        has_description=True,
        gpus=gpus_with_code(env),
        deviations=frozenset(deviation.component for deviation in compute_deviations(env, lock)),
    )


def _described(source: Source | Upstream) -> str:
    return f"{source.tag} ({source.commit[:12]})" if source.tag else source.version


def _description_baseline(env: Environment) -> dict[str, str]:
    service = env.service
    sources = {f"source {source.name}": _described(source) for source in service.sources}
    return {
        "Python": str(service.python),
        "channel": env.variant.channel,
        "platform": env.variant.platform,
        "base image": env.base.reference,
        "torch": str(service.torch.version),
        **sources,
    }


def _lock_baseline(lock: Lock) -> dict[str, str]:
    """The part of the baseline that a lock contains: all but the base image."""
    first = lock.provided or (lock.layers[0] if lock.layers else None)
    if first is None:
        return {}
    sources = {f"source {upstream.source}": _described(upstream) for upstream in lock.upstreams}
    torch = (
        {"torch": lock.all_packages["torch"].version.partition("+")[0]}
        if "torch" in lock.all_packages
        else {}
    )
    baseline = {"Python": first.python, "channel": first.origin, "platform": first.platform}
    return baseline | torch | sources


def _locked_packages(lock: Lock) -> dict[str, Artifact]:
    """All packages of a lock; those from the base image have size 0, build dependencies are named `NAME (build)`."""
    provided = {
        package.name: replace(package, size=0)  # comes with the base image: no download of its own
        for package in (lock.provided.packages if lock.provided else ())
    }
    built = {f"{package.name} (build)": package for layer in lock.build_layers for package in layer.packages}
    return {**provided, **lock.packages, **built}


def lock_snapshot(name: str, files: Mapping[str, str]) -> Snapshot:
    """The snapshot of one lock folder, from its texts by file name."""
    parsed = file_format.parse_lock(name, file_format.with_present_names(files))
    layers = (*([parsed.provided] if parsed.provided else []), *parsed.layers)
    environment = next((layer.environment for layer in layers), "")
    env_snapshot = EnvironmentSnapshot(packages=_locked_packages(parsed), baseline=_lock_baseline(parsed))
    return Snapshot(name=name, environments={environment: env_snapshot}, is_single=True)


def record_snapshot(name: str, text: str, *, environment: str = "") -> Snapshot:
    """The snapshot of a freeze record: names and versions, hashes where it has them, no sizes. Raises InputError for others."""
    packages = parse_freeze(text)
    if not packages:
        raise InputError(f"{name} is not a freeze record: it has no line `NAME==VERSION`")
    return Snapshot(
        name=name, environments={environment: EnvironmentSnapshot(packages=packages)}, is_single=True
    )


def compare_snapshots(before: Snapshot, after: Snapshot, *, service: str = "") -> tuple[Difference, ...]:
    """The difference of each environment, or of one service's.

    Raises InputError for a service that neither snapshot has, and for a single lock or record without a counterpart.
    """
    before, after = _pair_snapshots(_select_service(before, service), _select_service(after, service))
    names = sorted({*before.environments, *after.environments})
    if service and not names:
        raise InputError(f"no service {service!r} in {before.name} or {after.name}")
    return tuple(_compare_environment(name, before, after) for name in names)


def _select_service(snapshot: Snapshot, service: str) -> Snapshot:
    if not service or snapshot.is_single:
        return snapshot
    services = {env_snapshot.service for env_snapshot in snapshot.environments.values()} - {""}
    environments = {
        name: env_snapshot
        for name, env_snapshot in snapshot.environments.items()
        if env_snapshot.service == service
        or (not env_snapshot.service and service not in services and name.startswith(f"{service}-"))
    }
    return replace(snapshot, environments=environments)


def _pair_snapshots(before: Snapshot, after: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Both snapshots with the one environment that a single lock or record is compared in."""
    if not (before.is_single or after.is_single):
        return before, after
    name = _common_environment(before, after)
    old, new = (
        next(iter(snapshot.environments.values())) if snapshot.is_single else snapshot.environments[name]
        for snapshot in (before, after)
    )
    return replace(before, environments={name: old}), replace(after, environments={name: new})


def _common_environment(before: Snapshot, after: Snapshot) -> str:
    """The environment to compare in where one or both are a single lock or record. Raises InputError for none."""
    singles = [snapshot for snapshot in (before, after) if snapshot.is_single]
    name = next((name for snapshot in singles for name in snapshot.environments if name), "")
    if len(singles) > 1:
        return name
    whole = after if before.is_single else before
    names = sorted(whole.environments)
    if name in names or (not name and len(names) == 1):
        return name or names[0]
    subject = f"{singles[0].name} is of {name or 'an unnamed environment'}"
    raise InputError(
        f"{subject}, and {whole.name} has {', '.join(names) or 'none'}; name a lock folder instead"
    )


def _compare_environment(name: str, before: Snapshot, after: Snapshot) -> Difference:
    old = before.environments.get(name, EnvironmentSnapshot())
    new = after.environments.get(name, EnvironmentSnapshot())
    packages = _package_changes(old.packages or {}, new.packages or {})
    sizes = [
        (move.size_before if move.before else 0, move.size_after if move.after else 0) for move in packages
    ]
    sure = old.has_description and new.has_description
    return Difference(
        environment=name,
        baseline=_baseline_changes(
            old, new, whole=not (name in before.environments and name in after.environments)
        ),
        packages=packages,
        added_bytes=sum(gained or 0 for _, gained in sizes),
        removed_bytes=sum(lost or 0 for lost, _ in sizes),
        unknown_sizes=sum(gained is None or lost is None for lost, gained in sizes),
        gpus_gained=_only_in(new.gpus, old.gpus) if sure else (),
        gpus_lost=_only_in(old.gpus, new.gpus) if sure else (),
        deviations_gained=_only_in(new.deviations, old.deviations) if sure else (),
        deviations_lost=_only_in(old.deviations, new.deviations) if sure else (),
        notes=tuple(_notes(name, before, after)),
    )


def _only_in(names: frozenset[str], others: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(names - others))


def _baseline_changes(
    old: EnvironmentSnapshot, new: EnvironmentSnapshot, *, whole: bool
) -> tuple[ItemChange, ...]:
    """The changes of the baseline. What only one side has counts only if the other side's baseline is whole."""
    shared = old.baseline.keys() & new.baseline.keys()
    sure = whole or (old.has_description and new.has_description)
    names = [name for name in {**old.baseline, **new.baseline} if name in shared or sure]
    moves = [(name, old.baseline.get(name, ""), new.baseline.get(name, "")) for name in names]
    return tuple(_change(*move) for move in moves if move[1] != move[2])


def _change(what: str, before: str, after: str, *sizes: int | None) -> ItemChange:
    kind: ChangeKind = "added" if not before else "removed" if not after else "moved"
    lost, gained = sizes or (None, None)
    return ItemChange(name=what, kind=kind, before=before, after=after, size_before=lost, size_after=gained)


def _package_changes(old: Mapping[str, Artifact], new: Mapping[str, Artifact]) -> tuple[ItemChange, ...]:
    moves = (_package_change(name, old.get(name), new.get(name)) for name in sorted({*old, *new}))
    return tuple(move for move in moves if move)


def _package_change(name: str, old: Artifact | None, new: Artifact | None) -> ItemChange | None:
    sizes = (old.size if old else None, new.size if new else None)
    if old is None or new is None or old.version != new.version:
        return _change(name, old.version if old else "", new.version if new else "", *sizes)
    if not (old.sha256 and new.sha256) or old.sha256 == new.sha256:
        return None  # a freeze record often has no hashes, so the same version counts as the same file
    named = old.filename and new.filename and old.filename != new.filename
    labels = (
        (old.filename, new.filename) if named else (f"sha256:{old.sha256[:12]}", f"sha256:{new.sha256[:12]}")
    )
    return replace(_change(f"{name} {old.version}", *labels, *sizes), kind="other file")


def _notes(name: str, before: Snapshot, after: Snapshot) -> Iterable[str]:
    for snapshot in (before, after):
        env_snapshot = snapshot.environments.get(name)
        if env_snapshot is None:
            yield f"{name} is not in {snapshot.name}"
        elif env_snapshot.packages is None:
            yield f"{name} is not locked in {snapshot.name}"
        elif not (env_snapshot.has_description or snapshot.is_single):
            yield f"{name} has no readable description in {snapshot.name}; only its lock was compared"


DIFF_HEADERS = ("environment", "what", "change", "before", "after", "download")
_KINDS: tuple[ChangeKind, ...] = ("added", "removed", "moved", "other file")


def diff_rows(env_differences: Sequence[Difference]) -> list[tuple[str, ...]]:
    """A row for each change, with the cells of DIFF_HEADERS."""
    return [
        (difference.environment, move.name, move.kind, move.before, move.after, download)
        for difference in env_differences
        for move, download in _download_changes(difference)
    ]


def _download_changes(difference: Difference) -> Iterator[tuple[ItemChange, str]]:
    for move in difference.baseline:
        yield move, ""
    for move in difference.packages:
        yield move, download_change(move)


def download_change(move: ItemChange) -> str:
    """What a package's change does to the download: `-209.5 MB, +155.6 MB`."""
    lost = [f"-{_format_size(move.size_before)}"] if move.before else []
    gained = [f"+{_format_size(move.size_after)}"] if move.after else []
    return ", ".join([*lost, *gained])


def download_total(difference: Difference) -> str:
    """What a difference does to the download: `-209.5 MB, +155.6 MB`, without what is nothing; `0` where both are."""
    removed, added = difference.removed_bytes, difference.added_bytes
    lost = [f"-{_format_size(removed)}"] if removed else []
    gained = [f"+{_format_size(added)}"] if added else []
    return ", ".join([*lost, *gained]) or "0"


def _format_size(count: int | None) -> str:
    return "unknown" if count is None else format_megabytes(count, digits=1) if count else "0"


def named_changes(difference: Difference) -> dict[str, tuple[str, ...]]:
    """The GPUs and deviations that are gained and lost, by what they are called; without those that are none."""
    names = {
        "GPUs gained": difference.gpus_gained,
        "GPUs lost": difference.gpus_lost,
        "new deviations": difference.deviations_gained,
        "deviations resolved": difference.deviations_lost,
    }
    return {title: changed for title, changed in names.items() if changed}


def summary_line(difference: Difference) -> str:
    """The difference of an environment as one line."""
    counts = {kind: sum(move.kind == kind for move in difference.packages) for kind in _KINDS}
    parts = [f"{count} {kind}" for kind, count in counts.items() if count]
    parts = [f"packages: {', '.join(parts)}" if parts else "no package changed"]
    if difference.packages:
        unsized = f", and {difference.unknown_sizes} of unknown size" if difference.unknown_sizes else ""
        parts.append(f"download: {download_total(difference)}{unsized}")
    moved = [move.name for move in difference.baseline if move.kind == "moved"]
    parts += [f"moved: {', '.join(moved)}"] if moved else []
    parts += [f"{title}: {', '.join(names)}" for title, names in named_changes(difference).items()]
    return "; ".join(
        [f"{difference.environment or 'the two records'}: {parts[0]}", *parts[1:], *difference.notes]
    )
