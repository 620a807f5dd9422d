"""GPU003: whether triton can compile for the GPUs that torch runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock, target_gpus
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.compilers import compiling_signs
from torchpin.compat.gpus import GpuVerdict, judge_gpu
from torchpin.compat.pins import list_pins
from torchpin.compat.triton import (
    first_release_for,
    is_too_old,
    judge_triton,
    ptxas_variable,
    triton_users,
    triton_version,
)
from torchpin.description.environments import has_other_channel, torch_build

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.checks.registry import Answer
    from torchpin.compat.pins import Pin
    from torchpin.model import Environment, Level


@check("GPU003", "triton cannot compile for a described GPU", judge=True)
def triton_compiles_for_gpus(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Move to a torch release whose triton knows the GPU, or name the ptxas of a later CUDA toolkit to triton.

    torch itself runs, since a cubin of an equal major capability is enough for it. But triton, and so torch.compile, compiles
    for the GPU that it finds, by a ptxas in its own wheel, and stops with a PTXASError where that one is older than the
    GPU. On a GPU that is older than capability 7.0 no release of triton runs at all. `compiles` under `run` says whether kernels
    are compiled: true makes it an error, false ends the matter. Without the word it is a warning, and on the older GPUs
    a notice, unless a variable, an option, an import or a package shows that something is compiled.

    Example: GB10 has compute capability 12.1, for which the ptxas of CUDA 12.8 in triton 3.5.1 cannot compile: torch 2.9.1
    on cu128 runs on it, and torch.compile fails with "Value 'sm_121a' is not defined for option 'gpu-name'".

    Sources: the ptxas in triton's wheels; NVIDIA's tables of the capabilities that a toolkit compiles for; triton-lang/triton
    issue 8539; pytorch/pytorch issue 163801.
    """
    word = env.service.run.compiles
    if torch_build(env) in {"cpu", None} or has_other_channel(env):
        return
    pins, release = list_pins(env, current_lock(context, env)), facts.release(str(env.service.torch.version))
    if release and release.triton is None and "triton" not in pins:
        return  # torch came without triton up to 1.13
    triton, users = triton_version(env, pins), triton_users(pins)
    for name, location in target_gpus(context, env):
        gpu = facts.gpu(name)
        if gpu is None or judge_gpu(env, gpu).status != "ok":
            continue  # GPU001 has the answer
        verdict = judge_triton(env, gpu, triton, users)
        if word is False:
            yield Ok(
                about=name, evidence=f"{env.service.location('run.compiles')} says that nothing is compiled"
            )
        elif verdict.status == "ok":
            yield Ok(about=name, evidence=verdict.evidence)
        elif verdict.status == "unknown":
            yield Unknown(message=f"{name}: {verdict.reason}", about=name)
        else:
            yield _finding(env, pins, name, location, verdict)


def _finding(
    env: Environment, pins: Mapping[str, Pin], name: str, location: str, verdict: GpuVerdict
) -> Answer:
    word, users, gpu = env.service.run.compiles, triton_users(pins), facts.gpu(name)
    # Those who run torch on a Pascal have no use of triton; who runs the newest GPUs meets it in most packages.
    is_idle = gpu is not None and is_too_old(gpu) and not users and not any(compiling_signs(env, pins))
    level: Level = "error" if word else "notice" if is_idle else "warning"
    return finding(
        env,
        location,
        f"{', '.join(('torch.compile', *users))} cannot compile for {name}: {verdict.reason}",
        help=_help(env, pins, name, listed=not location.startswith("--gpu")),
        about=name,
        evidence=verdict.evidence,
        level=level,
    )


def _help(env: Environment, pins: Mapping[str, Pin], name: str, *, listed: bool) -> str:
    gpu, opt_out = facts.gpu(name), "set `compiles: false` under `run:` if nothing is compiled at run time"
    if gpu is not None and is_too_old(gpu):
        remove = f"remove {name} from `gpus:`" if listed else f"do not use {name}"
        return f"do not compile on {name}, as no release of triton supports it: {opt_out}, or {remove}"
    release = first_release_for(env, gpu) if gpu else None
    toolkits = facts.toolkits_of(gpu.capability) if gpu and gpu.capability else None
    if release is None or toolkits is None:
        return opt_out
    variable = ptxas_variable(triton_version(env, pins), toolkits.capability)
    return (
        f"move to torch {release.version}, whose triton {release.triton} knows it, or set {variable} under `run.env:` to the "
        f"ptxas of CUDA {toolkits.min_toolkit} or later, as of an nvidia/cuda devel image; or {opt_out}"
    )
