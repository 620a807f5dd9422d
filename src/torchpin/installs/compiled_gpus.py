"""The GPUs of a draft: the capabilities that a Dockerfile compiles for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.installs.commands import run_commands
from torchpin.project.cuda_archs import cmake_definitions, parse_architectures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.installs.commands import Project

_MOST_COMMANDS = 5_000  # that are looked at


def compiled_gpus(project: Project, file: str) -> tuple[str, ...]:
    """The names of the capabilities, such as sm_86, that variables and commands of a Dockerfile name; ascending, each once."""
    capabilities = {
        capability
        for name, value in _architectures(project, file)
        for archs in [parse_architectures(name, value)]
        if archs
        for capability in archs.capabilities
    }
    ordered = sorted(capabilities, key=lambda capability: (float(capability.rstrip("af")), capability))
    gpus = (facts.gpu(f"sm_{capability.replace('.', '')}") for capability in ordered)
    return tuple(gpu.name for gpu in gpus if gpu)


def _architectures(project: Project, file: str) -> Iterator[tuple[str, str]]:
    runs = [run for run in run_commands(project, file) if run.in_image][:_MOST_COMMANDS] if file else []
    if runs:
        yield from ((name, setting.value) for name, setting in runs[-1].settings.items())
    for run in runs:
        yield from ((name, word.text) for name, word in run.command.assignments)
        for text in run.command.texts:
            name, separator, value = text.partition("=")
            if separator and not name.startswith("-"):
                yield name, value
            elif text.startswith("-D"):
                yield from cmake_definitions(text)
