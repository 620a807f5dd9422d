"""The cool-down: files that were published after a cut-off are not locked, but for the packages that are excepted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import paths
from torchpin.compat.family import channel_names
from torchpin.compat.pins import file_packages, index_packages
from torchpin.lock.layers import outdated_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.description.policy import Policy
    from torchpin.model import Environment, LayerLock, Lock

INDEX = "pypi"  # the origin of layers that a cut-off is of: channels publish no times


@dataclass(frozen=True, kw_only=True, slots=True)
class CutOff:
    """An instant, such as 2026-11-19T00:00:00Z: what was published from then on is not locked.

    `days` is the cool-down that it comes from, 0 for a day that was requested; `exceptions` are packages that need not wait, each with its reason.
    """

    time: str
    days: int
    exceptions: Mapping[str, str]

    @property
    def instant(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.time.replace("Z", "+00:00"))


@dataclass(frozen=True, kw_only=True, slots=True)
class YoungFile:
    """A package whose file was published after a cut-off, or at a time that its index does not tell (None)."""

    name: str
    version: str
    published: dt.datetime | None


def recorded_cutoff(lock: Lock) -> str:
    """The cut-off of a lock, the latest one of its layers; "" without."""
    return max((layer.cutoff for layer in _layers(lock)), default="")


def dated_layers(lock: Lock) -> list[LayerLock]:
    """The layers that a cut-off is of."""
    return [layer for layer in _layers(lock) if layer.origin == INDEX]


def locked_cutoff(lock: Lock) -> CutOff | None:
    """The cut-off that a lock was made with, for the same packages on another platform: all that it locks is excepted."""
    time = recorded_cutoff(lock)
    return CutOff(time=time, days=0, exceptions=dict.fromkeys(lock.all_packages, "locked")) if time else None


def _layers(lock: Lock) -> list[LayerLock]:
    return [*lock.layers, *(layer for layer in (lock.build, lock.provided) if layer)]


def choose_cutoff(
    policy: Policy, env: Environment, current: Lock | None, *, upgrade: Sequence[str], today: dt.date
) -> CutOff | None:
    """The cut-off of an environment's next lock; None without a cool-down.

    That of the present lock stays while nothing moves: the description is the same and nothing is upgraded. It never
    moves back. A new one is the midnight (UTC) that lies the days of the cool-down back.
    """
    if not policy.cooldown:
        return None
    recorded = recorded_cutoff(current) if current else ""
    moves = bool(upgrade) or current is None or bool(outdated_files(env, current))
    time = max(recorded, newest_cutoff(policy, today)) if moves or not recorded else recorded
    return CutOff(time=time, days=policy.cooldown, exceptions=policy.exceptions)


def cutoff_of_day(policy: Policy, today: dt.date) -> CutOff | None:
    """The cut-off of a lock that moves today; None without a cool-down."""
    if not policy.cooldown:
        return None
    return CutOff(time=newest_cutoff(policy, today), days=policy.cooldown, exceptions=policy.exceptions)


def newest_cutoff(policy: Policy, today: dt.date) -> str:
    """The latest cut-off that a cool-down allows on a day."""
    return f"{today - dt.timedelta(days=policy.cooldown)}T00:00:00Z"


def with_cutoff(lock: Lock, cutoff: CutOff | None) -> Lock:
    """A lock whose layers from PyPI name the cut-off that they were resolved with."""
    time = cutoff.time if cutoff else ""

    def named(layer: LayerLock) -> LayerLock:
        return replace(layer, cutoff=time) if layer.origin == INDEX else layer

    return replace(
        lock,
        layers=tuple(map(named, lock.layers)),
        build=named(lock.build) if lock.build else None,
        provided=named(lock.provided) if lock.provided else None,
    )


def pinned_packages(env: Environment) -> dict[str, str]:
    """What a description pins itself, by normalized name: `file:line:column` of the pin. People answer for its age."""
    service = env.service
    pins: dict[str, str] = {
        canonicalize_name(name): service.location(f"torch.companions.{name}") for name in service.torch.family
    }
    pins["torch"] = service.location("torch.version")
    for path, _, package in env.declared_packages:
        pins[canonicalize_name(package.name)] = service.location(path)
    return pins


def exempt_packages(env: Environment, *, has_channel: bool) -> frozenset[str]:
    """The packages that come from where no times are published: the channel, an index of the description, a file."""
    return (channel_names(env) if has_channel else frozenset()) | {*index_packages(env), *file_packages(env)}


def uv_options(cutoff: CutOff, free: Iterable[str]) -> tuple[str, ...]:
    """uv's options for a cut-off; `free` and the excepted packages are looked at whatever their age."""
    names = sorted({*free, *cutoff.exceptions})
    packages = (word for name in names for word in ("--exclude-newer-package", f"{name}=false"))
    return ("--exclude-newer", cutoff.time, *packages)


def refusal(env: Environment, cutoff: CutOff, young: Sequence[YoungFile]) -> str:
    """Why an environment cannot be locked: the packages that are too young, and when each is allowed."""
    pins = pinned_packages(env)
    lines = []
    for file in sorted(young, key=lambda file: file.name):
        where = f"{pins[file.name]}: " if pins.get(file.name) else ""
        lines.append(f"    {where}{file.name} {file.version} {_age(file, cutoff)}")
    if not cutoff.days:
        head = f"{env.name} cannot be locked: as of {cutoff.time}, these files were not published yet"
        return "\n".join([head, *lines, "choose a later day, or pin an earlier release"])
    head = (
        f"{env.name} cannot be locked: the cool-down of {cutoff.days} days ({paths.POLICY}) takes what was published "
        f"before {cutoff.time[:10]}"
    )
    advice = (
        "wait, pin an earlier release, or name the package with a reason under `cooldown.except` in "
        f"{paths.POLICY}"
    )
    if any(file.published is None for file in young):
        advice = f"use an index that lists when its files were published (PEP 700), as PyPI does; or {advice}"
    return "\n".join([head, *lines, advice])


def _age(file: YoungFile, cutoff: CutOff) -> str:
    if file.published is None:
        return "has no time of publication on its index, so its age is not known"
    if not cutoff.days:
        return f"was published on {file.published.date()}"
    allowed = file.published.date() + dt.timedelta(days=cutoff.days + 1)
    return f"was published on {file.published.date()}; it is allowed from {allowed}"


def notices(cutoff: CutOff, young: Iterable[YoungFile]) -> Iterator[str]:
    """What was locked though it is younger than the cut-off, with the reason of its exception."""
    for file in sorted(young, key=lambda file: file.name):
        published = f"published on {file.published.date()}" if file.published else "of unknown age"
        yield f"{file.name} {file.version}, {published} ({cutoff.exceptions[file.name]})"
