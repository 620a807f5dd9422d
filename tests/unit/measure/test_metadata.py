"""The requirements and CUDA majors in METADATA and names, on what the wheels of PyPI say."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from torchpin.measure import metadata

# Requires-Dist of the wheels of PyPI (2026-11)
ONNXRUNTIME_GPU_1_26 = """\
Metadata-Version: 2.1
Name: onnxruntime-gpu
Version: 1.26.0
Requires-Dist: flatbuffers
Requires-Dist: numpy>=1.21.6
Provides-Extra: cuda
Requires-Dist: nvidia-cuda-nvrtc-cu12~=12.0; extra == "cuda"
Requires-Dist: nvidia-cuda-runtime-cu12~=12.0; extra == "cuda"
Requires-Dist: nvidia-cufft-cu12~=11.0; extra == "cuda"
Requires-Dist: nvidia-curand-cu12~=10.0; extra == "cuda"
Requires-Dist: nvidia-cudnn-cu12~=9.0; extra == "cudnn"
"""
JAX_CUDA13_PLUGIN = """\
Metadata-Version: 2.4
Name: jax-cuda13-plugin
Version: 0.12.0.1
Requires-Dist: jax-cuda13-pjrt==0.12.0.1
Requires-Dist: nvidia-cuda-runtime>=13.0.48; sys_platform == "linux" and extra == "with-cuda"
Requires-Dist: nvidia-cufft>=12.0.0.15; sys_platform == "linux" and extra == "with-cuda"
"""
NUMBA_CUDA = """\
Metadata-Version: 2.4
Name: numba-cuda
Version: 0.30.4
Requires-Dist: cuda-bindings<14.0.0,>=12.9.1
Requires-Dist: cuda-toolkit[cccl,cudart,nvcc,nvrtc]==12.*; extra == "cu12"
Requires-Dist: cuda-toolkit[cccl,cudart,nvrtc,nvvm]==13.*; extra == "cu13"
"""
KVIKIO = """\
Metadata-Version: 2.4
Name: kvikio-cu12
Version: 26.10.0
Requires-Dist: cupy-cuda12x[ctk]!=14.1.0,>=14.0.1
Requires-Dist: nvidia-cufile-cu13; extra == "test"
"""
BITSANDBYTES = """\
Metadata-Version: 2.4
Name: bitsandbytes
Version: 0.46.0
Requires-Dist: torch<3,>=2.2
Requires-Dist: numpy>=1.17
Requires-Dist: lion-pytorch==0.2.3; extra == "test"
Requires-Dist: not a requirement
"""


@pytest.mark.parametrize(
    ("text", "majors"),
    [
        (ONNXRUNTIME_GPU_1_26, (12,)),
        (ONNXRUNTIME_GPU_1_26.replace("cu12~=12.0", "cu13~=13.0").replace("cu12", "cu13"), (13,)),
        (JAX_CUDA13_PLUGIN, (13,)),
        (NUMBA_CUDA, (12, 13)),
        (KVIKIO, (12,)),
        (BITSANDBYTES, ()),
        ("", ()),
        ("no metadata at all", ()),
    ],
)
def test_metadata_name_cuda_majors_extras_included(text: str, majors: tuple[int, ...]) -> None:
    assert metadata.cuda_majors(metadata.parse_requirements(text)) == majors


def test_requirements_on_some_packages_are_read_and_broken_lines_left_out() -> None:
    requirements = metadata.parse_requirements(BITSANDBYTES.encode())
    assert list(map(str, metadata.requirements_on(requirements, {"torch", "lion-pytorch"}))) == [
        "torch<3,>=2.2",
        'lion-pytorch==0.2.3; extra == "test"',
    ]


@pytest.mark.parametrize(
    ("name", "major"),
    [
        ("cupy-cuda12x", 12),
        ("cupy_cuda118", 11),
        ("faiss-gpu-cu12", 12),
        ("jax-cuda13-plugin", 13),
        ("nvidia-dali-cuda120", 12),
        ("mxnet-cu92", 9),
        ("onnxruntime-gpu", None),
        ("numba-cuda", None),
        ("cuda-python", None),
        ("autogptq-cuda-256", None),
    ],
)
def test_a_package_name_has_a_cuda_major(name: str, major: int | None) -> None:
    assert metadata.cuda_major_of_name(name) == major


@pytest.mark.parametrize(
    ("version", "major"),
    [
        ("0.0.30+cu118", 11),
        ("2.1.2+pt26cu124", 12),
        ("2.8.3+cu12torch2.4cxx11abiFALSE", 12),
        ("0.2.1+cu130", 13),
        ("1.0+cpu", None),
        ("1.0", None),
        ("1.0+gpucu", None),
    ],
)
def test_a_local_version_has_a_cuda_major(version: str, major: int | None) -> None:
    assert metadata.cuda_major_of_version(version) == major


@pytest.mark.parametrize(
    ("filename", "major"),
    [
        ("flash_attn-2.8.3+cu12torch2.4cxx11abiTRUE-cp312-cp312-linux_x86_64.whl", 12),
        ("cupy_cuda11x-13.6.0-cp310-cp310-manylinux2014_x86_64.whl", 11),
        ("numpy-1.26.4-cp312-cp312-manylinux_2_17_x86_64.whl", None),
        ("cu12.tar.gz", None),
    ],
)
def test_a_file_name_has_a_cuda_major(filename: str, major: int | None) -> None:
    assert metadata.cuda_major_of_file(filename) == major


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ("nvidia-cublas-cu12", 12),
        ("nvidia-cuda-runtime~=13.0", 13),
        ("nvidia-nvjitlink<14.0.0,>=13.0.0", 13),
        ("cuda-toolkit[cublas,cudart]==12.*", 12),
        ("flashinfer-python[cu13]==0.7.2", 13),
        ("nvidia-cufft>=12.0.0.15", None),  # its version is not the toolkit's
        ("nvidia-cuda-runtime", None),
        ("cuda-python>=12.0", None),  # takes 13 too
        ("nvidia-cuda-runtime===any", None),
        ("torch==2.8.0", None),
    ],
)
def test_a_requirement_names_a_cuda_major(text: str, major: int | None) -> None:
    assert metadata.cuda_major(Requirement(text)) == major


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("nvidia-cuda-runtime-cu12", "12.8.90", ("nvidia-cuda-runtime", 12)),
        ("nvidia-cuda-runtime", "13.0.96", ("nvidia-cuda-runtime", 13)),
        ("nvidia-cuda-runtime", "14.0.1", ("nvidia-cuda-runtime", 14)),
        ("nvidia-cufft", "12.0.0.61", ("nvidia-cufft", 13)),
        ("nvidia-cudnn-cu12", "9.10.2.21", None),
        ("numpy", "2.0.0", None),
    ],
)
def test_libraries_of_the_toolkit_have_one_name_for_each_major(
    name: str, version: str, expected: tuple[str, int] | None
) -> None:
    assert metadata.library(name, version) == expected


def test_a_requirement_applies_in_an_environment_with_any_of_its_extras() -> None:
    environment = {"sys_platform": "linux", "python_version": "3.12", "platform_machine": "x86_64"}
    assert metadata.applies(Requirement("torch"), environment)
    assert metadata.applies(Requirement('torch; sys_platform == "linux" and extra == "gpu"'), environment)
    assert not metadata.applies(Requirement('torch; sys_platform == "win32" and extra == "gpu"'), environment)
    assert not metadata.applies(Requirement('torch; python_version < "3.10"'), environment)


def test_extras_for_development_alone_are_told() -> None:
    assert metadata.is_for_development(Requirement('nvidia-cufile-cu12; extra == "test"'))
    assert not metadata.is_for_development(
        Requirement('nvidia-cufile-cu12; extra == "test" or extra == "gpu"')
    )
    assert not metadata.is_for_development(Requirement("nvidia-cufile-cu12"))
