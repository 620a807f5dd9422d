"""Edits that end matches, made in texts and looked at again: an edit stays where its match is gone and no error came.

Edits that overlap are made one after another: the first one now, the others once the rules have seen the new text.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from torchpin.lint.matches import Edit, Match

    Rules = Callable[[Mapping[str, str]], Sequence[Match]]

_MOST_ROUNDS = 20  # of edits that others had to wait for; real files need two


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedTexts:
    """The texts that changed, by file; the matches that were ended, and those whose edits did not stay."""

    texts: Mapping[str, str]
    fixed: tuple[Match, ...]
    refused: tuple[Match, ...]


def fix_texts(
    texts: Mapping[str, str],
    matches: Iterable[Match],
    rules: Rules,
    *,
    unsafe: bool = False,
    fixed_files: Collection[str] | None = None,
) -> FixedTexts:
    """Makes the edits of matches in texts; without `unsafe` the safe ones alone. `rules` gives the matches of texts.

    `fixed_files`: the files that may be edited, None for all.
    """
    current, open_matches = dict(texts), list(matches)
    fixed: list[Match] = []
    refused: list[Match] = []
    tried: set[tuple[str, tuple[Edit, ...]]] = set()
    for _ in range(_MOST_ROUNDS):
        fixable = [
            match
            for match in open_matches
            if match.edits
            and (unsafe or match.finding.fix_is_safe)
            and (match.id, match.edits) not in tried
            and (fixed_files is None or all(edit.file in fixed_files for edit in match.edits))
        ]
        chosen, edited = _make_edits(current, fixable)
        if not chosen:
            break
        after = list(rules(edited))
        if _ends(open_matches, after, chosen):
            current, open_matches = edited, after
            fixed += chosen
        else:
            current, open_matches = _keep_some_edits(current, open_matches, chosen, rules, fixed, refused)
        tried |= {(match.id, match.edits) for match in refused}
    changed = {file: text for file, text in current.items() if text != texts[file]}
    return FixedTexts(texts=changed, fixed=tuple(fixed), refused=tuple(refused))


def _keep_some_edits(
    texts: dict[str, str],
    open_matches: list[Match],
    chosen: Iterable[Match],
    rules: Rules,
    fixed: list[Match],
    refused: list[Match],
) -> tuple[dict[str, str], list[Match]]:
    """Tries halves of matches that do not end together, and halves of these; from the last one up, so that places stay."""
    ordered = sorted(chosen, key=lambda match: match.place)
    pending = [ordered] if len(ordered) == 1 else [ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]]
    while pending:
        part = pending.pop()
        edited_matches, edited = _make_edits(texts, part)
        after = list(rules(edited)) if len(edited_matches) == len(part) else []
        if len(edited_matches) == len(part) and _ends(open_matches, after, part):
            texts, open_matches = edited, after
            fixed += part
        elif len(part) == 1:
            refused += part
        else:
            pending += [part[: len(part) // 2], part[len(part) // 2 :]]
    return texts, open_matches


def _ends(before: Iterable[Match], after: Iterable[Match], chosen: Iterable[Match]) -> bool:
    """Whether the chosen matches are gone, and no error is there that was not."""
    old, new = Counter(map(_subject, before)), Counter(map(_subject, after))
    ended = all(
        new[subject] <= old[subject] - count for subject, count in Counter(map(_subject, chosen)).items()
    )
    errors = Counter(_subject(match) for match in after if match.finding.level == "error")
    return ended and all(count <= old[subject] for subject, count in errors.items())


def _subject(match: Match) -> tuple[str, str, str]:
    return match.id, match.place[0], match.finding.about


def _make_edits(texts: Mapping[str, str], matches: Iterable[Match]) -> tuple[list[Match], dict[str, str]]:
    """The matches all of whose edits can be made beside those of the earlier ones, and the texts with them."""
    offsets = {
        file: _line_offsets(texts[file])
        for file in {edit.file for match in matches for edit in match.edits}
        if file in texts
    }
    taken: dict[str, list[tuple[int, int, str]]] = {}
    chosen = []
    for match in matches:
        spans = [_span(edit, texts, offsets) for edit in match.edits]
        if all(
            span and _is_free(taken.get(edit.file, []), span)
            for edit, span in zip(match.edits, spans, strict=True)
        ):
            chosen.append(match)
            for edit, span in zip(match.edits, spans, strict=True):
                insort(taken.setdefault(edit.file, []), (*(span or (0, 0)), edit.after))
    edited = dict(texts)
    for file, edits in taken.items():
        edited[file] = _apply(texts[file], edits)
    return chosen, edited


def _line_offsets(text: str) -> list[int]:
    offsets = [0]
    for line in text.split("\n"):  # what Python takes for further ends of lines are none in these files
        offsets.append(offsets[-1] + len(line) + 1)
    return offsets


def _span(
    edit: Edit, texts: Mapping[str, str], offsets: Mapping[str, Sequence[int]]
) -> tuple[int, int] | None:
    """The offsets of what an edit replaces, None where that does not stand there."""
    lines = offsets.get(edit.file, ())
    if not 0 < edit.line < len(lines):
        return None
    text, start = texts[edit.file], lines[edit.line - 1] + edit.column - 1
    if text[start : start + 1] in {"'", '"'} and not text.startswith(edit.before, start):
        start += 1  # the place of a quoted word is that of its quote
    is_there = text.startswith(edit.before, start) and start <= lines[edit.line]
    return (start, start + len(edit.before)) if is_there else None


def _is_free(taken: Sequence[tuple[int, int, str]], span: tuple[int, int]) -> bool:
    """Whether a span neither overlaps another one nor begins at the same place. `taken`: by their places."""
    number = bisect_left(taken, (span[0], -1, ""))
    is_behind = number == 0 or taken[number - 1][1] <= span[0]
    return is_behind and (
        number == len(taken) or (taken[number][0] >= span[1] and taken[number][0] != span[0])
    )


def _apply(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    parts, position = [], 0
    for start, end, after in sorted(edits):
        parts += [text[position:start], after]
        position = end
    return "".join(parts) + text[position:]
