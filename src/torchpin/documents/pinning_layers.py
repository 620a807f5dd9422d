"""Layers, locks and records to what docs/PINNING.md says of Python packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.description import environments
from torchpin.documents.markdown import block, code, paragraphs, prose
from torchpin.documents.sections import count, locked, missing, once
from torchpin.lock import layers as lock_layers
from torchpin.records.freeze import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Artifact, Environment, LayerLock, Lock, Service

GIVEN = "from the base image, never installed, always proven"


def packages(service: Service, locks: Mapping[str, Lock], records: Mapping[str, str | None]) -> str:
    here = locked(service, locks)
    parts = []
    if here:
        parts = ["#### Layer torch", once((env, _torch_layer(env, lock)) for env, lock in here)]
    for number, layer in enumerate(service.layers if here else ()):
        may_fail = "Optional: where it cannot be installed, the image goes without it." * layer.optional
        texts = [(env, _declared_layer(env, lock, number)) for env, lock in here]
        lacking = [(env, lacks(layer, records.get(env.name))) for env, layer in _optional(here, number)]
        parts += [f"#### Layer {layer.name}", may_fail, once(texts), once(lacking)]
    return paragraphs(*parts, missing(service, locks))


def _optional(here: Iterable[tuple[Environment, Lock]], number: int) -> list[tuple[Environment, LayerLock]]:
    """A declared layer in every lock that holds it, if it is optional."""
    layers = ((env, _layer(lock, [*lock_layers.declared_layers(env)][number])) for env, lock in here)
    return [(env, layer) for env, layer in layers if layer and layer.optional]


def lacks(layer: LayerLock, freeze: str | None) -> str:
    """What an image's record says is missing of an optional layer."""
    if freeze is None:
        return "What the image has of it is not recorded yet."
    names = sorted({package.name for package in layer.packages} - {*frozen(freeze)})
    if not names:
        return "The recorded image has all of it."
    return f"**Missing in the recorded image**: {', '.join(map(code, names))}."


def _layer(lock: Lock, name: str) -> LayerLock | None:
    return next((layer for layer in lock.layers if layer.name == name), None)


def _torch_layer(env: Environment, lock: Lock) -> str:
    names = [name for name in env.service.torch.family if name in lock.all]
    pins = [f"{name}=={lock.all[name].version}" for name in names]
    if env.service.torch.origin == "base":
        told = [
            f"This comes {GIVEN}; `{lock_layers.GIVEN}.txt` holds it, and everything is resolved with it."
        ]
    else:
        told = [_brings(lock, lock_layers.TORCH, names), _brings(lock, lock_layers.TORCH_DEPS, ())]
    return paragraphs(block(pins), "\n".join(filter(None, told)))


def _declared_layer(env: Environment, lock: Lock, number: int) -> str:
    pins, names = [], []
    for package in env.service.layers[number].packages:
        locked = lock.packages.get(canonicalize_name(package.name))
        if locked:
            extras = f"[{','.join(sorted(package.extras))}]" if package.extras else ""
            pins.append(f"{package.name}{extras}=={locked.version}")
            names.append(locked.name)
    name = [*lock_layers.declared_layers(env)][number]
    layer = _layer(lock, name)
    wheels = [_abi(env, one) for one in layer.packages if one.name in facts.abi_packages()] if layer else []
    return paragraphs(block(pins) if pins else "No package of its own.", _brings(lock, name, names), *wheels)


def _abi(env: Environment, package: Artifact) -> str:
    """Which of a package's wheels this is, and whether the facts still choose it."""
    chosen = facts.wheel(
        package.name,
        package.version,
        python=str(env.service.python),
        torch=str(env.service.torch.version),
        channel=env.variant.channel,
        machine=environments.MACHINES[env.variant.platform],
    )
    if isinstance(chosen, facts.NoWheel):
        why = f"**No longer right**: {prose(chosen.sentence)}."
    elif (chosen.filename, chosen.sha256) != (package.filename, package.sha256):
        why = f"**No longer right**: the facts choose {code(chosen.filename)}, SHA-256 {code(chosen.sha256)}; run `invoke lock --service {env.service.name}`."
    else:
        why = f"Of its wheels, this is the one for Python {env.service.python} ({code(chosen.python)}), torch {chosen.torch}, CUDA {chosen.cuda}, the C++11 ABI {chosen.abi} and {code(chosen.platform)}; it lies at <{chosen.release}>."
    return f"**File**: {code(package.filename)}\n\n**SHA-256**: {code(package.sha256)}\n\n**Why this one**: {why}"


def _brings(lock: Lock, name: str, shown: Iterable[str]) -> str:
    """One line: what else a layer's file holds, how large it all is, and what exists as source only."""
    layer = _layer(lock, name)
    packages = layer.packages if layer else ()
    if not packages:
        return ""
    further = len({package.name for package in packages} - {*shown})
    sizes = [package.size for package in packages if package.size is not None]
    hidden = len(packages) - len(sizes)
    sources = [package.name for package in packages if package.is_source]
    parts = [
        count(further, "further package" if shown else "package"),
        f"{count(len(sizes), 'file')} with {sum(sizes):,} bytes in all" if sizes else "",
        f"{count(hidden, 'file')} of unpublished size" if hidden else "",
        f"as source only: {', '.join(sources)}" if sources else "",
    ]
    why = ", which torch and its companions bring" if name == lock_layers.TORCH_DEPS else ""
    return f"{code(f'{name}.txt')}{why}: {'; '.join(filter(None, parts))}."
