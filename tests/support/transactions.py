"""A small tree of files, what lies in it, and a write that changes, adds and removes files."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from torchpin.paths import TRANSACTION
from torchpin.tools import transaction

if TYPE_CHECKING:
    from pathlib import Path

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


class Killed(BaseException):
    """A dead process does nothing more: not even what stands after `finally`."""


def plant_tree(root: Path) -> Path:
    """The tree before; two files have modes of their own."""
    for path, text in BEFORE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o644)
    (root / "README.md").chmod(0o755)
    (root / "services/a/lock.json").chmod(0o600)
    return root


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


def texts(root: Path) -> dict[str, str]:
    return {path: (data or b"").decode() for path, (_, data) in files(tree(root)).items()}


def idle(root: Path) -> bool:
    return not transaction.pending(root) and not (root / TRANSACTION).exists()
