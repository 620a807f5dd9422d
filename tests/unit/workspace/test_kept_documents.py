"""Documents and their parts by service: kept where nothing has changed, made again where anything has."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.commands import judge
from torchpin.description.environments import select_environments
from torchpin.documents import service_parts
from torchpin.tools import fingerprints, kept_answers
from torchpin.workspace import evidence, generated, workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.checks.registry import Result

ROOT = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two services, with documents that are up to date."""
    monkeypatch.setattr(kept_answers, "user_key", lambda: bytes(32))
    monkeypatch.setattr(fingerprints, "_SETTLED_NS", -(10**12))  # files count as settled at once
    for path in ("services/lora", "services/zopilot", "lockfiles/lora-gpu", "lockfiles/zopilot-gpu"):
        shutil.copytree(ROOT / path, tmp_path / path)
    repo = workspace.open_repository(tmp_path)
    for path, text in generated.expected_documents(repo, {}, strict=True).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text or "")
    return tmp_path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services whose parts were made, and `documents` where they were compared."""
    names: list[str] = []

    def note(name: str, function: Callable[..., Any], *args: Any) -> Any:
        names.append(name)
        return function(*args)

    parts, compare = service_parts.service_parts, evidence.for_documents
    monkeypatch.setattr(
        "torchpin.documents.service_parts.service_parts",
        lambda service, *args: note(service.name, parts, service, *args),
    )
    monkeypatch.setattr(evidence, "for_documents", lambda *args: note("documents", compare, *args))
    return names


def check(root: Path) -> tuple[Result, ...]:
    repo = workspace.open_repository(root)
    return judge.check(repo, select_environments(repo.services), "DOC", "LCK002")


def edit(root: Path, path: str, text: str = "\n") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with (root / path).open("a") as file:
        file.write(text)


def test_what_has_not_changed_is_neither_made_nor_compared(root: Path, made: list[str]) -> None:
    first = check(root)
    assert {result.status for result in first} == {"ok"}
    assert sorted(made) == ["documents", "lora", "zopilot"]
    made.clear()
    assert check(root) == first
    assert not made


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "description": (lambda root: edit(root, "services/lora/service.yaml", "# more\n"), {"lora"}),
    "pin": (
        lambda root: (root / "services/lora/service.yaml").write_text(
            (ROOT / "services/lora/service.yaml").read_text().replace("gpus: [A6000, ", "gpus: [")
        ),
        {"lora"},
    ),
    "record": (lambda root: edit(root, "records/lora-gpu/pip_freeze.txt", "torch==2.0\n"), {"lora"}),
    "page": (lambda root: edit(root, "docs/services/lora.md"), set()),
    "section": (lambda root: (root / "DEVIATIONS.md").unlink(), set()),
    "folder of no service": (lambda root: edit(root, "lockfiles/other-gpu/a.txt"), set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_made_again(root: Path, made: list[str], change: str) -> None:
    make_change, services = CHANGES[change]
    check(root)
    make_change(root)
    made.clear()
    results = check(root)
    assert {*made} == {"documents", *services}
    shutil.rmtree(root / ".torchpin")
    assert check(root) == results


def test_a_page_that_was_edited_fails_each_time(root: Path) -> None:
    page = root / "docs/services/lora.md"
    page.write_text(page.read_text().replace("Risks", "Dangers"))
    results = [check(root) for _ in range(2)]
    assert results[0] == results[1]
    (found,) = [finding for result in results[0] for finding in result.findings]
    assert found.about == "docs/services/lora.md"


def test_documents_behind_a_link_are_compared_each_time(root: Path, made: list[str]) -> None:
    (root / "docs").rename(root / "pages")
    (root / "docs").symlink_to("pages")
    first = check(root)
    made.clear()
    assert check(root) == first
    assert made == ["documents"]
