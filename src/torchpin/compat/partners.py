"""Whether a package that goes with some releases of torch only goes with a torch, and which of its versions do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from torchpin import facts
from torchpin.facts.versions import public_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.facts import Partner

_CLOSING = frozenset({"==", "===", "~=", "<", "<="})  # the operators that bound a specifier at its upper end


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A version of a partner that goes with a torch. `certain`: no other version does, and what says so has an end."""

    version: Version
    row: Partner
    certain: bool = False


def partner_row(name: str, version: Version) -> Partner | None:
    """What a version of a partner asks of torch; None: the facts do not have this version, or this package."""
    return _rows(name).get(public_version(version))


@cache
def _rows(name: str) -> Mapping[Version, Partner]:
    rows: dict[Version, Partner] = {}
    for row in facts.partners().get(name, ()):
        for version in row.versions:
            rows.setdefault(Version(version), row)  # the first counts: published before declared
    return rows


def goes_with(row: Partner, torch: Version) -> bool | None:
    """Whether a partner goes with a release of torch; None where only a promise without an end speaks for it.

    A package's own METADATA bind also for later releases; what a project publishes was written for those of its time.
    """
    if not _specifier(row.torch).contains(torch.public, prereleases=True):
        return False
    is_promise = not row.declared and not is_closed(row)
    return None if is_promise and torch > facts.release_versions()[-1] else True


def is_closed(row: Partner) -> bool:
    """Whether the torch that a partner asks for has an upper end."""
    return any(clause.operator in _CLOSING for clause in _specifier(row.torch))


def intended_release(companions: Mapping[str, Version], torch: Version) -> tuple[Version, str] | None:
    """The release that a torch which does not exist is probably meant to be, and the companion that shows it.

    It is the nearest of those that each companion which names an upper end goes with; None where none does, or no
    release goes with all of them.
    """
    rows = {name: partner_row(name, version) for name, version in companions.items()}
    closed = {name: row for name, row in rows.items() if row and is_closed(row)}
    releases = facts.release_versions()
    fitting = [release for release in releases if all(goes_with(row, release) for row in closed.values())]
    if not closed or not fitting:
        return None
    is_same_series = [release for release in fitting if release.release[:2] == torch.release[:2]]
    return (is_same_series or fitting)[-1], next(iter(closed))


def newest_declared(name: str, allowed: SpecifierSet | None = None) -> tuple[Version, Partner] | None:
    """The newest known version of a partner, of those that are allowed, where its METADATA require a torch; else None."""
    versions = [
        (version, row)
        for version, row in _rows(name).items()
        if not allowed or allowed.contains(version, prereleases=True)
    ]
    newest = max(versions, key=lambda item: item[0], default=None)
    return newest if newest and newest[1].declared else None


@cache
def _specifier(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def choices(name: str, torch: Version) -> tuple[Choice, ...]:
    """The known versions of a partner that go with a torch, the best last: those with an upper end, of these the newest.

    A minimum that a later version replaced by an end shows only that the version was built against that minor.
    The best is certain where all choices are one release, a post-release of it included, and has an upper end.
    """
    fitting = [(version, row) for version, row in _rows(name).items() if goes_with(row, torch)]
    if not fitting:
        return ()
    is_unique = len({candidate.base_version for candidate, _ in fitting}) == 1
    fitting = [item for item in fitting if not _is_outdated_promise(name, *item, torch)]
    if not fitting:
        return ()
    ordered = sorted(fitting, key=lambda item: (is_closed(item[1]), item[0]))
    version, row = ordered[-1]
    best = Choice(version=version, row=row, certain=is_unique and is_closed(row))
    return (*(Choice(version=other, row=other_row) for other, other_row in ordered[:-1]), best)


def _is_outdated_promise(name: str, version: Version, row: Partner, torch: Version) -> bool:
    """Whether a version declares a minimum of an earlier minor alone, and later versions of the package an upper end too."""
    if is_closed(row) or not row.declared:
        return False
    minimums = [Version(clause.version).release[:2] for clause in _specifier(row.torch)]
    return torch.release[:2] not in minimums and any(
        later > version and is_closed(other) for later, other in _rows(name).items()
    )


def fitting_version(name: str, torch: Version, version: Version) -> Version:
    """A version that was chosen without regard to torch, or the best that goes with torch where it is known not to."""
    row = partner_row(name, version)
    best = best_choice(name, torch) if row and goes_with(row, torch) is False else None
    return best.version if best else version


def best_choice(name: str, torch: Version, current: Version | None = None) -> Choice | None:
    """The version of a partner for a torch: the current one where it goes with it, else the best; None: none is known."""
    row = partner_row(name, current) if current else None
    if current and row and goes_with(row, torch):
        return Choice(version=current, row=row)
    return next(iter(choices(name, torch)[-1:]), None)
