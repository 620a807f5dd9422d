"""Images that need no build: in the engine, or in the registry, where another machine may have pushed them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchpin.model import Environment, StatusCallback


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredImage:
    """An image that is there already. `place`: `registry` where it was left there, so that `image` is None."""

    place: Literal["engine", "pulled", "registry"]
    image: Any = None


def find_stored(
    client: Any,
    env: Environment,
    tags: Sequence[str],
    key: str,
    *,
    registry: str,
    pull: bool,
    required: bool,
    show_status: StatusCallback,
) -> StoredImage | None:
    """The image of a key: in the engine, else in the registry, from which it is loaded with `pull`; None where it is in neither.

    A registry that does not answer is a line of status, and nothing is in it; `required`: ToolError is raised, before a build
    that could not be pushed.
    """
    from torchpin.tools import docker, image_transfers

    image = docker.find_image(client, tags[0], key)
    if image is not None:
        return StoredImage(place="engine", image=image)
    if not registry or not _is_published(env, tags[0], key, required=required, show_status=show_status):
        return None
    if not pull:
        return StoredImage(place="registry")
    show_status(f"{env.name}: pulling {tags[0]}, which is in the registry")
    try:
        image = image_transfers.pull(client, tags, platform=env.variant.platform, show_status=show_status)
    except docker.engine_errors() as error:
        show_status(f"{tags[0]} could not be pulled, so it is built: {docker.short_message(error)}")
        return None
    return StoredImage(place="pulled", image=image) if image.labels.get(docker.KEY_LABEL) == key else None


def _is_published(
    env: Environment, tag: str, key: str, *, required: bool, show_status: StatusCallback
) -> bool:
    from torchpin.tools import registry

    try:
        return registry.registry_key(tag) == key
    except ToolError as error:
        if required:
            raise ToolError(f"{error}; nothing was built, since `--push` needs it") from None
        show_status(f"{env.name}: {error}; it is built here")
        return False


def publish(
    client: Any,
    tags: Sequence[str],
    key: str,
    *,
    force: bool = False,
    push: Callable[[Any, Sequence[str]], None] | None = None,
) -> str:
    """Pushes an image with its tags, unless the registry has its key (`force`: also then); what was done.

    The tag of the key comes last, so what has it is whole, with all other tags moved. Raises ToolError with the registry's
    message.
    """
    from torchpin.tools import image_transfers, registry

    key_tag, *others = tags
    if not force and registry.registry_key(key_tag) == key:
        for tag in others:
            if registry.registry_key(tag) != key:
                registry.retag(key_tag, tag)
        return "in the registry already"
    (push or image_transfers.push)(client, [*others, key_tag])
    return "pushed"
