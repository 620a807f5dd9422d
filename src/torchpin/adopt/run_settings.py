"""How an image of another project's Dockerfile runs."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from torchpin.description import patterns
from torchpin.model import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.project.dockerfile import Instruction
    from torchpin.project.stages import Stage

_SHELL = ("/bin/sh", "-c")
_MOST_VALUES = 1_000  # real images have some dozen of each


def run_settings(stage: Stage, environment: Mapping[str, str], omitted: list[str]) -> Run:
    """Ports, volumes, environment and command of an image, the first thousand of each; `omitted` gets what is left out."""
    ports: dict[int, None] = {}
    volumes: dict[str, None] = {}
    env = {key: value for key, value in environment.items() if _is_env(key, value)}
    parts: dict[str, Instruction] = {}
    for instruction in stage.instructions:
        if instruction.keyword == "EXPOSE":
            numbers = [port.partition("/")[0] for port in instruction.text.split()]
            ports |= dict.fromkeys(int(number) for number in numbers if re.fullmatch(r"[0-9]{1,5}", number))
        elif instruction.keyword == "VOLUME":
            names = instruction.exec_form or instruction.text.split()
            volumes |= dict.fromkeys(path for path in names if patterns.ABSOLUTE.pattern.fullmatch(path))
        elif instruction.keyword in {"CMD", "ENTRYPOINT"}:
            parts[instruction.keyword] = instruction
    command = _command(parts.get("ENTRYPOINT"), parts.get("CMD"))
    for name, values in (
        ("EXPOSE", ports),
        ("VOLUME", volumes),
        ("ENV", env),
        ("CMD and ENTRYPOINT", command),
    ):
        if len(values) > _MOST_VALUES:
            omitted.append(f"{len(values) - _MOST_VALUES} values of {name} beyond the first {_MOST_VALUES}")
    return Run(
        command=command[:_MOST_VALUES],
        env=dict(islice(env.items(), _MOST_VALUES)),
        ports=tuple(islice(ports, _MOST_VALUES)),
        volumes=tuple(islice(volumes, _MOST_VALUES)),
    )


def _command(entrypoint: Instruction | None, arguments: Instruction | None) -> tuple[str, ...]:
    """What an image starts; an ENTRYPOINT that a shell runs takes no arguments of a CMD."""
    if entrypoint is None or entrypoint.exec_form:
        return (*_argv(entrypoint), *_argv(arguments))
    return _argv(entrypoint)


def _argv(instruction: Instruction | None) -> tuple[str, ...]:
    if instruction is None or instruction.exec_form or not instruction.text.strip():
        return instruction.exec_form if instruction and instruction.exec_form else ()
    return (*_SHELL, instruction.text.strip())


def _is_env(key: str, value: str) -> bool:
    is_reserved = key in patterns.OWN_VARIABLES
    return bool(
        not is_reserved
        and patterns.KEY.pattern.fullmatch(key)
        and patterns.VALUE.pattern.fullmatch(value)
        and "$" not in value
    )
