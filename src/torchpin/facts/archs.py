"""Compute capabilities: what a torch build has code for, which toolkit compiles for them, and which triton does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from torchpin.facts.load import RawRow, build_row, load_table
from torchpin.facts.rows import Archs, Row
from torchpin.facts.torch import release
from torchpin.facts.versions import is_version, major_minor, version_numbers

# The CUDA from which the libraries of servers run on Jetson too: code rules of integrated GPUs end there.
_UNIFIED_CUDA = (13, 2)
_PTXAS_BLACKWELL = (10, 0)  # triton's get_ptxas takes its second ptxas from this capability on


@dataclass(frozen=True, kw_only=True, slots=True)
class Toolkits(Row):
    """The CUDA toolkits that compile for a capability; `integrated`: of a GPU in a Jetson, with code rules of its own."""

    sm: str
    architecture: str
    min_toolkit: str
    last_toolkit: str | None = None
    integrated: bool = False

    @property
    def capability(self) -> str:
        """As `8.6`."""
        return ".".join(map(str, parse_capability(self.sm)))

    def is_compiled_by(self, cuda: str) -> bool:
        """Whether a CUDA version such as `12.8` compiles for it."""
        return version_numbers(self.min_toolkit) <= version_numbers(cuda) and (
            self.last_toolkit is None or version_numbers(cuda) <= version_numbers(self.last_toolkit)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Triton(Row):
    """The CUDA versions of the assemblers that a triton carries; `ptxas_blackwell`: the one from capability 10.0 on."""

    version: str
    ptxas: str
    ptxas_blackwell: str | None = None

    def assembler(self, capability: str) -> str:
        """The CUDA version of the ptxas that triton runs for a capability."""
        second = self.ptxas_blackwell if parse_capability(capability) >= _PTXAS_BLACKWELL else None
        return second or self.ptxas


@dataclass(frozen=True, kw_only=True, slots=True)
class BundledPtxas(Row):
    """The CUDA version of a ptxas in torch's own wheel, which torch.compile prefers to triton's."""

    series: str
    channel: str
    platform: str
    ptxas: str


@cache
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
    architecture with the suffix `a` runs on that capability only, and so does what is for, or on, an integrated GPU.
    """
    device, unified = parse_capability(capability), _cuda_of(archs.channel) >= _UNIFIED_CUDA
    return any(_cubin_runs(name, device, unified=unified) for name in archs.sm) or any(
        _ptx_runs(name, device) for name in archs.ptx
    )


def _cubin_runs(name: str, device: tuple[int, int], *, unified: bool) -> bool:
    target = parse_capability(name)
    if _is_arch_specific(name) or target in _integrated() or (device in _integrated() and not unified):
        return target == device
    return target[0] == device[0] and target[1] <= device[1]


def _ptx_runs(name: str, device: tuple[int, int]) -> bool:
    target = parse_capability(name)
    return target == device if _is_arch_specific(name) else target <= device


def _is_arch_specific(name: str) -> bool:
    return name.endswith("a")  # as sm_90a: NVIDIA promises no forward compatibility for these


@cache
def _integrated() -> frozenset[tuple[int, int]]:
    return frozenset(parse_capability(row.sm) for row in capabilities() if row.integrated)


def _cuda_of(channel: str) -> tuple[int, ...]:
    """The CUDA version of a channel's name: `cu132` gives (13, 2); empty for another name."""
    match = re.fullmatch(r"cu(\d+)(\d)", channel)
    return (int(match[1]), int(match[2])) if match else ()


@cache
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
def capabilities() -> tuple[Toolkits, ...]:
    """Every compute capability in the facts, with its toolkits, in ascending order."""
    return tuple(build_row(Toolkits, row) for row in load_table("archs")["toolkits"])


@cache
def toolkits_of(capability: str) -> Toolkits | None:
    """The toolkits of a capability such as `8.6`; None: not in the facts."""
    return next((row for row in capabilities() if row.capability == capability), None)


@cache
def tritons(required: str) -> tuple[Triton, ...]:
    """The measured versions of triton that a version or a specifier such as `~=3.8.0` allows."""
    try:
        allowed = SpecifierSet(f"=={required}" if is_version(required) else required)
    except InvalidSpecifier:
        return ()
    rows = (build_row(Triton, row) for row in load_table("archs")["triton"])
    return tuple(row for row in rows if required and allowed.contains(row.version, prereleases=True))


def bundled_ptxas(torch_version: str, channel: str, machine: str) -> BundledPtxas | None:
    """The ptxas in the wheel of a torch build; None: it is not known to have one."""
    key = (major_minor(torch_version), channel, machine)
    rows = (build_row(BundledPtxas, row) for row in load_table("archs")["bundled_ptxas"])
    return next((row for row in rows if (row.series, row.channel, row.platform) == key), None)
