"""Undoing takes back what an update wrote, and keeps what was written elsewhere since."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.bumps import ENTRY, TODAY, plans
from torchpin import paths
from torchpin.bump.model import BumpContext
from torchpin.bump.target import parse_target
from torchpin.commands import bump, bump_steps, generate, undo
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, ToolError
from torchpin.records import bump_log
from torchpin.workspace import generated, workspace, writer

if TYPE_CHECKING:
    from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[3]
LORA, COAXIAL = "services/lora/service.yaml", "services/coaxial/service.yaml"


def change_summary(root: Path, file: str, summary: str) -> Repository:
    lines = (root / file).read_text().splitlines(keepends=True)
    (root / file).write_text(
        "".join(f"summary: {summary}\n" if line.startswith("summary:") else line for line in lines)
    )
    return workspace.open_repository(root)


def append(root: Path, file: str, text: str) -> None:
    (root / file).write_text((root / file).read_text() + text)


def are_documents_fresh(root: Path) -> bool:
    texts = generated.expected_documents(workspace.open_repository(root), {}, strict=True)
    return all((root / path).read_text() == text for path, text in texts.items())


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A copy of this repository, with fresh documents and without a log."""
    for name in ("services", "lockfiles", "docker", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / paths.DEVIATIONS, tmp_path / paths.DEVIATIONS)
    repo = workspace.open_repository(tmp_path)
    generate.write_documents(repo)
    return repo


@pytest.fixture
def updated(repo: Repository) -> Repository:
    """The copy after an update of lora, which changes its description, documents and log."""
    before = {path: repo.text(path) for path in (LORA, paths.BUMP_LOG, *paths.DOCUMENTS)}
    after = change_summary(repo.root, LORA, "updated")
    (repo.root / LORA).write_text(before[LORA] or "")
    staged = {LORA: after.descriptions[LORA], paths.BUMP_LOG: bump_log.render_log([ENTRY])}
    documents = generated.expected_documents(replace(after, staged=staged), {}, strict=True)
    undo.write_with_undo(repo, {**staged, **documents}, before, {}, ENTRY)
    return workspace.open_repository(repo.root)


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] != paths.WORK
    }


def test_an_update_is_undone_byte_for_byte(repo: Repository, request: pytest.FixtureRequest) -> None:
    before = tree(repo.root)
    updated = request.getfixturevalue("updated")
    assert tree(repo.root) != before
    undo.undo(updated)
    assert tree(repo.root) == before


def test_prose_that_was_written_since_stays(updated: Repository) -> None:
    append(updated.root, paths.PINNING, "\nA note.\n")
    undo.undo(updated)
    assert (updated.root / paths.PINNING).read_text().endswith("\nA note.\n")
    assert "summary: updated" not in (updated.text(LORA) or "")
    assert are_documents_fresh(updated.root)


def test_prose_that_was_written_before_the_last_step_stays(updated: Repository) -> None:
    append(updated.root, paths.PINNING, "\nA note.\n")
    bump_steps._write_log(updated, bump_log.with_step(ENTRY, bump_log.BUILD, bump_log.PolicyStep(note="x")))
    undo.undo(updated)
    assert (updated.root / paths.PINNING).read_text().endswith("\nA note.\n")
    assert are_documents_fresh(updated.root)


def test_an_edit_that_was_made_before_the_last_step_is_not_undone(updated: Repository) -> None:
    append(updated.root, LORA, "# mine\n")
    bump_steps._write_log(updated, bump_log.with_step(ENTRY, bump_log.BUILD, bump_log.PolicyStep(note="x")))
    with pytest.raises(InputError, match=r"^edited since the update: services/lora/service\.yaml; "):
        undo.undo(updated)


def test_sections_of_other_services_stay_as_they_are_now(updated: Repository) -> None:
    generate.write_documents(change_summary(updated.root, COAXIAL, "changed later"))
    undo.undo(workspace.open_repository(updated.root))
    assert "changed later" in (updated.text(paths.PINNING) or "")
    assert are_documents_fresh(updated.root)


def test_an_edit_of_a_generated_section_is_in_the_way(updated: Repository) -> None:
    lines = (updated.text(paths.PINNING) or "").split("\n")
    number = next(number for number, line in enumerate(lines) if line.startswith("<!-- begin generated: zop"))
    (updated.root / paths.PINNING).write_text("\n".join([*lines[: number + 1], "MINE", *lines[number + 1 :]]))
    before = tree(updated.root)
    with pytest.raises(InputError, match=rf"^edited since the update: docs/PINNING\.md:{number + 2}; revert"):
        undo.undo(updated)
    assert tree(updated.root) == before


def test_a_record_that_was_edited_since_is_in_the_way(updated: Repository) -> None:
    record = paths.freeze_path("lora-gpu")
    writer.write(updated, {record: "torch==2.5.1\n"})
    before = {record: "torch==2.4.0\n", paths.BUMP_LOG: None}
    undo.write_with_undo(updated, {record: "torch==2.7.1\n"}, before, {}, ENTRY)
    append(updated.root, record, "mine==1\n")
    with pytest.raises(InputError, match=rf"^edited since the update: .*{record}:2; revert"):
        undo.undo(updated)
    writer.write(updated, {record: "torch==2.7.1+later\n"})  # a later build
    undo.undo(updated)
    assert updated.text(record) == "torch==2.4.0\n"


def test_a_comment_in_the_log_is_in_the_way(updated: Repository) -> None:
    append(updated.root, paths.BUMP_LOG, "# mine\n")
    line = (updated.text(paths.BUMP_LOG) or "").count("\n")
    with pytest.raises(InputError, match=rf"^edited since the update: records/log\.yaml:{line}; revert"):
        undo.undo(updated)


def test_entries_of_other_updates_stay_in_the_log(updated: Repository) -> None:
    later = replace(ENTRY, bump="tqdm==4.67.1")
    (updated.root / paths.BUMP_LOG).write_text(bump_log.render_log([ENTRY, later]))
    generate.write_documents(updated)
    undo.undo(updated)
    assert bump_log.parse_log(updated.text(paths.BUMP_LOG)) == (later,)
    assert are_documents_fresh(updated.root)


def test_a_rendered_file_that_was_rendered_again_since_is_rendered_from_before(repo: Repository) -> None:
    (env,) = select_environments(repo.services, service="lora")
    dockerfile, _ = paths.rendered_paths(env.name)
    after = change_summary(repo.root, LORA, "updated")
    before = {LORA: repo.descriptions[LORA], dockerfile: repo.text(dockerfile)}
    undo.write_with_undo(repo, {dockerfile: "# of the update\n"}, before, {}, ENTRY)
    append(repo.root, paths.DOCKERFILE_TEMPLATE, "# a new line\n")
    generate.write_renderings(after, select_environments(after.services, service="lora"))
    undo.undo(after)
    assert (repo.text(dockerfile) or "").endswith("# a new line\n")
    assert (repo.text(LORA) or "") == before[LORA]


def test_a_build_that_fails_is_told_before_what_is_in_the_way(
    updated: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        append(updated.root, LORA, "# mine\n")
        raise ToolError("the build failed")

    target = parse_target("torch==2.7.1")
    planned = plans("torch==2.7.1")["lora"]
    update = bump_steps.ResolvedUpdate(
        target=target, context=BumpContext(texts={}, locks={}, today=TODAY, reason="so"),
        plans=(planned,), held={}, locks={}, outcomes=(), before={}, started="",
    )  # fmt: skip
    monkeypatch.setattr(bump_steps, "resolve_update", lambda *_, **__: update)
    monkeypatch.setattr(bump_steps, "write_update", lambda *_, **__: ENTRY)
    monkeypatch.setattr(bump_steps, "finish", fail)
    with pytest.raises(ToolError) as excinfo:
        bump.bump(updated, [planned], target, update.context, bump.BumpOptions())
    assert str(excinfo.value).splitlines() == [
        "the build failed",
        f"the update was not rolled back: edited since the update: {LORA}; revert these edits first, nothing was changed",
        "help: its files are as the update wrote them; remove what is in the way, then run `invoke bump --undo`",
    ]
