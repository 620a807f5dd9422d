"""Recommendations against the versions in use: deviations, and reasons that no longer have one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.compat.markers import marker_environment, marker_holds
from torchpin.compat.overrides import overrides, requirements_on
from torchpin.compat.pins import cudnn_version, list_pins
from torchpin.description.environments import cuda_version, torch_build
from torchpin.memory import remembered
from torchpin.model import Deviation, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Environment, Lock, Recommendation, Upstream

ABSENT = "not installed"
CONSTRAINT = "constraint of "  # before the file that says in which versions a package may be installed, if it is at all


def used_components(env: Environment, lock: Lock | None) -> dict[str, str]:
    """Component to its version in an environment: packages, sources (their tag or commit), Python, base image, CUDA, cuDNN.

    GPUs are components too, with their compute capability. Without a lock, only pins and facts count.
    """
    service = env.service
    packages = (
        _pinned_components(env)
        if lock is None
        else {name: package.version for name, package in lock.all_packages.items()}
    )
    # The name of the package has the CUDA major in it: nvidia-cudnn-cu11, nvidia-cudnn-cu12.
    cudnn = next((version for name, version in packages.items() if name.startswith("nvidia-cudnn-")), None)
    if lock is None and service.torch.origin == "index":
        cudnn = cudnn or cudnn_version(env)
    baseline = {
        "python": str(service.python),
        "base": env.base.image,
        "cuda": cuda_version(env) or "",
        "cudnn": cudnn or "",
    }
    capabilities = {
        _component_key(name): gpu.capability
        for name in service.gpus
        if (gpu := facts.gpu(name)) and gpu.capability
    }
    return (
        packages
        | {source.name: source.version for source in service.sources}
        | {name: value for name, value in baseline.items() if value}
        | capabilities
    )


def _pinned_components(env: Environment) -> dict[str, str]:
    """The versions that are known without a lock; those of torch and its companions with the local part of the build."""
    build = torch_build(env) if env.variant.platform == "linux/amd64" else None
    local = f"+{build}" if build else ""
    return {
        name: f"{pin.version}{local if name in env.service.torch.family else ''}"
        for name, pin in list_pins(env, None).items()
        if name != "cudnn"
    }


def is_undetermined(env: Environment, lock: Lock | None, component: str, values: Mapping[str, str]) -> bool:
    """Whether the version of a component is unknown: without a lock, or for the cuDNN of a base image that provides torch.

    What `values` lacks is known to be absent for CUDA and cuDNN of a CPU build, and for packages with an ABI in their
    wheel's name, which only a pin of their own installs.
    """
    key, cpu = _component_key(component), torch_build(env) == "cpu"
    if key in values or (cpu and key in {"cuda", "cudnn"}):
        return False
    if lock is not None:
        return key == "cudnn" and env.service.torch.origin == "base"
    return key not in facts.abi_packages()


def satisfies(requirement: str, value: str) -> bool:
    """Whether a value satisfies a recommendation as it is written.

    `0.25.0`, `>=0.21,<1`, `2.5.x`, `11.8 / 12.x` (either), `v0.10.0` (a tag, compared literally), `implicit` (anything).
    A version without local part accepts every build of it, as pip does.
    """
    if requirement.strip() in {"implicit", "any"}:
        return True
    return any(_satisfies_one(part.strip(), value) for part in re.split(r"\s+/\s+|\s+or\s+", requirement))


@lru_cache(maxsize=20_000)  # pages and checks ask it for each service, mostly of the same versions
def _satisfies_one(requirement: str, value: str) -> bool:
    if requirement == value:
        return True
    # only the version is compared here; ABI001 compares the other parts of the name
    if requirement.endswith(".whl"):
        return _wheel_version(requirement) == value.partition("+")[0]
    # The `x` of `2.5.x` is a wildcard, and a bare version means ==.
    starred = re.sub(r"\.x\b", ".*", requirement)
    spec = starred if re.match(r"[<>=!~]", starred) else f"=={starred}"
    try:
        # A bare `3.10` means every 3.10.x; `==1.4` is a specifier and does not match 1.4.1.
        if (
            re.fullmatch(r"\d+\.\d+", requirement)
            and Version(value).release[:2] == Version(requirement).release
        ):
            return True
        return SpecifierSet(spec).contains(Version(value), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _wheel_version(file: str) -> str:
    """The version in a wheel's file name or URL, without its local part."""
    return re.split(r"\+|%2B", file.rpartition("/")[2].split("-")[1] if "-" in file else "")[0]


def applicable_recommendations(env: Environment, values: Mapping[str, str]) -> tuple[Recommendation, ...]:
    """The recommendations of the description, without the constraints of packages that are not in `values`."""
    rows = env.service.recommends
    return tuple(
        row for row in rows if not row.by.startswith(CONSTRAINT) or _component_key(row.component) in values
    )


def list_recommendations(env: Environment, lock: Lock | None) -> dict[str, list[tuple[str, str]]]:
    """Component, as first spelled, to its recommendations (who, what).

    Of the description, then of each source's requirements, then what packages require of an overridden one.
    """
    recommendations: dict[str, list[tuple[str, str]]] = {}
    spellings: dict[str, str] = {}  # component key to its first spelling
    for recommendation in applicable_recommendations(env, used_components(env, lock)):
        component = spellings.setdefault(_component_key(recommendation.component), recommendation.component)
        recommendations.setdefault(component, []).append((recommendation.by, recommendation.says))
    for upstream in lock.upstreams if lock else ():
        for requirement in applicable_requirements(upstream.requirements, env):
            name = canonicalize_name(requirement.name)
            component = spellings.setdefault(_component_key(name), name)
            specifier = str(requirement.specifier) or "any"
            recommendations.setdefault(component, []).append(
                (f"{upstream.source} {upstream.version}", specifier)
            )
    for overridden in overrides(env):
        component = spellings.setdefault(_component_key(overridden), overridden)
        for package, requirement in requirements_on(lock, overridden) if lock else ():
            recommendations.setdefault(component, []).append((package, str(requirement.specifier) or "any"))
    return recommendations


def applicable_requirements(lines: Iterable[str], env: Environment) -> Iterable[Requirement]:
    """The requirements whose markers hold in an environment; lines that are not requirements, or cannot be decided, are left out."""
    target = marker_environment(env)
    for line in lines:
        try:
            requirement = _requirement(line)
        except (InvalidRequirement, RecursionError):
            continue  # a path or a URL, which has no version to compare with; brackets that are nested too deep
        if marker_holds(requirement.marker, target):
            yield requirement


@lru_cache(maxsize=5_000)  # variants have the same sources, and many services the same torch
def _requirement(line: str) -> Requirement:
    return Requirement(line)


def installed_requirements(env: Environment, upstream: Upstream) -> Iterable[Requirement]:
    """The requirements of a source that are resolved with the pins, none where it is not installed."""
    for source in env.service.sources:
        if source.name == upstream.source and source.install:
            left_out = {*map(canonicalize_name, source.without)}
            for requirement in applicable_requirements(upstream.requirements, env):
                if canonicalize_name(requirement.name) not in left_out:
                    yield requirement


def source_names(env: Environment, lock: Lock) -> tuple[str, ...]:
    """The locked packages that installed sources ask for, in the order of their lines."""
    names = (
        canonicalize_name(row.name)
        for upstream in lock.upstreams
        for row in installed_requirements(env, upstream)
    )
    return tuple(dict.fromkeys(name for name in names if name in lock.packages))


def _component_key(component: str) -> str:
    """The key by which components are compared: GPUs by their main name, packages normalized."""
    gpu = facts.gpu(component)
    return canonicalize_name(gpu.name if gpu else component)


@remembered
def compute_deviations(env: Environment, lock: Lock | None) -> tuple[Deviation, ...]:
    """The deviations of an environment from its recommendations, in the order of the recommendations.

    A version inside the recommended ranges is included, as a choice, where the description gives a reason for it.
    Components whose version is unknown without a lock are left out.
    """
    values = used_components(env, lock)
    reasons = {_component_key(reason.component): reason for reason in env.service.reasons} | {
        _component_key(name): Reason(component=name, because=row.because, evidence=row.evidence)
        for name, row in overrides(env).items()
    }
    deviations = []
    for component, recommendations in list_recommendations(env, lock).items():
        if is_undetermined(env, lock, component, values):
            continue
        value = values.get(_component_key(component), ABSENT)
        unmet = tuple(
            (by, requirement)
            for by, requirement in recommendations
            if value == ABSENT or not satisfies(requirement, value)
        )
        reason = reasons.get(_component_key(component))
        ranges = tuple(
            (by, requirement)
            for by, requirement in recommendations
            if requirement.removeprefix("==") not in {value, "any"}
        )
        if unmet:
            deviations.append(
                Deviation(component=component, recommendations=unmet, used=value, reason=reason)
            )
        elif reason and ranges:
            deviations.append(
                Deviation(
                    component=component, recommendations=ranges, used=value, reason=reason, is_choice=True
                )
            )
    return tuple(deviations)


def stale_reasons(env: Environment, current_deviations: Iterable[Deviation]) -> tuple[str, ...]:
    """The components with a reason in the description for which there is no deviation."""
    explained = {_component_key(deviation.component) for deviation in current_deviations}
    return tuple(
        reason.component
        for reason in env.service.reasons
        if _component_key(reason.component) not in explained
    )
