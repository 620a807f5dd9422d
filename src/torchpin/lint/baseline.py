"""The findings that a project had when its baseline was written: they are known, and only others fail.

A finding is known by its rule, its file and the text of its line, so that lines which are inserted above it change nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from torchpin.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.lint.matches import Match

_FORMAT = 1
_DIGEST_LENGTH = 16  # hexadecimal digits: enough for the lines of a file
Key = tuple[str, str, str]  # rule, file, digest of the line


@lru_cache(maxsize=4)  # matches come by file
def _lines(text: str) -> list[str]:
    return text.split("\n")


@lru_cache(maxsize=64)  # and many may be on one line
def _digest(text: str) -> str:
    return sha256(" ".join(text.split()).encode(errors="replace")).hexdigest()[:_DIGEST_LENGTH]


def match_key(match: Match, texts: Mapping[str, str]) -> Key:
    """What a match is known by. The line's text is a digest, since lines can hold secrets."""
    file, line, _ = match.place
    lines = _lines(texts.get(file, ""))
    text = lines[line - 1] if 0 < line <= len(lines) else match.finding.about
    return match.id, file, _digest(text)


def baseline_text(matches: Iterable[Match], texts: Mapping[str, str]) -> str:
    """The file of a baseline, with a line a finding: `[rule, file, digest of the line, count]`, in order."""
    counts = Counter(match_key(match, texts) for match in matches)
    rows = [json.dumps([*key, count], ensure_ascii=False) for key, count in sorted(counts.items())]
    body = ",\n  ".join(rows)
    return f'{{\n "torchpin_baseline": {_FORMAT},\n "findings": [{f"{chr(10)}  {body}{chr(10)} " if rows else ""}]\n}}\n'


def parse_baseline(text: str) -> Counter[Key]:
    """The known findings and how often each is there. Raises ValueError for a text that is no baseline."""
    document = parse_json(text)
    rows = document.get("findings") if isinstance(document, dict) else None
    if (
        not isinstance(document, dict)
        or document.get("torchpin_baseline") != _FORMAT
        or not isinstance(rows, list)
    ):
        message = f"it is not a baseline of format {_FORMAT}"
        raise ValueError(message)
    counts: Counter[Key] = Counter()
    for row in rows:
        if not _is_row(row):
            message = f"{json.dumps(row)[:80]} is not a finding of a baseline"
            raise ValueError(message)
        counts[(row[0], row[1], row[2])] += row[3]
    return counts


def _is_row(row: Any) -> bool:
    types = [str, str, str, int]
    return isinstance(row, list) and [type(value) for value in row] == types and row[3] > 0


def split_known(
    matches: Iterable[Match], texts: Mapping[str, str], baseline: Counter[Key]
) -> tuple[tuple[Match, ...], tuple[Match, ...], Counter[Key]]:
    """The matches that are new, those that are known, and what of the baseline is there no more."""
    unused = Counter(baseline)
    new: list[Match] = []
    known: list[Match] = []
    for match in matches:
        key = match_key(match, texts)
        if unused[key] > 0:
            unused[key] -= 1
            known.append(match)
        else:
            new.append(match)
    return tuple(new), tuple(known), +unused
