"""What the sources of an environment ask for, read from their clones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.compat.family import channel_names
from torchpin.compat.pins import declared_names
from torchpin.compat.recommendations import applicable_requirements
from torchpin.controls import CONTROL
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.lock.answers import committed_upstream
from torchpin.lock.requirement_files import read_requirement_files
from torchpin.lock.source_packages import FILES, read_package, without_family
from torchpin.model import Position, Problem, Upstream
from torchpin.redaction import redact_credentials
from torchpin.workspace.writer import clone_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchpin.lock.source_packages import SourcePackage
    from torchpin.model import Environment, Lock, Source, StatusCallback
    from torchpin.workspace.workspace import Repository


def known_upstream(
    repo: Repository,
    env: Environment,
    current: Lock | None,
    source: Source,
    show_status: StatusCallback,
) -> Upstream:
    """What a source asks for at its commit: read from its clone, or without one from `current`, the present lock.

    It is cloned only where neither has it. Raises as `read_upstream` does.
    """
    from torchpin.tools import git

    recorded = committed_upstream(env, current, source) if current else None
    if recorded and git.describe_state(repo.root, source):
        return recorded
    return read_upstream(repo, env, source, show_status)


def read_upstream(
    repo: Repository, env: Environment, source: Source, show_status: StatusCallback
) -> Upstream:
    """What a source asks for at its commit, which is cloned for it.

    Raises InputError with every line of an installed source that cannot be resolved, and for one whose package cannot be
    read without running its code; ToolError where it cannot be cloned.
    """
    from torchpin.tools import git

    action = clone_source(repo, source, show_status=show_status)
    if action != git.PRESENT:
        show_status(f"{source.path}: {action}{repo.stub_note} at {source.version}")
    texts = {name: git.read_requirements(repo.root, source, name) for name in source.requirements}
    for name, text in texts.items():
        _require_plain(f"{source.path}/{name}", text)
    read = partial(git.read_file, repo.root, source)
    package = _read_package(env, source, read) if source.is_package else None
    if source.install:
        lines = _resolved_lines(env, source, read, package, show_status)
    else:
        lines = [line for text in texts.values() for line in file_format.requirement_lines(text)]
    return Upstream(
        source=source.name,
        tag=source.tag,
        commit=source.commit,
        file=" ".join(source.requirements),
        requirements=tuple(
            sorted({redact_credentials(line) if "://" in line else line: None for line in lines})
        ),
        distribution=package.name if package else "",
        build=package.build if package else (),
    )


def _resolved_lines(
    env: Environment,
    source: Source,
    read: Callable[[str], str | None],
    package: SourcePackage | None,
    show_status: StatusCallback,
) -> list[str]:
    """The requirements of an installed source: those of its files, and of its package where it is one."""
    requirements = read_requirement_files(
        env,
        source.requirements,
        folder=source.path,
        read=lambda name: _plain(source, name, read(name)),
        pinned={*declared_names(env.layers), *channel_names(env)},
        is_package=source.is_package,
    )
    if requirements.problems:
        raise InputError(f"what {source.name} asks for cannot be locked as it is", requirements.problems)
    for note in requirements.notes:
        show_status(note)
    needs = (package.requires if package else None) or ()
    _require_no_addresses(env, source, needs)
    lines = list(dict.fromkeys([*requirements.lines, *needs]))
    _require_asked(env, source, lines)
    return lines


def _require_no_addresses(env: Environment, source: Source, lines: Sequence[str]) -> None:
    """Raises InputError for what a package requires from an address, which a lock of an index's files has not."""
    pinned = {*declared_names(env.layers), *channel_names(env), *map(canonicalize_name, source.without)}
    for row in applicable_requirements(lines, env):
        if row.url and canonicalize_name(row.name) not in pinned:
            message = f"requires {row.name} from an address, {row.url}; pin a version of it in a layer, which is used instead"
            raise _package_error(env, source, message)


def _require_asked(env: Environment, source: Source, lines: Sequence[str]) -> None:
    """Raises InputError for a package that is left out, and that the source does not ask for."""
    required_names = {canonicalize_name(row.name) for row in applicable_requirements(lines, env)}
    unasked = [name for name in source.without if canonicalize_name(name) not in required_names]
    if unasked:
        message = f"leaves out {', '.join(unasked)}, which it does not ask for; remove that from `without`"
        raise _source_error(env, source, "without", message)


def _read_package(env: Environment, source: Source, read: Callable[[str], str | None]) -> SourcePackage:
    """The package of a source, with a name and with requirements that are known without its build."""
    try:
        package = read_package(lambda name: _plain(source, name, read(name)))
        build = without_family(package.build, channel_names(env)) if package else ()
    except ValueError as error:
        raise _package_error(env, source, f"cannot be read: {error}") from None
    if package is None:
        raise _package_error(
            env, source, f"is not a package: it has none of {', '.join(FILES)}; set `install: requirements`"
        )
    if not package.name:
        message = "has no name in its pyproject.toml, setup.cfg or setup.py that can be read without running them; set `install: requirements`"
        raise _package_error(env, source, message)
    if package.requires is None and not source.requirements:
        message = "computes its requirements in its build; name the files that have them in `requirements`"
        raise _package_error(env, source, message)
    return replace(package, build=build)


def _package_error(env: Environment, source: Source, message: str) -> InputError:
    return _source_error(env, source, "install", message)


def _source_error(env: Environment, source: Source, key: str, message: str) -> InputError:
    number = env.service.sources.index(source)
    path = f"sources[{number}].{key}"
    problem = Problem(position=env.service.position(path), path=path, message=f"{source.name} {message}")
    return InputError("the source cannot be installed as it is described", (problem,))


def _plain(source: Source, name: str, text: str | None) -> str | None:
    if text is not None:
        _require_plain(f"{source.path}/{name}", text)
    return text


def _require_plain(file: str, text: str) -> None:
    """Raises InputError, with the position, for a control character, which would go into the lock."""
    problems: Sequence[Problem] = [
        Problem(
            position=Position(file=file, line=number, column=control.start() + 1),
            path="",
            message="a control character",
        )
        for number, line in enumerate(text.replace("\t", " ").splitlines(), start=1)
        if (control := CONTROL.search(line))
    ]
    if problems:
        raise InputError(
            "these requirements would be written into the lock; choose another `requirements` file or tag",
            problems[:20],
        )
