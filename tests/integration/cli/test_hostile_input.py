"""What others wrote, read by the real commands: bombs within bounds of memory and time, links, and a closed stdin."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.adoption import BASE
from support.command_line import ROOT, run_command, tree
from support.git_repositories import git

if TYPE_CHECKING:
    from pathlib import Path

MOST_MEMORY = 2 << 30  # bytes of address space
MOST_TIME = (
    60  # seconds of a processor; below 20 on an idle machine, and many minutes where a reader is quadratic
)

BOMBS = {
    "nested variables": (
        "Dockerfile",
        BASE + "ENV A0=xxxxxxxxxx\n" + "".join(f"ENV A{n}={f'${{A{n - 1}}}' * 10}\n" for n in range(1, 9)),
    ),
    "stages": (
        "Dockerfile",
        BASE.replace("\n", " AS s0\n")
        + "".join(f"FROM s{n - 1} AS s{n}\nRUN pip install p{n}==1\n" for n in range(1, 3_001)),
    ),
    "lines": ("Dockerfile", BASE + "".join(f"RUN pip install p{n}==1.0\n" for n in range(100_000))),
    "a continued line": (
        "Dockerfile",
        BASE + "RUN pip install \\\n" + "".join(f"  p{n}==1.0 \\\n" for n in range(100_000)) + "  torch==2.5.1\n",
    ),
    "a long line": ("requirements.txt", "a" * 2_000_000),
    "quotes": ("Dockerfile", BASE + "RUN " + '"' * 100_000 + "(a" * 50_000),
    "flags": ("Dockerfile", BASE + "RUN " + "--mount=a " * 20_000 + "pip install torch"),
    "nested JSON": ("Dockerfile", BASE + "RUN " + "[" * 100_000),
}  # fmt: skip


def set_limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_TIME, MOST_TIME))


@pytest.mark.parametrize(("name", "text"), BOMBS.values(), ids=BOMBS)
def test_a_small_file_takes_neither_all_memory_nor_minutes(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    result = subprocess.run(
        (sys.executable, "-m", "invoke", "adopt", str(tmp_path)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=set_limits,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode in {0, 2}, (result.returncode, result.stderr[-500:])
    assert "Traceback" not in result.stdout + result.stderr
    assert "no description was drafted" in result.stderr or result.returncode == 0


def test_requirements_that_are_a_link_out_of_their_source_are_not_locked(
    copy: Path, tmp_path: Path, plain_git: None
) -> None:
    private = tmp_path / "private.txt"
    private.write_text("private-line-of-this-machine==1.0\n")
    source = tmp_path / "source"
    source.mkdir()
    (source / "requirements.txt").symlink_to(private)
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message=1")
    git(source, "tag", "v1")
    assert run_command(copy, "new", "--service", "tiny").code == 0
    with (copy / "services/tiny/service.yaml").open("a") as description:
        description.write(
            f'sources:\n  - {{name: src, url: "file://{source}", tag: v1, commit: {git(source, "rev-parse", "HEAD")}, '
            "path: third_party/src, requirements: requirements.txt}\n"
        )
    result = run_command(copy, "lock", "--service", "tiny", "--recorded")
    assert result.code == 3, result.output
    assert f"{copy}/third_party/src/requirements.txt is a link out of " in result.output
    assert f", to {private}; replace it with a plain file or folder" in result.output
    assert [
        name
        for name, content in tree(copy).items()
        if b"private-line-of" in content and not name.startswith("tests/")
    ] == [
        "third_party/src/requirements.txt"  # the link itself, which the test reads through
    ]
    assert not (copy / "lockfiles/tiny-gpu").exists()


@pytest.mark.network
def test_an_update_with_a_closed_stdin_asks_nothing_and_is_done(copy: Path) -> None:
    for command_line in ("new --service tiny", "lock --service tiny --recorded"):
        assert run_command(copy, *command_line.split()).code == 0
    command = (
        f"{sys.executable} -m invoke bump tqdm==4.67.0 --service tiny --recorded --no-build --reason r <&-"
    )
    result = subprocess.run(
        ("bash", "-c", command),
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0
    assert {line for line in result.stderr.splitlines() if "tiny-gpu: resolving" not in line} == set()
    assert "tqdm==4.67.0" in (copy / "services/tiny/service.yaml").read_text()
