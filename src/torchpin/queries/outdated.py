"""Available updates of an environment, and what each would introduce or resolve, as far as facts say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat import partners, releases, undeclared_requirements
from torchpin.compat.pins import declared_names
from torchpin.compat.recommendations import list_recommendations, satisfies, used_components
from torchpin.compat.sources import recorded_tags
from torchpin.description.environments import service_index
from torchpin.facts.versions import is_later, major_minor
from torchpin.lock.export import FILE_ORIGINS
from torchpin.lock.layers import TORCH, TORCH_DEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.model import Environment, LayerLock, Lock, Source

_CUDA_IMAGE = re.compile(
    r"(?P<head>(?:[\w.-]+(?::\d+)?/)?(?:[\w.-]+/)*nvidia/cuda:\d+\.\d+)\.(?P<patch>\d+)(?P<tail>-.+)"
)
_MAX_PATCHES = 10  # of one minor of CUDA; NVIDIA has never published more
_MAX_SHOWN = 4  # of a source's requirements that the lock does not meet; the others are counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """One available update. `introduces`: problems and deviations that it brings; `resolves`: those that it ends."""

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
    """The available updates of an environment; `notes`: what has none and why, and what was not queried."""

    environment: str
    updates: tuple[Update, ...]
    notes: tuple[str, ...] = ()


def list_updates(env: Environment, lock: Lock, newest: Mapping[str, str] | None) -> UpdateList:
    """An environment's updates. `newest`: the newest versions on PyPI by package; None: PyPI was not queried."""
    updates = (
        *_torch_updates(env, lock),
        *_base_updates(env),
        *_source_updates(env, lock),
        *_package_updates(env, lock, newest or {}),
    )
    notes = (
        *_torch_notes(env),
        *_origin_notes(env, lock),
        *(("PyPI was not queried",) if newest is None else ()),
    )
    return UpdateList(environment=env.name, updates=updates, notes=notes)


def _replace_versions(lock: Lock, versions: Mapping[str, str]) -> Lock:
    """A lock with some packages at other versions; nothing is resolved again."""

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
    return {*declared_names(env.layers), *env.service.torch.family}


def _unmet_requirements(env: Environment, lock: Lock) -> dict[str, str]:
    """The unmet undeclared requirements, by id. One that metadata declares counts only if both packages are pinned.

    Where one of them is not pinned the resolver selects a version that meets the requirement.
    """
    declared, gpus = _declared_names(env), [facts.gpu(name) for name in env.service.gpus]
    return _unmet_partners(env, lock) | {
        evaluation.undeclared.id: _requirement_message(env, lock, evaluation)
        for evaluation in undeclared_requirements.evaluate(env, lock, include_metadata=True)
        if evaluation.satisfied is False
        if not evaluation.undeclared.seen or {evaluation.package, evaluation.required} <= declared
        if evaluation.undeclared.capability is None
        or any(undeclared_requirements.applies_to(evaluation.undeclared, gpu) for gpu in gpus)
    }


def _unmet_partners(env: Environment, lock: Lock) -> dict[str, str]:
    """The declared packages that do not go with the torch of a lock, by name."""
    torch = lock.all_packages.get("torch")
    version = Version(torch.version) if torch else env.service.torch.version
    messages: dict[str, str] = {}
    for name in sorted(_declared_names(env) & {*facts.partners()} & {*lock.all_packages}):
        used = Version(lock.all_packages[name].version)
        row = partners.partner_row(name, used)
        if row and partners.goes_with(row, version) is False:
            best = partners.best_choice(name, version)
            hint = f" ({name}=={best.version} does)" if best else ""
            messages[name] = f"{name} {used.public} does not go with torch {version.public}{hint}"
    return messages


def _requirement_message(
    env: Environment, lock: Lock, evaluation: undeclared_requirements.RequirementStatus
) -> str:
    needs = evaluation.undeclared.needs.partition(";")[0]
    version = lock.all_packages[evaluation.package].version
    replacement = undeclared_requirements.replacement(evaluation.undeclared, env.service.gpus)
    hint = f" ({replacement} meets it)" if replacement else ""
    return f"{evaluation.package} {version} requires {needs}: {evaluation.undeclared.because}{hint}"


def _requirement_changes(
    env: Environment, lock: Lock, versions: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """The undeclared requirements that an update leaves unmet, and those that it meets."""
    before = _unmet_requirements(env, lock)
    after = _unmet_requirements(env, _replace_versions(lock, versions))
    introduced = [message for id_, message in after.items() if id_ not in before]
    resolved = [message for id_, message in before.items() if id_ not in after]
    return introduced, resolved


def _recommendation_changes(
    env: Environment, lock: Lock, component: str, used: str, to: str
) -> tuple[list[str], list[str]]:
    """The recommendations that an update no longer follows, and those that it follows anew."""
    advice = {
        canonicalize_name(name): recommendations
        for name, recommendations in list_recommendations(env, lock).items()
    }
    introduced, resolved = [], []
    for adviser, requirement in advice.get(canonicalize_name(component), ()):
        met = satisfies(requirement, used), satisfies(requirement, to)
        if met[0] and not met[1]:
            introduced.append(f"{adviser} says {requirement}")
        elif met[1] and not met[0]:
            resolved.append(f"{adviser} says {requirement}")
    return introduced, resolved


def _update_effects(
    env: Environment, lock: Lock, name: str, versions: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What an update of a package, and of others with it, introduces and resolves."""
    used = lock.all_packages[name].version if name in lock.all_packages else ""
    introduced, resolved = _requirement_changes(env, lock, versions)
    left, met = _recommendation_changes(env, lock, name, used, versions[name])
    return (*introduced, *left), (*resolved, *met)


def _torch_updates(env: Environment, lock: Lock) -> Iterator[Update]:
    """The newest release of each later series, and the newest of this one, that some channel serves for this Python."""
    served = {
        release.version: releases.serving_channels(env, release)
        for release in releases.newer_releases(env)
        if releases.supports_python(env, release)
    }
    usable = [version for version, channels in served.items() if channels]
    # In ascending order the newest release of a series is the last one under its key.
    series = {major_minor(version): version for version in sorted(usable, key=Version)}
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
    introduced, resolved = _update_effects(env, lock, "torch", {**versions, "torch": version})
    lost, gained = releases.gpu_changes(env, version, channels)
    missing = [
        f"no matching {name} is known" for name, member_version in family.items() if not member_version
    ]
    wheels = releases.missing_abi_wheels(env, version, channels)
    companions = ", ".join(
        f"{name} {member_version}"
        for name, member_version in family.items()
        if member_version and name in env.service.torch.companions
    )
    notes = [f"with {companions}"] if companions else []
    if any(releases.is_from_matrix_only(name, version) for name in channels):
        notes.append("by the release matrix, not in the index snapshots")
    return Update(
        kind="torch",
        name="torch",
        used=used,
        to=version,
        served_by=channels,
        introduces=(*lost, *missing, *wheels, *introduced),
        resolves=(*gained, *resolved),
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
        ended = ", which is frozen" if channel and channel.ended else ""
        yield f"torch {torch.version} is the newest known release on {env.variant.channel}{ended}"
    unfit = [release.version for release in newer if not releases.supports_python(env, release)]
    if unfit:
        yield f"torch {', '.join(unfit)} has no wheel for Python {env.service.python}"
    if torch.origin == "base":
        yield "torch comes from the base image, and is updated with it"


def _base_updates(env: Environment) -> Iterator[Update]:
    """Later patches of the base's CUDA minor, in the same shape."""
    match, current = _CUDA_IMAGE.fullmatch(env.base.image), facts.base_image(env.base.image)
    if not match:
        return
    first = int(match["patch"]) + 1
    for patch in range(first, first + _MAX_PATCHES):
        image = f"{match['head']}.{patch}{match['tail']}"
        row = facts.base_image(image)
        if row is None or not row.listed:
            continue
        leaves_end_of_life = current and current.status == "end-of-life" and row.status != "end-of-life"
        yield Update(
            kind="base",
            name="base image",
            used=env.base.image,
            to=image,
            introduces=(f"{image} is end of life",) if row.status == "end-of-life" else (),
            resolves=(f"{env.base.image} is end of life",) if leaves_end_of_life else (),
        )


def _source_updates(env: Environment, lock: Lock) -> Iterator[Update]:
    for source in env.service.sources:
        tags = [tag for tag in recorded_tags(source) if tag.exists]
        position = next(
            (
                number
                for number, tag in enumerate(tags)
                if tag.tag == source.tag or (not source.tag and tag.commit == source.commit)
            ),
            len(tags),
        )
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
        [f"it requires {', '.join(new_requirements[:_MAX_SHOWN])}{suffix}"] if new_requirements else []
    )
    introduced, resolved = _recommendation_changes(env, lock, source.name, source.version, tag.tag)
    return Update(
        kind="source",
        name=source.name,
        used=source.version,
        to=tag.tag,
        introduces=(*requirement_notes, *introduced),
        resolves=tuple(resolved),
        notes=(f"tagged {tag.tagged}",) if tag.tagged else (),
    )


def _unmet_source_pins(env: Environment, lock: Lock, tag: facts.SourceTag) -> list[str]:
    """The requirements of a tag that the lock does not meet."""
    used, torch = used_components(env, lock), str(env.service.torch.version)
    minimum = [f"torch>={tag.min_torch}"] if tag.min_torch and is_later(tag.min_torch, torch) else []
    return minimum + [
        f"{name}{requirement}"
        for name, requirement in tag.pins.items()
        if requirement and not _is_satisfied(used, name, requirement)
    ]


def _is_satisfied(used: Mapping[str, str], name: str, requirement: str) -> bool:
    value = used.get(canonicalize_name(name.partition("[")[0]))
    return value is not None and satisfies(requirement, value)


def independent_packages(env: Environment, lock: Lock) -> tuple[str, ...]:
    """The packages that can be updated alone: not torch's family, its own dependencies, or a package bound to an ABI."""
    excluded = {*env.service.torch.family, *facts.abi_packages()}
    layers = [layer for layer in lock.layers if layer.name not in {TORCH, TORCH_DEPS}]
    on_pypi = {
        package.name
        for layer in layers
        for package in layer.packages
        if not package.origin and not service_index(env, layer.origin)
    }
    return tuple(sorted(on_pypi - excluded))


def _origin_notes(env: Environment, lock: Lock) -> Iterator[str]:
    """What is not looked for, since it is not from PyPI."""
    for layer in lock.layers:
        names = [package.name for package in layer.packages if not package.origin]
        if names and service_index(env, layer.origin):
            yield f"{', '.join(names)}: from the index {layer.origin}, where newer releases were not looked for"
        for package in layer.packages:
            if package.origin:
                yield f"{package.name}: from {FILE_ORIGINS[package.origin]}, so its newer releases are not known"


def _package_updates(env: Environment, lock: Lock, newest: Mapping[str, str]) -> Iterator[Update]:
    declared = _declared_names(env)
    for name in sorted(independent_packages(env, lock), key=lambda name: (name not in declared, name)):
        used, to = lock.all_packages[name].version, newest.get(name, "")
        if is_later(to, used):
            introduced, resolved = _update_effects(env, lock, name, {name: to})
            parents = [parent for parent in lock.all_packages[name].required_by if parent != env.service.name]
            notes = () if name in declared else (f"required by {', '.join(parents)}",)
            yield Update(
                kind="package",
                name=name,
                used=used,
                to=to,
                served_by=("PyPI",),
                introduces=introduced,
                resolves=resolved,
                notes=notes,
            )


def outdated_lines(env_outlooks: Sequence[UpdateList]) -> list[str]:
    """The updates as text. What every later release of torch opens or closes is listed once, before them."""
    return [line for outlook in env_outlooks for line in _outlook_lines(outlook)]


def _outlook_lines(outlook: UpdateList) -> Iterator[str]:
    number = len(outlook.updates)
    yield f"{outlook.environment}: {number or 'no'} update{'' if number == 1 else 's'} available"
    torch = [update for update in outlook.updates if update.kind == "torch"]
    shared = _shared_effects(torch)
    if torch:
        yield from (f"  every later torch: {effect}" for effect in _effects(torch[0], only=shared))
    for update in outlook.updates:
        name = f"source {update.name}" if update.kind == "source" else update.name
        origin = f" from {', '.join(update.served_by)}" if update.kind == "torch" else ""
        notes = f" ({'; '.join(update.notes)})" if update.notes else ""
        yield f"  {name} {update.used} -> {update.to}{origin}{notes}"
        effects = frozenset((*update.introduces, *update.resolves))
        yield from (
            f"      {effect}"
            for effect in _effects(update, only=effects - (shared if update in torch else frozenset()))
        )
    yield from (f"  note: {note}" for note in outlook.notes)


def _shared_effects(updates: Sequence[Update]) -> frozenset[str]:
    """The effects that each of several updates has; none of a single one."""
    effects = [frozenset((*update.introduces, *update.resolves)) for update in updates]
    return frozenset.intersection(*effects) if len(effects) > 1 else frozenset()


def _effects(update: Update, *, only: frozenset[str]) -> Iterator[str]:
    """The new findings of an update and those that it resolves, of these effects."""
    yield from (f"new finding: {effect}" for effect in update.introduces if effect in only)
    yield from (f"resolved finding: {effect}" for effect in update.resolves if effect in only)
