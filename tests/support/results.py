"""Results of checks: made up, and those of this repository's own services."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin.checks import families
from torchpin.checks.registry import Accepted, Result
from torchpin.commands import judge
from torchpin.description.environments import select_environments
from torchpin.model import Environment, Finding, Lock, Waiver
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.model import Verdict

assert families  # importing it registers the checks

ROOT = Path(__file__).parents[2]
FINDING = Finding(
    location="services/lora/service.yaml:15:21",
    message="no code for B200, at 100%",
    help="Move.\nOr not.",
    about="B200",
    service="lora",
    evidence="a source",
)
WARNING = Finding(location="--gpu B200", message="w", help="r", level="warning")
NOTICE = Finding(
    location="services/lora/service.yaml:18:18",
    message="cu128 is frozen",
    help="plan the update",
    service="lora",
    level="notice",
)
WAIVER = Waiver(check="GPU001", about="B200", reason="Known.", review_by=date(2027, 1, 31))


def make_result(environment: str = "lora-gpu", **changes: Any) -> Result:
    return Result(
        check="GPU001", title="Code", environment=environment, **{"status": "incompatible", **changes}
    )


def open_results() -> tuple[Result, ...]:
    """A result of each status, all of lora-gpu."""
    finding = Finding(
        location="services/lora/service.yaml:15:21",
        message="no code for B200",
        help="move to another build",
        about="B200",
        service="lora",
        evidence="pytorch/builder (2026-11-22)",
    )
    outdated = replace(
        finding, location="DEVIATIONS.md:3", message="out of date", help="run `invoke document`", evidence=""
    )
    warning = replace(finding, level="warning", location="", message="the driver is too old", evidence="")
    titles = {
        "DKR001": "a Dockerfile is out of date",
        "DOC001": "a document is out of date",
        "GPU001": "the build has no code",
        "GPU002": "the driver is too old",
        "IMG001": "an image is not built",
        "TOR001": "the channel does not have torch",
        "TOR002": "the companions do not match",
        "TOR004": "the channel is frozen",
    }

    def result(check: str, status: Verdict, **changes: Any) -> Result:
        return Result(check=check, title=titles[check], environment="lora-gpu", status=status, **changes)

    return (
        result("DKR001", "ok"),
        result("DOC001", "failed", findings=(outdated,)),
        result("GPU001", "waived", accepted=(Accepted(finding=finding, waiver=WAIVER),)),
        result("GPU002", "warning", findings=(warning,)),
        result("IMG001", "skipped", note="no Docker engine", need="docker"),
        result("TOR001", "unknown", unknown=("the files of cu128 are not in the facts",)),
        result("TOR002", "not applicable"),
        result("TOR004", "ok", notices=(NOTICE,)),
    )


@cache
def repo() -> workspace.Repository:
    return workspace.open_repository(ROOT)


@cache
def environments() -> tuple[Environment, ...]:
    return select_environments(repo().services)


@cache
def results() -> tuple[Result, ...]:
    return judge.judge(repo(), environments())


def lora() -> tuple[Environment, Lock]:
    env = next(environment for environment in environments() if environment.name == "lora-gpu")
    return env, workspace.read_lock(repo(), env)
