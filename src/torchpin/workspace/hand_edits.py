"""Edits of generated text that nobody else holds: neither git nor what torchpin last wrote. They are named before they are lost."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.documents import markdown
from torchpin.errors import FindingsError, TorchpinError
from torchpin.lock import sealing
from torchpin.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.workspace.workspace import Repository

_MOST_LINES = 10  # of edits that a message quotes
# Where an edit belongs, by kind of file.
_KEEP_LOCK = "make it in service.yaml"
_KEEP_RENDERED = "make it in service.yaml or, after `invoke eject template`, in docker/Dockerfile.j2"
_KEEP_SECTION = "move it out of the generated section"
_KEEP_ELSEWHERE = "copy it to another file"


def require_unedited(repo: Repository, files: Mapping[str, str | None]) -> None:
    """Raises FindingsError, with file and line, where writing these files would lose text that was edited by hand.

    A text is nobody's edit if torchpin last wrote it here, or if what was committed with it gives it; a section of a
    document, for itself. A record is nobody's edit if git has it.
    """
    edits = edited_lines(repo, files)
    if edits:
        raise FindingsError(
            "\n".join(
                [
                    "generated text was edited by hand, and would be lost; nothing was written:",
                    *quote_lines(edits),
                    f"help: {_advice(edits)}",
                ]
            )
        )


def _advice(edits: Iterable[str]) -> str:
    """How the edits, as `path:line: text`, are kept, and how they are dropped."""
    files = [edit.partition(":")[0] for edit in edits]
    locks = dict.fromkeys(path.rpartition("/")[0] for path in files if path.startswith(f"{paths.LOCKFILES}/"))
    advice = dict.fromkeys(_way_to_keep(path) for path in files)
    restore = f", or restore it: `git restore {' '.join(locks)}`" if len(locks) == len({*files}) == 1 else ""
    return (
        f"to keep the edit, {'; '.join(advice)}; to drop it, add `--overwrite`{restore} "
        "(lines that another version of torchpin wrote look the same)"
    )


def _way_to_keep(path: str) -> str:
    if path.startswith(f"{paths.LOCKFILES}/"):
        return _KEEP_LOCK
    if paths.is_document(path):
        return _KEEP_SECTION
    return _KEEP_RENDERED if _is_rendered(path) else _KEEP_ELSEWHERE


def edited_lines(repo: Repository, files: Mapping[str, str | None]) -> list[str]:
    """The lines, as `path:line: text`, that `require_unedited` names."""
    return _edits(replace(repo), files)  # what is read here is not what the files were made from


def quote_lines(lines: list[str]) -> list[str]:
    """The first of many lines, and how many more there are."""
    omitted = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"and {omitted} more"] if omitted > 0 else [])]


def _edits(repo: Repository, files: Mapping[str, str | None]) -> list[str]:
    written = read_written(repo)
    texts = {path: text for path in files if _is_generated(path) and (text := repo.text(path)) is not None}
    texts = {
        path: text for path, text in texts.items() if text != files[path] and not sealing.is_sealed(text)
    }
    generated_texts = {
        path: [*([written[path]] if path in written else []), files[path] or ""] for path in texts
    }
    unknown = [path for path in texts if changed_lines(path, texts[path], generated_texts[path])]
    committed = committed_texts(repo, unknown) if unknown else {}
    if committed is None:  # outside of git, an edit before the first writing cannot be told
        committed, unknown = {}, [path for path in unknown if path in written]
    else:
        explained = _explained_texts(repo, {path: texts[path] for path in unknown if path in committed})
        for path in committed:
            # what cannot be generated again cannot be told from an edit, but git has it
            generated_texts[path] = [*(explained[path] or [committed[path]]), *generated_texts[path]]
    return [
        line
        for path in unknown
        for line in changed_lines(path, texts[path], generated_texts[path], base=committed.get(path))
    ]


def _explained_texts(repo: Repository, texts: Mapping[str, str]) -> dict[str, list[str]]:
    """What the last commits of generated files give for them, by path; none where that cannot be determined."""
    from torchpin.workspace import regenerated

    explained: dict[str, list[str]] = {path: [] for path in texts}
    history = regenerated.History(repo)
    for path, text in texts.items():
        if not paths.is_record(path):
            for known_text in history.texts(path):
                explained[path].append(known_text)
                if not changed_lines(path, text, explained[path]):
                    break
    return explained


def read_written(repo: Repository) -> dict[str, str]:
    """The generated files as torchpin last wrote them here; empty where that is not known."""
    with suppress(ValueError, TorchpinError):
        state = parse_json(repo.text(paths.WRITTEN) or "{}")
        if isinstance(state, dict):
            return {path: text for path, text in state.items() if isinstance(text, str)}
    return {}


def written_state(repo: Repository, files: Mapping[str, str | None]) -> dict[str, str | None]:
    """The file that keeps what torchpin last wrote, once these files are written; none if they are not generated ones.

    Files of locks are not in it: each has a digest of its own lines.
    """
    texts = {path: text for path, text in files.items() if _is_witnessed(path)}
    if not texts:
        return {}
    state = {path: text for path, text in {**read_written(repo), **texts}.items() if text is not None}
    return {paths.WRITTEN: json.dumps(state, indent=1, sort_keys=True) + "\n"}


def _is_generated(path: str) -> bool:
    return _is_witnessed(path) or path.startswith(f"{paths.LOCKFILES}/")


def _is_witnessed(path: str) -> bool:
    """Whether a file is one whose text is kept as it was written: a document, a rendered file, or a record of an image."""
    environment = path.rpartition("/")[0].partition("/")[2]
    records = (paths.freeze_path(environment), paths.build_path(environment))
    return paths.is_document(path) or path == paths.SCHEMA or _is_rendered(path) or path in records


def _is_rendered(path: str) -> bool:
    environment = path.rpartition("/")[0].rpartition("/")[2]
    return path in paths.environment_paths(environment)


def committed_texts(repo: Repository, files: Iterable[str]) -> dict[str, str] | None:
    """Those of these files that git's HEAD has; None where git has no commit to read, or cannot read it."""
    try:
        from torchpin.tools import git_checkout

        return git_checkout.texts_at_revision(repo.root, "HEAD", tuple(files))
    except (TorchpinError, ImportError):  # GitPython's import fails on a machine without git
        return None


def changed_lines(path: str, text: str, known_texts: Sequence[str], *, base: str | None = None) -> list[str]:
    """The lines of a text, as `path:line: text`, that none of its known texts accounts for.

    They are those that differ from `base`, where that is not the text itself, else from the first known text.
    """
    parts = _parts(path, text)
    known_parts = [_parts(path, known_text) for known_text in known_texts]
    base_parts = {} if base is None else _parts(path, base)
    edits = []
    for name, (first_line, part) in parts.items():
        texts_of_part = [known_part[name][1] for known_part in known_parts if name in known_part]
        if part not in texts_of_part:
            bases = [base_parts[name][1]] if name in base_parts and base_parts[name][1] != part else []
            base_text = [*bases, *texts_of_part, ""][0]
            edits += [
                f"{path}:{first_line + number}: {line}" for number, line in _changed_lines(base_text, part)
            ]
    return edits


def _parts(path: str, text: str) -> dict[str, tuple[int, str]]:
    """The generated parts of a file, by name: first line and text. A document has one a section, all others are one."""
    return markdown.generated_sections(path, text) if paths.is_document(path) else {"": (1, text)}


def _changed_lines(base: str, text: str) -> list[tuple[int, str]]:
    """The changed lines of a text, with their numbers from 0; where lines are only missing, the one after them."""
    base_lines, lines = base.split("\n"), text.split("\n")
    changed = []
    for kind, _, _, start, end in SequenceMatcher(None, base_lines, lines, autojunk=False).get_opcodes():
        if kind == "delete":
            changed.append((start, "(lines are missing)"))
        elif kind != "equal":
            changed += [(number, lines[number]) for number in range(start, end)]
    return changed
