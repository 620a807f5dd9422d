"""`bump --dry-run`: the request of an update, and its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.bump import plan
from torchpin.commands.bump import BumpOptions, bump_context, generated_paths
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.bump.model import BumpContext, Plan
    from torchpin.bump.target import Target
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class BumpRequest:
    """An update as it was requested. `services`: only these; `confirmed`: no confirmation on a terminal.

    `quiet`: a program reads the output, so the plan is shown once and without confirmation.
    """

    target: str = ""
    services: tuple[str, ...] = ()
    channel: str = ""
    reason: str = ""
    dry_run: bool = False
    confirmed: bool = False
    quiet: bool = False
    build: bool = True
    recorded: bool = False
    lab: bool = False
    resume: bool = False
    undo: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if (self.resume or self.undo) and (self.target or self.resume == self.undo):
            raise InputError("`--resume` and `--undo` cannot be combined with each other or with a target")
        if self.undo and self.overwrite:
            raise InputError(
                "`--undo` conflicts with `--overwrite`: it takes back what the update wrote, nothing else"
            )

    @property
    def options(self) -> BumpOptions:
        return BumpOptions(build=self.build, recorded=self.recorded, overwrite=self.overwrite)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedBump:
    """A plan for each service, and the context that they were made from."""

    target: Target
    context: BumpContext
    plans: tuple[Plan, ...]

    @property
    def generated(self) -> dict[str, tuple[str, ...]]:
        """By service, the files that are generated from its description and locks."""
        return {service_plan.service: generated_paths(service_plan) for service_plan in self.plans}


def plan_bump(
    repo: Repository, target: Target, request: BumpRequest, *, services: Sequence[str]
) -> PlannedBump:
    """The plans of an update. Raises InputError for a target that does not exist."""
    context = bump_context(repo, target, services=services, channel=request.channel, reason=request.reason)
    return PlannedBump(target=target, context=context, plans=plan.plans(repo.services, target, context))
