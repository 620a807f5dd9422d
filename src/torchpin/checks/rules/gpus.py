"""GPU: whether the torch build has code for the GPUs, and the hosts' driver runs its CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, target_gpus
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.base_torch import image_changes, image_with_code, torch_version
from torchpin.compat.builds import build_changes, build_with_code
from torchpin.compat.gpus import (
    GpuVerdict,
    is_cpu_variant,
    is_integrated,
    judge_gpu,
    minimum_driver,
    unknown_gpu_text,
)
from torchpin.description.environments import (
    cuda_version,
    has_other_channel,
    target_text,
    torch_build,
    torch_text,
)
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.registry import Answer
    from torchpin.facts.rows import Driver
    from torchpin.model import Change, Environment, Finding


@check("GPU001", "the torch build has no code for a described GPU", judge=True)
def torch_runs_on_gpus(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Move to a torch build that has code for this GPU, or remove the GPU from the description.

    A wheel of torch contains machine code (cubins) for some architectures. A cubin runs on GPUs of its major compute
    capability, with an equal or higher minor; PTX runs on its capability and every higher one. On any other GPU torch starts and lists
    the GPU, but the first kernel fails.

    Example: B200 has compute capability 10.0; torch 2.5.1+cu121 is compiled for up to sm_90, without PTX.

    Sources: NVIDIA's tables of compute capabilities and its compatibility guides; the build scripts of PyTorch's wheels,
    and the architectures measured in wheels.
    """
    if is_cpu_variant(env):
        yield from _cpu_service_notice(context, env)
        return
    if has_other_channel(env):
        return
    for name, location in target_gpus(context, env):
        gpu = facts.gpu(name)
        verdict = judge_gpu(env, gpu)
        if verdict.status == "ok":
            yield Ok(about=name, evidence=verdict.evidence)
        elif verdict.status == "unknown":
            yield (
                Unknown(message=f"{name}: {verdict.reason}", about=name) if gpu else _unknown(name, location)
            )
        else:
            yield _no_code_finding(context, env, name, location, verdict)


def _unknown(name: str, location: str) -> Unknown:
    """The answer for a name that gives no GPU; near a known name it is probably misspelled."""
    near = () if facts.gpu_candidates(name) else facts.near_gpus(name)
    if not near:
        return Unknown(message=unknown_gpu_text(name), about=name)
    message, help_text = f"{name} is not in the facts", f"did you mean {', '.join(near)}?"
    return Unknown(message=message, about=name, location=location, help=help_text)


def _cpu_service_notice(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """A notice where a GPU is asked for and the service has CPU builds only."""
    if context.target_gpus and all(variant.channel == "cpu" for variant in env.service.variants):
        names = ", ".join(context.target_gpus)
        yield finding(
            env,
            env.service.file,
            f"{env.service.name} has CPU builds of torch only, which do not use {names}",
            help="add a variant with a CUDA channel to run it on GPUs",
            level="notice",
        )


def _no_code_finding(
    context: CheckContext, env: Environment, name: str, location: str, verdict: GpuVerdict
) -> Finding:
    gpu = facts.gpu(name)
    capability = f" (compute capability {gpu.capability})" if gpu and gpu.capability else ""
    build = torch_text(env)
    help_text, changes = _remedy(context, env, name)
    return finding(
        env,
        location,
        f"{build} has no code for {name}{capability}: {verdict.reason}",
        help=help_text,
        about=name,
        evidence=verdict.evidence,
        fix=changes,
    )


def _remedy(context: CheckContext, env: Environment, name: str) -> tuple[str, Sequence[Change]]:
    """What to do about a GPU without code, and the edits of a description that do it."""
    listed = f", or remove {name} from `gpus:`" if name in env.service.gpus else ""
    otherwise = f"remove {name} from `gpus:`" if listed else f"do not use {name}"
    gpu = facts.gpu(name)
    if gpu and is_integrated(gpu) and env.variant.platform == "linux/arm64":
        return f"{otherwise}: NVIDIA builds torch for JetPack apart, which torchpin does not lock", ()
    if env.service.torch.origin == "base":
        return _base_remedy(env, name, listed)
    best = build_with_code(env, name, [gpu_name for gpu_name, _ in target_gpus(context, env)])
    if best is None:
        scope = target_text(env)
        return f"{otherwise}: no known build for {scope} has code for it", ()
    lost = f" (which has no code for {', '.join(best.unsupported_gpus)})" if best.unsupported_gpus else ""
    build = f'set `channel: {best.channel}` and torch\'s `version: "{best.version}"`'
    # `bump` leaves PyPI for no channel, and gives up no described GPU
    can_bump = env.variant.channel != "pypi" and not best.unsupported_gpus
    command = _bump_command(env, str(best.version), best.channel) if can_bump else ""
    return f"{build}, the nearest build with code for it{lost}{listed}{command}", build_changes(env, best)


def _base_remedy(env: Environment, name: str, listed: str) -> tuple[str, Sequence[Change]]:
    image = image_with_code(env, name)
    if image is None:
        repository = facts.parse_image_name(env.base.image).repository
        reason = f"no known image of {repository} has a torch with code for it"
        return f"torch comes with the base image, and {reason}: choose another base image{listed}", ()
    changes = image_changes(env, image)
    channel = image.torch_channel or env.variant.channel
    text = "torch comes with the base image: choose one whose torch has code for it, such as"
    command = _bump_command(env, str(torch_version(image)), channel)
    return f"{text} {changes[0].value} (torch {torch_version(image)}+{channel}){listed}{command}", changes


def _bump_command(env: Environment, version: str, channel: str) -> str:
    return f"; to update: `invoke bump torch=={version} --channel {channel} --service {env.service.name}`"


@check("GPU002", "the host's driver is too old for the CUDA of the build", judge=True)
def driver_is_new_enough(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Update the driver of the hosts, or choose a channel of an older CUDA.

    A driver runs the CUDA version that it was released with and every older one. Within a CUDA major, builds also run on
    older drivers down to a minimum (minor-version compatibility). Below it CUDA starts only with the driver libraries of
    an nvidia/cuda image (cuda-compat), on driver branches that the image lists and not on GeForce GPUs (forward compatibility):
    a warning. Some GPUs require a later driver, and nvidia/cuda images make the container runtime check for a driver of their
    own CUDA before they start.

    Example: a host with driver 520.61.05 cannot run torch 2.8.0+cu128, since CUDA 12 requires 525 or later.

    Sources: NVIDIA's CUDA toolkit release notes and its pages on minor-version compatibility; NVIDIA_REQUIRE_CUDA in the
    sources of the nvidia/cuda images.
    """
    driver = context.target_driver or env.service.driver
    cuda = cuda_version(env)
    if not driver or torch_build(env) == "cpu" or has_other_channel(env):
        return
    location = f"--driver {driver}" if context.target_driver else env.service.location("driver")
    minimums = facts.driver(cuda) if cuda else None
    if minimums is None:
        subject = f"CUDA {cuda}" if cuda else "the CUDA of this build"
        yield Unknown(message=f"the driver that {subject} requires is not in the facts")
        return
    if minimums.family and Version(driver) < Version(minimums.family):
        old = _old_driver_finding(context, env, (driver, location), minimums)
        yield old
        if old.level == "warning":
            yield from _check_gpu_drivers(context, env, driver, location)
        return
    yield from _check_gpu_drivers(context, env, driver, location)
    yield from _check_runtime_gate(context, env, driver, location)
    if minimums.family is None and Version(driver) < Version(minimums.toolkit):
        message = f"the oldest driver for CUDA {cuda} is not in the facts; {driver} is older than {minimums.toolkit}, which is shipped with it"
        yield Unknown(message=message, about="driver")
        return
    compatible = "" if Version(driver) >= Version(minimums.toolkit) else ", by minor-version compatibility"
    yield Ok(about="driver", evidence=f"driver {driver} runs CUDA {cuda}{compatible}: {minimums.citation}")


def _old_driver_finding(
    context: CheckContext, env: Environment, driver_at: tuple[str, str], minimums: Driver
) -> Finding:
    """A warning where the base image's own driver libraries run the CUDA on this driver, an error elsewhere."""
    driver, location = driver_at
    compat = _compat_package(context, env, driver, minimums)
    if compat is None:
        return finding(
            env,
            location,
            f"driver {driver} is too old: CUDA {minimums.cuda.split('.')[0]} requires {minimums.family} or later",
            help=f"update the driver on the hosts to {minimums.toolkit}, which is shipped with CUDA {minimums.cuda}, or at least to {minimums.family}",
            about="driver",
            evidence=minimums.citation,
        )
    package, evidence = compat
    return finding(
        env,
        location,
        f"driver {driver} runs CUDA {minimums.cuda} only by forward compatibility, with {package} of the base image",
        help=f"update the driver on the hosts to {minimums.family} or later; or keep {package} in the image and use "
        "data center GPUs only, since GeForce GPUs do not support it",
        about="driver",
        evidence=f"{minimums.citation}; {evidence}",
        level="warning",
    )


def _compat_package(
    context: CheckContext, env: Environment, driver: str, minimums: Driver
) -> tuple[str, str] | None:
    """The package of the base image that runs the CUDA on an older driver, and the evidence; None: there is none."""
    base = facts.base_image(env.base.image)
    gate = facts.image_gate(base)
    if gate is None or _branch(driver) not in gate.older_branches or _geforce_names(context, env):
        return None
    cuda = gate.needs.removeprefix(">=")
    libraries = facts.driver(cuda)
    if libraries is None or Version(libraries.toolkit) < Version(minimums.family or minimums.toolkit):
        return None
    return f"cuda-compat-{cuda.replace('.', '-')}", gate.citation


def _branch(driver: str) -> int:
    """The branch of a driver, by which NVIDIA_REQUIRE_CUDA names it: the first part of its version."""
    return int(driver.partition(".")[0])


def _geforce_names(context: CheckContext, env: Environment) -> tuple[str, ...]:
    return tuple(name for name, _ in target_gpus(context, env) if (gpu := facts.gpu(name)) and gpu.geforce)


def _check_gpu_drivers(
    context: CheckContext, env: Environment, driver: str, location: str
) -> Iterator[Answer]:
    """Findings for the GPUs that require a later driver than their CUDA does, and the GPUs of which that is unknown."""
    for name, _ in target_gpus(context, env):
        gpu = facts.gpu(name)
        if gpu is None or (gpu.vendor == "NVIDIA" and gpu.capability is None):
            message = (
                unknown_gpu_text(name)
                if gpu is None
                else f"the driver that {name} requires is not in the facts"
            )
            yield Unknown(message=message, about=name)
            continue
        minimum, reason, evidence = minimum_driver(gpu)
        if minimum is None:
            yield Unknown(message=f"the driver that {name} requires is not in the facts", about=name)
        elif minimum and Version(driver) < Version(minimum):
            message = f"driver {driver} is too old: {name} requires {minimum} or later{reason}"
            help_text = f"update the driver on hosts with {name} to {minimum} or later"
            yield finding(env, location, message, help=help_text, about=name, evidence=evidence)


def _check_runtime_gate(
    context: CheckContext, env: Environment, driver: str, location: str
) -> Iterator[Answer]:
    """A finding where the container runtime would not start the nvidia/cuda image on the driver."""
    base = facts.base_image(env.base.image)
    if base is not None and base.gate_cuda is None:
        return  # it is not built on an nvidia/cuda image, which alone require drivers
    gate = facts.image_gate(base)
    # An image requires a CUDA version, 12.8 and not 12.8.1, which every driver reports from that of update 0 on.
    base_minimum = facts.driver(major_minor(base.gate_cuda)) if base and base.gate_cuda else None
    if base_minimum and Version(driver) >= Version(base_minimum.toolkit):
        return
    if gate is None or base_minimum is None:
        message = f"whether {env.base.image} requires a later driver than {driver} is not in the facts"
        yield Unknown(message=message, about=env.base.image)
        return
    yield from _compare_with_gate(context, env, (driver, location), gate, base_minimum.toolkit)


def _compare_with_gate(
    context: CheckContext, env: Environment, driver_at: tuple[str, str], gate: facts.Gate, toolkit_driver: str
) -> Iterator[Answer]:
    driver, location = driver_at
    geforce = _geforce_names(context, env)
    if _branch(driver) not in gate.older_branches:
        allowed = ", ".join(map(str, gate.older_branches))
        message = f"{env.base.image} requires a driver of CUDA {gate.needs}, or of branch {allowed}; {driver} is neither"
    elif geforce and not gate.geforce:
        gpu_names = ", ".join(geforce)
        message = f"{env.base.image} requires a driver of CUDA {gate.needs} on GeForce GPUs ({gpu_names}); {driver} is older"
    else:
        return
    help_text = (
        f"update the driver on the hosts to {toolkit_driver}, or choose a base image with an older CUDA"
    )
    yield finding(env, location, message, help=help_text, about=env.base.image, evidence=gate.citation)
