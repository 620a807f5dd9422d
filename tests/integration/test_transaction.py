"""Many files written as one, for real: processes that are killed, file systems that are full, files nobody may write."""

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
from torchpin.tools import transaction
from torchpin.tools.transaction.journal import FOLDER, JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Tree = dict[str, tuple[int, bytes | None]]  # modes and contents; None is a folder

SOURCES = str(Path(torchpin.__file__).parents[1])
ROUNDS, AT_COMMIT = 60, 12
NOBODY = 65534
PAGE = 4096
FULL = "No space left on device"
# Says that it is ready, waits for a line, writes, says what came of it. With a number of renames, a kill before the next.
CHILD = """
import json, os, signal, sys
from pathlib import Path
from torchpin import transaction
from torchpin.errors import ToolError
root, user, most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
wanted = json.loads(Path(sys.argv[4]).read_text())
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
    transaction.write(root, wanted)
except KeyboardInterrupt:
    sys.exit(130)
except ToolError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
print("done", flush=True)
"""


# --- trees and children ----------------------------------------------------------------------------------------------


def tree(root: Path) -> Tree:
    found: Tree = {}
    for one in sorted(root.rglob("*")):
        path = str(one.relative_to(root))
        if path.split("/", maxsplit=1)[0] not in {".torchpin", "filler"}:
            mode = stat.S_IMODE(one.lstat().st_mode)
            found[path] = (mode, None if one.is_dir() else one.read_bytes())
    return found


def planted(root: Path, texts: Mapping[str, str]) -> Path:
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def idle(root: Path) -> bool:
    return not transaction.pending(root) and not (root / FOLDER).exists()


@contextmanager
def child(
    root: Path, wanted: Mapping[str, str | None], *, user: int = 0, renames: int = -1
) -> Iterator[subprocess.Popen[str]]:
    """A process that is ready to write; it is gone at the end."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(wanted))
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


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def said(process: subprocess.Popen[str]) -> str:
    """What came of it, "" if it was killed."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that any user may write."""
    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


# --- killed ----------------------------------------------------------------------------------------------------------

OLD = {f"services/s{n // 4}/file{n}.txt": f"{n} old\n" * 500 for n in range(20)}
NEW: dict[str, str | None] = {
    **{path: text.replace("old", "new") for path, text in OLD.items() if "/s4/" not in path},
    **{path: None for path in OLD if "/s4/" in path},
    **{f"records/{n}/new.txt": f"{n} new\n" * 500 for n in range(4)},
}


def test_a_killed_process_leaves_all_files_before_or_all_after(place: Path) -> None:
    """Killed at any moment of a write, and just behind the point of commit: who recovers has one of the two trees."""
    chance = random.Random(19)
    before = tree(planted(place / "start", OLD))
    durations = []
    for number in range(3):
        whole = planted(place / f"whole{number}", OLD)
        with child(whole, NEW) as process:
            start = time.monotonic()
            go(process)
            assert said(process) == "done"
            durations.append(time.monotonic() - start)
        after = tree(whole)
    usual = statistics.median(durations)
    endings: list[str] = []
    finished = cleared = 0
    for number in range(ROUNDS + AT_COMMIT):
        root = planted(place / "run", OLD)
        with child(root, NEW) as process:
            go(process)
            if number < ROUNDS:
                time.sleep(chance.uniform(0, usual * 1.1))
            else:
                while not (root / FOLDER / JOURNAL).exists() and process.poll() is None:
                    pass
            process.send_signal(signal.SIGKILL)
            process.wait()
        if transaction.pending(root):
            told = transaction.recover(root) or ""
            finished += "written now" in told
            cleared += "written now" not in told
        found = tree(root)
        assert idle(root)
        assert found in (before, after), f"round {number}: neither before nor after: {sorted(found)}"
        endings.append("before" if found == before else "after")
        shutil.rmtree(root)
    print(  # noqa: T201 - what a green run was
        f"{len(endings)} kills within {usual * 1000:.0f} ms: {endings.count('before')} ended before, "
        f"{endings.count('after')} after; {cleared} were cleared up, {finished} were finished by the recovery"
    )
    assert min(endings.count("before"), endings.count("after"), cleared, finished) > 0


def test_an_interrupt_leaves_all_files_before_or_all_after_and_nothing_to_recover(place: Path) -> None:
    """Ctrl-C at any moment of a write: the process itself goes back or forward before it ends."""
    chance = random.Random(23)
    before = tree(planted(place / "start", OLD))
    whole = planted(place / "whole", OLD)
    with child(whole, NEW) as process:
        start = time.monotonic()
        go(process)
        assert said(process) == "done"
        usual = time.monotonic() - start
    after = tree(whole)
    endings: list[str] = []
    for number in range(ROUNDS):
        root = planted(place / "run", OLD)
        with child(root, NEW) as process:
            go(process)
            time.sleep(chance.uniform(0, usual))
            process.send_signal(signal.SIGINT)
            process.wait()
        found = tree(root)
        assert idle(root), f"round {number}"
        assert found in (before, after), f"round {number}: neither before nor after: {sorted(found)}"
        endings.append("before" if found == before else "after")
        shutil.rmtree(root)
    print(  # noqa: T201 - what a green run was
        f"{ROUNDS} interrupts: {endings.count('before')} ended before, {endings.count('after')} after"
    )
    assert "before" in endings


# --- full ------------------------------------------------------------------------------------------------------------


def privileged(*command: str) -> str:
    """Why it cannot be done, "" if it is done."""
    asked = command if os.geteuid() == 0 else ("sudo", "-n", *command)
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return f"{asked[0]}: {error.strerror}"
    return "" if done.returncode == 0 else done.stderr.strip() or f"{asked[0]} ended with {done.returncode}"


def without(need: str, why: str) -> None:
    """A plain machine skips; where needs are required, they are met."""
    (pytest.fail if os.environ.get("TORCHPIN_REQUIRE") else pytest.skip)(f"{need}: {why}")


@contextmanager
def mounted(folder: Path, *command: str) -> Iterator[Path]:
    why = privileged("mount", *command, str(folder))
    if why:
        without(f"mount {' '.join(command)}", why)
    try:
        yield folder
    finally:
        why = privileged("umount", str(folder)) and privileged("umount", "--lazy", str(folder))
        assert not why


@contextmanager
def small(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own."""
    folder.mkdir(exist_ok=True)
    with mounted(folder, "-t", "tmpfs", "-o", f"{options},mode=0777", "tmpfs") as made:
        yield made


def free(root: Path) -> tuple[int, int]:
    """Bytes, and files."""
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize, found.f_favail


def fill(root: Path, *, left: int) -> None:
    """But for so many bytes."""
    (root / "filler").unlink(missing_ok=True)
    (root / "filler").touch()
    (root / "filler").write_bytes(bytes(free(root)[0] - left))
    assert free(root)[0] == left


def use_names(root: Path, *, left: int) -> None:
    """But for so many files."""
    shutil.rmtree(root / "filler", ignore_errors=True)
    (root / "filler").mkdir()
    for number in range(free(root)[1] - left):
        (root / "filler" / str(number)).touch()
    assert free(root)[1] == left


SMALL = {f"services/s{n}/lock.json": f"{n} old\n" for n in range(6)}
BIG: dict[str, str | None] = {
    **{path: text.replace("old", "new") * 3000 for path, text in SMALL.items() if "/s5/" not in path},
    "services/s5/lock.json": None,
    "records/new.json": "new\n" * 3000,
}
BIG_RENAMES = len(BIG)  # trials, one for each file


def test_a_full_file_system_leaves_all_files_before(place: Path) -> None:
    """Whatever is left, if it is too little nothing is written, and it is said why; with enough, all is written."""
    with small(place / "small", "size=512k") as root:
        before = tree(planted(root, SMALL))
        refused = []
        for left in range(0, 256 * 1024, PAGE):
            fill(root, left=left)
            try:
                transaction.write(root, BIG)
                break
            except ToolError as error:
                refused.append(str(error))
            assert tree(root) == before
            assert idle(root)
        assert tree(root) != before
        assert {path for path, one in tree(root).items() if one[1]} == {
            p for p, t in BIG.items() if t is not None
        }
    causes = {one.split(":")[0] for one in refused}
    print(f"{len(refused)} full file systems: {sorted(causes)}")  # noqa: T201 - what a green run was
    assert all(one.endswith(f": {FULL}. No file was changed.") for one in refused)
    assert {"records/new.json", "services/s0/lock.json", "services/s4/lock.json"} < causes


def test_a_file_system_without_room_for_more_names_leaves_all_files_before(place: Path) -> None:
    """Bytes are not all that runs out."""
    with small(place / "small", "size=4m,nr_inodes=64") as root:
        before = tree(planted(root, SMALL))
        refused = []
        for left in range(40):
            use_names(root, left=left)
            try:
                transaction.write(root, BIG)
                break
            except ToolError as error:
                refused.append(str(error))
            assert tree(root) == before
            assert idle(root)
        assert tree(root) != before
    assert len(refused) > len(BIG)
    assert all(one.endswith(f": {FULL}. No file was changed.") for one in refused)


@pytest.mark.parametrize("more", range(4))
def test_a_committed_write_is_finished_on_a_full_file_system(place: Path, more: int) -> None:
    """Killed behind the commit, and then not a byte and not a name is left: the renames need none."""
    with small(place / "whole", "size=1m,nr_inodes=64") as root:
        transaction.write(planted(root, SMALL), BIG)
        after = tree(root)
    with small(place / "small", "size=1m,nr_inodes=64") as root:
        planted(root, SMALL)
        with child(root, BIG, renames=BIG_RENAMES + 1 + more) as process:
            go(process)
            assert said(process) == ""
        (root / "filler").touch()
        (root / "filler").write_bytes(bytes(free(root)[0]))
        (root / "more").mkdir()
        for number in range(free(root)[1]):
            (root / "more" / str(number)).touch()
        assert free(root) == (0, 0)
        assert (root / FOLDER / JOURNAL).exists()
        assert "written now" in (transaction.recover(root) or "")
        assert idle(root)
        assert {path: one for path, one in tree(root).items() if path.split("/")[0] != "more"} == after


@pytest.mark.parametrize("renames", [0, 3, BIG_RENAMES])
def test_a_write_that_was_not_committed_is_cleared_on_a_full_file_system(place: Path, renames: int) -> None:
    """Killed while trials are made, or just before the commit: clearing up needs no room either."""
    with small(place / "small", "size=1m") as root:
        before = tree(planted(root, SMALL))
        with child(root, BIG, renames=renames) as process:
            go(process)
            assert said(process) == ""
        fill(root, left=0)
        assert "no file was changed" in (transaction.recover(root) or "")
        assert idle(root)
        assert tree(root) == before


# --- not to be written -----------------------------------------------------------------------------------------------


def outcome(root: Path, wanted: Mapping[str, str | None]) -> str:
    """What a user without privileges is told."""
    with child(root, wanted, user=NOBODY if os.geteuid() == 0 else 0) as process:
        go(process)
        return said(process)


@pytest.mark.parametrize(
    ("closed", "mode", "path"),
    [
        ("services/s3/lock.json", 0o444, "services/s3/lock.json"),
        ("services/s5/lock.json", 0o444, "services/s5/lock.json"),
        ("services/s5", 0o555, "services/s5/lock.json"),
        ("services/s4", 0o555, "services/s4/lock.json"),
        ("services/s5", 0o333, "services/s5/lock.json"),  # its names cannot be brought to the disk
    ],
)
def test_what_the_user_may_not_write_leaves_all_files_before(
    place: Path, closed: str, mode: int, path: str
) -> None:
    """A file that is replaced or removed, or its folder: it is named, and nothing is written."""
    root = planted(place / "run", SMALL)
    for one in (root, *root.rglob("*")):
        one.chmod(0o777 if one.is_dir() else 0o666)
    (root / closed).chmod(mode)
    before = tree(root)
    assert outcome(root, BIG) == f"{path}: Permission denied. No file was changed."
    assert tree(root) == before
    assert idle(root)
    (root / closed).chmod(0o777)
    assert outcome(root, BIG) == "done"


@pytest.mark.parametrize(
    "path", ["services/s3/lock.json", "services/s5/lock.json", "services/s3", "services/s5"]
)
def test_what_even_root_may_not_write_leaves_all_files_before(place: Path, path: str) -> None:
    """An immutable file or folder."""
    root = planted(place / "run", SMALL)
    before = tree(root)
    why = privileged("chattr", "+i", str(root / path))
    if why:
        pytest.skip(f"chattr +i: {why}")
    try:
        with pytest.raises(ToolError, match=rf"^{path}\S*: \w.*\. No file was changed\.$"):
            transaction.write(root, BIG)
        assert tree(root) == before
        assert idle(root)
    finally:
        privileged("chattr", "-i", str(root / path))
    assert transaction.write(root, BIG)


def test_a_read_only_file_system_leaves_all_files_before(place: Path) -> None:
    """Not even our own folder can be made there; that is what is said."""
    with small(place / "small", "size=1m") as root:
        before = tree(planted(root, SMALL))
        assert privileged("mount", "-o", "remount,ro", str(root)) == ""
        with pytest.raises(ToolError, match=r"Read-only file system\. No file was changed"):
            transaction.write(root, BIG)
        assert tree(root) == before
        assert not transaction.pending(root)


def test_a_folder_on_another_file_system_leaves_all_files_before(place: Path) -> None:
    """No rename leads there; it is named before anything is written."""
    root = planted(place / "run", SMALL)
    with small(root / "records", "size=1m"):
        before = tree(root)
        with pytest.raises(
            ToolError, match=r"^records/new\.json: lies on another file system than \.torchpin"
        ):
            transaction.write(root, BIG)
        assert tree(root) == before
        assert idle(root)


@pytest.mark.parametrize("path", ["services/s3/lock.json", "services/s5/lock.json"])
def test_a_file_that_is_mounted_by_itself_leaves_all_files_before(place: Path, path: str) -> None:
    """As with one file of the host in a container: no rename replaces it and no delete removes it."""
    root = planted(place / "run", SMALL)
    planted(place, {"other.json": SMALL[path]})
    with mounted(root / path, "--bind", str(place / "other.json")):
        before = tree(root)
        with pytest.raises(ToolError, match=rf"^{path}: is mounted by itself.*\. No file was changed\.$"):
            transaction.write(root, BIG)
        assert tree(root) == before
        assert idle(root)
