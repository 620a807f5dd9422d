"""The .dockerignore files of another project, read within bounds."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from torchpin.commands.project_files import read_file
from torchpin.project.build_context import IgnoreFiles, ignore_lines, is_ignore_file
from torchpin.tools.ignore_patterns import ignore_matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torchpin.commands.project_files import FolderTexts

_MOST_FILES = 100
_MOST_PATTERNS = 500  # of one file; real ones have some dozen
# docker-py makes a regular expression of a pattern, which takes time by the power of its wildcards.
_MOST_WILDCARDS, _LONGEST_PATH = 4, 120
_WILDCARD = re.compile(r"\*+")


def read_ignore_files(folder: Path, files: FolderTexts, shown: Callable[[str], str] = str) -> IgnoreFiles:
    """The patterns of a folder's .dockerignore files. `shown`: the path that a file below the folder goes by.

    What is passed over is added to `skipped` of the files.
    """
    lines: dict[str, Sequence[str]] = {}
    for path in [path for path in files.paths if is_ignore_file(path)][:_MOST_FILES]:
        text = read_file(folder, path, files)
        if text is not None:
            lines[shown(path)] = _followed(path, ignore_lines(text), files.skipped)
    return IgnoreFiles(lines=lines, matcher=_matcher)


def _followed(path: str, lines: Sequence[str], skipped: list[str]) -> tuple[str, ...]:
    """The patterns that can be followed."""
    if len(lines) > _MOST_PATTERNS:
        skipped.append(f"{path}: skipped the patterns after the first {_MOST_PATTERNS}")
    patterns = lines[:_MOST_PATTERNS]
    plain = tuple(line for line in patterns if len(_WILDCARD.findall(line)) <= _MOST_WILDCARDS)
    if len(plain) < len(patterns):
        skipped.append(f"{path}: skipped the patterns with over {_MOST_WILDCARDS} wildcards")
    return plain


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    matches = ignore_matcher(patterns)

    @cache
    def is_left_out(path: str) -> bool:
        try:
            return len(path) <= _LONGEST_PATH and matches(path)
        except re.error:  # `[z-a]`, which the engine refuses too
            return False

    return is_left_out
