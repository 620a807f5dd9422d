"""Which environments a change concerns: what goes into their images, before and after."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from torchpin.image import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.model import Environment

State = Literal["new", "changed", "unreadable", "same"]
AFFECTED_HEADERS = ("environment", "why", "what changed")
_SHOWN_INPUTS = 5  # in a line for people; JSON has all


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageInputs:
    """What an image is made of: its key, and the parts of that by their names, each with its digest or version."""

    key: str
    parts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Affected:
    """An environment, and what a change means for its image.

    `inputs` are the parts that differ. `reason` says why a key could not be computed, on one side or the other. `key` and
    `key_before` are "" where there is none.
    """

    environment: str
    service: str
    variant: str
    platform: str
    state: State
    key: str = ""
    key_before: str = ""
    inputs: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AffectedList:
    """Every environment as it is now, and the names of those that are gone. `since` is the commit, "" for none."""

    since: str
    environments: tuple[Affected, ...]
    removed: tuple[str, ...] = field(default=())

    @property
    def affected(self) -> tuple[Affected, ...]:
        return tuple(row for row in self.environments if row.state != "same")


def image_inputs(
    env: Environment, dockerfile: str, listing: str, copied: Mapping[str, str] | None = None
) -> ImageInputs:
    """The inputs of an image, from its Dockerfile, its context list and the digests of its copied files, as its key has them."""
    lines = (line.partition("  ") for line in listing.splitlines() if not line.startswith("#"))
    parts = {path: text for path, _, text in lines}
    named = {f"{parts.get(path, path)} ({path})": digest for path, digest in (copied or {}).items()}
    return ImageInputs(
        key=plan.image_key(env, dockerfile, listing, copied),
        parts={"Dockerfile": dockerfile, "platform": env.variant.platform, **parts, **named},
    )


def compare_inputs(env: Environment, before: ImageInputs | str | None, after: ImageInputs | str) -> Affected:
    """What a change means for an environment; a text says why the inputs of a side are unknown, None that there was none."""
    state: State = "changed"
    inputs: tuple[str, ...] = ()
    if before is None:
        state = "new"
    elif isinstance(before, str) or isinstance(after, str):
        state = "unreadable"
    elif before.key == after.key:
        state = "same"
    else:
        names = sorted({*before.parts, *after.parts})
        inputs = tuple(name for name in names if before.parts.get(name) != after.parts.get(name))
    return Affected(
        environment=env.name,
        service=env.service.name,
        variant=env.variant.name,
        platform=env.variant.platform,
        state=state,
        key=after.key if isinstance(after, ImageInputs) else "",
        key_before=before.key if isinstance(before, ImageInputs) else "",
        inputs=inputs,
        reason=next((side for side in (after, before) if isinstance(side, str)), ""),
    )


def affected_rows(affected: Iterable[Affected]) -> list[tuple[str, str, str]]:
    """A row an environment, with the cells of AFFECTED_HEADERS."""
    words = {"new": "new", "changed": "image key changed", "unreadable": "no image key", "same": "same"}
    return [(row.environment, words[row.state], row.reason or _shown(row.inputs)) for row in affected]


def _shown(inputs: Sequence[str]) -> str:
    unlisted = len(inputs) - _SHOWN_INPUTS
    return ", ".join(inputs[:_SHOWN_INPUTS]) + (f" and {unlisted} more" if unlisted > 0 else "")


def summary_line(affected: AffectedList) -> str:
    """How many environments are affected, and which are gone."""
    count, total = len(affected.affected), len(affected.environments)
    since = f" since {affected.since[:12]}" if affected.since else ""
    gone = f"; removed: {', '.join(affected.removed)}" if affected.removed else ""
    return f"{count} of {total} environments affected{since}{gone}"


def github_lines(affected: AffectedList) -> tuple[str, str]:
    """The lines of a job's outputs: `matrix`, an entry an affected environment, and `count`: an empty matrix is an error."""
    keys = ("environment", "service", "variant", "platform")
    entries: list[dict[str, Any]] = [{key: getattr(row, key) for key in keys} for row in affected.affected]
    return f"matrix={json.dumps({'include': entries})}", f"count={len(entries)}"
