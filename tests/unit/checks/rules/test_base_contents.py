"""BAS003, BAS004, BAS005: CUDA that is installed once, and the Python and torch of the base image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from support.base_images import PYTORCH, environment_on, torch_of_base
from support.checks import TODAY, judge_check
from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.model import Change, Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments


@pytest.mark.parametrize(
    ("image", "channel", "status", "message"),
    [
        (
            "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04",
            "cu121",
            "notice",
            "the versions differ: cuDNN 8.9.0.131 in the image, 9.1.0.70 in the wheels",
        ),
        (
            "nvidia/cuda:12.1.1-devel-ubuntu22.04",
            "cu124",
            "notice",
            "the versions differ: CUDA 12.1.1 in the image, 12.4 in the wheels",
        ),
        (
            "nvidia/cuda:11.8.0-devel-ubuntu22.04",
            "cu124",
            "warning",
            "do not compile with another CUDA major version",
        ),
        ("nvidia/cuda:12.1.1-runtime-ubuntu22.04", "cu121", "notice", "has the CUDA runtime"),
        ("nvidia/cuda:12.1.1-base-ubuntu22.04", "cu121", "ok", ""),
        ("ubuntu:22.04", "cu121", "ok", ""),
        ("ubuntu:22.04", "cpu", "not applicable", ""),
        ("example/own:1", "cu121", "unknown", ""),
    ],
)
def test_cuda_is_there_once_and_the_same(
    image: str, channel: str, status: str, message: str, environment: Environments
) -> None:
    env = environment_on(
        environment, image, channel=channel, torch=Torch(version=Version("2.5.1"), companions={})
    )
    result = judge_check(env, "BAS003")
    assert result.status == ("ok" if status == "notice" else status)
    findings = (*result.findings, *result.notices)
    assert [finding.level for finding in findings] == ([status] if message else [])
    assert all(message in finding.message for finding in findings)
    assert run.is_failure(result) is (status == "warning")
    assert run.is_failure(result, strict=True) is (status in {"notice", "warning", "unknown"})


def test_the_weight_of_what_comes_twice_is_told_from_the_lock(environment: Environments, lock: Any) -> None:
    env = environment()
    env_lock = lock(env)
    evidence = CheckContext(environments=(env,), today=TODAY, uv="0.13.9", locks={env.name: env_lock})
    (result,) = run.run(evidence, judge=True, ids=("BAS003",))
    assert "(0 MB of packages)" in result.notices[0].message  # the ten bytes of the stub


@pytest.mark.parametrize(
    ("python", "image", "status"),
    [("3.11", PYTORCH, "ok"), ("3.10", PYTORCH, "incompatible"), ("3.10", "example/own:1", "unknown")],
)
def test_with_torch_from_the_base_its_python_is_the_one(
    python: str, image: str, status: str, environment: Environments
) -> None:
    env = environment_on(
        environment, image, channel="cu126", torch=torch_of_base("2.7.1"), python=Version(python)
    )
    result = judge_check(env, "BAS004")
    assert result.status == status
    assert all(finding.fix == (Change(path="python", value="3.11"),) for finding in result.findings)


def test_another_python_or_torch_than_the_image_s_is_named_with_what_it_has(
    environment: Environments,
) -> None:
    env = environment_on(
        environment, PYTORCH, channel="cu128", torch=torch_of_base("2.7.0"), python=Version("3.10")
    )
    (python,) = judge_check(env, "BAS004").findings
    assert python.message == f"Python 3.10 does not match {PYTORCH}, which has Python 3.11"
    assert python.help == 'set `python: "3.11"`, or choose another base image'
    (torch,) = judge_check(env, "BAS005").findings
    assert torch.message == f"torch 2.7.0+cu128 does not match {PYTORCH}, which has torch 2.7.1+cu126"


def test_the_image_that_has_the_described_torch_is_named(environment: Environments) -> None:
    env = environment_on(environment, PYTORCH, channel="cu128", torch=torch_of_base("2.7.1"))
    (torch,) = judge_check(env, "BAS005").findings
    other = "choose pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel, which has torch 2.7.1+cu128"
    assert torch.help == f'set `version: "2.7.1"` under `torch:` and `channel: cu126`, or {other}'


def test_elsewhere_uv_installs_the_described_python(environment: Environments) -> None:
    assert judge_check(environment_on(environment, "ubuntu:22.04"), "BAS004").status == "ok"


@pytest.mark.parametrize(
    ("version", "channel", "image", "status"),
    [
        ("2.7.1", "cu126", PYTORCH, "ok"),
        ("2.7.0", "cu126", PYTORCH, "incompatible"),
        ("2.7.1", "cu128", PYTORCH, "incompatible"),
        ("2.8.0", "cu128", "runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04", "ok"),
        ("2.7.1", "cu126", "example/own:1", "unknown"),
    ],
)
def test_the_base_brings_the_described_torch_or_not(
    version: str, channel: str, image: str, status: str, environment: Environments
) -> None:
    env = environment_on(environment, image, channel=channel, torch=torch_of_base(version))
    result = judge_check(env, "BAS005")
    assert (result.status, {finding.level for finding in result.findings}) == (
        status,
        {"error"} if status == "incompatible" else set(),
    )


def test_a_second_torch_beside_the_base_s_is_a_warning(environment: Environments) -> None:
    result = judge_check(environment_on(environment, PYTORCH), "BAS005")
    assert [(finding.level, finding.about) for finding in result.findings] == [("warning", PYTORCH)]
    assert judge_check(environment_on(environment, "ubuntu:22.04"), "BAS005").status == "not applicable"
    unknown = judge_check(environment_on(environment, "example/own:1"), "BAS005")
    assert (unknown.status, unknown.unknown) == (
        "unknown",
        ("whether example/own:1 has a torch of its own is not in the facts",),
    )


@pytest.mark.parametrize("check", ["BAS003", "BAS004", "BAS005"])
def test_the_lab_s_stand_in_is_not_judged(check: str, environment: Environments) -> None:
    assert judge_check(environment(), check, published={}).status == "not applicable"
