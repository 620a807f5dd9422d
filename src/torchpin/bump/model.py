"""The values of an update: a planned move, the plan of a service, the context that it is made in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin.description import read
from torchpin.description.edit import unified_diff
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from torchpin.model import Lock, Service

    Published = Mapping[str, Mapping[str, Mapping[str, str | None]]]


_MAX_SUGGESTIONS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One value of a description that changes, and why."""

    path: str
    what: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What becomes of one service. `held`: why nothing does; `frees`: what would change that.

    `follows`: packages that no description names and that move along, as far as facts tell (triton, cuDNN);
    `closed`, `opened`: findings and deviations, as sentences; `gained`, `lost`: GPUs; `stale`: lock layers to be
    resolved again, and `present_bytes`, what they hold now; `before`, `after`: the description's text.
    """

    service: str
    file: str
    moves: tuple[Move, ...] = ()
    also_changes: tuple[str, ...] = ()
    held_back: str = ""
    help: str = ""
    resolved: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    outdated_layers: tuple[str, ...] = ()
    present_bytes: int = 0
    before: str = ""
    after: str = ""
    moved_text: str = ""  # the description's text without what is closed and opened
    why: Mapping[str, tuple[str, str]] = field(
        default_factory=dict
    )  # of what was repaired, with the evidence

    @property
    def difference(self) -> str:
        return unified_diff(self.before, self.after, self.file) if self.moves else ""

    @property
    def service_after(self) -> Service:
        """The service as it would be."""
        return parse_service(self.after, self.file)


@dataclass(frozen=True, kw_only=True, slots=True)
class BumpContext:
    """What a plan is made from: descriptions by path, the locks that may be believed, today, and words.

    `commits`: of tags that facts do not know, by source. `named`: the services that were asked for; none: all.
    """

    texts: Mapping[str, str]
    locks: Mapping[str, Lock]
    today: date
    services: tuple[str, ...] = ()
    channel: str = ""
    reason: str = ""
    commits: Mapping[str, str] | None = None
    published: Published | None = None


class HeldError(Exception):
    def __init__(self, why: str, frees: str = "") -> None:
        super().__init__(why)
        self.why, self.help = why, frees


Edit = tuple[Change, str]  # and why


def parse_service(text: str, file: str) -> Service:
    return read.read_services({file: text})[0]


def deduplicate(edits_: Sequence[Edit]) -> list[Edit]:
    """What several variants share is edited once."""
    return list({change.path: (change, why) for change, why in edits_}.values())
