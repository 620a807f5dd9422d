"""GPU003: the ptxas of triton, of torch's wheel, or of the description, against the capability of a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from support.checks import judge_check, make_torch
from torchpin.model import Base, Layer, Run

if TYPE_CHECKING:
    from support.fixture_types import Environments


@pytest.mark.parametrize(
    ("version", "channel", "platform", "gpu", "triton", "status"),
    [
        ("2.8.0", "cu128", "linux/amd64", "B200", (), "ok"),  # ptxas 12.8 for sm_100
        ("2.8.0", "cu128", "linux/amd64", "B300", (), "warning"),  # and not for sm_103
        ("2.8.0", "cu128", "linux/amd64", "B300", ("liger-kernel==0.6.2",), "warning"),
        ("2.10.0", "cu128", "linux/amd64", "B300", (), "ok"),  # triton 3.6 has a second ptxas
        ("2.7.1", "cu128", "linux/amd64", "RTX 5090", (), "ok"),  # as triton 3.3 had
        ("2.7.1", "cu128", "linux/amd64", "RTX 5090", ("triton==3.2.0",), "warning"),
        ("2.8.0", "cu126", "linux/amd64", "GTX 1080 Ti", (), "notice"),  # triton requires 7.0
        ("2.8.0", "cu126", "linux/amd64", "V100", (), "ok"),
        ("2.8.0", "cu126", "linux/amd64", "GTX 1080 Ti", ("liger-kernel==0.6.2",), "warning"),
        ("2.9.1", "cu128", "linux/arm64", "GB10", (), "warning"),
        ("2.11.0", "cu130", "linux/arm64", "Jetson Thor", (), "ok"),  # torch has a ptxas of CUDA 13.0
        (
            "2.11.0",
            "cu130",
            "linux/arm64",
            "Jetson Thor",
            ("sglang==0.5.5",),
            "warning",
        ),  # which sglang does not use
        ("2.12.1", "cu130", "linux/arm64", "Jetson Thor", (), "ok"),
        ("2.14.0", "cu130", "linux/amd64", "B300", (), "ok"),  # triton ~=3.8.0
        ("2.8.0", "cu128", "linux/amd64", "B300", ("triton==3.4.9",), "unknown"),
        ("2.5.1", "cu121", "linux/amd64", "B300", (), "not applicable"),  # GPU001 has the finding
        ("1.13.1", "cu117", "linux/amd64", "V100", (), "not applicable"),  # it has no triton
        ("2.8.0", "cpu", "linux/amd64", "B300", (), "not applicable"),
    ],
)
def test_triton_compiles_for_a_card_that_torch_runs_on(
    version: str, channel: str, platform: str, gpu: str, triton: tuple[str, ...], status: str, environment: Environments
) -> None:  # fmt: skip
    layers = (Layer(name="one", packages=tuple(map(Requirement, triton))),) if triton else ()
    env = environment(
        channel=channel, platform=platform, torch=make_torch(version), gpus=(gpu,), layers=layers
    )
    result = judge_check(env, "GPU003")
    assert (result.notices and "notice") or result.status == status, result
    assert bool(result.notices) == (status == "notice")


def test_what_triton_cannot_compile_for_is_said_with_the_remedy(environment: Environments) -> None:
    env = environment(channel="cu128", torch=make_torch("2.8.0"), gpus=("B300",))
    (finding,) = judge_check(env, "GPU003").findings
    assert finding.message == (
        "torch.compile cannot compile for B300: triton 3.4.0 has the ptxas of CUDA 12.8, and sm_103 needs that of 12.9"
    )
    assert finding.help == (
        "move to torch 2.10.0, whose triton 3.6.0 knows it, or set TRITON_PTXAS_PATH under `run.env:` to the ptxas of "
        "CUDA 12.9 or later, as of an nvidia/cuda devel image; or set `compiles: false` under `run:` if nothing is "
        "compiled at run time"
    )
    assert "PyPI triton 3.4.0" in finding.evidence


@pytest.mark.parametrize("version", ["2.3.1", "2.6.0"])
@pytest.mark.parametrize("gpu", ["P40", "P100", "GTX 1080 Ti", "M40"])
def test_a_card_before_volta_has_no_triton_to_move_to(
    version: str, gpu: str, environment: Environments
) -> None:
    channel = "cu121" if version == "2.3.1" else "cu126"
    env = environment(channel=channel, torch=make_torch(version), gpus=(gpu,), run=Run(compiles=True))
    (finding,) = judge_check(env, "GPU003").findings
    assert finding.help == (
        f"do not compile on {gpu}, as no release of triton supports it: set `compiles: false` under `run:` if nothing "
        f"is compiled at run time, or remove {gpu} from `gpus:`"
    )
    (asked,) = judge_check(env, "GPU003", target_gpus=(gpu,)).findings
    assert asked.help.endswith(f"or do not use {gpu}")


DEVEL = "nvidia/cuda:{}-cudnn-devel-ubuntu22.04"


@pytest.mark.parametrize(
    ("run", "base", "status"),
    [
        (Run(compiles=False), DEVEL.format("12.8.1"), "ok"),
        (Run(compiles=True), DEVEL.format("12.8.1"), "incompatible"),
        (Run(env={"TORCH_COMPILE": "1"}), DEVEL.format("12.8.1"), "warning"),
        (Run(compiles=True, env={"TRITON_PTXAS_PATH": "/usr/local/cuda/bin/ptxas"}), DEVEL.format("12.9.1"), "ok"),
        (Run(compiles=True, env={"TRITON_PTXAS_PATH": "/usr/local/cuda/bin/ptxas"}), DEVEL.format("12.8.1"), "incompatible"),
        (Run(compiles=True, env={"TRITON_PTXAS_PATH": "/opt/ptxas"}), DEVEL.format("12.9.1"), "unknown"),
        (Run(compiles=True, env={"TRITON_PTXAS_PATH": "/usr/local/cuda/bin/ptxas"}), "ghcr.io/own/base:1", "unknown"),
    ],
)  # fmt: skip
def test_the_description_says_what_compiles_and_by_which_ptxas(
    run: Run, base: str, status: str, environment: Environments
) -> None:
    env = environment(
        channel="cu128", torch=make_torch("2.8.0"), gpus=("B300",), run=run, base=Base(image=base)
    )
    assert judge_check(env, "GPU003").status == status


def test_the_variable_is_that_of_the_second_ptxas_where_triton_has_two(environment: Environments) -> None:
    env = environment(
        channel="cu130", platform="linux/arm64", torch=make_torch("2.10.0"), gpus=("Jetson Thor",),
        layers=(Layer(name="one", packages=(Requirement("sglang==0.5.5"),)),),
    )  # fmt: skip
    (finding,) = judge_check(env, "GPU003").findings
    assert "move to torch 2.12.0, whose triton 3.7.0 knows it" in finding.help
    assert "TRITON_PTXAS_BLACKWELL_PATH" in finding.help
