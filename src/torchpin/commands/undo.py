"""`bump --undo`: what the last update wrote, put back; what was written elsewhere since then stays."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.checks.rules.generated_files import first_differing_line
from torchpin.commands.bump_guard import lines_of_others
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.lock.layers import outdated_files
from torchpin.model import Outcome
from torchpin.parsing import parse_json
from torchpin.records import bump_log
from torchpin.workspace import generated, workspace, writer
from torchpin.workspace.hand_edits import read_written
from torchpin.workspace.writer import exclusive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Environment, Lock
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository


def undo(repo: Repository) -> tuple[Outcome, ...]:
    """Takes the last update back. Raises InputError without one, or where its files were edited since."""
    with exclusive(repo, "bumping", patience=0):
        return tuple(Outcome(name=path, status="changed") for path in restore(repo))


def restore(repo: Repository) -> tuple[str, ...]:
    """Takes the update back and returns the changed paths; for callers that hold the lock of `undo`."""
    with exclusive(repo):
        repo = replace(repo)  # which has read nothing: the update has written since
        undo_state = read_undo_state(repo)
        if undo_state is None:
            raise InputError("no update to undo: none was made here, or it is already undone")
        restored = restored_texts(repo, undo_state)
        for path in restored:
            repo.text(path)
        changed = writer.write(repo, {**restored, paths.UNDO: None}, before=repo.inputs)
    return tuple(path for path in changed if path != paths.UNDO)


def restored_texts(repo: Repository, undo_state: Mapping[str, Any]) -> dict[str, str | None]:
    """What each file of an update holds without it. Raises InputError, which names the edits that are in the way.

    The log loses the update's entry, and the documents are made from the descriptions and locks of before: both keep
    what was written into them elsewhere. A rendered file that was rendered again since is rendered from before, too.
    """
    # what the update left as it was is not its to put back
    before = {
        path: text
        for path, text in undo_state["before"].items()
        if undo_state["after"][path] != _digest(text)
    }
    written = read_written(repo)  # a later build has recorded its image
    edited = [
        path
        for path in before
        if _digest(repo.text(path)) not in {undo_state["after"][path], _digest(before[path])}
        if path != paths.BUMP_LOG  # whose entries are told apart
        if not (path.startswith(f"{paths.RECORDS}/") and repo.text(path) == written.get(path))
    ]
    _require_generated(repo, edited, written)
    restored = {**before, **_restored_log(repo, undo_state)}
    again = [path for path in before if path in edited or path in paths.DOCUMENTS]
    fresh_texts = _texts_without_update(repo, restored, again)
    missing = [path for path in edited if path not in fresh_texts]
    if missing:
        raise InputError(
            f"edited since the update: {', '.join(missing)}; the locks of before the update are not current, so nothing can be "
            "generated from them; revert these edits first, nothing was changed"
        )
    # a section that is removed leaves the blank line above it
    return restored | {
        path: text
        for path, text in fresh_texts.items()
        if text.rstrip("\n") != (before[path] or "").rstrip("\n")
    }


def _require_generated(repo: Repository, edited: list[str], written: Mapping[str, str]) -> None:
    """Raises InputError, with file and line, for files that hold more than what descriptions and locks give now.

    Of a record, that is what torchpin has `written`; of the log, its entries.
    """
    fresh_texts = _generated_texts(workspace.reread(repo), {}, edited) if edited else {}
    edits = [
        _place(path, repo.text(path), fresh_texts.get(path, written.get(path)))
        for path in edited
        if path not in fresh_texts or repo.text(path) != fresh_texts[path]
    ]
    edits += [":".join(line.split(":")[:2]) for line in lines_of_others(repo.text(paths.BUMP_LOG))]
    if edits:
        raise InputError(
            f"edited since the update: {', '.join(edits)}; revert these edits first, nothing was changed"
        )


def _place(path: str, text: str | None, expected: str | None) -> str:
    return path if text is None or expected is None else f"{path}:{first_differing_line(text, expected)}"


def _restored_log(repo: Repository, undo_state: Mapping[str, Any]) -> dict[str, str | None]:
    """The log without the update's entry; byte for byte as before where it has no other new one."""
    text_before = undo_state["before"].get(paths.BUMP_LOG)
    log = bump_log.parse_log(repo.text(paths.BUMP_LOG))
    entry_key = undo_state.get("entry")
    remaining = tuple(
        entry
        for number, entry in enumerate(log, start=1)
        if (_entry_key(entry) != entry_key if entry_key else number < len(log))
    )
    same = remaining == bump_log.parse_log(text_before)
    return {paths.BUMP_LOG: text_before if same else bump_log.render_log(remaining)}


def _texts_without_update(
    repo: Repository, restored: Mapping[str, str | None], wanted_paths: list[str]
) -> dict[str, str]:
    """Generated files as the descriptions and locks of before give them; none where those locks are not current."""
    descriptions = {
        path: text for path, text in restored.items() if path.startswith(f"{paths.SERVICES}/") and text
    }
    staged = {path: text for path, text in restored.items() if path not in paths.DOCUMENTS}
    texts = {**workspace.read_descriptions(repo.root), **descriptions}
    repo_before = replace(repo, services=read.read_services(texts), staged=staged)
    locks: dict[str, Lock] = {}
    for env in select_environments(repo_before.services):
        if env.service.file in descriptions:
            lock = _lock_before(repo, env, restored)
            if lock is None:
                return {}
            locks[env.name] = lock
    return _generated_texts(repo_before, locks, wanted_paths)


def _lock_before(repo: Repository, env: Environment, restored: Mapping[str, str | None]) -> Lock | None:
    """The lock of an environment with the restored files; None where it is not current."""
    folder = paths.lock_folder(env.name)
    texts: dict[str, str | None] = {**workspace.read_lock_files(repo, env)}
    for path, text in restored.items():
        parent, _, name = path.rpartition("/")
        if parent == folder:
            texts[name] = text
    try:
        lock = file_format.parse_lock(
            folder, {name: text for name, text in texts.items() if text is not None}
        )
    except InputError:
        return None
    return None if outdated_files(env, lock) else lock


def _generated_texts(repo: Repository, locks: Mapping[str, Lock], wanted_paths: list[str]) -> dict[str, str]:
    """Those of these paths that are generated, as their descriptions and locks give them; `locks` before those on disk."""
    texts: dict[str, str] = {}
    if any(path in paths.DOCUMENTS for path in wanted_paths):
        texts |= generated.expected_documents(repo, locks)
    for env in select_environments(repo.services):
        if {*paths.environment_paths(env.name)} & {*wanted_paths}:
            lock = locks[env.name] if env.name in locks else workspace.read_lock(repo, env)
            texts |= generated.environment_files(repo, env, lock)
    return {path: texts[path] for path in wanted_paths if path in texts}


def read_undo_state(repo: Repository) -> dict[str, Any] | None:
    """The state for undoing the last update: the texts `before` by path, the digests `after`, and the key of its `entry`.

    Raises InputError for a damaged file.
    """
    text = repo.text(paths.UNDO)
    if not text:
        return None
    try:
        state: dict[str, Any] = parse_json(text)
        before, after = state["before"], state["after"]
        is_whole = {*before} <= {*after} and all(
            value is None or isinstance(value, str) for value in (*before.values(), *after.values())
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise InputError(
            f"{paths.UNDO} is damaged; restore the files with git, then remove it; nothing was changed"
        )
    return state


def write_with_undo(
    repo: Repository,
    files: Mapping[str, str | None],
    before: Mapping[str, str | None],
    expected: Mapping[str, str | None],
    entry: BumpEntry,
) -> None:
    """Writes files, and in the same transaction the state for undoing them: every text as it was, and the digest of the new one.

    `expected`: the texts that were read; where a file has another one now, nothing is written.
    """
    with exclusive(repo):
        originals = {path: before[path] if path in before else repo.text(path) for path in {*before, *files}}
        previous = read_undo_state(repo) or {}
        # an edit that was made while the images were built is not the update's
        digests = previous["after"] if previous.get("entry") == _entry_key(entry) else {}
        after = {
            path: _digest(files[path])
            if path in files
            else digests[path]
            if path in digests and not paths.is_record(path)
            else _digest(repo.text(path))
            for path in originals
        }
        state = {"before": originals, "after": after, "entry": _entry_key(entry)}
        writer.write(repo, {**files, paths.UNDO: json.dumps(state, indent=1) + "\n"}, before=expected)


def _entry_key(entry: BumpEntry) -> list[str]:
    """What tells an entry of the log from all others, as JSON keeps it."""
    return [entry.bump, entry.steps[0].when]


def _digest(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode()).hexdigest()
