"""A description that cannot be read stops the commands on its own service, and no others."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from support.small_service import DESCRIPTION, write_service
from torchpin.commands import bump_steps, generate, judge, lock, verdicts
from torchpin.commands.remove import RemoveOptions, remove
from torchpin.commands.report import Watcher
from torchpin.commands.selection import Selection, open_repository, open_workspace
from torchpin.commands.verdicts import JudgeOptions, judge_selection
from torchpin.errors import InputError
from torchpin.model import Settings
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = DESCRIPTION.replace("name: lora", "name: other").replace('"2.5.1"', "latest").replace("cu121", "cu0")
PROBLEMS = ["services/other/service.yaml:5:18", "services/other/service.yaml:7:18"]


@dataclass
class Notices:
    lines: list[str] = field(default_factory=list)

    def watcher(self) -> Watcher:
        return Watcher(notice=lambda message: self.lines.append(str(message)))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a service that is locked and a description that has two problems; the current folder."""
    write_service(tmp_path)
    (tmp_path / "services/lora/smoke.py").write_text("import torch\n")
    (tmp_path / "services/other").mkdir()
    (tmp_path / "services/other/service.yaml").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def notices() -> Notices:
    return Notices()


def test_of_all_services_every_description_has_to_be_readable(root: Path, notices: Notices) -> None:
    with pytest.raises(InputError) as excinfo:
        open_workspace(Selection(), notices.watcher())
    assert [str(problem.position) for problem in excinfo.value.problems] == PROBLEMS
    assert str(excinfo.value).endswith("2 problems in the descriptions; nothing was written")


def test_of_one_service_the_problems_of_others_are_a_notice(root: Path, notices: Notices) -> None:
    opened = open_workspace(Selection(service="lora"), notices.watcher())
    assert [env.name for env in opened.environments] == ["lora-gpu"]
    assert notices.lines == ["services/other/service.yaml has 2 problems; other is passed over"]
    assert opened.exit_code == 0
    with pytest.raises(InputError) as excinfo:
        open_workspace(Selection(service="other"), notices.watcher())
    assert [str(problem.position) for problem in excinfo.value.problems] == PROBLEMS


@pytest.mark.parametrize(
    ("damage", "notice"),
    [
        (lambda path: path.unlink(), "services/other/service.yaml has 1 problem; other is passed over"),
        (
            lambda path: path.write_bytes(b"\xff"),
            "services/other/service.yaml has 1 problem; other is passed over",
        ),
        (
            lambda path: path.write_text(DESCRIPTION.replace("lora", "other").replace("gpu:", "g_pu:")),
            "services/other/service.yaml has 1 problem; other is passed over",
        ),
    ],
    ids=["missing", "not UTF-8", "one problem"],
)
def test_a_file_that_cannot_be_read_at_all_is_passed_over_too(
    root: Path, notices: Notices, damage: object, notice: str
) -> None:
    (root / "services/other/smoke.py").touch()
    assert callable(damage)
    damage(root / "services/other/service.yaml")
    open_workspace(Selection(service="lora"), notices.watcher())
    assert notices.lines == [notice]


def test_a_link_out_of_the_repository_is_refused_for_its_own_service_alone(
    root: Path, notices: Notices, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away") / "service.yaml"
    shutil.move(root / "services/other/service.yaml", away)
    (root / "services/other/service.yaml").symlink_to(away)
    assert open_workspace(Selection(service="lora"), notices.watcher()).environments
    assert notices.lines == ["services/other/service.yaml has 1 problem; other is passed over"]


def test_an_environment_that_two_services_have_is_the_problem_of_one_of_them(root: Path) -> None:
    (root / "services/lora-x").mkdir()
    text = DESCRIPTION.replace("name: lora", "name: lora-x")
    (root / "services/lora-x/service.yaml").write_text(text)
    lora = (root / "services/lora/service.yaml").read_text()
    (root / "services/lora/service.yaml").write_text(lora.replace("  gpu:", "  x-gpu:"))
    assert open_repository(only=("lora-x",)).broken.keys() == {"lora", "other"}
    with pytest.raises(InputError, match="environment 'lora-x-gpu' already exists"):
        open_repository(only=("lora",))


def test_judge_and_support_tell_all_problems_and_judge_the_others(root: Path, notices: Notices) -> None:
    judged = judge_selection(Selection(), JudgeOptions(), notices.watcher(), show_fixes=lambda _: None)
    assert {result.environment for result in judged.results} == {"lora-gpu"}
    assert judged.exit_code == 2
    assert [line.split(": ")[0] for line in notices.lines[:2]] == PROBLEMS
    assert notices.lines[2] == "services/other/service.yaml has 2 problems; other is passed over"
    assert verdicts.judge_gpus(Selection(), Watcher()).passed_over == 2
    alone = Selection(service="lora")
    judged = judge_selection(alone, JudgeOptions(), Watcher(), show_fixes=lambda _: None)
    assert judged.passed_over == 0
    assert judged.exit_code == judge.exit_code(judged.results)


def test_where_no_description_can_be_read_there_is_nothing_to_judge(root: Path) -> None:
    (root / "services/lora/service.yaml").write_text("name: lora\n")
    with pytest.raises(InputError, match="problems in the descriptions"):
        judge_selection(Selection(), JudgeOptions(), Watcher(), show_fixes=lambda _: None)


def test_the_documents_are_not_compared_beside_a_broken_description(root: Path) -> None:
    opened = open_workspace(Selection(), Watcher(), partly=True)
    (result,) = judge.check(opened.repo, opened.environments, "DOC")
    assert (result.check, result.status) == ("DOC001", "unknown")
    assert result.unknown == ("the documents show all services, and the description of other cannot be read",)


def test_what_is_made_of_a_broken_service_is_no_orphan(root: Path) -> None:
    for folder in ("lockfiles/other-gpu", "lockfiles/gone-gpu"):
        (root / folder).mkdir(parents=True)
        (root / folder / "x").touch()
    assert workspace.orphaned_folders(open_repository(only=("lora",))) == ("lockfiles/gone-gpu",)


def test_documents_are_written_from_all_descriptions_or_not_at_all(root: Path) -> None:
    repo = open_repository(only=("lora",))
    assert generated.expected_documents(repo, {}) == {}
    with pytest.raises(InputError, match="2 problems in the descriptions"):
        generate.write_documents(repo)


def test_what_is_written_for_one_service_leaves_the_other_description_to_its_author(root: Path) -> None:
    opened = open_workspace(Selection(service="lora"), Watcher())
    (root / "services/other/service.yaml").write_text(f"{BROKEN}# still being edited\n")
    outcomes = generate.write_renderings(opened.repo, opened.environments)
    assert "docker/lora-gpu/Dockerfile" in [outcome.name for outcome in outcomes if not outcome.code]
    assert bump_steps.environments_of(workspace.reread(opened.repo), {"lora"}) == opened.environments
    with pytest.raises(InputError, match="2 problems in the descriptions"):
        workspace.reread(workspace.Repository(root=root, services=(), settings=Settings()))


def test_a_service_is_removed_beside_a_broken_one_and_a_broken_one_beside_others(root: Path) -> None:
    remove(root, RemoveOptions(service="lora", everything=True))
    assert not (root / "services/lora").exists()
    remove(root, RemoveOptions(service="other", everything=True))
    assert not (root / "services/other").exists()


def test_mirrors_of_a_broken_service_s_sources_are_no_unknown_names(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "torchpin.toml").write_text(
        '[mirrors]\ncu121 = "https://mirror.example/cu121"\ntoolbox = "file:///srv/toolbox.git"\n'
    )
    monkeypatch.setenv("TORCHPIN_MIRROR_TOOLBOX", "file:///srv/toolbox.git")
    assert dict(open_repository(only=("lora",)).settings.mirrors) == {"cu121": "https://mirror.example/cu121"}
    (root / "services/other/service.yaml").unlink()
    (root / "services/other").rmdir()
    with pytest.raises(InputError, match="unknown mirror"):
        open_repository(only=("lora",))


def test_a_lock_of_one_service_says_that_the_documents_wait(root: Path) -> None:
    assert lock.documents_note(open_repository(only=("lora",))) == (
        "the documents show all services and are not written, since the description of other cannot be read"
    )
    shutil.rmtree(root / "services/other")
    assert lock.documents_note(open_repository()) == ""
