"""What stands in the way of an update: edits of the files that it writes, which git does not have or nothing gives again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.commands.bump_records import require_former_log_unedited
from torchpin.errors import FindingsError, InputError
from torchpin.workspace.bumps import bump_texts, read_bumps
from torchpin.workspace.generated import document_paths
from torchpin.workspace.hand_edits import changed_lines, quote_lines, require_unedited
from torchpin.workspace.regenerated import current_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.workspace.workspace import Repository


def require_committed(repo: Repository, texts: Mapping[str, str | None]) -> None:
    """Raises FindingsError, with file and line, for edits in files that an update writes.

    `texts`: the files, as they are. Those that git does not have would be mixed with the update's, and of
    generated text they would be lost. Prose of documents stays, so it may be edited.
    """
    from torchpin.tools import git_checkout

    former = repo.text(paths.FORMER_BUMP_LOG)
    texts = {**texts, **bump_texts(repo)}
    changed = git_checkout.uncommitted_paths(repo.root, sorted(texts))
    edits = _uncommitted_lines(repo, texts) if changed else []
    if edits:
        advice = (
            "commit or revert them, or run the command with `--overwrite`, which keeps edits of descriptions"
        )
        raise FindingsError(
            "\n".join(
                [
                    "the update writes files with edits that are not committed; nothing was changed:",
                    *quote_lines(edits),
                    f"help: {_pending_hint(repo, edits)}{advice}",
                ]
            )
        )
    fresh_texts = current_texts(replace(repo))
    generated = [path for path in (*texts, *document_paths(repo)) if not paths.is_bump(path)]
    require_unedited(repo, {path: fresh_texts.get(path) for path in generated})
    require_former_log_unedited(former)


def _pending_hint(repo: Repository, edits: Sequence[str]) -> str:
    pending = [entry for entry in read_bumps(repo) if entry.pending]
    files = tuple(f"{path}:" for entry in pending[-1:] for path in (entry.file, paths.FORMER_BUMP_LOG))
    uncommitted = any(line.startswith(files) for line in edits)
    return "an update is pending: finish it with `invoke bump --resume`; " if uncommitted else ""


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
