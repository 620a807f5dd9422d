"""Shared by the rules for other projects' files: registration, findings, and look-ups of an installation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.adopt import installs, uv_files
from torchpin.checks.registry import REGISTRY, register
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.adopt.installs import InstallCommand, InstallTarget, Project, RunCommand

    Rule = Callable[[Project], Iterator[Finding]]

TORCH_FAMILY = ("torch", "torchvision", "torchaudio")


def register_rule(id_: str, title: str) -> Callable[[Rule], Rule]:
    """Registers a rule; the paragraphs of its docstring are those of a check's: help, meaning, Example:, Sources:."""

    def decorate(function: Rule) -> Rule:
        register(id_, title, function, kind="rule")
        return function

    return decorate


def build_finding(
    id_: str, location: str, message: str, *, help: str = "", about: str = "", evidence: str = ""
) -> Finding:
    """A warning of a rule; without `help` with that of the rule's docstring."""
    return Finding(
        location=location,
        message=message,
        help=help or REGISTRY[id_].help_line,
        about=about,
        evidence=evidence,
        level="warning",
    )


def project_runs(project: Project) -> Iterator[RunCommand]:
    """The commands of every RUN line, Dockerfile by Dockerfile."""
    for file in project.dockerfiles:
        yield from installs.run_commands(project, file)


def project_installs(project: Project) -> Iterator[InstallCommand]:
    """The installs of every RUN line, Dockerfile by Dockerfile."""
    for file in project.dockerfiles:
        yield from installs.install_commands(project, file)


def package_name(target: InstallTarget) -> str:
    """The normalized name, "" for what is not a requirement."""
    return canonicalize_name(target.requirement.name) if target.requirement else ""


def exact_version(target: InstallTarget) -> str:
    """The version of an exact pin, "" for a range."""
    specifiers = list(target.requirement.specifier) if target.requirement else []
    return (
        specifiers[0].version
        if len(specifiers) == 1
        and specifiers[0].operator in {"==", "==="}
        and "*" not in specifiers[0].version
        else ""
    )


def torch_channel(step: InstallCommand, target: InstallTarget) -> tuple[str, str]:
    """The channel that torch comes from, and what shows it; ("", "") where nothing does."""
    pin = exact_version(target)
    local = pin.partition("+")[2]
    for url, how in ((step.index, "from its index"), (step.extra_index, "from its extra index")):
        match = re.search(r"/(cu\d+|cpu)/?$", url)
        channel = uv_files.index_channel(url) or (match[1] if match else "")
        if channel:
            return channel, how
    if local:
        return local, "with that local version"
    release = facts.release(pin) if pin else None
    return (
        (release.pypi_local, "from PyPI") if release and release.pypi_local and not step.index else ("", "")
    )
