"""What could move, to what, and what each move would open or close, as far as facts and advisers tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.model import Environment, Lock

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat import hidden_requirements, recommendations, releases
from torchpin.lock.layers import TORCH, TORCH_DEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.model import Environment, LayerLock, Lock, Source

_CUDA_IMAGE = re.compile(r"(?P<head>(?:docker\.io/)?nvidia/cuda:\d+\.\d+)\.(?P<patch>\d+)(?P<tail>-.+)")
_PATCHES = 10  # NVIDIA has never had more of one minor
_SHOWN = 4  # of a source's own requirements that the lock does not meet


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing that could move. `closes`: what would be right that is not; `opens`: what would not be right any more."""

    kind: Literal["torch", "base", "source", "package"]
    name: str
    used: str
    to: str
    where: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """All that could move in an environment; `notes`: what cannot, and why, and what was not asked."""

    environment: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


def outlook(env: Environment, lock: Lock, newest: Mapping[str, str] | None) -> Outlook:
    """An environment's steps; `newest` are the newest versions on PyPI by package, None where PyPI was not asked."""
    steps = (*_torch(env, lock), *_base(env), *_sources(env, lock), *_packages(env, lock, newest or {}))
    notes = (*_torch_notes(env), *(("PyPI was not asked",) if newest is None else ()))
    return Outlook(environment=env.name, steps=steps, notes=notes)


# --- what a move does to the rest ------------------------------------------------------------------------------------


def _moved(lock: Lock, versions: Mapping[str, str]) -> Lock:
    """A lock with some packages at other versions; the rest stays, as if nobody resolved again."""

    def layer(one: LayerLock) -> LayerLock:
        packages = tuple(replace(p, version=versions.get(p.name, p.version)) for p in one.packages)
        return replace(one, packages=packages)

    return replace(
        lock, layers=tuple(map(layer, lock.layers)), given=layer(lock.given) if lock.given else None
    )


def _declared(env: Environment) -> set[str]:
    packages = {canonicalize_name(one.name) for layer in env.service.layers for one in layer.packages}
    return packages | {*env.service.torch.family}


def _broken(env: Environment, lock: Lock) -> dict[str, str]:
    """The floors that do not hold, by id. One that the metadata tells counts where both ends are pinned by people."""
    declared, cards = _declared(env), [facts.gpu(name) for name in env.service.gpus]
    return {
        one.floor.id: _told(env, lock, one)
        for one in hidden_requirements.standings(env, lock, seen=True)
        if one.holds is False
        if not one.floor.seen or {one.package, one.needed} <= declared
        if one.floor.capability is None
        or any(hidden_requirements.concerns(one.floor, card) for card in cards)
    }


def _told(env: Environment, lock: Lock, one: hidden_requirements.Standing) -> str:
    needs, version = one.floor.needs.partition(";")[0], lock.all[one.package].version
    torch = Version(lock.all["torch"].version) if "torch" in lock.all else env.service.torch.version
    instead = hidden_requirements.instead(one.floor, torch, env.service.gpus)
    ends = f" ({instead} ends it)" if instead else ""
    return f"{one.package} {version} needs {needs}: {one.floor.because}{ends}"


def _floors(env: Environment, lock: Lock, versions: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The floors that a move opens, and those that it closes."""
    before, after = _broken(env, lock), _broken(env, _moved(lock, versions))
    return [after[id_] for id_ in after if id_ not in before], [
        before[id_] for id_ in before if id_ not in after
    ]


def _advised(env: Environment, lock: Lock, component: str, used: str, to: str) -> tuple[list[str], list[str]]:
    """The advisers whose words a move leaves, and those whose words it meets."""
    said = {canonicalize_name(name): words for name, words in recommendations.advice(env, lock).items()}
    opens, closes = [], []
    for by, says in said.get(canonicalize_name(component), ()):
        met = recommendations.satisfied(says, used), recommendations.satisfied(says, to)
        if met[0] and not met[1]:
            opens.append(f"{by} says {says}")
        elif met[1] and not met[0]:
            closes.append(f"{by} says {says}")
    return opens, closes


def _effects(
    env: Environment, lock: Lock, name: str, versions: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What moving a package, and others with it, opens and closes."""
    used = lock.all[name].version if name in lock.all else ""
    opens, closes = _floors(env, lock, versions)
    left, met = _advised(env, lock, name, used, versions[name])
    return (*opens, *left), (*closes, *met)


# --- torch -----------------------------------------------------------------------------------------------------------


def _torch(env: Environment, lock: Lock) -> Iterator[Step]:
    """The newest release of each later series, and the newest of this one, that some channel serves for this Python."""
    served = {
        one.version: releases.channels(env, one) for one in releases.newer(env) if releases.fits(env, one)
    }
    usable = [version for version, channels in served.items() if channels]
    series = {releases.series(version): version for version in sorted(usable, key=Version)}
    own = [version for version in usable if env.variant.channel in served[version]]
    for version in series.values():
        yield _torch_step(env, lock, version, served[version])
    for version in own[-1:]:
        if version not in series.values():
            yield _torch_step(env, lock, version, served[version])


def _torch_step(env: Environment, lock: Lock, version: str, channels: tuple[str, ...]) -> Step:
    used, family = str(env.service.torch.version), releases.family(env, version)
    versions = {name: one for name, one in family.items() if one and name in lock.all}
    opens, closes = _effects(env, lock, "torch", {**versions, "torch": version})
    lost, gained = releases.cards(env, version, channels)
    missing = [f"facts know no {name} for it" for name, one in family.items() if not one]
    wheels = releases.without_wheels(env, version, channels)
    beside = ", ".join(
        f"{name} {one}" for name, one in family.items() if one and name in env.service.torch.companions
    )
    notes = [f"with {beside}"] if beside else []
    if any(releases.by_matrix(name, version) for name in channels):
        notes.append("served as the release matrix says: the recorded pages end before it")
    return Step(
        kind="torch",
        name="torch",
        used=used,
        to=version,
        where=channels,
        opens=(*lost, *missing, *wheels, *opens),
        closes=(*gained, *closes),
        notes=tuple(notes),
    )


def _torch_notes(env: Environment) -> Iterator[str]:
    torch, channel = env.service.torch, facts.channel(env.variant.channel)
    newer = releases.newer(env)
    served = [
        one.version
        for one in newer
        if releases.fits(env, one) and env.variant.channel in releases.channels(env, one)
    ]
    if not served:
        ended = ", which has ended" if channel and channel.ended else ""
        yield f"torch {torch.version} is the newest that facts know on {env.variant.channel}{ended}"
    unfit = [one.version for one in newer if not releases.fits(env, one)]
    if unfit:
        yield f"torch {', '.join(unfit)} has no wheel for Python {env.service.python}"
    if torch.origin == "base":
        yield "torch comes with the base image, and moves with it"


# --- base, sources, packages -----------------------------------------------------------------------------------------


def _base(env: Environment) -> Iterator[Step]:
    """Later patches of the base's CUDA minor, in the same shape."""
    found, now = _CUDA_IMAGE.fullmatch(env.base.image), facts.base(env.base.image)
    if not found:
        return
    first = int(found["patch"]) + 1
    for patch in range(first, first + _PATCHES):
        image = f"{found['head']}.{patch}{found['tail']}"
        row = facts.base(image)
        if row is None:
            continue
        over = now and now.status == "end-of-life" and row.status != "end-of-life"
        yield Step(
            kind="base",
            name="base image",
            used=env.base.image,
            to=image,
            opens=("end-of-life",) if row.status == "end-of-life" else (),
            closes=(f"{env.base.image} is end-of-life",) if over else (),
        )


def _sources(env: Environment, lock: Lock) -> Iterator[Step]:
    for source in env.service.sources:
        repo = re.sub(r"\.git$", "", "/".join(re.split(r"[/:]", source.url.rstrip("/"))[-2:]))
        tags = [one for one in facts.source_tags(repo) if one.exists]
        at = next((n for n, one in enumerate(tags) if one.tag == source.tag), len(tags))
        for one in tags[at + 1 :]:
            yield _source_step(env, lock, source, tags[at], one)


def _source_step(
    env: Environment, lock: Lock, source: Source, now: facts.SourceTag, tag: facts.SourceTag
) -> Step:
    already = _unmet(env, lock, now)
    wants = [one for one in _unmet(env, lock, tag) if one not in already]
    more = f" and {len(wants) - _SHOWN} more" if len(wants) > _SHOWN else ""
    asks = [f"it asks for {', '.join(wants[:_SHOWN])}{more}"] if wants else []
    opens, closes = _advised(env, lock, source.name, source.tag, tag.tag)
    return Step(
        kind="source",
        name=source.name,
        used=source.tag,
        to=tag.tag,
        opens=(*asks, *opens),
        closes=tuple(closes),
        notes=(f"of {tag.tagged}",) if tag.tagged else (),
    )


def _unmet(env: Environment, lock: Lock, tag: facts.SourceTag) -> list[str]:
    """What a tag asks for and the lock does not hold."""
    used, torch = recommendations.used(env, lock), str(env.service.torch.version)
    floor = [f"torch>={tag.min_torch}"] if tag.min_torch and releases.later(tag.min_torch, torch) else []
    return floor + [
        f"{name}{says}" for name, says in tag.pins.items() if says and not _held(used, name, says)
    ]


def _held(used: Mapping[str, str], name: str, says: str) -> bool:
    value = used.get(canonicalize_name(name.partition("[")[0]))
    return value is not None and recommendations.satisfied(says, value)


def asked(env: Environment, lock: Lock) -> tuple[str, ...]:
    """The packages that may move by themselves: not torch's family, what only it wants, or a wheel with an ABI."""
    apart = {*env.service.torch.family, *facts.abi_packages()}
    layers = [layer for layer in lock.layers if layer.name not in {TORCH, TORCH_DEPS}]
    return tuple(sorted({p.name for layer in layers for p in layer.packages} - apart))


def _packages(env: Environment, lock: Lock, newest: Mapping[str, str]) -> Iterator[Step]:
    declared = _declared(env)
    for name in sorted(asked(env, lock), key=lambda name: (name not in declared, name)):
        used, to = lock.all[name].version, newest.get(name, "")
        if releases.later(to, used):
            opens, closes = _effects(env, lock, name, {name: to})
            wanted = [one for one in lock.all[name].wanted_by if one != env.service.name]
            notes = () if name in declared else (f"wanted by {', '.join(wanted)}",)
            yield Step(
                kind="package",
                name=name,
                used=used,
                to=to,
                where=("PyPI",),
                opens=opens,
                closes=closes,
                notes=notes,
            )


def outdated_lines(found: Sequence[Outlook]) -> list[str]:
    """What could move, for people: what all later releases of torch open or close is told once."""
    return [line for one in found for line in _outlook_lines(one)]


def _outlook_lines(one: Outlook) -> Iterator[str]:
    yield (
        f"{one.environment}: {len(one.steps)} could move"
        if one.steps
        else f"{one.environment}: nothing could move"
    )
    torch = [step for step in one.steps if step.kind == "torch"]
    shared = _shared(torch)
    for step in one.steps:
        name = f"source {step.name}" if step.kind == "source" else step.name
        where = f" from {', '.join(step.where)}" if step.kind == "torch" else ""
        notes = f" ({'; '.join(step.notes)})" if step.notes else ""
        yield f"  {name} {step.used} -> {step.to}{where}{notes}"
        yield from _effect_lines(step, without=shared if step in torch[1:] else frozenset())
    yield from (f"  note: {note}" for note in one.notes)


def _shared(steps: Sequence[Step]) -> frozenset[str]:
    """What every one of several steps opens or closes; nothing where there is one alone."""
    told = [frozenset((*step.opens, *step.closes)) for step in steps]
    return frozenset.intersection(*told) if len(told) > 1 else frozenset()


def _effect_lines(step: Step, *, without: frozenset[str]) -> Iterator[str]:
    yield from (f"      opens: {one}" for one in step.opens if one not in without)
    yield from (f"      closes: {one}" for one in step.closes if one not in without)
    if without:
        yield "      and what all of them open and close, as told above"
