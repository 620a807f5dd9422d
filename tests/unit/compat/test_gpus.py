"""Whether a build has code for a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.checks import make_torch
from torchpin import facts
from torchpin.compat.gpus import judge_gpu

if TYPE_CHECKING:
    from support.fixture_types import Environments


def test_every_known_card_has_a_verdict_on_every_known_build_and_ok_only_with_code(
    environment: Environments,
) -> None:
    """Binary compatibility within a major, PTX upwards: reckoned again, by the numbers alone."""
    for channel in ("cu118", "cu121", "cu124", "cu126", "cu128", "cu129", "cu130"):
        for release in facts.releases():
            archs = facts.compiled_archs(release.version, channel)
            env = environment(channel=channel, torch=make_torch(release.version))
            for gpu in facts.gpus():
                verdict = judge_gpu(env, gpu)
                if gpu.capability is None or gpu.machine != "x86_64":
                    assert verdict.status != "ok"
                elif archs:
                    major, minor = map(int, gpu.capability.split("."))
                    sm = [(int(arch[3:-1]), int(arch[-1])) for arch in archs.sm if arch[-1].isdigit()]
                    ptx = [(int(arch[8:-1]), int(arch[-1])) for arch in archs.ptx]
                    runs = any(sm_major == major and sm_minor <= minor for sm_major, sm_minor in sm) or any(
                        capability <= (major, minor) for capability in ptx
                    )
                    assert (verdict.status == "ok") == runs, (channel, release.version, gpu.name)
