"""The values of an update: a planned move, the plan of a service, the context that it is made in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin.description import read
from torchpin.description.edit import unified_diff
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from torchpin.model import Lock, PublishedHashes, Service


MAX_SUGGESTIONS = 3  # names in a message: enough to spot a typo, and they fit on a line


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One value of a description that changes, and why."""

    path: str
    what: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What an update introduces and only people can accept: a finding, by a waiver, or a deviation, by its reason.

    `key`: what names it after `--reason`, `GPU001:V100` or the component; `reason`: theirs, "" while it is open.
    `is_review`: the component has a reason of before the update, which stays where nobody writes another one.
    """

    key: str
    message: str
    reason: str = ""
    is_review: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the judge reports it after the update."""
        return not (self.reason or self.is_review)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The update of one service. `held_back`: why it has none; `help`: what to do about that.

    `is_conflict`: pins that contradict each other hold it back. `present`: the targets that it has already, as sentences.
    `also_changes`: packages that no description names, as far as facts predict them (triton, cuDNN); `resolved`, `new`:
    findings and deviations, as sentences; `openings`: those of the new that people accept; `gained`, `lost`: GPUs that are listed;
    `possible`, `impossible`: those that are not, and have code only after or only before;
    `outdated_layers`: the lock layers to be resolved again, `present_bytes`: their present size; `resolution`: how it is
    known whether the pins resolve, "" where nothing has to be resolved; `before`, `after`: the description's text.
    """

    service: str
    file: str
    moves: tuple[Move, ...] = ()
    also_changes: tuple[str, ...] = ()
    held_back: str = ""
    help: str = ""
    is_conflict: bool = False
    present: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    openings: tuple[Opening, ...] = ()
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    impossible: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    outdated_layers: tuple[str, ...] = ()
    present_bytes: int = 0
    resolution: str = ""
    before: str = ""
    after: str = ""
    moved_text: str = ""  # the description's text before its waivers and reasons are edited
    # of a fixed component: message, evidence
    why: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def difference(self) -> str:
        return unified_diff(self.before, self.after, self.file) if self.moves else ""

    @property
    def service_after(self) -> Service:
        """The service as it would be."""
        return parse_service(self.after, self.file)


def service_label(bump_plan: Plan) -> str:
    """How messages call the service of a plan: a package of the same name may stand beside it."""
    pin = rf"(?<![\w.-]){re.escape(bump_plan.service)}(\[[^\]]*\])?=="
    is_package = re.search(pin, bump_plan.before, re.IGNORECASE)
    return f"service {bump_plan.service}" if is_package else bump_plan.service


@dataclass(frozen=True, kw_only=True, slots=True)
class BumpContext:
    """What a plan is made from: descriptions by path, the locks that are up to date, today, and the user's options.

    `commits`: by source, of the target's tag where facts do not have it. `services`: the requested ones; none: all.
    `reason`: of the update itself; `reasons`: by what they speak of, a finding's `ID`, `ID:SUBJECT`, or a component.
    `requirements`: what METADATA of targets require that facts do not have, by `name==version`, one requirement a text.
    """

    texts: Mapping[str, str]
    locks: Mapping[str, Lock]
    today: date
    services: tuple[str, ...] = ()
    channel: str = ""
    reason: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    requirements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    commits: Mapping[str, str] | None = None
    published: PublishedHashes | None = None


class HeldError(Exception):
    """A service cannot be updated. `why` and `help` become those of its plan; the other services go on.

    `is_conflict`: pins contradict each other.
    """

    def __init__(self, why: str, help: str, *, is_conflict: bool = False) -> None:
        super().__init__(why)
        self.why, self.help, self.is_conflict = why, help, is_conflict


class PresentError(Exception):
    """A service has a target already."""


Edit = tuple[Change, str]  # the change, and why it is made


def parse_service(text: str, file: str) -> Service:
    return read.read_services({file: text})[0]


def deduplicate(edits: Sequence[Edit]) -> list[Edit]:
    """One edit a path: variants may share a value."""
    return list({change.path: (change, why) for change, why in edits}.values())
