"""The layers of a lock: their names, the split of a resolution into them, and whether they are up to date."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import paths
from torchpin.compat.compiled import archive_versions, compiled_versions
from torchpin.compat.family import channel_names
from torchpin.compat.recommendations import installed_requirements
from torchpin.compat.wheels import abi_pin
from torchpin.description.environments import service_index
from torchpin.errors import InputError
from torchpin.lock import file_format, sealing
from torchpin.lock.dependencies import required_closure
from torchpin.lock.file_format import BUILD, PROVIDED, STAGE
from torchpin.memory import remembered
from torchpin.model import Artifact, Environment, LayerLock, Lock, Package

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.model import Layer, Source, Upstream

TORCH, TORCH_DEPS = "00-torch", "01-torch-deps"
OUT_OF_DATE = "no longer matches its description"


def _torch_layers(env: Environment) -> tuple[str, ...]:
    """The layers that torchpin adds before the declared ones."""
    return (TORCH, TORCH_DEPS) if env.service.torch.origin == "index" else ()


@remembered
def declared_layers(env: Environment) -> Mapping[str, Layer]:
    """The declared layers by their numbered names, such as `02-training`."""
    first = len(_torch_layers(env)) or 1  # 00 is the layer that the base image provides
    return {f"{number:02}-{layer.name}": layer for number, layer in enumerate(env.layers, start=first)}


@remembered
def source_layers(env: Environment) -> Mapping[str, Source]:
    """The layers of sources whose requirements are installed, by their numbered names: they come after the declared ones."""
    first = (len(_torch_layers(env)) or 1) + len(env.layers)
    installed = [source for source in env.service.sources if source.install]
    return {f"{number:02}-{source.name}": source for number, source in enumerate(installed, start=first)}


def layer_names(env: Environment) -> tuple[str, ...]:
    """The names of all installed layers, in install order."""
    return (*_torch_layers(env), *declared_layers(env), *source_layers(env))


def inputs_digest(env: Environment, layer: str) -> str:
    """The digest of the parts of a description that a layer depends on; when it changes, the layer is out of date."""
    inputs: dict[str, object] = {"python": str(env.service.python), "platform": env.variant.platform}
    if layer in {TORCH, TORCH_DEPS, PROVIDED}:
        inputs["channel"] = env.variant.channel
        inputs["torch"] = {name: str(version) for name, version in env.service.torch.family.items()}
    elif source := source_layers(env).get(layer):
        # the commit decides what is in its files
        inputs |= {"source": [source.commit, *source.requirements], "install": source.install}
        inputs |= {"without": sorted(source.without)} if source.without else {}
    elif layer == STAGE:
        inputs["requires"] = sorted(str(package) for package in env.stage.requires) if env.stage else []
        inputs["archives"] = sorted(archive_versions(env).items())
        # what is compiled of a source or a folder is left out of the resolution, too
        compiled = sorted(compiled_versions(env).keys() - archive_versions(env).keys())
        inputs |= {"compiled": compiled} if compiled else {}
    elif layer != BUILD:
        declared = declared_layers(env)[layer]
        inputs["packages"] = sorted(str(package) for package in declared.packages)
        inputs["optional"] = declared.optional
        inputs |= _origin_inputs(env, declared)
        # The file of an ABI wheel depends on the torch build too.
        inputs |= {"torch": f"{env.service.torch.version}+{env.variant.channel}"} if abi_pin(declared) else {}
    if env.service.overrides and layer not in {PROVIDED, BUILD, STAGE}:
        inputs["overrides"] = sorted(str(override.package) for override in env.service.overrides)
    return sealing.digest(json.dumps(inputs, sort_keys=True))


def _origin_inputs(env: Environment, layer: Layer) -> dict[str, object]:
    """What a layer's files depend on beside its pins, where they are not PyPI's: the index, and the files that pins name."""
    index = service_index(env, layer.index)
    files = {
        str(package): asdict(package.file)
        for package in layer.packages
        if isinstance(package, Package) and package.file
    }
    return {**({"index": [index.name, index.url]} if index else {}), **({"files": files} if files else {})}


@remembered
def outdated_files(env: Environment, lock: Lock) -> tuple[tuple[str, str, str], ...]:
    """The files of a lock that do not match the description, as (file, message, subject); none if it is up to date."""
    rows = [*_outdated_layers(env, lock)]
    is_provided = env.service.torch.origin == "base"
    if is_provided != bool(lock.provided) or (
        lock.provided and lock.provided.inputs_digest != inputs_digest(env, PROVIDED)
    ):
        rows.append(
            (paths.lock_file(PROVIDED), "does not match the torch that the base image provides", PROVIDED)
        )
    return (
        *rows,
        *_outdated_build(env, lock),
        *_outdated_stage(env, lock),
        *_outdated_upstreams(env, lock),
    )


def _outdated_layers(env: Environment, lock: Lock) -> Iterator[tuple[str, str, str]]:
    layers = {layer.name: layer for layer in lock.layers}
    for name in layer_names(env):
        layer = layers.pop(name, None)
        if not layer:
            yield paths.lock_file(name), "is missing", name
        elif layer.inputs_digest != inputs_digest(env, name):
            yield paths.lock_file(name), OUT_OF_DATE, name
        elif layer.environment != env.name:
            yield paths.lock_file(name), f"is locked for another environment, {layer.environment}", name
    for name in layers:
        yield paths.lock_file(name), "is of a layer that is not in the description", name


def _outdated_build(env: Environment, lock: Lock) -> Iterator[tuple[str, str, str]]:
    built_sources = {upstream.source for upstream in lock.upstreams if upstream.build}
    source_only = sorted(
        built_sources | {name for name, package in lock.packages.items() if package.is_source}
    )
    packages = lock.build.packages if lock.build else ()
    built = sorted({name for package in packages for name in package.required_by})
    if source_only != built:
        names = ", ".join(source_only) or "none"
        yield paths.lock_file(BUILD), f"does not match the source-only packages of the lock ({names})", BUILD
    if lock.build and lock.build.inputs_digest != inputs_digest(env, BUILD):
        yield paths.lock_file(BUILD), OUT_OF_DATE, BUILD


def _outdated_stage(env: Environment, lock: Lock) -> Iterator[tuple[str, str, str]]:
    if bool(env.stage) != bool(lock.stage):
        message = "is missing" if env.stage else "is of a build stage that is not in the description"
        yield paths.lock_file(STAGE), message, STAGE
    elif lock.stage and lock.stage.inputs_digest != inputs_digest(env, STAGE):
        yield paths.lock_file(STAGE), OUT_OF_DATE, STAGE


def _outdated_upstreams(env: Environment, lock: Lock) -> Iterator[tuple[str, str, str]]:
    described = {
        (source.name, source.tag, source.commit, " ".join(source.requirements), source.is_package)
        for source in env.service.sources
        if source.requirements or source.is_package
    }
    locked = {
        (upstream.source, upstream.tag, upstream.commit, upstream.file, bool(upstream.distribution))
        for upstream in lock.upstreams
    }
    for name in sorted({row[0] for row in described ^ locked}):
        yield file_format.upstream_file(name), OUT_OF_DATE, name


def split_layers(
    env: Environment, packages: Sequence[Artifact], *, uv: str, upstreams: Iterable[Upstream] = ()
) -> tuple[tuple[LayerLock, ...], LayerLock | None]:
    """One resolution as install layers, and the layer that the base image provides (None if it provides no torch).

    `required_by` of the packages is the dependency graph; a declared package is required by the service. `upstreams` have
    what the sources require. Raises
    InputError if an ABI wheel requires a package that no layer can hold.
    """
    layer_of = _assign_layers(env, packages, _source_roots(env, upstreams))
    layers: dict[str, list[Artifact]] = {
        name: [] for name in (TORCH, TORCH_DEPS, *declared_layers(env), *source_layers(env))
    }
    for artifact in sorted(packages, key=lambda artifact: artifact.name):
        layers[layer_of.get(artifact.name, TORCH_DEPS)].append(artifact)
    layer_locks = {
        name: layer_lock(env, name, content, uv=uv)
        for name, content in layers.items()
        if name in layer_names(env)
    }
    provided_layer = (
        layer_lock(env, PROVIDED, layers[TORCH], uv=uv) if env.service.torch.origin == "base" else None
    )
    return tuple(layer_locks.values()), provided_layer


def _source_roots(env: Environment, upstreams: Iterable[Upstream]) -> dict[str, list[str]]:
    """The packages that each installed source requires, by its layer."""
    roots: dict[str, list[str]] = {
        upstream.source: [canonicalize_name(row.name) for row in installed_requirements(env, upstream)]
        for upstream in upstreams
    }
    return {name: roots.get(source.name, []) for name, source in source_layers(env).items()}


def _assign_layers(
    env: Environment, packages: Sequence[Artifact], source_roots: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """The layer of each package that is declared or required by a declared one; those of torch alone are left out.

    Torch's family is in one layer, since the files of a layer have one origin, whoever requires a member of it.
    A package goes into the first layer that requires it. Optional layers are last, so that what another layer requires
    is not lost when an optional one fails. What only an ABI wheel or a layer with an index of its own requires goes into the
    first plain layer, since the files of a layer have one origin.
    """
    family = channel_names(env)
    declared = declared_layers(env)
    own_layers = [name for name, layer in declared.items() if abi_pin(layer) or layer.index]
    plain = [name for name in declared if name not in own_layers]
    plain_layers = [
        *(name for name in plain if not declared[name].optional),
        *source_roots,
        *(name for name in plain if declared[name].optional),
    ]
    layer_of = dict.fromkeys(family, TORCH)
    for name, layer in declared.items():
        members = {canonicalize_name(package.name) for package in layer.packages}
        layer_of |= dict.fromkeys(members - family, name)
    for name, roots in source_roots.items():
        layer_of |= dict.fromkeys({*roots} - {*layer_of}, name)
    for name in [*plain_layers, *own_layers]:
        roots = [package for package, layer in layer_of.items() if layer == name]
        for package in sorted(required_closure(packages, roots, without=family) - {*layer_of}):
            if not plain_layers and env.service.torch.origin == "index":
                continue  # it goes into the layer of torch's dependencies
            if not plain_layers:
                raise InputError(
                    f"{env.service.file}: {roots[0]} requires {package}, and no layer is from PyPI; add one"
                )
            layer_of[package] = name if name in plain_layers else plain_layers[0]
    return layer_of


def layer_index(env: Environment, layer: str) -> str:
    """The origin of a layer's files: a channel, `pypi`, an index of the description, or the package of its ABI wheel."""
    if layer in {TORCH, PROVIDED}:
        return env.variant.channel
    declared = declared_layers(env).get(layer)
    pin = abi_pin(declared) if declared else None
    return canonicalize_name(pin.name) if pin else (declared and declared.index) or "pypi"


def layer_lock(env: Environment, name: str, packages: Iterable[Artifact], *, uv: str) -> LayerLock:
    """A layer with its header; `uv` is the release that resolved it."""
    declared = declared_layers(env).get(name)
    return LayerLock(
        environment=env.name,
        name=name,
        origin=layer_index(env, name),
        python=str(env.service.python),
        platform=env.variant.platform,
        uv=uv,
        inputs_digest=inputs_digest(env, name),
        packages=tuple(packages),
        optional=bool(declared and declared.optional),
    )
