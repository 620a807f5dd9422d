"""Whether the torch build of an environment has code for a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin import facts
from torchpin.description.environments import MACHINES, torch_build

if TYPE_CHECKING:
    from torchpin.model import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuVerdict:
    """Whether a build has code for a GPU: ok only from evidence, unknown where a fact is missing. `reason`: empty for ok."""

    status: Literal["ok", "incompatible", "unknown"]
    reason: str = ""
    evidence: str = ""


def judge_gpu(env: Environment, gpu: facts.Gpu | None) -> GpuVerdict:
    """Whether the torch build of an environment has code for a GPU; None: a GPU that is not in the facts."""
    build, platform = torch_build(env), env.variant.platform
    if build == "cpu":
        return GpuVerdict(
            status="incompatible", reason="a CPU build", evidence=f"the channel {env.variant.channel}"
        )
    if gpu is None:
        return GpuVerdict(status="unknown", reason="this GPU is not in the facts")
    if gpu.capability is None:
        return GpuVerdict(status="unknown", reason="its capability is not in the facts")
    if gpu.machine == "aarch64" and platform == "linux/amd64":
        reason = f"its hosts are aarch64, but this build is for {platform}"
        return GpuVerdict(status="incompatible", reason=reason, evidence=gpu.citation)
    if build is None:
        return GpuVerdict(status="unknown", reason="the CUDA of this build is not in the facts")
    return _judge_architectures(str(env.service.torch.version), build, MACHINES[platform], gpu)


def _judge_architectures(release: str, build: str, machine: str, gpu: facts.Gpu) -> GpuVerdict:
    archs, capability = facts.compiled_archs(release, build, machine), gpu.capability or ""
    if archs:
        names = ", ".join((*archs.sm, *archs.ptx))
        reason = f"compiled for {names}{'' if archs.ptx else ', without PTX'}"
        evidence = f"{archs.citation}; {gpu.citation}"
        if facts.runs_on(archs, capability):
            return GpuVerdict(status="ok", evidence=f"{reason}: {evidence}")
        return GpuVerdict(status="incompatible", reason=reason, evidence=evidence)
    highest = facts.highest_arch(release, build, machine)
    if highest and facts.parse_capability(capability) > facts.parse_capability(highest):
        reason = f"the CUDA of this build compiles up to {highest} only"
        return GpuVerdict(status="incompatible", reason=reason, evidence=gpu.citation)
    return GpuVerdict(status="unknown", reason="the architectures of this build are not in the facts")
