"""Waivers that end soon, which are not findings yet."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchpin.checks.context import CheckContext
    from torchpin.model import Environment

NOTICE_PERIOD = timedelta(days=14)  # before the end of a waiver; the docstring of DEV002 names it too


def ending_waivers(context: CheckContext, env: Environment) -> tuple[str, ...]:
    """A message for each waiver that expires within the notice period."""
    return tuple(
        f"{env.service.name}: the waiver of {waiver.check} for {waiver.about} expires on {waiver.review_by}"
        for waiver in env.service.waivers
        if context.today <= waiver.review_by <= context.today + NOTICE_PERIOD
    )
