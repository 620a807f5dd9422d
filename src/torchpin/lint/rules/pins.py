"""ADO004, ADO012: requirements that conflict with each other, packages without a version."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.installs import commands
from torchpin.lint.matches import parse_place
from torchpin.lint.registry import TORCH_FAMILY, build_finding, exact_version, package_name, register_rule
from torchpin.lint.resolutions import (
    applies,
    can_meet,
    edited_files,
    resolutions,
    separate_files,
    separate_project,
    stage_steps,
)
from torchpin.project.channels import index_channel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from torchpin.installs.commands import InstallCommand, InstallTarget, Project
    from torchpin.model import Finding


_MOST_COMPARED = (
    50  # different requirements of one package that are compared to each other; real files have below five
)


@cache
def _dependent(undeclared: facts.UndeclaredRequirement) -> Requirement:
    """The package that has an undeclared requirement."""
    return Requirement(undeclared.when)


@register_rule("ADO004", "requirements conflict with each other", "error")
def contradictory_requirements(project: Project) -> Iterator[Finding]:
    """Write each bound once, in a file that every step gets (`-c constraints.txt`).

    A bound holds within its own step only: a later step that requires a newer version silently upgrades the package.

    Example: `numpy<2` in the first step, opencv-python-headless without a bound in the fourth: it requires numpy>=2.

    Wrong:
        FROM python:3.11.9-slim
        RUN pip install 'numpy<2'
        RUN pip install opencv-python==4.12.0.88

    Right:
        FROM python:3.11.9-slim
        RUN pip install 'numpy<2' opencv-python==4.11.0.86

    Sources: opencv/opencv-python issues 1122, 1134, 1135; our own resolver runs.
    """
    edited = frozenset().union(*(edited_files(project, file) for file in project.dockerfiles))
    for targets in resolutions(project):
        # of a file that a command changes it is not known which lines are left
        certain = [
            target
            for target in targets
            if applies(target) and posixpath.basename(parse_place(target.location)[0]) not in edited
        ]
        yield from _find_contradictions(certain)
    for file in project.dockerfiles:
        for step in commands.install_commands(project, file):
            yield from _other_local_versions(step)


def _other_local_versions(step: InstallCommand) -> Iterator[Finding]:
    """Pins such as `torch==2.6.0+cu124` in a step whose only index is that of another channel."""
    channel = index_channel(step.index) if not step.extra_index else ""
    for target in step.targets if channel else ():
        local = exact_version(target).partition("+")[2]
        if package_name(target) in TORCH_FAMILY and re.fullmatch(r"cu\d+|cpu", local) and local != channel:
            yield build_finding(
                "ADO004",
                target.location,
                f"`{target.text}` is not on the index {channel}, whose builds are +{channel}",
                help=f"use the index of {local}, or `{package_name(target)}=={exact_version(target).partition('+')[0]}`",
                about=package_name(target),
            )


def _find_contradictions(targets: list[InstallTarget]) -> Iterator[Finding]:
    reported: set[tuple[str, str]] = set()
    by_name: dict[str, dict[str, InstallTarget]] = {}  # the first target of each text
    for later in (target for target in targets if target.requirement):
        earlier = by_name.setdefault(package_name(later), {})
        for name in sorted({package_name(later), *_related_packages(package_name(later))}):
            finding = _first_contradiction(by_name.get(name, {}).values(), later)
            if finding and (name, later.location) not in reported:
                reported.add((name, later.location))
                yield finding
        if len(earlier) < _MOST_COMPARED:
            earlier.setdefault(later.text, later)
        elif later.text not in earlier:
            message = f"`{later.text}` was not compared: {package_name(later)} is required in over {_MOST_COMPARED} ways"
            yield build_finding("ADO004", later.location, message, about=package_name(later))


def _first_contradiction(targets: Iterable[InstallTarget], later: InstallTarget) -> Finding | None:
    """The contradiction to the first of several requirements of a package: it is to be mended first."""
    for earlier in targets:
        reason = _contradiction(earlier, later)
        if reason:
            return build_finding(
                "ADO004",
                later.location,
                f"`{later.text}` conflicts with `{earlier.text}` ({earlier.location}): {reason[0]}",
                about=package_name(later),
                evidence=reason[1],
            )
    return None


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
    if first.requirement is None or second.requirement is None or not can_meet(first, second):
        return None
    if package_name(first) == package_name(second):
        pins = [exact_version(first), exact_version(second)]
        if (
            all(pins)
            and len({pin.partition("+")[0] for pin in pins}) == 1
            and not all("+" in pin for pin in pins)
        ):
            return None  # one names the build of the other
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


@register_rule("ADO012", "a package has no version", "warning")
def unpinned_package(project: Project) -> Iterator[Finding]:
    """Pin it as `name==<version>`, or add a lock file to the project.

    Such a package, and what it depends on, changes from build to build. It cannot be adopted until a version is chosen; the
    draft keeps its range as a recommendation.

    Example: `transformers`, or `accelerate>=0.28,<1.0`.

    Wrong: requirements.txt
        transformers
        accelerate>=0.28,<1.0

    Right: requirements.txt
        transformers==4.57.1
        accelerate==0.34.2

    Sources: the five documents that torchpin began with, none of which builds the same image twice.
    """
    for file in project.dockerfiles:
        for steps in stage_steps(project, file):
            constrained = {
                package_name(target)
                for _, step in steps.steps
                for target in step.constraints
                if exact_version(target)
            }
            targets = [target for _, step in steps.steps if step.tool == "pip" for target in step.targets]
            yield from _unpinned(project, targets, constrained)
    for path in separate_files(project):
        rows = commands.requirement_lines(project, path)
        yield from _unpinned(project, [row for row in rows if isinstance(row, commands.InstallTarget)], set())
    for finding in _unpinned(project, separate_project(project), set()):
        yield replace(finding, level="notice")  # a range is right where the project is a package itself


def _unpinned(
    project: Project, targets: Iterable[InstallTarget], constrained: Collection[str]
) -> Iterator[Finding]:
    pinned = {*TORCH_FAMILY, *facts.abi_packages(), *project.locked, *constrained}
    for target in targets:
        name = package_name(target)
        plain = target.requirement is not None and not target.requirement.url
        if plain and not exact_version(target) and name not in pinned and applies(target):
            yield build_finding("ADO012", target.location, f"`{target.text}` is not pinned", about=name)


def required_packages(project: Project) -> dict[str, int]:
    """How many packages each file requires, a package that a file requires twice counted once."""
    names: dict[str, set[str]] = {}
    for targets in resolutions(project):
        for target in targets:
            file, line, _ = parse_place(target.location)
            if line and target.requirement and applies(target):
                names.setdefault(file, set()).add(package_name(target))
    return {file: len(packages) for file, packages in names.items()}
