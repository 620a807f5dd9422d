"""A lock is written over what it was made from, and over nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin import paths
from torchpin.commands import judge, lock
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.workspace import hand_edits, regenerated, workspace, writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.model import Outcome
    from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: None)
    for name in ("services", "lockfiles", "docker", "docs", "records"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / paths.DEVIATIONS, tmp_path / paths.DEVIATIONS)
    return workspace.open_repository(tmp_path)


def lock_lora(repo: Repository, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Locks lora as it is locked already; `meanwhile` stands for what others do while it is resolved."""
    environments = select_environments(repo.services, service="lora")
    locks = {env.name: workspace.read_lock(repo, env) for env in environments}

    def resolve_all(*_: object, **__: object) -> tuple[tuple[Outcome, ...], dict[str, object]]:
        meanwhile()
        return (), {**locks}

    monkeypatch.setattr(lock, "resolve_all", resolve_all)
    lock.lock(repo, environments, refresh=True)


@pytest.mark.parametrize(
    "path",
    ["services/lora/service.yaml", "services/zopilot/service.yaml", "services/lora/smoke.py",
     "lockfiles/lora-gpu/02-training.requirements.txt"],
)  # fmt: skip
def test_what_a_lock_rests_on_must_not_change_meanwhile(
    path: str, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = (repo.text(path) or "") + "# edited\n"
    with pytest.raises(
        ToolError,
        match=rf"^{path}:\d+ changed while this command ran; nothing was written, run the command again",
    ):
        lock_lora(repo, monkeypatch, lambda: (repo.root / path).write_text(edited))
    assert repo.text(path) == edited


def test_an_edited_lock_is_named_before_anything_is_resolved(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "lockfiles/lora-gpu/02-training.requirements.txt"
    text = repo.text(path) or ""
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: {path: text})
    monkeypatch.setattr(regenerated.History, "texts", lambda *_: iter(()))
    environments = select_environments(repo.services, service="lora")
    (repo.root / path).write_text(text + "mine==1.0\n")
    repo = workspace.open_repository(repo.root)
    resolved: list[str] = []

    def resolve_all(*_: object, **__: object) -> tuple[tuple[()], dict[str, str]]:
        resolved.append("once")
        return (), {}

    monkeypatch.setattr(lock, "resolve_all", resolve_all)
    with pytest.raises(FindingsError) as error:
        lock.lock(repo, environments)
    first, *lines, last = str(error.value).splitlines()
    assert first.startswith("generated text was edited by hand")
    assert lines[0].endswith(": mine==1.0")
    assert last.startswith(
        "help: to keep the edit, make it in service.yaml; to drop it, add `--overwrite`, or restore it: "
        "`git restore lockfiles/lora-gpu`"
    )
    assert resolved == []
    lock.lock(repo, environments, overwrite=True)
    assert resolved == ["once"]


def test_a_file_of_somebody_in_the_folder_of_a_lock_stays(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = repo.root / "lockfiles/lora-gpu/notes.txt"
    notes.write_text("my notes\n")
    lock_lora(repo, monkeypatch, lambda: None)
    assert notes.read_text() == "my notes\n"


def test_files_of_locks_in_which_nothing_moved_are_rendered_only_where_one_is_not_as_it_would_be(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []

    def generated_texts(*arguments: Any) -> dict[str, str | None]:
        rendered.append("once")
        return original(*arguments)

    original = lock.generated_texts
    monkeypatch.setattr(lock, "generated_texts", generated_texts)
    lock_lora(repo, monkeypatch, lambda: None)
    assert rendered == []
    dockerfile = repo.root / "docker/lora-gpu/Dockerfile"
    text = dockerfile.read_text()
    dockerfile.unlink()
    lock_lora(repo, monkeypatch, lambda: None)
    assert (rendered, dockerfile.read_text()) == (["once"], text)


def rename_back(repo: Repository, folder: str) -> dict[str, str]:
    """Gives a lock's files the names of before; their texts by the names they have now."""
    texts = {}
    for path in sorted((repo.root / folder).iterdir()):
        texts[path.name] = path.read_text()
        path.rename(path.with_name(path.name.replace(".requirements.txt", ".txt")))
    return texts


def test_files_under_former_names_are_moved_and_those_of_somebody_stay(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = select_environments(repo.services, service="lora")
    locks = {env.name: workspace.read_lock(repo, env) for env in environments}
    texts = rename_back(repo, "lockfiles/lora-gpu")
    (repo.root / "lockfiles/lora-gpu/06-mine.txt").write_text("mine\n")
    monkeypatch.setattr(lock, "resolve_all", lambda *_, **__: ((), locks))
    lock.lock(repo, environments, refresh=True)
    folder = repo.root / "lockfiles/lora-gpu"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {**texts, "06-mine.txt": "mine\n"}


def test_a_lock_under_former_names_is_judged_and_compared_but_nothing_is_made_from_it(
    repo: Repository,
) -> None:
    (env,) = select_environments(repo.services, service="lora")
    judged = judge.judge(repo, [env])
    rename_back(repo, "lockfiles/lora-gpu")
    assert judge.judge(repo, [env]) == judged
    findings = {
        result.check: result.findings for result in judge.check(repo, [env], "LCK") if result.findings
    }
    assert {*findings} == {"LCK001"}
    assert {finding.location for finding in findings["LCK001"]} == {
        f"lockfiles/lora-gpu/{path.name}"
        for path in (repo.root / "lockfiles/lora-gpu").iterdir()
        if path.name not in {"licenses.txt", "wheels.txt"}  # they have no other name
    }
    with pytest.raises(
        InputError, match=r"00-torch\.txt:1:1: is named 00-torch\.requirements\.txt now; run `invoke l"
    ):
        workspace.read_lock(repo, env)


def test_a_lock_is_kept_out_while_an_update_of_its_service_runs(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SERVICE_PATIENCE", 0)
    lock_lora(repo, monkeypatch, lambda: None)
    with (
        writer.exclusive_services(repo, ["lora"]),
        pytest.raises(ToolError, match=r"^another torchpin command is bumping lora in this repository; try"),
    ):
        lock_lora(repo, monkeypatch, lambda: None)
    with writer.exclusive_services(repo, ["zopilot"]):
        lock_lora(repo, monkeypatch, lambda: None)


def test_a_lock_says_what_the_files_of_an_adopted_project_ask_for_and_it_does_not_have(
    repo: Repository,
) -> None:
    file = repo.root / "services/lora/service.yaml"
    text = file.read_text()
    row = "recommends:\n  - {by: requirements.txt, component: absent-package, says: any}\n"
    file.write_text(text.replace("recommends:\n", row, 1))
    opened = workspace.open_repository(repo.root)
    (outcome,) = lock.lock(opened, select_environments(opened.services, service="lora"))
    _, warning, advice = outcome.detail.split("\n")
    assert warning == "  warning: no layer has absent-package, which requirements.txt asks for"
    assert advice == "  help: `invoke add lora absent-package` pins them"
