"""ABI002, ABI003: the CUDA major that packages are built for, and the CUDA versions that they have libraries for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.checks import FILE, judge_check
from support.dependencies import make_environment
from support.wheels import BITSANDBYTES, FAISS_GPU_CU12, ONNXRUNTIME_GPU, WheelLocks, in_extra
from torchpin.model import Base, Change, Run

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks

CUDA12 = Base(image="nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04")
UBUNTU = Base(image="ubuntu:22.04")


@pytest.fixture
def wheel_lock(environment: Environments, lock: Locks, artifact: Artifacts) -> WheelLocks:
    return WheelLocks(environment, lock, artifact)


def onnxruntime(version: str) -> dict[str, Any]:
    return {"requires": in_extra("cuda", *ONNXRUNTIME_GPU[version])}


def test_a_package_whose_extras_name_another_major_is_a_warning(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(
        environment, "onnxruntime-gpu==1.27.0", torch="2.8.0", channel="cu128", base=CUDA12
    )
    (finding,) = judge_check(env, "ABI002", wheel_lock(env, onnxruntime_gpu=onnxruntime("1.27.0"))).findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:1:9", "onnxruntime-gpu", "warning")
    assert finding.message == (
        "onnxruntime-gpu 1.27.0 is built for CUDA 13 (its metadata name nvidia-cuda-nvrtc-cu13 in its extra cuda), but torch "
        "2.8.0 from cu128 brings CUDA 12, and neither the pins nor nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04 have CUDA 13"
    )
    # the last for CUDA 12 that supports Python 3.10
    assert finding.fix == (Change(path="layers[0].packages[0]", value="onnxruntime-gpu==1.24.1"),)
    assert finding.help.startswith(
        "replace `- onnxruntime-gpu==1.27.0` with `- onnxruntime-gpu==1.24.1`; or choose "
    )


def test_the_facts_tell_the_major_of_a_release_before_there_is_a_lock(environment: Environments) -> None:
    env = make_environment(
        environment, "onnxruntime-gpu==1.27.0", torch="2.8.0", channel="cu128", base=CUDA12
    )
    (finding,) = judge_check(env, "ABI002").findings
    assert "onnxruntime-gpu 1.27.0 is built for CUDA 13 (" in finding.message
    env = make_environment(
        environment, "onnxruntime-gpu==1.22.0", torch="2.8.0", channel="cu128", base=CUDA12
    )
    assert judge_check(env, "ABI002").status == "ok"


@pytest.mark.parametrize(
    ("pin", "channel", "status"),
    [
        ("onnxruntime-gpu==1.17.0", "cu128", "warning"),
        ("onnxruntime-gpu==1.17.0", "cu118", "ok"),
        ("onnxruntime-gpu==1.20.0", "cu128", "ok"),
        ("ctranslate2==3.24.0", "cu121", "warning"),
        ("ctranslate2==4.6.0", "cu130", "warning"),
        ("ctranslate2==4.6.0", "cu128", "ok"),
        ("ctranslate2==9.0.0", "cu130", "not applicable"),
    ],
)
def test_the_facts_tell_the_major_of_packages_whose_metadata_do_not(
    pin: str, channel: str, status: str, environment: Environments
) -> None:
    env = make_environment(environment, pin, torch="2.9.1", channel=channel, base=UBUNTU)
    assert judge_check(env, "ABI002").status == status


def test_a_library_that_is_pinned_serves_the_package_that_loads_it(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    pins = ("ctranslate2==4.6.0", "nvidia-cublas-cu12==12.8.4.1")
    env = make_environment(environment, *pins, torch="2.9.1", channel="cu130", base=UBUNTU)
    for present in (None, wheel_lock(env)):
        assert judge_check(env, "ABI002", present).status == "ok"


@pytest.mark.parametrize(
    ("pin", "channel", "wheel"),
    [
        ("onnxruntime-gpu==1.22.0", "cu128", onnxruntime("1.22.0")),
        # a build for the CPU needs no CUDA
        ("onnxruntime-gpu==1.22.0", "cpu", onnxruntime("1.22.0")),
        ("cupy-cuda12x==13.6.0", "cu128", {}),
        # numba-cuda 0.30.4 serves both
        ("numba-cuda==0.30.4", "cu128", {"requires": in_extra("cu12", "cuda-toolkit[cudart]==12.*") + in_extra("cu13", "cuda-toolkit[cudart]==13.*")}),
        # tensorflow 2.22 works without its extra
        ("tensorflow==2.22.0", "cu130", {"requires": in_extra("and-cuda", "nvidia-cublas-cu12<13.0")}),
        # spconv-cu120 2.3.6 brings its runtime
        ("spconv-cu120==2.3.6", "cu130", {"cuda_runtimes": (12,)}),
        # parts of CUDA serve others
        ("cuda-toolkit==13.0.2", "cu128", {"requires": in_extra("cudart", "nvidia-cuda-runtime==13.0.*")}),
        ("cuda-python==13.0.3", "cu128", {"requires": ("cuda-bindings~=13.0.3",)}),
        ("nvidia-cusparse-cu12==12.5.8.93", "cu130", {"requires": ("nvidia-nvjitlink-cu12",)}),
        # xgboost 3.4.1 requires a library that is no part of the toolkit
        ("xgboost==3.4.1", "cu128", {"requires": ("nvidia-nccl-cu13",)}),
    ],
)  # fmt: skip
def test_packages_that_find_their_cuda(
    pin: str, channel: str, wheel: dict[str, Any], environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(environment, pin, torch="2.9.1", channel=channel, base=UBUNTU)
    lock = wheel_lock(env, **{pin.partition("==")[0].replace("-", "_"): wheel})
    result = judge_check(env, "ABI002", lock)
    assert (result.findings, result.unknown) == ((), ())
    assert result.status == ("not applicable" if channel == "cpu" else "ok")


@pytest.mark.parametrize(
    ("pin", "channel", "wheel", "major"),
    [
        ("cupy-cuda12x==13.6.0", "cu130", {}, 12),
        ("cupy-cuda13x==14.2.0", "cu128", {"requires": in_extra("ctk", "cuda-toolkit[cudart]==13.*")}, 13),
        ("transformer-engine-cu12==2.20.2", "cu130", {}, 12),
        ("sglang==0.5.23", "cu128", {"requires": ("flashinfer-python[cu13]==0.7.2",)}, 13),
        ("jax-cuda13-plugin==0.12.0.1", "cu128", {"requires": in_extra("with-cuda", "nvidia-cuda-runtime>=13.0.48")}, 13),
    ],
)  # fmt: skip
def test_packages_that_miss_their_cuda(
    pin: str,
    channel: str,
    wheel: dict[str, Any],
    major: int,
    environment: Environments,
    wheel_lock: WheelLocks,
) -> None:
    env = make_environment(environment, pin, torch="2.9.1", channel=channel, base=UBUNTU)
    lock = wheel_lock(env, **{pin.partition("==")[0].replace("-", "_"): wheel})
    (finding,) = judge_check(env, "ABI002", lock).findings
    assert f"is built for CUDA {major} (" in finding.message


def test_a_local_version_tells_the_major_too(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "sgl-kernel==0.3.21", torch="2.9.1", channel="cu128", base=UBUNTU)
    wheel = artifact(
        "sgl-kernel", "0.3.21", filename="sgl_kernel-0.3.21+cu130-cp310-abi3-manylinux2014_x86_64.whl"
    )
    torch = artifact("torch", "2.9.1+cu128")
    (finding,) = judge_check(env, "ABI002", lock(env, torch, wheel)).findings
    assert "is built for CUDA 13 (its file name says so)" in finding.message


def test_two_majors_side_by_side_are_right_where_the_libraries_are_installed(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(environment, "faiss-gpu-cu12==1.11.0", torch="2.9.1", channel="cu130", base=UBUNTU)
    wheel = {"requires": FAISS_GPU_CU12}
    libraries = (("nvidia-cuda-runtime-cu12", "12.8.90"), ("nvidia-cublas-cu12", "12.8.4.1"))
    result = judge_check(env, "ABI002", wheel_lock(env, *libraries, faiss_gpu_cu12=wheel))
    assert (result.status, result.findings) == ("ok", ())
    (finding,) = judge_check(env, "ABI002", wheel_lock(env, libraries[0], faiss_gpu_cu12=wheel)).findings
    assert finding.help.endswith("or the packages nvidia-cublas-cu12")


def test_pins_of_the_libraries_of_cuda_13_have_no_suffix(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(
        environment, "onnxruntime-gpu==1.27.0", torch="2.8.0", channel="cu128", base=CUDA12
    )
    libraries = (
        ("nvidia-cuda-nvrtc", "13.0.88"),
        ("nvidia-cuda-runtime", "13.0.96"),
        ("nvidia-cufft", "12.0.0.61"),
    )
    lock = wheel_lock(env, *libraries, onnxruntime_gpu=onnxruntime("1.27.0"))
    assert judge_check(env, "ABI002", lock).status == "ok"


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("nvidia/cuda:13.0.1-cudnn-runtime-ubuntu22.04", "ok"),
        ("nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04", "warning"),
        ("example.org/own/image:1", "unknown"),
    ],
)
def test_a_base_image_may_have_the_other_major(
    image: str, status: str, environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(
        environment, "onnxruntime-gpu==1.27.0", torch="2.8.0", channel="cu128", base=Base(image=image)
    )
    result = judge_check(env, "ABI002", wheel_lock(env, onnxruntime_gpu=onnxruntime("1.27.0")))
    assert result.status == status


def test_a_channel_that_the_facts_do_not_have_is_unknown(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(environment, "cupy-cuda12x==13.6.0", channel="cu999", base=UBUNTU)
    assert judge_check(env, "ABI002", wheel_lock(env)).status == "unknown"


def test_a_compiled_wheel_whose_metadata_were_not_read_is_unknown(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "spacy==3.8.2", base=UBUNTU)
    wheel = artifact("spacy", "3.8.2", filename="spacy-3.8.2-cp310-cp310-manylinux2014_x86_64.whl")
    unread = WheelLocks(environment, lock, artifact)
    plain = unread(env, spacy={"unread": "its index does not serve the file", "installs": ()})
    assert judge_check(env, "ABI002", plain).status == "ok"  # py3-none-any has nothing compiled
    compiled = lock(env, wheel)
    compiled_lock = type(plain)(
        layers=compiled.layers,
        wheels=tuple(found for found in plain.wheels if found.name in compiled.all_packages),
    )
    assert judge_check(env, "ABI002", compiled_lock).status == "unknown"


@pytest.mark.parametrize(
    ("pin", "channel"),
    [
        ("faiss-gpu-cu12==1.11.0", "cu118"),
        ("faiss-gpu-cu11==1.11.0", "cu128"),
        ("tensorrt-cu12==10.8.0.43", "cu130"),
        ("cupy-cuda12x==13.6.0", "cu130"),
    ],
)
def test_a_name_alone_tells_the_major_but_not_whether_its_libraries_come_with_it(
    pin: str, channel: str, environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(environment, pin, torch="2.7.1", channel=channel, base=UBUNTU)
    result = judge_check(env, "ABI002")
    assert (result.status, result.findings) == ("unknown", ())
    package, _, version = pin.partition("==")
    (message,) = result.unknown
    assert message.startswith(f"{package} {version} is built for CUDA ")
    assert message.endswith("whether it requires the libraries of its own is not known without a lock")
    lock = wheel_lock(env, **{package.replace("-", "_"): {}})
    assert judge_check(env, "ABI002", lock).status == "incompatible"


def test_a_package_without_a_library_for_the_channel_is_an_error_and_the_next_release_is_named(
    environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(environment, "bitsandbytes==0.46.0", torch="2.8.0", channel="cu129", base=UBUNTU)
    lock = wheel_lock(env, bitsandbytes={"cuda_libraries": BITSANDBYTES["0.46.0"]})
    for present in (lock, None):
        (finding,) = judge_check(env, "ABI003", present).findings
        assert (finding.location, finding.about, finding.level) == (f"{FILE}:1:9", "bitsandbytes", "error")
        assert "bitsandbytes 0.46.0 has libraries for CUDA 11.8, 12.0" in finding.message
        assert "torch from cu129 is for CUDA 12.9" in finding.message
        assert finding.fix == (Change(path="layers[0].packages[0]", value="bitsandbytes==0.46.1"),)


def test_a_release_that_needs_another_torch_undeclared_is_no_remedy(environment: Environments) -> None:
    """0.45.0 has a library for CUDA 12.6, but imports triton.ops, which torch 2.7 has no more."""
    env = make_environment(environment, "bitsandbytes==0.44.1", torch="2.7.1", channel="cu126", base=UBUNTU)
    (finding,) = judge_check(env, "ABI003").findings
    assert finding.fix == (Change(path="layers[0].packages[0]", value="bitsandbytes==0.45.1"),)


@pytest.mark.parametrize(
    ("version", "channel", "status"),
    [
        ("0.46.1", "cu129", "ok"),
        ("0.46.0", "cu128", "ok"),
        ("0.46.0", "cu129", "incompatible"),
        ("0.46.1", "cu130", "incompatible"),
        # from 0.50 on it takes another library of the same major
        ("0.50.2", "cu129", "ok"),
        ("0.50.2", "cu130", "ok"),
        ("0.46.0", "cpu", "not applicable"),
    ],
)
def test_the_exact_version_is_looked_up_unless_the_facts_say_otherwise(
    version: str, channel: str, status: str, environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(
        environment, f"bitsandbytes=={version}", torch="2.9.1", channel=channel, base=UBUNTU
    )
    lock = wheel_lock(env, bitsandbytes={"cuda_libraries": BITSANDBYTES[version]})
    assert judge_check(env, "ABI003", lock).status == status


@pytest.mark.parametrize(
    ("libraries", "status"),
    [
        (("12.6", "12.9"), "ok"),
        (("11", "12"), "ok"),
        (("11.8", "12.1"), "unknown"),
        (("10.2", "11.8"), "incompatible"),
    ],
)
def test_how_another_package_chooses_is_not_known(
    libraries: tuple[str, ...], status: str, environment: Environments, wheel_lock: WheelLocks
) -> None:
    env = make_environment(environment, "kernels-of-mine==1.0", torch="2.8.0", channel="cu129", base=UBUNTU)
    lock = wheel_lock(env, kernels_of_mine={"cuda_libraries": libraries})
    assert judge_check(env, "ABI003", lock).status == status


@pytest.mark.parametrize(("digits", "status"), [("128", "ok"), ("127", "incompatible"), ("", "incompatible")])
def test_a_variable_may_name_the_library(
    digits: str, status: str, environment: Environments, wheel_lock: WheelLocks
) -> None:
    run = Run(env={"BNB_CUDA_VERSION": digits})
    env = make_environment(
        environment, "bitsandbytes==0.46.0", torch="2.8.0", channel="cu129", base=UBUNTU, run=run
    )
    lock = wheel_lock(env, bitsandbytes={"cuda_libraries": BITSANDBYTES["0.46.0"]})
    result = judge_check(env, "ABI003", lock)
    assert result.status == status
    if digits == "127":
        assert (
            result.findings[0].help
            == "remove BNB_CUDA_VERSION from run.env, or have it name one of these versions"
        )
