#!/usr/bin/env python3
"""Run a command in torchpin's environment, which is created first if it is missing or out of date.

    python3 bootstrap.py COMMAND [ARGUMENT...]

For example `python3 bootstrap.py invoke --list` or `python3 bootstrap.py nox`. The environment is the folder .venv
beside this file: the packages of requirements/run.txt, verified by hash, and torchpin itself as an editable install.
Requires Python 3.10 or newer with its venv module, and nothing else.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - an older Python runs this far
    print("torchpin requires Python 3.10 or newer; this is %d.%d" % sys.version_info[:2], file=sys.stderr)  # noqa: UP031
    sys.exit(3)

import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

HOME = Path(__file__).resolve().parent
INPUT, TOOL, INTERRUPTED = 2, 3, 130
OLDEST_PIP = (22, 3)  # the first with --python
# PIP_* and UV_* variables about how to reach an index are kept; those about what to install, or where, are dropped.
KEPT_VARIABLES = re.compile(
    r"(PIP|UV)_.*"
    r"(CACHE|CERT|CONFIG|DOWNLOADS|HOST|HTTP|INDEX|INSTALL_DIR|KEYRING|LINK|MIRROR|OFFLINE|PROXY|RETRIES|TIMEOUT|TLS)"
)
PIP_PROGRESS = {"Collecting", "Downloading", "Ignoring", "Looking", "Using"}  # first words of its lines
DROPPED_VARIABLES = {"PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"}


class BootstrapError(Exception):
    """An expected failure: a message for the user and an exit code."""

    def __init__(self, message: str, code: int = TOOL) -> None:
        super().__init__(message)
        self.code = code


class SetUpProgress:
    """What is being done, on stderr: a line that is written over on a terminal, and a line at the start and the end elsewhere."""

    def __init__(self) -> None:
        self.start, self.text = time.monotonic(), ""
        self.is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and sys.platform != "win32"
        self.is_over = threading.Event()
        if self.is_live:
            self.drawing = threading.Thread(target=self._draw, daemon=True)
            self.drawing.start()
        else:
            print("torchpin: creating .venv (once)…", file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        self.text = text

    def end(self, *, completed: bool) -> None:
        """End the line; what took how long is said of what was completed."""
        self.is_over.set()
        if self.is_live:
            self.drawing.join()
        if completed:
            seconds = time.monotonic() - self.start
            print(f"torchpin: created .venv (once, {seconds:.0f} s)", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        while not self.is_over.wait(0.2):
            seconds = time.monotonic() - self.start
            line = f"torchpin: creating .venv (once): {self.text}"
            took = f" {seconds:.0f} s"
            room = max(20, shutil.get_terminal_size().columns - len(took) - 1)
            sys.stderr.write(f"\r\x1b[2K{line[:room]}{took}")
            sys.stderr.flush()
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()


class PipOutput:
    """What pip prints while it installs `total` requirements, as progress."""

    def __init__(self, total: int, show: Callable[[str], object]) -> None:
        self.total, self.collected, self.show = total, 0, show

    def read(self, line: str) -> bool:
        """Whether a line is progress, which no message about a failure repeats."""
        word, _, rest = line.strip().partition(" ")
        if word == "Ignoring":  # of another platform or Python
            self.total -= 1
        elif word == "Collecting":
            self.collected += 1
            self.show(f"package {self.collected} of {self.total}, {rest.partition(' ')[0]}")
        elif line.startswith("Installing collected packages"):
            self.show(f"installing {self.collected} packages")
        return word in PIP_PROGRESS or line.startswith(("Installing collected", "Successfully installed"))


def digest(home: Path, base: str) -> str:
    """The digest of what an environment depends on: the requirements, the project, the Python and the folder."""
    parts = [
        (home / "requirements" / "run.txt").read_bytes(),
        (home / "pyproject.toml").read_bytes(),
        platform.python_version().encode(),
        base.encode(),
        str(home).encode(),  # scripts contain the path of their interpreter
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def scripts_folder(venv: Path) -> Path:
    return venv / ("Scripts" if sys.platform == "win32" else "bin")


def interpreter(venv: Path) -> Path:
    return scripts_folder(venv) / ("python.exe" if sys.platform == "win32" else "python")


def environment(venv: Path, old: Mapping[str, str]) -> dict[str, str]:
    """The environment variables for a command, as in an activated environment."""
    new = {
        name: value
        for name, value in old.items()
        if name not in DROPPED_VARIABLES
        and (not name.startswith(("PIP_", "UV_")) or KEPT_VARIABLES.match(name))
    }
    path = [str(scripts_folder(venv)), *filter(None, [old.get("PATH")])]
    return new | {"VIRTUAL_ENV": str(venv), "PATH": os.pathsep.join(path)}


def pip_environment(venv: Path, old: Mapping[str, str]) -> dict[str, str]:
    """The same for pip, with options that a configuration file of the user must not change."""
    return environment(venv, old) | {
        "PIP_CONSTRAINT": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_USER": "0",
    }


def supports_other_python(version: str) -> bool:
    """Whether a pip, by the output of `pip --version`, can install into an environment without pip (by --python)."""
    match = re.match(r"pip (\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST_PIP


def is_ready(venv: Path, stamp: str) -> bool:
    """Whether the environment is complete and up to date: its stamp, written last, is the digest."""
    try:
        return (venv / ".stamp").read_text() == stamp and interpreter(venv).exists()
    except OSError:
        return False


def run(command: tuple[str, ...], env: Mapping[str, str], listen: Callable[[str], bool] | None = None) -> str:
    """Run a command and return its output. Raises BootstrapError, with the command and its output, if it fails.

    `listen` gets each line when it comes, and says whether it was progress, which is no part of the output.
    """
    output: list[str] = []
    with subprocess.Popen(
        command,
        cwd=HOME,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,
    ) as process:
        try:
            lines = process.stdout or ()
            output.extend(line for line in lines if listen is None or not listen(line))
        except BaseException:  # an interrupt too
            process.kill()
            raise
    if process.returncode:
        raise BootstrapError(
            f"`{shlex.join(command)}` failed with exit code {process.returncode}:\n{''.join(output).rstrip()}\n"
            "the next run starts again from nothing"
        )
    return "".join(output)


def venv_missing(base: str) -> BootstrapError:
    """The error for a Python without venv and pip, with the package to install."""
    version = ".".join(platform.python_version_tuple()[:2])
    return BootstrapError(
        f"{base} cannot create an environment: it has no venv module with pip, and no pip {OLDEST_PIP[0]}.{OLDEST_PIP[1]}"
        f" or newer; install one (on Debian and Ubuntu: `apt-get install python{version}-venv`), then run the command again"
    )


def set_up(home: Path, venv: Path, base: str, show: Callable[[str], object] = str) -> None:
    """Create the environment; one that exists is removed first. `show` gets what is done next.

    Raises BootstrapError if a step fails.
    """
    env = pip_environment(venv, os.environ)
    pip: tuple[str, ...] = (str(interpreter(venv)), "-m", "pip")
    create_venv: tuple[str, ...] = (base, "-m", "venv", "--clear", str(venv))
    if importlib.util.find_spec("venv") is None:
        raise venv_missing(base)
    if importlib.util.find_spec("ensurepip") is None:  # Debian without python3-venv
        try:
            version = run((base, "-m", "pip", "--version"), env)
        except BootstrapError:
            raise venv_missing(base) from None
        if not supports_other_python(version):
            raise venv_missing(base)
        pip = (base, "-m", "pip", "--python", str(interpreter(venv)))
        create_venv = (*create_venv, "--without-pip")
    (venv / ".stamp").unlink(missing_ok=True)
    show("an empty environment")
    run(create_venv, env)
    requirements = home / "requirements" / "run.txt"
    options = ("--require-hashes", "--only-binary", ":all:", "-r", str(requirements))
    count = len(re.findall(r"^[\w.-]+==", requirements.read_text(), re.MULTILINE))
    show("packages")
    run((*pip, "install", *options), env, PipOutput(count, show).read)
    show("torchpin itself")
    run((*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(home)), env)
    show("torchpin itself, for a faster start")
    with suppress(
        BootstrapError
    ):  # pip compiles packages, but none that is editable: the first command would do it
        run((str(interpreter(venv)), "-m", "compileall", "-q", str(home / "src")), env)


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold a file lock; the system releases it however the process ends."""
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
            # inherited, so that a pip that outlives a killed bootstrap still holds the lock
            os.set_inheritable(file.fileno(), True)
        yield


def ensure_environment(home: Path) -> Path:
    """The folder of the environment, which is created if it is missing or out of date."""
    venv = home / ".venv"
    # The interpreter below a venv: the venv that runs this may be the one that is replaced.
    base = str(getattr(sys, "_base_executable", None) or sys.executable)
    stamp = digest(home, base)
    if not is_ready(venv, stamp):
        with hold_lock(home / ".torchpin" / "bootstrap.lock"):
            if not is_ready(venv, stamp):  # another process may have created it while this one waited
                create_with_progress(home, venv, base, stamp)
    return venv


def create_with_progress(home: Path, venv: Path, base: str, stamp: str) -> None:
    """Create the environment and stamp it."""
    progress, completed = SetUpProgress(), False
    try:
        set_up(home, venv, base, progress.show)
        new_stamp = venv / ".stamp.new"
        new_stamp.write_text(stamp)
        new_stamp.replace(venv / ".stamp")
        completed = True
    finally:
        progress.end(completed=completed)


def start(venv: Path, command: list[str]) -> int:
    """Replace this process by the command; on Windows, which cannot, run it and return its exit code."""
    env = environment(venv, os.environ)
    program = shutil.which(command[0], path=env["PATH"])
    if program is None:
        raise BootstrapError(f"command `{command[0]}` not found in {scripts_folder(venv)} or on PATH", INPUT)
    argv = [program, *command[1:]]
    if sys.platform != "win32":
        os.execve(program, argv, env)
    return subprocess.run(argv, env=env, check=False).returncode


def main(argv: list[str]) -> int:
    if not argv or argv[0] in {"-h", "--help"}:
        print(__doc__.strip(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else INPUT
    try:
        return start(ensure_environment(HOME), argv)
    except BootstrapError as error:
        print(f"torchpin: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"torchpin: {error.filename}: {error.strerror}", file=sys.stderr)
        return TOOL
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
