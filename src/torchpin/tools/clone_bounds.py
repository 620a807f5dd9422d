"""Bounds of a source's checkout, so that no origin fills the disk of the machine that clones it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from pathlib import Path

# PyTorch's own checkout has some twenty thousand files.
MOST_FILES, MOST_BYTES = 200_000, 5_000_000_000


def require_small_folder(folder: Path) -> None:
    """Raises ToolError where a clone takes more space than sources do, while it is made."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    if size > MOST_BYTES:
        raise ToolError(f"it has more than {MOST_BYTES} bytes, which no source has; check its address")


def require_small_tree(listing: str) -> None:
    """Raises ToolError for a commit with more files, or more bytes, than sources have; none of them is written then.

    `listing` is of `git ls-tree -l -z`. A pack of some megabytes may hold files of many gigabytes.
    """
    rows = [row.partition("\t") for row in listing.split("\0") if row]
    sizes = {path: int(size) for head, _, path in rows if (size := head.split()[-1]).isdecimal()}
    if len(rows) > MOST_FILES:
        raise ToolError(f"it has {len(rows)} files, and at most {MOST_FILES} are written; check its address")
    if sum(sizes.values()) > MOST_BYTES:
        largest = max(sizes, key=sizes.__getitem__)
        raise ToolError(
            f"its files have {sum(sizes.values())} bytes ({largest} alone {sizes[largest]}), and at most {MOST_BYTES} are "
            "written; check its address"
        )
