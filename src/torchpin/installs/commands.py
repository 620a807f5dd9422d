"""What another project installs: the commands of its Dockerfiles as install steps, in their order."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.installs.conda_installs import apt_install, conda_installs
from torchpin.installs.install_context import InstallContext
from torchpin.installs.project_files import (
    Project,
    copied_text,
    find_file,
    may_have_file,
    pyproject_targets,
    requirement_lines,
    requirement_rows,
)
from torchpin.installs.project_installs import (
    PROJECT_INSTALLS,
    pdm_install,
    pipenv_install,
    poetry_install,
    uv_sync,
)
from torchpin.installs.python_installs import pip_install, project_at
from torchpin.project.exported_lists import export_words, without_output, written_list
from torchpin.project.index_list import Setting, read_pip_config
from torchpin.project.install import InstallCommand
from torchpin.project.markers import MarkerTarget
from torchpin.project.pip_arguments import Argument
from torchpin.project.requirement import InstallTarget
from torchpin.project.stages import final_stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.project.dockerfile import Instruction
    from torchpin.project.runs import RunCommand
    from torchpin.project.variables import EnvironmentSetting

__all__ = [
    "InstallCommand", "InstallTarget", "Project", "find_file", "install_commands", "marker_target", "parse_install",
    "parse_installs", "pyproject_targets", "requirement_lines", "requirement_rows", "run_commands",
]  # fmt: skip
_SETTINGS = re.compile(r"(?:PIP|UV|POETRY|PIPENV|PDM|CONDA)_[A-Z0-9_]+")  # variables that installs read
_ASSIGNMENT = re.compile(r"(?P<name>\w+)=(?P<value>.*)", re.DOTALL)
_PIP = re.compile(r"pip3?(?:\.\d+)*")
_PYTHON = re.compile(r"python3?(?:\.\d+)?")
_CONDA = {"conda", "mamba", "micromamba"}
# Programs that run another one in an environment, by the words between their names and it.
_RUNNERS = {
    ("poetry", "run"),
    ("uv", "run"),
    ("pdm", "run"),
    ("pipenv", "run"),
    *((name, "run") for name in _CONDA),
}
_RUNNER_VALUES = {
    "-n",
    "--name",
    "-p",
    "--prefix",
    "--cwd",
    "--with",
    "--extra",
    "--group",
    "--python",
    "--project",
}
_WITHOUT_PROJECT = {"--no-project", "--no-sync", "--script", "-s", "--isolated"}  # of `uv run`
# The files that pip reads, in its order.
_PIP_CONFIGS = (
    "/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/root/.pip/pip.conf", "/root/.config/pip/pip.conf",
)  # fmt: skip


@dataclass(kw_only=True, slots=True)
class _InstallState:
    """What earlier commands of a Dockerfile leave behind: pip's configuration, and within a RUN the variables.

    `variables`: those of the build, for the last mapping of them that was looked at.
    """

    config: dict[str, Setting] = field(default_factory=dict)
    instruction: Instruction | None = None
    exported: dict[str, Setting] = field(default_factory=dict)
    built: Mapping[str, EnvironmentSetting] | None = None
    variables: dict[str, Setting] = field(default_factory=dict)
    exports: dict[str, InstallCommand] = field(default_factory=dict)  # by the names of the lists


def run_commands(upstream: Project, file: str) -> tuple[RunCommand, ...]:
    """The commands of a Dockerfile's RUN lines in their order, with the values of variables at each line."""
    return upstream.runs[file]


def install_commands(upstream: Project, file: str) -> tuple[InstallCommand, ...]:
    """The installs of a Dockerfile's RUN lines in their order."""
    if file not in upstream.installs:
        upstream.installs[file] = tuple(_install_steps(upstream, file))
    return upstream.installs[file]


def parse_install(upstream: Project, run: RunCommand) -> InstallCommand | None:
    """The install of a command of pip, uv, Poetry, pipenv, pdm, conda or apt; None for every other command."""
    return next(iter(parse_installs(upstream, run)), None)


def parse_installs(upstream: Project, run: RunCommand) -> tuple[InstallCommand, ...]:
    """The installs of a command, which are two where conda reads a file with a part for pip."""
    install_commands(upstream, run.file)
    return upstream.steps.get(id(run), ())


def _install_steps(upstream: Project, file: str) -> Iterator[InstallCommand]:
    state = _InstallState()
    target = marker_target(upstream, file)
    for run in run_commands(upstream, file):
        if run.instruction is not state.instruction:
            state.instruction, state.exported = run.instruction, {}
        if run.settings is not state.built:
            state.built, state.variables = run.settings, _variables(run)
        argv, assigned = _plain_words(run)
        if not argv:
            continue
        _follow(state, argv)
        settings = {**state.variables, **state.exported, **assigned}
        context = InstallContext(
            project=upstream,
            run=run,
            settings=settings,
            config=_copied_config(upstream, run, settings) | state.config if _behind_pip(argv) else {},
            target=target,
            exports=state.exports,
        )
        if path := written_list(run.command):
            _follow_export(state, context, argv, posixpath.basename(path))
        steps = tuple(_parse_steps(context, argv))
        if steps:
            upstream.steps[id(run)] = steps
        yield from steps


def _variables(run: RunCommand) -> dict[str, Setting]:
    """The variables that are set before a command, with their places."""
    return {
        name: Setting(
            setting.value,
            f"{run.file}:{setting.place.line}:{setting.place.column}" if setting.place else run.file,
        )
        for name, setting in run.settings.items()
    }


def _copied_config(upstream: Project, run: RunCommand, settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """What the files say that pip reads its configuration from, later ones before earlier ones."""
    named = settings.get("PIP_CONFIG_FILE")
    if not named and not may_have_file(upstream, run.file, "pip.conf"):
        return {}
    config: dict[str, Setting] = {}
    for name in (*_PIP_CONFIGS, *([named.value] if named else [])):
        if text := copied_text(upstream, name, run):
            config |= read_pip_config(*text)
    return config


def marker_target(upstream: Project, file: str) -> MarkerTarget:
    """The environment that a Dockerfile makes, as far as its base image tells it."""
    stage = final_stage(upstream.texts[file]) if file else None
    base = facts.base_image(stage.image) if stage else None
    python = (base.python or base.apt_python or "") if base else ""
    platform = stage.start.flags.get("platform", "") if stage else ""
    return MarkerTarget(python=python, machine="aarch64" if "arm64" in platform else "x86_64")


def _plain_words(run: RunCommand) -> tuple[list[Argument], dict[str, Setting]]:
    """The words of a command with their places, and the variables that it sets for itself."""
    argv = [Argument(word.text, f"{run.text_file}:{word.line}:{word.column}") for word in run.command.argv]
    assigned = {
        name: Setting(word.text, f"{run.text_file}:{word.line}:{word.column}")
        for name, word in run.command.assignments
        if _SETTINGS.fullmatch(name)
    }
    return argv, assigned


def _follow(state: _InstallState, argv: Sequence[Argument]) -> None:
    """`export` and `pip config set`, which later commands depend on."""
    texts = [word.text for word in argv]
    if texts[0] == "export":
        for word in argv[1:]:
            match = _ASSIGNMENT.fullmatch(word.text)
            if match and _SETTINGS.fullmatch(match["name"]):
                state.exported[match["name"]] = Setting(match["value"], word.location)
    arguments = _behind_pip(argv)
    if arguments and arguments[0].text == "config":
        plain = [word for word in arguments[1:] if not word.text.startswith("-")]
        key = plain[1].text.partition(".")[2] if len(plain) > 1 else ""
        if plain and plain[0].text == "set" and len(plain) > 2:  # noqa: PLR2004 - set KEY VALUE
            state.config = {**state.config, key: Setting(plain[2].text, plain[2].location)}
        elif plain and plain[0].text == "unset":
            state.config = {name: value for name, value in state.config.items() if name != key}


def _follow_export(
    state: _InstallState, context: InstallContext, argv: Sequence[Argument], name: str
) -> None:
    """Keeps what a list holds that a command writes: rows of a lock, or what it compiles; of a download nothing is known."""
    export, number = export_words(context.run.command)
    texts = tuple(word.text for word in argv[number:])
    rest = [argv[number + index] for index in without_output(texts)]
    state.exports.pop(name, None)
    if export == "uv export":
        state.exports[name] = uv_sync(context, rest)
    elif export == "poetry export":
        main = (
            [] if {"--with", "--only", "--all-groups"} & {*texts} else [Argument("--only", argv[0].location)]
        )
        state.exports[name] = poetry_install(
            context, [*rest, *main, *(word._replace(text="main") for word in main)]
        )
    elif export.endswith("compile"):
        state.exports[name] = pip_install(
            context, _as_files(rest), "uv" if export.startswith("uv") else "pip"
        )


def _behind_pip(argv: Sequence[Argument]) -> Sequence[Argument] | None:
    """The words behind pip in any of its spellings, None for another program: `/venv/bin/pip3`, `python3.12 -m pip`."""
    program = posixpath.basename(argv[0].text)
    if _PIP.fullmatch(program):
        return argv[1:]
    for index in range(min(6, len(argv) - 1)) if _PYTHON.fullmatch(program) else ():
        if argv[index].text == "-m" and argv[index + 1].text == "pip":
            return argv[index + 2 :]
    return None


def _parse_steps(context: InstallContext, argv: Sequence[Argument]) -> Iterator[InstallCommand]:
    """The installs of a command; none of pipx, uvx and `uv tool`, whose tools have environments of their own."""
    program = posixpath.basename(argv[0].text)
    texts = [program, *(word.text for word in argv[1:])]
    arguments = _behind_pip(argv)
    if arguments is not None:
        for index in _positions(arguments, "install"):
            yield pip_install(context, arguments[index + 1 :], "pip")
    elif program in {"apt-get", "apt"} and "install" in texts:
        yield apt_install(context, argv[texts.index("install") + 1 :])
    elif tuple(texts[:2]) in _RUNNERS:
        yield from _parse_run(context, argv)
    elif program in _CONDA:
        yield from _parse_conda(context, argv, texts)
    elif program == "uv":
        yield from _parse_uv(context, argv, texts)
    elif program in {"poetry", "pdm", "pipenv"}:
        yield from _parse_project_tool(context, argv, texts)


def _positions(argv: Sequence[Argument], name: str) -> Iterator[int]:
    """Where the subcommand of a program is, behind its options."""
    for index, word in enumerate(argv):
        if word.text == name:
            yield index
            return
        if not word.text.startswith("-") and (index == 0 or not argv[index - 1].text.startswith("-")):
            return


def _parse_run(context: InstallContext, argv: Sequence[Argument]) -> Iterator[InstallCommand]:
    """The command that `conda run -n NAME …` and its like run."""
    index = 2
    while index < len(argv) and argv[index].text.startswith("-"):
        index += 2 if argv[index].text in _RUNNER_VALUES else 1
    options = argv[2:index]
    is_uv = posixpath.basename(argv[0].text) == "uv"
    if is_uv and not {word.text for word in options} & _WITHOUT_PROJECT and project_at(context, "."):
        yield uv_sync(context, options)
    if argv[index:]:
        yield from _parse_steps(context, argv[index:])


def _parse_conda(
    context: InstallContext, argv: Sequence[Argument], texts: Sequence[str]
) -> Iterator[InstallCommand]:
    is_environment = texts[1:2] == ["env"]
    for name in ("install", "create", "update"):
        for index in _positions(argv[2 if is_environment else 1 :], name):
            arguments = argv[index + (3 if is_environment else 2) :]
            yield from conda_installs(context, arguments, is_environment=is_environment)
            return


def _parse_uv(
    context: InstallContext, argv: Sequence[Argument], texts: Sequence[str]
) -> Iterator[InstallCommand]:
    plain = [index for index, text in enumerate(texts) if index and not text.startswith("-")]
    first, second = [*plain, len(texts), len(texts)][:2]
    command = texts[first] if first < len(texts) else ""
    if command == "pip" and second < len(texts) and texts[second] == "install":
        yield pip_install(context, argv[second + 1 :], "uv")
    elif command == "pip" and second < len(texts) and texts[second] == "sync":
        yield pip_install(context, _as_files(argv[second + 1 :]), "uv")
    elif command == "sync":
        yield uv_sync(context, argv[first + 1 :])
    elif command == "add":
        yield pip_install(context, argv[first + 1 :], "uv")


def _as_files(argv: Sequence[Argument]) -> list[Argument]:
    """The words of `uv pip sync`, whose targets are requirement files."""
    result: list[Argument] = []
    for index, word in enumerate(argv):
        is_value = index > 0 and argv[index - 1].text.startswith("-") and "=" not in argv[index - 1].text
        if word.text.startswith("-") or (is_value and not word.text.endswith((".txt", ".toml", ".in"))):
            result.append(word)
        else:
            result += [word._replace(text="-r"), word]
    return result


def _parse_project_tool(
    context: InstallContext, argv: Sequence[Argument], texts: Sequence[str]
) -> Iterator[InstallCommand]:
    program, command = texts[0], next((text for text in texts[1:] if not text.startswith("-")), "")
    arguments = argv[texts.index(command) + 1 :] if command else []
    if program == "poetry" and command in PROJECT_INSTALLS["poetry"]:
        yield poetry_install(context, arguments)
    elif program == "pdm" and command in PROJECT_INSTALLS["pdm"]:
        yield pdm_install(context, arguments)
    elif program == "pipenv" and command in PROJECT_INSTALLS["pipenv"]:
        yield pipenv_install(context, arguments)
    elif command == "add":
        yield pip_install(context, arguments, "poetry" if program == "poetry" else "pdm")
