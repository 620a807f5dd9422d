"""GPU004: whether the pinned ABI wheels run on the GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.context import CheckContext, target_gpus
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.pins import declared_pins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.compat.pins import Pin
    from torchpin.facts import Wheel
    from torchpin.model import Environment


@check("GPU004", "a pinned package does not support a described GPU", judge=True)
def abi_wheels_run_on_gpus(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Remove the GPU from the description, or do without the package on it.

    A wheel with an ABI in its file name is compiled for some architectures, and its package may refuse older ones. It installs
    and imports everywhere; on such a GPU its first call fails.

    Example: flash-attn 2.8.3 on T4, which has compute capability 7.5: FlashAttention only supports Ampere GPUs or newer.

    Sources: setup.py of flash-attn at v2.8.3; Dao-AILab/flash-attention #762.
    """
    for name, pin in declared_pins(env).items():
        version = str(pin.version)
        wheel = next((row for row in facts.wheels() if (row.package, row.version) == (name, version)), None)
        if wheel:
            for gpu_name, location in target_gpus(context, env):
                yield _judge_gpu(env, pin, wheel, gpu_name, location)


def _judge_gpu(env: Environment, pin: Pin, wheel: Wheel, gpu_name: str, location: str) -> Answer:
    gpu, package = facts.gpu(gpu_name), f"{pin.name} {pin.version}"
    about = f"{pin.name} {gpu_name}"
    if gpu is None or gpu.capability is None:
        return Unknown(
            message=f"whether {package} supports {gpu_name} is unknown: it is not in the facts", about=about
        )
    evidence = f"{gpu.citation}; {wheel.citation}"
    if facts.parse_capability(gpu.capability) >= facts.parse_capability(wheel.min_capability):
        text = f"{gpu_name} has capability {gpu.capability}, and {package} needs {wheel.min_capability}"
        return Ok(about=about, evidence=f"{text}: {evidence}")
    return finding(
        env,
        location,
        f"{package} supports GPUs from compute capability {wheel.min_capability}; {gpu_name} has {gpu.capability}",
        help=f"remove {gpu_name} from `gpus:`, or do not use {pin.name} on it",
        about=about,
        evidence=evidence,
        level="warning",
    )
