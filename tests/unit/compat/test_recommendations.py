"""Deviations of an environment from its recommendations, and stale reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from torchpin.compat.recommendations import compute_deviations, satisfies, stale_reasons, used_components
from torchpin.model import Deviation, Lock, Reason, Recommendation, Source, Upstream

if TYPE_CHECKING:
    from support.fixture_types import Environments, Locks
    from torchpin.model import Environment


@pytest.mark.parametrize(
    ("requirement", "value", "met"),
    [
        ("0.25.0", "0.25.0", True),
        ("0.25.0", "0.26.0", False),
        ("0.25", "0.25.0", True),
        ("2.5.x", "2.5.1", True),
        ("2.5.x", "2.5.1+cu121", True),
        ("2.5.x", "2.6.0", False),
        ("2.5.x", "2.50.0", False),
        ("8.9.x", "9.1.0.70", False),
        ("11.8 / 12.x", "11.8", True),
        ("11.8 / 12.x", "12.1", True),
        ("11.8 / 12.x", "11.7", False),
        ("11.8 or 12.1", "12.1", True),
        ("3.10", "3.10.14", True),
        ("3.10", "3.1", False),
        ("3.10", "3.11.9", False),
        ("==1.4", "1.4", True),
        ("==1.4", "1.4.1", False),
        ("2.5.1", "2.5.1+cu121", True),
        ("2.5.1+cu121", "2.5.1+cu121", True),
        ("2.5.1+cu121", "2.5.1+cu124", False),
        ("2.5.1+cu121", "2.5.1", False),
        (">=0.21", "1.6.0", True),
        (">=0.21,<1", "1.6.0", False),
        (">=2.6.0", "2.6.0rc1", False),
        (">=2.5", "2.6.0rc1", True),
        ("~=1.4", "1.9", True),
        ("!=1.4", "1.4", False),
        ("v0.10.0", "v0.10.0", True),
        ("v0.9.2", "v0.10.0", False),
        ("main", "main", True),
        ("main", "v0.10.0", False),
        ("nvidia/cuda:12.1.1", "nvidia/cuda:12.1.0", False),
        ("implicit", "anything", True),
        ("any", "1.0", True),
        ("", "1.0", False),
        ("the newest", "1.0", False),
        ("1.0", "not a version", False),
    ],
)
def test_words_are_met_or_not(requirement: str, value: str, met: bool) -> None:
    assert satisfies(requirement, value) is met


def make_upstream(*requirements: str) -> Upstream:
    return Upstream(
        source="sd-scripts",
        tag="v0.10.0",
        commit="0f" * 20,
        file="requirements.txt",
        requirements=requirements,
    )


def deviations(env: Environment, lock: Lock, *requirements: str) -> tuple[Deviation, ...]:
    return compute_deviations(
        env, replace(lock, upstreams=(make_upstream(*requirements),) if requirements else ())
    )


def recommendations(*pairs: str) -> tuple[Recommendation, ...]:
    return tuple(
        Recommendation(component=pair.split(" ", 1)[0], says=pair.split(" ", 1)[1]) for pair in pairs
    )


REASON = Reason(component="tqdm", because="a", evidence="b")


def test_used_names_packages_sources_and_the_ground_below(environment: Environments, lock: Locks) -> None:
    source = Source(name="sd-scripts", url="u", tag="v0.10.0", commit="0f" * 20, path="third_party/a")
    env = environment(sources=(source,))
    assert used_components(env, lock(env)) == {
        "torch": "2.5.1+cu121",
        "torchvision": "0.20.1+cu121",
        "nvidia-cudnn-cu12": "9.1.0.70",
        "tqdm": "4.66.5",
        "sd-scripts": "v0.10.0",
        "python": "3.10.14",
        "base": "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04",
        "cuda": "12.1",
        "cudnn": "9.1.0.70",
    }


def test_a_cpu_build_uses_no_cuda(environment: Environments, lock: Locks) -> None:
    env = environment(channel="cpu")
    assert "cuda" not in used_components(env, lock(env))


def test_what_is_as_recommended_deviates_nowhere(environment: Environments, lock: Locks) -> None:
    env = environment(
        recommends=recommendations(
            "torch 2.5.x", "CUDA 11.8 / 12.x", "Python 3.10", "cuDNN 9.1.x", "TQDM >=4"
        )
    )
    assert deviations(env, lock(env), "tqdm==4.66.5", "torch") == ()


def test_a_deviation_holds_every_adviser_s_words_that_are_not_met(
    environment: Environments, lock: Locks
) -> None:
    env = environment(recommends=(*recommendations("tqdm ==4.0", "tqdm >=4"),), reasons=(REASON,))
    assert deviations(env, lock(env), "tqdm==4.1") == (
        Deviation(
            component="tqdm",
            recommendations=(("report", "==4.0"), ("sd-scripts v0.10.0", "==4.1")),
            used="4.66.5",
            reason=REASON,
        ),
    )


def test_a_component_is_one_however_it_is_spelled(environment: Environments, lock: Locks) -> None:
    env = environment(recommends=recommendations("Nvidia_cuDNN.cu12 8.0", "nvidia-cudnn-cu12 9.0"))
    (deviation,) = deviations(env, lock(env), "NVIDIA-CUDNN-cu12==7.0")
    assert deviation == Deviation(
        component="Nvidia_cuDNN.cu12",
        recommendations=(("report", "8.0"), ("report", "9.0"), ("sd-scripts v0.10.0", "==7.0")),
        used="9.1.0.70",
    )


def test_an_exact_upstream_pin_is_not_met_by_a_later_micro(environment: Environments, lock: Locks) -> None:
    assert deviations(environment(), lock(), "tqdm==4.66")[0].recommendations == (
        ("sd-scripts v0.10.0", "==4.66"),
    )


def test_an_absent_package_deviates_even_where_any_version_would_do(
    environment: Environments, lock: Locks
) -> None:
    assert deviations(environment(), lock(), "OpenCV_Python") == (
        Deviation(
            component="opencv-python", recommendations=(("sd-scripts v0.10.0", "any"),), used="not installed"
        ),
    )


@pytest.mark.parametrize(
    "requirement",
    [
        "absent==1; python_version >= '3.11'",
        "absent==1; python_full_version < '3.10.14'",
        "absent==1; sys_platform == 'win32'",
        "absent==1; platform_machine == 'aarch64'",
        "absent==1; extra == 'dev'",
        "./local",
        "git+https://example.org/absent",
        "tqdm[notebook]==4.66.5",
        "tqdm[notebook]>=4; python_version < '3.11'",
    ],
)
def test_an_upstream_line_that_does_not_count_here_or_is_met_is_no_deviation(
    environment: Environments, lock: Locks, requirement: str
) -> None:
    assert deviations(environment(), lock(), requirement) == ()


@pytest.mark.parametrize(
    "requirement",
    [
        "tqdm[notebook]==4.0",
        "tqdm==4.0; python_version == '3.10'",
        "tqdm==4.0; sys_platform == 'linux' and platform_machine == 'x86_64'",
    ],
)
def test_an_upstream_line_that_counts_here_and_is_not_met_is_one(
    environment: Environments, lock: Locks, requirement: str
) -> None:
    (deviation,) = deviations(environment(), lock(), requirement)
    assert (deviation.component, deviation.used) == ("tqdm", "4.66.5")


def test_a_machine_s_own_requirements_count_on_that_machine(environment: Environments, lock: Locks) -> None:
    env = environment(platform="linux/arm64")
    assert deviations(env, lock(env), "absent; platform_machine == 'aarch64'")[0].component == "absent"


def test_a_choice_inside_a_range_is_listed_where_there_is_a_reason(
    environment: Environments, lock: Locks
) -> None:
    env = environment(recommends=recommendations("tqdm >=4"), reasons=(REASON,))
    assert deviations(env, lock(env)) == (
        Deviation(
            component="tqdm",
            recommendations=(("report", ">=4"),),
            used="4.66.5",
            reason=REASON,
            is_choice=True,
        ),
    )
    assert deviations(environment(recommends=recommendations("tqdm >=4")), lock()) == ()


def test_an_exact_recommendation_that_is_followed_is_no_choice(
    environment: Environments, lock: Locks
) -> None:
    env = environment(recommends=recommendations("tqdm 4.66.5", "tqdm any"), reasons=(REASON,))
    assert deviations(env, lock(env), "tqdm==4.66.5") == ()


def test_a_reason_is_stale_when_nothing_deviates(environment: Environments, lock: Locks) -> None:
    reasons = (REASON, replace(REASON, component="CUDA"), replace(REASON, component="numpy"))
    env = environment(recommends=recommendations("tqdm 4.0", "cuda 12.1"), reasons=reasons)
    assert stale_reasons(env, deviations(env, lock(env))) == ("CUDA", "numpy")


def test_a_reason_for_what_deviates_is_not_stale(environment: Environments, lock: Locks) -> None:
    env = environment(recommends=recommendations("TQDM 4.0"), reasons=(REASON,))
    assert stale_reasons(env, deviations(env, lock(env))) == ()
