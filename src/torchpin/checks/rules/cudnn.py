"""ABI004: packages that load another cuDNN than the one that torch brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.pin_fixes import help_text, pin_changes
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.cudnn import (
    base_is_known,
    cudnn_uses,
    fitting_release,
    nearest_torch,
    other_cudnns,
    torch_cudnn,
)
from torchpin.compat.pins import list_pins
from torchpin.description.environments import torch_build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.pin_fixes import Pins
    from torchpin.checks.registry import Answer
    from torchpin.compat.cudnn import CudnnUse
    from torchpin.model import Environment, Finding


@check("ABI004", "a package loads another cuDNN major than torch brings", judge=True)
def packages_fit_cudnn(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Pin a release that loads torch's cuDNN, or choose a torch with the package's.

    The libraries of cuDNN carry the major in their file names (`libcudnn_ops_infer.so.8`). Some packages name no cuDNN in
    their metadata and load it when they first run a convolution on a GPU: without a cuDNN of their major the process is then
    aborted. torch brings cuDNN 8 up to 2.3 and cuDNN 9 from 2.4 on; the base image or `apt` may have another one.

    Example: `ctranslate2==4.4.0`, which loads cuDNN 8, beside torch 2.5.1.

    Sources: the libraries in the PyPI wheels of ctranslate2; OpenNMT/CTranslate2 #1780, #1806; m-bain/whisperX #954;
    SYSTRAN/faster-whisper #1080.
    """
    if torch_build(env) == "cpu":
        return  # nothing runs on a GPU
    pins = list_pins(env, current_lock(context, env))
    major, others = torch_cudnn(env), other_cudnns(env, pins)
    for use in cudnn_uses(pins):
        loads = f"{use.pin.name} {use.pin.version} loads cuDNN {use.cudnn} at run time"
        if use.cudnn == major:
            yield Ok(about=use.pin.name, evidence=f"{loads}, which torch brings: {use.row.citation}")
        elif use.cudnn in others:
            yield Ok(
                about=use.pin.name, evidence=f"{loads}, which {others[use.cudnn]} brings: {use.row.citation}"
            )
        elif major is None:
            message = f"{loads}; the cuDNN of torch {env.service.torch.version} from {env.variant.channel} is not in the facts"
            yield Unknown(message=message, about=use.pin.name)
        elif not base_is_known(env):
            message = f"{loads}, torch brings cuDNN {major}; whether {env.base.image} has cuDNN {use.cudnn} is not in the facts"
            yield Unknown(message=message, about=use.pin.name)
        else:
            yield _wrong_cudnn(env, pins, use, major)


def _wrong_cudnn(env: Environment, pins: Pins, use: CudnnUse, major: int) -> Finding:
    name, torch = use.pin.name, env.service.torch.version
    release = fitting_release(env, pins, use, major)
    nearest = Requirement(f"{name}=={release}") if release else None
    other = nearest_torch(use.cudnn, torch)
    choices = [
        help_text(env, pins, nearest, name) if nearest else "",
        f"choose torch {other}, which brings cuDNN {use.cudnn}" if other else "",
    ]
    return finding(
        env,
        use.pin.location,
        f"{name} {use.pin.version} loads cuDNN {use.cudnn} when it first runs a convolution on a GPU, but torch {torch} from "
        f"{env.variant.channel} brings cuDNN {major}, and neither the pins nor {env.base.image} have cuDNN {use.cudnn}",
        help="; or ".join(filter(None, choices)) or f"remove {name}",
        about=name,
        evidence=use.row.citation,
        level="warning",
        fix=pin_changes(env, pins, nearest, name),
    )
