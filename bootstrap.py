#!/usr/bin/env python3
"""Run a command in torchpin's own environment, which is made first where it is missing or out of date.

    python3 bootstrap.py COMMAND [ARGUMENT...]

For example `python3 bootstrap.py invoke --list` or `python3 bootstrap.py nox`. The environment is the folder .venv
beside this file: the packages of requirements/run.txt, exactly those files, and torchpin itself, editable.
Needs Python 3.10 or newer with its venv module, and nothing else.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - this is where people learn of it
    print("torchpin needs Python 3.10 or newer; this is %d.%d." % sys.version_info[:2], file=sys.stderr)  # noqa: UP031
    sys.exit(3)

import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HOME = Path(__file__).resolve().parent
INPUT, TOOL, INTERRUPTED = 2, 3, 130
OLDEST_PIP = (22, 3)  # the first with --python
# Of PIP_* and UV_*, those that say how to reach an index are kept; those that say what to install, or where, are not.
KEPT = re.compile(
    r"(PIP|UV)_.*"
    r"(CACHE|CERT|CONFIG|DOWNLOADS|HOST|HTTP|INDEX|INSTALL_DIR|KEYRING|LINK|MIRROR|OFFLINE|PROXY|RETRIES|TIMEOUT|TLS)"
)
DROPPED = {"PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"}


class Stop(Exception):  # noqa: N818 - it ends the run; not every end is an error
    """An expected end: a sentence for the user and an exit code."""

    def __init__(self, message: str, code: int = TOOL) -> None:
        super().__init__(message)
        self.code = code


def digest(home: Path, base: str) -> str:
    """What an environment answers: the requirements, the project, this Python and this place."""
    parts = [
        (home / "requirements" / "run.txt").read_bytes(),
        (home / "pyproject.toml").read_bytes(),
        platform.python_version().encode(),
        base.encode(),
        str(home).encode(),  # scripts carry the path of their interpreter
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def programs(venv: Path) -> Path:
    return venv / ("Scripts" if sys.platform == "win32" else "bin")


def interpreter(venv: Path) -> Path:
    return programs(venv) / ("python.exe" if sys.platform == "win32" else "python")


def environment(venv: Path, old: Mapping[str, str]) -> dict[str, str]:
    """The variables for a command in an environment, as if it had been activated."""
    new = {
        name: value
        for name, value in old.items()
        if name not in DROPPED and (not name.startswith(("PIP_", "UV_")) or KEPT.match(name))
    }
    path = [str(programs(venv)), *filter(None, [old.get("PATH")])]
    return new | {"VIRTUAL_ENV": str(venv), "PATH": os.pathsep.join(path)}


def pip_environment(venv: Path, old: Mapping[str, str]) -> dict[str, str]:
    """The same for pip, with the answers that a configuration file may not give otherwise."""
    return environment(venv, old) | {
        "PIP_CONSTRAINT": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_USER": "0",
    }


def can_drive(version: str) -> bool:
    """Whether `pip --version` names a pip that installs into an environment that has none."""
    match = re.match(r"pip (\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST_PIP


def is_ready(venv: Path, stamp: str) -> bool:
    """Whether the environment was made to its end, for what is wanted."""
    try:
        return (venv / ".stamp").read_text() == stamp and interpreter(venv).exists()
    except OSError:
        return False


def run(command: tuple[str, ...], env: Mapping[str, str]) -> str:
    """A command to its end, silent; the whole story if it fails."""
    completed = subprocess.run(
        command,
        cwd=HOME,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        close_fds=False,
    )
    if completed.returncode:
        raise Stop(
            f"`{shlex.join(command)}` ended with {completed.returncode}:\n{completed.stdout.rstrip()}\n"
            "Nothing is half-done: the same command starts again."
        )
    return completed.stdout


def no_venv(base: str) -> Stop:
    version = ".".join(platform.python_version_tuple()[:2])
    return Stop(
        f"{base} cannot make an environment: it has no venv module with pip, and no pip {OLDEST_PIP[0]}.{OLDEST_PIP[1]}"
        f" or newer. Install one (on Debian and Ubuntu: `apt-get install python{version}-venv`), then run the same"
        " command again."
    )


def set_up(home: Path, venv: Path, base: str) -> None:
    """The environment from nothing: whatever lies in its place is removed first."""
    env = pip_environment(venv, os.environ)
    pip: tuple[str, ...] = (str(interpreter(venv)), "-m", "pip")
    make: tuple[str, ...] = (base, "-m", "venv", "--clear", str(venv))
    if importlib.util.find_spec("venv") is None:
        raise no_venv(base)
    if importlib.util.find_spec("ensurepip") is None:  # Debian without python3-venv
        try:
            version = run((base, "-m", "pip", "--version"), env)
        except Stop:
            raise no_venv(base) from None
        if not can_drive(version):
            raise no_venv(base)
        pip = (base, "-m", "pip", "--python", str(interpreter(venv)))
        make = (*make, "--without-pip")
    (venv / ".stamp").unlink(missing_ok=True)
    run(make, env)
    options = ("--require-hashes", "--only-binary", ":all:", "-r", str(home / "requirements" / "run.txt"))
    run((*pip, "install", "--quiet", *options), env)
    run((*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(home)), env)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time; the system frees the lock however its holder ends."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                    break
                except OSError:
                    time.sleep(0.2)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            os.set_inheritable(
                file.fileno(), True
            )  # a pip that outlives a killed bootstrap still holds the lock
        yield


def ensure(home: Path) -> Path:
    """The environment, made if it is not there as wanted."""
    venv = home / ".venv"
    # Not the environment that may be replaced, should that be what runs this.
    base = str(getattr(sys, "_base_executable", None) or sys.executable)
    stamp = digest(home, base)
    if not is_ready(venv, stamp):
        with locked(home / ".torchpin" / "bootstrap.lock"):
            if not is_ready(venv, stamp):  # nobody else made it meanwhile
                print("torchpin: setting up .venv (once)…", file=sys.stderr, flush=True)
                set_up(home, venv, base)
                fresh = venv / ".stamp.new"
                fresh.write_text(stamp)
                fresh.replace(venv / ".stamp")
    return venv


def start(venv: Path, command: list[str]) -> int:
    """The command takes this process' place; on Windows, which has no such thing, its exit code is ours."""
    env = environment(venv, os.environ)
    program = shutil.which(command[0], path=env["PATH"])
    if program is None:
        raise Stop(f"there is no command `{command[0]}` in {programs(venv)}, nor on PATH.", INPUT)
    argv = [program, *command[1:]]
    if sys.platform != "win32":
        os.execve(program, argv, env)
    return subprocess.run(argv, env=env, check=False).returncode


def main(argv: list[str]) -> int:
    if not argv or argv[0] in {"-h", "--help"}:
        print(__doc__.strip(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else INPUT
    try:
        return start(ensure(HOME), argv)
    except Stop as stop:
        print(f"torchpin: {stop}", file=sys.stderr)
        return stop.code
    except OSError as error:
        print(f"torchpin: {error.filename}: {error.strerror}", file=sys.stderr)
        return TOOL
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
