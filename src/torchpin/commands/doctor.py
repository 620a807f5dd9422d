"""What there is, at a glance: the services and their state, and this machine."""

from __future__ import annotations

import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.description.environments import index_url, mirror_variable
from torchpin.errors import Stop
from torchpin.tools import git, http, process, uv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchpin.model import Environment, Source
    from torchpin.workspace.workspace import Repository

_SPACE = 30 * 10**9  # bytes: a devel base and one CUDA torch, while they are built


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One thing about this machine. `needed`: without it the main job cannot run."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = False


def doctor(repo: Repository, environments: Sequence[Environment]) -> list[Row]:
    looks: list[Callable[[], Row]] = [_python, _uv, _git, _docker, _buildx, lambda: _disk(repo), _gpu]
    channels = dict.fromkeys(env.variant.channel for env in environments)
    looks += [lambda channel=channel: _index(repo, channel) for channel in [*channels, "pypi"] if channel]  # type: ignore[misc]
    named = {source.name: source for env in environments for source in env.service.sources}
    looks += [lambda source=source: _source(repo, source) for source in named.values()]  # type: ignore[misc]
    uv.uv()  # found once, before the threads: Python's sysconfig is not made for several at a time
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda look: look(), looks))


def _python() -> Row:
    return Row(
        what="Python",
        ok=sys.version_info >= (3, 10),
        found=platform.python_version(),
        remedy="torchpin needs 3.10 or later",
        needed=True,
    )


def _uv() -> Row:
    done = process.run((uv.uv(), "--version"), check=False)
    found = done.stdout.strip().removeprefix("uv ").split(" ")[0]
    return Row(
        what="uv",
        ok=found == uv.UV,
        found=found or "none",
        remedy=f"uv {uv.UV} is pinned: run bootstrap.py again",
        needed=True,
    )


def _git() -> Row:
    if not process.which("git"):
        return Row(what="git", ok=False, found="none", remedy="install git", needed=True)
    return Row(
        what="git",
        ok=True,
        found=process.run(("git", "--version")).stdout.strip().removeprefix("git version "),
        needed=True,
    )


def _docker() -> Row:
    from torchpin.tools import docker

    try:
        with docker.engine() as client:
            return Row(what="Docker engine", ok=True, found=str(client.version()["Version"]))
    except Stop as stop:
        remedy = "start one (or set DOCKER_HOST); without it `invoke install` and the lab's native way work"
        return Row(what="Docker engine", ok=False, found=str(stop), remedy=remedy)


def _buildx() -> Row:
    from torchpin.tools import buildx

    try:
        return Row(what="buildx", ok=True, found=buildx.expect_buildx())
    except Stop as stop:
        return Row(what="buildx", ok=False, found="none", remedy=str(stop))


def _disk(repo: Repository) -> Row:
    free = shutil.disk_usage(repo.root).free
    remedy = "an image of a CUDA base and one torch needs about 30 GB while it is built"
    return Row(
        what="disk",
        ok=free >= _SPACE,
        found=f"{free / 1e9:.0f} GB free",
        remedy=remedy,
    )


def _gpu() -> Row:
    if not process.which("nvidia-smi"):
        return Row(
            what="GPU",
            ok=False,
            found="no NVIDIA driver",
            remedy="only running a service needs one; building does not",
        )
    done = process.run(
        ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"), check=False
    )
    return Row(what="GPU", ok=done.returncode == 0, found=done.stdout.strip() or done.stderr.strip())


def _index(repo: Repository, channel: str) -> Row:
    """Whether a channel's index (or its mirror) answers. PyPI is asked through uv, which knows where it is."""
    variable = mirror_variable(channel)
    address = repo.settings.mirrors.get(channel) or index_url(channel)
    if channel == "pypi" or address is None:
        command = (uv.uv(), "pip", "compile", "--quiet", "--no-cache", "--no-deps", "-")
        done = process.run_with_input((*command,), "packaging==26.3\n", env=uv.uv_environment(repo.settings))
        remedy = f"check the network, or name a mirror in {variable}"
        return Row(
            what="PyPI",
            ok=done.returncode == 0,
            found="answers" if done.returncode == 0 else "no answer",
            remedy=remedy,
            needed=True,
        )
    try:
        answer = http.opened(f"{address.rstrip('/')}/torch/", timeout=10, waits=())
    except http.FetchError as error:
        remedy = f"name a mirror in {variable} (or torchpin.toml); `invoke lock --recorded` needs none"
        return Row(
            what=f"index {channel}", ok=False, found=f"{http.shown(address)}: {error.why}", remedy=remedy
        )
    return Row(what=f"index {channel}", ok=True, found=f"{http.shown(address)} ({answer.status})")


def _source(repo: Repository, source: Source) -> Row:
    address = http.shown(git.address(source, repo.settings))
    try:
        git.expect_tag(source, repo.settings)
    except Stop as stop:
        remedy = f"name a mirror in {mirror_variable(source.name)} (file:// works)"
        return Row(what=f"source {source.name}", ok=False, found=str(stop).splitlines()[0], remedy=remedy)
    return Row(what=f"source {source.name}", ok=True, found=f"{address}: {source.tag} = {source.commit[:12]}")
