"""The build stages of a Dockerfile: the image that each one stands on, and its instructions and variables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from torchpin.project.docker_words import plain_text, split_words
from torchpin.project.dockerfile import parse_instructions
from torchpin.project.secret_values import hide_secret
from torchpin.project.variables import BoundError, Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.project.dockerfile import Instruction

# A file beyond it is not read: each stage may repeat the instructions of the one before. Real ones have below fifty.
_MOST_STAGES = 200
_KEPT_FILES = 64  # parsed Dockerfiles that are kept for the rules, which read each one several times


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A FROM and what follows it. `image`: with its variables filled in; `variables`: their values at the end of the stage."""

    image: str
    name: str
    start: Instruction
    instructions: tuple[Instruction, ...]
    variables: Mapping[str, str]


def assignments(instruction: Instruction) -> dict[str, str]:
    """The variables that an ARG or ENV sets, as they are written without quotes; an ARG without a default sets none."""
    words = split_words(instruction.text, instruction.escape)
    if instruction.keyword == "ENV" and words and "=" not in words[0].text:  # the old form: ENV KEY the rest
        value = instruction.text[words[0].end :].strip()
        return {words[0].text: plain_text(value, instruction.escape)} if value else {}
    pairs = (word.text.partition("=") for word in words if "=" in word.text)
    return {
        plain_text(name, instruction.escape): plain_text(value, instruction.escape)
        for name, _, value in pairs
    }


@lru_cache(maxsize=_KEPT_FILES)
def parse_stages(text: str) -> tuple[Stage, ...]:
    """The build stages of a Dockerfile; one that is FROM an earlier stage starts with that stage's image and instructions.

    Raises BoundError for a file with too many stages or variables.
    """
    global_args = Variables()
    parsed: list[Stage] = []
    instructions: list[Instruction] = []
    variables = Variables()
    for instruction in parse_instructions(text):
        if instruction.keyword == "FROM":
            parsed[-1:] = [_close_stage(stage, instructions, variables) for stage in parsed[-1:]]
            parsed.append(_parse_stage(instruction, global_args, parsed))
            instructions, variables = [*parsed[-1].instructions], variables.restarted(parsed[-1].variables)
        elif not parsed:
            global_args.set(assignments(instruction) if instruction.keyword == "ARG" else {})
        else:
            instructions.append(instruction)
            variables.set(_set_variables(instruction, variables, global_args.values))
        if len(parsed) > _MOST_STAGES:
            raise BoundError(f"it has more than {_MOST_STAGES} stages")
    return (*parsed[:-1], *(_close_stage(stage, instructions, variables) for stage in parsed[-1:]))


def _close_stage(stage: Stage, instructions: Sequence[Instruction], variables: Variables) -> Stage:
    return replace(stage, instructions=tuple(instructions), variables=variables.values)


def _parse_stage(instruction: Instruction, global_args: Variables, earlier: Iterable[Stage]) -> Stage:
    """A stage without its own instructions, with those of the earlier stage that it is FROM."""
    arguments = global_args.fill_in(instruction.text).split()
    image = hide_secret(arguments[0]) if arguments else ""
    name = arguments[2] if len(arguments) > 2 and arguments[1].lower() == "as" else ""  # noqa: PLR2004 - IMAGE AS NAME
    for stage in earlier:
        if stage.name and stage.name == image:
            return Stage(
                image=stage.image,
                name=name,
                start=instruction,
                instructions=stage.instructions,
                variables=stage.variables,
            )
    return Stage(image=image, name=name, start=instruction, instructions=(), variables={})


def _set_variables(
    instruction: Instruction, variables: Variables, global_args: Mapping[str, str]
) -> dict[str, str]:
    if instruction.keyword not in {"ARG", "ENV"}:
        return {}
    pairs = {name: variables.fill_in(value) for name, value in assignments(instruction).items()}
    if (
        instruction.keyword == "ARG" and not pairs
    ):  # `ARG X` in a stage imports the X from before the first FROM
        names = instruction.text.split()
        return {name: global_args[name] for name in names if name in global_args}
    return pairs


def final_stage(text: str) -> Stage | None:
    all_stages = parse_stages(text)
    return all_stages[-1] if all_stages else None
