"""Atomic writes with real faults: killed processes, full file systems, files without write permission."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import stat
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import torchpin
from torchpin.errors import ToolError
from torchpin.paths import TRANSACTION
from torchpin.tools import transaction
from torchpin.tools.transaction.journal import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Tree = dict[str, tuple[int, bytes | None]]  # modes and contents; None is a folder
SOURCES = str(Path(torchpin.__file__).parents[1])
ROUNDS, COMMIT_ROUNDS = 60, 12
NOBODY = 65534
PAGE = 4096
DISK_FULL = "No space left on device"
# Says that it is ready, waits for a line, writes, says what came of it. With a number of renames, a kill before the next.
CHILD = """
import json, os, signal, sys
from pathlib import Path
from torchpin.tools import transaction
from torchpin.errors import ToolError
from torchpin.paths import TRANSACTION
from torchpin.paths import TRANSACTION
root, user, most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
texts = json.loads(Path(sys.argv[4]).read_text())
real, calls = Path.replace, [0]
def replace(path, target):
    calls[0] += 1
    if 0 <= most < calls[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, target)
Path.replace = replace
if user:
    os.setgid(user)
    os.setuid(user)
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("ready", flush=True)
    sys.stdin.readline()
    transaction.write(root, texts)
except KeyboardInterrupt:
    sys.exit(130)
except ToolError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
print("done", flush=True)
"""


def tree(root: Path) -> Tree:
    files: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.split("/", maxsplit=1)[0] not in {".torchpin", "filler"}:
            mode = stat.S_IMODE(path.lstat().st_mode)
            files[name] = (mode, None if path.is_dir() else path.read_bytes())
    return files


def write_texts(root: Path, texts: Mapping[str, str]) -> Path:
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def is_idle(root: Path) -> bool:
    return not transaction.pending(root) and not (root / TRANSACTION).exists()


@contextmanager
def writer_process(
    root: Path, texts: Mapping[str, str | None], *, user: int = 0, renames: int = -1
) -> Iterator[subprocess.Popen[str]]:
    """A process that is ready to write; it is gone at the end."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(texts))
        file.flush()
        Path(file.name).chmod(0o644)
        process = subprocess.Popen(
            (sys.executable, "-c", CHILD, str(root), str(user), str(renames), file.name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": SOURCES},
        )
        with process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "ready\n"
                yield process
            finally:
                process.kill()


def start_writing(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def read_answer(process: subprocess.Popen[str]) -> str:
    """What came of it, "" if it was killed."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that any user may write."""
    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


OLD = {f"services/s{n // 4}/file{n}.txt": f"{n} old\n" * 500 for n in range(20)}
NEW: dict[str, str | None] = {
    **{path: text.replace("old", "new") for path, text in OLD.items() if "/s4/" not in path},
    **{path: None for path in OLD if "/s4/" in path},
    **{f"records/{n}/new.txt": f"{n} new\n" * 500 for n in range(4)},
}


def measure_writes(shared_folder: Path) -> tuple[Tree, float]:
    """The tree after a whole write, and the median of three durations."""
    durations = []
    for number in range(3):
        reference = write_texts(shared_folder / f"whole{number}", OLD)
        with writer_process(reference, NEW) as process:
            start = time.monotonic()
            start_writing(process)
            assert read_answer(process) == "done"
            durations.append(time.monotonic() - start)
    return tree(reference), statistics.median(durations)


def test_a_killed_process_leaves_all_files_before_or_all_after(shared_folder: Path) -> None:
    """Killed at any moment of a write, and just behind the point of commit: who recovers has one of the two trees."""
    rng = random.Random(19)
    before = tree(write_texts(shared_folder / "start", OLD))
    after, median_duration = measure_writes(shared_folder)
    endings: list[str] = []
    finished = cleared = 0
    for number in range(ROUNDS + COMMIT_ROUNDS):
        root = write_texts(shared_folder / "run", OLD)
        with writer_process(root, NEW) as process:
            start_writing(process)
            if number < ROUNDS:
                time.sleep(rng.uniform(0, median_duration * 1.1))
            else:
                while not (root / TRANSACTION / JOURNAL).exists() and process.poll() is None:
                    pass
            process.send_signal(signal.SIGKILL)
            process.wait()
        if transaction.pending(root):
            message = transaction.recover(root) or ""
            finished += "written now" in message
            cleared += "written now" not in message
        current = tree(root)
        assert is_idle(root)
        assert current in (before, after), f"round {number}: neither before nor after: {sorted(current)}"
        endings.append("before" if current == before else "after")
        shutil.rmtree(root)
    print(  # noqa: T201 - what a green run was
        f"{len(endings)} kills within {median_duration * 1000:.0f} ms: {endings.count('before')} ended before, "
        f"{endings.count('after')} after; {cleared} were cleared up, {finished} were finished by the recovery"
    )
    assert min(endings.count("before"), endings.count("after"), cleared, finished) > 0


def test_an_interrupt_leaves_all_files_before_or_all_after_and_nothing_to_recover(
    shared_folder: Path,
) -> None:
    """Ctrl-C at any moment of a write: the process rolls back or finishes before it ends."""
    rng = random.Random(23)
    before = tree(write_texts(shared_folder / "start", OLD))
    reference = write_texts(shared_folder / "whole", OLD)
    with writer_process(reference, NEW) as process:
        start = time.monotonic()
        start_writing(process)
        assert read_answer(process) == "done"
        duration = time.monotonic() - start
    after = tree(reference)
    endings: list[str] = []
    for number in range(ROUNDS):
        root = write_texts(shared_folder / "run", OLD)
        with writer_process(root, NEW) as process:
            start_writing(process)
            time.sleep(rng.uniform(0, duration))
            process.send_signal(signal.SIGINT)
            process.wait()
        current = tree(root)
        assert is_idle(root), f"round {number}"
        assert current in (before, after), f"round {number}: neither before nor after: {sorted(current)}"
        endings.append("before" if current == before else "after")
        shutil.rmtree(root)
    print(  # noqa: T201 - what a green run was
        f"{ROUNDS} interrupts: {endings.count('before')} ended before, {endings.count('after')} after"
    )
    assert "before" in endings


def run_privileged(*command: str) -> str:
    """Why it cannot be done, "" if it is done."""
    privileged_command = command if os.geteuid() == 0 else ("sudo", "-n", *command)
    try:
        result = subprocess.run(privileged_command, capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return f"{privileged_command[0]}: {error.strerror}"
    return (
        ""
        if result.returncode == 0
        else result.stderr.strip() or f"{privileged_command[0]} failed with exit code {result.returncode}"
    )


def skip_or_fail(need: str, reason: str) -> None:
    """A plain machine skips; where needs are required, they are met."""
    (pytest.fail if os.environ.get("TORCHPIN_REQUIRE") else pytest.skip)(f"{need}: {reason}")


@contextmanager
def mount(folder: Path, *command: str) -> Iterator[Path]:
    reason = run_privileged("mount", *command, str(folder))
    if reason:
        skip_or_fail(f"mount {' '.join(command)}", reason)
    try:
        yield folder
    finally:
        reason = run_privileged("umount", str(folder)) and run_privileged("umount", "--lazy", str(folder))
        assert not reason


@contextmanager
def small_file_system(folder: Path, options: str) -> Iterator[Path]:
    """A separate file system."""
    folder.mkdir(exist_ok=True)
    with mount(folder, "-t", "tmpfs", "-o", f"{options},mode=0777", "tmpfs") as mount_point:
        yield mount_point


def free_space(root: Path) -> tuple[int, int]:
    """Bytes, and files."""
    stats = os.statvfs(root)
    return stats.f_bavail * stats.f_frsize, stats.f_favail


def fill(root: Path, *, remaining: int) -> None:
    """But for so many bytes."""
    (root / "filler").unlink(missing_ok=True)
    (root / "filler").touch()
    (root / "filler").write_bytes(bytes(free_space(root)[0] - remaining))
    assert free_space(root)[0] == remaining


def fill_inodes(root: Path, *, remaining: int) -> None:
    """But for so many files."""
    shutil.rmtree(root / "filler", ignore_errors=True)
    (root / "filler").mkdir()
    for number in range(free_space(root)[1] - remaining):
        (root / "filler" / str(number)).touch()
    assert free_space(root)[1] == remaining


SMALL = {f"services/s{n}/lock.json": f"{n} old\n" for n in range(6)}
BIG: dict[str, str | None] = {
    **{path: text.replace("old", "new") * 3000 for path, text in SMALL.items() if "/s5/" not in path},
    "services/s5/lock.json": None,
    "records/new.json": "new\n" * 3000,
}
BIG_RENAMES = len(BIG)  # trials, one for each file


def test_a_full_file_system_leaves_all_files_before(shared_folder: Path) -> None:
    """With too little space nothing is written, and the message says why; with enough all is written."""
    with small_file_system(shared_folder / "small", "size=512k") as root:
        before = tree(write_texts(root, SMALL))
        messages = []
        for remaining in range(0, 256 * 1024, PAGE):
            fill(root, remaining=remaining)
            try:
                transaction.write(root, BIG)
                break
            except ToolError as error:
                messages.append(str(error))
            assert tree(root) == before
            assert is_idle(root)
        assert tree(root) != before
        assert {path for path, entry in tree(root).items() if entry[1]} == {
            path for path, text in BIG.items() if text is not None
        }
    causes = {message.split(":")[0] for message in messages}
    print(f"{len(messages)} full file systems: {sorted(causes)}")  # noqa: T201 - what a green run was
    assert all(message.endswith(f": {DISK_FULL}; no file was changed") for message in messages)
    assert {"records/new.json", "services/s0/lock.json", "services/s4/lock.json"} < causes


def test_a_file_system_without_room_for_more_names_leaves_all_files_before(shared_folder: Path) -> None:
    """Bytes are not all that runs out."""
    with small_file_system(shared_folder / "small", "size=4m,nr_inodes=64") as root:
        before = tree(write_texts(root, SMALL))
        messages = []
        for remaining in range(40):
            fill_inodes(root, remaining=remaining)
            try:
                transaction.write(root, BIG)
                break
            except ToolError as error:
                messages.append(str(error))
            assert tree(root) == before
            assert is_idle(root)
        assert tree(root) != before
    assert len(messages) > len(BIG)
    assert all(message.endswith(f": {DISK_FULL}; no file was changed") for message in messages)


@pytest.mark.parametrize("committed_renames", range(4))
def test_a_committed_write_is_finished_on_a_full_file_system(
    shared_folder: Path, committed_renames: int
) -> None:
    """Killed behind the commit, and then not a byte and not a name is left: the renames need none."""
    with small_file_system(shared_folder / "whole", "size=1m,nr_inodes=64") as root:
        transaction.write(write_texts(root, SMALL), BIG)
        after = tree(root)
    with small_file_system(shared_folder / "small", "size=1m,nr_inodes=64") as root:
        write_texts(root, SMALL)
        with writer_process(root, BIG, renames=BIG_RENAMES + 1 + committed_renames) as process:
            start_writing(process)
            assert read_answer(process) == ""
        (root / "filler").touch()
        (root / "filler").write_bytes(bytes(free_space(root)[0]))
        (root / "more").mkdir()
        for number in range(free_space(root)[1]):
            (root / "more" / str(number)).touch()
        assert free_space(root) == (0, 0)
        assert (root / TRANSACTION / JOURNAL).exists()
        assert "written now" in (transaction.recover(root) or "")
        assert is_idle(root)
        assert {path: entry for path, entry in tree(root).items() if path.split("/")[0] != "more"} == after


@pytest.mark.parametrize("renames", [0, 3, BIG_RENAMES])
def test_a_write_that_was_not_committed_is_cleared_on_a_full_file_system(
    shared_folder: Path, renames: int
) -> None:
    """Killed during the trials or just before the commit: the recovery needs no disk space."""
    with small_file_system(shared_folder / "small", "size=1m") as root:
        before = tree(write_texts(root, SMALL))
        with writer_process(root, BIG, renames=renames) as process:
            start_writing(process)
            assert read_answer(process) == ""
        fill(root, remaining=0)
        assert "no file was changed" in (transaction.recover(root) or "")
        assert is_idle(root)
        assert tree(root) == before


def write_as_user(root: Path, texts: Mapping[str, str | None]) -> str:
    """The message for a user without privileges."""
    with writer_process(root, texts, user=NOBODY if os.geteuid() == 0 else 0) as process:
        start_writing(process)
        return read_answer(process)


@pytest.mark.parametrize(
    ("protected", "mode", "path"),
    [
        ("services/s3/lock.json", 0o444, "services/s3/lock.json"),
        ("services/s5/lock.json", 0o444, "services/s5/lock.json"),
        ("services/s5", 0o555, "services/s5/lock.json"),
        ("services/s4", 0o555, "services/s4/lock.json"),
        ("services/s5", 0o333, "services/s5/lock.json"),  # its names cannot be brought to the disk
    ],
)
def test_what_the_user_may_not_write_leaves_all_files_before(
    shared_folder: Path, protected: str, mode: int, path: str
) -> None:
    """A file that is replaced or removed, or its folder: it is named, and nothing is written."""
    root = write_texts(shared_folder / "run", SMALL)
    for file_or_folder in (root, *root.rglob("*")):
        file_or_folder.chmod(0o777 if file_or_folder.is_dir() else 0o666)
    (root / protected).chmod(mode)
    before = tree(root)
    assert write_as_user(root, BIG) == f"{path}: Permission denied; no file was changed"
    assert tree(root) == before
    assert is_idle(root)
    (root / protected).chmod(0o777)
    assert write_as_user(root, BIG) == "done"


@pytest.mark.parametrize(
    "path", ["services/s3/lock.json", "services/s5/lock.json", "services/s3", "services/s5"]
)
def test_what_even_root_may_not_write_leaves_all_files_before(shared_folder: Path, path: str) -> None:
    """An immutable file or folder."""
    root = write_texts(shared_folder / "run", SMALL)
    before = tree(root)
    reason = run_privileged("chattr", "+i", str(root / path))
    if reason:
        pytest.skip(f"chattr +i: {reason}")
    try:
        with pytest.raises(ToolError, match=rf"^{path}\S*: \w.*; no file was changed$"):
            transaction.write(root, BIG)
        assert tree(root) == before
        assert is_idle(root)
    finally:
        run_privileged("chattr", "-i", str(root / path))
    assert transaction.write(root, BIG)


def test_a_read_only_file_system_leaves_all_files_before(shared_folder: Path) -> None:
    """Not even the staging folder can be created, and the message says so."""
    with small_file_system(shared_folder / "small", "size=1m") as root:
        before = tree(write_texts(root, SMALL))
        assert run_privileged("mount", "-o", "remount,ro", str(root)) == ""
        with pytest.raises(ToolError, match=r"Read-only file system; no file was changed"):
            transaction.write(root, BIG)
        assert tree(root) == before
        assert not transaction.pending(root)


def test_a_folder_on_another_file_system_leaves_all_files_before(shared_folder: Path) -> None:
    """No rename leads there; it is named before anything is written."""
    root = write_texts(shared_folder / "run", SMALL)
    with small_file_system(root / "records", "size=1m"):
        before = tree(root)
        with pytest.raises(ToolError, match=r"^records/new\.json: is on another file system than \.torchpin"):
            transaction.write(root, BIG)
        assert tree(root) == before
        assert is_idle(root)


@pytest.mark.parametrize("path", ["services/s3/lock.json", "services/s5/lock.json"])
def test_a_file_that_is_mounted_by_itself_leaves_all_files_before(shared_folder: Path, path: str) -> None:
    """As with one file of the host in a container: no rename replaces it and no delete removes it."""
    root = write_texts(shared_folder / "run", SMALL)
    write_texts(shared_folder, {"other.json": SMALL[path]})
    with mount(root / path, "--bind", str(shared_folder / "other.json")):
        before = tree(root)
        with pytest.raises(ToolError, match=rf"^{path}: is a mount point.*; no file was changed$"):
            transaction.write(root, BIG)
        assert tree(root) == before
        assert is_idle(root)
