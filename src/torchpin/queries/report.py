"""How a repository's services stand, as one value: for the page that others are shown, and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from torchpin import facts
from torchpin.checks.report import Entry, entries
from torchpin.checks.run import verdicts
from torchpin.compat.compiled import compiled_versions
from torchpin.compat.recommendations import compute_deviations
from torchpin.description.edit import apply_changes, unified_diff
from torchpin.description.environments import cuda_version, torch_build
from torchpin.errors import InputError
from torchpin.lock.layers import outdated_files
from torchpin.memory import remembering
from torchpin.quantities import count
from torchpin.queries.forecast import BaseBytes, forecast
from torchpin.queries.support import build_matrix, select_gpus
from torchpin.records.freeze import freeze_differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Result
    from torchpin.model import Deviation, Environment, Finding, Lock, Reason, Service, Verdict
    from torchpin.queries.forecast import Bytes, LayerBytes
    from torchpin.queries.support import Cell, Matrix
    from torchpin.records.bump_log import BumpEntry

LAST_BUMPS = 10  # updates that are shown
LockState = Literal["current", "out of date", "damaged", "missing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What a report is of: the name of the repository, its commit ("" outside of git), whether files differ from that.

    `day`: the report's date (UTC).
    """

    repository: str
    day: date
    commit: str = ""
    is_changed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedImage:
    """What the record of an image says. `day`: when it was committed; None: it is in no commit. `size`: bytes, if stated."""

    day: date | None = None
    size: int | None = None
    freeze: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordState:
    """A record held against its lock. `age`: days since it was committed; `differences`: None without a current lock."""

    day: date | None
    age: int | None
    size: int | None
    differences: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageSizes:
    """The bytes of an environment's packages, from its lock: `unpacked` is on a disk.

    `unsized`: packages of which the lock has no bytes, which are in no sum; `unknown`: what else an image holds.
    """

    download: Bytes
    unpacked: Bytes
    layers: tuple[LayerBytes, ...]
    largest: tuple[tuple[str, Bytes], ...]
    count: int
    unsized: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def others(self) -> int:
        """The bytes on a disk of the packages that `largest` does not name."""
        return self.unpacked.count - sum(size.count for _, size in self.largest)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentState:
    """One environment. `cuda`: None for a build without CUDA; `record`: None where no image was recorded."""

    name: str
    variant: str
    platform: str
    build: str
    cuda: str | None
    base: str
    digest: str
    lock: LockState
    record: RecordState | None
    sizes: PackageSizes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedFinding:
    """A finding or an unknown, and the diff of the description that ends it: "" where no edit does. `is_safe`: `--fix` makes it."""

    entry: Entry
    diff: str = ""
    is_safe: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedVersion:
    """What is used of a component. `environments`: those that use it, none where all of the service do."""

    version: str
    is_choice: bool
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedDeviation:
    """The deviations of a component for one reason; `recommendations` has (by, says) of each that one of them does not meet."""

    component: str
    recommendations: tuple[tuple[str, str], ...]
    used: tuple[UsedVersion, ...]
    reason: Reason | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceState:
    """One service. `concerns`: why it needs attention, as clauses; none where nothing has to be done."""

    name: str
    summary: str
    file: str
    verdict: Verdict
    concerns: tuple[str, ...]
    python: str
    torch: str
    torch_is_in_base: bool
    gpus: tuple[str, ...]
    driver: str
    budget: int | None
    environments: tuple[EnvironmentState, ...]
    findings: tuple[ReportedFinding, ...]
    deviations: tuple[ReportedDeviation, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How the services stand. `bumps`: the last ones, the newest first.

    `unreadable`: the problems of services whose descriptions cannot be read, by name; `target`: the GPUs and the driver that
    were judged in place of the described ones, as words.
    """

    origin: Origin
    services: tuple[ServiceState, ...]
    matrix: Matrix
    bumps: tuple[BumpEntry, ...]
    notices: tuple[str, ...] = ()
    unreadable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    target: str = ""

    @property
    def attention(self) -> tuple[str, ...]:
        """The services that need attention; those that cannot be read do."""
        return (*(service.name for service in self.services if service.concerns), *self.unreadable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What a report rests on: locks and damaged locks by a context, the other mappings by environment, or by path."""

    context: CheckContext
    results: Sequence[Result]
    images: Mapping[str, RecordedImage]
    descriptions: Mapping[str, str]
    bumps: Sequence[BumpEntry] = ()


def build_report(
    origin: Origin,
    basis: Basis,
    *,
    gpus: Sequence[str] = (),
    notices: Sequence[str] = (),
    unreadable: Mapping[str, tuple[str, ...]] | None = None,
    target: str = "",
) -> Report:
    """The report of the context's environments. `gpus`: the columns of its matrix in place of those that services list."""
    environments = basis.context.environments
    services = {env.service.name: env.service for env in environments}
    chosen = [entry for entry in reversed(basis.bumps) if services.keys() & {*entry.services}]
    service_verdicts = verdicts(basis.results, environments)
    return Report(
        origin=origin,
        services=tuple(
            _service_state(origin, basis, service, service_verdicts[name])
            for name, service in services.items()
        ),
        matrix=build_matrix(environments, gpus or select_gpus(environments), basis.results),
        bumps=tuple(chosen[:LAST_BUMPS]),
        notices=tuple(notices),
        unreadable=unreadable or {},
        target=target,
    )


def _service_state(origin: Origin, basis: Basis, service: Service, verdict: Verdict) -> ServiceState:
    environments = [env for env in basis.context.environments if env.service.name == service.name]
    names = {env.name for env in environments}
    states = []
    for env in environments:
        with remembering():
            states.append(_environment_state(origin, basis, env))
    findings = _findings([row for row in basis.results if row.environment in names], basis.descriptions)
    return ServiceState(
        name=service.name,
        summary=service.summary,
        file=service.file,
        verdict=verdict,
        concerns=tuple(_concerns(findings, states)),
        python=str(service.python),
        torch=str(service.torch.version),
        torch_is_in_base=service.torch.origin == "base",
        gpus=facts.own_gpu_names(service.gpus),
        driver=service.driver or "",
        budget=service.budget_bytes,
        environments=tuple(states),
        findings=findings,
        deviations=_deviations(environments, basis.context.locks),
    )


def _environment_state(origin: Origin, basis: Basis, env: Environment) -> EnvironmentState:
    lock = basis.context.locks.get(env.name)
    lock_state = _lock_state(basis.context, env, lock)
    current = lock if lock_state == "current" else None
    image = basis.images.get(env.name, RecordedImage())
    return EnvironmentState(
        name=env.name,
        variant=env.variant.name,
        platform=env.variant.platform,
        build=torch_build(env) or env.variant.channel,
        cuda=cuda_version(env),
        base=env.base.image,
        digest=env.base.digest or "",
        lock=lock_state,
        record=_record_state(origin, env, image, current),
        sizes=_package_sizes(env, current) if current else None,
    )


def _lock_state(context: CheckContext, env: Environment, lock: Lock | None) -> LockState:
    if lock is None:
        return "damaged" if context.lock_files.get(env.name) else "missing"
    return "out of date" if any(outdated_files(env, lock)) else "current"


def _record_state(
    origin: Origin, env: Environment, image: RecordedImage, lock: Lock | None
) -> RecordState | None:
    if image.freeze is None:
        return None
    return RecordState(
        day=image.day,
        # a report may be dated before the record, by SOURCE_DATE_EPOCH
        age=max((origin.day - image.day).days, 0) if image.day else None,
        size=image.size,
        differences=freeze_differences(image.freeze, lock, compiled_versions(env)) if lock else None,
    )


def _package_sizes(env: Environment, lock: Lock) -> PackageSizes:
    sizes = forecast(env, lock, base=BaseBytes(), own_files=0)
    return PackageSizes(
        download=sizes.download,
        unpacked=sizes.packages,
        layers=sizes.layers,
        largest=sizes.largest,
        count=sum(len(layer.packages) for layer in sizes.layers),
        unsized=tuple(sorted(package.name for package in lock.packages.values() if package.size is None)),
        unknown=tuple(text for text in sizes.unknown if not text.startswith("the files of")),
    )


def _findings(results: Iterable[Result], descriptions: Mapping[str, str]) -> tuple[ReportedFinding, ...]:
    rows = list(results)
    by_words: dict[tuple[str, str, str, str], Finding] = {
        (row.check, finding.location, finding.message, finding.help): finding
        for row in rows
        for finding in (*row.findings, *row.notices)
    }
    reported = []
    for entry in entries(rows):
        finding = by_words.get((entry.check, entry.location, entry.message, entry.help))
        diff = _fix_diff(finding, descriptions) if finding and entry.waiver is None else ""
        is_safe = bool(diff and finding and finding.fix_is_safe)
        reported.append(ReportedFinding(entry=entry, diff=diff, is_safe=is_safe))
    return tuple(reported)


def _fix_diff(finding: Finding, descriptions: Mapping[str, str]) -> str:
    """The edits of a finding as a diff of its description; "" where there are none, or where the text does not take them."""
    file = next((path for path in descriptions if path.split("/")[1:2] == [finding.service]), "")
    if not finding.fix or not file:
        return ""
    before = descriptions[file]
    try:
        return unified_diff(before, apply_changes(before, list(finding.fix), file=file), file)
    except InputError:  # written in a way that cannot be edited in place; the help says it in words
        return ""


def _deviations(
    environments: Sequence[Environment], locks: Mapping[str, Lock]
) -> tuple[ReportedDeviation, ...]:
    """The deviations of locked environments, those of one component beside each other."""
    locked = [env for env in environments if env.name in locks]
    names: dict[Deviation, list[str]] = {}
    for env in locked:
        for deviation in compute_deviations(env, locks[env.name]):
            names.setdefault(deviation, []).append(env.name)
    order = list(dict.fromkeys(deviation.component for deviation in names))
    groups: dict[tuple[str, Reason | None], list[Deviation]] = {}
    for deviation in sorted(names, key=lambda deviation: order.index(deviation.component)):
        groups.setdefault((deviation.component, deviation.reason), []).append(deviation)
    return tuple(
        ReportedDeviation(
            component=component,
            recommendations=tuple(
                dict.fromkeys(pair for deviation in group for pair in deviation.recommendations)
            ),
            used=tuple(
                UsedVersion(
                    version=deviation.used,
                    is_choice=deviation.is_choice,
                    environments=() if len(names[deviation]) == len(locked) else tuple(names[deviation]),
                )
                for deviation in group
            ),
            reason=reason,
        )
        for (component, reason), group in groups.items()
    )


def _concerns(findings: Iterable[ReportedFinding], states: Iterable[EnvironmentState]) -> Iterable[str]:
    """Why a service needs attention."""
    kinds = [reported.entry.kind for reported in findings]
    for kind in ("error", "warning"):
        if number := kinds.count(kind):
            yield count(number, kind)
    for state in states:
        if state.lock != "current":
            yield f"the lock of {state.name} is {state.lock}"
        elif state.record and state.record.differences:
            packages = count(len(state.record.differences), "package")
            yield f"the recorded image of {state.name} differs from its lock in {packages}"


def cell_state(cell: Cell) -> Literal["ok", "no", "unknown", "warn", "accepted"]:
    """How a cell of the matrix is shown: what is waived, or has another check's finding, is not plainly ok or incompatible."""
    if cell.waived:
        return "accepted"
    if cell.verdict == "ok":
        return "warn" if cell.notes else "ok"
    return "no" if cell.verdict == "incompatible" else "unknown"


def cell_words(cell: Cell) -> str:
    """The same in words."""
    waived = f", accepted: {cell.waived}" if cell.waived else ""
    listed = ", listed by the service" if cell.described else ""
    return f"{cell.verdict}{waived}{', with a finding' if cell.notes else ''}{listed}"


def report_document(report: Report) -> dict[str, Any]:
    """A report for programs, with the names of the services that need attention."""
    return {**asdict(report), "attention": list(report.attention)}
