"""What lies in a repository, so that two states of it can be compared."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from torchpin import paths
from torchpin.tools import transaction

if TYPE_CHECKING:
    from pathlib import Path

Tree = dict[str, tuple[int, bytes]]  # by path: mode with type, and content
# the times of updates, which differ from run to run, in the names of their records and in texts
_TIME = re.compile(r"(?<=-\d\dT)\d{6}(?=Z)")
_TIME_IN_TEXT = re.compile(rb"(?m)(?<=-\d\dT)\d{6}(?=Z)|^.*\bwhen: .*\n")
_WORK_FILES = re.compile(r"written\.json|[\w-]+\.lock|logs|bumps|kept|proofs|resolved|\.gitignore")
_STATE_OF_CLONES = {
    "HEAD",
    "shallow",
}  # of .git; the rest has times and names that differ from clone to clone


def read_tree(root: Path) -> Tree:
    """Every file and folder but torchpin's working files; of environments the names alone."""
    tree: Tree = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        parts = name.split("/")
        if parts[0] == paths.WORK or "__pycache__" in parts or _is_state_of_git(parts):
            continue
        status = path.lstat()
        content = b""
        if parts[0] == ".venvs":
            tree[name] = (stat.S_IFMT(status.st_mode), content)
            continue
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink()).encode()
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISDIR(status.st_mode) and not any(
            entry.is_symlink() or not entry.is_dir() for entry in path.rglob("*")
        ):
            continue  # git knows no folder that holds no file
        if parts[0] in {"records", "docs"}:
            name, content = _TIME.sub("", name), _TIME_IN_TEXT.sub(b"", content)
        tree[name] = (status.st_mode, content)
    return tree


def _is_state_of_git(parts: list[str]) -> bool:
    """Whether a path is below the .git of a clone, and not one of the files that say what is checked out."""
    if parts[0] != "third_party" or ".git" not in parts[:-1]:
        return False
    return parts[-2] != ".git" or parts[-1] not in _STATE_OF_CLONES


def without(tree: Tree, prefixes: tuple[str, ...]) -> Tree:
    """A tree without what is at or below these paths, and without the folders that hold nothing else."""
    kept = {
        name: entry
        for name, entry in tree.items()
        if not any(name == prefix or name.startswith(f"{prefix}/") for prefix in prefixes)
    }
    filled = {
        name.rsplit("/", depth)[0]
        for name, (mode, _) in kept.items()
        if not stat.S_ISDIR(mode)
        for depth in range(1, name.count("/") + 1)
    }
    return {name: entry for name, entry in kept.items() if name in filled or not stat.S_ISDIR(entry[0])}


def describe_difference(tree: Tree, expected: Tree) -> str:
    """The first paths in which two trees differ."""
    names = sorted(name for name in {*tree, *expected} if tree.get(name) != expected.get(name))
    kinds = {
        name: "missing" if name not in tree else "new" if name not in expected else "other" for name in names
    }
    return ", ".join(f"{name} ({kind})" for name, kind in list(kinds.items())[:6]) or "none"


def work_problem(root: Path) -> str:
    """What torchpin's working folder holds that no finished command leaves; "" if nothing."""
    if transaction.pending(root):
        return f"{paths.TRANSACTION} is left"
    for path in sorted((root / paths.WORK).glob("*")):
        if not _WORK_FILES.fullmatch(path.name):
            return f"{paths.WORK}/{path.name} is left"
        if path.suffix == ".lock":
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout:
                return f"{paths.WORK}/{path.name} is held"
    return ""
