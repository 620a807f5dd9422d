"""Whether the torch build of an environment has code for a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from torchpin import facts
from torchpin.description.environments import MACHINES, has_own_torch, torch_build

if TYPE_CHECKING:
    from torchpin.model import Environment

_FIRST_TOOLKIT = Version("11.7")


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuVerdict:
    """Whether a build has code for a GPU: ok only from evidence, unknown where a fact is missing. `reason`: empty for ok."""

    status: Literal["ok", "incompatible", "unknown"]
    reason: str = ""
    evidence: str = ""


def judge_gpu(env: Environment, gpu: facts.Gpu | None) -> GpuVerdict:
    """Whether the torch build of an environment has code for a GPU; None: a GPU that is not in the facts."""
    if has_own_torch(env):
        return _judge_own_torch(env, gpu)
    return _judge_wheel(env, gpu)


def _judge_wheel(env: Environment, gpu: facts.Gpu | None) -> GpuVerdict:
    """Whether the wheel of a channel has code for a GPU."""
    build, platform, channel = torch_build(env), env.variant.platform, env.variant.channel
    if is_pypi_cpu_build(env):
        return _judge_pypi_cpu_build(env)
    if build == "cpu":
        return GpuVerdict(status="incompatible", reason="a CPU build", evidence=f"the channel {channel}")
    if gpu and gpu.vendor != "NVIDIA":
        return _judge_foreign_gpu(channel, gpu)
    if gpu and (other_host := _judge_host(platform, gpu)):
        return other_host
    missing = _missing_fact(build, channel, gpu)
    if missing or gpu is None or build is None:
        return GpuVerdict(status="unknown", reason=missing)
    return _judge_architectures(str(env.service.torch.version), build, MACHINES[platform], gpu)


def _judge_own_torch(env: Environment, gpu: facts.Gpu | None) -> GpuVerdict:
    """A verdict on a build of the base image's publisher, whose architectures are its own."""
    other_host = _judge_host(env.variant.platform, gpu) if gpu else None
    reason = f"the architectures that the torch of {env.base.image} is compiled for are not in the facts"
    return other_host or GpuVerdict(status="unknown", reason=reason)


def _judge_host(platform: str, gpu: facts.Gpu) -> GpuVerdict | None:
    """The verdict on a GPU whose hosts are of another architecture than the platform; None where they may be of it."""
    if not gpu.capability or gpu.machine != "aarch64" or platform != "linux/amd64":
        return None
    reason = f"its hosts are aarch64, but this build is for {platform}"
    return GpuVerdict(status="incompatible", reason=reason, evidence=gpu.citation)


def is_cpu_variant(env: Environment) -> bool:
    """Whether an environment has a CPU build because its description chose one: no GPU is meant to run it."""
    return torch_build(env) == "cpu" and not is_pypi_cpu_build(env)


def is_pypi_cpu_build(env: Environment) -> bool:
    """Whether PyPI's torch is a CPU build though nobody chose a CPU channel, as for Linux on aarch64 up to 2.10."""
    is_linux = env.variant.platform.startswith("linux")
    return is_linux and env.variant.channel == "pypi" and torch_build(env) == "cpu"


def _judge_pypi_cpu_build(env: Environment) -> GpuVerdict:
    wheels = facts.pypi_wheels("torch", str(env.service.torch.version))
    reason = f"PyPI's wheel for {MACHINES[env.variant.platform]} is a CPU build"
    return GpuVerdict(status="incompatible", reason=reason, evidence=wheels.citation if wheels else "")


def _judge_foreign_gpu(channel: str, gpu: facts.Gpu) -> GpuVerdict:
    if other := facts.other_channel(channel):
        return GpuVerdict(status="unknown", reason=f"{channel} has {other.what}, which are not judged")
    reason = f"it is a GPU of {gpu.vendor}, and a CUDA build runs on NVIDIA's GPUs only"
    return GpuVerdict(status="incompatible", reason=reason, evidence=gpu.citation)


def _missing_fact(build: str | None, channel: str, gpu: facts.Gpu | None) -> str:
    """Why a verdict is unknown before architectures are compared; empty where they can be."""
    if other := facts.other_channel(channel):
        return f"{channel} has {other.what}, which are not judged"
    if gpu is None:
        return "this GPU is not in the facts"
    if gpu.capability is None:
        return "its capability is not in the facts"
    return "" if build else "the CUDA of this build is not in the facts"


def _judge_architectures(release: str, build: str, machine: str, gpu: facts.Gpu) -> GpuVerdict:
    archs, capability = facts.compiled_archs(release, build, machine), gpu.capability or ""
    if archs:
        names = ", ".join((*archs.sm, *archs.ptx))
        reason = f"compiled for {names}{'' if archs.ptx else ', without PTX'}"
        evidence = f"{archs.citation}; {gpu.citation}"
        if facts.runs_on(archs, capability):
            return GpuVerdict(status="ok", evidence=f"{reason}: {evidence}")
        if is_integrated(gpu):
            reason += f"; an integrated GPU runs code for {capability} only"
        return GpuVerdict(status="incompatible", reason=reason, evidence=evidence)
    highest = facts.highest_arch(release, build, machine)
    if highest and facts.parse_capability(capability) > facts.parse_capability(highest):
        reason = f"the CUDA of this build compiles up to {highest} only"
        return GpuVerdict(status="incompatible", reason=reason, evidence=gpu.citation)
    return GpuVerdict(status="unknown", reason="the architectures of this build are not in the facts")


def is_integrated(gpu: facts.Gpu) -> bool:
    """Whether a GPU is part of a Jetson, whose code and CUDA libraries are not those of other GPUs."""
    toolkits = facts.toolkits_of(gpu.capability) if gpu.capability else None
    return toolkits is not None and toolkits.integrated


def unknown_gpu_text(name: str) -> str:
    """Why a name gives no GPU: it is the name of several, or of none, with the names near it."""
    candidates = facts.gpu_candidates(name)
    if candidates:
        named = ", ".join(f"{gpu.name} ({gpu.capability or 'capability unknown'})" for gpu in candidates)
        return f"{name} can be one of several GPUs: {named}; write which"
    near = facts.near_gpus(name)
    return f"{name} is not in the facts" + (f" (did you mean {', '.join(near)}?)" if near else "")


def gpus_with_code(env: Environment) -> frozenset[str]:
    """Of the common GPUs and those that the service lists, the ones that the torch build has code for."""
    gpus = {*facts.gpus(), *filter(None, map(facts.gpu, env.service.gpus))}
    return frozenset(gpu.name for gpu in gpus if judge_gpu(env, gpu).status == "ok")


def minimum_driver(gpu: facts.Gpu) -> tuple[str | None, str, str]:
    """The oldest driver for a GPU, why, and the evidence; "": any driver; None: not in the facts."""
    if gpu.min_driver:
        return gpu.min_driver, "", gpu.citation
    if gpu.capability is None:
        return "", "", ""
    toolkits = facts.toolkits_of(gpu.capability)
    first = facts.driver(toolkits.min_toolkit) if toolkits else None
    if toolkits is None or first is None:
        # drivers.yaml begins with this CUDA: the driver of a later one knows what older ones compile for.
        is_older = toolkits is not None and Version(toolkits.min_toolkit) < _FIRST_TOOLKIT
        return "" if is_older else None, "", ""
    # The branch of the driver of the first CUDA that knows the capability: no older branch knows the GPU.
    reason = f": compute capability {gpu.capability} came with CUDA {toolkits.min_toolkit}"
    return first.toolkit.partition(".")[0], reason, f"{first.citation}; {toolkits.citation}"
