"""What another project installs: its Dockerfiles, requirement files and pyproject.toml as install steps, in their order."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from torchpin.project.secret_values import hide_secret
from torchpin.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.adopt.uv_files import LockedPackage
    from torchpin.project.image_files import ImageView
    from torchpin.project.runs import RunCommand
    from torchpin.project.shell import Word

# Options of pip and uv that take a value, by what the value is for.
_OPTIONS_WITH_VALUE = {
    "-r": "files", "--requirement": "files", "--requirements": "files", "-c": "constraints",
    "--constraint": "constraints", "--constraints": "constraints", "-i": "index", "--index-url": "index",
    "--default-index": "index", "--index": "index", "--extra-index-url": "extra", "-f": "links",
    "--find-links": "links", "--no-binary": "no_binary", "--torch-backend": "backend", "-e": "editable",
    "--editable": "editable",
    # read past; by `pip install --help` and `uv pip install --help`, pip 25 and uv 0.9
    **dict.fromkeys((
        "-C", "-P", "-b", "-p", "-t", "--abi", "--allow-insecure-host", "--build-constraints", "--cache-dir", "--cert",
        "--client-cert", "--color", "--config-file", "--config-setting", "--config-settings",
        "--config-settings-package", "--directory", "--exclude-newer", "--exclude-newer-package", "--excludes",
        "--exists-action", "--extra", "--fork-strategy", "--global-option", "--group", "--implementation",
        "--index-strategy", "--keyring-provider", "--link-mode", "--log", "--no-build-isolation-package",
        "--no-editable-package", "--no-sources-package", "--only-binary", "--output-format", "--overrides", "--platform",
        "--prefix", "--prerelease", "--prerelease-package", "--progress-bar", "--project", "--proxy", "--python",
        "--python-platform", "--python-version", "--refresh-package", "--reinstall-package", "--report", "--resolution",
        "--retries", "--root", "--root-user-action", "--src", "--target", "--timeout", "--trusted-host",
        "--upgrade-group", "--upgrade-package", "--upgrade-strategy", "--use-deprecated", "--use-feature",
    ), ""),
}  # fmt: skip
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_MOST_INCLUDED = 100  # files that one includes, directly or not; a further one is told as no requirement
_LONGEST_REQUIREMENT = (
    2_000  # characters; real ones have below 300. A longer one is told as no requirement, and cut.
)
_KEPT_REQUIREMENTS = (
    200_000  # parsed requirements that are kept for the rules, which ask for each of them several times
)
_CONDA_OPTIONS_WITH_VALUE = {
    "-c", "--channel", "-n", "--name", "-p", "--prefix", "--file", "--platform", "--revision", "--solver", "--subdir",
    "--token",
}  # fmt: skip


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
    by_name: tuple[tuple[str, str], ...] = ()  # named files, and the project's that only have their names
    no_binary: tuple[str, ...] = ()
    upgrade: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """The files of a project that could be read, by kind, in the order of their names."""

    texts: Mapping[str, str]
    dockerfiles: tuple[str, ...]
    requirement_files: tuple[str, ...]  # requirements*.txt and constraints*.txt
    pyproject: Mapping[str, Any]
    pyproject_file: str
    locked: Mapping[str, LockedPackage]  # by normalized name
    lock_file: str  # the path of uv.lock, "" for none
    unreadable: tuple[tuple[str, str], ...] = ()  # (file or file:line:column, why it cannot be read)
    runs: Mapping[str, tuple[RunCommand, ...]] = field(default_factory=dict)  # by Dockerfile
    paths: Mapping[str, str] = field(default_factory=dict)  # by the end of the path, at each of its folders
    # What was read of each file, kept for the rules, which read it several times.
    installs: dict[str, tuple[InstallCommand, ...]] = field(default_factory=dict, repr=False, compare=False)
    steps: dict[str, InstallCommand | None] = field(
        default_factory=dict, repr=False, compare=False
    )  # by place
    lines: dict[str, tuple[InstallTarget | tuple[str, str], ...]] = field(
        default_factory=dict, repr=False, compare=False
    )


def run_commands(upstream: Project, file: str) -> tuple[RunCommand, ...]:
    """The commands of a Dockerfile's RUN lines in their order, with the values of variables at each line."""
    return upstream.runs[file]


def install_commands(upstream: Project, file: str) -> tuple[InstallCommand, ...]:
    """The installs of a Dockerfile's RUN lines in their order."""
    if file not in upstream.installs:
        steps = (parse_install(upstream, run) for run in run_commands(upstream, file))
        upstream.installs[file] = tuple(step for step in steps if step)
    return upstream.installs[file]


def parse_install(upstream: Project, run: RunCommand) -> InstallCommand | None:
    """The install of a command of pip, uv, conda or apt; None for every other command."""
    if not run.command.argv or run.instruction.exec_form:
        return _parse_install(upstream, run)
    if run.location not in upstream.steps:
        upstream.steps[run.location] = _parse_install(upstream, run)
    return upstream.steps[run.location]


def _parse_install(upstream: Project, run: RunCommand) -> InstallCommand | None:
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
    return _parse_pip_install(upstream, run, arguments) if arguments is not None else None


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
        if skip or token.text.startswith("-") or token.text == HIDDEN:
            skip = not skip and token.text in valued
            continue
        text = token.text if len(token.text) <= _LONGEST_REQUIREMENT else f"{token.text[:80]}…"
        targets.append(InstallTarget(text=text, location=f"{run.file}:{token.line}:{token.column}"))
    return tuple(targets)


def _parse_pip_install(upstream: Project, run: RunCommand, tokens: Sequence[Word]) -> InstallCommand:
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
        elif not tokens[index].text.startswith("-") and not _is_hidden_value(tokens, index):
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
    return _add_files(upstream, run, step, options.get("files", []), options.get("constraints", []))


def _is_hidden_value(tokens: Sequence[Word], index: int) -> bool:
    """Whether a word is the secret of the option before it, and no package."""
    return tokens[index].text == HIDDEN and index > 0 and tokens[index - 1].text.startswith("-")


def _last_value(options: Mapping[str, list[Word]], name: str) -> str:
    return options[name][-1].text if options.get(name) else ""


def _add_files(
    upstream: Project,
    run: RunCommand,
    step: InstallCommand,
    files: Iterable[Word],
    constraints: Iterable[Word],
) -> InstallCommand:
    for token in files:
        step = _add_requirements_file(upstream, run, step, token.text)
    bounds, missing = list(step.constraints), list(step.missing)
    for token in constraints:
        path = find_file(upstream, token.text, run.files)
        rows = requirement_lines(upstream, path) if path else ()
        bounds += [row for row in rows if isinstance(row, InstallTarget)]
        missing += [] if path else [token.text]
    return replace(step, constraints=tuple(bounds), missing=tuple(missing))


def _add_requirements_file(
    upstream: Project, run: RunCommand, step: InstallCommand, name: str
) -> InstallCommand:
    path = find_file(upstream, name, run.files)
    if path is None:
        return replace(step, missing=(*step.missing, name))
    if _only_same_name(upstream, name, path, run.files):
        step = replace(step, by_name=(*step.by_name, (name, path)))
    rows = requirement_lines(upstream, path)
    targets = [row for row in rows if isinstance(row, InstallTarget)]
    options = dict(row for row in rows if isinstance(row, tuple))  # the last one of each kind counts
    return replace(
        step,
        targets=(*step.targets, *targets),
        index=options.get("index", step.index),
        extra_index=options.get("extra", step.extra_index),
    )


def find_file(upstream: Project, name: str, files: ImageView | None = None) -> str | None:
    """The project's file at a path inside an image; None where there is none, or it comes from elsewhere.

    By what was copied there; where nothing was, by the same end of the path, else by the same name.
    """
    copied = files.find(name) if files else ()
    if copied is None:
        return None
    paths = (file.path for file in copied if file.path)
    return next(paths, None) or upstream.paths.get(_path_end(name)) or _same_name(upstream, name)


def _path_end(name: str) -> str:
    return posixpath.normpath(name).lstrip("/").removeprefix("../")


def _same_name(upstream: Project, name: str) -> str | None:
    """The project's file of the same name, whatever its folder."""
    return upstream.paths.get(posixpath.basename(name))


def _only_same_name(upstream: Project, name: str, path: str, files: ImageView | None) -> bool:
    """Whether a file was found by its name alone."""
    return not (files and files.find(name)) and upstream.paths.get(_path_end(name)) != path


def requirement_lines(upstream: Project, path: str) -> tuple[InstallTarget | tuple[str, str], ...]:
    """The lines of a requirement file: requirements, and (option, value) pairs; -r is followed, each file once."""
    if path not in upstream.lines:
        upstream.lines[path] = tuple(_requirement_lines(upstream, path))
    return upstream.lines[path]


def _requirement_lines(upstream: Project, path: str) -> Iterator[InstallTarget | tuple[str, str]]:
    seen = {path}
    # a stack and not recursion: a chain of includes may be longer than Python's stack
    open_files = [(path, enumerate(upstream.texts.get(path, "").splitlines(), start=1))]
    while open_files:
        file, lines = open_files[-1]
        number, line = next(lines, (0, ""))
        if not number:
            open_files.pop()
            continue
        row = _parse_requirement_line(line, file, number)
        if isinstance(row, tuple) and row[0] in {"files", "constraints"}:
            included = find_file(upstream, posixpath.join(posixpath.dirname(file), row[1]))
            if included and len(seen) > _MOST_INCLUDED:
                yield InstallTarget(text=f"-r {row[1]}", location=f"{file}:{number}:1")
            elif included and included not in seen:
                seen.add(included)
                open_files.append((included, enumerate(upstream.texts[included].splitlines(), start=1)))
        elif row:
            yield row


def _parse_requirement_line(line: str, file: str, number: int) -> InstallTarget | tuple[str, str] | None:
    """A requirement or an (option, value) pair; None for what installs nothing."""
    text = _without_comment(line).strip().rstrip("\\").strip()
    if not text or text.startswith("--hash"):  # a line of its own after a continued requirement
        return None
    # `--index-url=URL` is `--index-url URL`
    option, _, value = (
        text.replace("=", " ", 1).partition(" ") if text.startswith("--") else text.partition(" ")
    )
    kind = _OPTIONS_WITH_VALUE.get(option, "") if text.startswith("-") else None
    if kind is None:
        plain = re.split(r"\s--hash", text, maxsplit=1)[0].rstrip()
        return _parse_target(plain, f"{file}:{number}:{line.index(text[0]) + 1}")
    return (kind, hide_secret(value.strip())) if kind else None


def _without_comment(line: str) -> str:
    comment = re.search(r"(?:^|\s)#", line)
    return line[: comment.start()] if comment else line


def _parse_target(text: str, location: str) -> InstallTarget:
    if len(text) > _LONGEST_REQUIREMENT:
        return InstallTarget(text=f"{hide_secret(text[:80])}…", location=location)
    return InstallTarget(text=hide_secret(text), location=location, requirement=_parse_requirement(text))


@lru_cache(maxsize=_KEPT_REQUIREMENTS)
def _parse_requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):  # packaging follows the brackets of a marker by recursion
        return None


def pyproject_targets(upstream: Project) -> tuple[InstallTarget, ...]:
    """The dependencies of pyproject.toml, located by a text search: tomllib gives no line numbers."""
    path = upstream.pyproject_file
    table = upstream.pyproject.get("project", {})
    rows = table.get("dependencies", []) if isinstance(table, dict) else []
    places = _quoted_places(upstream.texts.get(path, ""))
    return tuple(
        _parse_target(row, f"{path}:{places.get(row, '1:1')}")
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, str)
    )


def _quoted_places(text: str) -> dict[str, str]:
    """The first line and column of each quoted text."""
    places: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for match in _QUOTED.finditer(line):
            places.setdefault(match[0][1:-1], f"{number}:{match.start() + 2}")
    return places
