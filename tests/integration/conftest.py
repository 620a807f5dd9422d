"""What integration tests stand on: a Docker engine (one of our own where none answers), PyPI and a browser.

A test marked `docker`, `network`, `registry` or `browser` is skipped, with the reason, where its need is not met; where TORCHPIN_REQUIRE
(`docker`, `docker,network`) names the need, it fails instead.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support import browser, registries, worker_groups
from support.installed_wheel import Installed, install_wheel
from support.page_server import PageServer

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
TIMEOUT_SECONDS = 60  # seconds for an engine to answer, and again to end
MAX_SOCKET_PATH = 107  # bytes that a unix socket's path may have
LARGEST_DISK = 8 << 30  # bytes, of which an engine has 5.6 gigabytes in use at most, at the real torch
MEMORY_OF_TESTS = 4 << 30  # bytes, beside that disk
# Mounts that nobody else has: they go with the engine, and the engine ends with these tests, however those end.
OWN_MOUNTS = """
[ -z "$1" ] || mount -t tmpfs -o "size=$1" tmpfs "$2" || exit
shift 2
exec setpriv --pdeathsig TERM "$@"
"""
NEEDS = ("docker", "network", "registry", "browser")
# groups that begin first, in this order: so many CPU seconds that a worker would end with one of them alone
LONGEST = (
    *("lora_lab", "test_readme.py", "test_faults.py", "commands/test_bump.py", "shapes", "installed"),
    *("commands/test_same_image.py", "test_bootstrap.py", "cli/test_hostile_input.py"),
)
SHARED = ("lora_lab", "shapes", "installed")  # fixtures of several files that take long to make


class UnmetNeed(Exception):  # noqa: N818 - the usual case on a plain machine
    """Why a need is not met."""


class Needs:
    """Each need is looked into once, when the first test asks; what was started ends with the session."""

    def __init__(self) -> None:
        self.exit_stack = ExitStack()
        self._reasons: dict[str, str] = {}

    def reason_unmet(self, need: str) -> str:
        """Why a need is not met, "" if it is."""
        if need not in self._reasons:
            try:
                if need == "docker":
                    self.exit_stack.enter_context(docker_engine())
                elif need == "registry":
                    require_registry()
                elif need == "browser":
                    require_browser()
                else:
                    require_pypi()
                self._reasons[need] = ""
            except UnmetNeed as error:
                self._reasons[need] = str(error)
        return self._reasons[need]


NEEDS_KEY = pytest.StashKey[Needs]()
GROUPS_KEY = pytest.StashKey[dict[str, str]]()  # by test id
SHARED_FOLDER_KEY = pytest.StashKey[Path]()  # of the workers of this run


def run_command(*command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command to its end, within the patience."""
    try:
        return subprocess.run(
            command, input=text or "", capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(
            command, 124, "", f"{command[0]} timed out after {TIMEOUT_SECONDS} s"
        )


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    return (
        result.stderr.strip() or result.stdout.strip() or f"failed with exit code {result.returncode}"
    ).splitlines()[-1]


def require_pypi() -> None:
    result = run_command(
        *(sys.executable, "-m", "uv", "pip", "compile", "--no-cache", "--no-deps", "--quiet", "-"),
        text="iniconfig\n",
    )
    if result.returncode:
        raise UnmetNeed(f"PyPI does not answer: {last_line(result)}")


def require_registry() -> None:
    """A registry's program, and a second engine beside the one that answers."""
    if not registries.program():
        raise UnmetNeed(f"{registries.PROGRAM} is not installed")
    if not find_dockerd():
        raise UnmetNeed("no second engine can be started: no dockerd, or not root")


def require_browser() -> None:
    if missing := browser.missing_programs():
        raise UnmetNeed(f"not installed: {missing}")
    try:
        browser.axe_source()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnmetNeed(str(error)) from None


@contextmanager
def docker_engine() -> Iterator[None]:
    """The engine that DOCKER_HOST or the default names, else one of our own; needs the client and buildx."""
    for command in (("docker", "--version"), ("docker", "buildx", "version")):
        result = run_command(*command)
        if result.returncode:
            raise UnmetNeed(f"`{' '.join(command)}`: {last_line(result)}")
    version = run_command("docker", "version", "--format", "{{.Server.Version}}")
    if not version.returncode:
        yield
        return
    dockerd = find_dockerd()
    if dockerd is None:
        raise UnmetNeed(
            f"no Docker engine answers ({last_line(version)}), and none can be started: no dockerd, or not root"
        )
    with use_engine(dockerd):
        yield


def find_dockerd() -> str | None:
    """The program of the engine; None where there is none, or this user cannot start it."""
    if not hasattr(os, "geteuid") or os.geteuid():
        return None
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which("dockerd", path=path)


@contextmanager
def use_engine(dockerd: str) -> Iterator[None]:
    """An engine of our own that the client and the library use meanwhile."""
    with start_engine(dockerd) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        patch.delenv("DOCKER_CONTEXT", raising=False)
        yield


@contextmanager
def start_engine(dockerd: str, *, disk: str = "", keeps_blobs: bool = False) -> Iterator[str]:
    """An engine in a folder of its own, without bridge or firewall rules: builds and runs use the host's network.

    `disk`: the size of its disk, as mount reads it, by default one in memory that holds all tests, where there is so much;
    `keeps_blobs`: with the containerd image store.
    """
    disk = disk or disk_in_memory()
    folder = make_short_folder()
    settings = folder / "daemon.json"
    settings.write_text(json.dumps({"features": {"containerd-snapshotter": keeps_blobs}}))
    (folder / "data").mkdir()
    socket = f"unix://{folder}/docker.sock"
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            (
                *("unshare", "--mount", "sh", "-c", OWN_MOUNTS, "sh", disk, str(folder / "data")),
                *(dockerd, "--iptables=false", "--ip6tables=false", "--bridge=none", "-H", socket),
                *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
                *("--pidfile", str(folder / "pid"), "--config-file", str(settings)),
            ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt at the terminal is ours to pass on, after the tests' own endings
        )
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while run_command("docker", "--host", socket, "version").returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                log_tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise UnmetNeed(f"{dockerd} was started and does not answer; the end of its log:\n{log_tail}")
            time.sleep(0.2)
        yield socket
    finally:
        stop_engine(process)
        shutil.rmtree(folder, ignore_errors=True)


def disk_in_memory() -> str:
    """The size of an engine's disk in memory, as mount reads it; "" where the memory is too small: the real torch is large."""
    meminfo = Path("/proc/meminfo").read_text()
    available = int(meminfo.partition("MemAvailable:")[2].split()[0]) * 1024
    return str(LARGEST_DISK) if available > LARGEST_DISK + MEMORY_OF_TESTS else ""


def make_short_folder() -> Path:
    """A folder whose sockets have short names; on a short path, should TMPDIR be a long one."""
    folder = Path(tempfile.mkdtemp(prefix="tpe-"))
    longest = folder / "exec" / "containerd" / "containerd-debug.sock.ttrpc"
    if len(os.fsencode(longest)) > MAX_SOCKET_PATH:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="tpe-", dir="/tmp"))
    return folder


def stop_engine(process: subprocess.Popen[bytes]) -> None:
    """The engine ends its containers and its containerd itself when it is asked to; what does not listen is killed."""
    process.terminate()
    try:
        process.wait(TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def require_need(config: pytest.Config, need: str) -> None:
    if reason := config.stash[NEEDS_KEY].reason_unmet(need):
        required = need in os.environ.get("TORCHPIN_REQUIRE", "").split(",")
        (pytest.fail if required else pytest.skip)(f"{need}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of hundreds of commands compiles torchpin
    sys.dont_write_bytecode = False
    needs = config.stash[NEEDS_KEY] = Needs()
    if not worker_groups.shared_folder(config):
        folder = needs.exit_stack.enter_context(tempfile.TemporaryDirectory(prefix="tests-"))
        config.stash[SHARED_FOLDER_KEY] = Path(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[NEEDS_KEY].exit_stack.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture, whatever its scope."""
    if group := item.config.stash.get(GROUPS_KEY, {}).get(item.nodeid):
        worker_groups.require_one_worker(item.config, group)
    for need in NEEDS:
        if item.get_closest_marker(need):
            require_need(item.config, need)


def worker_group(item: pytest.Function) -> str:
    """Tests of a group run in one worker, so that what they share is made once; "": any worker may run the test."""
    for name in SHARED:
        if name in item.fixturenames:
            return name
    fixtures = [fixture for same_name in item._fixtureinfo.name2fixturedefs.values() for fixture in same_name]
    shares = item.get_closest_marker("docker") or any(fixture.scope == "module" for fixture in fixtures)
    file = item.path.relative_to(FOLDER).as_posix()
    return file if shares or file in LONGEST else ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Groups come first, the longest before all: short tests fill the time that a worker has left at the end."""
    groups = {
        item.nodeid: group
        for item in items
        if isinstance(item, pytest.Function) and FOLDER in item.path.parents and (group := worker_group(item))
    }
    with_engine = {groups.get(item.nodeid) for item in items if item.get_closest_marker("docker")}

    def order(item: pytest.Item) -> tuple[int, int, str]:
        group = groups.get(item.nodeid, "")
        rank = LONGEST.index(group) if group in LONGEST else len(LONGEST)
        return rank, 2 if not group else group not in with_engine, group

    items.sort(key=order)
    config.stash[GROUPS_KEY] = groups
    worker_groups.write_groups(config, groups)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> worker_groups.GroupScheduling:
    return worker_groups.GroupScheduling(config, log, config.stash[SHARED_FOLDER_KEY])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[worker_groups.FOLDER] = str(node.config.stash[SHARED_FOLDER_KEY])


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> str:
    """The address of the engine that `docker` and the Docker library use: DOCKER_HOST, "" for the default."""
    require_need(pytestconfig, "docker")
    return os.environ.get("DOCKER_HOST", "")


@pytest.fixture(scope="module")
def empty_engine(pytestconfig: pytest.Config) -> Iterator[None]:
    """An engine in which no other test has built anything; the one that answers, where none can be started."""
    require_need(pytestconfig, "docker")
    if dockerd := find_dockerd():
        with use_engine(dockerd):
            yield
    else:
        yield


@pytest.fixture(scope="module")
def other_engine(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of a second engine, which has nothing."""
    require_need(pytestconfig, "registry")
    with start_engine(find_dockerd() or "") as address:
        yield address


@pytest.fixture
def small_engine(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of an engine with a disk of 30 megabytes."""
    require_need(pytestconfig, "registry")
    with start_engine(find_dockerd() or "", disk="30m") as address:
        yield address


@pytest.fixture
def blob_engine(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of a second engine, which has nothing, with the containerd image store."""
    require_need(pytestconfig, "registry")
    with start_engine(find_dockerd() or "", keeps_blobs=True) as address:
        yield address


@pytest.fixture
def registry(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry."""
    require_need(pytestconfig, "registry")
    with registries.start_registry(tmp_path / "registry") as address:
        yield address


@pytest.fixture
def plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine's user, a fixed author."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install_wheel(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def empty_repository(tmp_path: Path, plain_git: None) -> Path:
    """A folder in git, without a commit."""
    subprocess.run(("git", "init", "--quiet", "--initial-branch=main", tmp_path), check=True)
    return tmp_path


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.stop()


@pytest.fixture
def other_server() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.stop()
