"""Whether an environment's torch has code for a GPU: the one place that answers, with the reason and its source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin import facts
from torchpin.description.environments import MACHINES, torch_build

if TYPE_CHECKING:
    from torchpin.model import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """ok only from evidence; unknown where a fact is missing. `reason` is empty for ok."""

    answer: Literal["ok", "refused", "unknown"]
    reason: str = ""
    evidence: str = ""


def judge_gpu(env: Environment, gpu: facts.Gpu | None) -> Verdict:
    """Whether the build that an environment describes runs on a GPU (None: one that no fact knows)."""
    build, platform = torch_build(env), env.variant.platform
    if build == "cpu":
        return Verdict(answer="refused", reason="a CPU build", evidence=f"the channel {env.variant.channel}")
    if gpu is None or gpu.capability is None:
        return Verdict(answer="unknown", reason="no fact tells its capability")
    if gpu.machine == "aarch64" and platform == "linux/amd64":
        reason = f"its host is aarch64, this build is for {platform}"
        return Verdict(answer="refused", reason=reason, evidence=cite_source(gpu))
    if build is None:
        return Verdict(answer="unknown", reason="no fact tells what this build is")
    return _judge_architectures(str(env.service.torch.version), build, MACHINES[platform], gpu)


def _judge_architectures(release: str, build: str, machine: str, gpu: facts.Gpu) -> Verdict:
    archs, capability = facts.compiled_archs(release, build, machine), gpu.capability or ""
    if archs:
        names = ", ".join((*archs.sm, *archs.ptx))
        reason = f"compiled for {names}{'' if archs.ptx else ', without PTX'}"
        evidence = f"{cite_source(archs)}; {cite_source(gpu)}"
        if facts.runs_on(archs, capability):
            return Verdict(answer="ok", evidence=f"{reason} ({evidence})")
        return Verdict(answer="refused", reason=reason, evidence=evidence)
    ceiling = facts.highest_arch(release, build, machine)
    if ceiling and _capability(capability) > _capability(ceiling):
        reason = f"its CUDA makes machine code up to {ceiling} only"
        return Verdict(answer="refused", reason=reason, evidence=cite_source(gpu))
    return Verdict(answer="unknown", reason="no fact tells what this build is compiled for")


def cite_source(row: facts.Gpu | facts.Archs) -> str:
    return f"{row.source} ({row.date})"


def _capability(text: str) -> tuple[int, int]:
    """`10.0` and `sm_100` alike; the last digit is the minor."""
    digits = re.sub(r"\D", "", text)
    return int(digits[:-1]), int(digits[-1])
