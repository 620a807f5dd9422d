"""DEP003: NumPy 2 and a torch for NumPy 1, with a lock and without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.checks import FILE, judge_check
from support.dependencies import make_environment, make_lock
from torchpin.model import Change

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks


def test_numpy_2_beside_a_torch_for_numpy_1_is_an_error(environment: Environments) -> None:
    (finding,) = judge_check(make_environment(environment, "numpy==2.2.6", torch="2.1.0"), "DEP003").findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:1:9", "numpy", "error")
    assert finding.message == (
        "numpy 2.2.6 is used, but torch 2.1.0 was built for NumPy 1 and does not work with NumPy 2"
    )
    assert finding.fix == (Change(path="layers[0].packages[0]", value="numpy==1.26.4"),)
    assert finding.help.endswith("`, or raise torch to 2.3.0 or later")


def test_a_package_that_raises_numpy_is_reported_even_beside_numpy_1(environment: Environments) -> None:
    env = make_environment(environment, "numpy==1.26.4", "opencv-python-headless==4.12.0.88", torch="2.1.0")
    (finding,) = judge_check(env, "DEP003").findings
    assert (finding.location, finding.about) == (f"{FILE}:2:9", "opencv-python-headless")
    assert finding.fix == (Change(path="layers[0].packages[1]", value="opencv-python-headless==4.11.0.86"),)


@pytest.mark.parametrize(
    ("pins", "torch", "status"),
    [
        (("numpy==2.2.6",), "2.5.1", "ok"),
        (("numpy==1.26.4",), "2.1.0", "ok"),
        (("tqdm==4.66.5",), "2.5.1", "ok"),
        (("tqdm==4.66.5",), "2.1.0", "unknown"),
        (("numpy==2.2.6",), "2.99.0", "unknown"),
    ],
)
def test_numpy_is_judged_by_torch_s_own_row(
    pins: tuple[str, ...], torch: str, status: str, environment: Environments
) -> None:
    assert judge_check(make_environment(environment, *pins, torch=torch), "DEP003").status == status


def test_a_lock_shows_which_numpy_is_used(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "tqdm==4.66.5", torch="2.1.0")
    assert judge_check(env, "DEP003", make_lock(env, lock, artifact)).status == "not applicable"
    (finding,) = judge_check(env, "DEP003", make_lock(env, lock, artifact, ("numpy", "2.2.6"))).findings
    assert finding.fix == (Change(path="layers[0].packages[+]", value="numpy==1.26.4"),)
