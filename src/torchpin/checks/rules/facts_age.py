"""FAC: whether the facts behind the verdicts are within their maximum age."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.description.environments import has_other_channel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Answer
    from torchpin.model import Environment


@check("FAC001", "the facts behind a verdict are old", judge=True)
def facts_are_young(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Renew index snapshots with `invoke facts --refresh --write`; check rows against their source and give them a new date.

    Channels get releases, images reach their end of life, new GPUs appear. Each kind of fact has a maximum age in days, and
    an index snapshot is old too where it lacks many releases of its channel; a verdict from an older fact may still be
    right, but has not been checked since. Index snapshots of ended channels do not expire. Only the services whose verdicts
    use an expired fact have the finding.

    Example: the index snapshot of cpu is of 2026-03-15, and its maximum age is 365 days.

    Sources: opendatahub-io/notebooks, whose table of torch releases stopped in 2024 unnoticed; replicate/cog issue 390.
    """
    torch = env.service.torch
    if has_other_channel(env):
        return  # the verdict on it rests on no dated fact but that of CHN001
    if facts.channel(env.variant.channel) is None:
        yield Unknown(
            message=f"channel {env.variant.channel} is not in the facts, so their age is unknown",
            about="facts",
        )
        return
    expired = _expired_facts(
        context.today, env.variant.channel, env.service.gpus, env.base.image, str(torch.version)
    )
    for fact in expired:
        yield finding(env, env.service.file, str(fact), about=f"{fact.table} {fact.row}", level="notice")
    if not expired:
        yield Ok(
            about="facts",
            evidence=f"no fact behind {env.name} is older than its maximum age on {context.today}",
        )


@lru_cache(maxsize=4096)
def _expired_facts(
    today: date, channel: str, gpus: tuple[str, ...], base: str, torch: str
) -> tuple[facts.DatedRow, ...]:
    return facts.expired_rows(today, channel=channel, gpus=gpus, base=base, torch=torch)
