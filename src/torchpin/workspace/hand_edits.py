"""Edits of generated text that nobody else holds: neither git nor what torchpin last wrote. They are named before they are lost."""

from __future__ import annotations

import json
from contextlib import suppress
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.documents import markdown
from torchpin.errors import FindingsError, TorchpinError
from torchpin.lock import file_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.workspace.workspace import Repository

_MOST_LINES = 10  # of edits that a message quotes


def require_unedited(repo: Repository, files: Mapping[str, str | None]) -> None:
    """Raises FindingsError, with file and line, where writing these files would lose text that was edited by hand.

    A text is nobody's edit if it is committed, or as torchpin last wrote it here; a section of a document, for itself.
    """
    written = read_written(repo)
    unexplained = {}
    for path, new_text in files.items():
        text = repo.text(path) if _is_generated(path) else None
        if text is not None and not file_format.is_sealed(text):
            known = [*([written[path]] if path in written else []), new_text or ""]
            if text != new_text and _edited_lines(path, text, known):
                unexplained[path] = (text, known)
    committed = _committed_texts(repo, unexplained) if unexplained else {}
    edits = []
    for path, (text, known) in unexplained.items():
        if committed is not None:
            edits += _edited_lines(path, text, [*([committed[path]] if path in committed else []), *known])
        elif path in written:  # outside of git, an edit before the first writing cannot be told
            edits += _edited_lines(path, text, known)
    if edits:
        omitted = len(edits) - _MOST_LINES
        lines = [*edits[:_MOST_LINES], *([f"and {omitted} more"] if omitted > 0 else [])]
        raise FindingsError(
            "\n".join(["generated text was edited by hand, and would be lost; nothing was written:", *lines])
            + "\nhelp: move the edit to where it is generated from, or commit it, or run the command with `--overwrite`"
        )


def read_written(repo: Repository) -> dict[str, str]:
    """The generated files as torchpin last wrote them here; empty where that is not known."""
    with suppress(ValueError, RecursionError, TorchpinError):
        state = json.loads(repo.text(paths.WRITTEN) or "{}")
        if isinstance(state, dict):
            return {path: text for path, text in state.items() if isinstance(text, str)}
    return {}


def written_state(repo: Repository, files: Mapping[str, str | None]) -> dict[str, str | None]:
    """The file that keeps what torchpin last wrote, once these files are written; none if they are not generated ones.

    Files of locks are not in it: each has a digest of its own lines.
    """
    texts = {path: text for path, text in files.items() if path in paths.DOCUMENTS or _is_rendered(path)}
    if not texts:
        return {}
    state = {path: text for path, text in {**read_written(repo), **texts}.items() if text is not None}
    return {paths.WRITTEN: json.dumps(state, indent=1, sort_keys=True) + "\n"}


def _is_generated(path: str) -> bool:
    return path in paths.DOCUMENTS or _is_rendered(path) or path.startswith(f"{paths.LOCKFILES}/")


def _is_rendered(path: str) -> bool:
    folder, _, environment = path.rpartition("/")[0].partition("/")
    return folder == paths.DOCKER and path in paths.rendered_paths(environment)


def _committed_texts(repo: Repository, files: Iterable[str]) -> dict[str, str] | None:
    """Those of these files that git's HEAD has; None where git has no commit to read, or cannot read it."""
    try:
        from torchpin.tools import git

        return git.texts_at_revision(repo.root, "HEAD", tuple(files))
    except (TorchpinError, ImportError):  # GitPython's import fails on a machine without git
        return None


def _edited_lines(path: str, text: str, known: list[str]) -> list[str]:
    """The lines of a text, as `path:line: text`, that none of its known texts accounts for."""
    parts = _parts(path, text)
    known_parts = [_parts(path, known_text) for known_text in known]
    edits = []
    for name, (first_line, part) in parts.items():
        known_texts = [known_part[name][1] for known_part in known_parts if name in known_part]
        if part not in known_texts:
            base = known_texts[0] if known_texts else ""
            edits += [f"{path}:{first_line + number}: {line}" for number, line in _changed_lines(base, part)]
    return edits


def _parts(path: str, text: str) -> dict[str, tuple[int, str]]:
    """The generated parts of a file, by name: first line and text. A document has one a section, all others are one."""
    return markdown.generated_sections(path, text) if path in paths.DOCUMENTS else {"": (1, text)}


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
