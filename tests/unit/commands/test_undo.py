"""Undoing takes back what an update wrote, and keeps what was written elsewhere since."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from support.bumps import ENTRY, STEP, TODAY, other_entry, plans
from support.new_services import write_new_service
from support.updates import (
    COAXIAL,
    LORA,
    change_summary,
    copy_repository,
    put_tree,
    tree,
    update,
    update_lora,
)
from torchpin import paths
from torchpin.bump.model import BumpContext
from torchpin.bump.target import parse_targets
from torchpin.commands import bump, bump_steps, generate, image_record, undo
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.records import bump_log
from torchpin.records.undo_state import UndoState, render_undo_state
from torchpin.tools import image_files, transaction
from torchpin.tools.resources import read_resource
from torchpin.workspace import generated, workspace, writer
from torchpin.workspace.bumps import read_bumps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torchpin.workspace.workspace import Repository

OTHER = other_entry()
EARLIER = render_undo_state(UndoState(entry=OTHER, before={}, after={}))
BUILT = bump_log.with_step(ENTRY, bump_log.BUILD, bump_log.PolicyStep(note="x"))


def append(root: Path, file: str, text: str) -> None:
    (root / file).write_text((root / file).read_text() + text)


def are_documents_fresh(root: Path) -> bool:
    texts = generated.expected_documents(workspace.open_repository(root), {}, strict=True)
    return all((root / path).read_text() == text for path, text in texts.items())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_repository(tmp_path_factory.mktemp("fresh")).root


@pytest.fixture
def repo(fresh: Path, tmp_path: Path) -> Repository:
    shutil.copytree(fresh, tmp_path, dirs_exist_ok=True)
    return workspace.open_repository(tmp_path)


@pytest.fixture(scope="module")
def fresh_update(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("updated")
    shutil.copytree(fresh, root, dirs_exist_ok=True)
    return update_lora(workspace.open_repository(root)).root


@pytest.fixture
def updated(repo: Repository, fresh_update: Path) -> Repository:
    shutil.copytree(fresh_update, repo.root, dirs_exist_ok=True)
    return workspace.open_repository(repo.root)


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
    bump_steps._write_log(updated, BUILT, logged=ENTRY)
    undo.undo(updated)
    assert (updated.root / paths.PINNING).read_text().endswith("\nA note.\n")
    assert are_documents_fresh(updated.root)


def test_an_edit_that_was_made_before_the_last_step_is_not_undone(updated: Repository) -> None:
    append(updated.root, LORA, "# mine\n")
    bump_steps._write_log(updated, BUILT, logged=ENTRY)
    undo.undo(updated)
    assert (updated.text(LORA) or "").endswith("# mine\n")
    assert "summary: updated" not in (updated.text(LORA) or "")
    assert are_documents_fresh(updated.root)


def test_an_edit_of_other_lines_of_the_description_stays_and_documents_have_it(
    repo: Repository, request: pytest.FixtureRequest
) -> None:
    before = (repo.text(LORA) or "").replace("nvcc for what", "the compiler for what")
    updated = request.getfixturevalue("updated")
    text = (updated.text(LORA) or "").replace("nvcc for what", "the compiler for what")
    (updated.root / LORA).write_text(text)
    generate.write_documents(workspace.open_repository(updated.root))
    outcomes = undo.undo(workspace.open_repository(updated.root))
    details = {outcome.name: outcome.detail for outcome in outcomes}
    assert details[LORA] == "restored; later edits of it stay"
    assert {*details.values()} >= {"restored", "removed", "undone"}
    assert (updated.root / LORA).read_text() == before
    assert are_documents_fresh(updated.root)
    assert "the compiler for what" in (updated.root / paths.page_path("lora")).read_text()


def test_an_edit_of_a_line_that_the_update_wrote_is_in_the_way_with_its_place(updated: Repository) -> None:
    append(updated.root, LORA, "# mine\n")
    number = (updated.text(LORA) or "").split("\n").index("summary: updated") + 1
    change_summary(updated.root, LORA, "mine")
    before = tree(updated.root)
    with pytest.raises(
        InputError, match=rf"^edited since the update: services/lora/service\.yaml:{number}; set these"
    ):
        undo.undo(workspace.open_repository(updated.root))
    assert tree(updated.root) == before


def test_a_description_that_would_not_be_valid_without_the_update_is_left_as_it_is(
    updated: Repository,
) -> None:
    append(updated.root, LORA, "summary: twice\n")
    before = tree(updated.root)
    with pytest.raises(
        InputError, match=r"^edited since the update, and without it not valid:\nservices/lora/service\.yaml:"
    ):
        undo.undo(updated)
    assert tree(updated.root) == before


def test_a_state_without_what_was_written_names_the_file_as_it_did(updated: Repository) -> None:
    state = undo.read_undo_state(updated)
    assert state is not None
    assert {*state.written} == {LORA}
    (updated.root / paths.undo_path(ENTRY.name)).write_text(render_undo_state(replace(state, written={})))
    append(updated.root, LORA, "# mine\n")
    with pytest.raises(InputError, match=r"^edited since the update: services/lora/service\.yaml; "):
        undo.undo(updated)


def test_sections_of_other_services_stay_as_they_are_now(updated: Repository) -> None:
    generate.write_documents(change_summary(updated.root, COAXIAL, "changed later"))
    undo.undo(workspace.open_repository(updated.root))
    assert "changed later" in (updated.text(paths.DEVIATIONS) or "")
    assert are_documents_fresh(updated.root)


@pytest.mark.parametrize("path", [paths.DEVIATIONS, paths.page_path("lora")])
def test_an_edit_of_a_generated_section_is_in_the_way(path: str, updated: Repository) -> None:
    lines = (updated.text(path) or "").split("\n")
    number = next(number for number, line in enumerate(lines) if line.startswith("<!-- begin generated: "))
    (updated.root / path).write_text("\n".join([*lines[: number + 1], "MINE", *lines[number + 1 :]]))
    before = tree(updated.root)
    with pytest.raises(InputError, match=rf"^edited since the update: .*{path}:{number + 2}; set these"):
        undo.undo(updated)
    assert tree(updated.root) == before


def test_prose_is_not_in_the_way_where_another_service_is_not_locked(updated: Repository) -> None:
    append(updated.root, paths.PINNING, "\nA note.\n")
    write_new_service(updated, "whisper")
    before = tree(updated.root)
    with pytest.raises(InputError) as excinfo:
        undo.undo(updated)
    assert str(excinfo.value) == (
        "whisper-gpu is not locked; run `invoke lock --service whisper`\n"
        "docs/PINNING.md changed since the update, and generated text cannot be told from prose while this is so; "
        "correct it, then undo the update; nothing was changed"
    )
    assert tree(updated.root) == before


def test_a_record_that_was_edited_since_is_in_the_way(updated: Repository) -> None:
    record = paths.freeze_path("lora-gpu")
    writer.write(updated, {record: "torch==2.5.1\n"})
    before = {record: "torch==2.4.0\n", ENTRY.file: None}
    undo.write_update_files(updated, {record: "torch==2.7.1\n"}, before, {}, ENTRY)
    append(updated.root, record, "mine==1\n")
    with pytest.raises(InputError, match=rf"^edited since the update: .*{record}:2; set these"):
        undo.undo(updated)
    writer.write(updated, {record: "torch==2.7.1+later\n"})  # a later build
    undo.undo(updated)
    assert updated.text(record) == "torch==2.4.0\n"


def test_a_comment_in_the_record_of_the_update_is_in_the_way(updated: Repository) -> None:
    append(updated.root, ENTRY.file, "# mine\n")
    line = (updated.text(ENTRY.file) or "").count("\n")
    with pytest.raises(InputError, match=rf"^edited since the update: {ENTRY.file}:{line}; set these"):
        undo.undo(updated)


def test_records_of_other_updates_stay(updated: Repository) -> None:
    (updated.root / OTHER.file).write_text(bump_log.render_entry(OTHER))
    generate.write_documents(updated)
    undo.undo(updated)
    assert read_bumps(workspace.open_repository(updated.root)) == (OTHER,)
    assert are_documents_fresh(updated.root)


def test_two_updates_of_one_second_are_undone_one_by_one(repo: Repository) -> None:
    """Of different services, so that either may go first."""
    start = tree(repo.root)
    other = other_entry(services={"coaxial": bump_log.ServiceChange()})
    update(update_lora(repo), COAXIAL, other)
    names = {undo.undo(workspace.open_repository(repo.root))[-1].name}
    assert len(read_bumps(workspace.open_repository(repo.root))) == 1
    assert are_documents_fresh(repo.root)
    names.add(undo.undo(workspace.open_repository(repo.root))[-1].name)
    assert names == {ENTRY.bump, other.bump}
    assert tree(repo.root) == start
    with pytest.raises(InputError, match=r"^no update to undo: "):
        undo.undo(repo)


def test_what_undoes_the_oldest_updates_goes_at_some_time(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "_MOST_UNDOABLE", 2)
    entries = [
        other_entry(steps=(replace(STEP, when=f"2026-11-2{day}T12:00:00Z"), *ENTRY.steps[1:]))
        for day in range(3)
    ]
    for entry in entries:
        undo.write_update_files(repo, {entry.file: bump_log.render_entry(entry)}, {}, {}, entry)
    assert [undo.can_restore(repo, entry) for entry in entries] == [False, True, True]


def test_a_rendered_file_that_was_rendered_again_since_is_rendered_from_before(repo: Repository) -> None:
    (env,) = select_environments(repo.services, service="lora")
    dockerfile, _ = paths.rendered_paths(env.name)
    after = change_summary(repo.root, LORA, "updated")
    before = {LORA: repo.descriptions[LORA], dockerfile: repo.text(dockerfile)}
    files = {
        LORA: after.descriptions[LORA],
        dockerfile: "# of the update\n",
        ENTRY.file: bump_log.render_entry(ENTRY),
    }
    undo.write_update_files(repo, files, before, {}, ENTRY)
    template = read_resource("Dockerfile.j2") + "# a new line\n"
    (repo.root / paths.DOCKERFILE_TEMPLATE).write_text(template, encoding="utf-8")
    generate.write_renderings(after, select_environments(after.services, service="lora"))
    undo.undo(after)
    assert (repo.text(dockerfile) or "").endswith("# a new line\n")
    assert (repo.text(LORA) or "") == before[LORA]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("s wanted", "s a long story"),
        ("note: locked", "note: mine"),
        ("bump: torch==2.7.1", "bump: torch==2.7.2"),
        ("when: '2026-11-24T12:00:00Z'", "when: '2026-11-24T12:00:01Z'"),
    ],
)
def test_an_edit_of_the_entry_is_in_the_way(before: str, after: str, updated: Repository) -> None:
    text = updated.text(ENTRY.file) or ""
    before = before.replace("note:", "told:")
    assert before in text
    (updated.root / ENTRY.file).write_text(text.replace(before, after.replace("note:", "told:"), 1))
    number = text[: text.index(before)].count("\n") + 1
    edited = tree(updated.root)
    with pytest.raises(InputError, match=rf"^edited since the update: {ENTRY.file}:{number}; set these"):
        undo.undo(updated)
    assert tree(updated.root) == edited
    (updated.root / ENTRY.file).write_text(text)
    assert undo.undo(updated)[-1].detail == "undone"


def test_a_record_of_another_name_is_in_the_way(updated: Repository) -> None:
    renamed = paths.bump_path("mine")
    (updated.root / ENTRY.file).rename(updated.root / renamed)
    edited = tree(updated.root)
    with pytest.raises(InputError, match=rf"^edited since the update: {renamed}:1; set these"):
        undo.undo(updated)
    assert tree(updated.root) == edited


def test_an_update_that_is_elsewhere_is_not_undone_and_can_be_there(
    repo: Repository, request: pytest.FixtureRequest
) -> None:
    before = tree(repo.root)
    updated = request.getfixturevalue("updated")
    after = tree(repo.root)
    put_tree(repo.root, before)
    with pytest.raises(InputError, match=r"^the update torch==2\.7\.1 is not in these files: "):
        undo.undo(updated)
    assert tree(repo.root) == before
    put_tree(repo.root, after)
    undo.undo(updated)
    assert tree(repo.root) == before
    with pytest.raises(InputError, match=r"^no update to undo: .*already undone$"):
        undo.undo(updated)


def test_an_update_of_which_a_part_is_elsewhere_can_be_undone_there(
    repo: Repository, request: pytest.FixtureRequest
) -> None:
    """As after `git stash`, which leaves new files where they are."""
    before = tree(repo.root)
    updated = request.getfixturevalue("updated")
    after = tree(repo.root)
    put_tree(repo.root, before | {ENTRY.file: after[ENTRY.file]})
    assert f"already as before it: {LORA};" in undo.undo(updated)[-1].detail
    assert tree(repo.root) == before
    put_tree(repo.root, {path: content for path, content in after.items() if path != ENTRY.file})
    assert f"already as before it: {ENTRY.file};" in undo.undo(updated)[-1].detail
    assert tree(repo.root) == before


def test_a_step_of_another_update_leaves_the_state_as_it_is(updated: Repository) -> None:
    other = other_entry(services={"coaxial": bump_log.ServiceChange()})
    (updated.root / other.file).write_text(bump_log.render_entry(other))
    generate.write_documents(updated)
    state = updated.text(paths.undo_path(ENTRY.name))
    finished = bump_log.with_step(other, bump_log.BUILD, bump_log.PolicyStep(state="done", when="later"))
    bump_steps._write_log(updated, finished, logged=other)
    assert updated.text(paths.undo_path(ENTRY.name)) == state
    assert undo.undo(updated)[-1].name == ENTRY.bump
    assert read_bumps(workspace.open_repository(updated.root)) == (finished,)
    assert "summary: updated" not in (updated.text(LORA) or "")
    assert are_documents_fresh(updated.root)


def test_a_step_of_an_update_that_was_made_elsewhere_makes_no_state(updated: Repository) -> None:
    (updated.root / paths.undo_path(ENTRY.name)).unlink()
    bump_steps._write_log(updated, BUILT, logged=ENTRY)
    after = tree(updated.root)
    with pytest.raises(InputError, match=r"^no update to undo: none was made in this checkout"):
        undo.undo(updated)
    assert tree(updated.root) == after


def test_a_step_does_not_write_over_an_edit_of_its_entry(updated: Repository) -> None:
    edited = replace(ENTRY, why="a long story")
    (updated.root / ENTRY.file).write_text(bump_log.render_entry(edited))
    before = tree(updated.root)
    with pytest.raises(FindingsError, match=rf"\n{ENTRY.file}:\d+: why: a long story\n"):
        bump_steps._write_log(updated, BUILT, logged=ENTRY)
    (updated.root / ENTRY.file).unlink()
    with pytest.raises(ToolError, match=rf"^{ENTRY.file}, the record of torch==2\.7\.1, is gone; nothing"):
        bump_steps._write_log(updated, BUILT, logged=ENTRY, overwrite=True)
    assert {**tree(updated.root), ENTRY.file: before[ENTRY.file]} == before


def test_prose_that_cannot_be_told_from_the_update_is_not_lost(updated: Repository) -> None:
    append(updated.root, paths.PINNING, "\nA note.\n")
    bump_steps._write_log(updated, BUILT, logged=ENTRY)
    shutil.rmtree(updated.root / paths.lock_folder("coaxial-cpu"))
    after = tree(updated.root)
    with pytest.raises(InputError, match=r"docs/PINNING\.md"):
        undo.undo(updated)
    assert tree(updated.root) == after


def record_image(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records an image of lora that holds what is locked, without an engine to read it from."""
    (env,) = select_environments(repo.services, service="lora")
    lock = workspace.read_lock(repo, env)
    versions = {name: str(package.version) for name, package in lock.packages.items()}
    report = {"distributions": versions, "python": "3.10.14", "torch": {}, "sources": {}}
    monkeypatch.setattr(image_files, "read_proof", lambda *_: report)
    rendering = generated.render_environment(repo, env, lock)
    image = SimpleNamespace(id="sha256:0", attrs={"Size": 1})
    image_record.write_record(None, repo, env, (lock, rendering), image, ["a:b"], overwrite=False)


@pytest.mark.parametrize("with_record", [False, True])
def test_the_record_of_an_updates_image_goes_with_it(
    with_record: bool, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_record:
        writer.write(repo, {paths.freeze_path("lora-gpu"): "torch==2.4.0\n"})
        generate.write_documents(repo)
    before = tree(repo.root)
    updated = update_lora(repo)
    record_image(updated, monkeypatch)
    assert {paths.freeze_path("lora-gpu"), paths.build_path("lora-gpu")} <= {*tree(repo.root)}
    undo.undo(updated)
    assert tree(repo.root) == before


def test_an_edit_of_the_record_of_an_updates_image_is_in_the_way(
    updated: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_image(updated, monkeypatch)
    record = paths.freeze_path("lora-gpu")
    append(updated.root, record, "mine==1\n")
    line = (updated.text(record) or "").count("\n")
    with pytest.raises(InputError, match=rf"^edited since the update: {record}:{line}; set these"):
        undo.undo(updated)


def test_a_build_goes_on_where_what_undoes_an_update_is_damaged(
    updated: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = updated.root / paths.undo_path(ENTRY.name)
    state.write_text("{")
    record_image(updated, monkeypatch)
    assert (updated.root / paths.freeze_path("lora-gpu")).is_file()
    assert state.read_text() == "{"


def fail_bump(repo: Repository, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> str:
    """What a bump says whose build fails, after what happens meanwhile; its update is written already."""

    def fail(*arguments: object, **options: object) -> None:
        meanwhile()
        raise ToolError("the build failed")

    target = parse_targets("torch==2.7.1")
    planned = plans("torch==2.7.1")["lora"]
    update = bump_steps.ResolvedUpdate(
        targets=target, context=BumpContext(texts={}, locks={}, today=TODAY, reason="so"),
        plans=(planned,), held={}, locks={}, outcomes=(), before={}, started="",
    )  # fmt: skip
    monkeypatch.setattr(bump_steps, "resolve_update", lambda *_, **__: update)

    transaction.write(repo.root, {paths.undo_path(OTHER.name): EARLIER})
    monkeypatch.setattr(bump_steps, "write_update", lambda *_, **__: ENTRY)
    monkeypatch.setattr(bump_steps, "finish", fail)
    with pytest.raises(ToolError) as excinfo:
        bump.bump(repo, [planned], target, update.context, bump.BumpOptions())
    return str(excinfo.value)


def test_a_build_that_fails_is_told_before_what_is_in_the_way(
    updated: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = (updated.text(LORA) or "").split("\n").index("summary: updated") + 1
    message = fail_bump(updated, monkeypatch, lambda: change_summary(updated.root, LORA, "mine"))
    assert message.splitlines() == [
        "the build failed",
        (
            f"the update was not rolled back: edited since the update: {LORA}:{number}; set these edits aside (`git stash`, or revert them), run "
            "`invoke bump --undo` again, then make them again; nothing was changed"
        ),
        "help: its files are as the update wrote them; remove what is in the way, then run `invoke bump --undo`",
    ]


@pytest.mark.parametrize("state", [None, "{"])
def test_an_update_that_nothing_undoes_any_more_is_left_to_git(
    state: str | None, updated: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = tree(updated.root)
    files = {paths.undo_path(ENTRY.name): state}
    message = fail_bump(updated, monkeypatch, lambda: transaction.write(updated.root, files))
    assert message.startswith("the build failed\nthe update was not rolled back: ")
    assert message.endswith(
        "\nhelp: its files are as the update wrote them; what undoes it is gone, so restore them with git"
    )
    assert tree(updated.root) == after


def test_an_update_whose_image_is_recorded_and_rejected_is_rolled_back(
    repo: Repository, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(repo.root)
    updated = request.getfixturevalue("updated")
    message = fail_bump(updated, monkeypatch, lambda: record_image(updated, monkeypatch))
    assert repo.text(paths.undo_path(OTHER.name)) == EARLIER  # the update before it can still be undone
    assert message.splitlines()[1:] == [
        "the update was rolled back: every file that it wrote is as it was before"
    ]
    assert tree(repo.root) == before
