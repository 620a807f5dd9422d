"""start.sh, run for real with sh: the freeze record, the report, the service, and waiting without one."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.runtime_scripts import COMMIT, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = "--- ENVIRONMENT INFO ---"
IDLE = "start: no command and no terminal; waiting for a signal to stop\n"


class Container(NamedTuple):
    """A folder like an image's: the scripts, and a `python` first on the PATH."""

    root: Path

    @property
    def script(self) -> str:
        return str(self.root / "opt tor pin" / "start.sh")

    def environ(self, **variables: str) -> dict[str, str]:
        return {"PATH": f"{self.root / 'bin'}:/usr/bin:/bin", **variables}

    def start(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ("sh", self.script, *command),
            env=self.environ(**environ),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def install_python(self, text: str) -> None:
        (self.root / "bin").mkdir(exist_ok=True)
        python = self.root / "bin" / "python"
        python.write_text(f"#!/bin/sh\n{text}\n")
        python.chmod(0o755)


def make_container(root: Path, python: str = sys.executable) -> Container:
    container = Container(root)
    scripts = Path(container.script).parent
    scripts.mkdir()
    for name in ("start.sh", "envreport.py", *(script.name for script in RUNTIME.glob("probe*.py"))):
        shutil.copy(RUNTIME / name, scripts)
    container.install_python(f'exec "{python}" "$@"')
    return container


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return make_container(tmp_path)


def test_the_script_is_executable() -> None:
    assert os.access(RUNTIME / "start.sh", os.X_OK)


def test_the_record_is_written_the_report_printed_and_the_service_run(container: Container) -> None:
    record = container.root / "logs of" / "lora" / "pip_freeze.txt"
    result = container.start(
        "sh", "-c", 'echo "service: $1|$2"; exit 7', "x", "a b", "*", TORCHPIN_FREEZE=str(record)
    )
    assert result.returncode == 7
    assert result.stderr == ""
    assert result.stdout.startswith(f"{BLOCK}\nPython version: {sys.version.split()[0]}\n")
    assert result.stdout.endswith("--- END ENVIRONMENT INFO ---\nservice: a b|*\n")
    lines = record.read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line.split("==")[0])
    assert [line for line in lines if line.startswith("pytest==")] == [f"pytest=={pytest.__version__}"]
    assert list(record.parent.iterdir()) == [record]
    assert stat.S_IMODE(record.stat().st_mode) & 0o400


def test_the_scripts_folder_stays_as_the_image_brought_it(container: Container) -> None:
    container.start("true", TORCHPIN_FREEZE="freeze.txt")
    assert sorted(path.name for path in Path(container.script).parent.iterdir()) == [
        "envreport.py",
        "probe.py",
        "probe_code.py",
        "probe_expectation.py",
        "probe_files.py",
        "probe_findings.py",
        "probe_kept.py",
        "start.sh",
    ]
    assert (container.root / "freeze.txt").is_file()


@pytest.mark.parametrize("environ", [{}, {"TORCHPIN_FREEZE": ""}])
def test_without_a_path_no_record_is_written(container: Container, environ: dict[str, str]) -> None:
    before = sorted(container.root.rglob("*"))
    assert container.start("true", **environ).returncode == 0
    assert sorted(container.root.rglob("*")) == before


def test_each_start_replaces_the_record(container: Container) -> None:
    record = container.root / "freeze.txt"
    record.write_text("old==1\n")
    container.start("true", TORCHPIN_FREEZE=str(record))
    assert "old==1" not in record.read_text()


def test_the_service_is_the_same_process(container: Container) -> None:
    process = subprocess.Popen(
        ("sh", container.script, "sh", "-c", "echo $$"),
        env=container.environ(),
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = process.communicate(timeout=60)
    assert int(out.splitlines()[-1]) == process.pid


def test_the_report_tells_the_packages_and_the_sources(container: Container) -> None:
    checkout = container.root / "sd scripts"
    (checkout / ".git").mkdir(parents=True)
    (checkout / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    sources = f"{checkout}::/no/such"
    result = container.start("true", TORCHPIN_REPORT="pytest  no-such *", TORCHPIN_SOURCES=sources)
    assert result.returncode == 0
    assert result.stdout.splitlines()[-6:-1] == [
        f"pytest version: {pytest.__version__}",
        "no-such version: not installed",
        "* version: not installed",
        f"sd scripts commit: {COMMIT[:12]}",
        "such commit: error: FileNotFoundError: [Errno 2] No such file or directory: '/no/such/.git/HEAD'",
    ]


def test_a_folder_that_cannot_be_made_is_a_warning(container: Container) -> None:
    (container.root / "file").write_text("")
    record = container.root / "file" / "logs" / "freeze.txt"
    result = container.start("echo", "service", TORCHPIN_FREEZE=str(record))
    assert (result.returncode, result.stdout.splitlines()[-1]) == (0, "service")
    assert (
        f"start: warning: the freeze record {record} could not be written; continuing without it\n"
        in result.stderr
    )


def test_a_folder_in_the_records_place_is_a_warning(container: Container) -> None:
    (container.root / "freeze.txt").mkdir()
    result = container.start("echo", "service", TORCHPIN_FREEZE="freeze.txt")
    assert (result.returncode, result.stdout.splitlines()[-1]) == (0, "service")
    assert (
        "freeze.txt: is a directory\nstart: warning: the freeze record freeze.txt could not be written"
        in result.stderr
    )
    assert list((container.root / "freeze.txt").iterdir()) == []


def test_a_failing_probe_leaves_the_old_record_and_nothing_else(container: Container) -> None:
    logs = container.root / "logs"
    logs.mkdir()
    (logs / "freeze.txt").write_text("old==1\n")
    container.install_python("echo half; exit 3")
    result = container.start("echo", "service", TORCHPIN_FREEZE=str(logs / "freeze.txt"))
    assert (result.returncode, result.stdout.splitlines()[-1]) == (0, "service")
    assert [(path.name, path.read_text()) for path in logs.iterdir()] == [("freeze.txt", "old==1\n")]
    assert "start: warning: the freeze record " in result.stderr
    assert "start: warning: the environment report failed; continuing without it\n" in result.stderr


def test_an_image_without_python_still_starts_its_service(container: Container) -> None:
    container.install_python("exit 127")
    result = container.start("echo", "service")
    assert (result.returncode, result.stdout) == (0, "service\n")


def test_an_unknown_command_answers_127(container: Container) -> None:
    assert container.start("no-such-command").returncode == 127


def start_and_stop(container: Container, number: signal.Signals) -> tuple[int, float]:
    process = subprocess.Popen(
        ("sh", container.script),
        env=container.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert IDLE in iter(process.stdout.readline, "")
        time.sleep(0.2)
        assert process.poll() is None
        start = time.monotonic()
        process.send_signal(number)
        # the sleeper holds stdout too: its end shows that none is left behind
        assert process.stdout.read() == ""
        return process.wait(timeout=10), time.monotonic() - start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_with_nothing_to_run_it_stays_up_until_it_is_stopped(
    container: Container, number: signal.Signals
) -> None:
    code, duration = start_and_stop(container, number)
    assert code == 0
    assert duration < 5


def test_with_a_terminal_it_is_a_shell(container: Container) -> None:
    shell = container.root / "bin" / "myshell"
    shell.write_text("#!/bin/sh\ntest -t 0 && exit 42\n")
    shell.chmod(0o755)
    master, slave = os.openpty()
    try:
        command = ("sh", container.script)
        environ = container.environ(SHELL=str(shell))
        result = subprocess.run(
            command, env=environ, stdin=slave, stdout=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(master)
        os.close(slave)
    assert result.returncode == 42
    assert BLOCK.encode() in result.stdout


@pytest.fixture
def public() -> Iterator[Container]:
    """Make a container that every user can read: pytest's own folders are for their owner."""
    python = Path("/usr/bin/python3")
    if os.geteuid() != 0 or not python.exists():
        pytest.skip("requires root, to become another user, and the system's Python")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield make_container(Path(folder), str(python))


def test_it_works_for_a_user_who_is_not_root(public: Container) -> None:
    nobody = pwd.getpwnam("nobody")
    logs = public.root / "logs"
    logs.mkdir()
    os.chown(logs, nobody.pw_uid, nobody.pw_gid)

    def start(record: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ("sh", public.script, "id", "-u"),
            env=public.environ(TORCHPIN_FREEZE=str(record)),
            cwd="/",
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    result = start(logs / "freeze.txt")
    assert (result.returncode, result.stdout.splitlines()[-1], result.stderr) == (0, str(nobody.pw_uid), "")
    assert (logs / "freeze.txt").is_file()
    result = start(public.root / "for-root-only" / "freeze.txt")
    assert (result.returncode, result.stdout.splitlines()[-1]) == (0, str(nobody.pw_uid))
    assert "start: warning: the freeze record " in result.stderr
