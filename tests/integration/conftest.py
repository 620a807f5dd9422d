"""What integration tests stand on: a Docker engine (one of our own where none answers) and PyPI.

A test marked `docker` or `network` is skipped, with the reason, where its need is not met; where TORCHPIN_REQUIRE
(`docker`, `network`, `docker,network`) names the need, it fails instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60  # seconds for an engine to answer, and again to end
MOST_SOCKET = 107  # bytes that a unix socket's path may have
NEEDS = ("docker", "network")


class Unmet(Exception):  # noqa: N818 - the usual case on a plain machine
    """Why a need is not met."""


class Needs:
    """Each need is looked into once, when the first test asks; what was started ends with the session."""

    def __init__(self) -> None:
        self.ends = ExitStack()
        self._answers: dict[str, str] = {}

    def unmet(self, need: str) -> str:
        """Why a need is not met, "" if it is."""
        if need not in self._answers:
            try:
                if need == "docker":
                    self.ends.enter_context(engine_at_hand())
                else:
                    pypi_answers()
                self._answers[need] = ""
            except Unmet as why:
                self._answers[need] = str(why)
        return self._answers[need]


NEEDS_KEY = pytest.StashKey[Needs]()


def said(*command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command to its end, within the patience."""
    try:
        return subprocess.run(
            command, input=text or "", capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"{command[0]} did not end within {PATIENCE} s")


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip() or done.stdout.strip() or f"ended with {done.returncode}").splitlines()[-1]


def pypi_answers() -> None:
    done = said(
        *(sys.executable, "-m", "uv", "pip", "compile", "--no-cache", "--no-deps", "--quiet", "-"),
        text="iniconfig\n",
    )
    if done.returncode:
        raise Unmet(f"PyPI does not answer: {last_line(done)}")


@contextmanager
def engine_at_hand() -> Iterator[None]:
    """The engine that DOCKER_HOST or the default names, else one of our own; needs the client and buildx."""
    for command in (("docker", "--version"), ("docker", "buildx", "version")):
        done = said(*command)
        if done.returncode:
            raise Unmet(f"`{' '.join(command)}`: {last_line(done)}")
    asked = said("docker", "version", "--format", "{{.Server.Version}}")
    if not asked.returncode:
        yield
        return
    dockerd = shutil.which(
        "dockerd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    )
    if dockerd is None or not hasattr(os, "geteuid") or os.geteuid():
        raise Unmet(
            f"no Docker engine answers ({last_line(asked)}), and none can be started: no dockerd, or not root"
        )
    with own_engine(dockerd) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        patch.delenv("DOCKER_CONTEXT", raising=False)
        yield


@contextmanager
def own_engine(dockerd: str) -> Iterator[str]:
    """An engine in a folder of its own, without bridge or firewall rules: builds and runs use the host's network."""
    folder = short_folder()
    socket = f"unix://{folder}/docker.sock"
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            (
                *(dockerd, "--iptables=false", "--ip6tables=false", "--bridge=none", "-H", socket),
                *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
                *("--pidfile", str(folder / "pid")),
            ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt at the terminal is ours to pass on, after the tests' own endings
        )
    try:
        until = time.monotonic() + PATIENCE
        while said("docker", "--host", socket, "version").returncode:
            if process.poll() is not None or time.monotonic() > until:
                end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise Unmet(f"{dockerd} was started and does not answer; the end of its log:\n{end}")
            time.sleep(0.2)
        yield socket
    finally:
        stop(process)
        remove(folder)


def short_folder() -> Path:
    """A folder whose sockets have short names; on a short path, should TMPDIR be a long one."""
    folder = Path(tempfile.mkdtemp(prefix="tpe-"))
    longest = folder / "exec" / "containerd" / "containerd-debug.sock.ttrpc"
    if len(os.fsencode(longest)) > MOST_SOCKET:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="tpe-", dir="/tmp"))
    return folder


def stop(process: subprocess.Popen[bytes]) -> None:
    """The engine ends its containers and its containerd itself when it is asked to; what does not listen is killed."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def remove(folder: Path) -> None:
    """The folder and whatever is still mounted in it, the deepest first."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), key=len, reverse=True):
        said("umount", "--lazy", place)
    shutil.rmtree(folder, ignore_errors=True)


def require(config: pytest.Config, need: str) -> None:
    if why := config.stash[NEEDS_KEY].unmet(need):
        required = need in os.environ.get("TORCHPIN_REQUIRE", "").split(",")
        (pytest.fail if required else pytest.skip)(f"{need}: {why}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NEEDS_KEY] = Needs()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[NEEDS_KEY].ends.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture, whatever its scope."""
    for need in NEEDS:
        if item.get_closest_marker(need):
            require(item.config, need)


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> str:
    """The address of the engine that `docker` and the Docker library use: DOCKER_HOST, "" for the default."""
    require(pytestconfig, "docker")
    return os.environ.get("DOCKER_HOST", "")
