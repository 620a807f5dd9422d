"""The facts' own verbs: whether they hold together and are young enough, and the recorded pages renewed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torchpin import facts
from torchpin.description import environments
from torchpin.errors import FINDINGS, InputError, ToolError
from torchpin.facts import index_pages, load
from torchpin.tools import index_client
from torchpin.workspace import write as workspace_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from torchpin.facts.index_pages import Difference, Page
    from torchpin.workspace.workspace import Repository

FOLDER = "src/torchpin/facts/data/index"
KEPT = "Linux wheels of the torch family only"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What is wrong with the facts, and how old they are."""

    problems: tuple[str, ...]
    ages: tuple[facts.Age, ...]

    @property
    def past(self) -> tuple[facts.Aged, ...]:
        """The rows and pages that have to be looked at again."""
        return tuple(row for age in self.ages for row in age.past)

    @property
    def code(self) -> int:
        return FINDINGS if self.problems or self.past else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewal:
    """A channel's recorded page and its index of today: what differs by package, which torch is gone, which is new."""

    channel: str
    old: Page
    new: Page
    differences: Mapping[str, Difference]
    gone: tuple[str, ...]
    news: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Refreshed:
    """What became of the pages: `refused` are the files with other hashes; then, and without --write, none is `written`."""

    renewals: tuple[Renewal, ...]
    refused: tuple[str, ...] = ()
    written: tuple[str, ...] | None = None
    problems: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        gone = any(one.gone for one in self.renewals)
        return FINDINGS if self.refused or self.problems or gone else 0


def check(today: date) -> Checked:
    """Every table and page: sources, dates, references, contradictions, ages. Offline."""
    problems = facts.problems(today=today)
    try:
        return Checked(problems=problems, ages=facts.ages(today))
    except (KeyError, ValueError):  # a date that is missing or none, which is among the problems
        return Checked(problems=problems, ages=())


def refresh(
    repo: Repository,
    channels: Sequence[str] = (),
    *,
    today: date,
    write: bool = False,
    accept_changed_hashes: bool = False,
) -> Refreshed:
    """The recorded pages of these channels (none named: all) against their indexes of today; all are written, or none.

    Raises InputError for a channel without a page, ToolError for an index that cannot be read.
    """
    old = {name: _recorded(repo, name) for name in _chosen(repo, channels)}
    try:
        new = {name: _today(repo, page, today) for name, page in old.items()}
    except ToolError as error:
        raise ToolError(
            f"{error}\nNothing was written; left as they were: {', '.join(map(_path, old))}."
        ) from None
    renewals = tuple(_renewal(old[name], new[name]) for name in old)
    refused = () if accept_changed_hashes else tuple(line for one in renewals for line in _rehashed(one))
    if refused or not write:
        return Refreshed(renewals=renewals, refused=refused)
    with workspace_write.alone(repo):
        written = workspace_write.write(
            repo, {_path(name): index_pages.text(page) for name, page in new.items()}
        )
    for read in (facts.recorded, load.index):
        read.cache_clear()
    problems = facts.problems(load.all_tables(), {**index_pages.all_pages(), **new}, today)
    return Refreshed(renewals=renewals, written=written, problems=problems)


def _path(channel: str) -> str:
    return f"{FOLDER}/{channel}.json"


def _chosen(repo: Repository, channels: Sequence[str]) -> tuple[str, ...]:
    known = [each.name for each in facts.channels() if repo.text(_path(each.name)) is not None]
    unknown = [name for name in channels if name not in known]
    if unknown or not known:
        raise InputError(
            f"No page is recorded of {', '.join(unknown) or 'any channel'} (known: {', '.join(known)}); nothing was fetched."
        )
    return tuple(name for name in known if name in channels or not channels)


def _recorded(repo: Repository, channel: str) -> Page:
    try:
        page: dict[str, Any] = json.loads(repo.text(_path(channel)) or "")
    except ValueError as error:
        raise InputError(f"{_path(channel)} is not JSON: {error}. Restore it, then try again.") from None
    return page


def _today(repo: Repository, page: Page, today: date) -> Page:
    """The page as its index has it now; a mirror leaves no trace in it."""
    channel, canonical = page["channel"], str(environments.index_url(page["channel"]))
    found = index_client.fetched(repo.settings.mirrors.get(channel) or canonical, list(page["packages"]))
    packages = {name: [[file, digest] for file, digest in files.items()] for name, files in found.items()}
    source = f"{canonical}/; {KEPT}"
    return {"channel": channel, "source": source, "date": today.isoformat(), "packages": packages}


def _renewal(old: Page, new: Page) -> Renewal:
    return Renewal(
        channel=new["channel"],
        old=old,
        new=new,
        differences={
            name: index_pages.difference(index_pages.files(rows), index_pages.files(new["packages"][name]))
            for name, rows in old["packages"].items()
        },
        gone=tuple(index_pages.gone(old, new)),
        news=tuple(index_pages.news(old, new, load.all_tables())),
    )


def _rehashed(renewal: Renewal) -> Iterator[str]:
    for package, difference in renewal.differences.items():
        old, new = (index_pages.files(page["packages"][package]) for page in (renewal.old, renewal.new))
        for name in difference.changed:
            yield f"{renewal.channel}: {name}: recorded as {old[name]}, now {new[name] or 'without a hash'}"


# --- in words --------------------------------------------------------------------------------------------------------


def told(refreshed: Refreshed, *, names: int = 10) -> Iterator[str]:
    """The difference as lines to review: by channel and package, with the first `names` files of each kind."""
    for one in refreshed.renewals:
        yield f"{one.channel}: {one.old['date']} → {one.new['date']}, {_sum(one)}"
        for package, difference in one.differences.items():
            if difference:
                yield f"  {package}: {difference}"
                yield from _files(difference, names)
        yield from (f"  GONE: {line}" for line in one.gone)
        yield from (f"  new: {line}" for line in one.news)
    yield from (f"REFUSED: {line}" for line in refreshed.refused)
    yield from _end(refreshed)


def _sum(renewal: Renewal) -> str:
    files = sum(len(rows) for rows in renewal.new["packages"].values())
    touched = sum(map(bool, renewal.differences.values()))
    return f"{files} files of {len(renewal.differences)} packages, " + (
        f"{touched} of them changed" if touched else "as recorded"
    )


def _files(difference: Difference, names: int) -> Iterator[str]:
    kinds = {"+": difference.added, "-": difference.removed, "!": difference.changed, "#": difference.hashed}
    for sign, files in kinds.items():
        yield from (f"    {sign} {name}" for name in files[:names])
        if len(files) > names:
            yield f"    {sign} and {len(files) - names} more"


def _end(refreshed: Refreshed) -> Iterator[str]:
    if refreshed.refused:
        yield "Nothing was written: a recorded file has other bytes now. If that is right, --accept-changed-hashes."
    elif refreshed.written is None:
        yield "Nothing was written; --write renews the pages."
    yield from (f"wrote {path}" for path in refreshed.written or ())
    yield from refreshed.problems
