"""The Python packages of each layer: a section of a service's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts, paths
from torchpin.compat.pins import extras_text
from torchpin.compat.recommendations import installed_requirements
from torchpin.description.environments import MACHINES
from torchpin.documents.markdown import block, code, paragraphs, prose
from torchpin.documents.sections import group_by_text, locked_environments, missing_locks_text, pluralize
from torchpin.lock.file_format import BUILD, PROVIDED
from torchpin.lock.layers import TORCH, TORCH_DEPS, declared_layers, source_layers
from torchpin.records.freeze import parse_freeze

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Artifact, Environment, Layer, LayerLock, Lock, Service

PROVIDED_NOTE = "from the base image, never installed, always verified"


def packages_section(service: Service, locks: Mapping[str, Lock], records: Mapping[str, str | None]) -> str:
    env_locks = locked_environments(service, locks)
    parts = []
    if env_locks:
        parts = [
            "### Layer torch",
            group_by_text((env, _torch_layer_text(env, lock)) for env, lock in env_locks),
        ]
    for layer in service.layers if env_locks else ():
        may_fail = "Optional: if it cannot be installed, the image is built without it." * layer.optional
        only = f"Only in {', '.join(map(code, layer.variants))}." if layer.variants else ""
        having = [(env, lock) for env, lock in env_locks if _lock_name(env, layer)]
        texts = [(env, _declared_layer_text(env, lock, layer)) for env, lock in having]
        lacking = [
            (env, missing_packages_text(layer_lock, records.get(env.name)))
            for env, layer_lock in _optional_layers(having, layer)
        ]
        parts += [f"### Layer {layer.name}", only, may_fail, group_by_text(texts), group_by_text(lacking)]
    for number, source in enumerate(source for source in service.sources if source.install and env_locks):
        texts = [(env, _source_layer_text(env, lock, number)) for env, lock in env_locks]
        parts += [f"### Layer {source.name}", group_by_text(texts)]
    return paragraphs(*parts, missing_locks_text(service, locks))


def _optional_layers(
    env_locks: Iterable[tuple[Environment, Lock]], declared: Layer
) -> list[tuple[Environment, LayerLock]]:
    """A declared layer in each lock, if it is optional."""
    layers = ((env, _find_layer(lock, _lock_name(env, declared))) for env, lock in env_locks)
    return [(env, layer) for env, layer in layers if layer and layer.optional]


def _lock_name(env: Environment, declared: Layer) -> str:
    """The numbered name of a declared layer in the lock of an environment; "" where its variant has no such layer."""
    return next((name for name, layer in declared_layers(env).items() if layer.name == declared.name), "")


def missing_packages_text(layer: LayerLock, freeze: str | None) -> str:
    """The packages of an optional layer that an image's freeze record does not have."""
    if freeze is None:
        return "What the image has of it is not recorded yet."
    names = sorted({package.name for package in layer.packages} - {*parse_freeze(freeze)})
    if not names:
        return "The recorded image has all of it."
    return f"**Missing in the recorded image**: {', '.join(map(code, names))}."


def _find_layer(lock: Lock, name: str) -> LayerLock | None:
    return next((layer for layer in lock.layers if layer.name == name), None)


def _torch_layer_text(env: Environment, lock: Lock) -> str:
    layer = lock.provided or _find_layer(lock, TORCH)
    brought = [package.name for package in layer.packages] if layer else []
    names = [
        name for name in dict.fromkeys([*env.service.torch.family, *brought]) if name in lock.all_packages
    ]
    pins = [f"{name}=={lock.all_packages[name].version}" for name in names]
    if env.service.torch.origin == "base":
        notes = [
            f"This is {PROVIDED_NOTE}; {code(paths.lock_file(PROVIDED))} lists it, and everything is resolved with it."
        ]
    else:
        notes = [_layer_summary(lock, TORCH, names), _layer_summary(lock, TORCH_DEPS, ())]
    return paragraphs(block(pins), "\n".join(filter(None, notes)))


def _declared_layer_text(env: Environment, lock: Lock, declared: Layer) -> str:
    pins, names = [], []
    name = _lock_name(env, declared)
    for package in declared_layers(env)[name].packages:
        locked_package = lock.packages.get(canonicalize_name(package.name))
        if locked_package:
            pins.append(f"{package.name}{extras_text(package.extras)}=={locked_package.version}")
            names.append(locked_package.name)
    layer = _find_layer(lock, name)
    wheels = (
        [_abi_wheel_text(env, package) for package in layer.packages if package.name in facts.abi_packages()]
        if layer
        else []
    )
    return paragraphs(
        block(pins) if pins else "No package of its own.", _layer_summary(lock, name, names), *wheels
    )


def _source_layer_text(env: Environment, lock: Lock, number: int) -> str:
    """The packages that a source asks for and that no layer above pins, and what comes with them."""
    name, source = [*source_layers(env).items()][number]
    layer = _find_layer(lock, name)
    upstreams = [upstream for upstream in lock.upstreams if upstream.source == source.name]
    required_names = {
        canonicalize_name(row.name) for upstream in upstreams for row in installed_requirements(env, upstream)
    }
    packages = [package for package in (layer.packages if layer else ()) if package.name in required_names]
    itself = (
        f"The source itself is installed after it, built with {code(paths.lock_file(BUILD))}."
        if source.is_package
        else ""
    )
    pins = [f"{package.name}=={package.version}" for package in packages]
    return paragraphs(
        f"What {prose(source.name)} {code(source.version)} asks for, and no layer above pins.",
        block(pins) if pins else "No package of its own.",
        _layer_summary(lock, name, [package.name for package in packages]),
        itself,
    )


def _abi_wheel_text(env: Environment, package: Artifact) -> str:
    """The locked wheel of an ABI-bound package, and whether the facts still select it for the environment."""
    chosen = facts.find_wheel(
        package.name,
        package.version,
        python=str(env.service.python),
        torch=str(env.service.torch.version),
        channel=env.variant.channel,
        machine=MACHINES[env.variant.platform],
    )
    if isinstance(chosen, facts.NoWheel):
        why = f"**Out of date**: {prose(chosen.message)}."
    elif (chosen.filename, chosen.sha256) != (package.filename, package.sha256):
        why = f"**Out of date**: the facts select {code(chosen.filename)}, SHA-256 {code(chosen.sha256)}; run `invoke lock --service {env.service.name}`."
    else:
        why = f"This is the wheel for Python {env.service.python} ({code(chosen.python)}), torch {chosen.torch}, CUDA {chosen.cuda}, the C++11 ABI {chosen.abi} and {code(chosen.platform)}; it is published at <{chosen.release}>."
    return f"**File**: {code(package.filename)}\n\n**SHA-256**: {code(package.sha256)}\n\n**Why this one**: {why}"


def _layer_summary(lock: Lock, name: str, shown: Iterable[str]) -> str:
    """One line about a layer's lock file: how many packages besides `shown`, their size, and those without a wheel."""
    layer = _find_layer(lock, name)
    packages = layer.packages if layer else ()
    if not packages:
        return ""
    further = len({package.name for package in packages} - {*shown})
    sizes = [package.size for package in packages if package.size is not None]
    hidden = len(packages) - len(sizes)
    sources = [package.name for package in packages if package.is_source]
    parts = [
        pluralize(further, "further package" if shown else "package"),
        f"{pluralize(len(sizes), 'file')} with {sum(sizes):,} bytes in all" if sizes else "",
        f"{pluralize(hidden, 'file')} of unpublished size" if hidden else "",
        f"as source only: {', '.join(sources)}" if sources else "",
    ]
    why = ", the dependencies of torch and its companions" if name == TORCH_DEPS else ""
    return f"{code(paths.lock_file(name))}{why}: {'; '.join(filter(None, parts))}."
