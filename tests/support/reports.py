"""Reports for pages: of this repository, and one that has everything a report can have, with any text in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

from support.results import WAIVER, environments, repo, results
from torchpin.checks.report import Entry
from torchpin.model import Reason
from torchpin.queries.forecast import Bytes, LayerBytes
from torchpin.queries.report import (
    Basis,
    EnvironmentState,
    Origin,
    PackageSizes,
    RecordState,
    Report,
    ReportedDeviation,
    ReportedFinding,
    ServiceState,
    UsedVersion,
    build_report,
)
from torchpin.queries.support import Cell, Matrix
from torchpin.records.bump_log import BumpEntry, PolicyStep, ServiceChange
from torchpin.workspace import evidence
from torchpin.workspace.bumps import read_bumps

DAY = date(2026, 11, 26)
SCRIPT = "<script>alert(1)</script>"
HOSTILE = f'{SCRIPT}"><img src=x onerror=alert(2)> {{{{ 7*7 }}}} \u202egpj.exe\u202c'


@cache
def committed_report() -> Report:
    """That of this repository's services, without git."""
    basis = Basis(
        context=evidence.from_repository(
            repo(), environments(), renderings=False, documents=False, records=False
        ),
        results=results(),
        images={},
        descriptions=repo().descriptions,
        bumps=read_bumps(repo()),
    )
    return build_report(Origin(repository="torchpin", day=DAY, commit="a" * 40), basis)


def full_report(text: str = "some words") -> Report:
    """A report with each kind of state; its texts are, or begin with, this one."""
    reports = (_broken_service(text), _unknown_service(text), committed_report().services[1])
    names = tuple(env.name for service in reports for env in service.environments)
    return Report(
        origin=Origin(repository=f"{text} repository", day=DAY, commit="b" * 40, is_changed=True),
        services=reports,
        matrix=Matrix(
            environments=names, gpus=(text, "B200", "H100"), cells=tuple(map(_cells, names)), cpu=(text,)
        ),
        bumps=(_bump(text),),
        notices=(f"{text}: a waiver ends",),
        unreadable={f"{text} broken": (f"services/x/service.yaml:1:1: {text}",)},
        target=f"{text}, driver 550",
    )


def _cells(name: str) -> tuple[Cell, ...]:
    cell = Cell(environment=name, gpu=name, verdict="ok", reason="", evidence="", described=True)
    reason = f"no code in {name}"
    return (
        replace(cell, verdict="unknown", reason=reason, described=False),
        replace(cell, gpu="B200", verdict="incompatible", reason=reason, waived=reason),
        replace(cell, gpu="H100", notes=(reason,)),
    )


def _broken_service(text: str) -> ServiceState:
    entry = Entry(
        kind="error",
        check="GPU001",
        title=text,
        message=f"{text} has no code for `{text}`",
        location=f"services/{text}/service.yaml:1:2",
        help=f"set `torch: {text}`",
        evidence=f"{text} (2026-11-24)",
        environments=(f"{text}-gpu",),
    )
    findings = (
        ReportedFinding(entry=entry, diff=f"--- a\n+++ b\n@@ -1 +1 @@\n-{text}\n+{text}\n", is_safe=True),
        ReportedFinding(entry=replace(entry, kind="warning", level="warning")),
        ReportedFinding(entry=replace(entry, kind="waived", waiver=replace(WAIVER, reason=text))),
    )
    return ServiceState(
        name=text,
        summary=text,
        file=f"services/{text}/service.yaml",
        verdict="incompatible",
        concerns=("1 error", "1 warning", f"the lock of {text} is missing"),
        python="3.11",
        torch=text,
        torch_is_in_base=False,
        gpus=(text, "B200"),
        driver="550",
        budget=10**10,
        environments=(_environment(text, "gpu"), _environment(text, "cpu", differs=True)),
        findings=findings,
        deviations=(
            ReportedDeviation(
                component=text,
                recommendations=((text, text),),
                used=(UsedVersion(version=text, is_choice=True, environments=(text,)),),
                reason=Reason(component=text, because=text, evidence=text),
            ),
            ReportedDeviation(component=text, recommendations=((text, text),), used=(), reason=None),
        ),
    )


def _unknown_service(text: str) -> ServiceState:
    entry = Entry(kind="unknown", check="TOR001", title=text, message=text, environments=("plain-gpu",))
    missing = replace(_environment("plain", "gpu"), lock="missing", sizes=None, record=None)
    return replace(
        _broken_service("plain"),
        verdict="unknown",
        concerns=(),
        environments=(missing,),
        findings=(
            ReportedFinding(entry=entry),
            ReportedFinding(entry=replace(entry, kind="notice", level="notice", help=text)),
        ),
        deviations=(),
    )


def _environment(text: str, variant: str, *, differs: bool = False) -> EnvironmentState:
    half = Bytes(count=3 * 10**9, exact=False)
    layer = LayerBytes(
        name=text, place="torch", packages=(text,), download=half, unpacked=half, chain="0" * 64
    )
    return EnvironmentState(
        name=f"{text}-{variant}",
        variant=variant,
        platform="linux/amd64",
        build="cu126",
        cuda="12.6",
        base=f"{text}/a/very/long/name/of/a/base-image-that-has-to-be-broken-somewhere:{text}",
        digest="",
        lock="current",
        record=RecordState(
            day=date(2026, 11, 20),
            age=6,
            size=9 * 10**9,
            differences=(f"{text}: 1 is locked, but 2 is installed",) if differs else (),
        ),
        sizes=PackageSizes(
            download=half,
            unpacked=half + half + half,
            layers=(layer, replace(layer, name=f"{text} other")),
            largest=((text, half), (f"{text} other", half)),
            count=12,
            unsized=(text,),
            unknown=(f"the base image {text}",),
        ),
    )


def _bump(text: str) -> BumpEntry:
    steps = (PolicyStep(state="done", when="2026-11-24T12:39:35Z", who=text), *(PolicyStep(),) * 4)
    change = ServiceChange(pins=(f"{text} 1 -> 2",), packages=(text,), resolved=(text,), new=(text, text))
    return BumpEntry(bump=text, why=text, services={text: change}, held_back={"lora": text}, steps=steps)
