"""What the commands of pip, uv, Poetry, pipenv and pdm install: with the files, the projects and the locks that they read."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.installs.install_context import Collected, InstallContext
from torchpin.installs.project_files import (
    copied_text,
    heredoc_rows,
    hidden_target,
    is_found_by_name,
    left_out_file,
    may_have_file,
    python_project,
    requirement_rows,
    row_target,
)
from torchpin.model import Position, Problem
from torchpin.project.index_list import pip_indexes, uv_indexes
from torchpin.project.install import FORCING, UPGRADING, InstallCommand
from torchpin.project.markers import holds
from torchpin.project.pip_arguments import Argument, PipArguments, parse_arguments
from torchpin.project.pylock import read_pylock
from torchpin.project.secret_values import hide_secret
from torchpin.project.setup_cfg import read_setup_cfg
from torchpin.project.toml_file import TomlFile
from torchpin.project.uv_settings import read_uv_settings
from torchpin.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from torchpin.project.included_files import RequirementRows
    from torchpin.project.index_list import IndexList
    from torchpin.project.install import Program
    from torchpin.project.lock_file import LockedPackage
    from torchpin.project.markers import MarkerTarget
    from torchpin.project.pyproject import PlacedRequirement, PythonProject
    from torchpin.project.requirement import InstallTarget
    from torchpin.project.uv_settings import UvSettings, UvSource


# The files that uv reads behind those of a folder, in its order.
_UV_CONFIGS = ("/root/.config/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/etc/uv/uv.toml")


def pip_install(context: InstallContext, argv: Sequence[Argument], program: Program) -> InstallCommand:
    """`pip install`, `uv pip install`, `uv pip sync` or `uv add`, from the words behind it."""
    arguments = parse_arguments(argv, hidden=HIDDEN)
    collected = Collected()
    if program == "uv":
        config = arguments.last("config-file")
        _add_uv_settings(context, collected, config.text if config else "")
    for word in arguments.targets:
        _add_target(context, collected, hidden_target(word.text, word.location), is_uv=program == "uv")
    for word in arguments.values("editable"):
        target = hidden_target(word.text, word.location, editable=True)
        _add_target(context, collected, target, is_uv=program == "uv")
    for word in arguments.values("requirement"):
        add_file(context, collected, word.text, arguments)
    for word in arguments.values("constraint"):
        _add_constraints(context, collected, word.text, collected.constraints)
    _add_constraints_of_variables(context, collected, program)
    for word in arguments.values("override"):
        _add_constraints(context, collected, word.text, collected.overrides)
    _add_groups(context, collected, arguments)
    return build_install(context, collected, arguments, program)


def build_install(
    context: InstallContext, collected: Collected, arguments: PipArguments, program: Program
) -> InstallCommand:
    """The install of what was collected."""
    options = [replace(option, value=hide_secret(option.value)) for option in collected.options]
    indexes: IndexList = (
        uv_indexes(arguments, context.settings, collected.uv, options)
        if program == "uv"
        else pip_indexes(arguments, context.settings, context.config, options)
    )
    if program not in {"pip", "uv"}:
        indexes = replace(indexes, tool="pip")
    file_only = [option.value for option in options if option.name == "--no-binary"]
    no_binary = [word.text for word in arguments.values("no-binary")] + file_only
    python = arguments.last("python") or arguments.last("target")
    return InstallCommand(
        tool="pip",
        program=program,
        location=context.run.location,
        file=context.run.file,
        targets=tuple(collected.targets),
        constraints=tuple(collected.constraints),
        overrides=tuple(collected.overrides),
        locked=tuple(collected.locked),
        indexes=indexes,
        missing=tuple(collected.missing),
        left_out=tuple(collected.left_out),
        by_name=tuple(collected.by_name),
        problems=tuple(collected.problems),
        no_binary=tuple(part for text in no_binary for part in text.split(",")),
        upgrade=bool(arguments.flags & (UPGRADING | FORCING)),
        no_deps=bool({"--no-deps", "--no-dependencies"} & {*arguments.flags}),
        environment=python.text if python and "/" in python.text else "",
    )


def _add_constraints_of_variables(context: InstallContext, collected: Collected, program: Program) -> None:
    """The files of PIP_CONSTRAINT and UV_CONSTRAINT, and of pip's configuration; blanks separate them."""
    setting = context.settings.get("UV_CONSTRAINT" if program == "uv" else "PIP_CONSTRAINT")
    setting = setting or (context.config.get("constraint") if program == "pip" else None)
    for name in setting.value.split() if setting else ():
        _add_constraints(context, collected, name, collected.constraints)


def _add_uv_settings(context: InstallContext, collected: Collected, config: str = "") -> None:
    """uv's settings that hold in a folder, before those of the user and the system; a file that is named stands for all.

    `config`: that of `--config-file`. What is named and is not in the project counts for nothing.
    """
    setting = context.settings.get("UV_CONFIG_FILE")
    named = config or (setting.value if setting else "")
    if named:
        _add_uv_file(context, collected, named)
        return
    _add_uv_settings_of_folder(context, collected)
    for name in _UV_CONFIGS if may_have_file(context.project, context.run.file, "uv.toml") else ():
        _add_uv_file(context, collected, name)


def _add_uv_file(context: InstallContext, collected: Collected, name: str) -> None:
    if text := copied_text(context.project, name, context.run):
        file, content = text
        toml = TomlFile(file, "\n" * (content.place(0).line - 1) + content.text)
        collected.uv.append(read_uv_settings(toml))
        collected.problems += toml.problems


def _add_uv_settings_of_folder(context: InstallContext, collected: Collected) -> None:
    """Those of uv.toml, else of pyproject.toml, whose table then counts for nothing."""
    path = context.find("uv.toml")
    if path:
        toml = TomlFile(path, context.project.texts[path])
        collected.uv.append(read_uv_settings(toml))
        collected.problems += toml.problems
        return
    python = project_at(context, ".")
    if python:
        collected.uv.append(python.uv)
        for rows, place in (
            (python.uv.constraints, collected.constraints),
            (python.uv.overrides, collected.overrides),
        ):
            place += [hidden_target(text, str(position), origin="pyproject") for text, position in rows]


def project_at(context: InstallContext, folder: str) -> PythonProject | None:
    """The project of a folder of the image: of its pyproject.toml, else of its setup.cfg; None where it has neither."""
    path = context.find(posixpath.join(folder, "pyproject.toml"))
    python = python_project(context.project, path) if path else None
    if python and (python.name or python.poetry):
        return python
    older = context.find(posixpath.join(folder, "setup.cfg"))
    if older is None or (path and posixpath.dirname(older) != posixpath.dirname(path)):
        return python
    project = read_setup_cfg(older, context.project.texts[older])
    return replace(project, uv=python.uv) if python else project


def _add_target(context: InstallContext, collected: Collected, target: InstallTarget, *, is_uv: bool) -> None:
    """A target of a command; of a folder what its project requires, too."""
    collected.targets.append(with_source(context.target, collected.uv, target) if is_uv else target)
    reference = target.reference
    if reference is None or reference.kind != "folder":
        return
    folder = reference.address.removeprefix("file:")
    python = project_at(context, folder)
    if python:
        add_project(context, collected, python, extras=reference.extras, is_uv=is_uv)
    is_complete = python and (python.name or python.poetry) and "dependencies" not in python.dynamic
    program = None if is_complete else context.find(posixpath.join(folder, "setup.py"))
    if program and "install_requires" in context.project.texts[program]:
        message = f"what {program} requires, which is a program"
        collected.problems.append(
            Problem(position=Position(file=program, line=1, column=1), path="", message=message)
        )


def add_project(
    context: InstallContext,
    collected: Collected,
    python: PythonProject,
    *,
    extras: Collection[str] = (),
    groups: Collection[str] = (),
    is_uv: bool = False,
    with_project: bool = True,
) -> None:
    """What a pyproject.toml requires: by `[project]`, the files of its dynamic dependencies, or Poetry's table."""
    key = (python.file, frozenset(extras), frozenset(groups))
    if key in collected.projects:  # a requirement file of a project may name the project
        return
    collected.projects.add(key)
    collected.problems += [problem for problem in python.problems if problem not in collected.problems]
    rows: list[PlacedRequirement] = [*python.required(extras, groups, with_project=with_project)]
    poetry = python.poetry
    if poetry and with_project and not python.dependencies:
        chosen = {name for extra in extras for name in poetry.extras.get(extra, ())}
        rows += [
            (row.text, row.position)
            for row in poetry.dependencies
            if not row.optional or (hidden_target(row.text, "").name in chosen)
        ]
    settings = [python.uv] if is_uv else []
    for text, position in rows:
        target = hidden_target(text, str(position), origin="pyproject")
        marker = target.requirement.marker if target.requirement else None
        if holds(marker, context.target, extras) is not False:
            collected.targets.append(with_source(context.target, settings, target, extras, groups))
    for name in python.requirement_files if with_project else ():
        path = posixpath.join(posixpath.dirname(python.file), name)
        _add_rows(context, collected, path if path in context.project.texts else None, name)


def with_source(
    environment: MarkerTarget,
    settings: Sequence[UvSettings],
    target: InstallTarget,
    extras: Collection[str] = (),
    groups: Collection[str] = (),
) -> InstallTarget:
    """A target with the index, or the address, that `[tool.uv.sources]` gives it in the drafted environment."""
    for table in settings:
        for source in table.sources.get(target.name, ()):
            is_asked_for = (not source.extra or source.extra in extras) and (
                not source.group or source.group in groups
            )
            if is_asked_for and holds(source.marker, environment, extras) is not False:
                return _from_source(table, source, target)
    return target


def _from_source(settings: UvSettings, source: UvSource, target: InstallTarget) -> InstallTarget:
    if source.index:
        index = next((index.url for index in settings.indexes if index.name == source.index), "")
        return replace(target, index=hide_secret(index))
    git = f"git+{source.git}{f'@{source.revision}' if source.revision else ''}" if source.git else ""
    path = f"file:{source.path}" if source.path else ""
    address = git or source.url or path
    if not address:
        return target
    fragment = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
    return hidden_target(
        f"{target.name} @ {address}{fragment}",
        str(source.position),
        origin="pyproject",
        editable=source.editable,
    )


def add_file(context: InstallContext, collected: Collected, name: str, arguments: PipArguments) -> None:
    """A file behind `-r`: a requirement file, a pyproject.toml or a pylock.toml."""
    exported = context.exported(name)
    if exported:
        collected.targets += exported.targets
        collected.locked += exported.locked
        collected.problems += exported.problems
        collected.missing += exported.missing
        return
    path = context.find(name)
    base = posixpath.basename(name)
    if path and base == "pyproject.toml":
        python = python_project(context.project, path)
        extras = python.extras if "--all-extras" in arguments.flags else _texts(arguments, "extra")
        add_project(context, collected, python, extras=extras, is_uv=True)
    elif path and base.startswith("pylock.") and base.endswith(".toml"):
        lock = context.project.locks.get(path) or read_pylock(path, context.project.texts.get(path, ""))
        collected.problems += lock.problems
        rows = [row for row in lock.packages if row.applies(context.target) is not False and not row.is_root]
        collected.targets += [locked_target(lock.file, row) for row in rows]
    else:
        _add_rows(context, collected, path, name)


def _texts(arguments: PipArguments, kind: str) -> list[str]:
    return [word.text for word in arguments.values(kind)]


def _add_rows(context: InstallContext, collected: Collected, path: str | None, name: str) -> None:
    rows = _read_rows(context, name, path)
    if rows is None:
        _add_missing(context, collected, name)
        return
    if path and is_found_by_name(name, path, context.run):
        collected.by_name.append((hide_secret(name), path))
    collected.problems += rows.problems
    collected.problems += [
        Problem(position=row.position, path="", message=f"{hide_secret(row.name)} is not in the project")
        for row in rows.missing
    ]
    collected.options += rows.options
    for row in rows.requirements:
        if row.is_constraint:
            collected.constraints.append(row_target(row))
        else:
            _add_target(context, collected, row_target(row), is_uv=bool(collected.uv))


def _read_rows(
    context: InstallContext, name: str, path: str | None, *, is_constraint: bool = False
) -> RequirementRows | None:
    """The rows of a list in a file of the project, or in a heredoc of the Dockerfile."""
    if path is None:
        return heredoc_rows(context.project, name, context.run, is_constraint=is_constraint)
    return requirement_rows(context.project, path, is_constraint=is_constraint)


def _add_missing(context: InstallContext, collected: Collected, name: str) -> None:
    """A file that is not there: the project has none, or a .dockerignore leaves it out."""
    path = left_out_file(name, context.run)
    if path:
        collected.left_out.append((hide_secret(name), path))
    else:
        collected.missing.append(hide_secret(name))


def _add_constraints(
    context: InstallContext, collected: Collected, name: str, place: list[InstallTarget]
) -> None:
    rows = _read_rows(context, name, context.find(name), is_constraint=True)
    if rows is None:
        _add_missing(context, collected, name)
        return
    collected.problems += rows.problems
    place += map(row_target, rows.requirements)


def _add_groups(context: InstallContext, collected: Collected, arguments: PipArguments) -> None:
    """`--group NAME`, or `--group PATH:NAME`, of pip and `uv pip`."""
    for word in arguments.values("group"):
        path, _, group = word.text.rpartition(":")
        python = project_at(context, posixpath.dirname(path) or ".")
        if python is None:
            collected.missing.append(path or "pyproject.toml")
            continue
        add_project(context, collected, python, groups=[group], is_uv=True, with_project=False)


def locked_target(file: str, package: LockedPackage, extras: str = "") -> InstallTarget:
    """The target of a row of a lock; `extras` as `[a,b]`."""
    location, name = f"{file}:{package.line}:1", f"{package.name}{extras}"
    if package.address and not package.registry:
        place, _, commit = package.address.partition("#")
        is_file = place.endswith((".whl", ".zip", ".tar.gz", ".tgz"))
        git = f"git+{place.partition('?')[0]}{f'@{commit}' if commit else ''}"
        address = package.address if is_file else git if "://" in place else f"file:{place}"
        return hidden_target(f"{name} @ {address}", location, origin="lock")
    text = f"{name}=={package.version}" if package.version else name
    return hidden_target(text, location, origin="lock", index=package.registry)


def unclear_rows(file: str, names: Iterable[str]) -> list[Problem]:
    """Packages of which a lock has several rows, and the environment does not tell which one holds."""
    return [
        Problem(
            position=Position(file=file, line=1, column=1),
            path="",
            message=f"{name} has several rows, and which one holds depends on the Python",
        )
        for name in names
    ]
