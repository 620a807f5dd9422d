"""`bump --undo`: what the last update wrote, put back; what was written elsewhere since then stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, TorchpinError
from torchpin.lock import file_format
from torchpin.lock.layers import outdated_files
from torchpin.model import Outcome
from torchpin.records import bump_log
from torchpin.records.undo_edits import Reverted, revert
from torchpin.records.undo_state import UndoState, parse_undo_state, render_undo_state, text_digest
from torchpin.workspace import generated, workspace, writer
from torchpin.workspace.bumps import read_bumps
from torchpin.workspace.hand_edits import changed_lines, committed_texts, read_written
from torchpin.workspace.writer import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torchpin.model import Environment, Lock
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository


_MOST_UNDOABLE = 20  # updates: what undoes one holds its files as they were


@dataclass(frozen=True, kw_only=True, slots=True)
class Undone:
    """What undoing did. `changed`: the paths, `merged`: those of them that keep what others wrote there since.

    `unchanged`: the update's files that were as before it already.
    """

    bump: str
    changed: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


def undo(repo: Repository) -> tuple[Outcome, ...]:
    """Takes the last update back. Raises InputError without one, and where its files were edited since or have none of it."""
    with exclusive(repo, "bumping", patience=0):
        undone = restore(repo)
    if not undone.changed:
        raise InputError(
            f"the update {undone.bump} is not in these files: they are as before it, or of another branch; nothing was changed, "
            "and it can still be undone where it is"
        )
    detail = "undone"
    if undone.unchanged:
        detail += f"; already as before it: {', '.join(undone.unchanged)}; where these have it, it can still be undone"
    files = (
        Outcome(
            name=path,
            status="changed",
            detail=_undone_text(repo, path, undone),
        )
        for path in undone.changed
    )
    return *files, Outcome(name=undone.bump, status="changed", detail=detail)


def _undone_text(repo: Repository, path: str, undone: Undone) -> str:
    if not (repo.root / path).exists():
        return "removed"
    return "restored; later edits of it stay" if path in undone.merged else "restored"


def restore(repo: Repository, *, entry: BumpEntry | None = None) -> Undone:
    """Takes the update of `entry` back, or the last one; for callers that hold the lock of `undo`.

    What undoes it is kept unless all of it was in the files: it may be in a stash, or on another branch.
    Raises InputError where there is no update to undo, and where edits since it would be lost.
    """
    with exclusive(repo):
        repo = replace(repo)  # which has read nothing: the update has written since
        state = read_undo_state(repo, entry)
        if state is None:
            raise InputError("no update to undo: none was made in this checkout, or it is already undone")
        unchanged = _unchanged_paths(repo, state)
        if not _is_present(repo, state):
            return Undone(bump=state.entry.bump, unchanged=unchanged)
        restored = restored_texts(repo, state)
        for path in restored:
            repo.text(path)
        state_file = paths.undo_path(state.entry.name)
        files = restored if unchanged else {**restored, state_file: None}
        changed = writer.write(repo, files, before=repo.inputs)
    changed = tuple(path for path in changed if path != state_file)
    merged = tuple(path for path in changed if restored[path] not in {None, state.before[path]})
    return Undone(bump=state.entry.bump, changed=changed, merged=merged, unchanged=unchanged)


def can_restore(repo: Repository, entry: BumpEntry) -> bool:
    """Whether what undoes an update is there to be read."""
    try:
        return read_undo_state(repo, entry) is not None
    except TorchpinError:
        return False


def _is_present(repo: Repository, state: UndoState) -> bool:
    """Whether anything of an update is in the files: its record, or a file that is as it wrote it."""
    return repo.text(state.entry.file) is not None or any(
        text_digest(repo.text(path)) == state.after[path] for path in _written_files(state)
    )


def _unchanged_paths(repo: Repository, state: UndoState) -> tuple[str, ...]:
    unchanged = [
        path
        for path in _written_files(state)
        if text_digest(repo.text(path)) == text_digest(state.before[path])
    ]
    return *unchanged, *([] if repo.text(state.entry.file) is not None else [state.entry.file])


def _written_files(state: UndoState) -> list[str]:
    """The files that an update has changed, without its record, and the documents, which hold what others wrote, too."""
    files = [path for path in state.before if path != state.entry.file and not paths.is_document(path)]
    return [path for path in files if state.is_written(path)]


def restored_texts(repo: Repository, state: UndoState) -> dict[str, str | None]:
    """What each file of an update holds without it. Raises InputError, which names the edits that are in the way.

    The documents are made from the descriptions and locks of before, and keep what was written into them elsewhere. A
    rendered file that was rendered again since is rendered from before, too.
    A record goes with the lock that its image was built from, whoever built it.
    """
    unwritten = [path for path in state.before if not state.is_written(path) and repo.text(path) is not None]
    # what the update left as it was is not its to put back
    touched = {path for path in state.before if state.is_written(path)} | _known_records(repo, unwritten)
    before = {path: text for path, text in state.before.items() if path in touched}
    edited = [
        path
        for path in before
        if text_digest(repo.text(path)) not in {state.after[path], text_digest(before[path])}
        if path != state.entry.file  # which a later step may have written
    ]
    known_records = _known_records(repo, edited)
    described = _reverted_descriptions(repo, state, edited)
    edited = [path for path in edited if path not in known_records and path not in described]
    conflicts = [f"{path}:{line}" for path, row in described.items() for line in row.conflicts]
    _require_generated(repo, edited, [*conflicts, *_record_edits(repo, state)])
    restored = {**before, state.entry.file: None, **{path: row.text for path, row in described.items()}}
    to_generate = [path for path in before if path in edited or paths.is_document(path)]
    fresh_texts = _texts_without_update(repo, restored, to_generate)
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


def _reverted_descriptions(repo: Repository, state: UndoState, edited: Iterable[str]) -> dict[str, Reverted]:
    """The edited descriptions without what the update wrote there; later edits of other lines stay.

    Raises InputError where such a description could not be read.
    """
    texts = {path: repo.text(path) for path in edited if path in state.written}
    reverted = {
        path: revert(state.before[path] or "", state.written[path], text)
        for path, text in texts.items()
        if text is not None
    }
    try:
        read.read_services({path: row.text for path, row in reverted.items() if not row.conflicts})
    except InputError as error:
        raise InputError(
            f"edited since the update, and without it not valid:\n{error}\nrevert these edits, then undo the update"
        ) from None
    return reverted


def _known_records(repo: Repository, files: Iterable[str]) -> set[str]:
    """Those of these files that are records of images, as torchpin last wrote them here or as git has them."""
    records = [path for path in files if paths.is_record(path) and not paths.is_bump(path)]
    written = read_written(repo) if records else {}
    unknown = [path for path in records if repo.text(path) != written.get(path)]
    committed = (committed_texts(repo, unknown) if unknown else {}) or {}
    return {path for path in records if path not in unknown or repo.text(path) == committed.get(path)}


def _require_generated(repo: Repository, edited: list[str], record_edits: list[str]) -> None:
    """Raises InputError, with file and line, for files that hold more than what descriptions and locks give now.

    Of a record, that is what torchpin last wrote.
    """
    fresh_texts = _generated_texts(workspace.reread(repo), {}, edited) if edited else {}
    written = read_written(repo)
    _require_documents(repo, [path for path in edited if paths.is_document(path) and path not in fresh_texts])
    edits = [
        _place(path, repo.text(path), fresh_texts.get(path, written.get(path)))
        for path in edited
        if path not in fresh_texts or repo.text(path) != fresh_texts[path]
    ]
    edits += [":".join(line.split(":")[:2]) for line in record_edits]
    if edits:
        raise InputError(
            f"edited since the update: {', '.join(edits)}; set these edits aside (`git stash`, or revert them), run "
            "`invoke bump --undo` again, then make them again; nothing was changed"
        )


def _require_documents(repo: Repository, edited: list[str]) -> None:
    """Raises InputError, with the reason, where nobody can tell whether documents hold more than prose."""
    if not edited:
        return
    try:
        generated.expected_documents(workspace.reread(repo), {}, strict=True)
    except InputError as error:
        raise InputError(
            f"{error}\n{', '.join(edited)} changed since the update, and generated text cannot be told from prose while this is "
            "so; correct it, then undo the update; nothing was changed"
        ) from None


def _place(path: str, text: str | None, expected: str | None) -> str:
    from torchpin.checks.rules.generated_files import first_differing_line

    return path if text is None or expected is None else f"{path}:{first_differing_line(text, expected)}"


def _record_edits(repo: Repository, state: UndoState) -> list[str]:
    """The lines of the update's record, as `path:line: text`, that would be lost with it; an edit that git has is not.

    A record under another name is an edit, too: it would stay without its update.
    """
    file, text = state.entry.file, repo.text(state.entry.file)
    if text is None:
        update = (state.entry.bump, state.entry.steps[0].when)
        return [
            f"{entry.file}:1: " for entry in read_bumps(repo) if (entry.bump, entry.steps[0].when) == update
        ]
    if text == (committed_texts(repo, [file]) or {}).get(file):
        return []
    return changed_lines(file, text, [bump_log.render_entry(state.entry)])


def _texts_without_update(
    repo: Repository, restored: Mapping[str, str | None], wanted_paths: list[str]
) -> dict[str, str]:
    """Generated files as the descriptions and locks of before give them; none where those locks are not current."""
    descriptions = {
        path: text for path, text in restored.items() if path.startswith(f"{paths.SERVICES}/") and text
    }
    staged = {path: text for path, text in restored.items() if not paths.is_document(path)}
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
    if any(map(paths.is_document, wanted_paths)):
        documents = generated.expected_documents(repo, locks)
        texts |= {path: text for path, text in documents.items() if text is not None}
    for env in select_environments(repo.services):
        if {*paths.environment_paths(env.name)} & {*wanted_paths}:
            lock = locks[env.name] if env.name in locks else workspace.read_lock(repo, env)
            texts |= generated.environment_files(repo, env, lock)
    return {path: texts[path] for path in wanted_paths if path in texts}


def read_undo_state(repo: Repository, entry: BumpEntry | None = None) -> UndoState | None:
    """What undoes an update, else the last one; None where nothing does. Raises InputError for a damaged file."""
    names = [entry.name] if entry else _undoable(repo.root)[-1:]
    for name in names:
        text = repo.text(paths.undo_path(name))
        if text:
            return parse_undo_state(name, text)
    return None


def _undoable(root: Path) -> list[str]:
    """The names of the updates that can be undone, the oldest first."""
    return sorted(file.stem for file in (root / paths.UNDO).glob("*.json"))


def write_update_files(
    repo: Repository,
    files: Mapping[str, str | None],
    before: Mapping[str, str | None],
    expected: Mapping[str, str | None],
    entry: BumpEntry,
) -> None:
    """Writes the files of a new update, and in the same transaction what undoes it.

    `before`: what they and others, which its later steps may write, hold without it. `expected`: the texts that were
    read; where a file has another one now, nothing is written.
    """
    with exclusive(repo):
        originals = {path: before[path] if path in before else repo.text(path) for path in {*before, *files}}
        texts = {path: files.get(path, text) for path, text in originals.items()}
        after = {path: text_digest(text) for path, text in texts.items()}
        written = {path: text for path, text in files.items() if text and paths.is_description(path)}
        state = UndoState(entry=entry, before=originals, after=after, written=written)
        oldest = _undoable(repo.root)[: -_MOST_UNDOABLE + 1]
        states = {
            **{paths.undo_path(name): None for name in oldest},
            paths.undo_path(entry.name): render_undo_state(state),
        }
        writer.write(repo, {**files, **states}, before=expected)


def write_step_files(
    repo: Repository, files: Mapping[str, str | None], expected: Mapping[str, str | None], entry: BumpEntry
) -> None:
    """Writes the files of a later step of an update, with its record as it is now."""
    with exclusive(repo):
        writer.write(repo, {**files, **extended_state(repo, files, entry)}, before=expected)


def extended_state(
    repo: Repository, files: Mapping[str, str | None], entry: BumpEntry | None = None
) -> dict[str, str | None]:
    """The file of what undoes an update, once these files are written; empty if they are not that update's.

    `entry`: the update's that writes them; None for the record of an image, which is the last update's while that is
    recorded.
    """
    try:
        state = read_undo_state(repo, entry)
    except TorchpinError:  # what is damaged stops no build; undoing names it
        return {}
    if state is None or (entry is None and repo.text(state.entry.file) is None):
        return {}
    if entry is None and not any(paths.is_record(path) and path in state.before for path in files):
        return {}
    written = {
        path: text_digest(text)
        for path, text in files.items()
        if path in state.before
        # a document that others wrote since is told from the update's
        if not paths.is_document(path) or text_digest(repo.text(path)) == state.after[path]
    }
    extended = replace(state, entry=entry or state.entry, after={**state.after, **written})
    return {paths.undo_path(extended.entry.name): render_undo_state(extended)}
