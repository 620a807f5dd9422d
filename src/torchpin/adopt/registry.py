"""ADO: what does not do what it looks like, in Dockerfiles and requirement files that others wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.adopt import installs
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.adopt.installs import InstallCommand, InstallTarget, Project, RunCommand

TORCH_FAMILY = ("torch", "torchvision", "torchaudio")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What `invoke explain` tells of a trap, and what finds it."""

    title: str
    help: str
    meaning: str
    example: str
    sources: str
    find: Callable[[Project], Iterator[Finding]]


RULES: dict[str, Rule] = {}


def register_rule(
    id_: str, title: str
) -> Callable[[Callable[[Project], Iterator[Finding]]], Callable[[Project], Iterator[Finding]]]:
    """Registers a trap. Its docstring has the paragraphs of a check's: remedy, meaning, Example:, Sources:."""

    def register(function: Callable[[Project], Iterator[Finding]]) -> Callable[[Project], Iterator[Finding]]:
        parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", function.__doc__ or "")]
        sections = {
            heading: next(
                (part.removeprefix(heading).strip() for part in parts if part.startswith(heading)), ""
            )
            for heading in ("Example:", "Sources:")
        }
        RULES[id_] = Rule(
            title=title,
            help=parts[0],
            meaning=" ".join(part for part in parts[1:] if not part.startswith(("Example:", "Sources:"))),
            example=sections["Example:"],
            sources=sections["Sources:"],
            find=function,
        )
        return function

    return register


def build_finding(
    id_: str, location: str, message: str, *, help: str = "", about: str = "", evidence: str = ""
) -> Finding:
    return Finding(
        location=location,
        message=message,
        help=help or RULES[id_].help,
        about=about,
        evidence=evidence,
        level="warning",
    )


def project_runs(project: Project) -> Iterator[RunCommand]:
    for file in project.dockerfiles:
        yield from installs.run_commands(project, file)


def project_installs(project: Project) -> Iterator[InstallCommand]:
    for file in project.dockerfiles:
        yield from installs.install_commands(project, file)


def package_name(target: InstallTarget) -> str:
    return canonicalize_name(target.requirement.name) if target.requirement else ""


def exact_version(target: InstallTarget) -> str:
    """The one version that a requirement names, "" for a range."""
    specifiers = list(target.requirement.specifier) if target.requirement else []
    return (
        specifiers[0].version
        if len(specifiers) == 1
        and specifiers[0].operator in {"==", "==="}
        and "*" not in specifiers[0].version
        else ""
    )


def torch_channel(step: InstallCommand, target: InstallTarget) -> tuple[str, str]:
    """The channel that a torch comes from, and how that is known; ("", "") where nothing tells."""
    pin = exact_version(target)
    local = pin.partition("+")[2]
    for url, how in ((step.index, "from that index"), (step.extra_index, "from that extra index")):
        match = re.search(r"/(cu\d+|cpu)/?$", url)
        if match:
            return match[1], how
    if local:
        return local, "by its name"
    release = facts.release(pin) if pin else None
    return (
        (release.pypi_local, "from PyPI") if release and release.pypi_local and not step.index else ("", "")
    )
