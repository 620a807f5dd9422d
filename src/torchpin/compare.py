"""What is used against what is recommended: the deviations that follow, and the state of reasons and waivers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin import plan
from torchpin.model import Deviation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Artifact, Environment, Lock

ABSENT = "not installed"


def used(env: Environment, lock: Lock) -> dict[str, str]:
    """What an environment uses, by component: packages by normalized name, sources by name, and the ground below them."""
    service = env.service
    cudnn = next((p.version for name, p in lock.all.items() if name.startswith("nvidia-cudnn-")), None)
    ground = {
        "python": str(service.python),
        "base": env.base.image,
        "cuda": plan.cuda(env) or "",
        "cudnn": cudnn or "",
    }
    return (
        {name: package.version for name, package in lock.all.items()}
        | {source.name: source.tag for source in service.sources}
        | {name: value for name, value in ground.items() if value}
    )


def satisfied(says: str, value: str) -> bool:
    """Whether a value is what somebody's words ask for.

    `0.25.0`, `>=0.21,<1`, `2.5.x`, `11.8 / 12.x` (either), `v0.10.0` (a tag, letter by letter), `implicit` (anything).
    A version without local part accepts every build of it, as pip does.
    """
    if says.strip() in {"implicit", "any"}:
        return True
    return any(_one(part.strip(), value) for part in re.split(r"\s+/\s+|\s+or\s+", says))


def _one(says: str, value: str) -> bool:
    if says == value:
        return True
    starred = re.sub(r"\.x\b", ".*", says)
    spec = starred if re.match(r"[<>=!~]", starred) else f"=={starred}"
    try:
        # `3.10`, as people say it, is every 3.10; `==1.4`, as a requirement says it, is not 1.4.1.
        if re.fullmatch(r"\d+\.\d+", says) and Version(value).release[:2] == Version(says).release:
            return True
        return SpecifierSet(spec).contains(Version(value), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def advice(env: Environment, lock: Lock) -> dict[str, list[tuple[str, str]]]:
    """Everything that anybody says, by component as first spelled: the description's advisers, then each source's own file."""
    said: dict[str, list[tuple[str, str]]] = {}
    spelled: dict[str, str] = {}
    for one in env.service.recommends:
        component = spelled.setdefault(_key(one.component), one.component)
        said.setdefault(component, []).append((one.by, one.says))
    for upstream in lock.upstreams:
        for requirement in _requirements(
            upstream.requirements, str(env.service.python), env.variant.platform
        ):
            name = canonicalize_name(requirement.name)
            component = spelled.setdefault(_key(name), name)
            words = str(requirement.specifier) or "any"
            said.setdefault(component, []).append((f"{upstream.source} {upstream.tag}", words))
    return said


def _requirements(lines: Iterable[str], python: str, platform: str) -> Iterable[Requirement]:
    target = {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "platform_machine": plan.MACHINES[platform],
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


def _key(component: str) -> str:
    return canonicalize_name(component)


def deviations(env: Environment, lock: Lock) -> tuple[Deviation, ...]:
    """Where an environment is not what somebody recommends, in the order of the advice.

    A choice inside a recommended range is listed too where people gave a reason for it.
    """
    values = used(env, lock)
    reasons = {_key(reason.component): reason for reason in env.service.reasons}
    found = []
    for component, said in advice(env, lock).items():
        value = values.get(_key(component), ABSENT)
        unmet = tuple((by, says) for by, says in said if value == ABSENT or not satisfied(says, value))
        reason = reasons.get(_key(component))
        ranges = tuple((by, says) for by, says in said if says.removeprefix("==") not in {value, "any"})
        if unmet:
            found.append(Deviation(component=component, says=unmet, used=value, reason=reason))
        elif reason and ranges:
            found.append(Deviation(component=component, says=ranges, used=value, reason=reason, choice=True))
    return tuple(found)


def stale_reasons(env: Environment, found: Iterable[Deviation]) -> tuple[str, ...]:
    """Components that people gave a reason for although nothing deviates (any more)."""
    explained = {_key(one.component) for one in found}
    return tuple(r.component for r in env.service.reasons if _key(r.component) not in explained)


def freeze_differences(freeze: str, lock: Lock) -> tuple[str, ...]:
    """How a `pip freeze` text differs from a lock: nothing, or one sentence a package."""
    pins = [line.split("==", 1) for line in freeze.splitlines() if "==" in line]
    frozen = {canonicalize_name(name): version for name, version in pins}
    optional = {package.name for layer in lock.layers if layer.optional for package in layer.packages}
    locked = {canonicalize_name(name): package.version for name, package in lock.packages.items()}
    return tuple(
        f"{name}: the lock says {locked.get(name, 'nothing')}, found is {frozen.get(name, 'nothing')}"
        for name in sorted({*frozen, *locked})
        if frozen.get(name) != locked.get(name) and not (name in optional and name not in frozen)
    )


def moved(before: Mapping[str, Artifact], after: Mapping[str, Artifact]) -> tuple[str, ...]:
    """What a new lock changes: one sentence a package that is added, removed or moved."""
    return tuple(
        f"{name} {before[name].version if name in before else '(new)'} -> {after[name].version if name in after else '(gone)'}"
        for name in sorted({*before, *after})
        if name not in before or name not in after or before[name].version != after[name].version
    )
