"""The git checkouts of another project as sources of a description: clones at a known commit, and packages of a commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description import patterns
from torchpin.installs.commands import run_commands
from torchpin.model import Source
from torchpin.project.secret_values import hide_secret
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torchpin.installs.commands import InstallTarget, Project

_RECURSIVE = {"--recursive", "--recurse-submodules"}
_GIT_VALUES = {"-C", "-c"}  # options of git itself that take a value


@dataclass(kw_only=True, slots=True)
class _Clone:
    """A clone and its revision: a tag or branch of the clone command, or the commit of a later checkout."""

    url: str
    tag: str
    with_submodules: bool
    commit: str = ""


def draft_sources(
    project: Project, omitted: list[str], file: str, packages: Iterable[InstallTarget] = ()
) -> Iterator[Source]:
    """The clones whose commit a line says, or whose tag is in the facts, and packages of a commit; `omitted` gets the others."""
    names: set[str] = set()
    for clone in _clones(project, file):
        source = _clone_source(clone)
        if source and _is_free(source.name, names):
            yield source
        else:
            omitted.append(f"{clone.url} at {clone.commit or clone.tag or 'no tag'}")
    for target in packages:
        source = _package_source(target)
        if source and _is_free(source.name, names):
            yield source
        else:
            omitted.append(target.text)


def is_package_of_commit(target: InstallTarget) -> bool:
    """Whether a target is the package at the root of a git repository at a commit."""
    return _package_source(target) is not None


def _is_free(name: str, names: set[str]) -> bool:
    is_free = name not in names
    names.add(name)
    return is_free


def _clones(project: Project, file: str) -> list[_Clone]:
    clones: list[_Clone] = []
    for run in run_commands(project, file) if file else ():
        argv = _git_words(run.command.texts)
        if argv[:1] == ("clone",):
            clone = _read_clone(argv)
            clones += [clone] if clone else []
        elif clones and argv[:1] in {("checkout",), ("reset",), ("switch",)}:
            commit = next((word for word in argv[1:] if patterns.COMMIT.pattern.fullmatch(word)), "")
            clones[-1].commit = commit or clones[-1].commit  # of the clone before it
    return clones


def _git_words(argv: Sequence[str]) -> tuple[str, ...]:
    """The words behind git and its own options, () for another program."""
    behind = list(argv[1:]) if argv[:1] == ("git",) else []
    while behind and behind[0].startswith("-"):
        del behind[: 2 if behind[0] in _GIT_VALUES else 1]
    return tuple(behind)


def _read_clone(argv: Sequence[str]) -> _Clone | None:
    url = next((word for word in argv if re.match(r"https://\S+", word)), "")
    if not url:
        return None
    joined = [word.partition("=")[2] for word in argv if word.startswith("--branch=")]
    behind = [argv[index + 1] for index, word in enumerate(argv[:-1]) if word in {"-b", "--branch"}]
    return _Clone(
        url=redact_credentials(url),
        tag=next(iter([*behind, *joined]), ""),
        with_submodules=bool(_RECURSIVE & {*argv}),
    )


def _clone_source(clone: _Clone) -> Source | None:
    repo = re.sub(r"(?:\.git)?/?$", "", clone.url).partition("://")[2].partition("/")[2]
    row = next((row for row in facts.source_tags(repo) if row.tag == clone.tag and row.commit), None)
    commit = clone.commit or (row.commit if row and row.commit else "")
    tag = clone.tag if row and commit == row.commit else None
    return _source(clone.url, commit, tag=tag, submodules=True if clone.with_submodules else None)


def _package_source(target: InstallTarget) -> Source | None:
    reference = target.reference
    if reference is None or reference.kind != "git" or reference.subdirectory or reference.extras:
        return None
    url = reference.address.removeprefix("git+").removesuffix(f"@{reference.revision}")
    return _source(hide_secret(url), reference.revision, is_package=True)


def _source(
    url: str,
    commit: str,
    *,
    tag: str | None = None,
    submodules: bool | None = None,
    is_package: bool = False,
) -> Source | None:
    """A source; None where a description cannot express it."""
    address = re.sub(r"(?:\.git)?/?$", "", url)
    name = address.rpartition("/")[2].lower().replace("_", "-").replace(".", "-")
    is_valid = (
        patterns.NAME.pattern.fullmatch(name)
        and patterns.COMMIT.pattern.fullmatch(commit)
        and patterns.URL.pattern.fullmatch(address)
        and address.startswith("https://")
        and (tag is None or patterns.TAG.pattern.fullmatch(tag))
    )
    if not is_valid:
        return None
    return Source(
        name=name,
        url=address,
        tag=tag,
        commit=commit,
        path=f"third_party/{name}",
        submodules=submodules,
        install="wheel" if is_package else None,
    )
