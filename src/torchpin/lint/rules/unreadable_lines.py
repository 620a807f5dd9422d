"""ADO008: lines, names and files that cannot be followed, so that none is skipped silently."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.installs import commands
from torchpin.lint.matches import parse_place
from torchpin.lint.registry import build_finding, register_rule
from torchpin.lint.resolutions import separate_files
from torchpin.project.dockerfile import parse_dockerfile
from torchpin.project.shell.nested import NOT_IN_PROJECT
from torchpin.project.stages import parse_build
from torchpin.project.variables import unresolved_variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torchpin.installs.commands import InstallTarget, Project
    from torchpin.model import Finding, Problem

_INSTALLERS = re.compile(r"\b(?:pip3?|uv|conda|mamba|micromamba|poetry|pipenv|pdm|pixi|rye|hatch)\b")
# What a draft takes from conda, and what has no place in one.
_READ_OF_CONDA = re.compile(
    r"(?:[\w/.-]+::)?(?:python|pip|setuptools|wheel|pytorch|torchvision|torchaudio|pytorch-cuda|pytorch-gpu|pytorch-cpu|cpuonly|cudatoolkit|cuda-version)(?![\w.-])"
)
_MOST_OF_A_LINE = 5  # reasons that are told of one line
_LONGEST_SEARCHED = 100_000  # characters of a RUN


@register_rule("ADO008", "a line could not be read", "notice")
def unreadable_line(project: Project) -> Iterator[Finding]:
    """Review it by hand: none of it was judged, or included in a draft.

    What a line installs is read without running it, which cannot follow loops, computed names and missing files.

    Example: `FROM ${BASE}` without a default for BASE.

    Wrong:
        ARG BASE
        FROM ${BASE}

    Right:
        ARG BASE=ubuntu:24.04
        FROM ${BASE}

    Sources: the Dockerfile reference.
    """
    lines: dict[tuple[str, int], dict[str, Finding]] = {}  # by message
    for finding in _unreadable_parts(project):
        lines.setdefault(parse_place(finding.location)[:2], {}).setdefault(finding.message, finding)
    yield from (_of_line([*findings.values()]) for findings in lines.values())


def _of_line(findings: list[Finding]) -> Finding:
    """What of a line could not be read, from its first place on."""
    findings.sort(key=lambda finding: parse_place(finding.location))
    messages = [finding.message for finding in findings[:_MOST_OF_A_LINE]]
    further = len(findings) - len(messages)
    return replace(findings[0], message="; ".join([*messages, f"{further} more"] if further else messages))


def _unreadable_parts(project: Project) -> Iterator[Finding]:
    for path, reason in project.unreadable:
        location = path if re.search(r":\d+:\d+$", path) else f"{path}:1:1"
        yield build_finding("ADO008", location, f"cannot be read: {reason}", about=path)
    for file in project.dockerfiles:
        yield from _unread_lines(project, file)
        yield from _unread_runs(project, file)
    for path in separate_files(project):
        for row in commands.requirement_lines(project, path):
            yield from _unread_target(row) if isinstance(row, commands.InstallTarget) else ()
        yield from _unread_problems(commands.requirement_rows(project, path).problems)


def _unread_lines(project: Project, file: str) -> Iterator[Finding]:
    build = parse_build(project.texts[file])
    for problem in (*parse_dockerfile(project.texts[file]).problems, *build.problems):
        location = f"{file}:{problem.place.line}:{problem.place.column}"
        yield build_finding("ADO008", location, problem.message, about=file)
    for stage in build.stages:
        name = unresolved_variable(stage.image)
        if name:
            location = f"{file}:{stage.start.line}:{stage.start.column}"
            yield build_finding(
                "ADO008", location, f"the base image is ${{{name}}}, which has no default", about=name
            )


def _unread_runs(project: Project, file: str) -> Iterator[Finding]:
    for unread in project.unread_runs.get(file, ()):
        part, script = unread.part, unread.instruction.script.text
        if part.file or part.reason == NOT_IN_PROJECT or _INSTALLERS.search(script[:_LONGEST_SEARCHED]):
            location = f"{part.file or file}:{part.place.line}:{part.place.column}"
            shown = f"`{part.source}`: " if part.source else ""
            yield build_finding("ADO008", location, f"{shown}{part.reason}, so what it installs is not known")
    for run in commands.run_commands(project, file):
        step = commands.parse_install(project, run)
        if step is None:
            continue
        yield from _unread_problems(step.problems)
        for name in step.missing:
            is_made = run.files is not None and run.files.find(name) is None
            reason = "is written or cloned while the image is built, so what it holds is not known"
            message = f"{name} {reason if is_made else 'is not in the project'}"
            yield build_finding("ADO008", step.location, message, about=name)
        for name, path in step.left_out:
            message = f"{name} is not read: a .dockerignore leaves {path} out of the build"
            yield build_finding("ADO008", step.location, message, about=name)
        for name, path in step.by_name:
            message = f"{name} is taken to be {path}, by its name alone: no COPY puts a file there"
            yield build_finding("ADO008", step.location, message, about=name)
        others = [target.text for target in step.targets if not _READ_OF_CONDA.match(target.text)]
        if step.tool == "conda" and others:
            packages = ", ".join(others)
            yield build_finding(
                "ADO008", step.location, f"packages from conda are not read: {packages}", about="conda"
            )
        for target in step.targets if step.tool == "pip" else ():
            yield from _unread_target(target)


def _unread_problems(problems: Iterable[Problem]) -> Iterator[Finding]:
    """What of the files that an install reads could not be read."""
    for problem in problems:
        yield build_finding(
            "ADO008",
            str(problem.position),
            f"cannot be read: {problem.text}",
            about=problem.position.file,
        )


def _unread_target(target: InstallTarget) -> Iterator[Finding]:
    name = unresolved_variable(target.text)
    local = target.reference is not None or "://" in target.text
    if name:
        yield build_finding(
            "ADO008",
            target.location,
            f"`{target.text}` contains ${name}, which has no default",
            about=target.text,
        )
    elif target.requirement is None and not local:
        yield build_finding(
            "ADO008", target.location, f"`{target.text}` is not a valid requirement", about=target.text
        )
