"""The plan of the stage that compiles wheels: its install steps, variables and wheels, and the files that it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.compat.compiled import build_variables, wheel_name
from torchpin.description.environments import mirror_variable
from torchpin.image.steps import InstallStep, install_step
from torchpin.lock import file_format
from torchpin.lock.dependencies import required_closure
from torchpin.lock.layers import TORCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import AptRepository, Artifact, BuiltWheel, Environment, LayerLock, Lock

REQUIREMENTS, ARCHIVES = paths.lock_file(file_format.STAGE), paths.lock_file("build-archives")


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledWheel:
    """One wheel. `context` is the folder of the build context that it is made from, "" for a source archive."""

    name: str
    pin: str
    context: str
    archive: str
    command: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StagePlan:
    """The values of the stage that the Dockerfile template may use.

    `archives` is the layer file of the source archives, "" without any; `mirror` the variable that replaces their index.
    """

    base: str
    apt: tuple[str, ...]
    steps: tuple[InstallStep, ...]
    archives: str
    mirror: str
    env: Mapping[str, str]
    ccache: bool
    wheels: tuple[CompiledWheel, ...]


def stage_plan(env: Environment, lock: Lock) -> StagePlan | None:
    """The stage of an environment; None: it compiles nothing."""
    if env.stage is None:
        return None
    torch = [layer for layer in lock.layers if layer.name == TORCH and layer.packages]
    tools = _installed_layer(lock)
    archives = {package.name: package.filename for package in _archives(lock)}
    apt = tuple(package.partition("=")[0] for package in env.stage.apt)
    ccache = "ccache" in apt
    return StagePlan(
        base=env.stage.base.reference,
        apt=env.stage.apt,
        steps=tuple(install_step(env, layer) for layer in (*torch, *([tools] if tools else []))),
        archives=ARCHIVES if archives else "",
        mirror=mirror_variable("pypi"),
        env=(_CCACHE if ccache else {}) | build_variables(env),
        ccache=ccache,
        wheels=tuple(_compiled_wheel(wheel, archives) for wheel in env.stage.wheels),
    )


# torch runs nvcc by this name; the compilers are found by PATH, where Debian's ccache has links of their names.
_CCACHE = {"CCACHE_DIR": "/run/torchpin/ccache", "PYTORCH_NVCC": "ccache nvcc"}


def _compiled_wheel(wheel: BuiltWheel, archives: Mapping[str, str]) -> CompiledWheel:
    name = wheel_name(wheel)
    context = f"sources/{wheel.source}" if wheel.source else f"build/{name}" if wheel.folder else ""
    return CompiledWheel(
        name=name,
        pin=str(wheel.package),
        context=context,
        archive="" if context else archives.get(name, ""),
        command=wheel.command,
    )


def compiled_folders(env: Environment) -> tuple[str, ...]:
    """The paths in the build context of the folders that wheels are compiled from, in the order of `copied_files`."""
    wheels = env.stage.wheels if env.stage else ()
    return tuple(f"build/{wheel_name(wheel)}" for wheel in wheels if wheel.folder)


def _archives(lock: Lock) -> list[Artifact]:
    return [package for package in lock.stage.packages if package.is_source] if lock.stage else []


def _installed_layer(lock: Lock) -> LayerLock | None:
    """What is installed beside torch: what torch requires, and what the wheels are built by, which wins.

    None where that is nothing. All of it is on PyPI.
    """
    if lock.stage is None:
        return None
    tools = {package.name: package for package in lock.stage.packages if not package.is_source}
    in_torch_layer = {
        package.name for layer in lock.layers if layer.name == TORCH for package in layer.packages
    }
    closure = required_closure(lock.packages.values(), ["torch"]) - in_torch_layer - {"torch"}
    needed = {name: lock.packages[name] for name in closure if name in lock.packages}
    packages = tuple(package for _, package in sorted((needed | tools).items()))
    return replace(lock.stage, packages=packages) if packages else None


def stage_files(env: Environment, lock: Lock) -> dict[str, str]:
    """The files of the build context that the stage installs from, path to text."""
    if env.stage is None or lock.stage is None:
        return {}
    installed = _installed_layer(lock)
    archives = replace(lock.stage, packages=tuple(_archives(lock)))
    layers = {REQUIREMENTS: installed, ARCHIVES: archives if archives.packages else None}
    return {
        f"layers/{name}": file_format.installer_requirements(layer) for name, layer in layers.items() if layer
    }


def repository_files(repositories: tuple[AptRepository, ...], keys: Mapping[str, str]) -> dict[str, str]:
    """The files of Debian repositories below `apt/` in the build context: of each one its deb822 source and its key.

    `keys` are the texts of the keys by their paths.
    """
    files: dict[str, str] = {}
    for repository in repositories:
        fields = {
            "Types": "deb",
            "URIs": repository.url,
            "Suites": repository.suite,
            "Components": " ".join(repository.components),
            "Signed-By": f"/etc/apt/keyrings/{repository.name}.asc",
        }
        lines = (f"{name}: {value}\n" for name, value in fields.items() if value)
        files[f"apt/{repository.name}.sources"] = "".join(lines)
        files[f"apt/{repository.name}.asc"] = keys[repository.key]
    return files
