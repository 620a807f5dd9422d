"""Kept answers: read where nothing differs, and as if there were none where anything is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.tools import kept_answers
from torchpin.tools.kept_answers import KeptAnswers, digest

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_answers, "user_key", lambda: KEY)


def keep(root: Path, **answers: object) -> Path:
    store = KeptAnswers(root, "judge")
    for name, answer in answers.items():
        store.put(name, "digest", answer)
    store.save()
    return root / ".torchpin/kept/judge"


def test_an_answer_is_read_for_its_digest_alone(tmp_path: Path) -> None:
    keep(tmp_path, lora=("ok", 1))
    assert KeptAnswers(tmp_path, "judge").get("lora", "digest") == ("ok", 1)
    assert KeptAnswers(tmp_path, "judge").get("lora", "another") is None
    assert KeptAnswers(tmp_path, "judge").get("seedvr", "digest") is None
    assert KeptAnswers(tmp_path, "verify").get("lora", "digest") is None


def test_a_file_is_of_its_kind(tmp_path: Path) -> None:
    file = keep(tmp_path, lora="ok")
    file.rename(file.with_name("verify"))
    assert KeptAnswers(tmp_path, "verify").get("lora", "digest") is None


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: b"", lambda content: content + b"."]
)
def test_a_damaged_file_is_none(tmp_path: Path, damage: object) -> None:
    file = keep(tmp_path, lora="ok")
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    assert KeptAnswers(tmp_path, "judge").get("lora", "digest") is None
    keep(tmp_path, lora="again")
    assert KeptAnswers(tmp_path, "judge").get("lora", "digest") == "again"


def test_a_file_of_somebody_else_is_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return (tmp_path.joinpath("harm").write_text, ("done",))

    monkeypatch.setattr(kept_answers, "user_key", lambda: bytes(32))
    keep(tmp_path, lora=Harmful())
    monkeypatch.setattr(kept_answers, "user_key", lambda: KEY)
    assert KeptAnswers(tmp_path, "judge").get("lora", "digest") is None
    assert not (tmp_path / "harm").exists()


def test_what_is_not_named_any_more_goes(tmp_path: Path) -> None:
    keep(tmp_path, lora="ok", seedvr="ok")
    store = KeptAnswers(tmp_path, "judge")
    store.save({"lora"})
    assert KeptAnswers(tmp_path, "judge").get("lora", "digest") == "ok"
    assert KeptAnswers(tmp_path, "judge").get("seedvr", "digest") is None


def test_nothing_is_written_where_nothing_is_new_or_there_is_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeptAnswers(tmp_path, "judge").save()
    monkeypatch.setattr(kept_answers, "user_key", lambda: b"")
    keep(tmp_path, lora="ok")
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".torchpin").write_text("a file")
    keep(tmp_path, lora="ok")
    assert KeptAnswers(tmp_path, "judge").get("lora", "digest") is None


def test_git_ignores_the_folder(tmp_path: Path) -> None:
    keep(tmp_path, lora="ok")
    assert (tmp_path / ".torchpin/.gitignore").read_text() == "*\n"


def test_lists_of_texts_have_digests_of_their_own() -> None:
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("ab", "c", "")}) == 4


class TestTheKey:
    @pytest.fixture(autouse=True)
    def in_a_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def test_it_is_made_once_and_is_the_users_alone(self, tmp_path: Path) -> None:
        key = KEY_FUNCTION()
        assert len(key) == 32
        assert KEY_FUNCTION() == key
        assert (tmp_path / "cache/torchpin/key").stat().st_mode & 0o777 == 0o600

    def test_a_key_that_others_can_read_is_none(self, tmp_path: Path) -> None:
        KEY_FUNCTION()
        (tmp_path / "cache/torchpin/key").chmod(0o644)
        assert KEY_FUNCTION() == b""

    def test_without_a_place_for_it_there_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("a file")
        assert KEY_FUNCTION() == b""


KEY_FUNCTION = kept_answers.user_key
