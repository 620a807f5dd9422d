"""`add`: packages whose newest fitting versions are looked up, pinned in a layer of a service, and locked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.bump.additions import (
    addition_changes,
    has_layer,
    parse_packages,
    place,
    version_by_facts,
    with_pins,
)
from torchpin.bump.no_addition import explain_refusal
from torchpin.bump.refused_choices import refusal_text, refused_choices, without_choices
from torchpin.checks import run
from torchpin.commands.edited_pins import EditOptions, PinEdit, edit_pins, open_service
from torchpin.commands.resolving import resolution_inputs
from torchpin.commands.selection import Selection, open_workspace
from torchpin.compat.family import channel_names
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError
from torchpin.lock.cooldown import choose_cutoff
from torchpin.progress import step
from torchpin.tools.uv_compile import NoSolutionError
from torchpin.tools.uv_versions import select_versions
from torchpin.workspace.evidence import current_date, from_descriptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.additions import Addition
    from torchpin.bump.refused_choices import RefusedChoice
    from torchpin.commands.report import Watcher
    from torchpin.model import Environment, Finding, Lock, Outcome, Service
    from torchpin.workspace.workspace import Repository

_MOST_CHOICES = 5  # of versions, of which the judge refuses all before the last


@dataclass(frozen=True, kw_only=True, slots=True)
class AddOptions:
    """The requested packages of a service as they were written; `layer` "": the one that fits."""

    service: str
    packages: tuple[str, ...]
    layer: str = ""
    edit: EditOptions = field(default_factory=EditOptions)


def add_packages(options: AddOptions, watcher: Watcher) -> PinEdit:
    """Adds packages to a service of the current folder's repository."""
    repo = open_workspace(Selection(service=options.service), watcher).repo
    return add(repo, options, watcher)


def add(repo: Repository, options: AddOptions, watcher: Watcher) -> PinEdit:
    """Adds packages to a service: pins, locks, renderings and documents are written together, or nothing is.

    Raises InputError for packages that cannot be requested or are pinned already, FindingsError where no version goes with
    the pins or where the judge finds that they cannot work.
    """
    requirements = parse_packages(options.packages)
    repo, service, locks = open_service(repo, options.service)
    additions = place(service, requirements, locks, options.layer)
    pinned, notes = _choose(repo, service, additions, locks, options, watcher)

    def explain(env: Environment, outcome: Outcome) -> str:
        present = _environment(service, env.variant.name)
        return explain_refusal(
            outcome.detail, present, [row.requirement for row in pinned if has_layer(env, row)]
        )

    changes = addition_changes(service, pinned)
    edited = edit_pins(repo, service, changes, options.edit, watcher, explain=explain)
    return replace(
        edited,
        pins=tuple(str(row.requirement) for row in pinned),
        messages=(*notes, *(_message(service, row, locks) for row in pinned)),
    )


def _environment(service: Service, variant: str) -> Environment:
    (env,) = select_environments([service], variant=variant)
    return env


def _choose(
    repo: Repository,
    service: Service,
    requested: Sequence[Addition],
    locks: Mapping[str, Lock | None],
    options: AddOptions,
    watcher: Watcher,
) -> tuple[list[Addition], tuple[str, ...]]:
    """The packages with versions that the judge accepts, and a sentence for each newer one that it refused.

    Raises FindingsError where no choice is accepted, or where a version that was requested is not.
    """
    refused: list[RefusedChoice] = []
    additions = list(requested)
    for _ in range(_MOST_CHOICES):
        try:
            pinned = _select(repo, service, additions, locks, options, watcher)
        except FindingsError as error:
            raise FindingsError("\n".join([*(choice.reason for choice in refused), str(error)])) from None
        findings = _new_findings(service, pinned)
        choices = refused_choices(findings, additions, pinned)
        if not choices:
            break
        refused += choices
        additions = without_choices(additions, choices)
    if findings:
        texts = dict.fromkeys(refusal_text(finding, pinned) for finding in findings)
        raise FindingsError("\n".join([*texts, "nothing was changed"]))
    taken = {row.name: row.version for row in pinned}
    return pinned, tuple(
        f"{choice.name} {taken[choice.name]} is taken instead of {choice.version}: {choice.reason}"
        for choice in refused
    )


def _new_findings(service: Service, pinned: Sequence[Addition]) -> list[Finding]:
    """The errors that the judge has about the pins with the added ones, and not without them."""
    environments = select_environments([service])
    present = {finding.message for finding in _errors(environments)}
    placed = [with_pins(env, [row for row in pinned if has_layer(env, row)]) for env in environments]
    return [finding for finding in _errors(placed) if finding.message not in present]


def _errors(environments: Sequence[Environment]) -> tuple[Finding, ...]:
    return run.blocking_findings(run.run(from_descriptions(environments), judge=True))


def _select(
    repo: Repository,
    service: Service,
    additions: Sequence[Addition],
    locks: Mapping[str, Lock | None],
    options: AddOptions,
    watcher: Watcher,
) -> list[Addition]:
    """The packages with their versions, those that the first variant with them selects; the others have to agree."""
    rows_by_facts = (version_by_facts(service, row) for row in additions)
    pinned = {row.name: row for row in rows_by_facts if row.version}
    for env in select_environments([service]):
        of_env = [pinned.get(row.name, row) for row in additions if has_layer(env, row)]
        if all(row.version for row in of_env):
            continue
        versions = _versions(repo, env, of_env, locks[env.name], options, watcher)
        pinned |= {row.name: row.pinned(versions[row.name]) for row in of_env if not row.version}
    return [pinned[row.name] for row in additions]


def _versions(
    repo: Repository,
    env: Environment,
    additions: Sequence[Addition],
    current: Lock | None,
    options: AddOptions,
    watcher: Watcher,
) -> dict[str, str]:
    """The version of each package that uv selects for an environment. Raises FindingsError where it has none."""
    placed = with_pins(env, additions)
    requirements = [row.requirement for row in additions]
    names = ", ".join(row.name for row in additions if not row.version)
    with resolution_inputs(repo, env, current, watcher.status, recorded=options.edit.recorded) as inputs:
        try:
            with step(watcher.status, f"{env.name}: looking up {names}"):
                versions = select_versions(
                    env,
                    repo.settings,
                    [str(row) for row in requirements],
                    placed=placed,
                    index=inputs.index,
                    current=current,
                    upstreams=inputs.upstreams,
                    cutoff=options.edit.cutoff
                    or choose_cutoff(repo.policy, placed, current, upgrade=(), today=current_date()),
                    located=inputs.located,
                )
        except NoSolutionError as error:
            sentence = explain_refusal(str(error), env, requirements)
            head = f"{env.name}: {sentence}\n" if sentence else ""
            raise FindingsError(f"{head}{error}\nnothing was changed") from None
    left_out = [row.name for row in additions if row.name not in versions]
    if left_out:
        raise InputError(
            f"{env.name}: {', '.join(left_out)} is left out of every resolution; nothing was changed"
        )
    channel = channel_names(placed)
    return {
        name: Version(version).public if name in channel else version for name, version in versions.items()
    }


def _message(service: Service, addition: Addition, locks: Mapping[str, Lock | None]) -> str:
    """Where a package was pinned, and whether it was there before."""
    place_text = f"layer {addition.layer}" if addition.layer else "torch.companions"
    is_new = addition.layer and all(layer.name != addition.layer for layer in service.layers)
    before = sorted(
        {
            package.version
            for lock in locks.values()
            if lock
            for package in [lock.packages.get(addition.name)]
            if package
        }
    )
    note = f"; it was a dependency already, at {', '.join(before)}" if before else ""
    return f"{addition.requirement} in {'the new ' if is_new else ''}{place_text} of {service.file}{note}"
