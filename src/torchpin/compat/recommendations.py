"""What is used against what is recommended: the deviations that follow, and the state of reasons and waivers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.compat.pins import cudnn_version, list_pins
from torchpin.description.environments import MACHINES, cuda_version, torch_build
from torchpin.model import Deviation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Environment, Lock

ABSENT = "not installed"


def used_components(env: Environment, lock: Lock | None) -> dict[str, str]:
    """What an environment uses, by component: packages by normalized name, sources by name, and the ground below them.

    Of a GPU, its capability. Without a lock, only what the description and the facts tell.
    """
    service = env.service
    packages = (
        _pinned_components(env)
        if lock is None
        else {name: package.version for name, package in lock.all_packages.items()}
    )
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
        | {source.name: source.tag for source in service.sources}
        | {name: value for name, value in baseline.items() if value}
        | capabilities
    )


def _pinned_components(env: Environment) -> dict[str, str]:
    """What is known without a lock; of torch's family the very build, as it calls itself."""
    build = torch_build(env) if env.variant.platform == "linux/amd64" else None
    local = f"+{build}" if build else ""
    return {
        name: f"{pin.version}{local if name in env.service.torch.family else ''}"
        for name, pin in list_pins(env, None).items()
        if name != "cudnn"
    }


def is_undetermined(env: Environment, lock: Lock | None, component: str, values: Mapping[str, str]) -> bool:
    """Whether what a component is cannot be told: only a lock tells it, or it is the base image's own cuDNN.

    A CPU build is known to have no CUDA, and a wheel with an ABI in its name comes by its own pin alone.
    """
    key, cpu = _component_key(component), torch_build(env) == "cpu"
    if key in values or (cpu and key in {"cuda", "cudnn"}):
        return False
    if lock is not None:
        return key == "cudnn" and env.service.torch.origin == "base"
    return key not in facts.abi_packages()


def satisfies(requirement: str, value: str) -> bool:
    """Whether a value is what somebody's words ask for.

    `0.25.0`, `>=0.21,<1`, `2.5.x`, `11.8 / 12.x` (either), `v0.10.0` (a tag, letter by letter), `implicit` (anything).
    A version without local part accepts every build of it, as pip does.
    """
    if requirement.strip() in {"implicit", "any"}:
        return True
    return any(_satisfies_one(part.strip(), value) for part in re.split(r"\s+/\s+|\s+or\s+", requirement))


def _satisfies_one(requirement: str, value: str) -> bool:
    if requirement == value:
        return True
    if requirement.endswith(".whl"):  # whether the file is the right one is not a question of versions
        return _wheel_version(requirement) == value.partition("+")[0]
    starred = re.sub(r"\.x\b", ".*", requirement)
    spec = starred if re.match(r"[<>=!~]", starred) else f"=={starred}"
    try:
        # `3.10`, as people say it, is every 3.10; `==1.4`, as a requirement says it, is not 1.4.1.
        if (
            re.fullmatch(r"\d+\.\d+", requirement)
            and Version(value).release[:2] == Version(requirement).release
        ):
            return True
        return SpecifierSet(spec).contains(Version(value), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _wheel_version(file: str) -> str:
    """The version in a wheel's file name or address, without its local part."""
    return re.split(r"\+|%2B", file.rpartition("/")[2].split("-")[1] if "-" in file else "")[0]


def list_recommendations(env: Environment, lock: Lock | None) -> dict[str, list[tuple[str, str]]]:
    """Everything that anybody says, by component as first spelled: the description's advisers, then each source's own file."""
    recommendations: dict[str, list[tuple[str, str]]] = {}
    spelled: dict[str, str] = {}
    for recommendation in env.service.recommends:
        component = spelled.setdefault(_component_key(recommendation.component), recommendation.component)
        recommendations.setdefault(component, []).append((recommendation.by, recommendation.says))
    for upstream in lock.upstreams if lock else ():
        for requirement in applicable_requirements(upstream.requirements, env):
            name = canonicalize_name(requirement.name)
            component = spelled.setdefault(_component_key(name), name)
            specifier = str(requirement.specifier) or "any"
            recommendations.setdefault(component, []).append((f"{upstream.source} {upstream.tag}", specifier))
    return recommendations


def applicable_requirements(lines: Iterable[str], env: Environment) -> Iterable[Requirement]:
    """The lines that count in an environment and name a version that could be compared."""
    python, platform = str(env.service.python), env.variant.platform
    target = {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "platform_machine": MACHINES[platform],
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue  # a path or an address: nothing that a version could be compared with
        if requirement.marker is None or requirement.marker.evaluate({**target, "extra": ""}):
            yield requirement


def _component_key(component: str) -> str:
    gpu = facts.gpu(component)
    return canonicalize_name(gpu.name if gpu else component)


def compute_deviations(env: Environment, lock: Lock | None) -> tuple[Deviation, ...]:
    """Where an environment is not what somebody recommends, in the order of the advice.

    A choice inside a recommended range is listed too where people gave a reason for it. Without a lock, what only a
    lock tells is left out.
    """
    values = used_components(env, lock)
    reasons = {_component_key(reason.component): reason for reason in env.service.reasons}
    result = []
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
            result.append(Deviation(component=component, recommendations=unmet, used=value, reason=reason))
        elif reason and ranges:
            result.append(
                Deviation(
                    component=component, recommendations=ranges, used=value, reason=reason, is_choice=True
                )
            )
    return tuple(result)


def stale_reasons(env: Environment, current_deviations: Iterable[Deviation]) -> tuple[str, ...]:
    """Components that people gave a reason for although nothing deviates (any more)."""
    explained = {_component_key(deviation.component) for deviation in current_deviations}
    return tuple(
        reason.component
        for reason in env.service.reasons
        if _component_key(reason.component) not in explained
    )
