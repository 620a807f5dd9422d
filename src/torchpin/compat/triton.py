"""Whether the triton of an environment can compile for a GPU, by the ptxas that it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.compat.gpus import GpuVerdict
from torchpin.description.environments import MACHINES, torch_build
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.compat.pins import Pin
    from torchpin.model import Environment

_MINIMUM = (7, 0)
_MINIMUM_SOURCE = (
    "PyPI torch 2.11.0 to 2.15.0: GPUTooOldForTriton in torch/_inductor/scheduler.py (2026-11-26)"
)


def triton_version(env: Environment, pins: Mapping[str, Pin]) -> str:
    """The version of triton in an environment, or the specifier that its torch release has; empty: not in the facts."""
    if "triton" in pins:
        return str(pins["triton"].version)
    release = facts.release(str(env.service.torch.version))
    return (release and release.triton) or ""


def triton_users(pins: Mapping[str, Pin]) -> tuple[str, ...]:
    """The packages of an environment that call triton themselves, and triton where it is declared for its own sake."""
    names = {row.package for row in facts.compiling_packages()} & pins.keys()
    return tuple(sorted(names | {name for name in ("triton",) if name in pins and pins[name].path}))


def judge_triton(env: Environment, gpu: facts.Gpu, triton: str, users: Sequence[str] = ()) -> GpuVerdict:
    """Whether a triton, a version or a specifier, can compile for a GPU.

    `users`: the packages that call triton themselves, for which a ptxas in torch's own wheel does not help.
    """
    toolkits, rows = facts.toolkits_of(gpu.capability or ""), facts.tritons(triton)
    if is_too_old(gpu):
        reason = f"triton requires compute capability 7.0, and it has {gpu.capability}"
        return GpuVerdict(status="incompatible", reason=reason, evidence=_MINIMUM_SOURCE)
    if toolkits is None or not rows:
        return GpuVerdict(
            status="unknown", reason=f"the ptxas of triton {triton or '(unknown)'} is not in the facts"
        )
    row = rows[-1]  # of several that a specifier allows, the newest is installed
    cuda = row.assembler(toolkits.capability)
    if toolkits.is_compiled_by(cuda):
        reason = f"triton {row.version} has the ptxas of CUDA {cuda}, which compiles for {toolkits.sm}"
        return GpuVerdict(status="ok", evidence=f"{reason}: {row.citation}; {toolkits.citation}")
    other = _described_ptxas(env, row, toolkits) or (None if users else _bundled_ptxas(env, toolkits))
    return other or GpuVerdict(
        status="incompatible",
        reason=f"triton {row.version} has the ptxas of CUDA {cuda}, and {toolkits.sm} needs that of {toolkits.min_toolkit}",
        evidence=f"{row.citation}; {toolkits.citation}",
    )


def is_too_old(gpu: facts.Gpu) -> bool:
    """Whether triton no longer supports a GPU, whatever its version."""
    return gpu.capability is not None and facts.parse_capability(gpu.capability) < _MINIMUM


def ptxas_variable(triton: str, capability: str) -> str:
    """The variable that names another ptxas to triton."""
    rows = facts.tritons(triton)
    second = rows and rows[-1].assembler(capability) != rows[-1].ptxas
    return "TRITON_PTXAS_BLACKWELL_PATH" if second else "TRITON_PTXAS_PATH"


def _described_ptxas(env: Environment, row: facts.Triton, toolkits: facts.Toolkits) -> GpuVerdict | None:
    """The verdict on the ptxas that `run.env` names; None where it names none."""
    path = env.service.run.env.get(ptxas_variable(row.version, toolkits.capability))
    if not path:
        return None
    base = facts.base_image(env.base.image)
    if path.startswith("/usr/local/cuda/") and base and base.cuda:
        if toolkits.is_compiled_by(major_minor(base.cuda)):
            reason = f"{path} of {base.image} is of CUDA {base.cuda}, which compiles for {toolkits.sm}"
            return GpuVerdict(status="ok", evidence=f"{reason}: {base.citation}; {toolkits.citation}")
        reason = f"{path} of {base.image} is of CUDA {base.cuda}, and {toolkits.sm} needs that of {toolkits.min_toolkit}"
        return GpuVerdict(
            status="incompatible", reason=reason, evidence=f"{base.citation}; {toolkits.citation}"
        )
    return GpuVerdict(status="unknown", reason=f"the CUDA of {path} is not in the facts")


def _bundled_ptxas(env: Environment, toolkits: facts.Toolkits) -> GpuVerdict | None:
    """The verdict on a ptxas in torch's own wheel that compiles for a capability; None where there is none."""
    machine = MACHINES[env.variant.platform]
    bundled = facts.bundled_ptxas(str(env.service.torch.version), torch_build(env) or "", machine)
    if bundled is None or not toolkits.is_compiled_by(bundled.ptxas):
        return None
    reason = f"torch.compile uses the ptxas of CUDA {bundled.ptxas} in torch's wheel, which compiles for {toolkits.sm}"
    return GpuVerdict(status="ok", evidence=f"{reason}: {bundled.citation}; {toolkits.citation}")


def first_release_for(env: Environment, gpu: facts.Gpu) -> facts.TorchRelease | None:
    """The first release from the environment's on whose triton compiles for a GPU; None: none is known."""
    toolkits = facts.toolkits_of(gpu.capability or "")
    for release in sorted(facts.releases(), key=lambda row: Version(row.version)):
        rows = facts.tritons(release.triton or "")
        is_later = Version(release.version) > env.service.torch.version
        if (
            is_later
            and rows
            and toolkits
            and toolkits.is_compiled_by(rows[-1].assembler(toolkits.capability))
        ):
            return release
    return None
