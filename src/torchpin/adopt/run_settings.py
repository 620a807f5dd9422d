"""How an image of another project's Dockerfile runs."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from torchpin.adopt import dockerfile
from torchpin.description import patterns
from torchpin.model import Run

if TYPE_CHECKING:
    from torchpin.adopt.dockerfile import Stage

_MOST_VALUES = 1_000  # real images have some dozen of each


def run_settings(stage: Stage) -> Run:
    """Ports, volumes, environment and command of an image, the first thousand of each."""
    ports: list[int] = []
    volumes: list[str] = []
    env: dict[str, str] = {}
    command: list[str] = []
    for instruction in stage.instructions:
        if instruction.keyword == "EXPOSE":
            ports += [
                int(port.partition("/")[0])
                for port in instruction.text.split()
                if re.fullmatch(r"[0-9]{1,5}", port.partition("/")[0])
            ]
        elif instruction.keyword == "VOLUME":
            volumes += [
                path
                for path in instruction.exec_form or instruction.text.split()
                if patterns.ABSOLUTE.pattern.fullmatch(path)
            ]
        elif instruction.keyword == "ENV":
            env |= {
                key: value
                for key, value in dockerfile.assignments(instruction).items()
                if _is_env(key, value)
            }
        elif instruction.keyword in {"CMD", "ENTRYPOINT"} and instruction.exec_form:
            if instruction.keyword == "ENTRYPOINT":
                command.clear()
            command += instruction.exec_form
    return Run(
        command=tuple(command[:_MOST_VALUES]),
        env=dict(islice(env.items(), _MOST_VALUES)),
        ports=tuple(dict.fromkeys(ports))[:_MOST_VALUES],
        volumes=tuple(dict.fromkeys(volumes))[:_MOST_VALUES],
    )


def _is_env(key: str, value: str) -> bool:
    is_reserved = key in patterns.OWN_VARIABLES
    return bool(
        not is_reserved
        and patterns.KEY.pattern.fullmatch(key)
        and patterns.VALUE.pattern.fullmatch(value)
        and "$" not in value
    )
