"""`plan`: the bytes of images before they are built, and whether the engine's disk has room for a build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin.commands.selection import Selection, open_workspace
from torchpin.description.environments import select_environments
from torchpin.errors import ToolError, TorchpinError
from torchpin.image.plan import left_out_files
from torchpin.queries.forecast import BaseBytes, Forecast, forecast
from torchpin.tools import copied_files
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.commands.report import Watcher
    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


def forecast_bytes(selection: Selection, watcher: Watcher, *, offline: bool = False) -> tuple[Forecast, ...]:
    """The bytes of the selected environments' images, each beside those of the repository's other ones.

    Base images are looked up in the engine, and unless `offline` in their registry. Raises TorchpinError for one that is not
    locked.
    """
    opened = open_workspace(Selection(), watcher, partly=True)
    environments = select_environments(
        opened.repo.services, service=selection.service, variant=selection.variant
    )
    locks = _locks(opened.repo)
    return tuple(
        forecast(
            env,
            workspace.read_lock(opened.repo, env),
            base=_base_bytes(env, offline=offline),
            own_files=own_bytes(opened.repo, env),
            others=[pair for pair in locks if pair[0].name != env.name],
        )
        for env in environments
    )


def _locks(repo: Repository) -> list[tuple[Environment, Lock]]:
    """The environments that are locked; one that is not has no bytes to compare with."""
    locks = []
    for env in select_environments(repo.services):
        try:
            locks.append((env, workspace.read_lock(repo, env)))
        except TorchpinError:
            continue
    return locks


def own_bytes(repo: Repository, env: Environment) -> int:
    """The bytes of the repository's files that an image gets."""
    left_out = left_out_files(env.service)
    return sum(
        member.place.stat().st_size
        for entry in env.copied_files
        for member in copied_files.list_members(repo.root, env.service, entry, left_out)
        if member.kind == "file"
    )


def _base_bytes(env: Environment, *, offline: bool) -> BaseBytes:
    """What an engine and a registry tell of the bytes of a base image."""
    from torchpin.tools import docker, image_sizes

    unpacked = None
    try:
        with docker.engine() as client:
            unpacked = image_sizes.engine_size(client, env.base.reference)
    except ToolError:
        pass  # an engine is not needed to plan
    download = None if offline else image_sizes.registry_size(env.base.reference, env.variant.platform)
    return BaseBytes(download=download, unpacked=unpacked)


def require_space(client: Any, repo: Repository, env: Environment, lock: Lock, previous: str) -> None:
    """Raises ToolError where the disk of an engine on this machine cannot hold a build.

    What the engine has already counts as room: the image of the tag `previous`, whose layers may be used again, and the
    build cache, which it may also clear.
    """
    from torchpin.tools import image_sizes

    space = image_sizes.free_space(client)
    if space is None:
        return
    folder, free = space
    needed = forecast(env, lock, base=BaseBytes(), own_files=own_bytes(repo, env)).peak.count
    if free >= needed:
        return
    room = free + (image_sizes.engine_size(client, previous) or 0) + image_sizes.cache_size(client)
    if room < needed:
        raise ToolError(
            f"{env.name}: its build needs about {needed / 1e9:,.1f} GB beside the base image, and the engine's disk ({folder}) "
            f"has {free / 1e9:,.1f} GB; free some (`docker image prune`, `docker builder prune`), or give the engine another "
            "data-root"
        )
