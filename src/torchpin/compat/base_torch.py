"""The images of a base image's repository that bring a torch: where torch comes from the base image, it moves with the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.compat.builds import upward_distance
from torchpin.compat.gpus import judge_gpu
from torchpin.description.environments import base_path, cuda_version, with_build
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment


def torch_images(env: Environment) -> tuple[facts.BaseImage, ...]:
    """The known images of the repository whose torch is known."""
    repository = facts.parse_image_name(env.base.image).repository
    return tuple(image for image in facts.base_images(f"{repository}:") if image.torch)


def torch_version(image: facts.BaseImage) -> Version:
    """The release of an image's torch, without local part."""
    return Version((image.torch or "").partition("+")[0])


def nearest_image(env: Environment, images: Sequence[facts.BaseImage]) -> facts.BaseImage:
    """Of images, the one of the same flavor with the least CUDA step, upwards first."""
    current = facts.base_image(env.base.image)
    flavor = _flavor(current) if current else ""
    return min(
        images,
        key=lambda image: (
            _flavor(image) != flavor,
            channel_distance(env, image.torch_channel or env.variant.channel),
            image.image,
        ),
    )


def _flavor(image: facts.BaseImage) -> str:
    return image.variant.rpartition("-")[2]


def channel_distance(env: Environment, channel: str) -> tuple[bool, tuple[int, ...]]:
    """A sort key, the distance of a channel's CUDA from the present one: the same, the next above, and so on; then those below."""
    row, current_cuda = facts.channel(channel), cuda_version(env)
    if row is None or row.cuda is None or current_cuda is None:
        return (False, (0,))
    return upward_distance(Version(row.cuda), Version(current_cuda))


def image_with_code(env: Environment, gpu: str) -> facts.BaseImage | None:
    """The nearest image whose torch, not older than the present one, has code for a GPU and all described ones, or for it alone."""
    current = env.service.torch.version
    serving = [
        image
        for image in torch_images(env)
        if not image.own_build and torch_version(image) >= current and has_code(env, image, (gpu,))
    ]
    candidates = [image for image in serving if has_code(env, image, env.service.gpus)] or serving
    if not candidates:
        return None
    release = min(map(torch_version, candidates))
    return nearest_image(env, [image for image in candidates if torch_version(image) == release])


def has_code(env: Environment, image: facts.BaseImage, gpus: Sequence[str]) -> bool:
    """Whether the torch of an image has code for each of `gpus`."""
    channel = image.torch_channel or env.variant.channel
    moved = with_build(env, torch_version(image), channel)
    return all(judge_gpu(moved, facts.gpu(name)).status == "ok" for name in gpus)


def image_changes(env: Environment, image: facts.BaseImage) -> tuple[Change, ...]:
    """The changes to the description by which an environment runs the torch of an image: its digest goes with it."""
    path = base_path(env)
    name = facts.parse_image_name(env.base.image).with_tag(image.tag)
    digest = recorded_digest(name)
    changes = [Change(path=f"{path}.image", value=name)]
    if digest or env.base.digest:
        changes.append(Change(path=f"{path}.digest", value=digest or None))
    if image.torch_channel not in {None, env.variant.channel}:
        changes.append(Change(path=f"variants.{env.variant.name}.channel", value=image.torch_channel))
    if torch_version(image) != env.service.torch.version:
        changes.append(Change(path="torch.version", value=str(torch_version(image))))
    return tuple(changes)


def recorded_digest(image: str) -> str:
    """The recorded digest of an image, "" for none: a mirror may have another."""
    row = facts.base_image(image)
    return (row.digest if row else None) or ""
