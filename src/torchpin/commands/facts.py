"""The facts' own verbs: whether they hold together and are young enough, and the recorded pages renewed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torchpin import facts
from torchpin.description.environments import index_url
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
SCOPE = "Linux wheels of the torch family only"


@dataclass(frozen=True, kw_only=True, slots=True)
class FactsReport:
    """What is wrong with the facts, and how old they are."""

    problems: tuple[str, ...]
    ages: tuple[facts.SectionAge, ...]

    @property
    def expired(self) -> tuple[facts.DatedRow, ...]:
        """The rows and pages that have to be looked at again."""
        return tuple(row for age in self.ages for row in age.expired)

    @property
    def code(self) -> int:
        return FINDINGS if self.problems or self.expired else 0


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
class RefreshResult:
    """What became of the pages: `refused` are the files with other hashes; then, and without --write, none is `written`."""

    renewals: tuple[Renewal, ...]
    changed_hashes: tuple[str, ...] = ()
    written: tuple[str, ...] | None = None
    problems: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        gone = any(renewal.gone for renewal in self.renewals)
        return FINDINGS if self.changed_hashes or self.problems or gone else 0


def check_facts(today: date) -> FactsReport:
    """Every table and page: sources, dates, references, contradictions, ages. Offline."""
    problems = facts.problems(today=today)
    try:
        return FactsReport(problems=problems, ages=facts.section_ages(today))
    except (KeyError, ValueError):  # a date that is missing or none, which is among the problems
        return FactsReport(problems=problems, ages=())


def refresh_snapshots(
    repo: Repository,
    channels: Sequence[str] = (),
    *,
    today: date,
    write: bool = False,
    accept_changed_hashes: bool = False,
) -> RefreshResult:
    """The recorded pages of these channels (none named: all) against their indexes of today; all are written, or none.

    Raises InputError for a channel without a page, ToolError for an index that cannot be read.
    """
    old = {name: _read_snapshot(repo, name) for name in _select_channels(repo, channels)}
    try:
        new = {name: _fetch_snapshot(repo, page, today) for name, page in old.items()}
    except ToolError as error:
        raise ToolError(
            f"{error}\nNothing was written; left as they were: {', '.join(map(_snapshot_path, old))}."
        ) from None
    renewals = tuple(_compare_snapshot(old[name], new[name]) for name in old)
    refused = (
        ()
        if accept_changed_hashes
        else tuple(line for renewal in renewals for line in _changed_hashes(renewal))
    )
    if refused or not write:
        return RefreshResult(renewals=renewals, changed_hashes=refused)
    with workspace_write.exclusive(repo):
        written = workspace_write.write(
            repo, {_snapshot_path(name): index_pages.format_page(page) for name, page in new.items()}
        )
    for cached in (facts.index_snapshot, load.load_snapshot):
        cached.cache_clear()
    problems = facts.problems(load.all_tables(), {**index_pages.all_pages(), **new}, today)
    return RefreshResult(renewals=renewals, written=written, problems=problems)


def _snapshot_path(channel: str) -> str:
    return f"{FOLDER}/{channel}.json"


def _select_channels(repo: Repository, channels: Sequence[str]) -> tuple[str, ...]:
    recorded_channels = [
        channel.name for channel in facts.channels() if repo.text(_snapshot_path(channel.name)) is not None
    ]
    unknown = [name for name in channels if name not in recorded_channels]
    if unknown or not recorded_channels:
        raise InputError(
            f"No page is recorded of {', '.join(unknown) or 'any channel'} (known: {', '.join(recorded_channels)}); nothing was fetched."
        )
    return tuple(name for name in recorded_channels if name in channels or not channels)


def _read_snapshot(repo: Repository, channel: str) -> Page:
    try:
        page: dict[str, Any] = json.loads(repo.text(_snapshot_path(channel)) or "")
    except ValueError as error:
        raise InputError(
            f"{_snapshot_path(channel)} is not JSON: {error}. Restore it, then try again."
        ) from None
    return page


def _fetch_snapshot(repo: Repository, page: Page, today: date) -> Page:
    """The page as its index has it now; a mirror leaves no trace in it."""
    channel, canonical = page["channel"], str(index_url(page["channel"]))
    files_by_package = index_client.fetch_pages(
        repo.settings.mirrors.get(channel) or canonical, list(page["packages"])
    )
    packages = {
        name: [[file, digest] for file, digest in files.items()] for name, files in files_by_package.items()
    }
    source = f"{canonical}/; {SCOPE}"
    return {"channel": channel, "source": source, "date": today.isoformat(), "packages": packages}


def _compare_snapshot(old: Page, new: Page) -> Renewal:
    return Renewal(
        channel=new["channel"],
        old=old,
        new=new,
        differences={
            name: index_pages.compare_files(
                index_pages.merge_hashes(rows), index_pages.merge_hashes(new["packages"][name])
            )
            for name, rows in old["packages"].items()
        },
        gone=tuple(index_pages.removed_releases(old, new)),
        news=tuple(index_pages.new_releases(old, new, load.all_tables())),
    )


def _changed_hashes(renewal: Renewal) -> Iterator[str]:
    for package, difference in renewal.differences.items():
        old, new = (
            index_pages.merge_hashes(page["packages"][package]) for page in (renewal.old, renewal.new)
        )
        for name in difference.changed:
            yield f"{renewal.channel}: {name}: recorded as {old[name]}, now {new[name] or 'without a hash'}"


# --- in words --------------------------------------------------------------------------------------------------------


def refresh_report(refreshed: RefreshResult, *, names: int = 10) -> Iterator[str]:
    """The difference as lines to review: by channel and package, with the first `names` files of each kind."""
    for renewal in refreshed.renewals:
        yield f"{renewal.channel}: {renewal.old['date']} → {renewal.new['date']}, {_renewal_summary(renewal)}"
        for package, difference in renewal.differences.items():
            if difference:
                yield f"  {package}: {difference}"
                yield from _file_lines(difference, names)
        yield from (f"  GONE: {line}" for line in renewal.gone)
        yield from (f"  new: {line}" for line in renewal.news)
    yield from (f"REFUSED: {line}" for line in refreshed.changed_hashes)
    yield from _closing_lines(refreshed)


def _renewal_summary(renewal: Renewal) -> str:
    files = sum(len(rows) for rows in renewal.new["packages"].values())
    touched = sum(map(bool, renewal.differences.values()))
    return f"{files} files of {len(renewal.differences)} packages, " + (
        f"{touched} of them changed" if touched else "as recorded"
    )


def _file_lines(difference: Difference, names: int) -> Iterator[str]:
    kinds = {"+": difference.added, "-": difference.removed, "!": difference.changed, "#": difference.hashed}
    for sign, files in kinds.items():
        yield from (f"    {sign} {name}" for name in files[:names])
        if len(files) > names:
            yield f"    {sign} and {len(files) - names} more"


def _closing_lines(refreshed: RefreshResult) -> Iterator[str]:
    if refreshed.changed_hashes:
        yield "Nothing was written: a recorded file has other bytes now. If that is right, --accept-changed-hashes."
    elif refreshed.written is None:
        yield "Nothing was written; --write renews the pages."
    yield from (f"wrote {path}" for path in refreshed.written or ())
    yield from refreshed.problems
