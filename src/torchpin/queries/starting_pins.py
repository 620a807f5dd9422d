"""The pins that a new service starts with: chosen by facts for its GPUs, torch and Python, each with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.compat import partners
from torchpin.compat.builds import candidate_builds
from torchpin.compat.gpus import minimum_driver, unknown_gpu_text
from torchpin.compat.pins import torch_metadata
from torchpin.description.environments import target_text, with_build
from torchpin.errors import InputError
from torchpin.facts.versions import major_minor
from torchpin.model import Base, Environment, Service, Torch, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchpin.compat.builds import Build

_REPOSITORY = "nvidia/cuda"
_COMPANION = "torchvision"
_USUAL_PYTHON = 12  # the minor of 3.12: newer ones lack the wheels of some packages, older ones end sooner
_SERIES = re.compile(r"v?[0-9]+(?:\.[0-9]+)*")  # no local part: the channel follows from the GPUs
_MAX_NAMED = 5  # releases or builds in a message


@dataclass(frozen=True, kw_only=True, slots=True)
class PinRequest:
    """What a new service asks for: names of GPUs, a release or series of torch (`2.9`), a Python (`3.12`); "" for any."""

    gpus: tuple[str, ...] = ()
    torch: str = ""
    python: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class StartingPins:
    """Pins that fit each other, and why each was chosen, a sentence a pin."""

    torch: Torch
    python: Version
    variant: Variant
    base: Base
    reasons: tuple[str, ...]


def choose_pins(request: PinRequest, pythons: Sequence[Version]) -> StartingPins:
    """The pins for a request. `pythons` are the Pythons that can be installed.

    Raises InputError for a GPU, a release or a Python that does not exist, and where no build has code for the GPUs.
    """
    _require_known_gpus(request)
    releases = _matching_releases(request.torch)
    python, python_reason = _choose_python(request, releases, pythons)
    env = _draft(request, releases[-1], python)
    build, build_reason = _choose_build(env, request, releases)
    base, base_reason = _choose_base(build.channel)
    partner = partners.best_choice(_COMPANION, build.version)
    companions = {_COMPANION: partner.version} if partner else {}
    reasons = [build_reason, python_reason, base_reason]
    if partner:
        reasons.append(f"{_COMPANION} {partner.version}: the release that matches torch {build.version}")
    return StartingPins(
        torch=Torch(version=build.version, companions=companions),
        python=python,
        variant=replace(env.variant, channel=build.channel),
        base=base,
        reasons=tuple(reasons),
    )


def _require_known_gpus(request: PinRequest) -> None:
    if not all(name.strip() for name in request.gpus):
        raise InputError("--gpu needs the name of a GPU, such as H100")
    gpus = {name: facts.gpu(name) for name in request.gpus}
    reasons = [unknown_gpu_text(name) for name, gpu in gpus.items() if gpu is None]
    reasons += [
        f"{name} is of {gpu.vendor}, and a CUDA build runs on NVIDIA's GPUs only"
        for name, gpu in gpus.items()
        if gpu and gpu.vendor != "NVIDIA"
    ]
    if reasons:
        raise InputError(f"{'; '.join(reasons)}; nothing was written")


def _platform(gpus: Iterable[str]) -> str:
    """linux/arm64 where every GPU has hosts of that architecture, as GH200 has."""
    machines = {gpu.machine for gpu in map(facts.gpu, gpus) if gpu}
    return "linux/arm64" if machines == {"aarch64"} else "linux/amd64"


def _matching_releases(series: str) -> tuple[Version, ...]:
    """The releases of torch that a text names, the oldest first: all of a series, or one; all for an empty text."""
    versions = sorted(facts.release_versions())
    matching = tuple(version for version in versions if _is_of_series(version, series))
    if not matching:
        newest = ", ".join(map(str, versions[:-_MAX_NAMED:-1]))
        raise InputError(f"torch {series} does not exist; the newest releases are {newest}")
    return matching


def _is_of_series(version: Version, series: str) -> bool:
    if series and not _SERIES.fullmatch(series):
        raise InputError(f"--torch {series!r} is not a release or series of torch such as 2.9")
    prefix = Version(series).release if series else ()
    return version.release[: len(prefix)] == prefix


def _choose_python(
    request: PinRequest, releases: Sequence[Version], pythons: Sequence[Version]
) -> tuple[Version, str]:
    """The newest patch release of the Python that is requested; else of the usual one, or the newest that torch has wheels for."""
    if request.python:
        matching = [version for version in pythons if _is_python(version, request.python)]
        if not matching:
            minors = sorted({version.release[:2] for version in pythons}, reverse=True)
            names = ", ".join(f"{major}.{minor}" for major, minor in minors)
            raise InputError(f"Python {request.python} cannot be installed; uv installs {names}")
        return max(matching), _python_reason(max(matching), request.python)
    supported = {
        minor for release in map(facts.release, map(str, releases)) if release for minor in _minors(release)
    }
    minor = _USUAL_PYTHON if _USUAL_PYTHON in supported or not supported else max(supported)
    newest = max(version for version in pythons if version.release[1] == minor)
    return newest, f"Python {newest}: nearly every package has wheels for it; `--python` chooses another"


def _python_reason(python: Version, text: str) -> str:
    if str(python) == text:
        return f"Python {python}: as requested"
    kind = "patch release" if "." in text else "release"
    return f"Python {python}: the newest {kind} of {text} that uv installs"


def _minors(release: facts.TorchRelease) -> set[int]:
    """The minor versions of the Pythons that a release has wheels for, 12 for 3.12."""
    tags = (tag.removeprefix("cp3") for tag in release.wheel_pythons)
    return {int(tag) for tag in tags if tag.isdigit()}


def _is_python(version: Version, text: str) -> bool:
    return f"{version}.".startswith(f"{text}.")


def _draft(request: PinRequest, release: Version, python: Version) -> Environment:
    """An environment with what is known of a service before its build is chosen."""
    variant = Variant(name="gpu", channel="cu128", platform=_platform(request.gpus))
    service = Service(
        name="new",
        summary="",
        python=python,
        base=Base(image=""),
        torch=Torch(version=release, companions={}),
        variants=(variant,),
        layers=(),
        gpus=request.gpus,
    )
    return Environment(service=service, variant=variant)


def _choose_build(env: Environment, request: PinRequest, releases: Sequence[Version]) -> tuple[Build, str]:
    """The newest release on the channel with the lowest CUDA, and so the oldest driver, that still gets releases.

    Where no release is requested, those count whose metadata are recorded: they can be locked from index snapshots, too.
    """
    builds = candidate_builds(env, request.gpus)
    fitting = [build for build in builds if build.version in releases and not build.unsupported_gpus]
    if not fitting:
        raise InputError(_no_build_text(env, request, releases, builds))
    if not request.torch:
        fitting = _recorded(env, fitting) or fitting
    newest = max(build.version for build in fitting)
    channels = {build.channel: build for build in fitting if build.version == newest}
    rows = [row for row in facts.channels() if row.name in channels]
    best = min(rows, key=lambda row: (row.ended, Version(row.cuda or "0")))
    code = f"has code for {', '.join(request.gpus)}; " if request.gpus else ""
    others = "the lowest CUDA, and so the oldest driver, of the channels with this release"
    ended = " that still get releases" if not best.ended and any(row.ended for row in rows) else ""
    floor = _driver_text(best.cuda or "", request.gpus)
    return channels[best.name], f"torch {newest} on {best.name}: {code}{others}{ended}{floor}"


def _driver_text(cuda: str, gpus: Sequence[str]) -> str:
    """The oldest driver that runs a CUDA and knows the GPUs, with which of them asks for it; "" where facts tell none."""
    driver = facts.driver(cuda)
    minimums = {driver.family: f"CUDA {cuda.partition('.')[0]}"} if driver and driver.family else {}
    for name in gpus:
        gpu = facts.gpu(name)
        minimum = minimum_driver(gpu)[0] if gpu else None
        if minimum:
            minimums.setdefault(minimum, name)
    if not minimums:
        return ""
    highest = max(minimums, key=Version)
    return f"; NVIDIA driver {highest} or newer, which {minimums[highest]} requires"


def _recorded(env: Environment, builds: Sequence[Build]) -> list[Build]:
    """The builds whose metadata are recorded, of them those on channels that still get releases where there are any."""
    recorded = [build for build in builds if torch_metadata(with_build(env, build.version, build.channel))]
    ended = {row.name for row in facts.channels() if row.ended}
    return [build for build in recorded if build.channel not in ended] or recorded


def _no_build_text(
    env: Environment, request: PinRequest, releases: Sequence[Version], builds: Iterable[Build]
) -> str:
    name = str(releases[0]) if len(releases) == 1 else request.torch
    subject = f"no build of torch{' ' + name if name else ''} for {target_text(env)}"
    fitting = [build for build in builds if not build.unsupported_gpus][:_MAX_NAMED]
    help_text = ", ".join(f"{build.version} on {build.channel}" for build in fitting)
    code = f" has code for {', '.join(request.gpus)}" if request.gpus else " exists"
    return f"{subject}{code}" + (f"; builds that have it: {help_text}" if fitting else "")


def _choose_base(channel: str) -> tuple[Base, str]:
    """The smallest supported image with the CUDA of a channel, or the next lower one: torch's wheels bring the libraries."""
    row = facts.channel(channel)
    cuda = Version((row.cuda if row else None) or "0")
    images = [
        image
        for image in facts.base_images(f"{_REPOSITORY}:")
        if image.status == "supported" and image.variant == "base" and (image.os or "").startswith("ubuntu")
        if Version(major_minor(image.cuda or "0")) <= cuda
    ]
    best = max(
        images,
        key=lambda image: (Version(image.cuda or "0"), image.digest is not None, image.os or ""),
    )
    reason = f"the smallest image with CUDA {best.cuda}; torch brings its own libraries, and nothing is compiled here"
    return Base(image=best.image, digest=best.digest, rationale=reason), f"{best.image}: {reason}"
