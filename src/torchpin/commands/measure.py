"""`facts --measure`: facts of packages, read out of the releases on PyPI."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts, paths
from torchpin.errors import FINDINGS, InputError, ToolError
from torchpin.lock import sdist
from torchpin.measure.document import build_document, format_document, stored_needs
from torchpin.measure.package import Distribution
from torchpin.measure.packages import PACKAGES
from torchpin.measure.python_source import LARGEST_SOURCE
from torchpin.measure.release import measure_names, measure_release, missing_entries, wanted_names
from torchpin.progress import step
from torchpin.tools import http, pypi, remote_wheel
from torchpin.tools.threads import thread_pool
from torchpin.workspace import writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import date

    from torchpin.measure.packages import MeasuredPackage
    from torchpin.measure.release import Name, ReleaseFacts
    from torchpin.model import StatusCallback
    from torchpin.progress import Step
    from torchpin.tools.pypi import ReleaseFile
    from torchpin.workspace.workspace import Repository

_DAYS = 3 * 365  # how far back releases are read
_LATEST = 5  # releases that are read of packages that have had none since
_MOST_READ = 40  # releases of a package that are all read; of more, the first and last of each minor, and where they differ
_PACKAGES_AT_ONCE = 6
_LARGEST_SOURCE = 120_000_000  # bytes of a source archive that is read where a release has no wheel


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureResult:
    """What was measured, a line a package. `unread`: releases that could not be, and names whose package was not."""

    lines: tuple[str, ...]
    unread: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        return FINDINGS if self.problems else 0


@dataclass(kw_only=True, slots=True)
class _Measurement:
    """A package in work: its files by release, and the facts so far."""

    package: MeasuredPackage
    files: Mapping[Version, Sequence[ReleaseFile]] = field(default_factory=dict)
    facts: dict[Version, ReleaseFacts] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    last: Distribution | None = None

    @property
    def by_release(self) -> dict[str, ReleaseFacts]:
        """The facts of every release; one that was not read has those of both its neighbours, which are equal."""
        filled: dict[str, ReleaseFacts] = {}
        read_versions = [version for version in self.files if version in self.facts]
        for version in self.files:
            if version in self.facts:
                filled[str(version)] = self.facts[version]
                continue
            before = [release for release in read_versions if release < version]
            after = [release for release in read_versions if release > version]
            if before and after and self.facts[before[-1]] == self.facts[after[0]]:
                filled[str(version)] = self.facts[before[-1]]
        return filled


def measure_packages(
    repo: Repository, names: Sequence[str], *, today: date, report: StatusCallback
) -> MeasureResult:
    """Measures these packages (all, if none is named) and writes their facts. `report` gets a line for each that is done.

    Raises InputError for a package that is not of those measured, ToolError where PyPI cannot be read.
    """
    repo = replace(repo)  # which has read nothing: what is read from here on must stay until it is written
    measurements = [_Measurement(package=package) for package in _select(names)]
    index = pypi.index_address(repo.settings)
    with thread_pool(_PACKAGES_AT_ONCE) as pool:
        with step(report, "reading releases", total=len(measurements), unit="packages") as running:
            _finish([pool.submit(_measure, index, row, today, report) for row in measurements], running)
        imported_names = _all_imported_names(measurements)
        rows = [row for row in measurements if row.package.name in imported_names]
        with step(report, "looking names up", total=len(rows), unit="packages") as running:
            futures = [pool.submit(_add_names, row, imported_names[row.package.name], report) for row in rows]
            _finish(futures, running)
    return _write(repo, measurements, imported_names, today)


def _finish(futures: Sequence[Future[None]], running: Step) -> None:
    for done, future in enumerate(futures):
        running.advance(done)
        future.result()
    running.advance(len(futures))


def _select(names: Sequence[str]) -> list[MeasuredPackage]:
    by_name = {package.name: package for package in PACKAGES}
    selected = [canonicalize_name(name) for name in names]
    unknown = [name for name in selected if name not in by_name]
    if unknown:
        raise InputError(
            f"not among the measured packages: {', '.join(unknown)}; add them to src/torchpin/measure/packages.py, "
            f"or choose of {', '.join(sorted(by_name))}"
        )
    return [by_name[name] for name in dict.fromkeys(selected)] or list(PACKAGES)


def _all_imported_names(measurements: Sequence[_Measurement]) -> dict[str, set[Name]]:
    """The names that any measured package imports of each other one: of these measurements, and of the stored facts of others."""
    measured = {row.package.name for row in measurements}
    rows = [need for row in measurements for release in row.facts.values() for need in release.needs]
    for package in PACKAGES:
        document = facts.measured_document(package.name) if package.name not in measured else None
        rows += [*stored_needs(document)] if document else []
    return wanted_names(rows)


def _measure(index: str, measurement: _Measurement, today: date, report: StatusCallback) -> None:
    """Reads the releases of a package: all of them, or of many those between which something changes."""
    name = measurement.package.name
    measurement.files = _recent(
        pypi.release_files(index, name, until=today), today, measurement.package.since
    )
    versions = list(measurement.files)
    anchors = versions if len(versions) <= _MOST_READ else _ends_of_minors(versions)
    for version in anchors:
        _read(measurement, version, set())
    _read_between(measurement, set())
    report(f"{name}: {len(measurement.facts)} of {len(versions)} releases read")


def _add_names(measurement: _Measurement, names: set[Name], report: StatusCallback) -> None:
    """Looks the names that others import up in the releases that were read, and in those between which they change."""
    for version in [*measurement.facts]:
        _read(measurement, version, names)
    _read_between(measurement, names)
    report(f"{measurement.package.name}: {len(names)} names looked up")


def _recent(
    files: Mapping[Version, Sequence[ReleaseFile]], today: date, first: str = ""
) -> dict[Version, Sequence[ReleaseFile]]:
    since = (today - timedelta(days=_DAYS)).isoformat()
    recent = {version for version, rows in files.items() if max(row.uploaded for row in rows) >= since} | {
        *list(files)[-_LATEST:]
    }
    if first:
        recent |= {version for version in files if version >= Version(first)}
    return {version: rows for version, rows in files.items() if version in recent}


def _ends_of_minors(versions: Sequence[Version]) -> list[Version]:
    minors: dict[tuple[int, ...], list[Version]] = {}
    for version in versions:
        minors.setdefault((version.epoch, *version.release[:2]), []).append(version)
    return sorted({version for group in minors.values() for version in (group[0], group[-1])})


def _read_between(measurement: _Measurement, names: set[Name]) -> None:
    """Reads the releases in the middle of those that differ, until neighbours do."""
    versions = list(measurement.files)
    read_numbers = [number for number, version in enumerate(versions) if version in measurement.facts]
    queue = list(pairwise(read_numbers))
    while queue:
        first, last = queue.pop()
        ends = [measurement.facts.get(versions[number]) for number in (first, last)]
        if last - first < 2 or None in ends or ends[0] == ends[1]:  # noqa: PLR2004 - neighbours
            continue
        middle = (first + last) // 2
        _read(measurement, versions[middle], names)
        queue += [(first, middle), (middle, last)]


def _read(measurement: _Measurement, version: Version, names: set[Name]) -> None:
    """Adds the facts of a release, or the names to those that there are, or notes why neither can be read."""
    package, read_facts = measurement.package, measurement.facts.get(version)
    try:
        with _open(measurement, version) as (files, text):
            distribution = replace(files, wanted=frozenset(name for _, name in names if name))
            missing = missing_entries(package, distribution)
            if missing:
                measurement.unread.append(f"{package.name} {version} has no module {', '.join(missing)}")
            measurement.facts[version] = (
                replace(read_facts, names=measure_names(distribution, names))
                if read_facts
                else measure_release(package, distribution, text, names)
            )
            measurement.last = distribution
    except remote_wheel.UnreadableWheelError as error:
        measurement.unread.append(str(error))
    except http.FetchError as error:
        if not error.is_refusal:
            raise
        measurement.unread.append(f"{package.name} {version}: {error}")


@contextmanager
def _open(measurement: _Measurement, version: Version) -> Iterator[tuple[Distribution, bytes]]:
    """The files of a release's best file, and its METADATA. Raises UnreadableWheelError where it has none that is read."""
    file = min(measurement.files[version], key=_preference)
    if file.is_wheel:
        with remote_wheel.open_wheel(file.url, file.filename, file.size) as wheel:
            distribution = Distribution(
                files=wheel.files,
                read=lambda path: wheel.read(path, LARGEST_SOURCE),
                before=_without_before(measurement.last),
            )
            yield distribution, wheel.metadata()
        return
    if file.size > _LARGEST_SOURCE:
        raise remote_wheel.UnreadableWheelError(f"{file.filename} is too large to be read")
    content = http.fetch(file.url, most_bytes=_LARGEST_SOURCE, seconds=600).content
    try:
        modules = sdist.python_files(content, file.filename)
        text = sdist.package_metadata(content, file.filename)
    except ToolError as error:
        raise remote_wheel.UnreadableWheelError(str(error)) from None
    files = {path: sha256(source).hexdigest()[:16] for path, source in modules.items()}
    yield Distribution(files=files, read=modules.get, before=_without_before(measurement.last)), text


def _without_before(distribution: Distribution | None) -> Distribution | None:
    """A distribution that does not keep the one before it."""
    return replace(distribution, before=None) if distribution else None


def _preference(file: ReleaseFile) -> tuple[bool, bool, bool, str]:
    """The pure wheel first, then a Linux one for CPython 3.11 or for all, then any wheel, then the source archive."""
    name = file.filename
    linux = "linux" in name and "x86_64" in name
    return (
        not file.is_wheel,
        not name.endswith("-none-any.whl"),
        not (linux and ("-cp311-cp311" in name or "-abi3-" in name or "-py3-none-" in name)),
        name,
    )


def _write(
    repo: Repository,
    measurements: Sequence[_Measurement],
    imported_names: Mapping[str, set[Name]],
    today: date,
) -> MeasureResult:
    texts: dict[str, str] = {}
    lines, unread = [], [line for row in measurements for line in dict.fromkeys(row.unread)]
    for row in measurements:
        releases = row.by_release
        if not releases:
            unread.append(f"{row.package.name}: no release could be read")
            continue
        document = build_document(row.package.name, releases, measured=len(row.facts), today=today)
        text = format_document(document)
        texts[_document_path(row.package.name)] = text
        lines.append(f"{row.package.name}: {_summary(document)}, {len(text) / 1000:.0f} kB")
    unread += _unmeasured_names(measurements, imported_names)
    before = {path: repo.text(path) for path in texts}
    with writer.exclusive(repo):
        written = writer.write(
            repo, texts, before={path: text for path, text in before.items() if text is not None}
        )
    facts.forget_measured()
    return MeasureResult(
        lines=tuple(lines), unread=tuple(unread), written=written, problems=facts.problems(today=today)
    )


def _document_path(package: str) -> str:
    return f"{paths.MEASURED}/{package}.json"


def _summary(document: Mapping[str, Any]) -> str:
    names = sum(len(row["names"]) for row in document["imports"])
    provided = sum(len(group) for module in document["names"].values() for group in module.values())
    return (
        f"{len(document['releases'])} releases, {names} imported names, {len(document['checks'])} checks, "
        f"{provided} provided names"
    )


def _unmeasured_names(
    measurements: Sequence[_Measurement], imported_names: Mapping[str, set[Name]]
) -> Iterator[str]:
    """A line for each package of which names are wanted that its facts, which were not renewed, do not have."""
    measured = {row.package.name for row in measurements}
    for provider in sorted({*imported_names} - measured):
        document = facts.measured_document(provider) or {"names": {}}
        stored = {
            (module, name)
            for module, groups in document["names"].items()
            for names in groups.values()
            for name in names
        }
        missing = len(imported_names[provider] - stored)
        if missing:
            yield f"{provider}: {missing} names that are imported of it are not measured; measure {provider} too"
