"""BAS: tags that exist, digests, CUDA that is there once, and what an image brings."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from torchpin import facts
from torchpin.checks import rules, run
from torchpin.checks.context import CheckContext
from torchpin.model import Base, Change, Torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.checks.registry import Result
    from torchpin.model import Environment

    Make = Callable[..., Environment]

assert rules  # importing it registers the checks

TODAY = date(2026, 12, 1)
PYTORCH = "pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel"


def run_check(env: Environment, check: str, *, today: date = TODAY) -> Result:
    evidence = CheckContext(environments=(env,), today=today, uv="0.13.9")
    (result,) = [candidate for candidate in run.run(evidence, judge=True) if candidate.check == check]
    return result


def environment_on(environment: Make, image: str, digest: str | None = None, **changes: Any) -> Environment:
    return environment(base=Base(image=image, digest=digest), **changes)


def torch_of_base(version: str) -> Torch:
    return Torch(version=Version(version), companions=MappingProxyType({}), origin="base")


# --- BAS001 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("12.4.1-cudnn8-devel-ubuntu22.04", "for CUDA 12.4.1 the suffix is -cudnn-, not -cudnn8-"),
        ("12.4.1-cudnn9-devel-ubuntu22.04", "for CUDA 12.4.1 the suffix is -cudnn-, not -cudnn9-"),
        ("12.1.1-cudnn-devel-ubuntu22.04", "for CUDA 12.1.1 the suffix is -cudnn8-, not -cudnn-"),
        ("12.3.2-cudnn-devel-ubuntu22.04", "for CUDA 12.3.2 the suffix is -cudnn9-, not -cudnn-"),
        ("12.1-devel-ubuntu22.04", "12.1 is no full X.Y.Z"),
        ("latest", "its tags are <X.Y.Z>-<variant>-<system>, and there is no latest"),
    ],
)
def test_a_tag_that_breaks_the_grammar_cannot_exist(tag: str, problem: str, environment: Make) -> None:
    (finding,) = run_check(environment_on(environment, f"nvidia/cuda:{tag}"), "BAS001").findings
    assert (finding.message, finding.level) == (f"nvidia/cuda:{tag} cannot exist: {problem}", "error")
    assert "nvidia" in finding.evidence.lower()


def test_the_nearest_tag_that_exists_is_the_repair(environment: Make) -> None:
    (finding,) = run_check(
        environment_on(environment, "nvidia/cuda:12.4.1-cudnn8-devel-ubuntu22.04"), "BAS001"
    ).findings
    digest = "sha256:622e78a1d02c0f90ed900e3985d6c975d8e2dc9ee5e61643aed587dcf9129f42"
    assert finding.fix == (
        Change(path="base.image", value="nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04"),
        Change(path="base.digest", value=digest),
    )


@pytest.mark.parametrize(
    ("image", "status", "level"),
    [
        ("nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04", "ok", ""),
        ("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "found", "warning"),  # superseded
        ("nvidia/cuda:14.0.0-devel-ubuntu26.04", "unknown", ""),  # newer than the list
        ("example/own:1", "unknown", ""),
        ("ubuntu:20.04", "found", "warning"),
        ("ubuntu:22.04", "ok", ""),
        ("python:3.10-slim-bookworm", "found", "warning"),
        ("pytorch/pytorch:2.7.1-cudnn9", "found", "error"),
        ("runpod/pytorch:latest", "found", "error"),
        (PYTORCH, "ok", ""),
    ],
)
def test_a_base_is_there_or_not_or_not_known(image: str, status: str, level: str, environment: Make) -> None:
    result = run_check(environment_on(environment, image), "BAS001")
    assert (result.status, "".join(finding.level for finding in result.findings)) == (status, level)


def test_an_end_of_life_is_a_matter_of_the_day(environment: Make) -> None:
    env = environment_on(environment, "python:3.10-slim-bookworm")
    assert run_check(env, "BAS001", today=date(2026, 10, 31)).status == "ok"
    assert run_check(env, "BAS001", today=date(2026, 11, 1)).status == "found"


def test_every_known_base_obeys_its_repository_s_grammar(environment: Make) -> None:
    for row in facts.base_images():
        result = run_check(environment_on(environment, row.image), "BAS001")
        assert not [finding for finding in result.findings if "cannot exist" in finding.message], row.image


# --- BAS002 ----------------------------------------------------------------------------------------------------------


def test_a_missing_digest_is_written_from_facts_or_asked_for(environment: Make) -> None:
    (fixable,) = run_check(environment_on(environment, PYTORCH), "BAS002").findings
    row = facts.base_image(PYTORCH)
    assert row
    assert (fixable.fix, fixable.fix_is_safe, fixable.level) == (
        (Change(path="base.digest", value=row.digest),),
        True,
        "warning",
    )
    (unfixable,) = run_check(environment_on(environment, "ubuntu:22.04"), "BAS002").findings
    assert (unfixable.fix, unfixable.fix_is_safe) == ((), False)
    assert "docker buildx imagetools inspect ubuntu:22.04" in unfixable.help


def test_another_digest_than_the_recorded_is_unknown(environment: Make) -> None:
    row = facts.base_image(PYTORCH)
    assert row
    assert run_check(environment_on(environment, PYTORCH, row.digest), "BAS002").status == "ok"
    assert run_check(environment_on(environment, PYTORCH, "sha256:" + "0" * 64), "BAS002").status == "unknown"


# --- BAS003 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "channel", "status", "message"),
    [
        (
            "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04",
            "cu121",
            "found",
            "they disagree: cuDNN 8.9.0.131 and 9.1.0.70",
        ),
        ("nvidia/cuda:12.1.1-devel-ubuntu22.04", "cu124", "found", "they disagree: CUDA 12.1.1 and 12.4"),
        ("nvidia/cuda:11.8.0-devel-ubuntu22.04", "cu124", "found", "does not compile with another major"),
        ("nvidia/cuda:12.1.1-runtime-ubuntu22.04", "cu121", "found", "carries a CUDA runtime"),
        ("nvidia/cuda:12.1.1-base-ubuntu22.04", "cu121", "ok", ""),
        ("ubuntu:22.04", "cu121", "ok", ""),
        ("ubuntu:22.04", "cpu", "moot", ""),
        ("example/own:1", "cu121", "unknown", ""),
    ],
)
def test_cuda_is_there_once_and_the_same(
    image: str, channel: str, status: str, message: str, environment: Make
) -> None:
    env = environment_on(
        environment, image, channel=channel, torch=Torch(version=Version("2.5.1"), companions={})
    )
    result = run_check(env, "BAS003")
    assert result.status == status
    assert all(message in finding.message and finding.level == "warning" for finding in result.findings)


def test_the_weight_of_what_comes_twice_is_told_from_the_lock(environment: Make, lock: Any) -> None:
    env = environment()
    env_lock = lock(env)
    evidence = CheckContext(environments=(env,), today=TODAY, uv="0.13.9", locks={env.name: env_lock})
    (result,) = [candidate for candidate in run.run(evidence, judge=True) if candidate.check == "BAS003"]
    assert "(0 MB of packages)" in result.findings[0].message  # the stand-in's ten bytes


# --- BAS004, BAS005 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python", "image", "status"),
    [("3.11", PYTORCH, "ok"), ("3.10", PYTORCH, "found"), ("3.10", "example/own:1", "unknown")],
)
def test_with_torch_from_the_base_its_python_is_the_one(
    python: str, image: str, status: str, environment: Make
) -> None:
    env = environment_on(
        environment, image, channel="cu126", torch=torch_of_base("2.7.1"), python=Version(python)
    )
    result = run_check(env, "BAS004")
    assert result.status == status
    assert all(finding.fix == (Change(path="python", value="3.11"),) for finding in result.findings)


def test_elsewhere_uv_installs_the_described_python(environment: Make) -> None:
    assert run_check(environment_on(environment, "ubuntu:22.04"), "BAS004").status == "ok"


@pytest.mark.parametrize(
    ("version", "channel", "image", "status"),
    [
        ("2.7.1", "cu126", PYTORCH, "ok"),
        ("2.7.0", "cu126", PYTORCH, "found"),
        ("2.7.1", "cu128", PYTORCH, "found"),
        ("2.8.0", "cu128", "runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04", "ok"),
        ("2.7.1", "cu126", "example/own:1", "unknown"),
    ],
)
def test_the_base_brings_the_described_torch_or_not(
    version: str, channel: str, image: str, status: str, environment: Make
) -> None:
    env = environment_on(environment, image, channel=channel, torch=torch_of_base(version))
    result = run_check(env, "BAS005")
    assert (result.status, {finding.level for finding in result.findings}) == (
        status,
        {"error"} if status == "found" else set(),
    )


def test_a_second_torch_beside_the_base_s_is_a_warning(environment: Make) -> None:
    result = run_check(environment_on(environment, PYTORCH), "BAS005")
    assert [(finding.level, finding.about) for finding in result.findings] == [("warning", PYTORCH)]
    assert run_check(environment_on(environment, "ubuntu:22.04"), "BAS005").status == "moot"


@pytest.mark.parametrize("check", ["BAS001", "BAS002", "BAS003", "BAS004", "BAS005"])
def test_the_lab_s_stand_in_is_not_judged(check: str, environment: Make) -> None:
    evidence = CheckContext(environments=(environment(),), today=TODAY, uv="0.13.9", published={})
    (result,) = [candidate for candidate in run.run(evidence, judge=True) if candidate.check == check]
    assert result.status == "moot"
