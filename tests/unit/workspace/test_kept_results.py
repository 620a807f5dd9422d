"""Kept results: equal to computed ones to the byte, and computed anew wherever anything that they rest on has changed."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin.description.environments import select_environments
from torchpin.tools import fingerprints, kept_answers
from torchpin.workspace import evidence, kept_results, workspace
from torchpin.workspace.kept_results import Question, answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from torchpin.workspace.kept_results import Answer

ROOT = Path(__file__).parents[3]
COPIED = (
    "services/lora", "services/coaxial", "lockfiles/lora-gpu", "lockfiles/coaxial-cpu", "docker/lora-gpu",
    "records/lora-gpu",
)  # fmt: skip
JUDGE = Question(kind="judge", judge=True)
RENDER = Question(kind="render", ids=("DKR", "LCK"), renderings=True)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two services, one of which is not locked in full."""
    monkeypatch.setattr(kept_answers, "user_key", lambda: bytes(32))
    monkeypatch.setattr(fingerprints, "_SETTLED_NS", -(10**12))  # files count as settled at once
    for path in COPIED:
        shutil.copytree(ROOT / path, tmp_path / path)
    return tmp_path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The environments whose answers were computed."""
    names: list[str] = []
    compute = kept_results._compute

    def note(repo: Any, environments: Sequence[Any], chosen: Sequence[Any], question: Question) -> Any:
        names.extend(env.name for env in chosen)
        return compute(repo, environments, chosen, question)

    monkeypatch.setattr(kept_results, "_compute", note)
    return names


def ask(root: Path, question: Question) -> dict[str, Answer]:
    repo = workspace.open_repository(root)
    return answers(repo, select_environments(repo.services), question)


def edit(root: Path, path: str, text: str = "\n") -> None:
    """Text at the end of a file, which may be new."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with (root / path).open("a") as file:
        file.write(text)


@pytest.mark.parametrize("question", [JUDGE, RENDER])
def test_what_has_not_changed_is_read(root: Path, computed: list[str], question: Question) -> None:
    first = ask(root, question)
    assert {*computed} == first.keys() == {"coaxial-arm64", "coaxial-cpu", "coaxial-gpu", "lora-gpu"}
    computed.clear()
    assert ask(root, question) == first
    assert not computed
    shutil.rmtree(root / ".torchpin")
    assert ask(root, question) == first


# what is changed, the environments that are looked at again for the judge, and for renderings
CHANGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "description": (lambda root: edit(root, "services/lora/service.yaml", "# more\n"), "lora", "lora"),
    "lock": (lambda root: edit(root, "lockfiles/lora-gpu/wheels.txt"), "lora", "lora"),
    "lock's file": (lambda root: (root / "lockfiles/lora-gpu/licenses.txt").unlink(), "lora", "lora"),
    "policy": (lambda root: edit(root, "services/policy.yaml", "cooldown: 7 days\n"), "all", "all"),
    "Dockerfile": (lambda root: edit(root, "docker/lora-gpu/Dockerfile"), "", "lora"),
    "no SBOM": (lambda root: (root / "records/lora-gpu/sbom.cdx.json").unlink(), "", "lora"),
    "smoke test": (lambda root: edit(root, "services/lora/smoke.py"), "", "lora"),
    "template": (lambda root: edit(root, "docker/Dockerfile.j2", "FROM scratch  # image.files\n"), "", "all"),
    "script": (lambda root: edit(root, "docker/runtime/start.sh", "#!/bin/sh\n"), "", "all"),
    "folder of no service": (lambda root: edit(root, "lockfiles/other-gpu/a.txt"), "first", "first"),
    "copied files": (lambda root: shutil.rmtree(root / "services/coaxial/app"), "coaxial", "coaxial"),
}
NAMES = {
    "": set(),
    "all": {"coaxial-arm64", "coaxial-cpu", "coaxial-gpu", "lora-gpu"},
    "coaxial": {"coaxial-arm64", "coaxial-cpu", "coaxial-gpu"},
    "lora": {"lora-gpu"},
    "first": {"coaxial-gpu"},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("question", [JUDGE, RENDER])
def test_what_has_changed_is_computed_again(
    root: Path, computed: list[str], change: str, question: Question
) -> None:
    make_change, *looked_at = CHANGES[change]
    ask(root, question)
    make_change(root)
    computed.clear()
    answer = ask(root, question)
    assert {*computed} == NAMES[looked_at[question is RENDER]]
    shutil.rmtree(root / ".torchpin")
    assert ask(root, question) == answer


@pytest.mark.parametrize(
    "question",
    [
        Question(kind="judge", judge=True, gpus=("A100",)),
        Question(kind="judge", judge=True, driver="550.54.14"),
        Question(kind="judge", judge=True, ids=("TOR",)),
    ],
)
def test_another_question_has_another_answer(root: Path, computed: list[str], question: Question) -> None:
    ask(root, JUDGE)
    computed.clear()
    ask(root, question)
    assert {*computed} == NAMES["all"]


def test_another_day_or_another_torchpin_computes_again(
    root: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(root, JUDGE)
    for name, module, function in (
        ("current_date", evidence, lambda: dt.date(2031, 1, 1)),
        ("code_digest", kept_results, lambda: "another"),
    ):
        computed.clear()
        with monkeypatch.context() as patch:
            patch.setattr(module, name, function)
            ask(root, JUDGE)
        assert {*computed} == NAMES["all"]
        ask(root, JUDGE)


def test_what_is_reached_by_a_link_is_computed_each_time(root: Path, computed: list[str]) -> None:
    (root / "lockfiles/lora-gpu").rename(root / "moved")
    (root / "lockfiles/lora-gpu").symlink_to("../moved")
    for _ in range(2):
        computed.clear()
        ask(root, JUDGE)
        assert "lora-gpu" in computed


def test_some_environments_leave_the_answers_of_others(root: Path, computed: list[str]) -> None:
    ask(root, JUDGE)
    repo = workspace.open_repository(root)
    edit(root, "services/lora/service.yaml", "# more\n")
    repo = workspace.open_repository(root)
    answers(repo, select_environments(repo.services, service="lora"), JUDGE)
    computed.clear()
    ask(root, JUDGE)
    # asked alone, it was the first, which findings about the repository are reported for
    assert {*computed} == {"lora-gpu"}


def test_the_digest_of_the_installation_is_that_of_its_files() -> None:
    from torchpin.tools import own_code

    own_code.code_digest.cache_clear()
    assert own_code.code_digest() == own_code.code_digest()
    paths = [*own_code._file_states(str(ROOT / "src/torchpin"))]
    assert any("facts/data/torch.yaml " in state for state in paths)
    assert any("resources/Dockerfile.j2 " in state for state in paths)
    assert not any("__pycache__" in state for state in paths)
