"""How an image of another project's Dockerfile runs."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from torchpin.controls import CONTROL
from torchpin.description import patterns
from torchpin.model import Run
from torchpin.project.build_steps import build_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torchpin.project.build_steps import BuildStep
    from torchpin.project.dockerfile import Instruction

_PORT = re.compile(
    r"(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])(?:/\w+)?", re.ASCII
)
_SHELL = ("/bin/sh", "-c")
_NOT_PLAIN = "holds quotes, backslashes, backticks or control characters"
_MOST_VALUES = 1_000  # real images have some dozen of each


def run_settings(text: str, environment: Mapping[str, str], omitted: list[str]) -> Run:
    """Ports, volumes, environment and command of a Dockerfile's image, the first thousand of each.

    `environment`: that of its ENV lines; `omitted` gets what is left out, and why.
    """
    env = {key: value for key, value in environment.items() if _is_env(key, value)}
    omitted += [
        f"the value of {key}, which {reason}; set it when the container starts"
        for key, value in environment.items()
        if key not in env and (reason := _refusal(key, value))
    ]
    steps = [step for step in build_steps(text) if step.in_image]
    ports = {int(port.partition("/")[0]): None for port in _names(steps, "EXPOSE", _PORT, omitted)}
    volumes = dict.fromkeys(_names(steps, "VOLUME", patterns.ABSOLUTE.pattern, omitted))
    parts = {step.instruction.keyword: step.instruction for step in steps}
    command = _command(parts.get("ENTRYPOINT"), parts.get("CMD"))
    if any(CONTROL.search(argument) for argument in command):
        reason = "an argument of it holds a line end or another control character"
        omitted.append(f"the command, since {reason}; put what it runs into a file")
        command = ()
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


def _names(
    steps: Iterable[BuildStep], keyword: str, rule: re.Pattern[str], omitted: list[str]
) -> Iterator[str]:
    """The words of the instructions of a keyword, filled in, that are as a description has them."""
    for step in steps:
        instruction = step.instruction
        if instruction.keyword != keyword:
            continue
        for word in instruction.exec_form or instruction.text.split():
            name = step.variables.expand(word, instruction.escape)
            if rule.fullmatch(name):
                yield name
            else:
                omitted.append(f"{keyword} {word}")


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
    return key not in patterns.OWN_VARIABLES and not _refusal(key, value)


def _refusal(key: str, value: str) -> str:
    """Why a description cannot have a variable, "" where it can, or where the image has its own."""
    if key in patterns.OWN_VARIABLES:
        return ""
    if not patterns.KEY.pattern.fullmatch(key):
        return "has a name that is none of a variable"
    if "$" in value:
        return "depends on what is not known here"
    return "" if patterns.VALUE.pattern.fullmatch(value) and not CONTROL.search(value) else _NOT_PLAIN
