"""CHN: channels that torchpin neither locks nor builds from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.registry import check, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Answer
    from torchpin.model import Environment


@check("CHN001", "torchpin does not build from this channel", judge=True)
def channel_can_be_built(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a channel of CUDA or CPU builds, such as cu128 or cpu, or `pypi`; or install this environment by other means.

    PyTorch's index has more channels than those of its CUDA and CPU releases: for AMD's and Intel's GPUs, nightly builds and
    release candidates, and NVIDIA has an index for Jetson. What is known of base images, drivers, GPUs and wheels does not
    apply to them, so that no lock or image is made from one.

    Example: `rocm6.3` has builds for AMD GPUs; they need a base image with ROCm instead of one with CUDA.

    Sources: PyTorch's release compatibility matrix; the documentation of ROCm, of Intel's GPUs in torch, and of torch for
    Jetson.
    """
    del context
    channel = env.variant.channel
    other = facts.other_channel(channel)
    if other:
        yield finding(
            env,
            env.service.location(f"variants.{env.variant.name}.channel"),
            f"torchpin does not lock or build from {channel}: it has {other.what}",
            help=f"choose a channel such as cu128, cpu or pypi; {channel} would need {other.needs}",
            about=channel,
            evidence=other.citation,
        )
