"""Addresses in a description, which have no user and no password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.description.patterns import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable


def refuse_credentials(advice: str) -> Callable[[str], str]:
    """What refuses an address with a user or a token, by a message that does not repeat it; `advice`: where they belong."""
    message = f"the address has a user or a token; leave it out{advice}"
    return lambda address: message if CREDENTIALS.match(address) else ""
