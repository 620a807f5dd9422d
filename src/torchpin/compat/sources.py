"""The recorded tags of an environment's sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin import facts

if TYPE_CHECKING:
    from torchpin.facts import SourceTag
    from torchpin.model import Source


def recorded_tags(source: Source) -> tuple[SourceTag, ...]:
    """The recorded tags of a repository, found by the `owner/name` at the end of its URL: a mirror has the same tags."""
    match = re.search(r"([^/:]+/[^/]+?)(?:\.git)?/*$", source.url)
    return facts.source_tags(match[1]) if match else ()
