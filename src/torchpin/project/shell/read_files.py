"""Files of the project whose text a simple command prints or filters: `cat FILE`, `grep PATTERN FILE`, `sed SCRIPT FILE`."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_READ = 20_000  # characters of the files of a command; lists have some hundred
_BEFORE_FILES = {"cat": 0, "grep": 1, "egrep": 1, "fgrep": 1, "sed": 1}  # words that are no options
_GREPS = {"v", "i", "E", "F", "w", "x", "h"}
_PLAIN = re.compile(r"(?:[\w\s^$.*+?|()=<>!~,;:/@#&%'\"-]|\\[.|+?-])*")


def first_file(texts: tuple[str, ...]) -> int:
    """The index of the first word that names a file, 0 where the command reads none, or reads them otherwise."""
    before = _BEFORE_FILES.get(posixpath.basename(texts[0])) if texts else None
    if before is None or edits_files(texts):
        return 0
    plain = [index for index, text in enumerate(texts) if index and not text.startswith("-")]
    index = plain[before] if len(plain) > before else 0
    return index if not any(text.startswith("-") for text in texts[index:]) else 0


def edits_files(texts: tuple[str, ...]) -> bool:
    """Whether a command changes files in their place: `sed -i`."""
    return texts[:1] in {("sed",), ("perl",)} and any(
        text.startswith(("-i", "-pi", "--in-place")) for text in texts[1:]
    )


def grep(arguments: Sequence[str], text: str) -> str | None:
    """What `grep` prints of a text; None for options and patterns that are not followed here."""
    letters = "".join(argument[1:] for argument in arguments if argument.startswith("-"))
    patterns = [argument for argument in arguments if not argument.startswith("-")]
    is_known = {*letters} <= _GREPS and not any(argument.startswith("--") for argument in arguments)
    if len(patterns) != 1 or not is_known or not _PLAIN.fullmatch(patterns[0]):
        return None
    source = re.escape(patterns[0]) if "F" in letters else patterns[0]
    if not {"E", "F"} & {*letters}:
        source = re.sub(
            r"\\?[+?|(){}]", lambda match: match[0][-1] if match[0][0] == "\\" else f"\\{match[0]}", source
        )
    source = rf"\b(?:{source})\b" if "w" in letters else source
    try:
        pattern = re.compile(source, re.IGNORECASE if "i" in letters else 0)
    except re.error:
        return None
    find = pattern.fullmatch if "x" in letters else pattern.search
    lines = [line for line in text.splitlines() if (find(line) is None) == ("v" in letters)]
    return "".join(f"{line}\n" for line in lines)
