"""What a report says of services: why one needs attention, its records, deviations, sizes, and what ends its findings."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from support.documents import CPU, GPU, SMALL, declared_lock
from support.reports import committed_report, full_report
from support.results import FINDING, NOTICE, WARNING, environments, lora, make_result, repo
from torchpin.checks.context import CheckContext
from torchpin.model import Change, Environment, Lock, Reason, Recommendation
from torchpin.queries.report import (
    Basis,
    Origin,
    RecordedImage,
    Report,
    build_report,
    cell_state,
    cell_words,
    report_document,
)
from torchpin.queries.support import Cell
from torchpin.records.bump_log import BumpEntry, ServiceChange
from torchpin.records.freeze import format_freeze

if TYPE_CHECKING:
    from torchpin.checks.registry import Result
    from torchpin.model import Service

DAY = date(2026, 11, 26)
ORIGIN = Origin(repository="r", day=DAY)


def report_of(
    service: Service = SMALL,
    *results: Result,
    locks: dict[str, Lock] | None = None,
    descriptions: dict[str, str] | None = None,
    images: dict[str, RecordedImage] | None = None,
    bumps: tuple[BumpEntry, ...] = (),
    origin: Origin = ORIGIN,
    **fields: Any,
) -> Report:
    """The report of a service whose environments are locked as they are described, but for what is given."""
    envs = tuple(Environment(service=service, variant=variant) for variant in service.variants)
    locked = {env.name: declared_lock(service, env.variant) for env in envs} if locks is None else locks
    context = CheckContext(environments=envs, today=DAY, uv="0.13.9", locks=locked, **fields)
    basis = Basis(
        context=context,
        results=results,
        images=images or {},
        descriptions=descriptions or {},
        bumps=bumps,
    )
    return build_report(origin, basis)


def test_a_service_in_order_needs_no_attention() -> None:
    report = report_of(SMALL, make_result("small-gpu", status="ok", notices=(NOTICE,)))
    (service,) = report.services
    assert (service.verdict, service.concerns, report.attention) == ("ok", (), ())


def test_errors_and_warnings_need_attention_and_what_is_unknown_does_not() -> None:
    results = make_result("small-gpu", findings=(FINDING, WARNING, replace(WARNING, message="other")))
    assert report_of(SMALL, results).services[0].concerns == ("1 error", "2 warnings")
    unknown = make_result("small-gpu", status="unknown", unknown=("no fact",))
    (service,) = report_of(SMALL, unknown).services
    assert (service.verdict, service.concerns) == ("unknown", ())


@pytest.mark.parametrize("state", ["missing", "damaged", "out of date"])
def test_a_lock_that_is_not_current_needs_attention_and_has_no_sizes(state: str) -> None:
    env = Environment(service=SMALL, variant=GPU)
    stale = replace(SMALL, layers=(replace(SMALL.layers[0], name="other"),))
    locks = {env.name: declared_lock(stale, GPU)} if state == "out of date" else {}
    files = {env.name: {"00-torch.requirements.txt": "x"}} if state == "damaged" else {}
    report = report_of(locks=locks, lock_files=files, images={env.name: RecordedImage(freeze="tqdm==1\n")})
    (service,) = report.services
    (shown,) = service.environments
    assert (shown.lock, shown.sizes) == (state, None)
    assert service.concerns == (f"the lock of small-gpu is {state}",)
    assert shown.record
    assert shown.record.differences is None


def test_a_record_is_held_against_its_lock() -> None:
    lock = declared_lock(SMALL, GPU)
    freeze = format_freeze({name: package.version for name, package in lock.packages.items()})
    image = RecordedImage(day=date(2026, 11, 20), size=9, freeze=freeze)
    (service,) = report_of(images={"small-gpu": image}).services
    record = service.environments[0].record
    assert record
    assert (record.age, record.size, record.differences, service.concerns) == (6, 9, (), ())
    other = replace(image, freeze=freeze.replace("tqdm==4.66.5", "tqdm==4.0"))
    (service,) = report_of(images={"small-gpu": other}).services
    record = service.environments[0].record
    assert record
    assert record.differences == ("tqdm: 4.66.5 is locked, but 4.0 is installed",)
    assert service.concerns == ("the recorded image of small-gpu differs from its lock in 1 package",)


def test_a_report_of_an_earlier_day_has_no_negative_age() -> None:
    image = RecordedImage(day=date(2026, 11, 20), freeze="")
    report = report_of(images={"small-gpu": image}, origin=replace(ORIGIN, day=date(1970, 1, 1)))
    record = report.services[0].environments[0].record
    assert record
    assert record.age == 0


def test_a_finding_has_the_diff_of_its_description_that_ends_it() -> None:
    env, _ = lora()
    text = repo().text(env.service.file) or ""
    fixed = replace(FINDING, fix=(Change(path="python", value="3.10.15"),), fix_is_safe=True, service="lora")
    hopeless = replace(fixed, message="other", fix=(Change(path="nowhere.at.all", value="1"),))
    result = make_result(findings=(fixed, hopeless, WARNING))
    report = report_of(env.service, result, locks={}, descriptions={env.service.file: text})
    findings = {reported.entry.message: reported for reported in report.services[0].findings}
    diff = findings[fixed.message].diff.splitlines()
    assert diff[:2] == ["--- a/services/lora/service.yaml", "+++ b/services/lora/service.yaml"]
    assert diff[3].startswith('-python: "3.10.14"')
    assert diff[4].startswith('+python: "3.10.15"')
    assert findings[fixed.message].is_safe
    assert (findings["other"].diff, findings["other"].is_safe, findings["w"].diff) == ("", False, "")


def test_deviations_of_a_component_with_one_reason_are_one_row() -> None:
    service = replace(
        SMALL,
        variants=(GPU, CPU),
        recommends=(
            Recommendation(component="tqdm", says=">=5"),
            Recommendation(component="torch", says="2.4.*"),
        ),
        reasons=(Reason(component="torch", because="newer", evidence="tried"),),
    )
    rows = {row.component: row for row in report_of(service).services[0].deviations}
    assert rows["tqdm"].reason is None
    assert [(used.version, used.environments) for used in rows["tqdm"].used] == [("4.66.5", ())]
    assert [(used.version, used.environments) for used in rows["torch"].used] == [
        ("2.5.1+cu121", ("small-gpu",)),
        ("2.5.1+cpu", ("small-cpu",)),
    ]
    assert rows["torch"].reason


def test_builds_without_cuda_are_not_in_the_matrix() -> None:
    report = report_of(replace(SMALL, variants=(GPU, CPU), gpus=("H100",)))
    assert report.matrix.environments == ("small-gpu",)
    assert report.matrix.gpus == ("H100",)
    assert report.matrix.cpu == ("small-cpu",)


def test_the_last_updates_of_the_services_come_newest_first() -> None:
    bumps = tuple(
        BumpEntry(bump=f"torch=={number}", why="", services={name: ServiceChange()})
        for number in range(12)
        for name in ("small", "another")
    )
    shown = report_of(bumps=bumps).bumps
    assert [entry.bump for entry in shown] == [f"torch=={number}" for number in range(11, 1, -1)]
    assert {name for entry in shown for name in entry.services} == {"small"}


def test_sizes_are_those_of_the_lock_and_name_what_has_none() -> None:
    sizes = report_of().services[0].environments[0].sizes
    assert sizes
    assert (sizes.count, sizes.unsized) == (3, ("torch",))
    assert sizes.download.count == 2000
    assert sum(layer.unpacked.count for layer in sizes.layers) == sizes.unpacked.count
    assert sizes.others == sizes.unpacked.count - sum(size.count for _, size in sizes.largest)


def test_the_services_of_this_repository_are_all_reported() -> None:
    report = committed_report()
    assert [service.name for service in report.services] == sorted(
        {env.service.name for env in environments()}
    )
    assert {env.lock for service in report.services for env in service.environments} == {"current"}
    assert report.attention == ()


@pytest.mark.parametrize(
    ("fields", "state", "words"),
    [
        ({}, "ok", "ok"),
        ({"described": True}, "ok", "ok, listed by the service"),
        ({"notes": ("GPU002: x",)}, "warn", "ok, with a finding"),
        ({"verdict": "incompatible"}, "no", "incompatible"),
        ({"verdict": "unknown"}, "unknown", "unknown"),
        ({"verdict": "incompatible", "waived": "old"}, "accepted", "incompatible, accepted: old"),
    ],
)
def test_a_cell_is_shown_as_its_verdict_and_by_what_is_said_of_it(
    fields: dict[str, Any], state: str, words: str
) -> None:
    cell = Cell(**{"environment": "a", "gpu": "b", "verdict": "ok", "reason": "", "evidence": "", **fields})
    assert (cell_state(cell), cell_words(cell)) == (state, words)


def test_the_document_for_programs_has_all_of_it() -> None:
    document = json.loads(json.dumps(report_document(full_report()), default=str))
    assert document["attention"] == ["some words", "some words broken"]
    assert document["origin"]["day"] == "2026-11-26"
    assert document["services"][0]["findings"][0]["diff"].endswith("+some words\n")
    assert document["unreadable"] == {"some words broken": ["services/x/service.yaml:1:1: some words"]}
