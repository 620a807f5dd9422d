"""What the user of a container can read and write, as the probe finds it: real files, and a user who is not root."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.runtime_scripts import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = Path("/usr/bin/python3")
pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not PYTHON.exists(),
    reason="requires root, to become another user, and the system's Python",
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can read: pytest's own are for their owner. It holds the runtime scripts."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        shutil.copytree(RUNTIME, path / "runtime")
        yield path


def probe_as(user: str, folder: Path, /, **expectation: Any) -> tuple[int, dict[str, Any], str]:
    """Exit code, document and messages of the probe with an expectation, run by a user with a home in the folder."""
    file = folder / "expect.json"
    completed = subprocess.run((PYTHON, folder / "runtime/probe.py"), check=True, capture_output=True)
    document = json.loads(completed.stdout)
    same = {key: document[key] for key in ("python", "distributions")}
    file.write_text(json.dumps({**same, **expectation}))
    entry = pwd.getpwnam(user)
    result = subprocess.run(
        (PYTHON, "-B", folder / "runtime/probe.py", "--no-gpu", "--expect", file),
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder / "home")},
        cwd="/",
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, json.loads(result.stdout), result.stderr


def make_source(folder: Path, mode: int) -> Path:
    file = folder / "source" / "package" / "module.py"
    file.parent.mkdir(parents=True)
    file.write_text("")
    (folder / "source" / "dangling").symlink_to("nowhere")
    file.chmod(mode)
    return file


def make_home(folder: Path, owner: str) -> None:
    (folder / "home").mkdir()
    shutil.chown(folder / "home", owner)


def test_what_everybody_can_read_and_the_owner_write_is_no_problem(folder: Path) -> None:
    make_source(folder, 0o644)
    make_home(folder, "nobody")
    _, document, errors = probe_as(
        "nobody",
        folder,
        user="nobody",
        readable=[str(folder / "source"), str(folder / "runtime")],
        writable=["~", "/tmp", str(folder / "home" / "not" / "made" / "yet")],
    )
    assert "nobody" not in errors
    assert (document["user"], document["unreadable"], document["unwritable"]) == ("nobody", [], [])


def test_a_file_for_root_alone_is_named(folder: Path) -> None:
    file = make_source(folder, 0o600)
    code, _, errors = probe_as("nobody", folder, user="nobody", readable=[str(folder / "source")])
    assert code == 1
    assert f"probe: FAIL {file}: cannot be read by nobody\n" in errors


def test_a_folder_for_root_alone_and_a_missing_one_are_named(folder: Path) -> None:
    file = make_source(folder, 0o644)
    file.parent.chmod(0o700)
    missing = folder / "missing"
    code, _, errors = probe_as("nobody", folder, readable=[str(folder / "source"), str(missing)])
    assert code == 1
    assert f"probe: FAIL {file.parent}: cannot be read by nobody\n" in errors
    assert f"probe: FAIL {missing}: cannot be read by nobody\n" in errors


def test_of_many_files_five_are_named_and_the_others_counted(folder: Path) -> None:
    for number in range(8):
        (folder / f"{number}.py").touch(mode=0o600)
    code, _, errors = probe_as("nobody", folder, readable=[str(folder)])
    assert code == 1
    assert errors.count(".py: cannot be read by nobody") == 5
    assert "probe: FAIL 3 more files and folders cannot be read by nobody\n" in errors


def test_a_home_and_a_volume_of_root_are_named(folder: Path) -> None:
    make_home(folder, "root")
    volume = folder / "volume"
    code, _, errors = probe_as("nobody", folder, writable=["~", str(volume)])
    assert code == 1
    assert f"probe: FAIL ~ ({folder}/home): cannot be written by nobody\n" in errors
    assert f"probe: FAIL {volume}: cannot be written by nobody\n" in errors


def test_another_user_than_the_expected_one_is_a_problem(folder: Path) -> None:
    code, _, errors = probe_as("root", folder, user="nobody")
    assert code == 1
    assert "probe: FAIL user: expected nobody, found root\n" in errors
