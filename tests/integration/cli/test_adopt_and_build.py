"""From a Dockerfile and a list of packages without versions to a locked service and its image in the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.command_line import run_command
from support.git_repositories import git

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.network
DOCKERFILE = """\
FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04
RUN apt-get update && apt-get install -y python3 python3-pip
RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128
COPY requirements.txt /app/requirements.txt
RUN pip install -r /app/requirements.txt
WORKDIR /app
CMD ["python3", "-m", "six"]
"""


def test_three_commands_make_an_image_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "requirements.txt").write_text("six\niniconfig>=2,<3\n")
    git(tmp_path, "init", "--quiet")
    started = run_command(tmp_path, "init")
    assert started.code == 0, started.output
    adopted = run_command(tmp_path, "adopt", ".", "--write", "services/app", "--resolve", "--recorded")
    assert adopted.code == 0, adopted.output
    built = run_command(tmp_path, "build", "--service", "app", "--lab")
    assert built.code == 0, built.output

    text = (tmp_path / "services/app/service.yaml").read_text(encoding="utf-8")
    assert "six==1." in text
    assert "iniconfig==2." in text
    assert "no version" not in text
    locked = "".join(path.read_text() for path in (tmp_path / "lockfiles/app-gpu").glob("*.requirements.txt"))
    assert all(pin in locked for pin in ("torch==2.7.1+cu128 ", "six==1.", "iniconfig==2."))


def test_what_cannot_be_resolved_leaves_the_draft(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "requirements.txt").write_text("six\niniconfig>=9000\n")
    git(tmp_path, "init", "--quiet")
    run_command(tmp_path, "init")
    adopted = run_command(tmp_path, "adopt", ".", "--write", "services/app", "--resolve", "--recorded")
    assert adopted.code == 1
    assert "nothing was" not in adopted.err
    kept = "services/app/service.yaml is kept without six, iniconfig>=9000: this command or "
    assert kept + "`torchpin add app six 'iniconfig>=9000'` tries again" in adopted.err
    assert "`torchpin remove --service app --everything` removes it" in adopted.err
    assert (tmp_path / "services/app/service.yaml").is_file()
    assert not (tmp_path / "lockfiles").exists()
    again = run_command(tmp_path, "adopt", ".", "--write", "services/app", "--resolve", "--recorded")
    assert (again.code, "kept without six" in again.err) == (1, True)
    (tmp_path / "requirements.txt").write_text("six\n")
    changed = run_command(tmp_path, "adopt", ".", "--write", "services/app", "--resolve", "--recorded")
    assert changed.code == 2
    assert "services/app/service.yaml exists and is not this draft" in changed.err
    removed = run_command(tmp_path, "remove", "--service", "app", "--everything")
    assert removed.code == 0, removed.output


def test_a_project_is_resolved_as_of_its_last_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "requirements.txt").write_text("iniconfig>=2\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-07-01T10:00:00Z")
    options = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    git(tmp_path, *options, "commit", "--quiet", "--message", "a")
    run_command(tmp_path, "init")
    adopted = run_command(
        tmp_path, "adopt", ".", "--write", "services/app", "--resolve", "--recorded", "--as-of", "commit"
    )
    assert adopted.code == 0, adopted.output
    assert "resolving as of 2025-07-01, the day of the project's last commit" in adopted.err
    assert "iniconfig==2.1.0" in (tmp_path / "services/app/service.yaml").read_text(
        encoding="utf-8"
    )  # 2.3.0 is later
    left = adopted.err[adopted.err.index("left to do:") :]
    assert "build: " in left.splitlines()[-1]
    again = run_command(tmp_path, "lock", "--service", "app", "--recorded")
    assert again.code == 0, again.output
    locks = (tmp_path / "lockfiles/app-gpu").glob("*.requirements.txt")
    assert "iniconfig==2.1.0 " in "".join(path.read_text() for path in locks)


def test_to_resolve_needs_a_place_for_the_versions(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    result = run_command(tmp_path, "adopt", ".", "--resolve")
    assert (result.code, result.err) == (
        2,
        "--resolve requires --write services/NAME, where the versions are written\n",
    )
