"""What a wheel's table of contents says, on paths of the wheels of PyPI."""

from __future__ import annotations

import pytest

from torchpin.measure import contents
from torchpin.measure.contents import WheelFile


def wheel(*entries: tuple[str, int], size: int = 5000) -> dict[str, WheelFile]:
    """The installed files of a wheel, of paths and CRC-32s."""
    return contents.installed_files(WheelFile(path=path, size=size, crc=crc) for path, crc in entries)


@pytest.mark.parametrize(
    ("paths", "versions"),
    [
        (
            [f"bitsandbytes/libbitsandbytes_cuda{version}.so" for version in (118, 120, 126, 128)]
            + ["bitsandbytes/libbitsandbytes_cuda118_nocublaslt.so", "bitsandbytes/libbitsandbytes_cpu.so"],
            ("11.8", "12.0", "12.6", "12.8"),
        ),
        (["kernels/cu124/ops.abi3.so", "kernels/cu128/ops.abi3.so"], ("12.4", "12.8")),
        (["lib/cuda11/libfoo.so.1", "lib/cuda12/libfoo.so.1"], ("11", "12")),
        (
            ["foo/_C_cu118.cpython-310-x86_64-linux-gnu.so", "foo/_C_cu121.cpython-310-x86_64-linux-gnu.so"],
            ("11.8", "12.1"),
        ),
        # a single build does not choose
        (["nvidia/cu13/lib/libcublas.so.13", "nvidia/cu13/lib/libcublasLt.so.13"], ()),
        (["jax_cuda12_plugin/_hybrid.so", "jax_cuda12_plugin/_linalg.so"], ()),
        # numbers that are no version of CUDA
        (
            [
                "autogptq_cuda_64.cpython-310-x86_64-linux-gnu.so",
                "autogptq_cuda_256.cpython-310-x86_64-linux-gnu.so",
            ],
            (),
        ),
        # headers and texts are no libraries
        (["cupy/_cuda/cuda-11/cuda_fp16.h", "cupy/_cuda/cuda-12/cuda_fp16.h"], ()),
        ([], ()),
    ],
)
def test_the_cuda_versions_of_libraries_are_in_file_and_folder_names(
    paths: list[str], versions: tuple[str, ...]
) -> None:
    assert contents.cuda_libraries(paths) == versions


def test_a_runtime_in_the_wheel_is_told() -> None:
    assert contents.bundled_runtimes(
        ["spconv_cu120.libs/libcudart-5a077122.so.12.0.107", "spconv/core.so"]
    ) == (12,)
    assert contents.bundled_runtimes(["faiss_gpu_cu12.libs/libfaiss-5438946c.so"]) == ()


def test_top_level_folders_and_files_of_all_schemes_that_lead_there() -> None:
    paths = [
        "onnxruntime/__init__.py",
        "rec2idx.py",
        "onnxruntime_gpu-1.22.0.dist-info/RECORD",
        "pkg-1.data/purelib/inside/a.py",
        "pkg-1.data/platlib/compiled.so",
        "pkg-1.data/scripts/tool",
        "pkg-1.data/data/share/man/a.1",
        "empty/",
    ]
    assert contents.top_level(paths) == ("compiled.so", "inside", "onnxruntime", "rec2idx.py")


def test_places_of_files_with_other_bytes() -> None:
    cpu = wheel(("onnxruntime/__init__.py", 1), ("onnxruntime/capi/state.so", 2), ("onnxruntime/LICENSE", 3))
    gpu = wheel(("onnxruntime/__init__.py", 4), ("onnxruntime/capi/state.so", 5), ("onnxruntime/LICENSE", 3))
    assert contents.shared_places(cpu, gpu) == ("onnxruntime/__init__.py", "onnxruntime/capi/state.so")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (wheel(("a/x.py", 1)), wheel(("b/x.py", 1))),
        (wheel(("nvidia/__init__.py", 0), size=0), wheel(("nvidia/__init__.py", 0), size=0)),
        # a namespace, as two packages declare it
        (wheel(("google/__init__.py", 1), size=300), wheel(("google/__init__.py", 2), size=400)),
        # what packages install by mistake
        (
            wheel(("tests/__init__.py", 1), ("tests/test_a.py", 2)),
            wheel(("tests/__init__.py", 3), ("tests/test_a.py", 4)),
        ),
        (wheel(("LICENSE", 1), ("README.md", 1)), wheel(("LICENSE", 2), ("README.md", 2))),
        # metadata and scripts are not in site-packages
        (wheel(("a-1.dist-info/RECORD", 1)), wheel(("a-1.dist-info/RECORD", 2))),
        ({}, wheel(("a/x.py", 1))),
    ],
)
def test_overlaps_that_change_nothing(first: dict[str, WheelFile], second: dict[str, WheelFile]) -> None:
    assert contents.shared_places(first, second) == ()


def test_a_long_init_file_is_code() -> None:
    first, second = wheel(("cv2/__init__.py", 1), size=6000), wheel(("cv2/__init__.py", 2), size=7000)
    assert contents.shared_places(first, second) == ("cv2/__init__.py",)
