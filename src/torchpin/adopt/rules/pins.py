"""ADO003, ADO004, ADO012: replaced torch, conflicting requirements, packages without a version."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.adopt import installs
from torchpin.adopt.registry import TORCH_FAMILY, build_finding, exact_version, package_name, register_rule
from torchpin.compat import partners
from torchpin.project.stages import final_stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.adopt.installs import InstallCommand, InstallTarget, Project
    from torchpin.model import Finding


_MOST_COMPARED = (
    50  # different requirements of one package that are compared to each other; real files have below five
)


@register_rule("ADO003", "a later step replaces torch")
def torch_replacement(project: Project) -> Iterator[Finding]:
    """Install torch and everything that needs it in one resolution, or pin torch in a constraints file for every later step.

    pip resolves each step on its own. A later step that names torch without the index, or a package that pins another torch,
    replaces the chosen build with PyPI's default one.

    Example: torch 2.7.1 is installed, `pip install xformers` replaces it with torch 2.8.0.

    Sources: facebookresearch/xformers issues 752, 802, 1096; METADATA of xformers.
    """
    for file in project.dockerfiles:
        yield from _torch_replacement_in(project, file)


def _torch_replacement_in(project: Project, file: str) -> Iterator[Finding]:
    # follows the steps in their order: what was installed before decides whether a requirement is already satisfied
    stage = final_stage(project.texts[file])
    base = facts.base_image(stage.image) if stage else None
    installed_torch = base.torch if base and base.torch else ""
    index = "the base image" if installed_torch else ""
    versions = {"torch": installed_torch}
    for step in installs.install_commands(project, file):
        if step.tool != "pip":
            continue
        family = [target for target in step.targets if package_name(target) in TORCH_FAMILY]
        for target in family:
            if (
                index
                and not step.index
                and not _is_satisfied(step, target, versions.get(package_name(target), ""))
            ):
                message = f"`{target.text}` has no index, so PyPI's build may replace torch from {index}"
                yield build_finding(
                    "ADO003",
                    target.location,
                    message,
                    help=f"add the `--index-url` of that channel, or remove `{target.text}`",
                    about=package_name(target),
                )
        yield from _packages_pinning_torch(step, installed_torch)
        if family:
            installed_torch = (
                next(
                    (exact_version(target) for target in family if package_name(target) == "torch"),
                    installed_torch,
                )
                or installed_torch
            )
            index = step.index or step.extra_index or index
            versions |= {
                package_name(target): exact_version(target) for target in family if exact_version(target)
            }


def _is_satisfied(step: InstallCommand, target: InstallTarget, version: str) -> bool:
    """Whether the installed version satisfies a requirement: pip then leaves it alone."""
    if not version or step.upgrade or target.requirement is None:
        return False
    return target.requirement.specifier.contains(version, prereleases=True)


def _packages_pinning_torch(step: InstallCommand, installed_torch: str) -> Iterator[Finding]:
    """Unpinned packages whose newest release requires another torch, after a torch was installed."""
    constrained = {package_name(target): exact_version(target) for target in step.constraints}
    if not installed_torch or "torch" in constrained:
        return
    torch = Version(installed_torch)
    for target in step.targets:
        name = package_name(target)
        newest = partners.newest_declared(name) if name not in TORCH_FAMILY else None
        if newest is None or exact_version(target) or partners.goes_with(newest[1], torch) is not False:
            continue
        version, row = newest
        message = f"`{target.text}` is not pinned, and {name} {version} requires torch{row.torch}, so it replaces torch {installed_torch}"
        best = partners.best_choice(name, torch)
        yield build_finding(
            "ADO003",
            target.location,
            message,
            help=f"use `{name}=={best.version}`" if best else "",
            about=name,
        )


@cache
def _dependent(undeclared: facts.UndeclaredRequirement) -> Requirement:
    """The package that has an undeclared requirement."""
    return Requirement(undeclared.when)


@register_rule("ADO004", "requirements conflict with each other")
def contradictory_requirements(project: Project) -> Iterator[Finding]:
    """Write each bound once, in a file that every step gets (`-c constraints.txt`).

    A bound holds within its own step only: a later step that requires a newer version silently upgrades the package.

    Example: `numpy<2` in the first step, opencv-python-headless without a bound in the fourth: it requires numpy>=2.

    Sources: opencv/opencv-python issues 1122, 1134, 1135; our own resolver runs.
    """
    for file in [*project.dockerfiles, ""]:
        yield from _find_contradictions(list(_install_targets(project, file)))


def _install_targets(project: Project, file: str) -> Iterator[InstallTarget]:
    """All requirements of a Dockerfile; without one, of the requirement files and of pyproject."""
    if file:
        for step in installs.install_commands(project, file):
            if step.tool == "pip":
                yield from (*step.constraints, *step.targets)
        return
    if not project.dockerfiles:
        for path in project.requirement_files:
            yield from (
                row for row in installs.requirement_lines(project, path) if not isinstance(row, tuple)
            )
    yield from installs.pyproject_targets(project)


def _find_contradictions(targets: list[InstallTarget]) -> Iterator[Finding]:
    reported: set[tuple[str, str]] = set()
    by_name: dict[str, dict[str, InstallTarget]] = {}  # the first target of each text
    for later in (target for target in targets if target.requirement):
        known = by_name.setdefault(package_name(later), {})
        names = {package_name(later), *_related_packages(package_name(later))}
        for earlier in [target for name in names for target in by_name.get(name, {}).values()]:
            reason = _contradiction(earlier, later)
            if reason and (earlier.location, later.location) not in reported:
                reported.add((earlier.location, later.location))
                yield build_finding(
                    "ADO004",
                    later.location,
                    f"`{later.text}` conflicts with `{earlier.text}` ({earlier.location}): {reason[0]}",
                    about=package_name(later),
                    evidence=reason[1],
                )
        if len(known) < _MOST_COMPARED:
            known.setdefault(later.text, later)
        elif later.text not in known:
            message = f"`{later.text}` was not compared: {package_name(later)} is required in over {_MOST_COMPARED} ways"
            yield build_finding("ADO004", later.location, message, about=package_name(later))


def _related_packages(name: str) -> frozenset[str]:
    """The packages that a package requires without declaring it, and those that so require it."""
    return _undeclared_pairs().get(name, frozenset())


@cache
def _recorded_requirements() -> tuple[facts.UndeclaredRequirement, ...]:
    return (*facts.undeclared_requirements(), *facts.partner_requirements())


@cache
def _undeclared_pairs() -> Mapping[str, frozenset[str]]:
    pairs: dict[str, frozenset[str]] = {}
    for undeclared in _recorded_requirements():
        dependent = canonicalize_name(_dependent(undeclared).name)
        needed = canonicalize_name(Requirement(undeclared.needs).name)
        pairs[dependent] = pairs.get(dependent, frozenset()) | {needed}
        pairs[needed] = pairs.get(needed, frozenset()) | {dependent}
    return pairs


def _contradiction(first: InstallTarget, second: InstallTarget) -> tuple[str, str] | None:
    """Why two requirements conflict, with the evidence (or ""); None where they do not."""
    if first.requirement is None or second.requirement is None:
        return None
    if package_name(first) == package_name(second):
        pins = [exact_version(first), exact_version(second)]
        for pin, target in zip(pins, (second, first), strict=True):
            if (
                pin
                and target.requirement
                and not target.requirement.specifier.contains(pin, prereleases=True)
            ):
                return "no version satisfies both", ""
        return (
            ("no version satisfies both", "")
            if _are_disjoint(first.requirement, second.requirement)
            else None
        )
    for target, constraint in ((second, first), (first, second)):
        undeclared = _undeclared_requirement(target)
        needs = Requirement(undeclared.needs) if undeclared else None
        if undeclared is None or needs is None or canonicalize_name(needs.name) != package_name(constraint):
            continue
        if constraint.requirement and _are_disjoint(needs, constraint.requirement):
            newest = "" if exact_version(target) else "in its newest release "
            return (
                f"{package_name(target)} {newest}requires {undeclared.needs}",
                undeclared.citation,
            )
    return None


def _are_disjoint(first: Requirement, second: Requirement) -> bool:
    """Whether a lower bound of one specifier is above an upper bound of the other: `>=2` and `<2`."""
    for left, right in ((first, second), (second, first)):
        for low in left.specifier:
            for high in right.specifier:
                if (
                    low.operator in {">=", ">", "=="}
                    and high.operator in {"<", "<="}
                    and "*" not in low.version + high.version
                ):
                    least, most = Version(low.version), Version(high.version)
                    if least > most or (least == most and (high.operator == "<" or low.operator == ">")):
                        return True
    return False


def _undeclared_requirement(target: InstallTarget) -> facts.UndeclaredRequirement | None:
    """The undeclared requirement of a package: of its pin, or of its newest release where it has none."""
    if package_name(target) not in _undeclared_pairs():
        return None
    for undeclared in _recorded_requirements():
        dependent = _dependent(undeclared)
        if canonicalize_name(dependent.name) != package_name(target) or not undeclared.seen:
            continue
        pin = exact_version(target)
        newest = any(specifier.operator in {">=", ">"} for specifier in dependent.specifier)
        if (pin and dependent.specifier.contains(pin, prereleases=True)) or (
            not pin and newest and not _is_capped(target, dependent)
        ):
            return undeclared
    return None


def _is_capped(target: InstallTarget, dependent: Requirement) -> bool:
    """Whether an upper bound excludes the releases that have the requirement."""
    return target.requirement is not None and _are_disjoint(dependent, target.requirement)


@register_rule("ADO012", "a package has no version")
def unpinned_package(project: Project) -> Iterator[Finding]:
    """Pin it as `name==<version>`, or add a lock file to the project.

    Such a package, and what it depends on, changes from build to build. It cannot be adopted until a version is chosen; the
    draft keeps its range as a recommendation.

    Example: `transformers`, or `accelerate>=0.28,<1.0`.

    Sources: the five documents that torchpin began with, none of which builds the same image twice.
    """
    for file in [*project.dockerfiles, ""]:
        pinned = {*TORCH_FAMILY, *facts.abi_packages(), *project.locked}
        pinned |= {package_name(target) for target in _constraints(project, file) if exact_version(target)}
        for target in _install_targets(project, file):
            name = package_name(target)
            plain = target.requirement is not None and not target.requirement.url
            if plain and not exact_version(target) and name not in pinned:
                yield build_finding("ADO012", target.location, f"`{target.text}` is not pinned", about=name)


def _constraints(project: Project, file: str) -> Iterator[InstallTarget]:
    for step in installs.install_commands(project, file) if file else ():
        yield from step.constraints
