"""`facts`: the tables and index snapshots checked for contradictions and age; the index snapshots and what is measured renewed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin import facts, paths
from torchpin.commands.selection import open_repository
from torchpin.description.environments import index_url
from torchpin.errors import FINDINGS, InputError, ToolError
from torchpin.facts import index_pages, load
from torchpin.parsing import parse_json
from torchpin.progress import step
from torchpin.tools import index_client
from torchpin.workspace import writer
from torchpin.workspace.evidence import current_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from torchpin.commands.measure import MeasureResult
    from torchpin.facts.index_pages import Page, SnapshotDifference
    from torchpin.model import StatusCallback
    from torchpin.workspace.workspace import Repository

SCOPE = "Linux wheels of the torch family only"
_SHOWN_FILES = 10  # of a package, for each kind of change; the others are counted


@dataclass(frozen=True, kw_only=True, slots=True)
class FactsReport:
    """The problems of the facts, and their ages."""

    problems: tuple[str, ...]
    ages: tuple[facts.SectionAge, ...]

    @property
    def expired(self) -> tuple[facts.DatedRow, ...]:
        """The rows and index snapshots past their maximum age."""
        return tuple(row for age in self.ages for row in age.expired)

    @property
    def code(self) -> int:
        return FINDINGS if self.problems or self.expired else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewal:
    """The index snapshot of a channel and the index as it is now.

    `differences`: by package; `gone`, `news`: messages about removed and new torch releases.
    """

    channel: str
    old: Page
    new: Page
    differences: Mapping[str, SnapshotDifference]
    gone: tuple[str, ...]
    news: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshResult:
    """A refresh. `changed_hashes`: files whose hash changed; `written`: the changed paths, None where nothing was to be written."""

    renewals: tuple[Renewal, ...]
    changed_hashes: tuple[str, ...] = ()
    written: tuple[str, ...] | None = None
    problems: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        gone = any(renewal.gone for renewal in self.renewals)
        return FINDINGS if self.changed_hashes or self.problems or gone else 0


def check_facts(today: date) -> FactsReport:
    """Checks every table and index snapshot: sources, dates, references, contradictions, ages. Offline."""
    problems = facts.problems(today=today)
    try:
        return FactsReport(problems=problems, ages=facts.section_ages(today))
    except (KeyError, ValueError):  # a missing or invalid date, which is among the problems
        return FactsReport(problems=problems, ages=())


def refresh_snapshots(
    repo: Repository,
    channels: Sequence[str] = (),
    *,
    today: date,
    write: bool = False,
    accept_changed_hashes: bool = False,
    report: StatusCallback | None = None,
) -> RefreshResult:
    """Compares the index snapshots of these channels (of all, if none is named) with the indexes; writes all of them or none.

    Raises InputError for a channel without an index snapshot, ToolError for an index that cannot be read.
    """
    repo = replace(repo)  # which has read nothing: what is read from here on must stay until it is written
    old = {name: _read_snapshot(repo, name) for name in _select_channels(repo, channels)}
    try:
        new = _fetch_snapshots(repo, old, today, report)
    except ToolError as error:
        raise ToolError(
            f"{error}\nnothing was written; unchanged: {', '.join(map(_snapshot_path, old))}"
        ) from None
    renewals = tuple(_compare_snapshot(old[name], new[name]) for name in old)
    changed_hashes = (
        ()
        if accept_changed_hashes
        else tuple(line for renewal in renewals for line in _changed_hashes(renewal))
    )
    if changed_hashes or not write:
        return RefreshResult(renewals=renewals, changed_hashes=changed_hashes)
    with writer.exclusive(repo):
        written = writer.write(
            repo,
            {_snapshot_path(name): index_pages.format_page(page) for name, page in new.items()},
            before={_snapshot_path(name): repo.inputs[_snapshot_path(name)] for name in new},
        )
    # the process goes on with the new snapshots
    for cached in (facts.index_snapshot, load.load_snapshot):
        cached.cache_clear()
    problems = facts.problems(load.all_tables(), {**index_pages.all_pages(), **new}, today)
    return RefreshResult(renewals=renewals, written=written, problems=problems)


def _snapshot_path(channel: str) -> str:
    return f"{paths.INDEX_SNAPSHOTS}/{channel}.json"


def _select_channels(repo: Repository, channels: Sequence[str]) -> tuple[str, ...]:
    recorded_channels = [
        channel.name for channel in facts.channels() if repo.text(_snapshot_path(channel.name)) is not None
    ]
    unknown = [name for name in channels if name not in recorded_channels]
    if unknown or not recorded_channels:
        raise InputError(
            f"no index snapshot of {', '.join(unknown) or 'any channel'}; known: {', '.join(recorded_channels)}; nothing was fetched"
        )
    return tuple(name for name in recorded_channels if name in channels or not channels)


def _read_snapshot(repo: Repository, channel: str) -> Page:
    try:
        page: Page = parse_json(repo.text(_snapshot_path(channel)) or "")
    except ValueError as error:
        raise InputError(
            f"{_snapshot_path(channel)} is not JSON: {error}; restore it, then try again"
        ) from None
    if not index_pages.is_snapshot(page):
        raise InputError(f"{_snapshot_path(channel)} is not an index snapshot; restore it, then try again")
    return page


def _fetch_snapshots(
    repo: Repository, old: Mapping[str, Page], today: date, report: StatusCallback | None
) -> dict[str, Page]:
    new: dict[str, Page] = {}
    with step(report, "reading indexes", total=len(old), unit="channels") as running:
        for name, page in old.items():
            running.advance(len(new), note=name)
            new[name] = _fetch_snapshot(repo, page, today)
    return new


def _fetch_snapshot(repo: Repository, page: Page, today: date) -> Page:
    """The page as the index has it now; read from a mirror, it has the canonical address all the same."""
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
            yield f"{renewal.channel}: {name}: hash in the index snapshot {old[name]}, now {new[name] or 'none'}"


def refresh_report(refreshed: RefreshResult) -> Iterator[str]:
    """The lines of a report: by channel and package, with the first files of each kind of change."""
    for renewal in refreshed.renewals:
        yield f"{renewal.channel}: {renewal.old['date']} → {renewal.new['date']}, {_renewal_summary(renewal)}"
        for package, difference in renewal.differences.items():
            if difference:
                yield f"  {package}: {difference}"
                yield from _file_lines(difference)
        yield from (f"  error: {line}" for line in renewal.gone)
        yield from (f"  notice: {line}" for line in renewal.news)
    yield from (f"error: {line}" for line in refreshed.changed_hashes)
    yield from _closing_lines(refreshed)


def _renewal_summary(renewal: Renewal) -> str:
    files = sum(len(rows) for rows in renewal.new["packages"].values())
    touched = sum(map(bool, renewal.differences.values()))
    return f"{files} files of {len(renewal.differences)} packages, " + (
        f"{touched} of them changed" if touched else "unchanged"
    )


def _file_lines(difference: SnapshotDifference) -> Iterator[str]:
    kinds = {"+": difference.added, "-": difference.removed, "!": difference.changed, "#": difference.hashed}
    for sign, files in kinds.items():
        yield from (f"    {sign} {name}" for name in files[:_SHOWN_FILES])
        if len(files) > _SHOWN_FILES:
            yield f"    {sign} and {len(files) - _SHOWN_FILES} more"


def _closing_lines(refreshed: RefreshResult) -> Iterator[str]:
    if refreshed.changed_hashes:
        yield "nothing was written: files have other hashes than in the index snapshot; accept them with `--accept-changed-hashes`"
    elif refreshed.written is None:
        yield "nothing was written; renew the index snapshots with `--write`"
    yield from (f"wrote {path}" for path in refreshed.written or ())
    yield from refreshed.problems


@dataclass(frozen=True, kw_only=True, slots=True)
class FactsOptions:
    """One of `check`, `refresh`, `measure` and `partners`; `packages` belong to these two, the others to `refresh`."""

    check: bool = False
    refresh: bool = False
    measure: bool = False
    partners: bool = False
    packages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    write: bool = False
    accept_changed_hashes: bool = False

    def __post_init__(self) -> None:
        if [self.check, self.refresh, self.measure, self.partners].count(True) != 1:
            raise InputError("one of `--check`, `--refresh`, `--measure` and `--partners` is required")
        if not self.refresh and (self.channels or self.write or self.accept_changed_hashes):
            raise InputError("`--channel`, `--write` and `--accept-changed-hashes` require `--refresh`")
        if self.packages and not (self.measure or self.partners):
            raise InputError("`--package` requires `--measure` or `--partners`")


def _facts_repository() -> Repository:
    """The repository of the current folder. Raises InputError where it is not torchpin's own, which has the facts."""
    repo = open_repository(only=())
    if not (repo.root / paths.INDEX_SNAPSHOTS).is_dir():
        raise InputError(
            "the facts are part of torchpin, and are renewed in its own repository; `--check` works everywhere"
        )
    return repo


def examine_facts(
    options: FactsOptions, report: StatusCallback
) -> FactsReport | RefreshResult | MeasureResult:
    """Checks the facts, compares their index snapshots with the indexes, or measures packages. `report` gets what is done."""
    if options.check:
        return check_facts(current_date())
    if options.measure:
        from torchpin.commands.measure import measure_packages

        return measure_packages(_facts_repository(), options.packages, today=current_date(), report=report)
    if options.partners:
        from torchpin.commands.measure_partners import measure_partners

        return measure_partners(_facts_repository(), options.packages, today=current_date(), report=report)
    return refresh_snapshots(
        _facts_repository(),
        options.channels,
        today=current_date(),
        write=options.write,
        accept_changed_hashes=options.accept_changed_hashes,
        report=report,
    )
