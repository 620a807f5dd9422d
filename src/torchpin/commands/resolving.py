"""One environment resolved by uv: its channel, what its sources ask for, the files that are in no index."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.commands.recorded_index import require_recorded
from torchpin.description.environments import index_url
from torchpin.errors import InputError
from torchpin.progress import step
from torchpin.tools import index_server, package_files, uv_resolve
from torchpin.workspace.upstreams import known_upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torchpin.lock.cooldown import CutOff
    from torchpin.model import Environment, Lock, StatusCallback, Upstream
    from torchpin.tools.package_files import LocatedFile
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Age:
    """The cut-off of a resolution, and what is reported of files that are younger and excepted."""

    cutoff: CutOff | None
    add_notice: Callable[[str], object]


def resolve(
    repo: Repository,
    env: Environment,
    current: Lock | None,
    upgrade: Sequence[str],
    show_status: StatusCallback,
    age: Age,
    *,
    recorded: bool,
    known_upstreams: Sequence[Upstream] = (),
) -> Lock:
    """The new lock of an environment, with the requirements of its sources."""
    with resolution_inputs(
        repo, env, current, show_status, recorded=recorded, known_upstreams=known_upstreams
    ) as inputs:
        expected = len(current.packages) if current else 0
        with step(show_status, f"{env.name}: resolving", total=expected, unit="packages") as running:
            return uv_resolve.resolve(
                env,
                repo.settings,
                index=inputs.index,
                current=current,
                upgrade=upgrade,
                upstreams=inputs.upstreams,
                published=repo.published,
                cutoff=age.cutoff,
                add_notice=age.add_notice,
                located=inputs.located,
                running=running,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolutionInputs:
    """What a resolution reads beside the description: the address of the channel, what sources ask for, package files."""

    index: str | None
    upstreams: tuple[Upstream, ...]
    located: Sequence[LocatedFile]


@contextmanager
def resolution_inputs(
    repo: Repository,
    env: Environment,
    current: Lock | None,
    show_status: StatusCallback,
    *,
    recorded: bool,
    known_upstreams: Sequence[Upstream] = (),
) -> Iterator[ResolutionInputs]:
    """What an environment is resolved with.

    Its sources are cloned where neither `current`, its present lock, nor
    `known_upstreams` have what they ask for.
    """
    read_upstreams = {
        (upstream.source, upstream.commit, upstream.file, bool(upstream.distribution)): upstream
        for upstream in known_upstreams
    }
    with channel_index(repo, env, recorded=recorded) as address:
        upstreams = tuple(
            read_upstreams.get((source.name, source.commit, " ".join(source.requirements), source.is_package))
            or known_upstream(repo, env, current, source, show_status)
            for source in env.service.sources
            if source.requirements or source.is_package
        )
        with step(show_status, f"{env.name}: reading files that are in no index"):
            located = package_files.locate_files(repo.root, env, repo.settings)
        yield ResolutionInputs(index=address, upstreams=upstreams, located=located)


@contextmanager
def channel_index(repo: Repository, env: Environment, *, recorded: bool) -> Iterator[str | None]:
    """The address that a channel is read from: a local server of its index snapshot, its mirror, or its own; None for PyPI.

    Raises InputError for a channel that torchpin does not lock from, and for a snapshot that does not have what is needed.
    """
    channel = env.variant.channel
    if other := facts.other_channel(channel):  # also where the finding about it is waived
        raise InputError(f"torchpin does not lock from channel {channel}: it has {other.what}")
    if recorded and channel != "pypi":
        files = index_server.recorded_files(channel)
        if not files:
            raise InputError(f"channel {channel} has no index snapshot; lock it without `--recorded`")
        require_recorded(env, files)
        with index_server.serve({channel: files}) as base_url:
            yield f"{base_url}/{channel}/"
    else:
        yield None if channel == "pypi" else repo.settings.mirrors.get(channel) or index_url(channel)
