"""FAC: are the facts young enough that a verdict may rest on them?"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.registry import Ok, Unknown, check, finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Answer
    from torchpin.model import Environment


@check("FAC001", "The facts that the verdicts rest on are young enough", judge=True)
def facts_are_young(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Look at the named fact again: renew pages with `invoke facts --refresh --write`, correct or confirm rows with a new date.

    What is published goes on: channels get releases, images end, cards appear. Each kind of fact is good for a number of
    days; a verdict that rests on an older one may be right, but nobody has looked. Pages of channels that have ended do
    not age. Only the services that rest on an old fact have the finding.

    Example: the page of cpu was recorded on 2026-03-15 and is good for 365 days.

    Sources: opendatahub-io/notebooks, whose table of torch releases stopped in 2024 unnoticed; replicate/cog issue 390.
    """
    torch = env.service.torch
    if facts.channel(env.variant.channel) is None:
        yield Unknown(
            message=f"no fact is there about {env.variant.channel}, so none has an age", about="facts"
        )
        return
    expired = _expired_facts(
        evidence.today, env.variant.channel, env.service.gpus, env.base.image, str(torch.version)
    )
    for fact in expired:
        yield finding(env, env.service.file, str(fact), about=f"{fact.table} {fact.row}", level="warning")
    if not expired:
        yield Ok(
            about="facts", evidence=f"every fact behind {env.name} is within its days on {evidence.today}"
        )


@lru_cache(maxsize=4096)
def _expired_facts(
    today: date, channel: str, gpus: tuple[str, ...], base: str, torch: str
) -> tuple[facts.DatedRow, ...]:
    return facts.expired_rows(today, channel=channel, gpus=gpus, base=base, torch=torch)
