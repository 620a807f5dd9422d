"""GPUs, drivers, and the architectures that a torch build is compiled for."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from torchpin.facts.load import RawRow, build_row, load_table
from torchpin.facts.rows import Archs, Driver, Gate, Gpu, gpu_key
from torchpin.facts.torch import release
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Mapping


def compiled_archs(torch_version: str, channel: str, machine: str = "x86_64") -> Archs | None:
    """The architectures of a build; None where they are not in the facts, or for a CPU build."""
    row = _archs_row(torch_version, channel, machine)
    if row is None or row["sm"] is None:
        return None
    # Unknown PTX counts as none: what cannot be shown to run is not ok.
    return build_row(Archs, {**row, "ptx": row["ptx"] or ()})


def highest_arch(torch_version: str, channel: str, machine: str = "x86_64") -> str | None:
    """The highest architecture that the CUDA of a build can compile for, recorded where its list is unknown."""
    row = _archs_row(torch_version, channel, machine)
    return None if row is None else row.get("upper_bound")


def _archs_row(torch_version: str, channel: str, machine: str) -> RawRow | None:
    if channel == "pypi":
        release_row = release(torch_version)
        # `pypi_local` is recorded for PyPI's x86_64 wheel only.
        if release_row is None or release_row.pypi_local is None or machine != "x86_64":
            return None
        channel = release_row.pypi_local
    series = major_minor(torch_version)
    for row in load_table("archs")["archs"]:
        if (row["series"], row["channel"], row["platform"]) == (series, channel, machine):
            return row
    return None


def runs_on(archs: Archs, capability: str) -> bool:
    """Whether a build has code for a capability such as `8.6`.

    A cubin runs on its major version from its minor on; PTX on its capability and every higher one. Code for an
    architecture with the suffix `a` runs on that capability only.
    """
    device = parse_capability(capability)
    return any(_cubin_runs(name, device) for name in archs.sm) or any(
        _ptx_runs(name, device) for name in archs.ptx
    )


def _cubin_runs(name: str, device: tuple[int, int]) -> bool:
    target = parse_capability(name)
    if _is_arch_specific(name):
        return target == device
    return target[0] == device[0] and target[1] <= device[1]


def _ptx_runs(name: str, device: tuple[int, int]) -> bool:
    target = parse_capability(name)
    return target == device if _is_arch_specific(name) else target <= device


def _is_arch_specific(name: str) -> bool:
    return name.endswith("a")  # as sm_90a: NVIDIA promises no forward compatibility for these


def parse_capability(text: str) -> tuple[int, int]:
    """Major and minor of a compute capability, as `10.0`, `sm_100`, `compute_90` or `9.0a`.

    Raises ValueError for any other text.
    """
    # The last digit is the minor: sm_100 is 10.0.
    match = re.fullmatch(r"(?:sm_|compute_)?(\d+)\.?(\d)[a-z]?", text)
    if match is None:
        message = f"{text!r} is not a compute capability"
        raise ValueError(message)
    return int(match[1]), int(match[2])


@cache
def gpus() -> tuple[Gpu, ...]:
    """Every GPU in the facts."""
    return tuple(build_row(Gpu, row) for row in load_table("gpus")["gpus"])


def gpu(name: str) -> Gpu | None:
    """A GPU by its name or an alias, whatever its case, or as nvidia-smi prints it; None: not in the facts."""
    return _gpus_by_key().get(gpu_key(name))


def is_same_gpu(name: str, other: str) -> bool:
    """Whether two names are of one GPU; names that are not in the facts have to be equal."""
    row = gpu(name)
    return name == other or (row is not None and gpu(other) == row)


@cache
def _gpus_by_key() -> Mapping[str, Gpu]:
    return {gpu_key(name): row for row in gpus() for name in (row.name, *row.aliases)}


def driver(cuda: str) -> Driver | None:
    """The drivers of a CUDA version: `12.1` is the first toolkit, `12.1.1` its update 1. None: not in the facts."""
    # A version without update, such as 12.1, is update 0.
    major, minor, update = (*cuda.split("."), "0", "0")[:3]
    tables = load_table("drivers")
    family = next((row["min_driver"] for row in tables["families"] if row["family"] == f"{major}.x"), None)
    for row in tables["toolkits"]:
        if row["cuda"] == f"{major}.{minor}" and str(row["update"]) == update:
            return build_row(Driver, {**row, "cuda": cuda, "toolkit": row["driver"], "family": family})
    return None


def gate(cuda: str) -> Gate | None:
    """The driver requirement of the nvidia/cuda images of a CUDA version such as `12.8.1`; None: not in the facts.

    The patch releases of a CUDA minor share it, but for those with a row of their own.
    """
    rows = {row["cuda"]: row for row in load_table("drivers")["gates"]}
    row = rows.get(cuda) or rows.get(major_minor(cuda))
    return build_row(Gate, row) if row else None
