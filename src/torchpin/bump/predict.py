"""The predicted lock: the present one with the changes that are certain, so that the judge can run offline before a resolver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat import partners, undeclared_requirements
from torchpin.compat.pins import cudnn_version, list_pins, torch_metadata
from torchpin.compat.recommendations import applicable_requirements
from torchpin.compat.sources import recorded_tags
from torchpin.compat.wheels import abi_wheels
from torchpin.errors import InputError
from torchpin.lock import layers
from torchpin.lock.file_format import BUILD, PROVIDED, STAGE
from torchpin.model import Upstream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact, Environment, LayerLock, Lock, Source


def predict_lock(env: Environment, lock: Lock) -> Lock | None:
    """The lock of an environment after an update, as far as facts predict it; what only a resolver knows stays as it is.

    None where a prediction would be wrong: another Python has other files, and a source at another tag may require what no
    fact records.
    """
    if any(layer.python != str(env.service.python) for layer in lock.layers):
        return None
    upstreams = [_predict_upstream(source, lock) for source in env.service.sources if source.requirements]
    if None in upstreams:
        return None
    versions, wheels = _predicted_versions(env, lock), _abi_wheels(env)

    def package(artifact: Artifact) -> Artifact:
        if artifact.name in wheels:
            wheel = wheels[artifact.name]
            return replace(artifact, version=wheel.version, filename=wheel.filename, sha256=wheel.sha256)
        return replace(
            artifact, version=_predict_version(artifact.version, versions.get(artifact.name, ""), env)
        )

    def layer(layer_lock: LayerLock) -> LayerLock:
        return replace(
            layer_lock,
            inputs_digest=layers.inputs_digest(env, layer_lock.name),
            packages=tuple(map(package, layer_lock.packages)),
        )

    # the provided packages have no install step, but their versions change with the base image
    layer_names = {*layers.layer_names(env), PROVIDED}
    return replace(
        lock,
        layers=tuple(
            layer(layer_lock) if layer_lock.name in layer_names else layer_lock for layer_lock in lock.layers
        ),
        provided=layer(lock.provided) if lock.provided else None,
        build=replace(lock.build, inputs_digest=layers.inputs_digest(env, BUILD)) if lock.build else None,
        stage=replace(lock.stage, inputs_digest=layers.inputs_digest(env, STAGE)) if lock.stage else None,
        upstreams=tuple(upstream for upstream in upstreams if upstream),
    )


def _predict_version(locked: str, target: str, env: Environment) -> str:
    """The version after the update; the locked spelling where it is the same, since a channel adds its name to some files only."""
    current = Version(locked)
    same = (
        bool(target)
        and Version(target).public == current.public
        and current.local in {None, env.variant.channel}
    )
    return locked if not target or (same and "+" not in target) else target


def _predicted_versions(env: Environment, lock: Lock) -> dict[str, str]:
    """By package: the pins, and the requirements of torch's build from its recorded metadata, else from the facts of its release."""
    local = f"+{env.variant.channel}" if _has_local_version(env) else ""
    family = {*env.service.torch.family}
    exact_pins: dict[str, str] = {
        name: f"{pin.version}{local if name in family else ''}"
        for name, pin in list_pins(env, None).items()
        if name != "cudnn"
    }
    return {**_indirect_partners(env, lock), **_build_requirements(env, lock), **exact_pins}


def _indirect_partners(env: Environment, lock: Lock) -> dict[str, str]:
    """The partners of torch that other packages require, at the versions that go with it."""
    versions: dict[str, str] = {}
    for name in {*facts.partners()} & {*lock.all_packages}:
        locked = Version(lock.all_packages[name].version)
        best = partners.best_choice(name, env.service.torch.version, Version(locked.public))
        local = f"+{env.variant.channel}" if locked.local and _has_local_version(env) else ""
        if best and best.version != Version(locked.public):
            versions[name] = f"{best.version}{local}"
    return versions


def _has_local_version(env: Environment) -> bool:
    # PyPI has no local versions; on arm64 torch carries one in some releases only, its companions never
    return env.variant.channel != "pypi" and env.variant.platform == "linux/amd64"


def _build_requirements(env: Environment, lock: Lock) -> dict[str, str]:
    """What torch's build requires: exact pins, and minimum versions where the lock has less."""
    rows = torch_metadata(env)
    versions: dict[str, str] = {}
    requirement_lines = (
        rows[0].requires_dist
        if rows
        else undeclared_requirements.metadata_requirements(env, "torch", env.service.torch.version)
    )
    for requirement in applicable_requirements(requirement_lines, env):
        name = canonicalize_name(requirement.name)
        bounds = {clause.operator: clause.version for clause in requirement.specifier}
        minimum = bounds.get("==") or bounds.get(">=")
        locked = lock.all_packages.get(name)
        if minimum and "*" not in minimum and locked and locked.version not in requirement.specifier:
            versions[name] = minimum
    cudnn = cudnn_version(env)
    if not rows and cudnn:  # no recorded metadata: facts have at least the cuDNN of the release
        versions["nvidia-cudnn-cu12"] = cudnn
    return versions


def _abi_wheels(env: Environment) -> Mapping[str, facts.Wheel]:
    try:
        return abi_wheels(env)
    except InputError:  # no wheel fits: the judge reports that
        return {}


def _predict_upstream(source: Source, lock: Lock) -> Upstream | None:
    locked = next((upstream for upstream in lock.upstreams if upstream.source == source.name), None)
    if locked and (locked.tag, locked.commit) == (source.tag, source.commit):
        return locked
    row = next(
        (
            known_tag
            for known_tag in recorded_tags(source)
            if source.tag and known_tag.tag == source.tag and known_tag.pins
        ),
        None,
    )
    if row is None or source.install or len(source.requirements) != 1:
        return None
    return Upstream(
        source=source.name,
        tag=source.tag,
        commit=source.commit,
        file=source.requirements[0],
        requirements=tuple(f"{name}{specifier}" for name, specifier in row.pins.items()),
    )
