"""The commands of a Dockerfile's RUN lines as a build runs them."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from torchpin.project.build_context import IgnoreFiles
from torchpin.project.build_steps import build_steps
from torchpin.project.exported_lists import written_list
from torchpin.project.image_files import ImageFiles, choose_context, copy_sources
from torchpin.project.run_commands import parse_commands
from torchpin.project.shell.values import Budget, ScriptFile
from torchpin.project.stages import BuildInputs, parse_build
from torchpin.project.text import PlacedText

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from torchpin.project.build_steps import BuildStep
    from torchpin.project.dockerfile import Instruction
    from torchpin.project.image_files import ImageView
    from torchpin.project.shell.reader import FindScript
    from torchpin.project.shell.values import ShellCommand, UnreadPart
    from torchpin.project.variables import EnvironmentSetting


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCommand:
    """A simple command of a RUN, its variables filled in."""

    command: ShellCommand
    file: str
    instruction: Instruction
    following: ShellCommand | None = None  # the command after its operator
    files: ImageView | None = None  # of the image at its instruction
    in_image: bool = True  # not: of a stage that the image only copies from
    settings: Mapping[str, EnvironmentSetting] = field(
        default_factory=dict
    )  # the variables that installers read

    @property
    def location(self) -> str:
        return f"{self.text_file}:{self.command.line}:{self.command.column}"

    @property
    def text_file(self) -> str:
        """The file that its words stand in: the Dockerfile, or a script that it runs."""
        return self.command.file or self.file


@dataclass(frozen=True, kw_only=True, slots=True)
class UnreadRun:
    """A part of a RUN that cannot be followed."""

    part: UnreadPart
    instruction: Instruction


def parse_runs(
    text: str,
    file: str,
    paths: Collection[str] = (),
    options: BuildInputs = BuildInputs(),  # noqa: B008 - it is frozen
    context: str | None = None,
    unread: list[UnreadRun] | None = None,
    scripts: Mapping[str, str] = MappingProxyType({}),
    ignored: IgnoreFiles = IgnoreFiles(),  # noqa: B008 - what it remembers holds for its lines
) -> Iterator[RunCommand]:
    """The commands of the RUN lines of the stages that a build needs, without those that the build does not come to.

    `paths`: the project's files; `scripts`: the texts of those that may be run; `context`: the folder that the build
    gets, chosen by what is copied where it is None; `ignored`: what of it the build does not get. `unread` gets what cannot
    be followed. Raises BoundError.
    """
    if context is None:
        context = choose_context((copy_sources(step) for step in build_steps(text, options)), paths, file)
    stages = parse_build(text, options).stages
    files = ImageFiles(
        paths=paths,
        stages=stages,
        context=context,
        contexts=dict(options.contexts),
        is_ignored=lambda path, folder: ignored.is_left_out(path, file, folder),
    )
    budget = Budget()
    for step in build_steps(text, options):
        if step.instruction.keyword in {"COPY", "ADD"}:
            files.copy(step)
        if step.instruction.keyword != "RUN" or not step.is_needed:
            continue
        script = parse_commands(
            step.instruction,
            step.variables.values,
            shell=step.shell,
            platform=step.stage.platform or options.platform,
            budget=budget,
            find_script=_script_finder(files.view(step), scripts),
        )
        if unread is not None:
            unread += [UnreadRun(part=part, instruction=step.instruction) for part in script.unread]
        commands = [command for command in script.commands if command.runs is not False]
        yield from _step_commands(step, commands, file, files)


def _script_finder(view: ImageView, scripts: Mapping[str, str]) -> FindScript:
    """Finds scripts by what was copied into the image."""

    def find(name: str, folder: str | None) -> ScriptFile | None:
        if folder is None and not name.startswith("/"):
            return None
        matches = view.find(name, posixpath.join(view.folder, folder or "."))
        if matches is None:
            return None
        paths = [match.path for match in matches if match.path and not match.left_out]
        heredoc = next((match.heredoc for match in matches if match.heredoc), None)
        if heredoc:
            return ScriptFile("", heredoc.content)
        path = next((path for path in paths if path in scripts), "")
        return ScriptFile(path, PlacedText.of_text(scripts[path])) if path else None

    return find


def _step_commands(
    step: BuildStep,
    commands: Sequence[ShellCommand],
    file: str,
    files: ImageFiles,
) -> Iterator[RunCommand]:
    """The commands of an instruction, each with the files that the image has by then."""
    view = files.view(step)
    following = _following(commands)
    for number, command in enumerate(commands):
        if command.folder is not None:
            view = replace(view, folder=posixpath.normpath(posixpath.join(step.folder, command.folder)))
        yield RunCommand(
            command=command,
            file=file,
            instruction=step.instruction,
            following=following[number],
            files=view,
            in_image=step.in_image,
            settings=step.variables.settings,
        )
        view = files.follow(view, command.texts)
        if path := written_list(command):
            view = files.hide(view, path)
        if command.writes and not command.file:  # a script of the project has other places
            view = files.write(view, command.writes)


def _following(commands: Sequence[ShellCommand]) -> list[ShellCommand | None]:
    """The command behind each, without those of the substitutions in it."""
    following: list[ShellCommand | None] = []
    latest: dict[bool, ShellCommand] = {}
    for command in reversed(commands):
        following.append(latest.get(command.substitution))
        latest[command.substitution] = command
    return following[::-1]
