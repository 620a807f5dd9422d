"""The request of an update, and its plan: from facts, and where these do not tell whether the pins resolve, from uv."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.bump import plan
from torchpin.bump.reasons import parse_reasons
from torchpin.bump.target import join_targets, parse_targets
from torchpin.commands import bump_steps
from torchpin.commands.bump import BumpOptions, bump_context, generated_paths
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.bump.model import BumpContext, Opening, Plan
    from torchpin.bump.reasons import Reasons
    from torchpin.bump.target import Target
    from torchpin.commands.bump_steps import ResolvedUpdate
    from torchpin.model import Source, StatusCallback, Upstream
    from torchpin.workspace.workspace import Repository

_LONGEST = 600  # characters of a message in a plan


@dataclass(frozen=True, kw_only=True, slots=True)
class BumpRequest:
    """An update as it was requested: `targets` and `reasons` as they were written, `services`: only these.

    `offline`: the plan rests on facts alone; `confirmed`: no questions on a terminal; `quiet`: a program reads the output, so
    the plan is shown once and without questions. Raises InputError for what cannot be combined.
    """

    targets: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    channel: str = ""
    reasons: tuple[str, ...] = ()
    dry_run: bool = False
    offline: bool = False
    confirmed: bool = False
    quiet: bool = False
    build: bool = True
    recorded: bool = False
    lab: bool = False
    resume: bool = False
    undo: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if (self.resume or self.undo) and (self.targets or self.resume == self.undo):
            raise InputError("`--resume` and `--undo` cannot be combined with each other or with a target")
        if self.lab and (self.resume or self.undo):
            option = "--resume" if self.resume else "--undo"
            raise InputError(
                f"`{option}` conflicts with `--lab`: it is about the last update of this repository, and a lab starts without one"
            )
        if self.undo and self.overwrite:
            raise InputError(
                "`--undo` conflicts with `--overwrite`: it takes back what the update wrote, nothing else"
            )
        if self.offline and not self.dry_run:
            raise InputError("`--offline` needs `--dry-run`: an update is resolved before it is written")

    @property
    def options(self) -> BumpOptions:
        return BumpOptions(build=self.build, recorded=self.recorded, overwrite=self.overwrite)

    @property
    def parsed_targets(self) -> tuple[Target, ...]:
        """Raises InputError for what names no target, and for one that is named twice."""
        return parse_targets(*self.targets)

    @property
    def parsed_reasons(self) -> Reasons:
        """Raises InputError for reasons that exclude each other."""
        return parse_reasons(self.reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedBump:
    """A plan for each service, and the context that they were made from; `update`: with their locks, where they are resolved."""

    targets: tuple[Target, ...]
    context: BumpContext
    plans: tuple[Plan, ...]
    update: ResolvedUpdate | None = None

    @property
    def title(self) -> str:
        return join_targets(self.targets)

    @property
    def generated(self) -> dict[str, tuple[str, ...]]:
        """By service, the files that are generated from its description and locks."""
        return {service_plan.service: generated_paths(service_plan) for service_plan in self.plans}

    @property
    def unanswered(self) -> tuple[Opening, ...]:
        """What asks for a reason and has none, each once."""
        openings = [
            opening for bump_plan in self.plans for opening in bump_plan.openings if not opening.reason
        ]
        return tuple({opening.key: opening for opening in openings}.values())


def plan_bump(repo: Repository, request: BumpRequest, *, services: Sequence[str]) -> PlannedBump:
    """The plans of an update, from facts. Raises InputError for a target that does not exist."""
    names = [word for word in request.targets if word in {service.name for service in repo.services}]
    if names:
        raise InputError(
            f"{names[0]} is a service, not a target; to update only this service, pass `--service {names[0]}`"
        )
    targets, reasons = request.parsed_targets, request.parsed_reasons
    _require_pythons(repo, targets)
    context = bump_context(
        repo, targets, services=services, channel=request.channel, reasons=reasons, offline=request.offline
    )
    return PlannedBump(targets=targets, context=context, plans=plan.plans(repo.services, targets, context))


def _require_pythons(repo: Repository, targets: Sequence[Target]) -> None:
    """Raises InputError for a Python that neither uv can install nor a base image brings."""
    releases = [target.to for target in targets if target.kind == "python"]
    if not releases:
        return
    from torchpin.tools.uv_python import require_known_release

    images = [env.base.image for env in select_environments(repo.services)]
    images += [target.to for target in targets if target.kind == "base"]
    rows = [row for image in images if (row := facts.base_image(image))]
    brought = {python for row in rows for python in (row.python, row.apt_python)}
    for release in releases:
        if release not in brought:
            require_known_release(release)


def with_reasons(planned: PlannedBump, reasons: Reasons) -> PlannedBump:
    """A planned update with other reasons. Raises InputError for reasons that speak of nothing."""
    context = replace(planned.context, reason=reasons.update, reasons=reasons.by_key)
    locks = planned.update.locks if planned.update else None
    plans = plan.finalize(planned.plans, planned.targets, context, locks)
    update = planned.update
    if update:
        active = tuple(bump_plan for bump_plan in plans if bump_plan.moves)
        update = replace(update, context=context, plans=active)
    return replace(planned, context=context, plans=plans, update=update)


def resolve_plan(
    repo: Repository, planned: PlannedBump, request: BumpRequest, show_status: StatusCallback
) -> PlannedBump:
    """A planned update that says how it is known whether its pins resolve; by uv, where that changes no clone.

    Raises FindingsError, with the pins that contradict each other, where they do not, and ToolError where uv cannot tell and
    the update is to be made.
    """
    unresolved = [
        bump_plan for bump_plan in planned.plans if bump_plan.moves and _has_to_resolve(planned, bump_plan)
    ]
    if not unresolved:
        return planned
    upstreams = _known_upstreams(planned) if request.dry_run else ()  # else the update clones them
    obstacle = "`--offline`" if request.offline else _clone_obstacle(repo, planned, unresolved)
    if obstacle:
        return _undecided(planned, unresolved, obstacle)
    try:
        update = bump_steps.resolve_update(
            repo,
            planned.plans,
            planned.targets,
            planned.context,
            recorded=request.recorded,
            overwrite=request.overwrite or request.dry_run,  # which writes nothing
            known_upstreams=upstreams,
            show_status=show_status,
        )
    except ToolError as error:
        if not request.dry_run:
            raise
        return _undecided(planned, unresolved, _as_sentence(str(error)))
    final = {bump_plan.service: bump_plan for bump_plan in update.plans}
    plans = tuple(final.get(bump_plan.service, bump_plan) for bump_plan in planned.plans)
    return replace(planned, plans=plans, update=update)


def _as_sentence(text: str) -> str:
    """The lines of a message as one; an indented line goes on with the one above it. Of a long message the last lines are left out."""
    items: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        words = " ".join(line.split())
        if items and line[0].isspace():
            items[-1] += f" {words}"
        else:
            items.append(words)
    shown = items[:1]
    while len(shown) < len(items) and len("; ".join([*shown, items[len(shown)]])) <= _LONGEST:
        shown.append(items[len(shown)])
    return "; ".join([*shown, *(["…"] if len(shown) < len(items) else [])])


def _has_to_resolve(planned: PlannedBump, bump_plan: Plan) -> bool:
    """Whether a lock is to be resolved again, so that facts alone do not tell whether the pins resolve."""
    environments = select_environments([bump_plan.service_after])
    is_locked = all(env.name in planned.context.locks for env in environments)
    return bool(bump_plan.outdated_layers) or not is_locked or bool(_unread_sources(planned, bump_plan))


def _known_upstreams(planned: PlannedBump) -> tuple[Upstream, ...]:
    return tuple(upstream for lock in planned.context.locks.values() for upstream in lock.upstreams)


def _unread_sources(planned: PlannedBump, bump_plan: Plan) -> list[Source]:
    """The sources that a resolution reads, and no lock has at their new commit."""
    read = {upstream.commit for upstream in _known_upstreams(planned)}
    sources = bump_plan.service_after.sources
    return [
        source
        for source in sources
        if (source.requirements or source.is_package) and source.commit not in read
    ]


def _clone_obstacle(repo: Repository, planned: PlannedBump, plans: Sequence[Plan]) -> str:
    """Which sources would be cloned, or replaced, before anybody has agreed; "" for none."""
    sources = [source for bump_plan in plans for source in _unread_sources(planned, bump_plan)]
    if not sources:
        return ""
    from torchpin.tools import git

    missing = [
        f"{source.name} {source.version}" for source in sources if git.describe_state(repo.root, source)
    ]
    return f"{', '.join(missing)} has to be cloned first" if missing else ""


def _undecided(planned: PlannedBump, unresolved: Sequence[Plan], obstacle: str) -> PlannedBump:
    resolution = f"unknown, by facts alone: {obstacle}"
    services = {bump_plan.service for bump_plan in unresolved}
    plans = tuple(
        replace(bump_plan, resolution=resolution) if bump_plan.service in services else bump_plan
        for bump_plan in planned.plans
    )
    return replace(planned, plans=plans)
