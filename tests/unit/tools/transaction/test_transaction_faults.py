"""A fault in every operation of a write and of its recovery that touches the disk."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.transactions import CHANGES, Killed, Tree, files, idle, plant_tree, read_tree, tree
from torchpin.errors import ToolError
from torchpin.tools import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 256  # bytes that one write takes, so that writes stop in the middle of files


def real_files(root: Path) -> Tree:
    """Without the trials that a stopped command leaves beside them."""
    return {path: entry for path, entry in files(tree(root)).items() if ".torchpin-" not in path}


def rebuild_tree(root: Path, entries: Tree) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for path, (mode, data) in entries.items():
        (root / path).mkdir() if data is None else (root / path).write_bytes(data)
        (root / path).chmod(mode)
    return root


@dataclass(frozen=True)
class Kind:
    """A fault: before or after an operation, once or from then on."""

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


def test_a_fault_in_any_operation_leaves_all_files_before_or_all_after(
    tmp_path: Path, trees_before_and_after: tuple[Tree, Tree]
) -> None:
    """Full disks, denied access, Ctrl-C and kills at every operation: the message is true, and no staged file is left."""
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
                ("no file was changed", trees_before_and_after[0]),
                ("all files were written nevertheless", trees_before_and_after[1]),
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
