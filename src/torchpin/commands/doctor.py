"""`doctor`: the tools, the engine, the disk, the GPU, the indexes and the sources that this machine reaches."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.commands.selection import Selection, Workspace, open_workspace
from torchpin.description.environments import index_url, mirror_variable
from torchpin.description.settings import parse_settings
from torchpin.errors import TOOL, InputError, NoServiceError, TorchpinError
from torchpin.redaction import redact_credentials
from torchpin.tools import git, http, process, uv
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchpin.commands.report import Watcher
    from torchpin.model import Environment, Source

_MIN_FREE_BYTES = 30 * 10**9  # a devel base image and one CUDA torch, while they are built


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineCheck:
    """One property of this machine. `needed`: without it nothing can be locked or built."""

    name: str
    ok: bool
    detail: str
    help: str = ""
    needed: bool = False

    @property
    def level(self) -> str:
        """ok, warning (what only some commands use is absent) or error."""
        return "ok" if self.ok else "error" if self.needed else "warning"


def open_machine(watcher: Watcher) -> Workspace:
    """The workspace of the current folder; outside of a repository, and before the first service, an empty one."""
    try:
        return open_workspace(Selection(), watcher, partly=True)
    except NoServiceError as error:
        watcher.notice(f"{error}; only the machine is checked")
        settings = parse_settings(None, os.environ, (), complete=False)
        return Workspace(repo=Repository(root=Path.cwd(), services=(), settings=settings), environments=())


def check_machine(repo: Repository, environments: Sequence[Environment]) -> list[MachineCheck]:
    """What this machine has of what commands need for these environments, each with how to get it where it is missing."""
    probes: list[Callable[[], MachineCheck]] = [
        _check_python,
        _check_uv,
        _check_git,
        _check_docker,
        _check_buildx,
        _check_assembly,
        _check_builder,
        partial(_check_disk, repo),
        _check_gpu,
    ]
    channels = dict.fromkeys(env.variant.channel for env in environments)
    probes += [
        partial(_check_index, repo, channel) for channel in dict.fromkeys([*channels, "pypi"]) if channel
    ]
    named = {source.name: source for env in environments for source in env.service.sources}
    probes += [partial(_check_source, repo, source) for source in named.values()]
    with suppress(TorchpinError):  # which the check of uv reports
        uv.uv_executable()  # cached before the threads start: sysconfig, which it reads, is not thread-safe
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda probe: probe(), probes))


def _check_python() -> MachineCheck:
    return MachineCheck(
        name="Python",
        ok=sys.version_info >= (3, 10),
        detail=platform.python_version(),
        help="install Python 3.10 or later",
        needed=True,
    )


def _check_uv() -> MachineCheck:
    try:
        executable = uv.uv_executable()
    except TorchpinError as error:
        problem, _, help_text = str(error).partition("; ")
        return MachineCheck(name="uv", ok=False, detail=problem, help=help_text, needed=True)
    completed = process.run((executable, "--version"), check=False, timeout=process.QUICK)
    uv_version = completed.stdout.strip().removeprefix("uv ").split(" ")[0]
    return MachineCheck(
        name="uv",
        ok=uv_version == uv.UV_VERSION,
        detail=uv_version or "none",
        help=f"install torchpin again, which brings uv {uv.UV_VERSION}",
        needed=True,
    )


def _check_git() -> MachineCheck:
    if not process.which("git"):
        return MachineCheck(name="git", ok=False, detail="none", help="install git", needed=True)
    return MachineCheck(
        name="git",
        ok=True,
        detail=process.run(("git", "--version"), timeout=process.QUICK)
        .stdout.strip()
        .removeprefix("git version "),
        needed=True,
    )


def _check_docker() -> MachineCheck:
    from torchpin.tools import docker

    try:
        with docker.engine() as client:
            return MachineCheck(name="Docker engine", ok=True, detail=str(client.version()["Version"]))
    except TorchpinError as error:
        help_text = "start one, or set DOCKER_HOST; `invoke install` and `--lab` work without it"
        return MachineCheck(name="Docker engine", ok=False, detail=str(error), help=help_text)


def _check_buildx() -> MachineCheck:
    from torchpin.tools import buildx

    try:
        return MachineCheck(name="buildx", ok=True, detail=buildx.expect_buildx())
    except TorchpinError as error:
        return MachineCheck(name="buildx", ok=False, detail="none", help=str(error))


def _check_assembly() -> MachineCheck:
    """How the engine gets images that are assembled, and what it keeps of them."""
    from torchpin.tools import docker, engine_images

    name = "assembled images"
    try:
        with docker.engine() as client:
            keeps_blobs = engine_images.keeps_blobs(client)
    except TorchpinError:
        return MachineCheck(name=name, ok=False, detail="unknown without a Docker engine")
    detail = (
        "loaded as an OCI layout; the containerd image store keeps their blobs"
        if keeps_blobs
        else "loaded as a docker archive; the engine's store unpacks their layers, and they are pushed out of the cache"
    )
    return MachineCheck(name=name, ok=True, detail=detail)


def _check_builder() -> MachineCheck:
    """Whether steps with secret mounts are as fast as others."""
    from torchpin.tools import builders, docker

    try:
        with docker.engine() as client:
            version = str(client.version()["Version"])
        slow = builders.hashes_for_secrets(version)
    except TorchpinError:
        return MachineCheck(name="builder", ok=False, detail="unknown without a Docker engine and buildx")
    return MachineCheck(
        name="builder",
        ok=not slow,
        detail="hashes the whole image before each step that mounts a secret (moby/buildkit#5251)"
        if slow
        else "secret mounts cost nothing",
        help="update the engine to 27.2 or a builder's BuildKit to 0.15.2; until then only builds that need credentials "
        "for a mirror or an index are slower",
    )


def _check_disk(repo: Repository) -> MachineCheck:
    free = shutil.disk_usage(repo.root).free
    help_text = "free up about 30 GB: building an image with CUDA and torch needs that much"
    return MachineCheck(
        name="disk",
        ok=free >= _MIN_FREE_BYTES,
        detail=f"{free / 1e9:.0f} GB free",
        help=help_text,
    )


def _check_gpu() -> MachineCheck:
    if not process.which("nvidia-smi"):
        return MachineCheck(
            name="GPU",
            ok=False,
            detail="no NVIDIA driver",
            help="install the driver to run services; building does not need it",
        )
    completed = process.run(
        ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
        check=False,
        timeout=process.QUICK,
    )
    return MachineCheck(
        name="GPU", ok=completed.returncode == 0, detail=completed.stdout.strip() or completed.stderr.strip()
    )


def _check_index(repo: Repository, channel: str) -> MachineCheck:
    """Whether a channel's index or its mirror can be read, where uv's settings of this machine can be read themselves."""
    try:
        return _ask_index(repo, channel)
    except InputError as error:
        problem, _, help_text = str(error).rpartition("\n")
        name = "PyPI" if channel == "pypi" else f"index {channel}"
        return MachineCheck(name=name, ok=False, detail=problem, help=help_text, needed=channel == "pypi")


def _ask_index(repo: Repository, channel: str) -> MachineCheck:
    """Whether an index can be read: PyPI by uv, which has the user's settings for it."""
    variable = mirror_variable(channel)
    address = repo.settings.mirrors.get(channel) or index_url(channel)
    if channel == "pypi" or address is None:
        try:
            executable = uv.uv_executable()
        except TorchpinError:
            return MachineCheck(name="PyPI", ok=False, detail="unknown without uv", needed=True)
        # --no-cache: a cached page would not show that PyPI can be read
        command = (executable, "pip", "compile", "--quiet", "--no-cache", "--no-deps", "-")
        completed = process.run(
            command,
            text="packaging==26.3\n",
            env=uv.uv_environment(repo.settings),
            check=False,
            timeout=process.QUERY,
        )
        help_text = f"check the network, or set a mirror in {variable}"
        return MachineCheck(
            name="PyPI",
            ok=completed.returncode == 0,
            detail="reachable" if completed.returncode == 0 else "not reachable",
            help=help_text,
            needed=True,
        )
    try:
        response = http.fetch(f"{address.rstrip('/')}/torch/", timeout=10, waits=(), seconds=30)
    except http.FetchError as error:
        help_text = f"set a mirror in {variable} or torchpin.toml; `invoke lock --recorded` works without it"
        return MachineCheck(
            name=f"index {channel}",
            ok=False,
            detail=f"{redact_credentials(address)}: {error.reason}",
            help=help_text,
        )
    return MachineCheck(
        name=f"index {channel}", ok=True, detail=f"{redact_credentials(address)} ({response.status})"
    )


def _check_source(repo: Repository, source: Source) -> MachineCheck:
    address = redact_credentials(git.address(source, repo.settings))
    try:
        git.expect_tag(source, repo.settings)
    except TorchpinError as error:
        help_text = f"set a mirror in {mirror_variable(source.name)} (a file:// URL works too)"
        return MachineCheck(
            name=f"source {source.name}",
            ok=False,
            detail=str(error).splitlines()[0].removesuffix(":"),
            help=help_text,
        )
    tag = f"{source.tag} = " if source.tag else ""
    return MachineCheck(name=f"source {source.name}", ok=True, detail=f"{address}: {tag}{source.commit[:12]}")


def machine_exit_code(rows: Sequence[MachineCheck]) -> int:
    """The exit code of a failed tool where something needed is missing, else 0."""
    return TOOL if any(not row.ok and row.needed for row in rows) else 0
