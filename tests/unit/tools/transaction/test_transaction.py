"""Atomic writes of several files: what is written, what is rejected, and what is synced before a power failure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.transactions import AFTER, BEFORE, CHANGES, files, idle, read_tree, texts, tree
from torchpin.errors import ToolError
from torchpin.paths import TRANSACTION
from torchpin.tools import transaction
from torchpin.tools.transaction import disk
from torchpin.tools.transaction.journal import INTENT, JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterable


def test_all_files_are_written_and_the_changed_ones_answered(root: Path) -> None:
    """Replaced, created in new folders, removed with a folder that becomes empty; an equal text is not a change."""
    changed = transaction.write(root, {**CHANGES, "kept.txt": "kept\n", "never/there.txt": None})
    assert changed == ("README.md", "records/2026/first.json", "services/a/lock.json", "services/b/only.txt")
    assert texts(root) == AFTER
    assert (root / "services/a").is_dir()
    assert not (root / "services/b").exists()
    assert idle(root)


def test_nothing_to_change_touches_nothing(root: Path) -> None:
    """The second write changes nothing and leaves no staging folder."""
    before = read_tree(root)
    assert transaction.write(root, BEFORE) == ()
    assert transaction.write(root, {}) == ()
    assert read_tree(root) == before


def test_files_keep_their_modes_and_new_ones_are_plain(root: Path) -> None:
    """An executable or private file keeps its mode, whatever the mode of the staged file."""
    transaction.write(root, CHANGES)
    modes = {path: mode for path, (mode, _) in files(tree(root)).items()}
    expected = {"README.md": 0o755, "services/a/lock.json": 0o600, "records/2026/first.json": 0o644}
    assert modes == {**expected, "kept.txt": 0o644}


def test_all_folders_that_lose_their_last_file_go_and_others_stay(root: Path) -> None:
    """Up to the first that holds something else, be it not even git's."""
    removed: dict[str, str | None] = {path: None for path in BEFORE if path.startswith("services/")}
    (root / "services/a/untracked").mkdir()
    transaction.write(root, removed)
    assert texts(root).keys() == {"README.md", "kept.txt"}
    assert (root / "services/a/untracked").is_dir()
    assert not (root / "services/b").exists()


def test_a_file_moves_into_a_folder_that_another_leaves(root: Path) -> None:
    """The folder of a removed file stays if a new file is in it."""
    transaction.write(root, {"services/b/only.txt": None, "services/b/new.txt": "n\n"})
    assert (root / "services/b/new.txt").read_text() == "n\n"
    assert not (root / "services/b/only.txt").exists()


@pytest.mark.parametrize(
    "read", [{"kept.txt": "other\n"}, {"kept.txt": None}, {"none.txt": ""}, {"README.md": "new\n"}]
)
def test_a_file_that_is_not_as_it_was_read_stops_the_write(root: Path, read: dict[str, str | None]) -> None:
    """A file to be written or only read was changed, created or removed: it is named, and nothing is written."""
    before = tree(root)
    with pytest.raises(
        ToolError, match=rf"{next(iter(read))}(:1)? changed while this command ran; nothing was"
    ):
        transaction.write(root, CHANGES, before=read)
    assert tree(root) == before
    assert idle(root)


def test_the_first_line_that_changed_is_named(root: Path) -> None:
    (root / "kept.txt").write_text("one\ntwo\nthree\n")
    with pytest.raises(ToolError, match=r"^kept\.txt:2 changed while"):
        transaction.write(root, CHANGES, before={"kept.txt": "one\n2\n3\n"})
    with pytest.raises(ToolError, match=r"^kept\.txt:4 changed while"):
        transaction.write(root, CHANGES, before={"kept.txt": "one\ntwo\nthree\nfour\n"})


def test_what_was_read_is_compared_even_if_nothing_changes(root: Path) -> None:
    """A write without changes fails, too, if a file is not as it was read."""
    with pytest.raises(ToolError, match=r"^kept\.txt:1 changed while this command ran"):
        transaction.write(root, {"README.md": "old\n"}, before={"kept.txt": "other\n"})
    assert transaction.write(root, CHANGES, before={**BEFORE, "none.txt": None})


def test_an_edit_while_the_rest_is_staged_stops_the_write(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody saves a file after we read it and before the point of commit: theirs stays, ours is not written."""
    make = disk.make_folders

    def edits(folder: Path, folders: Iterable[str]) -> None:
        (root / "README.md").write_text("theirs\n")
        make(folder, folders)

    monkeypatch.setattr(disk, "make_folders", edits)
    with pytest.raises(ToolError, match=r"^README\.md changed while this command ran; nothing was written"):
        transaction.write(root, CHANGES)
    monkeypatch.undo()
    assert texts(root) == {**BEFORE, "README.md": "theirs\n"}
    assert not (root / "records").exists()
    assert idle(root)


@pytest.mark.parametrize(
    "path",
    [
        "../out.txt",
        "services/../out.txt",
        "/tmp/out.txt",
        ".git/config",
        "./out.txt",
        "services//out.txt",
        "out/",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(root: Path, path: str) -> None:
    """Out of the repository, into git's files, or the same file by another name."""
    with pytest.raises(ToolError, match="is not a path for a file of the repository"):
        transaction.write(root, {**CHANGES, path: "x\n"})
    assert texts(root) == BEFORE
    assert idle(root)


@pytest.mark.parametrize(
    ("link", "to", "path", "text"),
    [
        ("link.txt", "kept.txt", "link.txt", "x\n"),
        ("link.txt", "kept.txt", "link.txt", None),
        ("link.txt", "nowhere", "link.txt", "x\n"),
        ("linked", "services", "linked/a/lock.json", "x\n"),
        ("linked", "services", "linked/a/lock.json", None),
        ("services/up", "..", "services/up/kept.txt", "x\n"),
    ],
)
def test_a_symbolic_link_is_refused(root: Path, link: str, to: str, path: str, text: str | None) -> None:
    """The file or a parent is a symbolic link, also a broken one: nothing is written, and the link is named."""
    (root / link).symlink_to(to)
    with pytest.raises(ToolError, match=f"^{link} is a symbolic link"):
        transaction.write(root, {"README.md": "new\n", path: text})
    assert (root / link).readlink() == Path(to)
    (root / link).unlink()
    assert texts(root) == BEFORE
    assert idle(root)


@pytest.mark.parametrize("link", [".torchpin", TRANSACTION])
def test_where_our_own_folder_is_a_link_nothing_behind_it_is_touched(
    root: Path, tmp_path: Path, link: str
) -> None:
    """The staging folder is a symbolic link, for example from a malicious commit: its target is not cleared."""
    outside = tmp_path / "away"
    (outside / "transaction").mkdir(parents=True)
    (outside / "precious.txt").touch()
    (outside / "transaction/precious.txt").touch()
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(outside)
    for operation in (lambda: transaction.recover(root), lambda: transaction.write(root, CHANGES)):
        with pytest.raises(ToolError, match=f"^{link} is a symbolic link"):
            operation()
    assert read_tree(outside).keys() == {"precious.txt", "transaction", "transaction/precious.txt"}
    assert texts(root) == BEFORE


@pytest.mark.parametrize(
    ("path", "message"), [("services/a", "is a folder"), ("kept.txt/in.txt", "kept.txt/in.txt: ")]
)
def test_a_folder_for_a_file_and_a_file_for_a_folder_are_refused(root: Path, path: str, message: str) -> None:
    """Neither is replaced by the other."""
    with pytest.raises(ToolError, match=message):
        transaction.write(root, {**CHANGES, path: "x\n"})
    assert texts(root) == BEFORE
    assert idle(root)


def log_operations(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The syncs, renames and removals below a folder, in their order."""
    events: list[str] = []
    opened: dict[int, str] = {}
    real_open, real_replace, real_unlink = os.open, Path.replace, Path.unlink

    def near(path: Path) -> str:
        return str(path.relative_to(root))

    def opens(path: Path, flags: int, mode: int = 0o777) -> int:
        handle = real_open(path, flags, mode)
        opened[handle] = near(path)
        return handle

    def replaces(path: Path, target: Path) -> Path:
        events.append(f"rename {near(path)} {near(target)}")
        return real_replace(path, target)

    def unlinks(path: Path, missing_ok: bool = False) -> None:
        events.append(f"unlink {near(path)}")
        real_unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(os, "open", opens)
    monkeypatch.setattr(os, "fsync", lambda handle: events.append(f"sync {opened[handle]}"))
    monkeypatch.setattr(Path, "replace", replaces)
    monkeypatch.setattr(Path, "unlink", unlinks)
    return events


def test_nothing_is_relied_on_before_it_is_on_the_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staged files and their names are synced before the commit, the commit before the first rename, all renames before
    the journal is removed."""
    events = log_operations(root, monkeypatch)
    transaction.write(root, CHANGES)
    monkeypatch.undo()

    def last(event: str, until: int) -> int:
        return max(number for number, logged_event in enumerate(events[:until]) if logged_event == event)

    commit = events.index(f"rename {TRANSACTION}/{INTENT} {TRANSACTION}/{JOURNAL}")
    tried = events.index(f"rename {TRANSACTION}/trial .torchpin-abababab-0")
    assert last(f"sync {TRANSACTION}/{INTENT}", tried) < last(f"sync {TRANSACTION}", tried)
    names = last(f"sync {TRANSACTION}", commit)
    for staged in ("0", "1", "2", INTENT):
        assert last(f"sync {TRANSACTION}/{staged}", names) < names
    for folder in (".", "records"):
        assert last(f"sync {folder}", commit) < commit
    assert events[commit + 1] == f"sync {TRANSACTION}"
    end = events.index(f"unlink {TRANSACTION}/{JOURNAL}")
    assert not [event for event in events[end + 1 :] if event.startswith(("rename", "unlink"))]
    for path in CHANGES:
        position = max(
            number
            for number, event in enumerate(events)
            if event.startswith(("rename", "unlink")) and event.endswith(f" {path}")
        )
        assert commit < position < last(f"sync {Path(path).parent}", end)
