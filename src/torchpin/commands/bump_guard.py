"""What stands in the way of an update: edits of the files that it writes, which git does not have or nothing gives again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import FindingsError, InputError
from torchpin.records import bump_log
from torchpin.workspace.hand_edits import changed_lines, quote_lines, require_unedited
from torchpin.workspace.regenerated import current_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository


def require_committed(repo: Repository, texts: Mapping[str, str | None]) -> None:
    """Raises FindingsError, with file and line, for edits in files that an update writes.

    `texts`: the files, as they are. Those that git does not have would be mixed with the update's, and of the log and of
    generated text they would be lost. Prose of documents stays, so it may be edited.
    """
    from torchpin.tools import git_checkout

    changed = git_checkout.uncommitted_paths(repo.root, sorted(texts))
    edits = _uncommitted_lines(repo, texts) if changed else []
    if edits:
        log = bump_log.parse_log(texts.get(paths.BUMP_LOG))
        pending = any(line.startswith(f"{paths.BUMP_LOG}:") for line in edits) and log and log[-1].pending
        hint = "an update is pending: finish it with `invoke bump --resume`; " if pending else ""
        raise FindingsError(
            "\n".join(
                [
                    "the update writes files with edits that are not committed; nothing was changed:",
                    *quote_lines(edits),
                    f"help: {hint}commit or revert them, or run the command with `--overwrite`, which keeps edits of descriptions",
                ]
            )
        )
    fresh_texts = current_texts(replace(repo))
    require_unedited(repo, {path: fresh_texts.get(path) for path in texts})
    require_log_of_torchpin(texts.get(paths.BUMP_LOG))


def require_log_of_torchpin(text: str | None, entry: BumpEntry | None = None) -> None:
    """Raises FindingsError, with file and line, for a log that holds more than its entries: a comment would be lost.

    So would an edit of an `entry` that is about to be written; it is given as it was last written or read.
    """
    lines = log_edits(text, entry)
    if lines:
        raise FindingsError(
            "\n".join(
                [
                    "the log was edited by hand, and these lines would be lost; nothing was changed:",
                    *quote_lines(lines),
                    "help: move them elsewhere, or run the command with `--overwrite`",
                ]
            )
        )


def log_edits(
    text: str | None, entry: BumpEntry | None = None, *, key: tuple[str, str] | None = None
) -> list[str]:
    """The lines of a log, as `path:line: text`, that are not of its entries, or not what this `entry` of it holds.

    `key`: that of the entry in the log, where it is another one.
    """
    if not text:
        return []
    log = [
        entry if entry and logged.key == (key or entry.key) else logged for logged in bump_log.parse_log(text)
    ]
    return changed_lines(paths.BUMP_LOG, text, [bump_log.render_log(log)])


def _uncommitted_lines(repo: Repository, texts: Mapping[str, str | None]) -> list[str]:
    committed = _committed_texts(repo, texts)
    edits = []
    for path, text in texts.items():
        if text is None:
            edits += [f"{path}: is gone"] if path in committed else []
        elif path not in committed:
            edits.append(f"{path}: is not committed")
        else:
            edits += changed_lines(path, text, [committed[path]])
    return edits


def _committed_texts(repo: Repository, files: Iterable[str]) -> dict[str, str]:
    from torchpin.tools import git_checkout

    try:
        return git_checkout.texts_at_revision(repo.root, "HEAD", tuple(files))
    except InputError:  # without a commit
        return {}
