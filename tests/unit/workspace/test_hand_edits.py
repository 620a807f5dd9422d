"""Edits of generated text are named before they are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin import paths
from torchpin.documents import markdown
from torchpin.errors import FindingsError
from torchpin.lock import file_format, sealing
from torchpin.model import Settings, Upstream
from torchpin.workspace import hand_edits, regenerated, writer
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from pathlib import Path

DOCKERFILE = "docker/lora-gpu/Dockerfile"
LOCK_FILE = "lockfiles/lora-gpu/upstream-a.requirements.txt"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository that torchpin has written a Dockerfile and a document into; no commit has them."""
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: {})
    monkeypatch.setattr(regenerated.History, "texts", lambda *_: iter(()))
    repo = Repository(root=tmp_path, services=(), settings=Settings())
    writer.write(repo, {DOCKERFILE: "FROM a\nRUN b\n", paths.PINNING: f"Prose.\n\n{section('one')}\n"})
    return repo


def section(body: str) -> str:
    return markdown.wrap_section("lora", body, source="a test")


def edit(repo: Repository, path: str, old: str, new: str) -> None:
    (repo.root / path).write_text((repo.text(path) or "").replace(old, new))


def edits(repo: Repository, files: dict[str, str | None]) -> list[str]:
    with pytest.raises(FindingsError) as excinfo:
        hand_edits.require_unedited(repo, files)
    first, *lines, last = str(excinfo.value).splitlines()
    assert first == "generated text was edited by hand, and would be lost; nothing was written:"
    assert last.startswith("help: to keep the edit, ")
    assert "; to drop it, add `--overwrite` " in last
    return lines


def test_what_torchpin_wrote_itself_is_written_over(repo: Repository) -> None:
    hand_edits.require_unedited(repo, {DOCKERFILE: "FROM c\n", paths.PINNING: section("two")})


def test_an_edit_of_an_sbom_is_named(repo: Repository) -> None:
    sbom = paths.sbom_path("lora-gpu")
    writer.write(repo, {sbom: '{\n "a": 1\n}\n'})
    hand_edits.require_unedited(repo, {sbom: "{}\n"})
    edit(repo, sbom, "1", "2")
    assert edits(repo, {sbom: "{}\n"}) == [f'{sbom}:2:  "a": 2']


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("RUN b", "RUN mine\nRUN b", "2: RUN mine"),
        ("RUN b", "RUN c", "2: RUN c"),
        ("FROM a\n", "", "1: (lines are missing)"),
    ],
)
def test_an_edit_of_a_rendered_file_is_named_with_its_line(
    old: str, new: str, line: str, repo: Repository
) -> None:
    edit(repo, DOCKERFILE, old, new)
    assert edits(repo, {DOCKERFILE: "FROM c\n"}) == [f"{DOCKERFILE}:{line}"]


def test_in_a_document_only_generated_sections_count(repo: Repository) -> None:
    edit(repo, paths.PINNING, "Prose.", "Other prose.")
    hand_edits.require_unedited(repo, {paths.PINNING: section("two")})
    edit(repo, paths.PINNING, "one", "one\nmine")
    assert edits(repo, {paths.PINNING: section("two")}) == [f"{paths.PINNING}:6: mine"]


def test_a_text_that_is_written_as_it_stands_is_no_loss(repo: Repository) -> None:
    edit(repo, DOCKERFILE, "RUN b", "RUN mine")
    hand_edits.require_unedited(repo, {DOCKERFILE: repo.text(DOCKERFILE)})


def test_an_edit_that_is_committed_is_named_where_its_commit_gives_another_text(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(repo, DOCKERFILE, "RUN b", "RUN mine")
    committed = {DOCKERFILE: repo.text(DOCKERFILE)}
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: committed)
    monkeypatch.setattr(regenerated.History, "texts", lambda *_: iter(["FROM a\nRUN b2\n", "FROM b\n"]))
    assert edits(repo, {DOCKERFILE: "FROM c\n"}) == [f"{DOCKERFILE}:2: RUN mine"]
    monkeypatch.setattr(regenerated.History, "texts", lambda *_: iter(["FROM b\n", *committed.values()]))
    hand_edits.require_unedited(repo, {DOCKERFILE: "FROM c\n"})


def test_a_record_is_no_edit_if_torchpin_wrote_it_or_git_has_it(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = paths.freeze_path("lora-gpu")
    writer.write(repo, {record: "a==1\n"})
    hand_edits.require_unedited(repo, {record: "a==2\n"})
    edit(repo, record, "a==1", "a==1+mine")
    assert edits(repo, {record: "a==2\n"}) == [f"{record}:1: a==1+mine"]
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: {record: repo.text(record)})
    hand_edits.require_unedited(repo, {record: "a==2\n"})


def test_what_is_committed_is_no_loss(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(repo, DOCKERFILE, "RUN b", "RUN mine")
    committed = {DOCKERFILE: repo.text(DOCKERFILE)}
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: committed)
    hand_edits.require_unedited(repo, {DOCKERFILE: "FROM c\n"})


def test_outside_of_git_what_torchpin_wrote_last_is_compared(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: None)
    edit(repo, DOCKERFILE, "RUN b", "RUN mine")
    assert edits(repo, {DOCKERFILE: "FROM c\n"}) == [f"{DOCKERFILE}:2: RUN mine"]
    (repo.root / paths.WRITTEN).unlink()
    hand_edits.require_unedited(repo, {DOCKERFILE: "FROM c\n"})


def test_a_damaged_state_is_an_unknown_one(repo: Repository) -> None:
    (repo.root / paths.WRITTEN).write_text("[")
    assert hand_edits.read_written(repo) == {}


def test_a_file_of_a_lock_has_its_own_digest(repo: Repository) -> None:
    upstream = Upstream(source="a", tag="v1", commit="c" * 40, file="r.txt", requirements=("torch",))
    text = file_format.upstream_text(upstream)
    writer.write(repo, {LOCK_FILE: text})
    hand_edits.require_unedited(repo, {LOCK_FILE: None})
    assert sealing.is_sealed(text)
    assert not sealing.is_sealed(text.replace("torch", "jax"))
    assert sealing.has_header(text.replace("torch", "jax"))
    assert not sealing.has_header("my notes\n")
