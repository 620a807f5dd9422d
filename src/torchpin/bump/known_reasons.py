"""Reasons that follow from facts alone, for what moves together with torch; and which reasons of a description are such ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.gpus import judge_gpu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Environment, Reason

_PARTNER = "The release that matches torch {torch}."
_CHANNEL = "{channel} is the channel of torch {torch} with code for the described GPUs."
_CUDNN = "torch {torch} brings its own cuDNN and never loads the base image's."
_BASE = "Has the CUDA of torch {torch}+{channel}."
_OLD_PARTNER = "The partner of torch {torch}."  # as it was written until 2026-11-24
_GENERATED = re.compile(
    "|".join(
        re.escape(template).replace(r"\{torch\}", r"[\w.]+").replace(r"\{channel\}", r"\w+")
        for template in (_PARTNER, _CHANNEL, _CUDNN, _BASE, _OLD_PARTNER)
    )
)


def is_generated(reason: Reason) -> bool:
    """Whether a reason was written from facts, and not by a person."""
    return bool(_GENERATED.fullmatch(reason.because))


def torch_reasons(env: Environment, evidence: str) -> dict[str, tuple[str, str]]:
    """Reason and evidence of the components that follow torch, for its present release, by canonical name.

    `evidence`: where facts have no source.
    """
    torch, channel = str(env.service.torch.version), env.variant.channel
    release, channel_row = facts.release(torch), facts.channel(channel)
    base = facts.base_image(env.base.image)
    source = release.citation if release else evidence
    names: Mapping[str, str] = {"torch": torch, "channel": channel}
    reasons = {
        **dict.fromkeys(
            [*env.service.torch.companions, *facts.partners()], (_PARTNER.format(**names), source)
        ),
        "cudnn": (_CUDNN.format(**names), source),
        "base": (_BASE.format(**names), base.citation if base else evidence),
    }
    if env.service.gpus and all(judge_gpu(env, facts.gpu(name)).status == "ok" for name in env.service.gpus):
        reasons["cuda"] = (_CHANNEL.format(**names), channel_row.citation if channel_row else evidence)
    return {canonicalize_name(name): reason for name, reason in reasons.items()}
