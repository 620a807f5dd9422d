"""What a project of others installs: its Dockerfiles, requirement files and pyproject as steps, in their order."""

from __future__ import annotations

import posixpath
import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from torchpin.adopt import dockerfile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.adopt.dockerfile import Command, Instruction, Word

_VALUED = {
    "-r": "files", "--requirement": "files", "-c": "constraints", "--constraint": "constraints", "-i": "index",
    "--index-url": "index", "--default-index": "index", "--index": "index", "--extra-index-url": "extra",
    "-f": "links", "--find-links": "links", "--no-binary": "no_binary", "--torch-backend": "backend",
    "-e": "editable", "--editable": "editable", "-t": "", "--target": "", "--python": "", "-p": "", "--prefix": "",
    "--only-binary": "", "--trusted-host": "", "--timeout": "", "--retries": "", "--root": "", "--cache-dir": "",
    "--platform": "", "--python-version": "", "--progress-bar": "", "--index-strategy": "", "--config-settings": "",
}  # fmt: skip
_CONDA_VALUED = {"-c", "--channel", "-n", "--name", "-p", "--prefix"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """A thing to install as somebody wrote it, and where; `requirement` None: it is an address, or no requirement."""

    text: str
    where: str
    requirement: Requirement | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Install:
    """One install: `tool` is pip, conda or apt; the others are its options."""

    tool: str
    where: str
    file: str
    wants: tuple[Want, ...] = ()
    bounds: tuple[Want, ...] = ()  # of its constraints files
    index: str = ""
    extra: str = ""
    missing: tuple[str, ...] = ()  # files that it names and that are not there
    no_binary: tuple[str, ...] = ()
    upgrade: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A simple command of a RUN, its variables filled in."""

    command: Command
    file: str
    instruction: Instruction
    next: Command | None = None  # what follows its operator

    @property
    def where(self) -> str:
        return f"{self.file}:{self.command.line}:{self.command.column}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """Everything that could be read, by kind, in the order of the files' names."""

    texts: Mapping[str, str]
    dockerfiles: tuple[str, ...]
    lists: tuple[str, ...]  # requirement files that no Dockerfile installs are steps of their own
    pyproject: Mapping[str, Any]
    locked: Mapping[str, str]  # of uv.lock: package to version
    broken: tuple[tuple[str, str], ...] = ()  # (file, why it cannot be read)


def project(texts: Mapping[str, str]) -> Project:
    broken: list[tuple[str, str]] = []

    def toml(name: str) -> Mapping[str, Any]:
        path = next((one for one in sorted(texts) if posixpath.basename(one) == name), "")
        try:
            return tomllib.loads(texts[path]) if path else {}
        except tomllib.TOMLDecodeError as error:
            broken.append((path, str(error)))
            return {}

    rows = toml("uv.lock").get("package", [])
    return Project(
        texts=texts,
        dockerfiles=tuple(path for path in sorted(texts) if _is_dockerfile(path)),
        lists=tuple(
            path for path in sorted(texts) if re.search(r"(requirements|constraints)[\w.-]*\.txt$", path)
        ),
        pyproject=toml("pyproject.toml"),
        locked={row["name"]: row["version"] for row in rows if {"name", "version"} <= row.keys()},
        broken=tuple(broken),
    )


def _is_dockerfile(path: str) -> bool:
    name = posixpath.basename(path)
    return name == "Dockerfile" or name.startswith("Dockerfile.") or name.endswith(".Dockerfile")


# --- commands --------------------------------------------------------------------------------------------------------


def runs(one: Project, file: str) -> Iterator[Run]:
    """The commands of a Dockerfile's RUN lines in their order, each with what the variables were at that place."""
    known: dict[str, str] = {}
    for instruction in dockerfile.instructions(one.texts[file]):
        if instruction.keyword in {"ARG", "ENV"}:
            pairs = dockerfile.assignments(instruction)
            known |= {name: dockerfile.substituted(value, known) for name, value in pairs.items()}
        elif instruction.keyword == "RUN":
            found = [dockerfile.filled(each, known) for each in dockerfile.commands(instruction)]
            for number, command in enumerate(found):
                after = found[number + 1] if number + 1 < len(found) else None
                yield Run(command=command, file=file, instruction=instruction, next=after)


def installs(one: Project, file: str) -> Iterator[Install]:
    for run in runs(one, file):
        found = install(one, run)
        if found:
            yield found


def install(one: Project, run: Run) -> Install | None:
    """What a command installs with pip, uv, conda or apt; None for every other command."""
    words = _unwrapped(run.command.words)
    texts = [word.text for word in words]
    if texts[:2] in (["apt-get", "install"], ["apt", "install"]) or (
        texts[:1] == ["apt-get"] and "install" in texts
    ):
        wants = _plain(run, words[texts.index("install") + 1 :], set())
        return Install(tool="apt", where=run.where, file=run.file, wants=wants)
    if texts[:1] in (["conda"], ["mamba"], ["micromamba"]) and "install" in texts:
        wants = _plain(run, words[texts.index("install") + 1 :], _CONDA_VALUED)
        return Install(tool="conda", where=run.where, file=run.file, wants=wants)
    rest = _of_pip(words)
    return _pip(one, run, rest) if rest is not None else None


def _unwrapped(words: Sequence[Word]) -> Sequence[Word]:
    """Without what stands before a command: sudo, env settings, shell keywords."""
    at = 0
    while at < len(words) and (
        words[at].text in {"sudo", "env", "time", "exec", "then", "do", "else", "{", "!"}
        or re.fullmatch(r"\w+=.*", words[at].text)
    ):
        at += 1
    return words[at:]


def _of_pip(words: Sequence[Word]) -> Sequence[Word] | None:
    texts = [posixpath.basename(word.text) for word in words]
    for head in (["uv", "pip", "install"], ["-m", "pip", "install"], ["pip", "install"], ["pip3", "install"]):
        for at in range(min(4, len(texts))):
            if texts[at : at + len(head)] == head:
                return words[at + len(head) :]
    if texts and re.fullmatch(r"pip3?(\.\d+)?", texts[0]) and "install" in texts:
        return words[texts.index("install") + 1 :]
    return None


def _plain(run: Run, words: Iterable[Word], valued: set[str]) -> tuple[Want, ...]:
    wants, skip = [], False
    for word in words:
        if skip or word.text.startswith("-"):
            skip = not skip and word.text in valued
            continue
        wants.append(Want(text=word.text, where=f"{run.file}:{word.line}:{word.column}"))
    return tuple(wants)


def _pip(one: Project, run: Run, words: Sequence[Word]) -> Install:
    options: dict[str, list[Word]] = {}
    wants: list[Want] = []
    at = 0
    while at < len(words):
        name, has, value = words[at].text.partition("=")
        if words[at].text in _VALUED and at + 1 < len(words):
            options.setdefault(_VALUED[words[at].text], []).append(words[at + 1])
            at += 1
        elif has and name in _VALUED and name.startswith("--"):
            options.setdefault(_VALUED[name], []).append(replace(words[at], text=value))
        elif not words[at].text.startswith("-"):
            wants.append(_want(words[at].text, f"{run.file}:{words[at].line}:{words[at].column}"))
        at += 1
    made = Install(
        tool="pip",
        where=run.where,
        file=run.file,
        wants=tuple(wants),
        index=_last(options, "index"),
        extra=_last(options, "extra"),
        no_binary=tuple(part for word in options.get("no_binary", []) for part in word.text.split(",")),
        upgrade=any(word.text in {"-U", "--upgrade"} for word in words),
    )
    return _with_files(one, made, options.get("files", []), options.get("constraints", []))


def _last(options: Mapping[str, list[Word]], name: str) -> str:
    return options[name][-1].text if options.get(name) else ""


def _with_files(one: Project, made: Install, files: Iterable[Word], constraints: Iterable[Word]) -> Install:
    for word in files:
        made = _listed(one, made, word.text)
    for word in constraints:
        path = find(one, word.text)
        bounds = listed(one, path) if path else ()
        made = replace(
            made,
            bounds=(*made.bounds, *(each for each in bounds if isinstance(each, Want))),
            missing=made.missing if path else (*made.missing, word.text),
        )
    return made


def _listed(one: Project, made: Install, name: str) -> Install:
    path = find(one, name)
    if path is None:
        return replace(made, missing=(*made.missing, name))
    for row in listed(one, path):
        if isinstance(row, Want):
            made = replace(made, wants=(*made.wants, row))
        elif row[0] == "index":
            made = replace(made, index=row[1])
        elif row[0] == "extra":
            made = replace(made, extra=row[1])
    return made


def find(one: Project, name: str) -> str | None:
    """The project's file that a Dockerfile means by a path inside its image: the same ending, else the same name."""
    wanted = posixpath.normpath(name).lstrip("/").removeprefix("../")
    ending = [path for path in sorted(one.texts) if path == wanted or path.endswith(f"/{wanted}")]
    named = [path for path in sorted(one.texts) if posixpath.basename(path) == posixpath.basename(wanted)]
    return next(iter([*ending, *named]), None)


# --- requirement files -----------------------------------------------------------------------------------------------


def listed(one: Project, path: str, seen: frozenset[str] = frozenset()) -> tuple[Want | tuple[str, str], ...]:
    """The lines of a requirement file: wants, and (option, value) pairs; -r follows, each file once."""
    found: list[Want | tuple[str, str]] = []
    for number, line in enumerate(one.texts.get(path, "").splitlines(), start=1):
        text = re.sub(r"(^|\s)#.*$", "", line).strip().rstrip("\\").strip()
        if not text or text.startswith("--hash"):
            continue
        option, _, value = (
            text.replace("=", " ", 1).partition(" ") if text.startswith("--") else text.partition(" ")
        )
        kind = _VALUED.get(option, "") if text.startswith("-") else None
        if kind is None:
            found.append(
                _want(re.sub(r"\s+--hash.*$", "", text), f"{path}:{number}:{line.index(text[0]) + 1}")
            )
        elif kind in {"files", "constraints"}:
            other = find(one, posixpath.join(posixpath.dirname(path), value.strip()))
            if other and other not in seen:
                found += listed(one, other, seen | {path})
        elif kind:
            found.append((kind, value.strip()))
    return tuple(found)


def _want(text: str, where: str) -> Want:
    try:
        return Want(text=text, where=where, requirement=Requirement(text))
    except InvalidRequirement:
        return Want(text=text, where=where)


def declared(one: Project) -> tuple[Want, ...]:
    """The dependencies of pyproject.toml; they stand at its first line, since TOML's readers tell no lines."""
    path = next((each for each in sorted(one.texts) if posixpath.basename(each) == "pyproject.toml"), "")
    table = one.pyproject.get("project", {})
    rows = table.get("dependencies", []) if isinstance(table, dict) else []
    return tuple(_want(row, _line(one.texts[path], row, path)) for row in rows if isinstance(row, str))


def _line(text: str, needle: str, path: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if needle in line:
            return f"{path}:{number}:{line.index(needle) + 1}"
    return f"{path}:1:1"
