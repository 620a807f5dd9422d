"""A lock as it would be: the present one with what is certain to move moved, so that the judge can look ahead offline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.checks.rules.sources import known_tags
from torchpin.compat import hidden_requirements, pins, recommendations
from torchpin.compat.wheels import abi_wheels
from torchpin.description import environments
from torchpin.errors import InputError
from torchpin.lock import layers
from torchpin.model import Upstream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact, Environment, LayerLock, Lock, Source


def foreseen(env: Environment, lock: Lock) -> Lock | None:
    """The lock of an environment after a bump, as far as facts tell; what only a resolver knows stays as it is.

    None where it would tell nothing true: another Python has other files, and a moved source may ask for what no fact
    tells.
    """
    if any(layer.python != str(env.service.python) for layer in lock.layers):
        return None
    upstreams = [_upstream(source, lock) for source in env.service.sources if source.requirements]
    if None in upstreams:
        return None
    versions, wheels = _versions(env, lock), _wheels(env)

    def package(one: Artifact) -> Artifact:
        if one.name in wheels:
            wheel = wheels[one.name]
            return replace(one, version=wheel.version, filename=wheel.filename, sha256=wheel.sha256)
        return replace(one, version=_foreseen(one.version, versions.get(one.name, ""), env))

    def layer(one: LayerLock) -> LayerLock:
        return replace(one, answers=layers.answers(env, one.name), packages=tuple(map(package, one.packages)))

    known = {*layers.layer_names(env), layers.GIVEN}
    return replace(
        lock,
        layers=tuple(layer(one) if one.name in known else one for one in lock.layers),
        given=layer(lock.given) if lock.given else None,
        build=replace(lock.build, answers=layers.answers(env, "build")) if lock.build else None,
        upstreams=tuple(one for one in upstreams if one),
    )


def _foreseen(held: str, to: str, env: Environment) -> str:
    """A version after the bump; the held one where it is the same, whose channel writes its name into some files only."""
    here = Version(held)
    same = bool(to) and Version(to).public == here.public and here.local in {None, env.variant.channel}
    return held if not to or (same and "+" not in to) else to


def _versions(env: Environment, lock: Lock) -> dict[str, str]:
    """What is pinned, and what torch's build pins in turn: by the recorded metadata, else by the facts of its release."""
    local = f"+{env.variant.channel}" if _has_local(env) else ""
    family = {*env.service.torch.family}
    own: dict[str, str] = {
        name: f"{pin.version}{local if name in family else ''}"
        for name, pin in pins.pins(env, None).items()
        if name != "cudnn"
    }
    return {**_brought(env, lock), **own}


def _has_local(env: Environment) -> bool:
    return env.variant.channel != "pypi" and env.variant.platform == "linux/amd64"


def _brought(env: Environment, lock: Lock) -> dict[str, str]:
    """What torch's build asks for, by its metadata or else by floors: exact pins, and the least where the lock holds less."""
    build, version = environments.torch_build(env), str(env.service.torch.version)
    rows = [
        row
        for row in facts.metadata()
        if (row.package, row.channel, row.version.partition("+")[0]) == ("torch", build, version)
    ]
    found: dict[str, str] = {}
    asked = (
        rows[0].requires_dist if rows else hidden_requirements.seen(env, "torch", env.service.torch.version)
    )
    for requirement in recommendations.requirements(asked, env):
        name = canonicalize_name(requirement.name)
        bounds = {one.operator: one.version for one in requirement.specifier}
        least = bounds.get("==") or bounds.get(">=")
        held = lock.all.get(name)
        if least and "*" not in least and held and held.version not in requirement.specifier:
            found[name] = least
    cudnn = pins.cudnn(env)
    if not rows and cudnn:
        found["nvidia-cudnn-cu12"] = cudnn
    return found


def _wheels(env: Environment) -> Mapping[str, facts.Wheel]:
    try:
        return abi_wheels(env)
    except InputError:  # no wheel fits: that is for the judge to tell
        return {}


def _upstream(source: Source, lock: Lock) -> Upstream | None:
    held = next((one for one in lock.upstreams if one.source == source.name), None)
    if held and (held.tag, held.commit) == (source.tag, source.commit):
        return held
    row = next((one for one in known_tags(source) if one.tag == source.tag and one.pins), None)
    if row is None:
        return None
    return Upstream(
        source=source.name,
        tag=source.tag,
        commit=source.commit,
        file=str(source.requirements),
        requirements=tuple(f"{name}{says}" for name, says in row.pins.items()),
    )
