"""What another project installs: its Dockerfiles, requirement files and pyproject.toml as install steps, in their order."""

from __future__ import annotations

import posixpath
import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from torchpin.adopt import dockerfile
from torchpin.redaction import HIDDEN, names_secret

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.adopt.dockerfile import Command, Instruction, Word

# Options of pip and uv that take a value, by what the value is for; "" is read past.
_OPTIONS_WITH_VALUE = {
    "-r": "files", "--requirement": "files", "-c": "constraints", "--constraint": "constraints", "-i": "index",
    "--index-url": "index", "--default-index": "index", "--index": "index", "--extra-index-url": "extra",
    "-f": "links", "--find-links": "links", "--no-binary": "no_binary", "--torch-backend": "backend",
    "-e": "editable", "--editable": "editable", "-t": "", "--target": "", "--python": "", "-p": "", "--prefix": "",
    "--only-binary": "", "--trusted-host": "", "--timeout": "", "--retries": "", "--root": "", "--cache-dir": "",
    "--platform": "", "--python-version": "", "--progress-bar": "", "--index-strategy": "", "--config-settings": "",
}  # fmt: skip
_CONDA_OPTIONS_WITH_VALUE = {"-c", "--channel", "-n", "--name", "-p", "--prefix"}


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallTarget:
    """A thing to install as it is written, and where. `requirement`: None for an address or an invalid requirement."""

    text: str
    location: str
    requirement: Requirement | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallCommand:
    """One install. `tool`: pip (uv too), conda or apt; the other fields are its arguments."""

    tool: str
    location: str
    file: str
    targets: tuple[InstallTarget, ...] = ()
    constraints: tuple[InstallTarget, ...] = ()  # the lines of its constraints files
    index: str = ""
    extra_index: str = ""
    missing: tuple[str, ...] = ()  # named files that the project does not have
    no_binary: tuple[str, ...] = ()
    upgrade: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCommand:
    """A simple command of a RUN, its variables filled in."""

    command: Command
    file: str
    instruction: Instruction
    following: Command | None = None  # the command after its operator

    @property
    def location(self) -> str:
        return f"{self.file}:{self.command.line}:{self.command.column}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """The files of a project that could be read, by kind, in the order of their names."""

    texts: Mapping[str, str]
    dockerfiles: tuple[str, ...]
    requirement_files: tuple[str, ...]  # requirements*.txt and constraints*.txt
    pyproject: Mapping[str, Any]
    locked_versions: Mapping[str, str]  # of uv.lock: package to version
    unreadable: tuple[tuple[str, str], ...] = ()  # (file, why it cannot be read)


def parse_project(texts: Mapping[str, str]) -> Project:
    """A project from its texts by path; TOML that cannot be parsed is in `unreadable`, and counts as empty."""
    broken: list[tuple[str, str]] = []

    def toml(name: str) -> Mapping[str, Any]:
        path = next((candidate for candidate in sorted(texts) if posixpath.basename(candidate) == name), "")
        try:
            return tomllib.loads(texts[path]) if path else {}
        except tomllib.TOMLDecodeError as error:
            broken.append((path, str(error)))
            return {}

    rows = toml("uv.lock").get("package", [])
    return Project(
        texts=texts,
        dockerfiles=tuple(path for path in sorted(texts) if _is_dockerfile(path)),
        requirement_files=tuple(
            path for path in sorted(texts) if re.search(r"(requirements|constraints)[\w.-]*\.txt$", path)
        ),
        pyproject=toml("pyproject.toml"),
        locked_versions={row["name"]: row["version"] for row in rows if {"name", "version"} <= row.keys()},
        unreadable=tuple(broken),
    )


def _is_dockerfile(path: str) -> bool:
    name = posixpath.basename(path)
    return name == "Dockerfile" or name.startswith("Dockerfile.") or name.endswith(".Dockerfile")


def run_commands(project: Project, file: str) -> Iterator[RunCommand]:
    """The commands of a Dockerfile's RUN lines in their order, with the values of variables at each line."""
    variables: dict[str, str] = {}
    for instruction in dockerfile.parse_instructions(project.texts[file]):
        if instruction.keyword in {"ARG", "ENV"}:
            pairs = dockerfile.assignments(instruction)
            variables |= {
                name: HIDDEN if value and names_secret(name) else dockerfile.substitute(value, variables)
                for name, value in pairs.items()
            }
        elif instruction.keyword == "RUN":
            commands = [
                dockerfile.substitute_command(command, variables)
                for command in dockerfile.parse_commands(instruction)
            ]
            for number, command in enumerate(commands):
                following = commands[number + 1] if number + 1 < len(commands) else None
                yield RunCommand(command=command, file=file, instruction=instruction, following=following)


def install_commands(project: Project, file: str) -> Iterator[InstallCommand]:
    """The installs of a Dockerfile's RUN lines in their order."""
    for run in run_commands(project, file):
        step = parse_install(project, run)
        if step:
            yield step


def parse_install(project: Project, run: RunCommand) -> InstallCommand | None:
    """The install of a command of pip, uv, conda or apt; None for every other command."""
    tokens = _strip_prefixes(run.command.argv)
    texts = [token.text for token in tokens]
    if texts[:2] in (["apt-get", "install"], ["apt", "install"]) or (
        texts[:1] == ["apt-get"] and "install" in texts
    ):
        targets = _package_targets(run, tokens[texts.index("install") + 1 :], set())
        return InstallCommand(tool="apt", location=run.location, file=run.file, targets=targets)
    if texts[:1] in (["conda"], ["mamba"], ["micromamba"]) and "install" in texts:
        targets = _package_targets(run, tokens[texts.index("install") + 1 :], _CONDA_OPTIONS_WITH_VALUE)
        return InstallCommand(tool="conda", location=run.location, file=run.file, targets=targets)
    arguments = _pip_arguments(tokens)
    return _parse_pip_install(project, run, arguments) if arguments is not None else None


def _strip_prefixes(tokens: Sequence[Word]) -> Sequence[Word]:
    """A command without its prefixes: sudo, settings of the environment, shell keywords."""
    index = 0
    while index < len(tokens) and (
        tokens[index].text in {"sudo", "env", "time", "exec", "then", "do", "else", "{", "!"}
        or re.fullmatch(r"\w+=.*", tokens[index].text)
    ):
        index += 1
    return tokens[index:]


def _pip_arguments(tokens: Sequence[Word]) -> Sequence[Word] | None:
    """The arguments of `pip install` in any of its spellings, None for another command."""
    texts = [posixpath.basename(token.text) for token in tokens]
    for head in (["uv", "pip", "install"], ["-m", "pip", "install"], ["pip", "install"], ["pip3", "install"]):
        for index in range(min(4, len(texts))):
            if texts[index : index + len(head)] == head:
                return tokens[index + len(head) :]
    if texts and re.fullmatch(r"pip3?(\.\d+)?", texts[0]) and "install" in texts:
        return tokens[texts.index("install") + 1 :]
    return None


def _package_targets(run: RunCommand, tokens: Iterable[Word], valued: set[str]) -> tuple[InstallTarget, ...]:
    """The arguments that are not options; `valued`: the options whose next argument is their value."""
    targets, skip = [], False
    for token in tokens:
        if skip or token.text.startswith("-"):
            skip = not skip and token.text in valued
            continue
        targets.append(InstallTarget(text=token.text, location=f"{run.file}:{token.line}:{token.column}"))
    return tuple(targets)


def _parse_pip_install(project: Project, run: RunCommand, tokens: Sequence[Word]) -> InstallCommand:
    options: dict[str, list[Word]] = {}
    targets: list[InstallTarget] = []
    index = 0
    while index < len(tokens):
        name, separator, value = tokens[index].text.partition("=")
        if tokens[index].text in _OPTIONS_WITH_VALUE and index + 1 < len(tokens):
            options.setdefault(_OPTIONS_WITH_VALUE[tokens[index].text], []).append(tokens[index + 1])
            index += 1
        elif separator and name in _OPTIONS_WITH_VALUE and name.startswith("--"):
            options.setdefault(_OPTIONS_WITH_VALUE[name], []).append(replace(tokens[index], text=value))
        elif not tokens[index].text.startswith("-"):
            targets.append(
                _parse_target(tokens[index].text, f"{run.file}:{tokens[index].line}:{tokens[index].column}")
            )
        index += 1
    step = InstallCommand(
        tool="pip",
        location=run.location,
        file=run.file,
        targets=tuple(targets),
        index=_last_value(options, "index"),
        extra_index=_last_value(options, "extra"),
        no_binary=tuple(part for token in options.get("no_binary", []) for part in token.text.split(",")),
        upgrade=any(token.text in {"-U", "--upgrade"} for token in tokens),
    )
    return _add_files(project, step, options.get("files", []), options.get("constraints", []))


def _last_value(options: Mapping[str, list[Word]], name: str) -> str:
    return options[name][-1].text if options.get(name) else ""


def _add_files(
    project: Project, step: InstallCommand, files: Iterable[Word], constraints: Iterable[Word]
) -> InstallCommand:
    for token in files:
        step = _add_requirements_file(project, step, token.text)
    for token in constraints:
        path = find_file(project, token.text)
        bounds = requirement_lines(project, path) if path else ()
        step = replace(
            step,
            constraints=(*step.constraints, *(row for row in bounds if isinstance(row, InstallTarget))),
            missing=step.missing if path else (*step.missing, token.text),
        )
    return step


def _add_requirements_file(project: Project, step: InstallCommand, name: str) -> InstallCommand:
    path = find_file(project, name)
    if path is None:
        return replace(step, missing=(*step.missing, name))
    for row in requirement_lines(project, path):
        if isinstance(row, InstallTarget):
            step = replace(step, targets=(*step.targets, row))
        elif row[0] == "index":
            step = replace(step, index=row[1])
        elif row[0] == "extra":
            step = replace(step, extra_index=row[1])
    return step


def find_file(project: Project, name: str) -> str | None:
    """The project's file at a path inside an image: by the same end of the path, else by the same name."""
    relative_path = posixpath.normpath(name).lstrip("/").removeprefix("../")
    suffix_matches = [
        path for path in sorted(project.texts) if path == relative_path or path.endswith(f"/{relative_path}")
    ]
    name_matches = [
        path
        for path in sorted(project.texts)
        if posixpath.basename(path) == posixpath.basename(relative_path)
    ]
    return next(iter([*suffix_matches, *name_matches]), None)


def requirement_lines(
    project: Project, path: str, seen: frozenset[str] = frozenset()
) -> tuple[InstallTarget | tuple[str, str], ...]:
    """The lines of a requirement file: requirements, and (option, value) pairs; -r is followed, each file once."""
    rows: list[InstallTarget | tuple[str, str]] = []
    for number, line in enumerate(project.texts.get(path, "").splitlines(), start=1):
        text = re.sub(r"(^|\s)#.*$", "", line).strip().rstrip("\\").strip()
        if not text or text.startswith("--hash"):  # a line of its own after a continued requirement
            continue
        # `--index-url=URL` is `--index-url URL`
        option, _, value = (
            text.replace("=", " ", 1).partition(" ") if text.startswith("--") else text.partition(" ")
        )
        kind = _OPTIONS_WITH_VALUE.get(option, "") if text.startswith("-") else None
        if kind is None:
            rows.append(
                _parse_target(re.sub(r"\s+--hash.*$", "", text), f"{path}:{number}:{line.index(text[0]) + 1}")
            )
        elif kind in {"files", "constraints"}:
            included = find_file(project, posixpath.join(posixpath.dirname(path), value.strip()))
            if included and included not in seen:
                rows += requirement_lines(project, included, seen | {path})
        elif kind:
            rows.append((kind, value.strip()))
    return tuple(rows)


def _parse_target(text: str, location: str) -> InstallTarget:
    try:
        return InstallTarget(text=text, location=location, requirement=Requirement(text))
    except InvalidRequirement:
        return InstallTarget(text=text, location=location)


def pyproject_targets(project: Project) -> tuple[InstallTarget, ...]:
    """The dependencies of pyproject.toml, located by a text search: tomllib gives no line numbers."""
    path = next(
        (
            candidate
            for candidate in sorted(project.texts)
            if posixpath.basename(candidate) == "pyproject.toml"
        ),
        "",
    )
    table = project.pyproject.get("project", {})
    rows = table.get("dependencies", []) if isinstance(table, dict) else []
    return tuple(
        _parse_target(row, _locate_line(project.texts[path], row, path))
        for row in rows
        if isinstance(row, str)
    )


def _locate_line(text: str, needle: str, path: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if needle in line:
            return f"{path}:{number}:{line.index(needle) + 1}"
    return f"{path}:1:1"
