"""A build, instruction by instruction: the variables, the folder, the user and the shell that each one has."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torchpin.project.docker_words import plain_text
from torchpin.project.stages import BuildInputs, parse_build, set_args, written_pairs
from torchpin.project.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.project.dockerfile import Instruction
    from torchpin.project.stages import DockerBuild, Stage
    from torchpin.project.variables import EnvironmentSetting

# Set by no ARG and usable in each RUN; without --build-arg they are empty.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStep:
    """An instruction of a stage. `folder`: the WORKDIR, / where only the base image could tell it.

    `variables`: their values before the instruction, as long as the next step is not requested.
    `in_image`: whether the stage is the image's or one that it is FROM, `is_needed`: or one that it copies from.
    """

    instruction: Instruction
    stage: Stage
    variables: Variables
    folder: str
    user: str
    shell: tuple[str, ...]
    is_needed: bool
    in_image: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """What a stage that is FROM another one starts with."""

    values: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, EnvironmentSetting] = field(default_factory=dict)
    folder: str = "/"
    user: str = ""
    shell: tuple[str, ...] = _SHELL


def build_steps(text: str, options: BuildInputs = BuildInputs()) -> Iterator[BuildStep]:  # noqa: B008 - it is frozen
    """Every instruction below a FROM, stage by stage, also of stages that the build does not need. Raises BoundError."""
    build = parse_build(text, options)
    build_args = dict(options.args)
    in_image = {stage.number for stage in build.target.chain} if build.target else set()
    ends: dict[int, _State] = {}
    variables = Variables({name: build_args.get(name, "") for name in (*_PROXIES, *map(str.upper, _PROXIES))})
    first = _State(values=variables.values)
    for stage in build.stages:
        state = ends[stage.parent.number] if stage.parent else first
        variables = variables.restarted(state.values, state.settings)
        for instruction in stage.own:
            yield BuildStep(
                instruction=instruction,
                stage=stage,
                variables=variables,
                folder=state.folder,
                user=state.user,
                shell=state.shell,
                is_needed=stage.number in build.needed,
                in_image=stage.number in in_image,
            )
            state = _after(instruction, state, variables, build_args, build)
        ends[stage.number] = replace(state, values=variables.values, settings=variables.settings)


def image_environment(text: str, options: BuildInputs = BuildInputs()) -> dict[str, str]:  # noqa: B008 - it is frozen
    """The variables that the ENV lines of the image set, filled in. Raises BoundError."""
    env: dict[str, str] = {}
    for step in build_steps(text, options):
        if step.in_image and step.instruction.keyword == "ENV":
            env |= environment(step.instruction, step.variables)
    return env


def _after(
    instruction: Instruction,
    state: _State,
    variables: Variables,
    build_args: Mapping[str, str],
    build: DockerBuild,
) -> _State:
    """The state behind an instruction, which sets `variables` too."""
    if instruction.keyword == "ARG":
        set_args(instruction, variables, build_args, build.args)
    elif instruction.keyword == "ENV":
        variables.set(environment(instruction, variables), instruction.place)
    elif instruction.keyword == "WORKDIR":
        path = variables.expand(instruction.text, instruction.escape)
        return replace(state, folder=posixpath.normpath(posixpath.join(state.folder, path)))
    elif instruction.keyword == "USER":
        return replace(state, user=variables.expand(instruction.text, instruction.escape))
    elif instruction.keyword == "SHELL":
        return replace(state, shell=instruction.exec_form or state.shell)
    return state


def environment(instruction: Instruction, variables: Variables) -> dict[str, str]:
    """What an ENV sets: each value is filled in with the variables from before it. Raises BoundError."""
    pairs = ((name, value) for name, value in written_pairs(instruction) if value is not None)
    return {
        plain_text(name, instruction.escape): variables.expand(value, instruction.escape)
        for name, value in pairs
    }
