"""The GPU architectures that a build is told to compile for: TORCH_CUDA_ARCH_LIST, CMAKE_CUDA_ARCHITECTURES and their kin."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = {  # as torch.utils.cpp_extension knows them
    "Kepler+Tesla": "3.7", "Kepler": "3.5+PTX", "Maxwell+Tegra": "5.3", "Maxwell": "5.0;5.2+PTX", "Pascal": "6.0;6.1+PTX",
    "Volta+Tegra": "7.2", "Volta": "7.0+PTX", "Turing": "7.5+PTX", "Ampere+Tegra": "8.7", "Ampere": "8.0;8.6+PTX",
    "Ada": "8.9+PTX", "Hopper": "9.0+PTX", "Blackwell+Tegra": "11.0", "Blackwell": "10.0;10.3;12.0;12.1+PTX",
}  # fmt: skip
_TORCH_LISTS = frozenset({"TORCH_CUDA_ARCH_LIST", "FLASHINFER_CUDA_ARCH_LIST", "CUDA_ARCH_LIST"})
_NUMBER_LISTS = frozenset({
    "CUDA_ARCHITECTURES", "CMAKE_CUDA_ARCHITECTURES", "CUDAARCHS", "TCNN_CUDA_ARCHITECTURES", "FLASH_ATTN_CUDA_ARCHS",
    "NATTEN_CUDA_ARCH", "DS_CUDA_ARCH_LIST", "COLMAP_CUDA_ARCHITECTURES",
})  # fmt: skip
_NVCC_FLAGS = frozenset(
    {"NVCC_APPEND_FLAGS", "NVCC_PREPEND_FLAGS", "NVCC_FLAGS", "CUDA_NVCC_FLAGS", "NVCC_GENCODE"}
)
VARIABLES = _TORCH_LISTS | _NUMBER_LISTS | _NVCC_FLAGS
_GENCODE = re.compile(r"(?:code|arch)=\[?[\"']?((?:(?:sm|compute|lto)_\d+[af]?[,\s]*)+)")
_CODE = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")
_DEFINITION = re.compile(r"-D(?P<name>\w+)(?::\w+)?=(?P<value>\S+)")
_LONGEST = 10_000  # characters of a value


@dataclass(frozen=True, kw_only=True, slots=True)
class CudaArchitectures:
    """`capabilities`: as 8.6 or 9.0a, ascending; `ptx`: those with PTX, which later GPUs run too; `unknown`: other words."""

    capabilities: tuple[str, ...] = ()
    ptx: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def parse_architectures(name: str, value: str) -> CudaArchitectures | None:
    """The architectures that a variable, or a definition of CMake, names; None for another variable."""
    if name not in VARIABLES:
        return None
    if len(value) > _LONGEST:
        return CudaArchitectures(unknown=(f"a value of {len(value)} characters",))
    if name in _NVCC_FLAGS:
        return _collect(list(_gencodes(value)))
    words = [word for word in re.split(r"[;,\s]+", value.strip("\"' ")) if word]
    if name in _TORCH_LISTS:
        words = [part for word in words for part in _torch_names(word).split(";")]
        return _collect([_torch_capability(word) for word in words])
    return _collect([_number(word) for word in words])


def cmake_definitions(text: str) -> tuple[tuple[str, str], ...]:
    """The definitions of a CMake command line that name architectures: `-DCMAKE_CUDA_ARCHITECTURES=86`."""
    matches = _DEFINITION.finditer(text)
    return tuple(
        (match["name"], match["value"].strip("\"'")) for match in matches if match["name"] in VARIABLES
    )


_Entry = tuple[
    str, bool, bool
]  # a capability or another word, whether it has machine code, whether it has PTX


def _torch_names(word: str) -> str:
    bare, plus, suffix = word.rpartition("+")
    if word in _NAMES:
        return _NAMES[word]
    return (
        f"{_NAMES[bare]}{'' if _NAMES[bare].endswith('+PTX') else '+PTX'}"
        if plus and suffix == "PTX" and bare in _NAMES
        else word
    )


def _torch_capability(word: str) -> _Entry:
    match = re.fullmatch(r"(?:sm_|compute_)?(\d{1,2})\.(\d)([af]?)(\+PTX)?", word, re.ASCII)
    return (f"{match[1]}.{match[2]}{match[3]}", True, bool(match[4])) if match else (word, False, False)


def _number(word: str) -> _Entry:
    """An entry of CMake: 86, 86-real, 90-virtual, 90a; also sm_86 and 8.6."""
    match = re.fullmatch(r"(?:sm_)?(\d{1,2}?)\.?(\d)([af]?)(-real|-virtual)?", word, re.ASCII)
    if not match:
        return word, False, False
    return f"{match[1]}.{match[2]}{match[3]}", match[4] != "-virtual", match[4] != "-real"


def _gencodes(flags: str) -> list[_Entry]:
    codes = [code for match in _GENCODE.finditer(flags) for code in _CODE.finditer(match[1])]
    in_code = [
        match[1] for match in re.finditer(r"code=\[?[\"']?((?:(?:sm|compute|lto)_\d+[af]?[,\s]*)+)", flags)
    ]
    chosen = [code for text in in_code for code in _CODE.finditer(text)] or codes
    return [(f"{code[2]}.{code[3]}{code[4]}", code[1] == "sm", code[1] == "compute") for code in chosen]


def _collect(entries: list[_Entry]) -> CudaArchitectures:
    def ascending(names: set[str]) -> tuple[str, ...]:
        return tuple(sorted(names, key=lambda name: (float(name.rstrip("af")), name)))

    return CudaArchitectures(
        capabilities=ascending({name for name, has_code, _ in entries if has_code}),
        ptx=ascending({name for name, _, has_ptx in entries if has_ptx}),
        unknown=tuple(
            dict.fromkeys(name for name, has_code, has_ptx in entries if not has_code and not has_ptx)
        ),
    )
