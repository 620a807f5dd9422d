"""What changed between two states: of the repository, of a lock, of a record of what was installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.model import Environment, Lock

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING, Literal

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from torchpin.description import environments as description_environments
from torchpin.description import read
from torchpin.lock import file_format
from torchpin.model import Artifact, Lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Environment

SERVICES, LOCKS = "services/", "lockfiles/"
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;]+)(?:.*?--hash=sha256:(?P<sha256>[0-9a-f]{64}))?.*"
)
_PLACED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*) @ [^#]*/(?P<file>[^/#?]+)(?:#sha256=(?P<sha256>[0-9a-f]{64}))?.*"
)

Kind = Literal["added", "removed", "moved", "other file"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What a state holds of one environment: its packages (None: not locked there), and the ground below them.

    `described`: there is a description; then what its ground does not name is not there.
    """

    service: str = ""
    packages: Mapping[str, Artifact] | None = None
    ground: Mapping[str, str] = field(default_factory=dict)
    described: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """One side of a comparison. `alone`: one lock or record, whose environment may have no name."""

    name: str
    environments: Mapping[str, Held]
    alone: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One thing that changed; sizes in bytes of what is downloaded for it, None where nobody wrote them down."""

    what: str
    kind: Kind
    before: str = ""
    after: str = ""
    size_before: int | None = None
    size_after: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What changed in an environment. The bytes are those of the packages' files; `unsized` have no known size."""

    environment: str
    ground: tuple[Move, ...]
    packages: tuple[Move, ...]
    added_bytes: int
    removed_bytes: int
    unsized: int
    notes: tuple[str, ...] = ()


# --- states ----------------------------------------------------------------------------------------------------------


def repository(name: str, texts: Mapping[str, str]) -> State:
    """The state of a repository, from the texts of its descriptions and locks.

    An old description that today's rules refuse is noted, and its lock still counts. Raises InputError for a lock that
    was edited.
    """
    held: dict[str, Held] = {}
    for path, text in texts.items():
        if re.fullmatch(rf"{SERVICES}[^/]+/service\.yaml", path):
            held |= _described(path, text)
    locks: dict[str, dict[str, str]] = {}
    for path, text in texts.items():
        found = re.fullmatch(rf"{LOCKS}([^/]+)/([^/]+\.txt)", path)
        if found:
            locks.setdefault(found[1], {})[found[2]] = text
    for one, files in locks.items():
        lock = file_format.parse(f"{name}:{LOCKS}{one}", files)
        before = held.get(one) or Held(ground=_lock_ground(lock))
        held[one] = replace(before, packages=_packages(lock))
    return State(name=name, environments=held)


def _described(path: str, text: str) -> dict[str, Held]:
    try:
        services = read.services({path: text})
    except InputError:
        return {}
    return {
        env.name: Held(service=env.service.name, ground=_ground(env), described=True)
        for env in description_environments.environments(services)
    }


def _ground(env: Environment) -> dict[str, str]:
    service = env.service
    sources = {f"source {source.name}": f"{source.tag} ({source.commit[:12]})" for source in service.sources}
    return {
        "Python": str(service.python),
        "channel": env.variant.channel,
        "platform": env.variant.platform,
        "base image": env.base.reference,
        "torch": str(service.torch.version),
        **sources,
    }


def _lock_ground(lock: Lock) -> dict[str, str]:
    """What a lock alone tells of the ground."""
    first = lock.given or (lock.layers[0] if lock.layers else None)
    if first is None:
        return {}
    sources = {f"source {one.source}": f"{one.tag} ({one.commit[:12]})" for one in lock.upstreams}
    torch = {"torch": lock.all["torch"].version.partition("+")[0]} if "torch" in lock.all else {}
    ground = {"Python": first.python, "channel": first.origin, "platform": first.platform}
    return ground | torch | sources


def _packages(lock: Lock) -> dict[str, Artifact]:
    """What is installed; what the base gives, which is no download; apart, what builds source-only packages."""
    given = {one.name: replace(one, size=0) for one in (lock.given.packages if lock.given else ())}
    built = {f"{one.name} (build)": one for one in (lock.build.packages if lock.build else ())}
    return given | lock.packages | built


def lock(name: str, files: Mapping[str, str]) -> State:
    """The state that one lock folder is."""
    found = file_format.parse(name, files)
    layers = (*([found.given] if found.given else []), *found.layers)
    environment = next((layer.environment for layer in layers), "")
    held = Held(packages=_packages(found), ground=_lock_ground(found))
    return State(name=name, environments={environment: held}, alone=True)


def record(name: str, text: str, *, environment: str = "") -> State:
    """The state that a freeze record is: names and versions, hashes where it has them, no sizes."""
    found = (_pinned(line.strip()) for line in text.splitlines())
    packages = {one.name: one for one in found if one}
    if not packages:
        raise InputError(f"{name} is no freeze record: no line of it is a package at a version.")
    return State(name=name, environments={environment: Held(packages=packages)}, alone=True)


def _pinned(line: str) -> Artifact | None:
    found = _PIN.fullmatch(line)
    if found:
        return _artifact(found["name"], found["version"], found["sha256"])
    placed = _PLACED.fullmatch(line)
    if not placed:
        return None
    try:
        version = str(parse_wheel_filename(placed["file"].replace("%2B", "+"))[1])
    except InvalidWheelFilename:
        version = placed["file"]
    return _artifact(placed["name"], version, placed["sha256"])


def _artifact(name: str, version: str, sha256: str | None) -> Artifact:
    return Artifact(name=canonicalize_name(name), version=version, filename="", sha256=sha256 or "")


# --- what changed between them ---------------------------------------------------------------------------------------


def differences(before: State, after: State, *, service: str = "") -> tuple[Difference, ...]:
    """What changed, an environment each; those of one service where it is named.

    Raises InputError for a service that neither state has, and for a lone record that no one environment goes with.
    """
    before, after = _paired(_of(before, service), _of(after, service))
    names = sorted({*before.environments, *after.environments})
    if service and not names:
        raise InputError(
            f"Neither {before.name} nor {after.name} has an environment of a service {service!r}."
        )
    return tuple(_difference(name, before, after) for name in names)


def _of(state: State, service: str) -> State:
    if not service or state.alone:
        return state
    known = {one.service for one in state.environments.values()} - {""}
    kept = {
        name: one
        for name, one in state.environments.items()
        if one.service == service
        or (not one.service and service not in known and name.startswith(f"{service}-"))
    }
    return replace(state, environments=kept)


def _paired(before: State, after: State) -> tuple[State, State]:
    """A lone lock or record is compared with its own environment alone."""
    if not (before.alone or after.alone):
        return before, after
    name = _shared(before, after)
    one, other = (
        next(iter(state.environments.values())) if state.alone else state.environments[name]
        for state in (before, after)
    )
    return replace(before, environments={name: one}), replace(after, environments={name: other})


def _shared(before: State, after: State) -> str:
    """The environment that two states are compared in, of which one or both are alone."""
    alone = [state for state in (before, after) if state.alone]
    name = next((name for state in alone for name in state.environments if name), "")
    if len(alone) > 1:
        return name
    whole = after if before.alone else before
    known = sorted(whole.environments)
    if name in known or (not name and len(known) == 1):
        return name or known[0]
    what = f"{alone[0].name} is of {name or 'no named environment'}"
    raise InputError(
        f"{what}, and {whole.name} has {', '.join(known) or 'none'}: name a lock folder instead."
    )


def _difference(name: str, before: State, after: State) -> Difference:
    old, new = before.environments.get(name, Held()), after.environments.get(name, Held())
    packages = _package_moves(old.packages or {}, new.packages or {})
    sizes = [
        (move.size_before if move.before else 0, move.size_after if move.after else 0) for move in packages
    ]
    return Difference(
        environment=name,
        ground=_ground_moves(
            old, new, whole=not (name in before.environments and name in after.environments)
        ),
        packages=packages,
        added_bytes=sum(gained or 0 for _, gained in sizes),
        removed_bytes=sum(lost or 0 for lost, _ in sizes),
        unsized=sum(gained is None or lost is None for lost, gained in sizes),
        notes=tuple(_notes(name, before, after)),
    )


def _ground_moves(old: Held, new: Held, *, whole: bool) -> tuple[Move, ...]:
    """What moved of what both tell; what only one names counts where the other would have named it too."""
    both = old.ground.keys() & new.ground.keys()
    sure = whole or (old.described and new.described)
    names = [name for name in {**old.ground, **new.ground} if name in both or sure]
    moves = [(name, old.ground.get(name, ""), new.ground.get(name, "")) for name in names]
    return tuple(_move(*move) for move in moves if move[1] != move[2])


def _move(what: str, before: str, after: str, *sizes: int | None) -> Move:
    kind: Kind = "added" if not before else "removed" if not after else "moved"
    lost, gained = sizes or (None, None)
    return Move(what=what, kind=kind, before=before, after=after, size_before=lost, size_after=gained)


def _package_moves(old: Mapping[str, Artifact], new: Mapping[str, Artifact]) -> tuple[Move, ...]:
    moves = (_package_move(name, old.get(name), new.get(name)) for name in sorted({*old, *new}))
    return tuple(move for move in moves if move)


def _package_move(name: str, old: Artifact | None, new: Artifact | None) -> Move | None:
    sizes = (old.size if old else None, new.size if new else None)
    if old is None or new is None or old.version != new.version:
        return _move(name, old.version if old else "", new.version if new else "", *sizes)
    if not (old.sha256 and new.sha256) or old.sha256 == new.sha256:
        return None
    named = old.filename and new.filename and old.filename != new.filename
    words = (
        (old.filename, new.filename) if named else (f"sha256:{old.sha256[:12]}", f"sha256:{new.sha256[:12]}")
    )
    return replace(_move(f"{name} {old.version}", *words, *sizes), kind="other file")


def _notes(name: str, before: State, after: State) -> Iterable[str]:
    for state in (before, after):
        held = state.environments.get(name)
        if held is None:
            yield f"{name} is not in {state.name}"
        elif held.packages is None:
            yield f"{name} is not locked in {state.name}"
        elif not (held.described or state.alone):
            yield f"{name} has no description in {state.name} that can be read today; its lock alone was compared"


DIFF_HEADERS = ("environment", "what", "change", "before", "after", "download")


_KINDS = ("added", "removed", "moved", "other file")


def diff_rows(found: Sequence[Difference]) -> list[tuple[str, ...]]:
    """A row a change, as DIFF_HEADERS names the cells."""
    return [
        (one.environment, move.what, move.kind, move.before, move.after, download)
        for one in found
        for move, download in _downloads(one)
    ]


def _downloads(one: Difference) -> Iterator[tuple[Move, str]]:
    for move in one.ground:
        yield move, ""
    for move in one.packages:
        lost = [f"-{_size(move.size_before)}"] if move.before else []
        gained = [f"+{_size(move.size_after)}"] if move.after else []
        yield move, ", ".join([*lost, *gained])


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:,.1f} MB" if count else "0"


def total(one: Difference) -> str:
    """What changed in an environment, in one line."""
    counts = {kind: sum(move.kind == kind for move in one.packages) for kind in _KINDS}
    told = [f"{count} {kind}" for kind, count in counts.items() if count]
    told = [f"packages: {', '.join(told)}" if told else "no package changed"]
    if one.packages:
        unsized = f", and {one.unsized} of unknown size" if one.unsized else ""
        told.append(f"download: -{_size(one.removed_bytes)}, +{_size(one.added_bytes)}{unsized}")
    moved = [move.what for move in one.ground if move.kind == "moved"]
    told += [f"moved: {', '.join(moved)}"] if moved else []
    return "; ".join([f"{one.environment or 'the two records'}: {told[0]}", *told[1:], *one.notes])
