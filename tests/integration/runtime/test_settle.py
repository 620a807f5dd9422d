"""The end of a build step: what the step wrote gets the image's time, and nothing else does."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.runtime_scripts import RUNTIME

if TYPE_CHECKING:
    from pathlib import Path

EPOCH, OLD, START, NEW = 1_748_995_200, 1_000_000_000, 1_790_000_000, 1_790_000_001


def write(path: Path, seconds: int, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (seconds, seconds))
    return path


def modified(path: Path) -> float:
    return path.lstat().st_mtime


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def settle(root: Path, *mode: str) -> None:
    start = write(root.parent / "start", START)
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())]:
        os.utime(folder, (NEW, NEW))
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    subprocess.run(
        ("sh", RUNTIME / "settle.sh", root, start, *mode), check=True, env=environ, capture_output=True
    )


def test_what_is_new_gets_the_time_and_what_is_old_keeps_its_own(root: Path) -> None:
    new, old = write(root / "opt/venv/new", NEW), write(root / "opt/venv/old", OLD)
    link = root / "opt/link"
    link.symlink_to("nowhere")
    settle(root)
    assert [modified(path) for path in (new, new.parent, link, root / "opt")] == [EPOCH] * 4
    assert modified(old) == OLD


def test_what_a_step_has_made_is_found_by_its_folders(root: Path) -> None:
    new, deep = write(root / "lib/new", NEW), write(root / "lib/a/b/deep", NEW)
    beside = write(root / "lib/a/old", OLD)
    link = root / "lib/link"
    link.symlink_to("nowhere")
    settle(root, "created")
    folders = [path for path in root.rglob("*") if path.is_dir()]
    assert {modified(path) for path in (root, new, deep, link, *folders)} == {EPOCH}
    assert modified(beside) == OLD


def test_mounts_are_left_alone(root: Path) -> None:
    mounted = [
        write(root / name, NEW) for name in ("proc/1", "run/a", "tmp/b", "dev/c", "sys/d", "etc/hosts")
    ]
    like_a_mount = write(root / "opt/tmp/b", NEW)
    settle(root)
    assert {modified(path) for path in mounted} == {NEW}
    assert modified(like_a_mount) == EPOCH


@pytest.mark.parametrize(
    "name",
    [
        "var/cache/ldconfig/aux-cache", "var/cache/fontconfig/a b-le64.cache-8", "var/cache/debconf/config.dat-old",
        "var/lib/dpkg/status-old", "etc/machine-id", "var/lib/dbus/machine-id",
    ],
)  # fmt: skip
def test_what_differs_from_run_to_run_is_emptied_if_it_is_new(root: Path, name: str) -> None:
    file = write(root / name, NEW, "0123\n")
    settle(root)
    assert (file.read_text(), modified(file)) == ("", EPOCH)
    write(file, OLD, "0123\n")
    settle(root)
    assert (file.read_text(), modified(file)) == ("0123\n", OLD)


def test_other_new_files_beside_them_are_kept(root: Path) -> None:
    kept = [write(root / name, NEW) for name in ("var/lib/dpkg/status", "var/cache/debconf/config.dat")]
    settle(root)
    assert [file.read_text() for file in kept] == ["x", "x"]


def test_without_a_time_it_fails(root: Path, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    start = write(tmp_path / "start", START)
    write(root / "new", NEW)
    result = subprocess.run(
        ("sh", RUNTIME / "settle.sh", root, start), check=False, env=environ, capture_output=True, text=True
    )
    assert result.returncode
    assert "SOURCE_DATE_EPOCH" in result.stderr


def test_uv_s_lock_of_the_environment_is_in_no_layer(root: Path) -> None:
    uv_lock, other = write(root / "opt/venv/.lock", OLD), write(root / "opt/venv/uv.lock", NEW)
    settle(root)
    assert not uv_lock.exists()
    assert other.exists()
