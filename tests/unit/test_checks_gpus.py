"""GPU: machine code and PTX against capabilities; the driver against the CUDA, the card and the base."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from torchpin import facts
from torchpin.checks import rules, run
from torchpin.checks.context import CheckContext
from torchpin.compat.gpus import judge_gpu
from torchpin.model import Base, Change, Torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.checks.registry import Result
    from torchpin.model import Environment

    Make = Callable[..., Environment]

assert rules  # importing it registers the checks

TODAY = date(2026, 12, 1)
CU128 = "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04"


def run_check(env: Environment, check: str, **context: Any) -> Result:
    evidence = CheckContext(environments=(env,), today=TODAY, uv="0.13.9", **context)
    (result,) = [candidate for candidate in run.run(evidence, judge=True) if candidate.check == check]
    return result


def make_torch(version: str) -> Torch:
    return Torch(version=Version(version), companions={})


# --- GPU001 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "channel", "gpu", "status"),
    [
        ("2.5.1", "cu121", "L40", "ok"),  # 8.9 on sm_86: within the major
        ("2.5.1", "cu121", "B200", "found"),
        ("2.7.1", "cu128", "B200", "ok"),
        ("2.7.1", "cu128", "GeForce RTX 5090", "ok"),
        ("2.7.1", "cu128", "V100", "found"),  # the list begins at sm_75
        ("2.7.1", "cu128", "GB200", "found"),  # its host is aarch64
        ("2.7.1", "cu126", "RTX 5090", "found"),
        ("2.6.0", "cu118", "RTX 5090", "found"),  # the list is not known; CUDA 11.8 cannot reach it
        ("2.6.0", "cu118", "A100", "unknown"),  # and below that nothing is known
        ("2.5.1", "cu121", "B100", "unknown"),
        ("2.5.1", "cu121", "Voodoo 2", "unknown"),
        ("2.5.1", "pypi", "RTX 4090", "ok"),  # PyPI's is the cu124 build
        ("2.5.1", "cpu", "RTX 4090", "moot"),
    ],
)
def test_code_for_a_card_is_there_or_not_or_not_known(
    version: str, channel: str, gpu: str, status: str, environment: Make
) -> None:
    env = environment(channel=channel, torch=make_torch(version), gpus=(gpu,))
    assert run_check(env, "GPU001").status == status


def test_the_repair_is_the_nearest_build_that_serves_all_cards(environment: Make) -> None:
    (finding,) = run_check(
        environment(torch=make_torch("2.5.1"), gpus=("A6000", "H100", "B200")), "GPU001"
    ).findings
    assert finding.fix == (
        Change(path="variants.gpu.channel", value="cu128"),
        Change(path="torch.version", value="2.7.0"),
    )
    assert "torch 2.7.0 on cu128" in finding.help
    assert "without PTX" in finding.message
    assert not finding.fix_is_safe


def test_other_cards_can_be_asked_for(environment: Make) -> None:
    env = environment(torch=make_torch("2.5.1"), gpus=("H100",))
    (finding,) = run_check(env, "GPU001", target_gpus=("RTX 5090",)).findings
    assert (finding.about, finding.location) == ("RTX 5090", "--gpu RTX 5090")
    cpu_env = environment(channel="cpu", torch=make_torch("2.5.1"))
    (cpu_finding,) = run_check(cpu_env, "GPU001", target_gpus=("H100",)).findings
    assert cpu_finding.message.endswith("has no code for H100 (capability 9.0): a CPU build")


def test_a_misspelled_card_is_unknown_with_near_names(environment: Make) -> None:
    (message,) = run_check(environment(gpus=("RTX 5091",)), "GPU001").unknown
    assert "RTX 5090" in message


def test_every_known_card_has_a_verdict_on_every_known_build_and_ok_only_with_code(environment: Make) -> None:
    """Binary compatibility within a major, PTX upwards: reckoned again, by the numbers alone."""
    for channel in ("cu118", "cu121", "cu124", "cu126", "cu128", "cu129", "cu130"):
        for release in facts.releases():
            archs = facts.compiled_archs(release.version, channel)
            env = environment(channel=channel, torch=make_torch(release.version))
            for gpu in facts.gpus():
                verdict = judge_gpu(env, gpu)
                if gpu.capability is None or gpu.machine != "x86_64":
                    assert verdict.answer != "ok"
                elif archs:
                    major, minor = map(int, gpu.capability.split("."))
                    sm = [(int(arch[3:-1]), int(arch[-1])) for arch in archs.sm if arch[-1].isdigit()]
                    ptx = [(int(arch[8:-1]), int(arch[-1])) for arch in archs.ptx]
                    runs = any(sm_major == major and sm_minor <= minor for sm_major, sm_minor in sm) or any(
                        capability <= (major, minor) for capability in ptx
                    )
                    assert (verdict.answer == "ok") == runs, (channel, release.version, gpu.name)


# --- GPU002 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("driver", "base", "gpus", "status", "message"),
    [
        ("570.124.06", CU128, (), "ok", ""),
        ("550.54.14", CU128, (), "ok", ""),  # an older branch that the image lets through
        ("550.54.14", CU128, ("RTX 4090",), "found", "on GeForce cards (RTX 4090)"),
        ("545.23.06", CU128, (), "found", "545.23.06 is neither"),
        ("535.104.05", "ubuntu:22.04", (), "ok", ""),  # minor-version compatibility, and nothing is asked
        ("520.61.05", CU128, (), "found", "is below 525, the least for any CUDA 12 build"),
        (
            "570.26",
            "ubuntu:22.04",
            ("B200",),
            "found",
            "is below 570.133.20, the least that is documented for B200",
        ),
    ],
)
def test_a_driver_carries_the_cuda_or_not(
    driver: str, base: str, gpus: tuple[str, ...], status: str, message: str, environment: Make
) -> None:
    env = environment(
        channel="cu128", torch=make_torch("2.8.0"), base=Base(image=base), gpus=gpus, driver=driver
    )
    result = run_check(env, "GPU002")
    assert result.status == status, result
    assert all(message in finding.message for finding in result.findings)


def test_an_asked_driver_outweighs_the_described_one(environment: Make) -> None:
    env = environment(
        channel="cu128", torch=make_torch("2.8.0"), base=Base(image="ubuntu:22.04"), driver="570.124.06"
    )
    result = run_check(env, "GPU002", target_driver="470.57.02")
    assert [finding.location for finding in result.findings] == ["--driver 470.57.02"]


def test_without_a_driver_there_is_nothing_to_judge(environment: Make) -> None:
    assert run_check(environment(), "GPU002").status == "moot"


def test_a_cuda_that_no_fact_knows_is_unknown(environment: Make) -> None:
    env = environment(channel="pypi", torch=make_torch("2.5.0"), driver="570.124.06")
    assert run_check(replace(env), "GPU002").status == "unknown"
