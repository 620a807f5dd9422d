"""GPU: does the build have code for the cards, and does the host's driver carry its CUDA?"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, location_of, target_gpus
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.builds import Build, candidate_builds
from torchpin.compat.gpus import Verdict, cite_source, judge_gpu
from torchpin.description.environments import cuda_version, torch_build
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment, Finding


@check("GPU001", "The build has code for every described GPU", judge=True)
def torch_runs_on_gpus(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Move to a torch build that has code for this GPU, or drop the GPU from the description.

    A wheel of torch holds machine code for some architectures. Machine code runs within its major capability, on its own
    minor or a higher one; PTX runs on its capability and on every higher one. On another card torch starts, sees the
    card, and fails with the first kernel.

    Example: B200 has capability 10.0; torch 2.5.1+cu121 is compiled up to sm_90, without PTX.

    Sources: NVIDIA's tables of capabilities and its compatibility guides; the build scripts of PyTorch's wheels, and
    wheels whose architectures were read.
    """
    if torch_build(env) == "cpu" and not evidence.target_gpus:
        return
    for name, location in target_gpus(evidence, env):
        gpu = facts.gpu(name)
        verdict = judge_gpu(env, gpu)
        if verdict.answer == "ok":
            yield Ok(about=name, evidence=verdict.evidence)
        elif verdict.answer == "unknown":
            yield Unknown(
                message=f"{name}: {verdict.reason}{_suggestion(name) if gpu is None else ''}", about=name
            )
        else:
            yield _no_code_finding(evidence, env, name, location, verdict)


def _suggestion(name: str) -> str:
    names = [known_name for gpu in facts.gpus() for known_name in (gpu.name, *gpu.aliases)]
    near = get_close_matches(name, names, n=3)
    return f"; the facts know {', '.join(near)}" if near else ""


def _no_code_finding(
    evidence: CheckContext, env: Environment, name: str, location: str, verdict: Verdict
) -> Finding:
    gpu = facts.gpu(name)
    capability = f" (capability {gpu.capability})" if gpu and gpu.capability else ""
    build = f"torch {env.service.torch.version}+{torch_build(env)}"
    requested_gpus = [gpu_name for gpu_name, _ in target_gpus(evidence, env)]
    best = next(
        (
            candidate
            for candidate in candidate_builds(env, requested_gpus)
            if name not in candidate.unsupported_gpus and candidate.version >= env.service.torch.version
        ),
        None,
    )
    return finding(
        env,
        location,
        f"{build} has no code for {name}{capability}: {verdict.reason}",
        help=_help(env, name, best),
        about=name,
        evidence=verdict.evidence,
        fix=_build_fix(env, best) if best else (),
    )


def _help(env: Environment, name: str, best: Build | None) -> str:
    drop = f"drop {name} from `gpus:`"
    if best is None:
        return f"No recorded build for Python {env.service.python} on {env.variant.platform} has code for it: {drop}."
    lost = f" (which has no code for {', '.join(best.unsupported_gpus)})" if best.unsupported_gpus else ""
    write = f'write `channel: {best.channel}` and torch\'s `version: "{best.version}"`'
    return f"The nearest build with code for it is torch {best.version} on {best.channel}{lost}: {write}, or {drop}."


def _build_fix(env: Environment, best: Build) -> tuple[Change, ...]:
    current_version = env.service.torch.version
    channel = Change(path=f"variants.{env.variant.name}.channel", value=best.channel)
    version = Change(path="torch.version", value=str(best.version))
    return (
        *([channel] if best.channel != env.variant.channel else []),
        *([version] if best.version != current_version else []),
    )


@check("GPU002", "The host's driver carries the CUDA of the build", judge=True)
def driver_is_new_enough(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Raise the driver of the hosts, or choose a channel of an older CUDA.

    A driver runs every CUDA of its own time and older ones. Within a CUDA major, a build also runs on older drivers down
    to the family's floor (minor-version compatibility); below that nothing starts. A card may need a newer driver of its
    own, and nvidia/cuda's images ask the container runtime for the driver of their own CUDA before they start.

    Example: a host with driver 520.61.05 cannot run torch 2.8.0+cu128, since CUDA 12 needs 525 or later.

    Sources: NVIDIA's CUDA toolkit release notes and its pages on minor-version compatibility; NVIDIA_REQUIRE_CUDA in the
    sources of the nvidia/cuda images.
    """
    driver = evidence.target_driver or env.service.driver
    cuda = cuda_version(env)
    if not driver or torch_build(env) == "cpu":
        return
    location = f"--driver {driver}" if evidence.target_driver else location_of(env.service, "driver")
    minimums = facts.driver(cuda) if cuda else None
    if minimums is None:
        yield Unknown(message=f"the driver that CUDA {cuda or 'of this build'} needs is not in the facts")
        return
    source = f"{minimums.source} ({minimums.date})"
    if minimums.family and Version(driver) < Version(minimums.family):
        yield finding(
            env,
            location,
            f"driver {driver} is below {minimums.family}, the least for any CUDA {cuda and cuda.split('.')[0]} build",
            help=f"Raise the hosts' driver to {minimums.toolkit}, which CUDA {cuda} came with; {minimums.family} is the least.",
            about="driver",
            evidence=source,
        )
        return
    yield from _check_gpu_drivers(evidence, env, driver, location)
    yield from _check_runtime_gate(evidence, env, driver, location)
    compatible = "" if Version(driver) >= Version(minimums.toolkit) else ", by minor-version compatibility"
    yield Ok(about="driver", evidence=f"driver {driver} runs CUDA {cuda}{compatible} ({source})")


def _check_gpu_drivers(
    evidence: CheckContext, env: Environment, driver: str, location: str
) -> Iterator[Answer]:
    """The cards that need a newer driver of their own."""
    for name, _ in target_gpus(evidence, env):
        gpu = facts.gpu(name)
        if gpu and gpu.min_driver and Version(driver) < Version(gpu.min_driver):
            message = f"driver {driver} is below {gpu.min_driver}, the least that is documented for {name}"
            help_text = f"Raise the driver of hosts with {name} to {gpu.min_driver}."
            yield finding(env, location, message, help=help_text, about=name, evidence=cite_source(gpu))


def _check_runtime_gate(
    evidence: CheckContext, env: Environment, driver: str, location: str
) -> Iterator[Answer]:
    """What the container runtime asks before it starts an nvidia/cuda image."""
    base = facts.base_image(env.base.image)
    gate = facts.gate(base.cuda) if base and base.cuda and base.image.startswith("nvidia/cuda:") else None
    base_minimum = facts.driver(base.cuda) if base and base.cuda else None
    if gate is None or base_minimum is None or Version(driver) >= Version(base_minimum.toolkit):
        return
    source = f"{gate.source} ({gate.date})"
    branch = int(driver.partition(".")[0])
    geforce = [name for name, _ in target_gpus(evidence, env) if (gpu := facts.gpu(name)) and gpu.geforce]
    if branch not in gate.older_branches:
        allowed = ", ".join(map(str, gate.older_branches))
        message = f"{env.base.image} starts on a driver of CUDA {gate.needs}, or of branch {allowed}; {driver} is neither"
    elif geforce and not gate.geforce:
        message = (
            f"{env.base.image} asks for a driver of CUDA {gate.needs} on GeForce cards ({', '.join(geforce)})"
        )
    else:
        return
    help_text = f"Raise the hosts' driver to {base_minimum.toolkit}, or choose a base of an older CUDA."
    yield finding(env, location, message, help=help_text, about=env.base.image, evidence=source)
