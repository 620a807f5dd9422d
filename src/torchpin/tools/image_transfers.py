"""Images between the Docker engine and a registry, with what the engine reports of their layers as progress."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torchpin.errors import ToolError
from torchpin.progress import BYTES, step
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import StatusCallback
    from torchpin.progress import Step
    from torchpin.tools.docker import Client


class _Transfer:
    """What the engine reports of the layers that it pushes or pulls, as bytes of a step."""

    def __init__(self, running: Step) -> None:
        self._running = running
        self._layers: dict[str, tuple[int, int]] = {}

    def read(self, line: Mapping[str, Any]) -> None:
        detail, layer = line.get("progressDetail") or {}, str(line.get("id") or "")
        if line.get("status") in {"Pushing", "Downloading"} and "total" in detail:
            self._layers[layer] = (min(detail["current"], detail["total"]), detail["total"])
        elif line.get("status") in {"Pushed", "Download complete"} and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
        done, total = (sum(column) for column in zip((0, 0), *self._layers.values(), strict=True))
        self._running.advance(done, total=total)


def pull(
    client: Client, tags: Sequence[str], *, platform: str, show_status: StatusCallback | None = None
) -> Any:
    """Pull an image by the first of its tags, and give it the others. Raises what docker-py does."""
    name, _, label = tags[0].rpartition(":")
    with step(show_status, f"pulling {tags[0]}", unit=BYTES, is_part=True) as running:
        transfer = _Transfer(running)
        for line in client.api.pull(name, tag=label, platform=platform, stream=True, decode=True):
            transfer.read(line)
        image = client.images.get(tags[0])
    for tag in tags[1:]:
        image.tag(*tag.rsplit(":", 1))
    return image


def push(client: Client, tags: Sequence[str], *, show_status: StatusCallback | None = None) -> None:
    """Push tags to their registry. Raises ToolError with the registry's message."""
    for tag in tags:
        name, _, label = tag.rpartition(":")
        problem = ""
        with step(show_status, f"pushing {tag}", unit=BYTES) as running:
            transfer = _Transfer(running)
            for line in client.images.push(name, tag=label, stream=True, decode=True):
                problem = line.get("error") or problem  # read to its end: that closes the connection
                transfer.read(line)
            if problem:
                advice = (
                    "the registry failed, so look into its log; its disk may be full"
                    if re.search(r"status: 5\d\d|no space left", problem)
                    else "check `docker login` and `build.registry`"
                )
                raise ToolError(f"{tag} could not be pushed: {redact_credentials(problem)}; {advice}")
