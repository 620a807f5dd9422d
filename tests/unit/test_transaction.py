"""Many files written as one: what is written and refused, and a fault in every operation that touches the disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.errors import ToolError
from torchpin.tools import transaction
from torchpin.tools.transaction import disk
from torchpin.tools.transaction.journal import FOLDER, INTENT, JOURNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Tree = dict[str, tuple[int, bytes | None]]  # modes and contents; None is a folder

LONG = "a line that is longer than one write\n" * 20
BEFORE = {
    "README.md": "old\n",
    "services/a/lock.json": LONG,
    "services/b/only.txt": "b\n",
    "kept.txt": "kept\n",
}
CHANGES: dict[str, str | None] = {
    "README.md": "new\n",
    "services/a/lock.json": LONG.upper(),
    "records/2026/first.json": "{}\n",
    "services/b/only.txt": None,
}
AFTER = {
    "README.md": "new\n",
    "services/a/lock.json": LONG.upper(),
    "records/2026/first.json": "{}\n",
    "kept.txt": "kept\n",
}
CHUNK = 256  # bytes that one write takes, so that writes stop in the middle of files


class Killed(BaseException):
    """A dead process does nothing more: not even what stands after `finally`."""


# --- a tree, and what is in one --------------------------------------------------------------------------------------


def plant_tree(root: Path) -> Path:
    """The tree before; two files have modes of their own."""
    for path, text in BEFORE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o644)
    (root / "README.md").chmod(0o755)
    (root / "services/a/lock.json").chmod(0o600)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return plant_tree(tmp_path / "root")


def read_tree(root: Path) -> Tree:
    """All that lies in a folder, .torchpin as well."""
    entries: Tree = {}
    for path in sorted(root.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        entries[str(path.relative_to(root))] = (mode, None if path.is_dir() else path.read_bytes())
    return entries


def tree(root: Path) -> Tree:
    return {path: entry for path, entry in read_tree(root).items() if path.split("/")[0] != ".torchpin"}


def files(entries: Tree) -> Tree:
    return {path: entry for path, entry in entries.items() if entry[1] is not None}


def real_files(root: Path) -> Tree:
    """Without the trials that a stopped command leaves beside them."""
    return {path: entry for path, entry in files(tree(root)).items() if ".torchpin-" not in path}


def texts(root: Path) -> dict[str, str]:
    return {path: (data or b"").decode() for path, (_, data) in files(tree(root)).items()}


def idle(root: Path) -> bool:
    return not transaction.pending(root) and not (root / FOLDER).exists()


def rebuild_tree(root: Path, entries: Tree) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for path, (mode, data) in entries.items():
        (root / path).mkdir() if data is None else (root / path).write_bytes(data)
        (root / path).chmod(mode)
    return root


# --- what is written, and what is refused ----------------------------------------------------------------------------


def test_all_files_are_written_and_the_changed_ones_answered(root: Path) -> None:
    """Replaced, made in new folders, removed with the folder that this empties; a text as it is does not count."""
    changed = transaction.write(root, {**CHANGES, "kept.txt": "kept\n", "never/there.txt": None})
    assert changed == ("README.md", "records/2026/first.json", "services/a/lock.json", "services/b/only.txt")
    assert texts(root) == AFTER
    assert (root / "services/a").is_dir()
    assert not (root / "services/b").exists()
    assert idle(root)


def test_nothing_to_change_touches_nothing(root: Path) -> None:
    """The second time there is nothing to write: not a file, and not a folder of ours."""
    before = read_tree(root)
    assert transaction.write(root, BEFORE) == ()
    assert transaction.write(root, {}) == ()
    assert read_tree(root) == before


def test_files_keep_their_modes_and_new_ones_are_plain(root: Path) -> None:
    """Executable stays executable, private stays private, whatever the mode of what is staged."""
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
    """The folder of a removed file stays where a new file lies in it."""
    transaction.write(root, {"services/b/only.txt": None, "services/b/new.txt": "n\n"})
    assert (root / "services/b/new.txt").read_text() == "n\n"
    assert not (root / "services/b/only.txt").exists()


@pytest.mark.parametrize(
    "read", [{"kept.txt": "other\n"}, {"kept.txt": None}, {"none.txt": ""}, {"README.md": "new\n"}]
)
def test_a_file_that_is_not_as_it_was_read_stops_the_write(root: Path, read: dict[str, str | None]) -> None:
    """One that is to be written or another that was only read, changed, made or gone: it is named, all stays."""
    before = tree(root)
    with pytest.raises(
        ToolError, match=f"Changed by somebody else meanwhile: {next(iter(read))}. Nothing was"
    ):
        transaction.write(root, CHANGES, before=read)
    assert tree(root) == before
    assert idle(root)


def test_what_was_read_is_compared_even_if_nothing_changes(root: Path) -> None:
    """Nothing to write is said only of files that are as they were read; what holds is no obstacle."""
    with pytest.raises(ToolError, match=r"meanwhile: kept\.txt\."):
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
    with pytest.raises(ToolError, match=r"meanwhile: README\.md\. Nothing was written"):
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
    with pytest.raises(ToolError, match="is no place for a file of a repository"):
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
    """A file that is one, also a broken one, or lies behind one: nothing is written, the link is named and stays."""
    (root / link).symlink_to(to)
    with pytest.raises(ToolError, match=f"^{link} is a symbolic link"):
        transaction.write(root, {"README.md": "new\n", path: text})
    assert (root / link).readlink() == Path(to)
    (root / link).unlink()
    assert texts(root) == BEFORE
    assert idle(root)


@pytest.mark.parametrize("link", [".torchpin", FOLDER])
def test_where_our_own_folder_is_a_link_nothing_behind_it_is_touched(
    root: Path, tmp_path: Path, link: str
) -> None:
    """A link where things are staged, say from somebody's commit: what it leads to is not cleared."""
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
    ("path", "message"), [("services/a", "is a directory"), ("kept.txt/in.txt", "kept.txt/in.txt: ")]
)
def test_a_folder_for_a_file_and_a_file_for_a_folder_are_refused(root: Path, path: str, message: str) -> None:
    """Neither is replaced by the other."""
    with pytest.raises(ToolError, match=message):
        transaction.write(root, {**CHANGES, path: "x\n"})
    assert texts(root) == BEFORE
    assert idle(root)


# --- after a stop ----------------------------------------------------------------------------------------------------


def stop_write(root: Path, changes: Mapping[str, str | None], *, done: int, name: str = "replace") -> None:
    """Killed when a method of paths is called once more after it was `done` times."""
    calls, original = [0], getattr(Path, name)

    def counts(path: Path, *arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] > done:
            raise Killed
        return original(path, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(Path, name, counts)
        patch.setattr("torchpin.tools.transaction._recover_after_failure", lambda *_: "")
        transaction.write(root, changes)
    assert transaction.pending(root)


TRIAL_RENAMES = len(CHANGES)
RENAMES_TO_COMMIT = TRIAL_RENAMES + 1  # with the rename of the intent


@pytest.mark.parametrize("renames", range(len(CHANGES) - 1))
def test_a_committed_write_is_finished(root: Path, renames: int) -> None:
    """None, one or two files were renamed: the rest follows, and the files are told."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + renames)
    assert (root / FOLDER / JOURNAL).is_file()
    message = transaction.recover(root)
    assert message == (
        "An earlier command was stopped while it wrote README.md, records/2026/first.json, services/a/lock.json, "
        "services/b/only.txt; every one of them is written now."
    )
    assert texts(root) == AFTER
    assert idle(root)
    assert transaction.recover(root) is None


@pytest.mark.parametrize("done", range(RENAMES_TO_COMMIT))
def test_a_write_that_was_not_committed_is_cleared(root: Path, done: int) -> None:
    """Whatever was staged or tried is gone, the new folders as well."""
    before = tree(root)
    stop_write(root, CHANGES, done=done)
    assert (root / FOLDER / INTENT).is_file()
    message = transaction.recover(root)
    assert message is not None
    assert "stopped before it wrote README.md, " in message
    assert "no file was changed" in message
    assert tree(root) == before
    assert idle(root)


def test_new_folders_that_somebody_removed_meanwhile_are_made_again(root: Path) -> None:
    """Committed, stopped, then tidied up: git knows no empty folders, so they do not count as edited."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT)
    shutil.rmtree(root / "records")
    assert "written now" in str(transaction.recover(root))
    assert texts(root) == AFTER


def test_the_next_write_finishes_first_and_writes_nothing_of_its_own(root: Path) -> None:
    """What it read may be half of the earlier one: it says so, and works the second time."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + 1)
    with pytest.raises(
        ToolError, match=r"every one of them is written now. Nothing else was written.*run it again"
    ):
        transaction.write(root, {"kept.txt": "mine\n"})
    assert texts(root) == AFTER
    assert transaction.write(root, {"kept.txt": "mine\n"}) == ("kept.txt",)


def test_the_next_write_clears_what_was_not_committed_and_goes_on(root: Path) -> None:
    """No file was changed by the earlier one, so what this one read holds."""
    stop_write(root, CHANGES, done=TRIAL_RENAMES)
    assert transaction.write(root, {"kept.txt": "mine\n"}) == ("kept.txt",)
    assert texts(root) == {**BEFORE, "kept.txt": "mine\n"}
    assert not (root / "records").exists()
    assert idle(root)


def test_files_that_somebody_edited_meanwhile_are_named_and_stay(root: Path) -> None:
    """Committed, stopped, then edited: nothing is written, until they are put back or the folder is removed."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + 1)
    (root / "services/a/lock.json").write_text("theirs\n")
    before = read_tree(root)
    for _ in range(2):
        with pytest.raises(
            ToolError, match=r"somebody changed services/a/lock.json. Put all of them back, or remove"
        ):
            transaction.recover(root)
        assert read_tree(root) == before
    (root / "services/a/lock.json").write_text(LONG)
    assert "written now" in str(transaction.recover(root))
    assert texts(root) == AFTER


def test_files_that_were_all_put_back_stay_so(root: Path) -> None:
    """Stopped in the middle, then `git checkout` of everything: the write is given up, its folders go."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + 2)
    (root / "README.md").write_text(BEFORE["README.md"])
    (root / "records/2026/first.json").unlink()
    assert "all of them were put back" in str(transaction.recover(root))
    assert texts(root) == BEFORE
    assert not (root / "records").exists()
    assert idle(root)


def test_a_removed_file_whose_folder_became_a_file_is_removed(root: Path) -> None:
    """There is nothing to delete where its folder is gone, and the recovery does not stumble over that."""
    stop_write(root, CHANGES, done=0, name="rmdir")
    (root / "services/b").rmdir()
    (root / "services/b").write_text("theirs\n")
    assert "written now" in str(transaction.recover(root))
    assert texts(root) == {**AFTER, "services/b": "theirs\n"}


def test_a_link_put_into_the_way_of_a_recovery_is_refused(root: Path, tmp_path: Path) -> None:
    """A journal writes nothing through links, whoever made them."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + 1)
    (root / "services/a").rename(tmp_path / "away")
    (root / "services/a").symlink_to(tmp_path / "away")
    with pytest.raises(ToolError, match=r"^services/a is a symbolic link"):
        transaction.recover(root)
    assert (tmp_path / "away/lock.json").read_text() == LONG


VALID_JOURNAL: dict[str, Any] = {
    "rows": [{"path": "kept.txt", "before": None, "after": "00"}],
    "folders": [],
    "mark": "ab",
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "\udcff",
        json.dumps({**VALID_JOURNAL, "more": 1}),
        json.dumps({**VALID_JOURNAL, "mark": 1}),
        json.dumps({**VALID_JOURNAL, "folders": [1]}),
        json.dumps({**VALID_JOURNAL, "rows": [{"path": 1, "before": None, "after": None}]}),
        json.dumps({**VALID_JOURNAL, "rows": [{"path": "kept.txt"}]}),
        json.dumps({"rows": []}),
    ],
)
def test_a_damaged_journal_is_said_and_a_damaged_intent_cleared(root: Path, text: str) -> None:
    """A journal may mean half-written files: people look. Before the commit no file was touched: it goes."""
    (root / FOLDER).mkdir(parents=True)
    (root / FOLDER / JOURNAL).write_bytes(text.encode(errors="surrogateescape"))
    before = read_tree(root)
    for operation in (lambda: transaction.recover(root), lambda: transaction.write(root, CHANGES)):
        with pytest.raises(
            ToolError, match=r"journal.json is damaged. Look at the files with `git status`, then rem"
        ):
            operation()
    assert read_tree(root) == before
    (root / FOLDER / JOURNAL).rename(root / FOLDER / INTENT)
    assert transaction.recover(root) is None
    assert texts(root) == BEFORE
    assert idle(root)


@pytest.mark.parametrize("name", [INTENT, JOURNAL])
@pytest.mark.parametrize("path", ["../away/x.txt", "", ".git/config"])
def test_a_journal_that_leads_elsewhere_is_refused(root: Path, tmp_path: Path, name: str, path: str) -> None:
    """Say from somebody's commit: nothing outside the repository is written or deleted."""
    (tmp_path / "away").mkdir()
    (root / FOLDER).mkdir(parents=True)
    rows = [{"path": path, "before": None, "after": None}]
    (root / FOLDER / name).write_text(json.dumps({**VALID_JOURNAL, "rows": rows, "folders": ["../away"]}))
    with pytest.raises(ToolError, match=r"is no place for a file|is a directory"):
        transaction.recover(root)
    assert (tmp_path / "away").is_dir()


def test_nothing_to_recover_is_nothing(root: Path) -> None:
    """Without a stopped command, and with no more than its empty folder."""
    assert not transaction.pending(root)
    assert transaction.recover(root) is None
    (root / FOLDER).mkdir(parents=True)
    assert transaction.pending(root)
    assert transaction.recover(root) is None
    assert idle(root)


# --- what is on the disk when the power goes -------------------------------------------------------------------------


def test_nothing_is_relied_on_before_it_is_on_the_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staged files and their names before the commit, the commit before the first rename, all of them before it goes."""
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
    transaction.write(root, CHANGES)
    monkeypatch.undo()

    def last(event: str, until: int) -> int:
        return max(number for number, logged_event in enumerate(events[:until]) if logged_event == event)

    commit = events.index(f"rename {FOLDER}/{INTENT} {FOLDER}/{JOURNAL}")
    tried = events.index(f"rename {FOLDER}/trial .torchpin-abababab-0")
    assert last(f"sync {FOLDER}/{INTENT}", tried) < last(f"sync {FOLDER}", tried)
    names = last(f"sync {FOLDER}", commit)
    for staged in ("0", "1", "2", INTENT):
        assert last(f"sync {FOLDER}/{staged}", names) < names
    for folder in (".", "records"):
        assert last(f"sync {folder}", commit) < commit
    assert events[commit + 1] == f"sync {FOLDER}"
    end = events.index(f"unlink {FOLDER}/{JOURNAL}")
    assert not [event for event in events[end + 1 :] if event.startswith(("rename", "unlink"))]
    for path in CHANGES:
        position = max(
            number
            for number, event in enumerate(events)
            if event.startswith(("rename", "unlink")) and event.endswith(f" {path}")
        )
        assert commit < position < last(f"sync {Path(path).parent}", end)


# --- faults ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """What goes wrong: instead of the operation, or `late`, when it is done; once, or `stuck` from then on."""

    name: str
    error: Callable[[], BaseException]
    after_operation: bool = False
    persistent: bool = False

    @property
    def is_os_error(self) -> bool:
        return isinstance(self.error(), OSError)


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def denied() -> OSError:
    return OSError(errno.EACCES, os.strerror(errno.EACCES))


KILL = Kind("killed", Killed, persistent=True)
KINDS = (
    Kind("disk full", full),
    Kind("disk full, done", full, after_operation=True),
    Kind("disk full and stays so", full, persistent=True),
    Kind("denied", denied),
    Kind("denied, done", denied, after_operation=True),
    Kind("denied and stays so", denied, persistent=True),
    Kind("ctrl-c", KeyboardInterrupt),
    Kind("ctrl-c, done", KeyboardInterrupt, after_operation=True),
    KILL,
    Kind("killed, done", Killed, after_operation=True, persistent=True),
)
METHODS = (
    "mkdir",
    "touch",
    "replace",
    "unlink",
    "rmdir",
)  # of paths: Python 3.10 binds what they call at import
FUNCTIONS = ("open", "write", "fsync", "fchmod", "close")  # of os


@dataclass
class Faults:
    """Fails at the N-th operation on the disk; with `at` 0 it only counts."""

    kind: Kind = KILL
    at: int = 0
    operations: list[str] = field(default_factory=list)

    @property
    def was_injected(self) -> bool:
        return 0 < self.at <= len(self.operations)

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            if name == "write":
                arguments = (arguments[0], arguments[1][:CHUNK])
            self.operations.append(name)
            count = len(self.operations)
            if not self.at or count < self.at or (count > self.at and not self.kind.persistent):
                return original(*arguments, **options)
            if name == "close" or (self.kind.after_operation and count == self.at):
                result = original(*arguments, **options)
                if name == "open":
                    CLOSE(result)
            raise self.kind.error()

        return operation

    @contextmanager
    def inject(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in METHODS:
                patch.setattr(Path, name, self.wrap(name, getattr(Path, name)))
            for name in FUNCTIONS:
                original = (lambda handle: None) if name == "fsync" else getattr(os, name)
                patch.setattr(os, name, self.wrap(name, original))
            yield


CLOSE = os.close


def which_tree(entries: Tree, before: Tree, after: Tree, *, exactly: bool) -> str:
    """Which of the two a tree is; a folder that the system does not let go may stay, git knows none that is empty."""
    for name, expected in (("before", before), ("after", after)):
        if entries == expected or (not exactly and files(entries) == files(expected)):
            return name
    raise AssertionError(f"neither before nor after: {sorted(entries)}")


@pytest.fixture
def trees_before_and_after(tmp_path: Path) -> tuple[Tree, Tree]:
    """The tree before, and the tree after a write without faults."""
    planted_root = plant_tree(tmp_path / "one")
    before = tree(planted_root)
    transaction.write(planted_root, CHANGES)
    return before, tree(planted_root)


@pytest.fixture(autouse=True)
def fixed_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs leave the same on the disk."""
    monkeypatch.setattr("secrets.token_hex", lambda size: "ab" * size)


def test_a_fault_in_any_operation_leaves_all_files_before_or_all_after(
    tmp_path: Path, trees_before_and_after: tuple[Tree, Tree]
) -> None:
    """Full disks, denials, Ctrl-C and kills, at every operation: what is said is true, and nothing is left behind."""
    endings: list[str] = []
    start = read_tree(plant_tree(tmp_path / "start"))
    for kind in KINDS:
        for at in range(1, 1000):
            run_root = rebuild_tree(tmp_path / "run", start)
            faults, message = Faults(kind=kind, at=at), ""
            with faults.inject():
                try:
                    transaction.write(run_root, CHANGES)
                except (ToolError, KeyboardInterrupt, Killed) as error:
                    message = str(error) or "stopped"
            if not faults.was_injected:
                break
            fault_label = f"{kind.name}, operation {at}: {faults.operations[at - 1]}"
            exactly = not kind.is_os_error
            if not kind.persistent:
                assert idle(run_root), fault_label
            for claim, expected in (
                ("No file was changed", trees_before_and_after[0]),
                ("Every file is written", trees_before_and_after[1]),
            ):
                if claim in message:
                    assert real_files(run_root) == files(expected), (fault_label, message)
            transaction.recover(run_root)
            assert idle(run_root), fault_label
            endings.append(which_tree(tree(run_root), *trees_before_and_after, exactly=exactly))
            assert message or endings[-1] == "after", fault_label
        else:
            pytest.fail("the operations do not end")
    before, after = endings.count("before"), endings.count("after")
    print(f"{len(endings)} faults injected: {before} ended before, {after} after")  # noqa: T201 - what a green run was
    assert before > 100
    assert after > 100


def test_a_kill_in_any_operation_of_the_recovery_is_recovered_too(
    tmp_path: Path, trees_before_and_after: tuple[Tree, Tree]
) -> None:
    """Killed anywhere, and once more anywhere while that is recovered: the next recovery ends it, the same way."""
    start = read_tree(plant_tree(tmp_path / "start"))
    states: list[Tree] = []
    for at in range(1, 1000):
        run_root, faults = rebuild_tree(tmp_path / "run", start), Faults(at=at)
        with faults.inject(), suppress(Killed):
            transaction.write(run_root, CHANGES)
        if not faults.was_injected:
            break
        state = read_tree(run_root)
        if state not in states:
            states.append(state)
    endings: list[str] = []
    for state in states:
        transaction.recover(rebuild_tree(tmp_path / "run", state))
        expected_ending = which_tree(tree(tmp_path / "run"), *trees_before_and_after, exactly=True)
        for kind in (KILL, KINDS[0], KINDS[6]):
            for at in range(1, 1000):
                run_root, faults = rebuild_tree(tmp_path / "run", state), Faults(kind=kind, at=at)
                with faults.inject(), suppress(Killed, KeyboardInterrupt, ToolError):
                    transaction.recover(run_root)
                if not faults.was_injected:
                    break
                transaction.recover(run_root)
                assert idle(run_root)
                assert (
                    which_tree(tree(run_root), *trees_before_and_after, exactly=kind is not KINDS[0])
                    == expected_ending
                )
                endings.append(expected_ending)
    before, after = endings.count("before"), endings.count("after")
    print(f"{len(endings)} second faults injected: {before} ended before, {after} after")  # noqa: T201 - what a green run was
    assert before > 100
    assert after > 100
