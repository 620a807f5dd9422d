"""What is installed together: the steps of a stage one after another, the lines of a requirement file, those of pyproject.toml."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.markers import InvalidMarker, Marker

from torchpin.compat.markers import marker_holds
from torchpin.installs import commands
from torchpin.installs.project_installs import project_targets
from torchpin.memory import remembered
from torchpin.project.markers import MarkerTarget
from torchpin.project.stages import parse_stages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.installs.commands import InstallCommand, InstallTarget, Project
    from torchpin.project.runs import RunCommand
    from torchpin.project.stages import Stage

_PYTHONS = tuple(f"3.{minor}" for minor in range(8, 16))
_MOST_ALTERNATIVES = 10  # builds of a stage, by the arms of its branchings; real ones have two or three
_MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSteps:
    """A stage that no other stage of its file stands on, and its installs in their order, those of the stages below included.

    Where arms of a RUN exclude each other, and it is not known which one holds, the stage comes once for each.
    `stage`: None for a file without FROM.
    """

    file: str
    stage: Stage | None
    steps: tuple[tuple[RunCommand, InstallCommand], ...]

    @property
    def image(self) -> str:
        return self.stage.image if self.stage else ""


@remembered
def stage_steps(project: Project, file: str) -> tuple[StageSteps, ...]:
    """The stages of a Dockerfile as they are built: two that do not stand on each other have nothing in common."""
    by_line: dict[int, list[tuple[RunCommand, InstallCommand]]] = {}
    for run in commands.run_commands(project, file):
        for step in commands.parse_installs(project, run):
            by_line.setdefault(run.instruction.line, []).append((run, step))
    stages = parse_stages(project.texts[file])
    if not stages:
        steps = [step for steps in by_line.values() for step in steps]
        return (StageSteps(file=file, stage=None, steps=tuple(steps)),)
    result: list[StageSteps] = []
    tops = {
        id(instruction): number for number, stage in enumerate(stages) for instruction in stage.instructions
    }
    for number, stage in enumerate(stages):
        if stage.instructions and tops[id(stage.instructions[-1])] > number:
            continue  # a later stage begins with its instructions
        steps = [step for instruction in stage.instructions for step in by_line.get(instruction.line, ())]
        result += [StageSteps(file=file, stage=stage, steps=tuple(chosen)) for chosen in _alternatives(steps)]
    return tuple(result)


def _alternatives(
    steps: list[tuple[RunCommand, InstallCommand]],
) -> Iterator[list[tuple[RunCommand, InstallCommand]]]:
    """The steps of a build by the arms that exclude each other: with the first arm of each `if` or `||`, the second, and so on."""
    arms: dict[tuple[int, int], list[int]] = {}
    for run, _ in steps:
        for branching, number in run.command.branch:
            numbers = arms.setdefault((run.instruction.line, branching), [])
            numbers += [] if number in numbers else [number]
    for choice in range(min(max(map(len, arms.values()), default=1), _MOST_ALTERNATIVES)):
        chosen = {key: numbers[min(choice, len(numbers) - 1)] for key, numbers in arms.items()}
        yield [
            (run, step)
            for run, step in steps
            if all(
                chosen[run.instruction.line, branching] == number for branching, number in run.command.branch
            )
        ]


def edited_files(project: Project, file: str) -> frozenset[str]:
    """The names of files that a Dockerfile's commands change, as `sed -i '/torch/d' requirements.txt` does."""
    return frozenset(
        posixpath.basename(word)
        for run in commands.run_commands(project, file)
        if run.command.texts[:1] in {("sed",), ("perl",)}
        and any(word.startswith("-i") for word in run.command.texts)
        for word in run.command.texts[1:]
    )


def resolutions(project: Project) -> Iterator[list[InstallTarget]]:
    """The requirements that end in one environment: of each stage, of each requirement file that no other file reads, of pyproject.

    Requirement files stand for themselves only where no Dockerfile reads them.
    """
    for file in project.dockerfiles:
        for steps in stage_steps(project, file):
            yield [
                target
                for _, step in steps.steps
                if step.tool == "pip"
                for target in (*step.constraints, *step.targets)
            ]
    for path in separate_files(project):
        yield [
            row
            for row in commands.requirement_lines(project, path)
            if isinstance(row, commands.InstallTarget)
        ]
    yield [*separate_project(project)]


@remembered
def separate_files(project: Project) -> tuple[str, ...]:
    """The requirement files that are read by no Dockerfile, and by no other requirement file."""
    read = {
        target.location.rsplit(":", 2)[0]
        for file in project.dockerfiles
        for step in commands.install_commands(project, file)
        for target in (*step.targets, *step.constraints)
    }
    included: set[str] = set()
    for path in project.requirement_files:
        rows = commands.requirement_lines(project, path)
        files = {row.location.rsplit(":", 2)[0] for row in rows if isinstance(row, commands.InstallTarget)}
        included |= files - {path}
    return tuple(path for path in project.requirement_files if path not in read | included)


def separate_project(project: Project) -> tuple[InstallTarget, ...]:
    """What pyproject.toml asks for, by its lock where it has one; nothing where a Dockerfile installs the project."""
    files = {project.pyproject_file, project.lock_file}
    is_read = any(
        target.location.rsplit(":", 2)[0] in files
        for file in project.dockerfiles
        for step in commands.install_commands(project, file)
        for target in step.targets
    )
    return () if is_read else project_targets(project, MarkerTarget())


def can_meet(first: InstallTarget, second: InstallTarget) -> bool:
    """Whether two requirements can be installed together: on Linux, with a Python for which the markers of both hold."""
    markers = [
        str(target.requirement.marker or "") if target.requirement else "" for target in (first, second)
    ]
    return bool(_environments(markers[0]) & _environments(markers[1]))


def applies(target: InstallTarget) -> bool:
    """Whether a requirement can be installed on Linux, without extras."""
    marker = target.requirement.marker if target.requirement else None
    return marker is None or bool(_environments(str(marker)))


@lru_cache(maxsize=10_000)
def _environments(marker: str) -> frozenset[tuple[str, str]]:
    """The Pythons and machines of Linux for which a marker holds, or may hold."""
    everywhere = frozenset((python, machine) for python in _PYTHONS for machine in _MACHINES)
    if not marker:
        return everywhere
    try:
        parsed = Marker(marker)
    except (InvalidMarker, RecursionError):
        return everywhere
    return frozenset(
        (python, machine)
        for python, machine in everywhere
        if marker_holds(parsed, _linux(python, machine)) is not False
    )


def _linux(python: str, machine: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
