"""What a run of the rules comes to: what is open, what the files and the baseline say of it, and whether that fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torchpin.lint.baseline import split_known
from torchpin.lint.directives import INVALID, UNUSED, apply_directives, read_directives

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from torchpin.lint.baseline import Key
    from torchpin.lint.directives import Directive
    from torchpin.lint.matches import Match

FailOn = Literal["error", "warning"]
UNPINNED = "ADO012"  # a package without a version: as many as there are lines, so they are shown by file
_ORDER = {"error": 0, "warning": 1, "notice": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class LintResult:
    """`matches`: what is open, errors first, else by place; `ignored`: by a directive; `known`: by the baseline.

    `stale`: what the baseline has and no file; `packages`: how many packages each file requires; `texts`: by file.
    """

    matches: tuple[Match, ...]
    ignored: tuple[tuple[Match, Directive], ...] = ()
    known: tuple[Match, ...] = ()
    stale: Counter[Key] = field(default_factory=Counter)
    packages: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def fails(self, fail_on: FailOn) -> bool:
        """Whether a match is open at a level or above it."""
        return any(_ORDER[match.finding.level] <= _ORDER[fail_on] for match in self.matches)

    @property
    def unpinned(self) -> dict[str, int]:
        """How many packages without a version each file has, in the order of names."""
        counts = Counter(match.place[0] for match in self.matches if match.id == UNPINNED)
        return dict(sorted(counts.items()))

    @property
    def shown(self) -> tuple[Match, ...]:
        """The open matches less the packages without a version."""
        return tuple(match for match in self.matches if match.id != UNPINNED)


def sort_matches(
    matches: Iterable[Match],
    texts: Mapping[str, str],
    starts: Mapping[str, Sequence[int]],
    *,
    ids: Collection[str],
    known_ids: Collection[str],
) -> tuple[tuple[Match, ...], tuple[tuple[Match, Directive], ...]]:
    """The matches of the selected rules that are open, those about directives among them, and those that are ignored.

    `starts`: by file the lines on which its instructions begin.
    """
    directives: list[Directive] = []
    problems: list[Match] = []
    for file, text in texts.items():
        read, wrong = read_directives(file, text, starts.get(file, ()), known_ids)
        directives += read
        problems += wrong
    selected = [match for match in dict.fromkeys(matches) if match.id in ids]
    remaining, ignored, unused = apply_directives(selected, directives, ids)
    about_directives = [
        match for match in (*problems, *unused) if match.id in ids and match.id in {INVALID, UNUSED}
    ]
    return tuple(sorted([*remaining, *about_directives], key=_order)), ignored


def _order(match: Match) -> tuple[int, tuple[str, int, int], str]:
    return _ORDER[match.finding.level], match.place, match.id


def lint_result(
    open_matches: Iterable[Match],
    ignored: tuple[tuple[Match, Directive], ...],
    texts: Mapping[str, str],
    *,
    baseline: Counter[Key] | None = None,
    packages: Mapping[str, int] | None = None,
) -> LintResult:
    """The result of open matches, less those that a baseline has."""
    new, known, stale = split_known(open_matches, texts, baseline or Counter())
    return LintResult(
        matches=new, ignored=ignored, known=known, stale=stale, packages=packages or {}, texts=texts
    )
