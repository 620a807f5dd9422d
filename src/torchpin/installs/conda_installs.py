"""What the commands of conda, mamba and micromamba install: packages of conda, and the part of an environment.yml for pip."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.installs.install_context import Collected
from torchpin.installs.project_files import requirement_rows, row_target
from torchpin.installs.python_installs import build_install
from torchpin.model import Problem
from torchpin.project.conda_file import read_conda_environment
from torchpin.project.included_files import INCLUDES
from torchpin.project.install import InstallCommand
from torchpin.project.pip_arguments import PipArguments
from torchpin.project.requirement import LONGEST_REQUIREMENT, InstallTarget
from torchpin.project.requirement_file import FileRequirement, parse_line
from torchpin.project.secret_values import hide_secret
from torchpin.project.text import Place, PlacedText
from torchpin.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.installs.install_context import InstallContext
    from torchpin.project.conda_file import CondaEnvironment
    from torchpin.project.pip_arguments import Argument

_WITH_VALUE = {
    "-c", "--channel", "-n", "--name", "-p", "--prefix", "-f", "--file", "--platform", "--revision", "--solver", "--subdir",
    "--token", "-r", "--root-prefix", "--rc-file", "--repodata-fn", "--experimental-solver",
}  # fmt: skip
_FILES = {"-f", "--file"}
_ENVIRONMENTS = {"-n", "--name", "-p", "--prefix"}


def conda_installs(
    context: InstallContext, argv: Sequence[Argument], *, is_environment: bool
) -> Iterator[InstallCommand]:
    """The install of conda, and that of pip in the files that it reads. `is_environment`: `conda env create` or `update`."""
    names, options = _arguments(argv)
    files = [word for option, word in options if option in _FILES]
    if is_environment and not files:
        files = [word for word in names if word.text.endswith((".yml", ".yaml"))]
        default = context.find("environment.yml")
        files = files or ([argv[0]._replace(text="environment.yml")] if default and argv else [])
    targets = [] if is_environment else [_target(word.text, word.location) for word in names]
    environment = next((word.text for option, word in options if option in _ENVIRONMENTS), "")
    problems: list[Problem] = []
    missing: list[str] = []
    pip: list[CondaEnvironment] = []
    for word in files:
        path = context.find(word.text)
        if path is None:
            missing.append(word.text)
        elif posixpath.splitext(path)[1] in {".yml", ".yaml"}:
            read = read_conda_environment(path, context.project.texts[path])
            problems += read.problems
            targets += [_target(spec.text, str(spec.position)) for spec in read.specs]
            pip += [read] if read.pip else []
            environment = environment or read.name
        else:
            lines = enumerate(context.project.texts[path].split("\n"), start=1)
            rows = [(number, line.partition("#")[0].strip()) for number, line in lines]
            targets += [_target(text, f"{path}:{number}:1") for number, text in rows if text]
    yield InstallCommand(
        tool="conda",
        program="conda",
        location=context.run.location,
        file=context.run.file,
        targets=tuple(targets),
        missing=tuple(missing),
        problems=tuple(problems),
        environment=f"conda {environment}" if environment and environment != "base" else "",
    )
    for read in pip:
        yield replace(_pip_part(context, read), environment=f"conda {environment}" if environment else "")


def _target(text: str, location: str) -> InstallTarget:
    shown = text if len(text) <= LONGEST_REQUIREMENT else f"{text[:80]}…"
    return InstallTarget(text=hide_secret(shown), location=location, origin="conda file")


def _arguments(argv: Sequence[Argument]) -> tuple[list[Argument], list[tuple[str, Argument]]]:
    """The words that are no options, and the options with their values."""
    names: list[Argument] = []
    options: list[tuple[str, Argument]] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        option, separator, value = word.text.partition("=")
        if word.text in _WITH_VALUE:
            options += [(word.text, argv[position])] if position < len(argv) else []
            position += 1
        elif separator and option in _WITH_VALUE:
            options.append((option, word._replace(text=value)))
        elif not word.text.startswith("-") and word.text != HIDDEN and word.text:
            names.append(word)
    return names, options


def _pip_part(context: InstallContext, environment: CondaEnvironment) -> InstallCommand:
    """What the part for pip of an environment.yml installs: a requirement file, a line of which is an entry."""
    collected = Collected()
    for text, position in environment.pip:
        line = PlacedText.of_lines([(text.strip(), Place(position.line, position.column))])
        for row in parse_line(line, environment.file) if line.text else ():
            if isinstance(row, FileRequirement):
                collected.targets.append(row_target(row))
            elif isinstance(row, Problem):
                collected.problems.append(row)
            elif row.name not in INCLUDES:
                collected.options.append(row)
            else:
                _include(
                    context, collected, environment.file, row.value, is_constraint=row.name == "--constraint"
                )
    return build_install(context, collected, PipArguments(), "pip")


def _include(
    context: InstallContext, collected: Collected, file: str, name: str, *, is_constraint: bool
) -> None:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
    if path not in context.project.texts:
        collected.missing.append(hide_secret(name))
        return
    rows = requirement_rows(context.project, path, is_constraint=is_constraint)
    collected.problems += rows.problems
    collected.options += rows.options
    for row in rows.requirements:
        place = collected.constraints if row.is_constraint else collected.targets
        place.append(row_target(row))


def apt_install(context: InstallContext, argv: Sequence[Argument]) -> InstallCommand:
    """The packages of `apt-get install`."""
    names = [word for word in argv if not word.text.startswith("-") and word.text not in {"", HIDDEN}]
    targets = tuple(
        InstallTarget(
            text=word.text if len(word.text) <= LONGEST_REQUIREMENT else f"{word.text[:80]}…",
            location=word.location,
        )
        for word in names
    )
    return InstallCommand(
        tool="apt", program="apt", location=context.run.location, file=context.run.file, targets=targets
    )
