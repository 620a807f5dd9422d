"""GPUs and drivers, and what a torch build is compiled for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from torchpin.facts.load import RawRow, build_row, load_table
from torchpin.facts.rows import (
    Archs,
    Driver,
    Gate,
    Gpu,
    gpu_key,
)
from torchpin.facts.torch import release

if TYPE_CHECKING:
    from collections.abc import Mapping


def compiled_archs(torch_version: str, channel: str, machine: str = "x86_64") -> Archs | None:
    """What this build is compiled for, or None where that is not known (or it is no CUDA build)."""
    row = _archs_row(torch_version, channel, machine)
    if row is None or row["sm"] is None:
        return None
    return build_row(Archs, {**row, "ptx": row["ptx"] or ()})


def highest_arch(torch_version: str, channel: str, machine: str = "x86_64") -> str | None:
    """The highest architecture that this build's CUDA can reach, where its list itself is not known."""
    row = _archs_row(torch_version, channel, machine)
    return None if row is None else row.get("upper_bound")


def _archs_row(torch_version: str, channel: str, machine: str) -> RawRow | None:
    if channel == "pypi":
        release_row = release(torch_version)
        if release_row is None or release_row.pypi_local is None or machine != "x86_64":
            return None
        channel = release_row.pypi_local
    series = ".".join(torch_version.split(".")[:2])
    for row in load_table("archs")["archs"]:
        if (row["series"], row["channel"], row["platform"]) == (series, channel, machine):
            return row
    return None


def runs_on(archs: Archs, capability: str) -> bool:
    """A cubin runs within its major, on its minor or a higher one; PTX on its capability or any higher one."""
    device = _capability(capability.replace(".", ""))
    return any(_cubin_runs(name, device) for name in archs.sm) or any(
        _ptx_runs(name, device) for name in archs.ptx
    )


def _cubin_runs(name: str, device: tuple[int, int]) -> bool:
    target = _capability(name.removeprefix("sm_"))
    if name.endswith("a"):  # sm_90a: this very capability
        return target == device
    return target[0] == device[0] and target[1] <= device[1]


def _ptx_runs(name: str, device: tuple[int, int]) -> bool:
    target = _capability(name.removeprefix("compute_"))
    return target == device if name.endswith("a") else target <= device


def _capability(digits: str) -> tuple[int, int]:
    digits = digits.rstrip("a")
    return int(digits[:-1]), int(digits[-1])


@cache
def gpus() -> tuple[Gpu, ...]:
    return tuple(build_row(Gpu, row) for row in load_table("gpus")["gpus"])


def gpu(name: str) -> Gpu | None:
    """By name or alias, as people and as nvidia-smi write it."""
    return _gpus_by_key().get(gpu_key(name))


@cache
def _gpus_by_key() -> Mapping[str, Gpu]:
    return {gpu_key(name): row for row in gpus() for name in (row.name, *row.aliases)}


def driver(cuda: str) -> Driver | None:
    """The drivers of a CUDA version; `12.1` is its first toolkit, `12.1.1` its first update."""
    major, minor, update = (*cuda.split("."), "0", "0")[:3]
    tables = load_table("drivers")
    family = next((row["min_driver"] for row in tables["families"] if row["family"] == f"{major}.x"), None)
    for row in tables["toolkits"]:
        if row["cuda"] == f"{major}.{minor}" and str(row["update"]) == update:
            return build_row(Driver, {**row, "cuda": cuda, "toolkit": row["driver"], "family": family})
    return None


def gate(cuda: str) -> Gate | None:
    return next((build_row(Gate, row) for row in load_table("drivers")["gates"] if row["cuda"] == cuda), None)
