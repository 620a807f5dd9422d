"""What a build copies from its stages and from other images, and whether Python packages or a Python may be among it."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from torchpin.project.build_steps import build_steps
from torchpin.project.image_files import copy_operands
from torchpin.project.stages import find_stage, parse_build

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.project.dockerfile import Instruction
    from torchpin.project.stages import Stage

# Where the packages of a Python of the system, of /usr/local, of conda or of a user are.
_PACKAGES = ("/usr/lib", "/usr/local/lib", "/opt/conda", "/opt/venv", "/root")
# What puts packages anywhere else, so that a path does not tell whether it has them.
_ELSEWHERE = re.compile(
    r"venv|virtualenv|conda|mamba|\buv\b|poetry|pipenv|\bpdm\b|--target|--prefix|--root\b|--user|\s-t\s|PIP_TARGET|PIP_PREFIX"
    r"|PIP_USER|PYTHONUSERBASE|\bpip[\d.]* (?:wheel|download)\b|pyinstaller|nuitka|\bpex\b|shiv"
)
_PYTHON = re.compile(r"/(?:usr(?:/local(?:/(?:bin|lib)(?:/python[\d.]*)?)?)?)?")


class StageCopy(NamedTuple):
    """A COPY or a mount of a stage or of another image, into the image or a stage that it copies from."""

    sources: tuple[str, ...]  # "/" for a mount
    instruction: Instruction
    image: str  # at the bottom of the stage, or the other image
    stage: Stage | None
    in_image: bool


def stage_copies(text: str) -> tuple[StageCopy, ...]:
    """The copies of the stages that a build needs. Raises BoundError."""
    stages = parse_build(text).stages
    copies: list[StageCopy] = []
    for step in build_steps(text) if "--from" in text or "from=" in text else ():
        instruction = step.instruction
        origins: dict[str, tuple[str, ...]] = {}
        if instruction.keyword in {"COPY", "ADD"} and instruction.flags.get("from"):
            origins[instruction.flags["from"]] = copy_operands(step)[:-1]
        for flag in instruction.all_flags if instruction.keyword == "RUN" else ():
            if match := re.search(r"(?:^|,)from=([^,\s]+)", str(flag.value)):
                origins.setdefault(match[1], ("/",))
        for name, sources in origins.items() if step.is_needed else ():
            stage = find_stage(name, stages)
            image = stage.image if stage else step.variables.expand(name)
            copies.append(StageCopy(sources, instruction, image, stage, step.in_image))
    return tuple(copies)


def may_have_packages(stage: Stage, copies: Iterable[StageCopy]) -> bool:
    """Whether what is copied from a stage, or from those that stand on it, may hold the packages that it installs."""
    sources = [
        posixpath.normpath(posixpath.join("/", source))
        for copy in copies
        if copy.stage and stage.number in {row.number for row in copy.stage.chain}
        for source in copy.sources
    ]
    if any(_ELSEWHERE.search(instruction.text) for instruction in stage.instructions):
        return True
    return any(
        "$" in source or "*" in source or _is_within(source, place) or _is_within(place, source)
        for source in sources
        for place in _PACKAGES
    )


def _is_within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def copied_python(copies: Iterable[StageCopy]) -> StageCopy | None:
    """The last copy of a whole Python into the image, by its paths alone."""
    fitting = [
        copy
        for copy in copies
        if copy.in_image and any(_PYTHON.fullmatch(posixpath.normpath(source)) for source in copy.sources)
    ]
    return fitting[-1] if fitting else None
