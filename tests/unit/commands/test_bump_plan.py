"""The request of an update: what cannot be combined, and what is planned before anything is resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.bumps import ROOT, bump_context, plans
from torchpin.bump.target import parse_targets
from torchpin.commands import bump_plan, bump_steps
from torchpin.commands.bump_plan import BumpRequest, PlannedBump
from torchpin.commands.parallel import ignore
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.workspace.workspace import Repository


@pytest.fixture(scope="module")
def repo() -> Repository:
    return workspace.open_repository(ROOT)


def planned_bump(*targets: str, service: str) -> PlannedBump:
    plan = plans(*targets, services=(service,))[service]
    return PlannedBump(targets=parse_targets(*targets), context=bump_context(), plans=(plan,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ("a==1",), "undo": True}, "cannot be combined"),
        ({"undo": True, "overwrite": True}, "`--undo` conflicts with `--overwrite`"),
        ({"resume": True, "lab": True}, "`--resume` conflicts with `--lab`"),
        ({"undo": True, "lab": True}, "`--undo` conflicts with `--lab`"),
        ({"targets": ("a==1",), "offline": True}, "`--offline` needs `--dry-run`"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BumpRequest(**options)  # type: ignore[arg-type]


def test_the_name_of_a_service_is_no_target(repo: Repository) -> None:
    request = BumpRequest(targets=("torch==2.8.0", "lora"), dry_run=True, offline=True)
    with pytest.raises(InputError, match=r"lora is a service, .* pass `--service lora`"):
        bump_plan.plan_bump(repo, request, services=())


def test_reasons_of_the_request_are_those_of_the_plan(repo: Repository) -> None:
    request = BumpRequest(
        targets=("numpy==1.26.3",), reasons=("numpy=a", "for all"), dry_run=True, offline=True
    )
    planned = bump_plan.plan_bump(repo, request, services=("zopilot",))
    assert (planned.context.reason, planned.context.reasons) == ("for all", {"numpy": "a"})


def test_what_changes_no_lock_is_not_resolved(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bump_steps, "resolve_update", lambda *_, **__: pytest.fail("resolved"))
    planned = planned_bump("base=nvidia/cuda:12.4.1-runtime-ubuntu22.04", service="zopilot")
    assert planned.plans[0].moves
    request = BumpRequest(targets=("base",), dry_run=True)
    assert bump_plan.resolve_plan(repo, planned, request, ignore) is planned


def test_offline_the_plan_rests_on_facts_and_says_so(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bump_steps, "resolve_update", lambda *_, **__: pytest.fail("resolved"))
    request = BumpRequest(targets=("x",), dry_run=True, offline=True)
    planned = bump_plan.resolve_plan(repo, planned_bump("tqdm==4.67.1", service="lora"), request, ignore)
    assert [plan.resolution for plan in planned.plans] == ["unknown, by facts alone: `--offline`"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_where_uv_cannot_tell_a_plan_says_so_and_an_update_ends(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ToolError("no release fits\na 1 is recorded, of\n  2026\n" + "and more\n" * 99)

    monkeypatch.setattr(bump_steps, "resolve_update", fail)
    planned = planned_bump("tqdm==4.67.1", service="lora")
    request = BumpRequest(targets=("x",), dry_run=dry_run)
    if dry_run:
        (plan,) = bump_plan.resolve_plan(repo, planned, request, ignore).plans
        assert plan.resolution.startswith(
            "unknown, by facts alone: no release fits; a 1 is recorded, of 2026; and more; "
        )
        assert plan.resolution.endswith("; and more; …")  # cut between lines
    else:
        with pytest.raises(ToolError, match="no release fits"):
            bump_plan.resolve_plan(repo, planned, request, ignore)


def test_pins_without_a_solution_end_a_plan_too(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FindingsError("a requires b")

    monkeypatch.setattr(bump_steps, "resolve_update", fail)
    with pytest.raises(FindingsError, match="a requires b"):
        bump_plan.resolve_plan(
            repo, planned_bump("tqdm==4.67.1", service="lora"), BumpRequest(dry_run=True), ignore
        )


def test_a_source_at_another_commit_has_to_be_read_and_one_that_stays_has_not() -> None:
    planned = planned_bump("sd-scripts@v0.10.1", service="lora")
    assert [source.tag for source in bump_plan._unread_sources(planned, planned.plans[0])] == ["v0.10.1"]
    planned = planned_bump("toml==0.10.1", service="lora")
    assert bump_plan._unread_sources(planned, planned.plans[0]) == []


def test_answers_become_reasons_of_what_they_answer() -> None:
    planned = planned_bump("torch==2.7.1", service="zopilot")
    assert [opening.key for opening in planned.unanswered] == [
        "BAS002:nvidia/cuda:12.6.3-base-ubuntu22.04",
        "base",
        "torch",
    ]
    request = BumpRequest(targets=("x",), reasons=("BAS002:nvidia/cuda:12.6.3-base-ubuntu22.04=so",))
    answered = bump_plan.with_reasons(planned, request.parsed_reasons)
    assert [opening.key for opening in answered.unanswered] == ["base", "torch"]
    (waiver,) = answered.plans[0].service_after.waivers
    assert (waiver.check, waiver.reason) == ("BAS002", "so")
    with pytest.raises(InputError, match="no finding or deviation of this name"):
        bump_plan.with_reasons(planned, BumpRequest(reasons=("scipy=a",)).parsed_reasons)
