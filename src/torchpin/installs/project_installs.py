"""What the commands that install a whole project bring: `uv sync`, `poetry install`, `pipenv install`, `pdm sync`; by its lock."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.compat.pins import extras_text
from torchpin.facts.versions import is_version
from torchpin.installs.install_context import Collected
from torchpin.installs.project_files import hidden_target, pyproject_targets, python_project
from torchpin.installs.python_installs import (
    add_project,
    build_install,
    locked_target,
    project_at,
    unclear_rows,
    with_source,
)
from torchpin.project.lock_file import LockFile, by_name, select_package
from torchpin.project.markers import holds
from torchpin.project.pip_arguments import PipArguments, parse_arguments
from torchpin.project.pipfile import read_pipfile
from torchpin.project.uv_lock import find_root, installed_packages
from torchpin.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from packaging.specifiers import SpecifierSet

    from torchpin.installs.install_context import InstallContext
    from torchpin.installs.project_files import Project
    from torchpin.project.install import InstallCommand, Program
    from torchpin.project.lock_file import LockedPackage
    from torchpin.project.markers import MarkerTarget
    from torchpin.project.pip_arguments import Argument
    from torchpin.project.poetry import PoetryDependency
    from torchpin.project.pyproject import PythonProject
    from torchpin.project.requirement import InstallTarget

_LOCKS = {"uv": "uv.lock", "poetry": "poetry.lock", "pdm": "pdm.lock", "pipenv": "Pipfile.lock"}


def uv_sync(context: InstallContext, argv: Sequence[Argument]) -> InstallCommand:
    """`uv sync`: the rows of uv.lock, or what pyproject.toml asks for where the project has no lock."""
    arguments = parse_arguments(argv, hidden=HIDDEN)
    folder = arguments.last("project") or arguments.last("directory")
    place = folder.text if folder else "."
    python, lock = project_at(context, place), _lock_at(context, place, "uv")
    collected = Collected(uv=[python.uv] if python else [])
    groups = _uv_groups(arguments, python)
    with_project = not any(flag in arguments.flags for flag in ("--only-dev", "--only-group"))
    root = find_root(lock, python.name if python else "") if lock else None
    names = {*(python.extras if python else ()), *(root.extras if root else ())}
    extras = names if "--all-extras" in arguments.flags else {*_names(arguments, "extra")}
    extras -= {*_names(arguments, "no-extra")}
    if lock and root:
        collected.problems += lock.problems
        rows = installed_packages(
            lock, root, context.target, extras=extras, groups=groups, with_project=with_project
        )
        install = build_install(context, collected, arguments, "uv")
        omitted = {*_names(arguments, "no-install-package")}
        chosen = [(row, direct) for row, direct in rows if row.name not in omitted and not row.is_root]
        texts = python.required(extras, groups, with_project=with_project) if python else ()
        return _with_rows(install, lock, chosen, [hidden_target(text, "") for text, _ in texts])
    if python is None:
        collected.missing.append("pyproject.toml")
    else:
        add_project(
            context, collected, python, extras=extras, groups=groups, is_uv=True, with_project=with_project
        )
        if lock is None and {"--frozen", "--locked"} & arguments.flags:
            collected.missing.append("uv.lock")
    return _by_lock(context, build_install(context, collected, arguments, "uv"), lock, (), extras)


def _names(arguments: PipArguments, kind: str) -> list[str]:
    texts = (text for word in arguments.values(kind) for text in word.text.replace(",", " ").split())
    return [canonicalize_name(text) for text in texts]


def _uv_groups(arguments: PipArguments, python: PythonProject | None) -> tuple[str, ...]:
    """The groups of a sync: the default ones and those that are requested, without those that are refused."""
    flags, groups = arguments.flags, {*_names(arguments, "group")}
    every = {*(python.groups if python else ())}
    if "--only-dev" in flags:
        return ("dev",)
    if "--all-groups" in flags:
        groups |= every
    # the flag `--only-group` is one that takes a value, whose names are those of `group`
    elif "--no-default-groups" not in flags and "--only-group" not in flags and python:
        groups |= every if python.uv.all_default_groups else {*python.uv.default_groups}
    refused = {*_names(arguments, "no-group"), *(["dev"] if {"--no-dev"} & flags else [])}
    return tuple(sorted(groups - refused))


def _lock_at(context: InstallContext, folder: str, program: str) -> LockFile | None:
    path = context.find(posixpath.join(folder, _LOCKS[program]))
    return context.project.locks.get(path) if path else None


def _with_rows(
    install: InstallCommand,
    lock: LockFile,
    rows: Iterable[tuple[LockedPackage, bool]],
    declared: Iterable[InstallTarget],
) -> InstallCommand:
    """An install of the rows of a lock; `declared`: what the project asks for, whose extras no row has."""
    extras = _extras_by_name(declared)
    targets = [(locked_target(lock.file, row, extras.get(row.name, "")), direct) for row, direct in rows]
    return replace(
        install,
        targets=tuple(target for target, direct in targets if direct),
        locked=tuple(target for target, direct in targets if not direct),
    )


def _extras_by_name(declared: Iterable[InstallTarget]) -> dict[str, str]:
    requirements = [target.requirement for target in declared if target.requirement]
    return {canonicalize_name(row.name): extras_text(row.extras) for row in requirements if row.extras}


def project_targets(project: Project, environment: MarkerTarget) -> tuple[InstallTarget, ...]:
    """What the project's pyproject.toml asks for, with the version, index or address of its lock, else of `[tool.uv.sources]`."""
    settings = [python_project(project, project.pyproject_file).uv] if project.pyproject_file else []
    targets = pyproject_targets(project)
    extras = _extras_by_name(targets)
    return tuple(
        locked_target(project.lock_file, project.locked[target.name], extras.get(target.name, ""))
        if target.name in project.locked
        else with_source(environment, settings, target)
        for target in targets
    )


def poetry_install(context: InstallContext, argv: Sequence[Argument]) -> InstallCommand:
    """`poetry install` and `poetry sync`: the main dependencies, groups and extras, with the versions of poetry.lock."""
    arguments = parse_arguments(argv, hidden=HIDDEN)
    collected = Collected()
    python, lock = project_at(context, "."), _lock_at(context, ".", "poetry")
    groups = _poetry_groups(argv, arguments, python)
    if python is None:
        collected.missing.append("pyproject.toml")
        return build_install(context, collected, arguments, "poetry")
    extras = _values(argv, ("-E", "--extras"))
    if "--all-extras" in arguments.flags:
        extras = {*python.extras, *(python.poetry.extras if python.poetry else ())}
    add_project(
        context, collected, python, extras=extras, groups=groups - {"main"}, with_project="main" in groups
    )
    poetry = python.poetry
    urls = {source.name: source.url for source in poetry.sources} if poetry else {}
    rows = [row for group in sorted(groups) for row in (poetry.groups.get(group, ()) if poetry else ())]
    collected.targets += [hidden_target(row.text, str(row.position), origin="pyproject") for row in rows]
    by_source = _sources_by_name((*rows, *(poetry.dependencies if poetry else ())), urls)
    collected.targets = [
        replace(target, index=by_source.get(target.name, target.index)) for target in collected.targets
    ]
    collected.targets = [target for target in collected.targets if _applies(context, target, extras)]
    return _by_lock(context, build_install(context, collected, arguments, "poetry"), lock, groups, extras)


def _applies(context: InstallContext, target: InstallTarget, extras: Collection[str]) -> bool:
    marker = target.requirement.marker if target.requirement else None
    return holds(marker, context.target, extras) is not False


def _sources_by_name(rows: Iterable[PoetryDependency], urls: dict[str, str]) -> dict[str, str]:
    """The address of the index that a dependency names, by its package."""
    return {
        hidden_target(row.text, "").name: urls[row.source]
        for row in rows
        if row.source and row.source in urls
    }


def _poetry_groups(
    argv: Sequence[Argument], arguments: PipArguments, python: PythonProject | None
) -> set[str]:
    only = _values(argv, ("--only",))
    if only:
        return only
    poetry = python.poetry if python else None
    groups = {"main", *(poetry.groups if poetry else ()), *(python.groups if python else ())}
    groups -= {*(poetry.optional_groups if poetry else ())}
    groups |= _values(argv, ("--with",))
    groups -= _values(argv, ("--without",))
    is_main_only = bool({"--no-dev", "--only-root"} & arguments.flags)
    return {"main"} if is_main_only else groups


def _values(argv: Sequence[Argument], options: tuple[str, ...]) -> set[str]:
    """The names behind options that pip does not have, separated by commas or blanks."""
    names: set[str] = set()
    for number, word in enumerate(argv):
        option, separator, value = word.text.partition("=")
        if option in options:
            text = value if separator else argv[number + 1].text if number + 1 < len(argv) else ""
            names |= {canonicalize_name(name) for name in text.replace(",", " ").split()}
    return names


def _by_lock(
    context: InstallContext,
    install: InstallCommand,
    lock: LockFile | None,
    groups: Collection[str],
    extras: Collection[str] = (),
) -> InstallCommand:
    """An install with the versions of its lock, where the project has one: direct targets, and all else of its groups."""
    if lock is None:
        return install
    rows = by_name(row for row in lock.packages if not row.groups or {*row.groups} & {*groups})
    declared_names = {target.name for target in install.targets}
    chosen: list[tuple[LockedPackage, bool]] = []
    unclear: list[str] = []
    declared = {target.name: target.requirement.specifier for target in install.targets if target.requirement}
    for name, same_name in rows.items():
        candidates = _admitted(same_name, declared.get(name))
        row = select_package(candidates, context.target, extras)
        possible = [item for item in candidates if item.applies(context.target, extras, groups) is not False]
        if row:
            chosen.append((row, name in declared_names))
        elif possible:
            unclear.append(name)
    unlocked = tuple(target for target in install.targets if target.name not in rows)
    problems = (*install.problems, *lock.problems, *unclear_rows(lock.file, unclear))
    locked = _with_rows(install, lock, chosen, install.targets)
    return replace(locked, targets=(*locked.targets, *unlocked), problems=problems)


def _admitted(rows: Sequence[LockedPackage], specifier: SpecifierSet | None) -> Sequence[LockedPackage]:
    """The rows of a package whose versions the project asks for, where it tells them apart: 2.7.1+cpu and 2.7.1+cu126 by an extra."""
    admitted = [
        row for row in rows if specifier and is_version(row.version) and specifier.contains(row.version, prereleases=True)
    ]  # fmt: skip
    return admitted or rows


def pdm_install(context: InstallContext, argv: Sequence[Argument]) -> InstallCommand:
    """`pdm install` and `pdm sync`: the project's dependencies, groups and extras, with the versions of pdm.lock."""
    arguments = parse_arguments(argv, hidden=HIDDEN)
    collected = Collected()
    python, lock = project_at(context, "."), _lock_at(context, ".", "pdm")
    named = _values(argv, ("-G", "--group", "--with"))
    is_production = bool({"--prod", "--production", "--no-dev"} & arguments.flags)
    if python is None:
        collected.missing.append("pyproject.toml")
        return build_install(context, collected, arguments, "pdm")
    groups = {*named, *(() if is_production else python.groups)}
    add_project(context, collected, python, extras=named & {*python.extras}, groups=groups & {*python.groups})
    install = build_install(context, collected, arguments, "pdm")
    return _by_lock(context, install, lock, {"default", *groups}, named)


def pipenv_install(context: InstallContext, argv: Sequence[Argument]) -> InstallCommand:
    """`pipenv install` and `pipenv sync`: Pipfile.lock where it is, else Pipfile; or the packages that are named."""
    arguments = parse_arguments(argv, hidden=HIDDEN)
    collected = Collected()
    groups = {"default", *(["develop"] if {"--dev", "-d"} & arguments.flags else [])}
    collected.targets = [hidden_target(word.text, word.location) for word in arguments.targets]
    path = context.find("Pipfile")
    if path:
        pipfile = read_pipfile(path, context.project.texts[path])
        collected.problems += pipfile.problems
        urls = {name: url for name, url, _ in pipfile.sources}
        first = pipfile.sources[0][1] if pipfile.sources else ""
        entries = pipfile.packages + (pipfile.dev_packages if "develop" in groups else ())
        targets = [
            hidden_target(
                entry.text, str(entry.position), origin="Pipfile", index=urls.get(entry.index, first)
            )
            for entry in entries
        ]
        collected.targets += [target for target in targets if _applies(context, target, ())]
    elif not collected.targets:
        collected.missing.append("Pipfile")
    install = build_install(context, collected, arguments, "pipenv")
    lock = None if arguments.targets or "--skip-lock" in arguments.flags else _lock_at(context, ".", "pipenv")
    return _by_lock(context, install, lock, groups)


PROJECT_INSTALLS: dict[Program, tuple[str, ...]] = {
    "poetry": ("install", "sync"),
    "pdm": ("install", "sync"),
    "pipenv": ("install", "sync"),
}
