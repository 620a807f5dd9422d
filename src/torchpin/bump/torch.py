"""The edits that an update of torch requires: its companions, the channel, the base image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.bump.model import (
    MAX_SUGGESTIONS,
    BumpContext,
    Edit,
    HeldError,
    PresentError,
    deduplicate,
)
from torchpin.compat import base_torch, releases
from torchpin.compat.builds import Build, candidate_builds
from torchpin.compat.gpus import judge_gpu
from torchpin.compat.pins import declared_pins, extras_text
from torchpin.description.environments import base_path, cuda_version, select_environments, target_text
from torchpin.facts.versions import major_minor
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment, Service

_OTHER_IMAGE = "choose another base image, with `base=IMAGE:TAG` and `--service`"


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchMove:
    """The release that torch is to have, and why. `required_by`: the target that requires it, "" for torch itself.

    `fixed`: the packages whose versions are requested, and so do not follow torch.
    """

    version: Version
    why: str = "requested"
    required_by: str = ""
    fixed: frozenset[str] = frozenset()


def torch_edits(service: Service, move: TorchMove, context: BumpContext) -> list[Edit]:
    """The edits that bring a service to a torch release.

    Raises PresentError where the service has it already, HeldError where it cannot have it.
    """
    torch, version = service.torch, move.version
    envs = select_environments([service])
    if torch.version == version and context.channel in {"", *(env.variant.channel for env in envs)}:
        raise PresentError(f"torch is already at {version}")
    # what a requested package requires was requested with it
    if torch.version > version and not (move.required_by or service.name in context.services):
        raise HeldError(
            f"torch is at {torch.version}, which is newer", f"pass `--service {service.name}` to downgrade it"
        )
    if torch.origin == "base":
        return _torch_base_edits(service, move, context.channel)
    moves: list[Edit] = []
    reason = move.why
    for env in envs:
        channel, why = _choose_channel(env, version, context.channel)
        if channel in releases.unrecorded_channels(env, str(version)):
            reason = f"{move.why}; only the release matrix lists it on {channel}"
        if channel != env.variant.channel:
            moves.append((Change(path=f"variants.{env.variant.name}.channel", value=channel), why))
        moves += _base_for_channel(env, channel)
    return [*_family_edits(service, move, reason), *deduplicate(moves)]


def _family_edits(service: Service, move: TorchMove, reason: str) -> list[Edit]:
    """The edits of torch and of its partners, in companions and layers. Raises HeldError where a partner has no version for it."""
    torch, version, moves = service.torch, move.version, []
    if torch.version != version:
        moves.append((Change(path="torch.version", value=str(version)), reason))
    env = select_environments([service])[0]
    pins = declared_pins(env)
    for name, new_version in releases.partner_versions(env, str(version)).items():
        if name in move.fixed:
            continue
        in_companions = name in torch.companions
        current_version = torch.companions[name] if in_companions else pins[name].version
        if not new_version:
            raise HeldError(
                f"no known version of {name} goes with torch {version}",
                f"remove {name} from {'`companions:`' if in_companions else 'its layer'}",
            )
        if Version(new_version) != current_version:
            path = f"torch.companions.{name}" if in_companions else pins[name].path
            value = new_version if in_companions else f"{name}{extras_text(pins[name].extras)}=={new_version}"
            moves.append((Change(path=path, value=value), f"the release that matches torch {version}"))
    return moves


def _choose_channel(env: Environment, version: Version, preferred: str) -> tuple[str, str]:
    """The channel of a release for an environment, and why: no GPU lost, then the least CUDA step, upwards first.

    Raises HeldError where no channel has the release, or none without losing a GPU.
    """
    if other := facts.other_channel(env.variant.channel):
        why = f"torchpin does not build from {env.variant.channel}: it has {other.what}"
        raise HeldError(why, "choose a CUDA or CPU channel")
    scope = f"torch {version} for {target_text(env)}"
    if env.variant.channel == "pypi":
        release = facts.release(str(version))
        if release and releases.supports_python(env, release):
            return "pypi", ""
        raise HeldError(
            f"torch {version} has no wheel for Python {env.service.python} on PyPI",
            "choose a release that has one, which `invoke outdated` names, or another Python",
        )
    is_cuda = cuda_version(env) is not None
    gpus = env.service.gpus if is_cuda else ()
    builds = candidate_builds(env, gpus)
    matching = sorted(
        (build for build in builds if build.version == version),
        key=lambda build: base_torch.channel_distance(env, build.channel),
    )
    if not matching:
        raise HeldError(f"no channel has {scope}", _nearest_builds(builds))
    candidates = [build for build in matching if build.channel == preferred or not (preferred and is_cuda)]
    if not candidates:
        channel_names = ", ".join(sorted(build.channel for build in matching))
        raise HeldError(f"{preferred} does not have {scope}", f"choose one of its channels: {channel_names}")
    # of equals the first: the nearest CUDA
    best = min(candidates, key=lambda build: len(build.unsupported_gpus))
    if _lost_gpus(env, best):
        subject = (
            f"torch {version} on {preferred} has no" if preferred else f"no build of torch {version} has"
        )
        raise HeldError(f"{subject} code for {', '.join(_lost_gpus(env, best))}", _nearest_builds(builds))
    return best.channel, _channel_reason(best, matching, gpus)


def _lost_gpus(env: Environment, build: Build) -> list[str]:
    """The GPUs that the present build has code for, and another one not."""
    return [name for name in build.unsupported_gpus if judge_gpu(env, facts.gpu(name)).status == "ok"]


def _channel_reason(best: Build, matching: Sequence[Build], gpus: Sequence[str]) -> str:
    channel_names = ", ".join(build.channel for build in matching)
    gpu_note = (
        f"; {best.channel} has code for {', '.join(facts.own_gpu_names(gpus))}"
        if gpus and not best.unsupported_gpus
        else ""
    )
    lost_note = f"; none has code for {', '.join(best.unsupported_gpus)}" if best.unsupported_gpus else ""
    return f"torch {best.version} is on {channel_names}{gpu_note}{lost_note}"


def _nearest_builds(builds: Sequence[Build]) -> str:
    """The help that names builds with code for every described GPU."""
    serving = [build for build in builds if not build.unsupported_gpus][:MAX_SUGGESTIONS]
    return (
        f"choose a build for the described GPUs: {', '.join(f'torch {build.version} on {build.channel}' for build in serving)}"
        if serving
        else "no known build has code for all described GPUs; remove one from `gpus:`"
    )


def _base_for_channel(env: Environment, channel: str) -> list[Edit]:
    """The edits that replace a base image of another CUDA by one with the channel's, of the same flavor and OS."""
    base, channel_row = facts.base_image(env.base.image), facts.channel(channel)
    if (
        base is None
        or base.cuda is None
        or channel_row is None
        or channel_row.cuda is None
        or major_minor(base.cuda) == channel_row.cuda
    ):
        return []
    kind = (base.variant.startswith("cudnn"), base.variant.rpartition("-")[2])
    rows = [
        candidate
        for candidate in facts.base_images(f"{base.repository}:")
        if candidate.status == "supported"
        and candidate.os == base.os
        and major_minor(candidate.cuda or "") == channel_row.cuda
        if (candidate.variant.startswith("cudnn"), candidate.variant.rpartition("-")[2]) == kind
        and not candidate.torch
    ]
    if not rows:  # BAS003 reports the mismatch
        return []
    best = max(rows, key=lambda candidate: Version(candidate.cuda or "0"))
    image = facts.parse_image_name(env.base.image).with_tag(best.tag)
    return base_edits(
        env,
        image,
        base_torch.recorded_digest(image),
        f"has the CUDA of {channel} ({channel_row.cuda}); supported, same flavor and OS",
    )


def base_edits(env: Environment, image: str, digest: str, why: str) -> list[Edit]:
    """The edits of the base image of an environment, in its variant where that has one; a digest goes with its image."""
    path = base_path(env)
    moves: list[Edit] = [(Change(path=f"{path}.image", value=image), why)]
    if digest or env.base.digest:
        moves.append(
            (
                Change(path=f"{path}.digest", value=digest or None),
                "the recorded digest of this tag" if digest else "the digest of the old image",
            )
        )
    return moves


def _torch_base_edits(service: Service, move: TorchMove, preferred: str) -> list[Edit]:
    """The edits where torch comes from the base image: to the image of the same repository that contains the release.

    Raises HeldError where no known image contains it, or contains it on the channel that is requested.
    """
    version = move.version
    env = select_environments([service])[0]
    best = base_torch.nearest_image(env, _images_with(env, version, preferred))
    image = facts.parse_image_name(env.base.image).with_tag(best.tag)
    moves: list[Edit] = []
    if image != env.base.image:
        digest = base_torch.recorded_digest(image)
        moves = base_edits(env, image, digest, f"contains torch {best.torch}")
    channel = best.torch_channel or env.variant.channel
    if channel != env.variant.channel:
        moves.append(
            (
                Change(path=f"variants.{env.variant.name}.channel", value=channel),
                f"the channel of the torch in {best.image}",
            )
        )
    return [*_family_edits(service, move, move.why), *moves]


def _images_with(env: Environment, version: Version, preferred: str) -> list[facts.BaseImage]:
    """The images that contain a release, on a channel where one is requested: those with code for every GPU, else all of them."""
    images = base_torch.torch_images(env)
    repository = facts.parse_image_name(env.base.image).repository
    releases = [image for image in images if base_torch.torch_version(image) == version]
    if not releases:
        versions = sorted({*map(base_torch.torch_version, images)})
        raise HeldError(
            f"torch comes from the base image, and no known image of {repository} contains torch {version}",
            f"choose a torch that a known image contains: {', '.join(map(str, versions))}"
            if versions
            else _OTHER_IMAGE,
        )
    fitting = [image for image in releases if preferred in {"", image.torch_channel}]
    if not fitting:
        channels = sorted({image.torch_channel for image in releases if image.torch_channel})
        raise HeldError(
            f"--channel {preferred} cannot be followed: torch comes from {env.base.image}, and no known image of "
            f"{repository} contains torch {version} for {preferred}",
            f"choose a channel that a known image has: {', '.join(channels)}" if channels else _OTHER_IMAGE,
        )
    # without an image for every GPU any image that fits is planned: GPU001 names the GPUs
    return [image for image in fitting if base_torch.has_code(env, image, env.service.gpus)] or fitting
