"""The torch of a draft: the base image's, the one that a line pins, or the newest that fits what the lines ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.adopt.draft_packages import FamilyRequest, package_request
from torchpin.adopt.draft_values import DraftAnswers, DrawnValue
from torchpin.compat import partners
from torchpin.compat.publication import published_releases, wheel_fit
from torchpin.facts.versions import is_version, major_minor
from torchpin.lint.registry import TORCH_FAMILY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.adopt.draft_packages import DraftPackages


_TORCH_IMAGE = re.compile(
    r"(?:^|[/_.-])(?:py)?torch(?![a-z])[^:]*:|/(?:vllm-openai|sglang|deepspeed):", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftTorch:
    """`version` and `channel`: "" where no line gives them; `absent`: why there is no torch at all.

    `follows_channel`: the release is unknown, and is chosen where the channel is known.
    """

    version: DrawnValue = field(default_factory=DrawnValue)
    channel: DrawnValue = field(default_factory=DrawnValue)
    from_base: bool = False
    companions: Mapping[str, Version] = field(default_factory=dict)
    absent: str = ""
    follows_channel: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchTarget:
    """What torch has to fit: the Python, as 3.12 or 3.12.4, "" for unknown, the platform, and the last day of its release."""

    python: str
    platform: str
    until: str = ""


def draft_torch(
    packages: DraftPackages,
    image: DrawnValue,
    target: TorchTarget,
    answers: DraftAnswers,
) -> DraftTorch:
    """The torch of an image, by its base image and by what its steps install."""
    requests = [request for request in packages.family if request.name == "torch"]
    requests = requests or [*_brought(packages)]
    pinned = next((request for request in requests if request.version), None)
    base = facts.base_image(image.value) if image.value else None
    is_own = base is None or base.own_build or not base.brings_torch
    from_base = (base.brings_torch if base else False) or _is_named_for_torch(image.value)
    from_base = from_base and not (is_own and pinned)
    if from_base:
        version, channel = _base_torch(base, image)
    elif not requests and answers.torch:
        version, channel = DrawnValue(), DrawnValue()
    elif not requests:
        return DraftTorch(absent="nothing that it installs is torch, or is known to require it")
    else:
        request = pinned or requests[0]
        packages.omitted += _other_releases(requests, request)
        channel = _answered(answers.channel) or _channel(request)
        version = _read_version(request) if pinned else _newest(packages, requests, channel.value, target)
        if not channel.value and request.channels and not pinned:
            version, channel = _highest(packages, requests, target)
    version = _answered(answers.torch) or version
    return DraftTorch(
        version=version,
        channel=_answered(answers.channel) or channel,
        from_base=from_base,
        companions=_companions(packages.family, version.value),
        follows_channel=not version.value and not from_base and not any(row.is_open for row in requests),
    )


def _answered(text: str) -> DrawnValue | None:
    return DrawnValue(value=text, reason="as asked for") if text else None


def _other_releases(requests: Iterable[FamilyRequest], chosen: FamilyRequest) -> Iterator[str]:
    """The lines that install another exact release than the drafted one, such as those of a further virtual environment."""
    for request in requests:
        if request.version and request.version.partition("+")[0] != chosen.version.partition("+")[0]:
            yield f"{request.text} at {request.location}, which another line installs at {chosen.version}"


def _is_named_for_torch(image: str) -> bool:
    """Whether the name of an image says that it has a torch, as NVIDIA's does also for a release that facts do not have."""
    return bool(_TORCH_IMAGE.search(image.partition("@")[0]))


def _base_torch(base: facts.BaseImage | None, image: DrawnValue) -> tuple[DrawnValue, DrawnValue]:
    """The torch of a base image and the channel of its build; for a publisher's own build the channel of the image's CUDA."""
    location, name = image.location, image.value.partition("@")[0]
    if base is None or not base.torch:
        reason = f"{name} has a torch whose release is not in the facts"
        return DrawnValue(location=location, reason=reason), DrawnValue(location=location, reason=reason)
    reason = f"{name} has torch {base.torch}"
    version = DrawnValue(value=base.torch.partition("+")[0], location=location, reason=reason)
    if not base.own_build:
        return version, DrawnValue(value=base.torch_channel or "", location=location, reason=reason)
    channel = f"cu{major_minor(base.cuda or '').replace('.', '')}"
    reason = f"{reason}, a build of its publisher's own, on no channel"
    choice = f"the channel of the image's CUDA {base.cuda}, which companions would come from"
    is_channel = base.cuda is not None and facts.channel(channel) is not None
    if not is_channel:
        return version, DrawnValue(location=location, reason=f"{reason}, and none is of its CUDA {base.cuda}")
    return version, DrawnValue(value=channel, location=location, reason=reason, choice=choice)


def _brought(packages: DraftPackages) -> Iterator[FamilyRequest]:
    """What packages require of torch, by the metadata of their releases, as requests at the places of the packages.

    Those of a package without a version may have changed: of it counts only that it requires torch.
    """
    for pin, step, req in packages.pinned.values():
        is_locked = req.origin == "lock"  # then torch would have a row, too
        version = Version(next(iter(pin.specifier)).version)
        for text in () if is_locked else _torch_requirements(pin.name, version):
            yield package_request(step, req, text)
    for name, (step, req) in packages.loose.items():
        newest = max(map(Version, facts.measured_releases(name)), default=None)
        row = partners.newest_declared(name)
        if row or (newest and _torch_requirements(name, newest)):
            yield package_request(step, req, "torch")


def _torch_requirements(name: str, version: Version) -> tuple[str, ...]:
    """What the metadata of a release require of torch, as `torch==2.6.0`; () where nothing, or nothing known."""
    name = canonicalize_name(name)
    row = partners.partner_row(name, version)
    if row:
        return (f"torch{row.torch}",) if row.declared else ()
    required = facts.measured_requirements(name, version)
    return tuple(text for text in required if Requirement(text).name == "torch")


def _channel(request: FamilyRequest) -> DrawnValue:
    location = request.channel_location or request.location
    return DrawnValue(value=request.channel, location=location, reason=request.reason)


def _read_version(request: FamilyRequest) -> DrawnValue:
    value = request.version.partition("+")[0]
    if not is_version(value):
        return DrawnValue(location=request.location, reason=f"`{request.text}` names no release")
    return DrawnValue(value=value, location=request.location, reason=request.text)


def _newest(
    packages: DraftPackages, requests: Sequence[FamilyRequest], channel: str, target: TorchTarget
) -> DrawnValue:
    """The newest release on a channel that all lines admit; if there is none, that the first line admits."""
    first = requests[0]
    if not channel or any(request.is_open for request in requests):
        return DrawnValue(location=first.location, reason=f"`{first.text}` names no release")
    bounds = [*_bounds(packages, requests)]
    for allowed in (bounds, [first.specifier]):
        fitting = [
            version
            for version in _releases(channel, target)
            if all(bound.contains(version) for bound in allowed)
        ]
        if fitting:
            return _chosen(first, max(fitting), channel, target, is_whole=allowed is bounds)
    return DrawnValue(
        location=first.location,
        reason=f"no release on {channel}{_limits(target)} is `{first.text}`",
    )


def _limits(target: TorchTarget) -> str:
    python = f" for Python {major_minor(target.python)}" if target.python else ""
    return python + (f" released by {target.until}" if target.until else "")


def _chosen(
    request: FamilyRequest, version: Version, channel: str, target: TorchTarget, *, is_whole: bool
) -> DrawnValue:
    fits = "that fits" if is_whole else f"for `{request.text}`; other lines ask for another one"
    return DrawnValue(
        value=str(version),
        location=request.location,
        reason=request.text,
        choice=f"the newest release on {channel}{_limits(target)} {fits}",
    )


def _bounds(packages: DraftPackages, requests: Iterable[FamilyRequest]) -> Iterator[SpecifierSet]:
    """All requirements on torch: its own lines, and those of pinned packages and of companions with a version."""
    yield from (request.specifier for request in requests)
    for pin, _, _ in packages.pinned.values():
        version = Version(next(iter(pin.specifier)).version)
        row = partners.partner_row(canonicalize_name(pin.name), version)
        texts = (f"torch{row.torch}",) if row else _torch_requirements(pin.name, version)
        yield from (Requirement(text).specifier for text in texts)
    for request in packages.family:
        text = request.version.partition("+")[0]
        is_companion = request.name != "torch" and is_version(text)
        row = partners.partner_row(request.name, Version(text)) if is_companion else None
        if row:
            yield SpecifierSet(row.torch)


def _releases(channel: str, target: TorchTarget) -> list[Version]:
    """The final releases of torch that a channel has for a Python and a platform."""
    python = Version(target.python) if target.python else None
    versions = (
        published_releases(channel, target.platform)
        if channel != "pypi"
        else (version for version in facts.release_versions() if facts.pypi_wheels("torch", str(version)))
    )
    return [
        version
        for version in versions
        if not version.is_prerelease
        and (
            python is None
            or wheel_fit(channel, "torch", str(version), python, target.platform).status == "fits"
        )
        and _is_released(version, target.until)
    ]


def _is_released(version: Version, until: str) -> bool:
    row = facts.release(str(version))
    return not until or bool(row and row.released <= until)


def _highest(
    packages: DraftPackages, requests: Sequence[FamilyRequest], target: TorchTarget
) -> tuple[DrawnValue, DrawnValue]:
    """The highest version of several channels, as pip takes it: of one release the build with the highest local part."""
    request = requests[0]
    choices = [
        (Version(f"{drawn.value}+{channel}" if channel != "pypi" else drawn.value), channel, drawn)
        for channel in request.channels
        if (drawn := _newest(packages, requests, channel, target)).value
    ]
    if not choices:
        unknown = DrawnValue(location=request.location, reason=f"`{request.text}` names no release")
        return unknown, DrawnValue(location=request.channel_location, reason=request.reason)
    _, channel, version = max(choices, key=lambda choice: choice[0])
    reason = f"pip takes the highest version of {' and '.join(request.channels)}"
    return version, DrawnValue(value=channel, location=request.channel_location, reason=reason)


def _companions(requests: Iterable[FamilyRequest], torch: str) -> Mapping[str, Version]:
    """The installed companions; without a version they get the one that belongs to the torch release."""
    companions: dict[str, Version] = {}
    if not is_version(torch):
        return MappingProxyType(companions)
    versions: dict[str, str] = {}
    for request in requests:
        versions[request.name] = versions.get(request.name) or request.version
    for name in TORCH_FAMILY[1:]:
        best = partners.best_choice(name, Version(torch))
        version = versions.get(name, "").partition("+")[0] or str(best.version if best else "")
        if name in versions and is_version(version):
            companions[name] = Version(version)
    return MappingProxyType(companions)
