"""The commands of a Dockerfile's RUN lines as a build runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin.project.build_steps import build_steps
from torchpin.project.image_files import ImageFiles, choose_context, copy_sources
from torchpin.project.run_commands import parse_commands, substitute_command
from torchpin.project.stages import BuildInputs, parse_build

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from torchpin.project.dockerfile import Instruction
    from torchpin.project.image_files import ImageView
    from torchpin.project.shell import Command
    from torchpin.project.variables import EnvironmentSetting


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCommand:
    """A simple command of a RUN, its variables filled in."""

    command: Command
    file: str
    instruction: Instruction
    following: Command | None = None  # the command after its operator
    files: ImageView | None = None  # of the image at its instruction
    in_image: bool = True  # not: of a stage that the image only copies from
    settings: Mapping[str, EnvironmentSetting] = field(
        default_factory=dict
    )  # the variables that installers read

    @property
    def location(self) -> str:
        return f"{self.file}:{self.command.line}:{self.command.column}"


def parse_runs(
    text: str,
    file: str,
    paths: Collection[str] = (),
    options: BuildInputs = BuildInputs(),  # noqa: B008 - it is frozen
    context: str | None = None,
) -> Iterator[RunCommand]:
    """The commands of the RUN lines of the stages that a build needs. Raises BoundError.

    `paths`: the project's files; `context`: the folder that the build gets, chosen by what is copied where it is None.
    """
    if context is None:
        context = choose_context((copy_sources(step) for step in build_steps(text, options)), paths, file)
    stages = parse_build(text, options).stages
    files = ImageFiles(paths=paths, stages=stages, context=context, contexts=dict(options.contexts))
    for step in build_steps(text, options):
        if step.instruction.keyword in {"COPY", "ADD"}:
            files.copy(step)
        if step.instruction.keyword != "RUN" or not step.is_needed:
            continue
        view = files.view(step)
        commands = [
            substitute_command(command, step.variables) for command in parse_commands(step.instruction)
        ]
        for number, command in enumerate(commands):
            following = commands[number + 1] if number + 1 < len(commands) else None
            yield RunCommand(
                command=command,
                file=file,
                instruction=step.instruction,
                following=following,
                files=view,
                in_image=step.in_image,
                settings=step.variables.settings,
            )
            view = files.follow(view, command.texts)
