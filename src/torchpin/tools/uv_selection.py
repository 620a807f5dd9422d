"""One run of `uv pip compile` on a project: the file that it selects of each package, and what requires each package."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import tomli_w
from packaging.utils import canonicalize_name

from torchpin.compat.family import channel_names
from torchpin.compat.pins import index_packages
from torchpin.compat.wheels import best_wheel
from torchpin.errors import ToolError
from torchpin.lock import uv_project
from torchpin.parsing import parse_toml
from torchpin.tools import credentials, http, package_files, uv_cutoff
from torchpin.tools.located_files import LocatedArtifact
from torchpin.tools.uv import index_addresses
from torchpin.tools.uv_compile import (
    compile_command,
    pylock_files,
    pylock_packages,
    run_compile,
    temporary_project,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from torchpin.model import Artifact, Environment, Settings
    from torchpin.progress import Step
    from torchpin.tools.package_files import LocatedFile
    from torchpin.tools.uv_cutoff import AgeRule

_PROJECT = " (pyproject.toml)"  # how uv marks it among those that require a package
_PIN_LINE = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+?)\s+# via (?P<via>.+)")
_PYLOCK, _PINS, _SELECTED = "pylock.toml", "pins.txt", "selected.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolvable:
    """A uv project of an environment, and what its resolution reads beside it.

    `text` is its pyproject.toml, `index` the address of the channel, `options` are further ones of uv, `located` the files of
    packages that are in no index, `running` the step that counts what is selected.
    """

    env: Environment
    settings: Settings
    text: str
    index: str | None = None
    options: tuple[str, ...] = ()
    rule: AgeRule | None = None
    located: Sequence[LocatedFile] = ()
    running: Step | None = None

    def write_files(self, folder: Path) -> None:
        if self.located:
            package_files.write_flat_index(folder / uv_project.FILES_FOLDER, self.located)

    def all_options(self) -> tuple[str, ...]:
        return (*self.options, *(self.rule.options() if self.rule else ()))


def select_files(
    project: Resolvable, *, previous: Iterable[Artifact], upgrade: Sequence[str] = ()
) -> list[LocatedArtifact]:
    """The selected file of each package; the versions of `previous` are kept where they fit, but those of `upgrade`.

    Raises FindingsError for files that are younger than the project's rule allows, ToolError as `run_compile` does, and
    where a package has no hashed file for the environment.
    """
    env, settings = project.env, project.settings
    own_files = {
        file.artifact.name: LocatedArtifact(artifact=file.artifact, url=file.url) for file in project.located
    }
    with temporary_project(project.text) as folder:
        project.write_files(folder)
        (folder / _PYLOCK).write_text(preferences(project.text, previous))
        with uv_cutoff.explained(env, settings, folder, project.rule, project.options):
            command = compile_command(env, _PYLOCK, upgrade=upgrade, extra=project.all_options())
            run_compile(env, settings, folder, command, running=project.running)
        packages = pylock_packages(folder)
        files = [
            own_files.get(canonicalize_name(package["name"]))
            or _absolute_url(
                _select_file(env, package), folder, _package_indexes(env, settings, project.index, package)
            )
            for package in packages
        ]
    if project.rule:
        uv_cutoff.judge_age(env, project.rule, packages, [file.artifact for file in files])
    return files


def preferences(project: str, previous: Iterable[Artifact]) -> str:
    """The pylock.toml whose versions uv keeps; each package with its index where the project names one."""
    settings = parse_toml(project).get("tool", {}).get("uv", {})
    addresses = {index["name"]: index["url"] for index in settings.get("index", ())}
    homes = {name: addresses[row["index"]] for name, row in settings.get("sources", {}).items()}
    packages = [
        {
            "name": package.name,
            "version": package.version,
            **({"index": homes[package.name]} if "://" in homes.get(package.name, "") else {}),
        }
        for package in previous
    ]
    return tomli_w.dumps({"lock-version": "1.0", "created-by": "torchpin", "packages": packages})


def required_by(
    project: Resolvable, files: Sequence[LocatedArtifact], members: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """What requires each of the selected files' packages; `members` as in `parse_required_by`.

    uv writes it beside pins alone, and not into a pylock.toml. All that it reads for it is in its cache since the files were
    selected, so no index is asked; where the cache does not have it, as with UV_NO_CACHE, they are.
    """
    env, settings = project.env, project.settings
    with temporary_project(project.text) as folder:
        project.write_files(folder)
        pins = [f"{file.artifact.name}=={file.artifact.version}\n" for file in files]
        (folder / _SELECTED).write_text("".join(pins))
        command = compile_command(env, _PINS, extra=(*project.all_options(), "--constraints", _SELECTED))
        try:
            run_compile(env, settings, folder, (*command, "--offline"))
        except ToolError:
            run_compile(env, settings, folder, command)
        return parse_required_by((folder / _PINS).read_text(), env.service.name, members)


def parse_required_by(pins: str, service: str, members: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """What requires each package, from uv's `# via` comments; the project is the service.

    The service does not require `members`: they stand in the project for the sake of their index.
    """
    required_by: dict[str, tuple[str, ...]] = {}
    for line in pins.splitlines():
        match = _PIN_LINE.match(line)
        if match:
            parents = {
                service if part.endswith(_PROJECT) else canonicalize_name(part.split(" ")[0].split("[")[0])
                for part in match["via"].split(", ")
                if not part.startswith("-c ")  # names the constraints
            }
            name = canonicalize_name(match["name"])
            required_by[name] = tuple(sorted(parents - ({service} if name in members else set())))
    return required_by


def _select_file(env: Environment, package: Mapping[str, Any]) -> LocatedArtifact:
    """The best file of a resolved package for the environment. Raises ToolError when none has a hash and fits."""
    files = {
        artifact.filename: LocatedArtifact(artifact=artifact, url=address)
        for artifact, address in pylock_files(package)
    }
    best = best_wheel((file.artifact for file in files.values()), env.service.python, env.variant.platform)
    if best is None:
        raise ToolError(
            f"{package['name']} {package['version']} has no hashed file for Python {env.service.python} on "
            f"{env.variant.platform}; pin a version that has one"
        )
    return files[best.filename]


def _package_indexes(
    env: Environment, settings: Settings, index: str | None, package: Mapping[str, Any]
) -> tuple[str | None, ...]:
    """The indexes that a package may come from: the channel first for torch's family, else PyPI."""
    own_index = index_packages(env).get(canonicalize_name(package["name"]))
    if own_index:
        address = index_addresses(env, settings)[own_index]
        return (credentials.with_index_credentials(own_index, address, os.environ),)
    pypi = credentials.default_index(settings)
    if index:
        index = credentials.with_index_credentials(env.variant.channel, index, os.environ)
    of_channel = canonicalize_name(package["name"]) in channel_names(env)
    return (index, pypi) if of_channel else (pypi, index)


def _absolute_url(file: LocatedArtifact, folder: Path, mirrors: Iterable[str | None]) -> LocatedArtifact:
    """A file with an absolute address and the mirror's credentials: uv writes local paths relative to its project."""
    if "://" not in file.url:
        return replace(file, url=(folder / file.url).resolve().as_uri())
    return replace(file, url=http.with_credentials(file.url, mirrors))
