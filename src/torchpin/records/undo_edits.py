"""An update's edits of a text taken back, line by line, where others have edited the text since."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Reverted:
    """`text`: without the update's edits. `conflicts`: the lines of the present text, from 1, that also touch those; then
    `text` means nothing."""

    text: str
    conflicts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Edit:
    """The lines `first` to `last`, exclusive, of what the update wrote become `lines`; `place`: where they are, from 0."""

    first: int
    last: int
    lines: tuple[str, ...]
    place: int

    def is_same(self, other: _Edit) -> bool:
        return (self.first, self.last, self.lines) == (other.first, other.last, other.lines)

    def touches(self, other: _Edit) -> bool:
        """Whether two edits are of the same lines, or both insert at the same place."""
        if (self.first, self.last) == (other.first, other.last):
            return True
        return max(self.first, other.first) < min(self.last, other.last) or any(
            inner.first == inner.last and outer.first < inner.first < outer.last
            for inner, outer in ((self, other), (other, self))
        )


def revert(before: str, written: str, current: str) -> Reverted:
    """The present text without what an update made of `before` when it wrote `written`."""
    base = written.splitlines(keepends=True)
    own = _edits(base, before.splitlines(keepends=True))
    others = _edits(base, current.splitlines(keepends=True))
    pending = [edit for edit in own if not any(map(edit.is_same, others))]
    conflicts = [other.place + 1 for other in others if any(map(other.touches, pending))]
    lines = base
    for edit in sorted((*pending, *others), key=lambda edit: (edit.first, edit.last), reverse=True):
        lines = [*lines[: edit.first], *edit.lines, *lines[edit.last :]]
    return Reverted(text="".join(lines), conflicts=tuple(conflicts))


def _edits(base: Sequence[str], target: Sequence[str]) -> list[_Edit]:
    """What makes the one text of the other, with the place of each edit in that other text."""
    matcher = SequenceMatcher(None, base, target, autojunk=False)
    return [
        _Edit(first=first, last=last, lines=tuple(target[start:end]), place=start)
        for tag, first, last, start, end in matcher.get_opcodes()
        if tag != "equal"
    ]
