"""The architectures that a build compiles for, by the variables of torch, CMake and nvcc."""

from __future__ import annotations

import pytest

from torchpin.project.cuda_archs import CudaArchitectures, cmake_definitions, parse_architectures


@pytest.mark.parametrize(
    ("name", "value", "capabilities", "ptx", "unknown"),
    [
        ("TORCH_CUDA_ARCH_LIST", "8.0;8.6;9.0+PTX", ("8.0", "8.6", "9.0"), ("9.0",), ()),
        ("TORCH_CUDA_ARCH_LIST", "7.5 12.0 9.0a", ("7.5", "9.0a", "12.0"), (), ()),
        ("TORCH_CUDA_ARCH_LIST", "Ampere;Hopper", ("8.0", "8.6", "9.0"), ("8.6", "9.0"), ()),
        ("TORCH_CUDA_ARCH_LIST", "8.6;$ARCHS", ("8.6",), (), ("$ARCHS",)),
        ("CMAKE_CUDA_ARCHITECTURES", "86;90-real;120-virtual", ("8.6", "9.0"), ("8.6", "12.0"), ()),
        ("TCNN_CUDA_ARCHITECTURES", "75", ("7.5",), ("7.5",), ()),
        ("CUDA_ARCHITECTURES", "native", (), (), ("native",)),
        ("NVCC_APPEND_FLAGS", "-gencode arch=compute_80,code=sm_80", ("8.0",), (), ()),
        ("NVCC_APPEND_FLAGS", "-gencode=arch=compute_90,code=[sm_90,compute_90]", ("9.0",), ("9.0",), ()),
        ("NVCC_APPEND_FLAGS", "-gencode arch=compute_120a,code=sm_120a --threads 4", ("12.0a",), (), ()),
        ("NVCC_APPEND_FLAGS", "-O3", (), (), ()),
    ],
)  # fmt: skip
def test_a_value_names_capabilities(
    name: str, value: str, capabilities: tuple[str, ...], ptx: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    expected = CudaArchitectures(capabilities=capabilities, ptx=ptx, unknown=unknown)
    assert parse_architectures(name, value) == expected


def test_other_variables_name_none() -> None:
    assert parse_architectures("PATH", "8.0") is None


def test_a_long_value_is_not_read() -> None:
    archs = parse_architectures("TORCH_CUDA_ARCH_LIST", "8.0;" * 10_000)
    assert archs == CudaArchitectures(unknown=("a value of 40000 characters",))


def test_definitions_of_cmake_are_found_in_a_command() -> None:
    command = "cmake -B build -DCMAKE_CUDA_ARCHITECTURES:STRING='86;89' -DCMAKE_BUILD_TYPE=Release"
    assert cmake_definitions(command) == (("CMAKE_CUDA_ARCHITECTURES", "86;89"),)
