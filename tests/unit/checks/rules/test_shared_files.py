"""DEP004: packages with the same files: by the facts before there is a lock, by the contents of its wheels with one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.checks import FILE, judge_check
from support.dependencies import make_environment, make_lock
from support.wheels import WheelLocks, shared
from torchpin.model import Change

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks

WHEELS_FILE = "lockfiles/lora-gpu/wheels.txt"


@pytest.fixture
def wheel_lock(environment: Environments, lock: Locks, artifact: Artifacts) -> WheelLocks:
    return WheelLocks(environment, lock, artifact)


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


@pytest.mark.parametrize("smaller", ["opencv-python", "opencv-python-headless"])
@pytest.mark.parametrize("larger", ["opencv-contrib-python", "opencv-contrib-python-headless"])
def test_the_package_with_the_contrib_modules_stays(
    smaller: str, larger: str, environment: Environments
) -> None:
    env = make_environment(environment, f"{smaller}==4.12.0.88", f"{larger}==4.12.0.88")
    (finding,) = judge_check(env, "DEP004").findings
    assert finding.help == f"remove `- {smaller}==4.12.0.88`; {larger} stays installed"
    assert finding.fix == (Change(path="layers[0].packages[0]", value=None),)


@pytest.mark.parametrize("other", ["onnxruntime-openvino", "onnxruntime-directml"])
def test_another_runtime_is_not_called_that_of_the_cpu(other: str, environment: Environments) -> None:
    env = make_environment(environment, "onnxruntime-gpu==1.22.0", f"{other}==1.22.0")
    (finding,) = judge_check(env, "DEP004").findings
    assert "CPU" not in finding.message
    assert "only the execution providers of the last one are there" in finding.message


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


def test_two_wheels_with_the_same_files_are_a_finding_without_any_fact(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    # PyPI xgboost 3.4.1 and xgboost-cpu 3.4.1
    env = make_environment(environment, "xgboost==3.4.1", "xgboost-cpu==3.4.1")
    lock = wheel_lock(env, xgboost_cpu={"shares": shared("xgboost", 1, "xgboost/lib/libxgboost.so")})
    (finding,) = judge_check(env, "DEP004", lock).findings
    assert (finding.level, finding.about) == ("warning", "xgboost, xgboost-cpu")
    assert finding.message == (
        "xgboost (pinned) and xgboost-cpu (pinned) write 1 file with different bytes, such as xgboost/lib/libxgboost.so"
    )
    assert finding.help == "remove `- xgboost-cpu==3.4.1`; xgboost stays installed"
    assert finding.fix == (Change(path="layers[0].packages[1]", value=None),)
    assert judge_check(env, "DEP004", wheel_lock(env)).status == "ok"


def test_the_package_that_another_requires_stays(environment: Environments, wheel_lock: WheelLocks) -> None:
    # PyPI jwt 1.4.0 and pyjwt 2.15.1
    env = make_environment(environment, "jwt==1.4.0")
    lock = wheel_lock(env, ("pyjwt", "2.15.1"), pyjwt={"shares": shared("jwt", 3, "jwt/__init__.py")})
    (finding,) = judge_check(env, "DEP004", lock).findings
    assert "jwt (pinned) and pyjwt (required by tools) write 3 files" in finding.message
    assert finding.fix == (Change(path="layers[0].packages[0]", value=None),)


@pytest.mark.parametrize(("channel", "number"), [("cu121", 0), ("cpu", 1)])
def test_of_two_runtimes_the_one_of_the_variant_s_device_stays(
    channel: str, number: int, environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(
        environment, "onnxruntime==1.22.1", "onnxruntime-gpu==1.22.0", channel=channel, torch="2.5.1"
    )
    lock = wheel_lock(env, onnxruntime_gpu={"shares": shared("onnxruntime")})
    (finding,) = judge_check(env, "DEP004", lock).findings
    assert finding.about == "onnxruntime"
    assert finding.fix == (Change(path=f"layers[0].packages[{number}]", value=None),)


def test_a_runtime_for_the_cpu_that_another_package_requires_takes_none_for_gpus_away(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(environment, "onnxruntime-gpu==1.22.0")
    lock = wheel_lock(env, ("onnxruntime", "1.22.1"), onnxruntime_gpu={"shares": shared("onnxruntime")})
    (finding,) = judge_check(env, "DEP004", lock).findings
    assert finding.fix == ()
    assert finding.help == (
        "onnxruntime is required by tools: choose a release that requires onnxruntime-gpu, or have onnxruntime-gpu in a "
        "layer after it, where its files are the last, and waive this finding"
    )


def test_libraries_of_two_cuda_majors_that_others_require_are_a_notice(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(environment, "xgboost==3.4.1")
    lock = wheel_lock(
        env,
        ("nvidia-nccl-cu12", "2.32.3"),
        ("nvidia-nccl-cu13", "2.32.3"),
        nvidia_nccl_cu13={"shares": shared("nvidia-nccl-cu12", 3, "nvidia/nccl/lib/libnccl.so.2")},
    )
    result = judge_check(env, "DEP004", lock)
    assert (result.findings, len(result.notices)) == ((), 1)


def test_a_wheel_that_was_not_read_is_never_ok(environment: Environments, wheel_lock: WheelLocks) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    reason = "its index does not serve the file"
    result = judge_check(env, "DEP004", wheel_lock(env, tqdm={"unread": reason, "installs": ()}))
    assert result.status == "unknown"
    assert result.unknown == (f"what tqdm-4.66.5-py3-none-any.whl installs is not known: {reason}",)


def test_another_build_tells_its_folders_alone(environment: Environments, wheel_lock: WheelLocks) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    torch = {
        "contents_of": "torch-2.5.1-cp310-cp310-manylinux1_x86_64.whl",
        "installs": ("functorch", "torch"),
    }
    result = judge_check(env, "DEP004", wheel_lock(env, torch=torch))
    assert (result.status, result.unknown) == ("ok", ())
    assert result.evidence[0].evidence == f"the files of 3 locked wheels were compared: {WHEELS_FILE}"
    result = judge_check(env, "DEP004", wheel_lock(env, torch=torch, tqdm={"installs": ("torch", "tqdm")}))
    assert result.status == "unknown"
    assert result.unknown == ("torch and tqdm both install torch; their files were not compared",)


def test_the_facts_tell_what_an_abi_wheel_installs(environment: Environments, wheel_lock: WheelLocks) -> None:
    name = "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp310-cp310-linux_x86_64.whl"
    env = make_environment(environment, "flash-attn==2.8.3", torch="2.7.1", channel="cu126")
    lock = wheel_lock(env, flash_attn={"unread": "no index has its file", "installs": ()})
    assert judge_check(env, "DEP004", lock).status == "unknown"
    layers = [
        replace(
            layer,
            packages=tuple(
                replace(package, filename=name) if package.name == "flash-attn" else package
                for package in layer.packages
            ),
        )
        for layer in lock.layers
    ]
    assert judge_check(env, "DEP004", replace(lock, layers=tuple(layers))).status == "ok"


def test_a_lock_of_before_is_unknown_until_it_is_made_again(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    old_lock = replace(make_lock(env, lock, artifact), wheels=())
    result = judge_check(env, "DEP004", old_lock)
    assert (result.status, result.unknown) == (
        "unknown",
        ("what the locked wheels install is not recorded with this lock; run `invoke lock`",),
    )


def test_contents_of_another_file_do_not_count(environment: Environments, wheel_lock: WheelLocks) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    result = judge_check(env, "DEP004", wheel_lock(env, tqdm={"version": "4.66.4"}))
    assert result.unknown == (
        "what tqdm-4.66.5-py3-none-any.whl installs is not known: the lock has no line about this file; run `invoke lock`",
    )
