"""Shared by the rules for other projects' files: registration, findings, and look-ups of an installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.checks.registry import REGISTRY, register
from torchpin.controls import show_on_one_line
from torchpin.installs import commands
from torchpin.lint.matches import Edit, FixableFinding, parse_place
from torchpin.project.package_origin import exact_pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torchpin.installs.commands import InstallCommand, InstallTarget, Project
    from torchpin.model import Finding, Level
    from torchpin.project.runs import RunCommand

    Rule = Callable[[Project], Iterator[Finding]]

TORCH_FAMILY = ("torch", "torchvision", "torchaudio")
_MOST_OTHERS = 10  # further requirements that a message names


def register_rule(id_: str, title: str, level: Level = "warning") -> Callable[[Rule], Rule]:
    """Registers a rule, with the level of its findings.

    The paragraphs of its docstring are those of a check's: help, meaning, Example:, Wrong:, Right:, Sources:.
    """

    def decorate(function: Rule) -> Rule:
        register(id_, title, function, kind="rule", level=level)
        return function

    return decorate


def build_finding(
    id_: str,
    location: str,
    message: str,
    *,
    help: str = "",
    about: str = "",
    evidence: str = "",
    level: Level | None = None,
    edits: tuple[Edit, ...] = (),
    is_safe: bool = True,
) -> Finding:
    """A finding of a rule; without a `help` and a `level` of its own it has those of the rule.

    `edits`: what ends it in the files; without `is_safe` only where that is requested.
    """
    return FixableFinding(
        location=location,
        message=show_on_one_line(message),
        help=show_on_one_line(help) or REGISTRY[id_].help_line,
        about=about,
        evidence=evidence,
        level=level or REGISTRY[id_].level,
        fix_is_safe=bool(edits) and is_safe,
        edits=edits,
    )


def others_text(location: str, others: Sequence[InstallTarget]) -> str:
    """The further requirements of a finding at a place: `; the same is true of `timm` (line 20)`. "" without one.

    The lines of another file have its name.
    """
    places = [
        f"`{target.text}` (line {place[1]})"
        if place[0] == parse_place(location)[0]
        else f"`{target.text}` ({target.location})"
        for target in others[:_MOST_OTHERS]
        for place in [parse_place(target.location)]
    ]
    unlisted = [f"{len(others) - _MOST_OTHERS} more"] if len(others) > _MOST_OTHERS else []
    return f"; the same is true of {', '.join([*places, *unlisted])}" if others else ""


def replacement(location: str, before: str, after: str) -> tuple[Edit, ...]:
    """The edit that writes another text at a place, () where the place has no column."""
    file, line, column = parse_place(location)
    return (Edit(file=file, line=line, column=column, before=before, after=after),) if column else ()


def project_runs(project: Project) -> Iterator[RunCommand]:
    """The commands of every RUN line, Dockerfile by Dockerfile."""
    for file in project.dockerfiles:
        yield from commands.run_commands(project, file)


def project_installs(project: Project) -> Iterator[InstallCommand]:
    """The installs of every RUN line, Dockerfile by Dockerfile."""
    for file in project.dockerfiles:
        yield from commands.install_commands(project, file)


def package_name(target: InstallTarget) -> str:
    """The normalized name, "" for what is not a requirement."""
    return canonicalize_name(target.requirement.name) if target.requirement else ""


def exact_version(target: InstallTarget) -> str:
    """The version of an exact pin, "" for a range."""
    return exact_pin(target)


def torch_channel(step: InstallCommand, target: InstallTarget) -> tuple[str, str]:
    """The channel that torch comes from, and what shows it; ("", "") where nothing does. PyPI's is that of its default build."""
    origin = step.origin(target)
    if origin.channel != "pypi":
        return (origin.channel, origin.reason) if origin.channel else ("", "")
    release = facts.release(exact_version(target)) if exact_version(target) else None
    return (release.pypi_local, "from PyPI") if release and release.pypi_local else ("", "")
