"""Edits by hand of generated text, with real git: named with their lines, committed or not, before they are lost."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from support.command_line import replace_text, run_command, tree
from support.dockerfile import write_template

if TYPE_CHECKING:
    from pathlib import Path

DOCKERFILE = "docker/zopilot-gpu/Dockerfile"
PAGE = "docs/services/zopilot.md"
RENDER = ("render", "--service", "zopilot")


def commit(root: Path) -> None:
    person = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
    for command in (("add", "--all"), (*person, "commit", "--quiet", "--message", "a")):
        subprocess.run(("git", "-C", str(root), *command), check=True)


@pytest.fixture
def root(copy: Path) -> Path:
    """The copy with a history of its own, in which torchpin has written nothing yet."""
    subprocess.run(("git", "init", "--quiet", str(copy)), check=True)
    commit(copy)
    return copy


def edit_section(root: Path) -> int:
    """A line of somebody in a generated section; its number."""
    lines = (root / PAGE).read_text().split("\n")
    number = next(number for number, line in enumerate(lines) if line.startswith("<!-- begin generated: zop"))
    (root / PAGE).write_text("\n".join([*lines[: number + 1], "MINE", *lines[number + 1 :]]))
    return number + 2


@pytest.mark.parametrize("in_git", [False, True], ids=["in the tree", "in git"])
def test_an_edit_of_a_rendered_file_is_named_and_written_over_on_request(root: Path, *, in_git: bool) -> None:
    text = (root / DOCKERFILE).read_text()
    line = text.split("WORKDIR")[0].count("\n") + 1
    (root / DOCKERFILE).write_text(text.replace("WORKDIR", "RUN echo mine\nWORKDIR", 1))
    if in_git:
        commit(root)
    result = run_command(root, *RENDER)
    assert (result.code, f"{DOCKERFILE}:{line}: RUN echo mine\n" in result.err) == (1, True), result.output
    assert "RUN echo mine" in (root / DOCKERFILE).read_text()
    assert run_command(root, *RENDER, "--overwrite").code == 0
    assert (root / DOCKERFILE).read_text() == text


def test_an_edit_of_an_sbom_that_is_committed_is_named(root: Path) -> None:
    path = root / "records/zopilot-gpu/sbom.cdx.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2', 1))
    commit(root)
    result = run_command(root, *RENDER)
    assert (result.code, '"version": 2' in result.err) == (1, True), result.output


@pytest.mark.parametrize("in_git", [False, True], ids=["in the tree", "in git"])
def test_an_edit_of_a_section_is_named_and_written_over_on_request(root: Path, *, in_git: bool) -> None:
    text = (root / PAGE).read_text()
    line = edit_section(root)
    if in_git:
        commit(root)
    result = run_command(root, "document")
    assert (result.code, f"{PAGE}:{line}: MINE\n" in result.err) == (1, True), result.output
    assert run_command(root, "document", "--overwrite").code == 0
    assert (root / PAGE).read_text() == text


def test_a_description_that_was_committed_alone_is_no_edit_of_what_it_gives(root: Path) -> None:
    description = root / "services/zopilot/service.yaml"
    lines = description.read_text().splitlines(keepends=True)
    description.write_text(
        "".join("summary: new\n" if line.startswith("summary:") else line for line in lines)
    )
    commit(root)
    (root / PAGE).write_text((root / PAGE).read_text() + "\nprose\n")
    commit(root)
    result = run_command(root, "document")
    assert result.code == 0, result.output
    assert run_command(root, "document", "--check").code == 0


def test_a_template_that_was_changed_is_no_edit_of_what_it_gives(root: Path) -> None:
    write_template(root)
    replace_text(
        root, "docker/Dockerfile.j2", "mkdir -p /opt/torchpin {{", "mkdir -p /opt/torchpin /opt/more {{"
    )
    assert run_command(root, *RENDER).code == 0
    assert "mkdir -p /opt/torchpin /opt/more" in (root / DOCKERFILE).read_text()


@pytest.mark.parametrize("in_git", [False, True], ids=["in the tree", "in git"])
def test_an_update_names_edits_before_anything_is_resolved(root: Path, *, in_git: bool) -> None:
    line = edit_section(root)
    if in_git:
        commit(root)
    result = run_command(root, "bump", "tqdm==4.67.0", "--no-build", "--recorded", "--yes", "--reason", "a")
    assert (result.code, f"{PAGE}:{line}: MINE\n" in result.err) == (1, True), result.output


def test_an_update_names_the_lines_of_a_description_that_are_not_committed(root: Path) -> None:
    path = "services/lora/service.yaml"
    number = (root / path).read_text().count("\n") + 1
    (root / path).write_text((root / path).read_text() + "# mine\n")
    (root / PAGE).write_text((root / PAGE).read_text() + "\nprose of people\n")
    result = run_command(root, "bump", "tqdm==4.67.0", "--no-build", "--recorded", "--yes", "--reason", "a")
    assert result.code == 1
    first, named, *others = result.err.splitlines()
    assert first == "the update writes files with edits that are not committed; nothing was changed:"
    assert named == f"{path}:{number}: # mine"
    assert others[0].startswith("help: commit or revert them, or run the command with `--overwrite`")


REMOVE = ("remove", "--service", "zopilot")


@pytest.mark.parametrize("in_git", [False, True], ids=["in the tree", "in git"])
def test_a_service_is_not_removed_over_edits_of_generated_text(root: Path, *, in_git: bool) -> None:
    line = edit_section(root)
    description = root / "services/zopilot/service.yaml"
    description.write_text(description.read_text().replace("==", "==0.", 1))
    commit(root)  # the lock is out of date from here on, so nothing can be rendered
    dockerfile = (root / DOCKERFILE).read_text()
    (root / DOCKERFILE).write_text(f"{dockerfile}# MINE\n")
    if in_git:
        commit(root)
    before = tree(root)
    result = run_command(root, *REMOVE)
    assert result.code == 1, result.output
    assert f"{PAGE}:{line}: was edited by hand: MINE\n" in result.err
    assert ": was edited by hand: # MINE\n" in result.err
    assert {path: text for path, text in tree(root).items() if path in before} == before
    assert run_command(root, *REMOVE, "--everything").code == 0
    assert not (root / DOCKERFILE).exists()


def test_a_service_that_git_ignores_or_looks_away_from_is_not_removed(root: Path) -> None:
    description = "services/zopilot/service.yaml"
    git = ("git", "-C", str(root))
    for command in (
        ("update-index", "--assume-unchanged", description),
        ("rm", "-rq", "--cached", "services/zopilot"),
    ):
        subprocess.run((*git, *command), check=True)
        (root / description).write_text((root / description).read_text() + "# private\n")
        result = run_command(root, *REMOVE)
        assert result.code == 1, result.output
        assert f"{description}: is not in the last commit as it is here\n" in result.err
    commit_of = ("-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "--message", "b")
    subprocess.run((*git, *commit_of), check=True)
    (root / ".git/info/exclude").write_text("services/zopilot/\n")
    result = run_command(root, *REMOVE)
    assert result.code == 1, result.output
    assert "services/zopilot/smoke.py: is not in the last commit as it is here\n" in result.err
    assert (root / description).exists()
