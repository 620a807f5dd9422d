"""What a .dockerignore leaves out of a build is not what its image installs, for `check` and for `adopt`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from torchpin.commands.adopt import adopt
from torchpin.commands.check import CheckOptions, check

if TYPE_CHECKING:
    from pathlib import Path

CHANNEL = "--index-url https://download.pytorch.org/whl/cu126"
DOCKERFILE = f"""FROM nvidia/cuda:12.6.3-runtime-ubuntu22.04
RUN apt-get update && apt-get install -y python3-pip
COPY . /app
RUN pip3 install torch==2.7.1 {CHANNEL} && pip3 install -r /app/requirements.txt
"""
LIST = "einops==0.8.1\nlightning>=2.0\n"
LEFT_OUT = "/app/requirements.txt is not read: a .dockerignore leaves requirements.txt out of the build"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "requirements.txt").write_text(LIST)
    return folder


def messages(*paths: str) -> list[str]:
    return [match.finding.message for match in check(CheckOptions(paths=paths)).result.matches]


def has_list(folder: Path) -> bool:
    """Whether the draft installs what the list has."""
    return "einops" in adopt(folder).adoption.text


@pytest.mark.parametrize(
    ("ignored", "is_left_out"),
    [
        ({".dockerignore": "*.txt\n"}, True),
        ({".dockerignore": "*\n!requirements.txt\n"}, False),
        ({".dockerignore": "# requirements.txt\n\n"}, False),
        ({".dockerignore": "\ufeffrequirements.txt\n"}, True),
        (
            {".dockerignore": "*.txt\n", "Dockerfile.dockerignore": "*.md\n"},
            False,
        ),  # the Dockerfile's own is read alone
        ({".dockerignore": "*.md\n", "Dockerfile.dockerignore": "*.txt\n"}, True),
        ({"sub/.dockerignore": "*.txt\n"}, False),
        ({".dockerignore": "[z-a]\n"}, False),
    ],
)
def test_a_list_that_is_left_out_is_not_installed(
    project: Path, ignored: dict[str, str], *, is_left_out: bool
) -> None:
    for name, text in ignored.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    assert has_list(project) != is_left_out
    assert (LEFT_OUT in messages()) == (LEFT_OUT in messages("Dockerfile")) == is_left_out


def test_the_context_above_a_dockerfile_has_the_dockerignore(project: Path) -> None:
    (project / "docker").mkdir()
    (project / "Dockerfile").rename(project / "docker/Dockerfile")
    text = DOCKERFILE.replace("COPY .", "COPY requirements.txt")
    (project / "docker/Dockerfile").write_text(text)
    assert has_list(project)
    (project / ".dockerignore").write_text("/requirements.txt\n")
    assert not has_list(project)


def test_an_earlier_copy_that_is_not_left_out_stays(project: Path) -> None:
    (project / "lists").mkdir()
    (project / "lists/requirements.txt").write_text(LIST)
    (project / "Dockerfile").write_text(DOCKERFILE.replace("COPY .", "COPY lists /app\nCOPY ."))
    (project / ".dockerignore").write_text("/requirements.txt\n")
    assert has_list(project)


def test_patterns_that_would_take_long_are_passed_over(project: Path) -> None:
    (project / "Dockerfile").write_text(DOCKERFILE.replace("requirements.txt", f"{'a' * 240}.txt"))
    (project / f"{'a' * 240}.txt").write_text(LIST)
    (project / ".dockerignore").write_text("*a" * 30 + "b\n" + "*a*a*a*b\n" * 2000)
    start = time.process_time()
    report = check(CheckOptions())
    assert time.process_time() - start < 5
    assert report.skipped == (
        ".dockerignore: skipped the patterns after the first 500",
        ".dockerignore: skipped the patterns with over 4 wildcards",
    )
