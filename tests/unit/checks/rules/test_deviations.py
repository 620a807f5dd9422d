"""DEV: deviations with a reason, waivers before their review date, reasons for a deviation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases
from support.checks import FILE, TODAY, Builders, judge_check, make_context, make_positions, run_check, waiver
from support.sources import POSITIONS, make_environment, with_upstream_requirements
from torchpin.checks import waivers
from torchpin.compat.recommendations import is_undetermined, used_components
from torchpin.model import Environment, Override, Reason, Recommendation, Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments, Locks
    from torchpin.checks.registry import Result


def check_override(kit: Builders, requirement: str) -> Result:
    """DEV004 of an override of tqdm, where diffusers requires it so."""
    override = Override(package=Requirement("tqdm==4.66.5"), because="less memory", evidence="an issue")
    env = kit.environment(overrides=(override,), positions=make_positions("overrides[0].package"))
    packages = (
        kit.artifact("tqdm", "4.66.5", by=("lora", "diffusers")),
        kit.artifact("diffusers", "0.32.1", by=("lora",)),
    )
    lock = kit.lock(env, *packages)
    wheels = tuple(
        replace(wheel, requires=(requirement,)) if wheel.name == "diffusers" else wheel
        for wheel in lock.wheels
    )
    return kit.check_lock("DEV004", env, locks=replace(lock, wheels=wheels))


def recommendation(component: str, requirement: str) -> dict[str, Any]:
    return {"recommends": (Recommendation(component=component, says=requirement),)}


def of_files(*rows: tuple[str, str]) -> dict[str, Any]:
    return {
        "recommends": tuple(
            Recommendation(component=name, says=says, by="requirements.txt") for name, says in rows
        )
    }


PASSES = [
    Case("DEV001", "a left out package with its reason", lambda kit: kit.check_lock(
        "DEV001", kit.environment(**of_files(("web", "any")), reasons=(Reason(component="web", because="tests", evidence="own"),)),
    )),
    Case("DEV001", "nothing deviates", lambda kit: kit.check_lock("DEV001", kit.environment(**recommendation("torch", "2.5.x")))),
    Case(
        "DEV001",
        "a deviation with its reason",
        lambda kit: kit.check_lock(
            "DEV001",
            kit.environment(
                **recommendation("torch", "2.6.0"),
                reasons=(Reason(component="torch", because="held", evidence="a run"),),
            ),
        ),
    ),
    Case(
        "DEV002",
        "a waiver on its last day",
        lambda kit: run_check(kit.environment(waivers=(waiver("GPU001", "B200"),)), "DEV002"),
    ),
    Case(
        "DEV003",
        "a reason for a deviation",
        lambda kit: kit.check_lock(
            "DEV003",
            kit.environment(
                **recommendation("torch", "2.6.0"),
                reasons=(Reason(component="torch", because="held", evidence="a run"),),
            ),
        ),
    ),
    Case("DEV004", "a package refuses the version", lambda kit: check_override(kit, "tqdm<4.60")),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    assert_passes(case, kit)


FAILS = [
    Case(
        "DEV001", "a deviation without a reason",
        lambda kit: kit.check_lock("DEV001", kit.environment(**recommendation("torch", "2.6.0"), positions=make_positions("reasons"))),
        f"{FILE}:7:3", "torch 2.5.1+cu121 deviates without a reason; recommended: 2.6.0 (report)",
    ),
    Case(
        "DEV001", "without a line to point at",
        lambda kit: kit.check_lock("DEV001", kit.environment(**recommendation("opencv-python", "4.10"))),
        FILE, "opencv-python not installed deviates without a reason; recommended: 4.10 (report)",
    ),
    Case(
        "DEV001", "a package that a project's file asks for, and no layer has",
        lambda kit: kit.check_lock("DEV001", kit.environment(**of_files(("web", "any"), ("rows", "<2"), ("torch", "2.5.x")))),
        FILE, "no layer has web and rows<2, which requirements.txt asks for",
    ),
    Case(
        "DEV001", "the same without a lock",
        lambda kit: run_check(kit.environment(**of_files(("web", "1.0"))), "DEV001"),
        FILE, "no layer has web==1.0, which requirements.txt asks for",
    ),
    Case(
        "DEV002", "a waiver past its review",
        lambda kit: run_check(
            kit.environment(
                waivers=(waiver("GPU001", "B200", TODAY - timedelta(days=1)),), positions=make_positions("waivers[0].review_by")
            ),
            "DEV002",
        ),
        f"{FILE}:7:3", "the waiver of GPU001 for B200 expired on 2026-11-30",
    ),
    Case(
        "DEV002", "a waiver of a check that does not exist",
        lambda kit: run_check(kit.environment(waivers=(waiver("GPU999", "B200"),)), "DEV002"),
        FILE, "the waiver of GPU999 for B200 names a check that does not exist",
    ),
    Case(
        "DEV002", "a waiver that waives its own end",
        lambda kit: run_check(
            kit.environment(waivers=(waiver("DEV002", "B200", TODAY - timedelta(days=1)),)), "DEV002"
        ),
        FILE, "the waiver of DEV002 for B200 expired on 2026-11-30",
    ),
    Case(
        "DEV003", "a reason for nothing",
        lambda kit: kit.check_lock(
            "DEV003",
            kit.environment(
                reasons=(Reason(component="torch", because="held", evidence="a run"),), positions=make_positions("reasons.torch")
            ),
        ),
        f"{FILE}:7:3", "the reason for torch explains no deviation",
    ),
    Case(
        "DEV004", "everything allows the version",
        lambda kit: check_override(kit, "tqdm>=4"),
        f"{FILE}:7:3", "the override tqdm==4.66.5 is not needed: everything that requires it allows it",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


@pytest.mark.parametrize(
    ("days", "noticed"), [(-1, False), (0, True), (1, True), (14, True), (15, False), (400, False)]
)
def test_the_expiry_of_a_waiver_has_a_notice_fourteen_days_before(
    days: int, noticed: bool, kit: Builders
) -> None:
    end = TODAY + timedelta(days=days)
    env = kit.environment(waivers=(waiver("GPU001", "B200", end),))
    notice = f"lora: the waiver of GPU001 for B200 expires on {end.isoformat()}"
    assert waivers.ending_waivers(make_context(env), env) == ((notice,) if noticed else ())
    assert (run_check(env, "DEV002").status == "failed") == (days < 0)


def environment_with_recommendations(
    environment: Environments, *pairs: tuple[str, str], **changes: Any
) -> Environment:
    recommendations = tuple(
        Recommendation(component=component, says=requirement, by="the page")
        for component, requirement in pairs
    )
    return environment(recommends=recommendations, positions=POSITIONS, **changes)


def test_a_capability_is_compared_with_the_facts(environment: Environments) -> None:
    env = environment_with_recommendations(environment, ("GeForce RTX 5060 Ti", "8.9"), gpus=("RTX 5060 Ti",))
    (finding,) = judge_check(env, "DEV001").findings
    assert (finding.location, finding.about, finding.level) == (
        f"{FILE}:4:3",
        "GeForce RTX 5060 Ti",
        "warning",
    )
    assert (
        finding.message == "GeForce RTX 5060 Ti 12.0 deviates without a reason; recommended: 8.9 (the page)"
    )
    assert "developer.nvidia.com" in finding.evidence
    right = environment_with_recommendations(environment, ("RTX 5060 Ti", "12.0"), gpus=("RTX 5060 Ti",))
    assert judge_check(right, "DEV001").status == "ok"


@pytest.mark.parametrize(
    ("pair", "changes", "used"),
    [
        (("cuDNN", "8.9.x"), {}, "9.1.0.70"),
        (("torch", "2.5.1+cu121"), {"channel": "pypi"}, "2.5.1+cu124"),
        (("CUDA", "12.4"), {}, "12.1"),
        (("CUDA", "12.1"), {"channel": "cpu"}, "not installed"),
        (("base", "ubuntu:22.04"), {}, "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"),
        (("Python", "3.11"), {}, "3.10.14"),
        (("tqdm", ">=5"), {}, "4.66.5"),
        (("flash-attn", "any"), {}, "not installed"),
    ],
)
def test_what_is_used_is_known_without_a_lock_from_description_and_facts(
    pair: tuple[str, str], changes: dict[str, Any], used: str, environment: Environments
) -> None:
    (finding,) = judge_check(
        environment_with_recommendations(environment, pair, **changes), "DEV001"
    ).findings
    assert finding.message == f"{pair[0]} {used} deviates without a reason; recommended: {pair[1]} (the page)"


def test_a_component_that_only_a_lock_has_is_unknown_without_one(
    environment: Environments, lock: Locks
) -> None:
    env = environment_with_recommendations(environment, ("numpy", "<2"), ("tqdm", "4.66.5"))
    result = judge_check(env, "DEV001")
    assert (result.status, result.findings, result.unknown) == (
        "unknown", (), ("numpy <2 is recommended (the page); the version in use is unknown without a lock",),
    )  # fmt: skip
    with_lock = judge_check(env, "DEV001", lock(env))
    assert with_lock.unknown == ()
    assert (
        with_lock.findings[0].message
        == "numpy not installed deviates without a reason; recommended: <2 (the page)"
    )


def test_the_base_image_s_own_cudnn_is_not_called_missing(environment: Environments) -> None:
    torch = Torch(version=Version("2.5.1"), companions={}, origin="base")
    env = environment_with_recommendations(environment, ("cuDNN", "9.1"), torch=torch)
    assert is_undetermined(env, None, "cuDNN", used_components(env, None))
    assert judge_check(env, "DEV001").status == "unknown"


def test_the_requirements_of_a_source_are_not_checked_by_dev001(
    environment: Environments, lock: Locks
) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    assert (
        judge_check(env, "DEV001", with_upstream_requirements(lock(env), "tqdm==4.0")).status
        == "not applicable"
    )
    recommending_env = make_environment(
        environment, "tqdm==4.66.5", recommends=(Recommendation(component="tqdm", says="4.1", by="the page"),)
    )
    (finding,) = judge_check(
        recommending_env, "DEV001", with_upstream_requirements(lock(recommending_env), "tqdm==4.0")
    ).findings
    assert finding.message == "tqdm 4.66.5 deviates without a reason; recommended: 4.1 (the page)"


def test_without_a_recommendation_nothing_is_judged(environment: Environments) -> None:
    assert judge_check(environment(), "DEV001").status == "not applicable"
