"""The torch that requested packages require: one that excludes the present one moves it, or holds the service back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.bump.model import MAX_SUGGESTIONS, HeldError
from torchpin.bump.torch import TorchMove
from torchpin.compat import partners
from torchpin.compat.recommendations import applicable_requirements
from torchpin.description.environments import select_environments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.bump.model import BumpContext
    from torchpin.bump.target import Target
    from torchpin.model import Service


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchRequirement:
    """What a target requires of torch, and where that is known from."""

    target: Target
    specifier: SpecifierSet
    source: str

    def __str__(self) -> str:
        return f"{self.target} requires torch{self.specifier}"

    def allows(self, torch: Version) -> bool:
        return self.specifier.contains(torch.public, prereleases=True)

    @property
    def releases(self) -> tuple[Version, ...]:
        """The known releases of torch that it allows, in ascending order."""
        return tuple(release for release in facts.release_versions() if self.allows(release))


def is_known_target(target: Target) -> bool:
    """Whether facts have what a package requires of torch."""
    version = Version(target.to)
    return bool(partners.partner_row(target.name, version)) or facts.is_measured(target.name, version)


def required_torch(service: Service, targets: Sequence[Target], context: BumpContext) -> TorchMove | None:
    """The move of torch that the targets request, or require; None where torch stays.

    Raises HeldError for targets that contradict each other, and where it is open which torch to take.
    """
    packages = [target for target in targets if target.kind == "package"]
    fixed = frozenset(target.name for target in packages)
    requested = next((target for target in targets if target.kind == "torch"), None)
    requirements = [
        requirement for target in packages if (requirement := _requirement(service, target, context))
    ]
    torch = Version(requested.to) if requested else service.torch.version
    excluding = [requirement for requirement in requirements if not requirement.allows(torch)]
    if requested and excluding:
        raise _contradiction(excluding[0], requested)
    if requested:
        return TorchMove(version=torch, fixed=fixed)
    if not excluding:
        return None
    version = _choose_release(excluding, requirements, torch, targets)
    first = excluding[0]
    return TorchMove(
        version=version, why=f"{first} ({first.source})", required_by=str(first.target), fixed=fixed
    )


def _requirement(service: Service, target: Target, context: BumpContext) -> TorchRequirement | None:
    """What a target requires of torch: by what is known of torch's partners, as it was measured, or by the METADATA that were read."""
    version = Version(target.to)
    row = partners.partner_row(target.name, version)
    if row and row.level == "error":
        return TorchRequirement(target=target, specifier=SpecifierSet(row.torch), source=row.citation)
    measured = facts.measured_requirements(target.name, version)
    lines = measured or context.requirements.get(str(target), ())
    source = facts.measured_citation(target.name) if measured else "its METADATA on PyPI"
    env = select_environments([service])[0]
    clauses = [
        str(requirement.specifier)
        for requirement in applicable_requirements(tuple(lines), env)
        if canonicalize_name(requirement.name) == "torch" and str(requirement.specifier)
    ]
    if not clauses:
        return None
    return TorchRequirement(target=target, specifier=SpecifierSet(",".join(clauses)), source=source)


def _contradiction(requirement: TorchRequirement, requested: Target) -> HeldError:
    solutions = [f"request torch=={release}" for release in requirement.releases[-1:]]
    fitting = partners.choices(requirement.target.name, Version(requested.to))
    solutions += [f"{requirement.target.name}=={choice.version}" for choice in fitting[-1:]]
    solutions = solutions or [f"leave out {requirement.target} or {requested}"]
    return HeldError(
        f"{requirement}, which contradicts the requested {requested}",
        " or ".join(solutions),
        is_conflict=True,
    )


def _choose_release(
    excluding: Sequence[TorchRequirement],
    requirements: Sequence[TorchRequirement],
    torch: Version,
    targets: Sequence[Target],
) -> Version:
    """The release that all requirements allow, where they leave one, or one series: then its newest."""
    first = excluding[0]
    for other in requirements:
        if first.releases and other.releases and not {*first.releases} & {*other.releases}:
            advice = f"leave out {first.target} or {other.target}"
            raise HeldError(
                f"{first}, and {other}: no release of torch satisfies both", advice, is_conflict=True
            )
    allowed = [release for release in first.releases if all(other.allows(release) for other in requirements)]
    if not allowed:
        newest = facts.release_versions()[-1]
        why = f"{first}, and no known release of torch satisfies that: the newest is {newest}"
        raise HeldError(why, f"leave out {first.target}", is_conflict=True)
    if len({release.release[:2] for release in allowed}) > 1:
        examples = ", ".join(f"torch=={release}" for release in allowed[-MAX_SUGGESTIONS:])
        raise HeldError(
            f"{first}, and torch is at {torch}",
            f"name the release of torch, too: `bump {' '.join(map(str, targets))} torch==VERSION`, such as {examples}",
            is_conflict=True,
        )
    return allowed[-1]
