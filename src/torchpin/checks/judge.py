"""GPU, TOR: can these pins work at all? Answered from facts, before anything is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts, plan
from torchpin.checks import Evidence, Unknown, at, check, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.model import Environment, Finding


@check("TOR001", "The channel has this torch release", judge=True)
def torch_is_published(evidence: Evidence, env: Environment) -> Iterator[Finding | Unknown]:
    """Choose a channel that has the release, or a release that the channel has."""
    del evidence
    channel, version = env.variant.channel, str(env.service.torch.version)
    if channel == "pypi":
        if not facts.release(version):
            yield Unknown(message=f"torch {version} is not in the facts")
        return
    recorded = facts.recorded(channel)
    if not recorded:
        yield Unknown(message=f"the index of {channel} is not recorded")
        return
    if _has(channel, version):
        return
    have = [row.name for row in facts.channels() if _has(row.name, version)]
    where = f"it is on {', '.join(have)}" if have else "it is on no recorded channel"
    yield finding(
        env,
        at(env.service, f"variants.{env.variant.name}.channel"),
        f"torch {version} is not published on {channel}; {where}",
        about=channel,
        evidence=f"{recorded.source} ({recorded.date})",
    )


def _has(channel: str, version: str) -> bool:
    recorded = facts.recorded(channel)
    files = recorded.packages.get("torch", {}) if recorded else {}
    return any(name.split("-")[1].split("+")[0] == version for name in files)


@check("GPU001", "The build has code for every described GPU", judge=True)
def torch_runs_on_gpus(evidence: Evidence, env: Environment) -> Iterator[Finding | Unknown]:
    """Move to a torch build that has code for this GPU, or drop the GPU from the description."""
    del evidence
    build = plan.torch_build(env)
    if not env.service.gpus or build == "cpu":
        return
    version = str(env.service.torch.version)
    archs = facts.compiled(version, build, plan.MACHINES[env.variant.platform]) if build else None
    for number, name in enumerate(env.service.gpus):
        gpu = facts.gpu(name)
        if not gpu or not gpu.capability:
            yield Unknown(message=f"the compute capability of {name} is not in the facts")
        elif not archs:
            yield Unknown(
                message=f"the architectures of torch {version} on {env.variant.channel} are not in the facts"
            )
        elif not facts.runs_on(archs, gpu.capability):
            yield finding(
                env,
                at(env.service, f"gpus[{number}]"),
                f"torch {version}+{build} has no code for {name} (capability {gpu.capability}): "
                f"it is compiled for {' '.join(archs.sm)}{', PTX ' + ' '.join(archs.ptx) if archs.ptx else ', without PTX'}",
                about=name,
                evidence=f"{archs.source}; {gpu.source}",
            )
