"""The build stages of a Dockerfile: the image that each one stands on, its instructions, and which a build makes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from torchpin.project.docker_words import plain_text, split_words
from torchpin.project.dockerfile import Instruction, parse_dockerfile, triggered_instruction
from torchpin.project.secret_values import hide_secret
from torchpin.project.text import ReadProblem
from torchpin.project.variables import BoundError, Variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MOST_STAGES = 200  # real files have below fifty
_KEPT_FILES = 64  # parsed Dockerfiles that are kept for the rules, which read each one several times
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_NAMED = 3  # words of FROM IMAGE AS NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildInputs:
    """What a build is called with: `args` as (name, value) pairs, and the stage to make, the last one where it is empty.

    `contexts`: further folders of the project by the name that COPY takes them from.
    """

    args: tuple[tuple[str, str], ...] = ()
    target: str = ""
    platform: str = "linux/amd64"
    contexts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A FROM and what follows it.

    `image`: what it stands on at the bottom, with its variables filled in; `parent`: the stage that it is FROM;
    `own`: its instructions, after those that an ONBUILD of the parent adds.
    """

    number: int
    image: str
    name: str
    start: Instruction
    platform: str = ""
    parent: Stage | None = None
    own: tuple[Instruction, ...] = ()

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """Those of the stages that it is FROM and its own, in their order."""
        chain = [stage.own for stage in self.chain]
        return tuple(instruction for own in reversed(chain) for instruction in own)

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The stage, the one that it is FROM, and so on."""
        chain = [self]
        while chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        return tuple(chain)


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerBuild:
    """`target`: the stage that becomes the image; `needed`: the numbers of the stages that it stands on or copies from.

    `args`: the variables from before the first FROM, those of the build and of platforms among them.
    """

    stages: tuple[Stage, ...]
    target: Stage | None
    needed: frozenset[int]
    args: Mapping[str, str]
    problems: tuple[ReadProblem, ...] = ()


def assignments(instruction: Instruction) -> dict[str, str]:
    """The variables that an ARG or ENV sets, without quotes, nothing filled in; an ARG without a default sets none."""
    escape = instruction.escape
    return {
        plain_text(name, escape): plain_text(value, escape)
        for name, value in written_pairs(instruction)
        if value is not None
    }


def written_pairs(instruction: Instruction) -> Iterator[tuple[str, str | None]]:
    """The names of an ARG or ENV and their values as they are written, None for an ARG without a default."""
    words = split_words(instruction.text, instruction.escape)
    if instruction.keyword == "ENV" and words and "=" not in words[0].text:  # the old form: ENV KEY the rest
        value = instruction.text[words[0].end :].strip()
        yield words[0].text, value or None
        return
    for word in words:
        name, separator, value = word.text.partition("=")
        if separator or instruction.keyword == "ARG":
            yield name, value if separator else None


def parse_stages(text: str) -> tuple[Stage, ...]:
    """The build stages of a Dockerfile, built without options. Raises BoundError for too many stages or variables."""
    return parse_build(text).stages


def final_stage(text: str) -> Stage | None:
    """The stage that becomes the image of a build without options. Raises BoundError."""
    return parse_build(text).target


@lru_cache(maxsize=_KEPT_FILES)
def parse_build(text: str, options: BuildInputs = BuildInputs()) -> DockerBuild:
    """A Dockerfile's stages as a build with these options makes them. Raises BoundError for too many stages or variables."""
    global_args = Variables(_platform_args(options))
    build_args = dict(options.args)
    problems: list[ReadProblem] = []
    stages: list[Stage] = []
    bodies: list[list[Instruction]] = []
    for instruction in parse_dockerfile(text).instructions:
        if instruction.keyword == "FROM":
            stages.append(_parse_from(instruction, global_args, stages, problems))
            bodies.append([])
        elif stages:
            bodies[-1].append(instruction)
        elif instruction.keyword == "ARG":
            set_args(instruction, global_args, build_args, {})
        if len(stages) > _MOST_STAGES:
            raise BoundError(f"it has more than {_MOST_STAGES} stages")
    _complete(stages, bodies)
    target = _find_target(stages, options.target, problems)
    return DockerBuild(
        stages=tuple(stages),
        target=target,
        needed=_needed(stages, target, problems),
        args=global_args.values,
        problems=tuple(problems),
    )


def _platform_args(options: BuildInputs) -> dict[str, str]:
    os, _, machine = options.platform.partition("/")
    architecture, _, variant = machine.partition("/")
    values = {"PLATFORM": options.platform, "OS": os, "ARCH": architecture, "VARIANT": variant}
    prefixed = {f"{prefix}{name}": value for prefix in ("TARGET", "BUILD") for name, value in values.items()}
    return {**prefixed, "TARGETSTAGE": options.target or "default"}


def set_args(
    instruction: Instruction,
    variables: Variables,
    build_args: Mapping[str, str],
    inherited: Mapping[str, str],
) -> None:
    """Sets what an ARG sets, one after the other: from the build, else its default, else of `inherited`. Raises BoundError."""
    for written_name, default in written_pairs(instruction):
        name = plain_text(written_name, instruction.escape)
        if name in build_args:
            variables.set({name: build_args[name]}, instruction.place)
        elif default is not None:
            variables.set({name: variables.expand(default, instruction.escape)}, instruction.place)
        elif name in inherited:
            variables.set({name: inherited[name]}, instruction.place)


def _parse_from(
    instruction: Instruction, global_args: Variables, earlier: Sequence[Stage], problems: list[ReadProblem]
) -> Stage:
    """A stage without its instructions."""
    words = [word.text for word in split_words(instruction.text, instruction.escape)]
    is_named = len(words) == _NAMED and words[1].lower() == "as"
    if words and not is_named and len(words) != 1:
        problems.append(
            ReadProblem(message="FROM takes an image, or an image AS a name", place=instruction.place)
        )
    image = hide_secret(global_args.expand(words[0], instruction.escape)) if words else ""
    name = words[2].lower() if len(words) >= _NAMED and words[1].lower() == "as" else ""
    if words and not image:
        problems.append(ReadProblem(message=f"the image {words[0]} is empty", place=instruction.place))
    if name and not _STAGE_NAME.fullmatch(name):
        problems.append(ReadProblem(message=f"{name!r} is not the name of a stage", place=instruction.place))
    parent = find_stage(image, earlier) if not image.isdigit() else None
    platform = global_args.expand(instruction.flags.get("platform", ""), instruction.escape)
    return Stage(
        number=len(earlier),
        image=parent.image if parent else image,
        name=name,
        start=instruction,
        platform=platform or (parent.platform if parent else ""),
        parent=parent,
    )


def find_stage(name: str, stages: Sequence[Stage]) -> Stage | None:
    """The stage of a name, of which the last counts, or number; None for an image."""
    if name.isdecimal() and name.isascii():
        return stages[int(name)] if len(name) < 5 and int(name) < len(stages) else None  # noqa: PLR2004 - no int of a million digits
    return next((stage for stage in reversed(stages) if stage.name and stage.name == name.lower()), None)


def _complete(stages: list[Stage], bodies: Sequence[Sequence[Instruction]]) -> None:
    """Adds the instructions: what an ONBUILD of the stage names that this one is FROM comes first."""
    for number, stage in enumerate(stages):
        parent = stages[stage.parent.number] if stage.parent else None
        triggers = (row for row in (parent.own if parent else ()) if row.keyword == "ONBUILD")
        added = (triggered_instruction(trigger) for trigger in triggers)
        stages[number] = replace(stage, parent=parent, own=(*added, *bodies[number]))


def _find_target(stages: Sequence[Stage], name: str, problems: list[ReadProblem]) -> Stage | None:
    if name and stages:
        target = find_stage(name, stages)
        if target is None:
            problems.append(ReadProblem(message=f"there is no stage {name}", place=stages[-1].start.place))
        return target
    return stages[-1] if stages else None


def _needed(stages: Sequence[Stage], target: Stage | None, problems: list[ReadProblem]) -> frozenset[int]:
    """The numbers of the stages that a target stands on, is copied from, or mounts, directly or not."""
    waiting = [target] if target else []
    needed: set[int] = set()
    while waiting:
        stage = waiting.pop()
        if stage.number in needed:
            continue
        needed.add(stage.number)
        waiting += [stage.parent] if stage.parent else []
        for instruction in stage.own:
            for name in copied_from(instruction):
                source = find_stage(name, stages)
                if source and source.number < stage.number:
                    waiting.append(source)
                elif source or name.isdecimal():
                    message = f"the stage {name} must stand before the one that copies from it"
                    problems.append(ReadProblem(message=message, place=instruction.place))
    return frozenset(needed)


def copied_from(instruction: Instruction) -> tuple[str, ...]:
    """The stages or images that an instruction copies from or mounts."""
    if instruction.keyword in {"COPY", "ADD"}:
        return (instruction.flags["from"],) if instruction.flags.get("from") else ()
    if instruction.keyword != "RUN":
        return ()
    mounts = (mount_options(flag.value) for flag in instruction.all_flags if flag.name == "mount")
    return tuple(mount["from"] for mount in mounts if mount.get("from"))


def mount_options(value: str) -> dict[str, str]:
    """The options of `--mount=type=bind,source=a,target=b` under their long names; its type is `bind` where none is named."""
    names = {"src": "source", "dst": "target", "destination": "target"}
    pairs = (part.partition("=") for part in value.split(","))
    options = {names.get(name.lower(), name.lower()): text.strip("\"'") for name, _, text in pairs}
    return {"type": "bind", **options}
