"""The age of facts: each row has a date and a maximum age in days; an index snapshot may also lack only so many releases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from torchpin.facts.base_images import base_image
from torchpin.facts.cuda_images import row_tags
from torchpin.facts.gpus import names_gpu
from torchpin.facts.image_names import parse_image_name
from torchpin.facts.load import all_tables, load_snapshot, load_table
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torchpin.facts.index_pages import Page
    from torchpin.facts.load import RawRow, Table

DEFAULT_MAX_AGE_DAYS = 365  # where a table sets no `limit`
DEFAULT_MAX_LACKS = 8  # where a channel sets no `page_releases`
KEYS = {  # the columns that identify a row of a section; ID where a section is not listed
    ("channels", "channels"): ("name",),
    ("pypi_wheels", "wheels"): ("package", "version"),
    ("torch", "releases"): ("version",),
    ("torch", "abi"): ("torch", "cxx11_abi"),
    ("archs", "archs"): ("series", "channel", "platform"),
    ("archs", "holes"): ("series", "channel"),
    ("archs", "toolkits"): ("sm",),
    ("archs", "triton"): ("version",),
    ("archs", "bundled_ptxas"): ("series", "channel", "platform"),
    ("gpus", "gpus"): ("name",),
    ("base_images", "cuda"): ("cuda", "status"),
    ("base_images", "cuda_amd64_only"): ("os",),
    ("base_images", "open_minors"): ("minor",),
    ("gpus", "families"): ("brand", "capability", "source"),
    ("gpus", "instances"): ("pattern",),
    ("gpus", "vendors"): ("vendor",),
    ("base_images", "systems"): ("os",),
    ("base_images", "pythons"): ("minor",),
    ("base_images", "pytorch_series"): ("series",),
    ("base_images", "runpod_wheels"): ("cuda", "torch"),
    ("base_images", "ngc"): ("release",),
    ("base_images", "vllm"): ("release",),
    ("base_images", "described"): ("repository",),
    ("base_images", "digests"): ("image",),
    ("base_images", "pytorch"): ("tag",),
    ("base_images", "runpod"): ("tag",),
    ("drivers", "toolkits"): ("cuda", "update"),
    ("drivers", "families"): ("family",),
    ("drivers", "gates"): ("cuda",),
    ("sources", "tags"): ("repo", "tag"),
    ("sources", "requirements"): ("repo", "tag"),
    ("sources", "upstreams"): ("repo",),
    ("packages", "brings"): ("when",),
    ("packages", "library_choices"): ("package", "when"),
    ("packages", "cuda_builds"): ("package", "when"),
    ("packages", "native"): ("package",),
    ("compilers", "compilers"): ("package",),
    ("compilers", "packages"): ("package",),
    ("partners", "channels"): ("package",),
    ("partners", "published"): ("package", "torch"),
    ("partners", "declared"): ("package", "torch"),
    ("wheels", "packages"): ("package", "version"),
    ("wheels", "built"): ("package", "version", "torch"),
    ("wheels", "wheels"): ("filename",),
}
ID = ("id",)
# The sections of base_images.yaml that name images; digests last.
IMAGES = ("cuda", "pytorch", "runpod", "digests")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatedRow:
    """A row, or an index snapshot (table `index`), with its age in days; `max_age_days` None: it does not expire.

    `lacks`: the releases of torch on the channel that are later than its snapshot, of which it may lack `max_lacks`.
    """

    table: str
    row: str
    date: str
    days: int
    max_age_days: int | None
    lacks: tuple[str, ...] = ()
    max_lacks: int = DEFAULT_MAX_LACKS

    @property
    def is_expired(self) -> bool:
        return self._is_too_old or len(self.lacks) > self.max_lacks

    @property
    def _is_too_old(self) -> bool:
        return self.max_age_days is not None and self.days > self.max_age_days

    def __str__(self) -> str:
        if not self._is_too_old and self.lacks:
            releases = f"{self.lacks[0]} to {self.lacks[-1]}"
            return f"{self.table}: {self.row} ({self.date}) lacks {len(self.lacks)} releases of torch, {releases}; at most {self.max_lacks} may be missing"
        return f"{self.table}: {self.row} is {self.days} days old ({self.date}); its maximum age is {self.max_age_days} days"


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionAge:
    """A section of a table, or an index snapshot: its oldest and newest date, the age of the oldest, and the expired rows.

    `lacks`: how many releases an index snapshot lacks.
    """

    table: str
    section: str
    oldest: str
    newest: str
    days: int
    max_age_days: int | None
    expired: tuple[DatedRow, ...]
    lacks: int = 0


def section_ages(
    today: date, tables: Mapping[str, Table] | None = None, pages: Mapping[str, Page] | None = None
) -> tuple[SectionAge, ...]:
    """The age of every section and index snapshot on a day."""
    tables = all_tables() if tables is None else tables
    sections = [
        _section_age(name, section, [_dated_row(name, section, row, today) for row in rows])
        for name, table in tables.items()
        for section, rows in table.items()
        if rows
    ]
    if pages is None:
        pages = {
            name: page for name in (*_channels_by_name(tables), "metadata") if (page := load_snapshot(name))
        }
    return (
        *sections,
        *(
            _section_age("index", aged_page.row, [aged_page])
            for aged_page in _dated_pages(tables, pages, today)
        ),
    )


def _section_age(table: str, section: str, rows: Sequence[DatedRow]) -> SectionAge:
    oldest = max(rows, key=lambda row: row.days)
    newest = min(rows, key=lambda row: row.days)
    expired = tuple(row for row in rows if row.is_expired)
    return SectionAge(
        table=table,
        section=section,
        oldest=oldest.date,
        newest=newest.date,
        days=oldest.days,
        max_age_days=oldest.max_age_days,
        expired=expired,
        lacks=max(len(row.lacks) for row in rows),
    )


def _dated_row(table: str, section: str, row: RawRow, today: date) -> DatedRow:
    key_values = [str(row[key]) for key in KEYS.get((table, section), ID) if key in row]
    limit = row.get("limit", DEFAULT_MAX_AGE_DAYS)
    return _with_age(f"{table}.yaml", f"{section}: {' '.join(key_values)}", str(row["date"]), limit, today)


def _with_age(table: str, row: str, day: str, limit: int | None, today: date) -> DatedRow:
    return DatedRow(
        table=table, row=row, date=day, days=(today - date.fromisoformat(day)).days, max_age_days=limit
    )


def _dated_pages(tables: Mapping[str, Table], pages: Mapping[str, Page], today: date) -> Iterator[DatedRow]:
    for name, page in pages.items():
        row = _channels_by_name(tables).get(name, {})
        limit = None if is_frozen(row, page) else row.get("page_limit", DEFAULT_MAX_AGE_DAYS)
        aged = _with_age("index", name, page["date"], limit, today)
        lacks = _later_releases(tables, row, page["date"])
        yield replace(aged, lacks=lacks, max_lacks=row.get("page_releases", DEFAULT_MAX_LACKS))


def _later_releases(tables: Mapping[str, Table], channel: RawRow, day: str) -> tuple[str, ...]:
    """The releases of torch on a channel that came after a day, oldest first."""
    series, undecided = set(channel.get("series", ())), set(channel.get("undecided", ()))
    later = [
        row
        for row in tables["torch"]["releases"]
        if row["released"] > day and major_minor(row["version"]) in series and row["version"] not in undecided
    ]
    return tuple(row["version"] for row in sorted(later, key=lambda row: row["released"]))


def _channels_by_name(tables: Mapping[str, Table]) -> dict[str, RawRow]:
    return {row["name"]: row for row in tables["channels"]["channels"]}


def is_frozen(channel: RawRow, page: Page) -> bool:
    """Whether a channel has ended and its index snapshot contains its last series, so that the snapshot stays complete."""
    last = f"torch-{channel['series'][-1]}." if channel.get("series") else ""
    return bool(channel.get("ended")) and any(
        name.startswith(last) for name, _ in page["packages"].get("torch", ())
    )


def expired_rows(
    today: date,
    *,
    channel: str,
    gpus: Sequence[str],
    base: str,
    torch: str,
    tables: Mapping[str, Table] | None = None,
    pages: Mapping[str, Page] | None = None,
) -> tuple[DatedRow, ...]:
    """The expired facts behind the verdicts on an environment: channel, index snapshot, torch, GPUs, base image, drivers."""
    if tables is None:
        names = ("channels", "torch", "archs", "gpus", "drivers", "base_images")
        tables = {
            name: load_table(name) for name in (*names, *(["pypi_wheels"] if channel == "pypi" else []))
        }
    build = _built_channel(tables, channel, torch)
    predicates = _row_predicates(tables, {channel, build}, gpus, base, torch)
    rows = [
        _dated_row(name, section, row, today)
        for (name, section), predicate in predicates.items()
        if name in tables
        for row in tables[name][section]
        if predicate(row)
    ]
    if pages is None:
        pages = {name: page for name in sorted({channel, build}) if (page := load_snapshot(name))}
    relevant_pages = {name: pages[name] for name in sorted({channel, build}) if name in pages}
    return tuple(row for row in (*rows, *_dated_pages(tables, relevant_pages, today)) if row.is_expired)


def _built_channel(tables: Mapping[str, Table], channel: str, torch: str) -> str:
    """The channel that a torch was built for; PyPI serves the build of one channel under its own name."""
    public = torch.partition("+")[0]
    local_versions = [
        row.get("pypi_local") for row in tables["torch"]["releases"] if row["version"] == public
    ]
    return (local_versions[0] if local_versions and channel == "pypi" else None) or channel


def _row_predicates(
    tables: Mapping[str, Table], channels: set[str], gpus: Sequence[str], base: str, torch: str
) -> dict[tuple[str, str], Callable[[RawRow], bool]]:
    """By table and section, the predicate that selects the rows about an environment."""
    public = torch.partition("+")[0]
    series = major_minor(public)
    name = parse_image_name(base)
    image, base_row = name.original, base_image(base)
    cudas = {row["cuda"] for row in tables["channels"]["channels"] if row["name"] in channels and row["cuda"]}
    families = {f"{cuda.partition('.')[0]}.x" for cuda in cudas}
    gate_cuda = base_row.gate_cuda if base_row else None
    gates = {gate_cuda, major_minor(gate_cuda)} if gate_cuda else set()
    predicates: dict[tuple[str, str], Callable[[RawRow], bool]] = {
        ("channels", "channels"): lambda row: row["name"] in channels,
        ("channels", "complete"): lambda row: series in row["series"],
        ("torch", "releases"): lambda row: row["version"] == public,
        ("pypi_wheels", "wheels"): lambda row: row["package"] == "torch" and row["version"] == public,
        ("archs", "archs"): lambda row: row["series"] == series and row["channel"] in channels,
        ("gpus", "gpus"): lambda row: any(names_gpu(row, name) for name in gpus),
        ("gpus", "families"): lambda row: any(names_gpu(row, name) for name in gpus),
        ("drivers", "toolkits"): lambda row: row["cuda"] in cudas,
        ("drivers", "families"): lambda row: row["family"] in families,
        ("drivers", "gates"): lambda row: row["cuda"] in gates,
        ("base_images", "systems"): lambda row: base_row is not None and row["os"] == base_row.os,
        ("base_images", "pythons"): lambda row: (
            name.repository == "python"
            and base_row is not None
            and row["minor"] == major_minor(base_row.python or "")
        ),
        ("base_images", "pytorch_series"): lambda row: (
            name.repository == "pytorch/pytorch" and name.tag.startswith(f"{row['series']}.")
        ),
        ("base_images", "ngc"): lambda row: (
            name.repository == "nvidia/pytorch" and name.tag.startswith(row["release"])
        ),
    }
    for section in IMAGES:
        # section=section binds the section of this iteration, not of the last one.
        predicates["base_images", section] = lambda row, section=section: image in image_names(section, row)  # type: ignore[misc]
    return predicates


def image_names(section: str, row: RawRow) -> tuple[str, ...]:
    """The images that a row of base_images.yaml is about."""
    if "image" in row:
        return (row["image"],)
    if section == "cuda":
        return tuple(f"nvidia/cuda:{tag}" for tag in row_tags(row))
    return (f"{section}/pytorch:{row['tag']}",)  # the sections pytorch and runpod are owners on Docker Hub
