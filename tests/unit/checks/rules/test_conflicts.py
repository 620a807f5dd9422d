"""DEP003, DEP004: NumPy 2 and packages with the same files, with a lock and without one."""

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


def test_a_second_opencv_that_a_package_requires_is_reported_without_a_lock(
    environment: Environments,
) -> None:
    (finding,) = judge_check(
        make_environment(environment, "docstrange==1.1.6", "opencv-python==4.10.0.84"), "DEP004"
    ).findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:2:9", "opencv", "warning")
    assert finding.message.startswith(
        "opencv-python (pinned) and opencv-python-headless (required by docstrange, easyocr) write the same files: "
    )
    assert finding.help == "remove `- opencv-python==4.10.0.84`; opencv-python-headless stays installed"
    assert finding.fix == (Change(path="layers[0].packages[1]", value=None),)
    assert "docstrange 1.1.6 METADATA" not in finding.evidence
    assert "easyocr 1.7.2 METADATA" in finding.evidence


def test_of_two_pinned_packages_the_headless_one_stays(environment: Environments) -> None:
    env = make_environment(environment, "opencv-python-headless==4.10.0.84", "opencv-python==4.10.0.84")
    (finding,) = judge_check(env, "DEP004").findings
    assert finding.fix == (Change(path="layers[0].packages[1]", value=None),)


def test_a_lock_shows_what_requires_the_second(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "opencv-python==4.10.0.84")
    (finding,) = judge_check(
        env, "DEP004", make_lock(env, lock, artifact, ("opencv-python-headless", "4.11.0.86"))
    ).findings
    assert "opencv-python-headless (required by tools)" in finding.message
    assert finding.fix == (Change(path="layers[0].packages[0]", value=None),)
    assert judge_check(env, "DEP004", make_lock(env, lock, artifact)).status == "ok"


def test_two_packages_that_others_require_have_no_pin_to_remove(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    both = (("opencv-python", "4.11.0.86"), ("opencv-python-headless", "4.11.0.86"))
    (finding,) = judge_check(env, "DEP004", make_lock(env, lock, artifact, *both)).findings
    assert (finding.fix, finding.location.startswith("lockfiles/lora-gpu/")) == ((), True)
    assert finding.help == "keep only opencv-python-headless; the others are required by other packages"


@pytest.mark.parametrize(
    ("pin", "status"), [("opencv-python==4.10.0.84", "unknown"), ("tqdm==4.66.5", "not applicable")]
)
def test_without_a_lock_a_second_package_is_unknown(pin: str, status: str, environment: Environments) -> None:
    assert judge_check(make_environment(environment, pin), "DEP004").status == status


def test_what_another_version_requires_is_not_known(environment: Environments) -> None:
    env = make_environment(environment, "docstrange==1.1.5", "opencv-python==4.10.0.84")
    assert judge_check(env, "DEP004").status == "unknown"
