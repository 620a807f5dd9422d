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
from torchpin.compat import releases, undeclared_requirements
from torchpin.compat.recommendations import list_recommendations, satisfies, used_components
from torchpin.lock.layers import TORCH, TORCH_DEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.model import Environment, LayerLock, Lock, Source

_CUDA_IMAGE = re.compile(r"(?P<head>(?:docker\.io/)?nvidia/cuda:\d+\.\d+)\.(?P<patch>\d+)(?P<tail>-.+)")
_MAX_PATCHES = 10  # NVIDIA has never had more of one minor
_MAX_SHOWN = 4  # of a source's own requirements that the lock does not meet


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """One thing that could move. `closes`: what would be right that is not; `opens`: what would not be right any more."""

    kind: Literal["torch", "base", "source", "package"]
    name: str
    used: str
    to: str
    served_by: tuple[str, ...] = ()
    introduces: tuple[str, ...] = ()
    resolves: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateList:
    """All that could move in an environment; `notes`: what cannot, and why, and what was not asked."""

    environment: str
    updates: tuple[Update, ...]
    notes: tuple[str, ...] = ()


def list_updates(env: Environment, lock: Lock, newest: Mapping[str, str] | None) -> UpdateList:
    """An environment's steps; `newest` are the newest versions on PyPI by package, None where PyPI was not asked."""
    steps = (
        *_torch_updates(env, lock),
        *_base_updates(env),
        *_source_updates(env, lock),
        *_package_updates(env, lock, newest or {}),
    )
    notes = (*_torch_notes(env), *(("PyPI was not asked",) if newest is None else ()))
    return UpdateList(environment=env.name, updates=steps, notes=notes)


# --- what a move does to the rest ------------------------------------------------------------------------------------


def _replace_versions(lock: Lock, versions: Mapping[str, str]) -> Lock:
    """A lock with some packages at other versions; the rest stays, as if nobody resolved again."""

    def layer(layer_lock: LayerLock) -> LayerLock:
        packages = tuple(
            replace(package, version=versions.get(package.name, package.version))
            for package in layer_lock.packages
        )
        return replace(layer_lock, packages=packages)

    return replace(
        lock, layers=tuple(map(layer, lock.layers)), provided=layer(lock.provided) if lock.provided else None
    )


def _declared_names(env: Environment) -> set[str]:
    packages = {canonicalize_name(package.name) for layer in env.service.layers for package in layer.packages}
    return packages | {*env.service.torch.family}


def _unmet_requirements(env: Environment, lock: Lock) -> dict[str, str]:
    """The floors that do not hold, by id. One that the metadata tells counts where both ends are pinned by people."""
    declared, gpus = _declared_names(env), [facts.gpu(name) for name in env.service.gpus]
    return {
        standing.undeclared.id: _requirement_message(env, lock, standing)
        for standing in undeclared_requirements.evaluate(env, lock, include_metadata=True)
        if standing.satisfied is False
        if not standing.undeclared.seen or {standing.package, standing.required} <= declared
        if standing.undeclared.capability is None
        or any(undeclared_requirements.applies_to(standing.undeclared, gpu) for gpu in gpus)
    }


def _requirement_message(
    env: Environment, lock: Lock, standing: undeclared_requirements.RequirementStatus
) -> str:
    needs, version = standing.undeclared.needs.partition(";")[0], lock.all_packages[standing.package].version
    torch = (
        Version(lock.all_packages["torch"].version)
        if "torch" in lock.all_packages
        else env.service.torch.version
    )
    replacement = undeclared_requirements.replacement(standing.undeclared, torch, env.service.gpus)
    hint = f" ({replacement} ends it)" if replacement else ""
    return f"{standing.package} {version} needs {needs}: {standing.undeclared.because}{hint}"


def _requirement_changes(
    env: Environment, lock: Lock, versions: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """The floors that a move opens, and those that it closes."""
    before, after = (
        _unmet_requirements(env, lock),
        _unmet_requirements(env, _replace_versions(lock, versions)),
    )
    return [after[id_] for id_ in after if id_ not in before], [
        before[id_] for id_ in before if id_ not in after
    ]


def _recommendation_changes(
    env: Environment, lock: Lock, component: str, used: str, to: str
) -> tuple[list[str], list[str]]:
    """The advisers whose words a move leaves, and those whose words it meets."""
    advice = {
        canonicalize_name(name): recommendations
        for name, recommendations in list_recommendations(env, lock).items()
    }
    opens, closes = [], []
    for adviser, requirement in advice.get(canonicalize_name(component), ()):
        met = satisfies(requirement, used), satisfies(requirement, to)
        if met[0] and not met[1]:
            opens.append(f"{adviser} says {requirement}")
        elif met[1] and not met[0]:
            closes.append(f"{adviser} says {requirement}")
    return opens, closes


def _update_effects(
    env: Environment, lock: Lock, name: str, versions: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What moving a package, and others with it, opens and closes."""
    used = lock.all_packages[name].version if name in lock.all_packages else ""
    opens, closes = _requirement_changes(env, lock, versions)
    left, met = _recommendation_changes(env, lock, name, used, versions[name])
    return (*opens, *left), (*closes, *met)


# --- torch -----------------------------------------------------------------------------------------------------------


def _torch_updates(env: Environment, lock: Lock) -> Iterator[Update]:
    """The newest release of each later series, and the newest of this one, that some channel serves for this Python."""
    served = {
        release.version: releases.serving_channels(env, release)
        for release in releases.newer_releases(env)
        if releases.supports_python(env, release)
    }
    usable = [version for version, channels in served.items() if channels]
    series = {releases.series(version): version for version in sorted(usable, key=Version)}
    same_channel = [version for version in usable if env.variant.channel in served[version]]
    for version in series.values():
        yield _torch_update(env, lock, version, served[version])
    for version in same_channel[-1:]:
        if version not in series.values():
            yield _torch_update(env, lock, version, served[version])


def _torch_update(env: Environment, lock: Lock, version: str, channels: tuple[str, ...]) -> Update:
    used, family = str(env.service.torch.version), releases.family_versions(env, version)
    versions = {
        name: member_version
        for name, member_version in family.items()
        if member_version and name in lock.all_packages
    }
    opens, closes = _update_effects(env, lock, "torch", {**versions, "torch": version})
    lost, gained = releases.gpu_changes(env, version, channels)
    missing = [
        f"facts know no {name} for it" for name, member_version in family.items() if not member_version
    ]
    wheels = releases.missing_abi_wheels(env, version, channels)
    companions = ", ".join(
        f"{name} {member_version}"
        for name, member_version in family.items()
        if member_version and name in env.service.torch.companions
    )
    notes = [f"with {companions}"] if companions else []
    if any(releases.is_from_matrix_only(name, version) for name in channels):
        notes.append("served as the release matrix says: the recorded pages end before it")
    return Update(
        kind="torch",
        name="torch",
        used=used,
        to=version,
        served_by=channels,
        introduces=(*lost, *missing, *wheels, *opens),
        resolves=(*gained, *closes),
        notes=tuple(notes),
    )


def _torch_notes(env: Environment) -> Iterator[str]:
    torch, channel = env.service.torch, facts.channel(env.variant.channel)
    newer = releases.newer_releases(env)
    served = [
        release.version
        for release in newer
        if releases.supports_python(env, release)
        and env.variant.channel in releases.serving_channels(env, release)
    ]
    if not served:
        ended = ", which has ended" if channel and channel.ended else ""
        yield f"torch {torch.version} is the newest that facts know on {env.variant.channel}{ended}"
    unfit = [release.version for release in newer if not releases.supports_python(env, release)]
    if unfit:
        yield f"torch {', '.join(unfit)} has no wheel for Python {env.service.python}"
    if torch.origin == "base":
        yield "torch comes with the base image, and moves with it"


# --- base, sources, packages -----------------------------------------------------------------------------------------


def _base_updates(env: Environment) -> Iterator[Update]:
    """Later patches of the base's CUDA minor, in the same shape."""
    match, current = _CUDA_IMAGE.fullmatch(env.base.image), facts.base_image(env.base.image)
    if not match:
        return
    first = int(match["patch"]) + 1
    for patch in range(first, first + _MAX_PATCHES):
        image = f"{match['head']}.{patch}{match['tail']}"
        row = facts.base_image(image)
        if row is None:
            continue
        leaves_end_of_life = current and current.status == "end-of-life" and row.status != "end-of-life"
        yield Update(
            kind="base",
            name="base image",
            used=env.base.image,
            to=image,
            introduces=("end-of-life",) if row.status == "end-of-life" else (),
            resolves=(f"{env.base.image} is end-of-life",) if leaves_end_of_life else (),
        )


def _source_updates(env: Environment, lock: Lock) -> Iterator[Update]:
    for source in env.service.sources:
        repo = re.sub(r"\.git$", "", "/".join(re.split(r"[/:]", source.url.rstrip("/"))[-2:]))
        tags = [tag for tag in facts.source_tags(repo) if tag.exists]
        position = next((number for number, tag in enumerate(tags) if tag.tag == source.tag), len(tags))
        for tag in tags[position + 1 :]:
            yield _source_update(env, lock, source, tags[position], tag)


def _source_update(
    env: Environment, lock: Lock, source: Source, current: facts.SourceTag, tag: facts.SourceTag
) -> Update:
    already_unmet = _unmet_source_pins(env, lock, current)
    new_requirements = [
        requirement for requirement in _unmet_source_pins(env, lock, tag) if requirement not in already_unmet
    ]
    suffix = f" and {len(new_requirements) - _MAX_SHOWN} more" if len(new_requirements) > _MAX_SHOWN else ""
    requirement_notes = (
        [f"it asks for {', '.join(new_requirements[:_MAX_SHOWN])}{suffix}"] if new_requirements else []
    )
    opens, closes = _recommendation_changes(env, lock, source.name, source.tag, tag.tag)
    return Update(
        kind="source",
        name=source.name,
        used=source.tag,
        to=tag.tag,
        introduces=(*requirement_notes, *opens),
        resolves=tuple(closes),
        notes=(f"of {tag.tagged}",) if tag.tagged else (),
    )


def _unmet_source_pins(env: Environment, lock: Lock, tag: facts.SourceTag) -> list[str]:
    """What a tag asks for and the lock does not hold."""
    used, torch = used_components(env, lock), str(env.service.torch.version)
    floor = [f"torch>={tag.min_torch}"] if tag.min_torch and releases.is_later(tag.min_torch, torch) else []
    return floor + [
        f"{name}{requirement}"
        for name, requirement in tag.pins.items()
        if requirement and not _is_satisfied(used, name, requirement)
    ]


def _is_satisfied(used: Mapping[str, str], name: str, requirement: str) -> bool:
    value = used.get(canonicalize_name(name.partition("[")[0]))
    return value is not None and satisfies(requirement, value)


def independent_packages(env: Environment, lock: Lock) -> tuple[str, ...]:
    """The packages that may move by themselves: not torch's family, what only it wants, or a wheel with an ABI."""
    excluded = {*env.service.torch.family, *facts.abi_packages()}
    layers = [layer for layer in lock.layers if layer.name not in {TORCH, TORCH_DEPS}]
    return tuple(sorted({package.name for layer in layers for package in layer.packages} - excluded))


def _package_updates(env: Environment, lock: Lock, newest: Mapping[str, str]) -> Iterator[Update]:
    declared = _declared_names(env)
    for name in sorted(independent_packages(env, lock), key=lambda name: (name not in declared, name)):
        used, to = lock.all_packages[name].version, newest.get(name, "")
        if releases.is_later(to, used):
            opens, closes = _update_effects(env, lock, name, {name: to})
            parents = [parent for parent in lock.all_packages[name].required_by if parent != env.service.name]
            notes = () if name in declared else (f"wanted by {', '.join(parents)}",)
            yield Update(
                kind="package",
                name=name,
                used=used,
                to=to,
                served_by=("PyPI",),
                introduces=opens,
                resolves=closes,
                notes=notes,
            )


def outdated_lines(env_outlooks: Sequence[UpdateList]) -> list[str]:
    """What could move, for people: what all later releases of torch open or close is told once."""
    return [line for outlook in env_outlooks for line in _outlook_lines(outlook)]


def _outlook_lines(outlook: UpdateList) -> Iterator[str]:
    yield (
        f"{outlook.environment}: {len(outlook.updates)} could move"
        if outlook.updates
        else f"{outlook.environment}: nothing could move"
    )
    torch = [step for step in outlook.updates if step.kind == "torch"]
    shared = _shared_effects(torch)
    for step in outlook.updates:
        name = f"source {step.name}" if step.kind == "source" else step.name
        origin = f" from {', '.join(step.served_by)}" if step.kind == "torch" else ""
        notes = f" ({'; '.join(step.notes)})" if step.notes else ""
        yield f"  {name} {step.used} -> {step.to}{origin}{notes}"
        yield from effect_lines(step, without=shared if step in torch[1:] else frozenset())
    yield from (f"  note: {note}" for note in outlook.notes)


def _shared_effects(steps: Sequence[Update]) -> frozenset[str]:
    """What every one of several steps opens or closes; nothing where there is one alone."""
    effects = [frozenset((*step.introduces, *step.resolves)) for step in steps]
    return frozenset.intersection(*effects) if len(effects) > 1 else frozenset()


def effect_lines(step: Update, *, without: frozenset[str]) -> Iterator[str]:
    yield from (f"      opens: {effect}" for effect in step.introduces if effect not in without)
    yield from (f"      closes: {effect}" for effect in step.resolves if effect not in without)
    if without:
        yield "      and what all of them open and close, as told above"
