"""GPU: does the build have code for the cards, and does the host's driver carry its CUDA?"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import Evidence, at, gpus_of
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat import builds, gpus
from torchpin.description import environments
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment, Finding


@check("GPU001", "The build has code for every described GPU", judge=True)
def torch_runs_on_gpus(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Move to a torch build that has code for this GPU, or drop the GPU from the description.

    A wheel of torch holds machine code for some architectures. Machine code runs within its major capability, on its own
    minor or a higher one; PTX runs on its capability and on every higher one. On another card torch starts, sees the
    card, and fails with the first kernel.

    Example: B200 has capability 10.0; torch 2.5.1+cu121 is compiled up to sm_90, without PTX.

    Sources: NVIDIA's tables of capabilities and its compatibility guides; the build scripts of PyTorch's wheels, and
    wheels whose architectures were read.
    """
    if environments.torch_build(env) == "cpu" and not evidence.asked_gpus:
        return
    for name, where in gpus_of(evidence, env):
        gpu = facts.gpu(name)
        found = gpus.verdict(env, gpu)
        if found.answer == "ok":
            yield Ok(about=name, evidence=found.evidence)
        elif found.answer == "unknown":
            yield Unknown(message=f"{name}: {found.reason}{_near(name) if gpu is None else ''}", about=name)
        else:
            yield _without_code(evidence, env, name, where, found)


def _near(name: str) -> str:
    names = [each for gpu in facts.gpus() for each in (gpu.name, *gpu.aliases)]
    near = get_close_matches(name, names, n=3)
    return f"; the facts know {', '.join(near)}" if near else ""


def _without_code(
    evidence: Evidence, env: Environment, name: str, where: str, found: gpus.Verdict
) -> Finding:
    gpu = facts.gpu(name)
    capability = f" (capability {gpu.capability})" if gpu and gpu.capability else ""
    build = f"torch {env.service.torch.version}+{environments.torch_build(env)}"
    wanted = [each for each, _ in gpus_of(evidence, env)]
    best = next(
        (
            one
            for one in builds.builds(env, wanted)
            if name not in one.lost and one.version >= env.service.torch.version
        ),
        None,
    )
    return finding(
        env,
        where,
        f"{build} has no code for {name}{capability}: {found.reason}",
        remedy=_remedy(env, name, best),
        about=name,
        evidence=found.evidence,
        repair=_moves(env, best) if best else (),
    )


def _remedy(env: Environment, name: str, best: builds.Build | None) -> str:
    drop = f"drop {name} from `gpus:`"
    if best is None:
        return f"No recorded build for Python {env.service.python} on {env.variant.platform} has code for it: {drop}."
    lost = f" (which has no code for {', '.join(best.lost)})" if best.lost else ""
    write = f'write `channel: {best.channel}` and torch\'s `version: "{best.version}"`'
    return f"The nearest build with code for it is torch {best.version} on {best.channel}{lost}: {write}, or {drop}."


def _moves(env: Environment, best: builds.Build) -> tuple[Change, ...]:
    here = env.service.torch.version
    channel = Change(path=f"variants.{env.variant.name}.channel", value=best.channel)
    version = Change(path="torch.version", value=str(best.version))
    return (
        *([channel] if best.channel != env.variant.channel else []),
        *([version] if best.version != here else []),
    )


@check("GPU002", "The host's driver carries the CUDA of the build", judge=True)
def driver_is_new_enough(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Raise the driver of the hosts, or choose a channel of an older CUDA.

    A driver runs every CUDA of its own time and older ones. Within a CUDA major, a build also runs on older drivers down
    to the family's floor (minor-version compatibility); below that nothing starts. A card may need a newer driver of its
    own, and nvidia/cuda's images ask the container runtime for the driver of their own CUDA before they start.

    Example: a host with driver 520.61.05 cannot run torch 2.8.0+cu128, since CUDA 12 needs 525 or later.

    Sources: NVIDIA's CUDA toolkit release notes and its pages on minor-version compatibility; NVIDIA_REQUIRE_CUDA in the
    sources of the nvidia/cuda images.
    """
    told = evidence.asked_driver or env.service.driver
    cuda = environments.cuda(env)
    if not told or environments.torch_build(env) == "cpu":
        return
    where = f"--driver {told}" if evidence.asked_driver else at(env.service, "driver")
    floors = facts.driver(cuda) if cuda else None
    if floors is None:
        yield Unknown(message=f"the driver that CUDA {cuda or 'of this build'} needs is not in the facts")
        return
    source = f"{floors.source} ({floors.date})"
    if floors.family and Version(told) < Version(floors.family):
        yield finding(
            env,
            where,
            f"driver {told} is below {floors.family}, the least for any CUDA {cuda and cuda.split('.')[0]} build",
            remedy=f"Raise the hosts' driver to {floors.toolkit}, which CUDA {cuda} came with; {floors.family} is the least.",
            about="driver",
            evidence=source,
        )
        return
    yield from _cards(evidence, env, told, where)
    yield from _gate(evidence, env, told, where)
    compatible = "" if Version(told) >= Version(floors.toolkit) else ", by minor-version compatibility"
    yield Ok(about="driver", evidence=f"driver {told} runs CUDA {cuda}{compatible} ({source})")


def _cards(evidence: Evidence, env: Environment, told: str, where: str) -> Iterator[Answer]:
    """The cards that need a newer driver of their own."""
    for name, _ in gpus_of(evidence, env):
        gpu = facts.gpu(name)
        if gpu and gpu.min_driver and Version(told) < Version(gpu.min_driver):
            message = f"driver {told} is below {gpu.min_driver}, the least that is documented for {name}"
            remedy = f"Raise the driver of hosts with {name} to {gpu.min_driver}."
            yield finding(env, where, message, remedy=remedy, about=name, evidence=gpus.source(gpu))


def _gate(evidence: Evidence, env: Environment, told: str, where: str) -> Iterator[Answer]:
    """What the container runtime asks before it starts an nvidia/cuda image."""
    base = facts.base(env.base.image)
    gate = facts.gate(base.cuda) if base and base.cuda and base.image.startswith("nvidia/cuda:") else None
    own = facts.driver(base.cuda) if base and base.cuda else None
    if gate is None or own is None or Version(told) >= Version(own.toolkit):
        return
    source = f"{gate.source} ({gate.date})"
    branch = int(told.partition(".")[0])
    geforce = [name for name, _ in gpus_of(evidence, env) if (card := facts.gpu(name)) and card.geforce]
    if branch not in gate.older_branches:
        allowed = ", ".join(map(str, gate.older_branches))
        message = f"{env.base.image} starts on a driver of CUDA {gate.needs}, or of branch {allowed}; {told} is neither"
    elif geforce and not gate.geforce:
        message = (
            f"{env.base.image} asks for a driver of CUDA {gate.needs} on GeForce cards ({', '.join(geforce)})"
        )
    else:
        return
    remedy = f"Raise the hosts' driver to {own.toolkit}, or choose a base of an older CUDA."
    yield finding(env, where, message, remedy=remedy, about=env.base.image, evidence=source)
