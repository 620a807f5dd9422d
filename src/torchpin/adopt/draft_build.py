"""What one image of another project is: its values with the lines that they come from, its packages, and how it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.adopt.accelerators import other_accelerator
from torchpin.adopt.draft_files import copied_files, final_folder, final_user
from torchpin.adopt.draft_packages import DraftPackages
from torchpin.adopt.draft_sources import draft_sources
from torchpin.adopt.draft_torch import DraftTorch, TorchTarget, draft_torch
from torchpin.adopt.draft_values import DrawnValue, OpenValue
from torchpin.adopt.image_installs import image_installs, install_steps
from torchpin.adopt.python_version import choose_python, full_version
from torchpin.description import patterns
from torchpin.facts.versions import is_version, major_minor
from torchpin.installs.commands import marker_target
from torchpin.installs.compiled_gpus import compiled_gpus
from torchpin.model import Run
from torchpin.project.build_steps import image_environment
from torchpin.project.interpreter import PythonSource
from torchpin.project.markers import MarkerTarget
from torchpin.project.secret_values import without_secrets
from torchpin.project.stages import final_stage
from torchpin.project.variables import unresolved_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.adopt.draft_files import ProjectFolder
    from torchpin.adopt.draft_values import DraftAnswers
    from torchpin.installs.commands import Project
    from torchpin.model import CopiedFiles, Source
    from torchpin.project.stages import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftBuild:
    """An image. `missing`: why no description is drafted of it, "" where one is; `questions`: the values that no line gives."""

    file: str
    missing: str = ""
    image: DrawnValue = field(default_factory=DrawnValue)
    python: DrawnValue = field(default_factory=DrawnValue)
    torch: DraftTorch = field(default_factory=DraftTorch)
    platform: str = "linux/amd64"
    packages: DraftPackages | None = None
    gpus: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    files: tuple[CopiedFiles, ...] = ()
    run: Run = field(default_factory=Run)
    questions: tuple[OpenValue, ...] = ()


def draft_build(project: Project, file: str, folder: ProjectFolder, answers: DraftAnswers) -> DraftBuild:
    """The image of a Dockerfile; for "" what the project's requirement files install, on an unknown base image."""
    stage = final_stage(project.texts[file]) if file else None
    image = _image(file, stage, answers)
    name = image.value.partition("@")[0]
    base = facts.base_image(name) if name else None
    source = _python_source(project, file, stage, base, answers)
    environment = MarkerTarget(python=source.version, machine=marker_target(project, file).machine)
    packages = DraftPackages(project=project, environment=environment)
    for step in install_steps(project, file, environment):
        packages.add(step)
    _drop_other_pythons(packages, base)
    platform = _platform(stage)
    target = TorchTarget(python=source.version, platform=platform, until=answers.until)
    torch = draft_torch(packages, replace(image, value=name), target, answers)
    python = _python(source, from_base=torch.from_base)
    build = DraftBuild(
        file=file, image=image, python=python, torch=torch, platform=platform, packages=packages,
        missing=_missing(project, file, stage, torch, name),
    )  # fmt: skip
    questions = tuple(_questions(build))
    # without open questions the judge reports it
    violation, _ = facts.tag_violation(name) if name and questions else ("", "")
    if violation:
        missing = f"{name} does not exist: {violation}; `--base IMAGE` names another one"
        build = replace(build, missing=build.missing or missing)
    if build.missing:
        return build
    run = _run(project, file, packages.omitted) if stage else Run()
    files = _files(project, file, folder, packages, run) if file else ()
    return replace(
        build,
        gpus=compiled_gpus(project, file),
        sources=tuple(draft_sources(project, packages.omitted, file, packages.sources)),
        files=files,
        run=_started(project.texts[file], run, files) if file else run,
        questions=questions,
    )


def _image(file: str, stage: Stage | None, answers: DraftAnswers) -> DrawnValue:
    """The base image with its digest where the line has one; "" where it has no tag, or a variable without a value."""
    if answers.base:
        return DrawnValue(value=answers.base, reason="as asked for")
    if stage is None:
        return DrawnValue()
    location = f"{file}:{stage.start.line}:{stage.start.column}"
    name = stage.image.partition("@")[0]
    has_tag = ":" in name.rpartition("/")[2] and not unresolved_variable(stage.image)
    is_image = bool(patterns.IMAGE.pattern.fullmatch(name))
    if has_tag and is_image:
        return DrawnValue(value=stage.image, location=location)
    return DrawnValue(location=location, reason=f"FROM {stage.image}")


def _python_source(
    project: Project, file: str, stage: Stage | None, base: facts.BaseImage | None, answers: DraftAnswers
) -> PythonSource:
    if answers.python:
        return PythonSource(answers.python, "", "as asked for")
    return choose_python(project, file, stage, base)


def _python(source: PythonSource, *, from_base: bool) -> DrawnValue:
    """The Python as a description has it: that of a base image with a torch as 3.12, any other with its patch release."""
    if not source.version:
        return DrawnValue()
    value = major_minor(source.version) if from_base else full_version(source.version)
    is_chosen = not from_base and value != source.version
    choice = f"{source.version} is given without a patch release" if is_chosen and value else ""
    return DrawnValue(value=value, location=source.location, reason=source.reason, choice=choice)


def _drop_other_pythons(packages: DraftPackages, base: facts.BaseImage | None) -> None:
    """Leaves out system packages of another Python than the distribution's: they come from elsewhere, and torchpin brings Python."""
    system = major_minor(base.apt_python) if base and base.apt_python else ""
    for name in [*packages.apt]:
        match = re.match(r"python(3\.\d+)(?:-|$)", name)
        if match and match[1] != system:
            del packages.apt[name]
            packages.omitted.append(f"{name} (apt: the image gets its Python {match[1]} otherwise)")


def _platform(stage: Stage | None) -> str:
    return "linux/arm64" if stage and "arm64" in stage.platform else "linux/amd64"


def _missing(project: Project, file: str, stage: Stage | None, torch: DraftTorch, image: str) -> str:
    """Why no description can be drafted of an image, "" where one can."""
    packages = {
        str(target.name): target.location
        for step in (image_installs(project, file) if file else ())
        for target in step.targets
        if target.requirement
    }
    reason = other_accelerator(stage.image if stage else image, torch.channel.value, packages)
    if reason:
        return f"no description is made for other hardware than NVIDIA's GPUs and CPUs: {reason}"
    if torch.absent:
        unread = next(iter(project.unread_runs.get(file, ())), None)
        script = f" (what {file}:{unread.instruction.line} runs is not read)" if unread else ""
        return f"{file or 'the project'} has no torch: {torch.absent}{script}; if it has one, `--torch RELEASE` says which"
    return ""


def _questions(build: DraftBuild) -> Iterator[OpenValue]:
    """The values that no line gives, in the order of a description."""
    torch = build.torch
    if not build.python.value:
        text = f"no line of {build.file or 'the lists'} says which Python the image has"
        yield OpenValue(key="python", text=text, example="3.12")
    if not build.image.value:
        reason = (
            f"{_place(build.image)}{build.image.reason} names none"
            if build.image.reason
            else "there is no Dockerfile"
        )
        yield OpenValue(key="base", text=f"the base image and its tag are not known: {reason}", example="nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04")  # fmt: skip
    if not is_version(torch.version.value) and (torch.channel.value or not torch.follows_channel):
        text = f"{_place(torch.version)}{torch.version.reason}"
        yield OpenValue(key="torch", text=text, example="2.8.0")
    if not torch.channel.value:
        reason = torch.channel.reason or torch.channel.choice or "no line names an index"
        text = f"{_place(torch.channel)}the channel of torch is not known: {reason}"
        yield OpenValue(key="channel", text=text, example="cu128")


def _place(value: DrawnValue) -> str:
    return f"{value.location}: " if value.location else ""


def _run(project: Project, file: str, omitted: list[str]) -> Run:
    from torchpin.adopt.run_settings import run_settings

    text = project.texts[file]
    run = without_secrets(run_settings(text, image_environment(text), omitted), omitted)
    user = final_user(text)
    if not user:
        return run
    is_user = patterns.USER.pattern.fullmatch(user) and user.partition(":")[0] not in patterns.TAKEN_USERS
    if not is_user:
        omitted.append(f"the user {user}")
    return replace(run, user=user) if is_user else run


def _files(
    project: Project, file: str, folder: ProjectFolder, packages: DraftPackages, run: Run
) -> tuple[CopiedFiles, ...]:
    """The project's own files, without those that installs read and scripts that a RUN runs."""
    read = {
        target.location.rsplit(":", 2)[0]
        for step in image_installs(project, file)
        for target in (*step.targets, *step.constraints, *step.overrides, *step.locked)
    }
    scripts = {command.text_file for command in project.runs.get(file, ())}
    lists = {
        path for path in project.texts if re.search(r"(?:pyproject\.toml|\.lock|Pipfile|uv\.toml)$", path)
    }
    taken = (read | scripts | lists | {*project.requirement_files}) - {file}
    return copied_files(project.texts[file], file, folder, taken, run.volumes, packages.omitted)


def _started(text: str, run: Run, files: tuple[CopiedFiles, ...]) -> Run:
    """The settings with a command that starts where WORKDIR says it, of a folder that the image has."""
    folder = final_folder(text)
    has_folder = any(f"{entry.target}/".startswith(f"{folder}/") for entry in files) if folder else False
    if not run.command or not has_folder:
        return run
    return replace(run, command=("env", f"--chdir={folder}", *run.command))
