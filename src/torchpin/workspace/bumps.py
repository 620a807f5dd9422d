"""The records of updates in a checkout: read, and moved out of the log that held all of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.model import Position, Problem
from torchpin.records import bump_log

if TYPE_CHECKING:
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository


def bump_texts(repo: Repository) -> dict[str, str]:
    """The texts of the updates' records by path, and of a former log."""
    files = (repo.root / paths.BUMPS).glob("*.yaml")
    present = {f"{paths.BUMPS}/{file.name}" for file in files} | {*repo.staged}
    texts = {
        path: repo.text(path) for path in sorted({*present, paths.FORMER_BUMP_LOG}) if paths.is_bump(path)
    }
    return {path: text for path, text in texts.items() if text is not None}


def read_bumps(repo: Repository) -> tuple[BumpEntry, ...]:
    """All updates, the oldest first. Raises InputError with the position of what is not the record of one."""
    texts = bump_texts(repo)
    former = bump_log.parse_former_log(texts.pop(paths.FORMER_BUMP_LOG, None))
    entries = {entry.name: entry for entry in former}
    # where branches have both, a file is the newer one
    entries |= {paths.bump_name(path): bump_log.parse_entry(path, text) for path, text in texts.items()}
    return tuple(entries[name] for name in sorted(entries))


def migrated_texts(repo: Repository) -> dict[str, str | None]:
    """A former log as a file an update, path to text; empty without one. A file that an update has already stays."""
    former = repo.text(paths.FORMER_BUMP_LOG)
    if former is None:
        return {}
    entries = bump_log.parse_former_log(former)
    return {
        **{entry.file: bump_log.render_entry(entry) for entry in entries if repo.text(entry.file) is None},
        paths.FORMER_BUMP_LOG: None,
    }


def former_log_problems(repo: Repository) -> tuple[Problem, ...]:
    """The message about a log that holds all updates."""
    if repo.text(paths.FORMER_BUMP_LOG) is None:
        return ()
    position = Position(file=paths.FORMER_BUMP_LOG, line=1, column=1)
    message = (
        f"holds all updates, as it once did; run `invoke document`, which gives each a file in {paths.BUMPS}"
    )
    return (Problem(position=position, path="", message=message),)
