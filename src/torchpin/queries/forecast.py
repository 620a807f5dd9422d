"""What an image will cost in bytes: to download, to keep, to build, to push after an update, and to pull beside another.

The bytes of packages follow from the lock alone. What a wheel has unpacked is in the lock, unless it was locked before that
was read; then it is estimated.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.image.groups import package_groups
from torchpin.image.steps import BELOW_APT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.image.groups import PackageGroup
    from torchpin.model import Artifact, Environment, Lock

# Bytes on a disk for a byte of a wheel, where the lock does not say it: 3.34 GB of 171 wheels of an image with torch 2.5.1
# were 6.25 GB unpacked.
UNPACKED_RATIO = 1.87
LARGEST = 10  # packages that are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Bytes:
    """A number of bytes; `exact` is whether all of it is known, else a part is estimated."""

    count: int
    exact: bool = True

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(count=self.count + other.count, exact=self.exact and other.exact)


NO_BYTES = Bytes(count=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseBytes:
    """The bytes of a base image: compressed in its registry, and on a disk; None where no registry or engine gives them."""

    download: int | None = None
    unpacked: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerBytes:
    """A layer of packages. `download`: of its wheels, and about those of the layer in a registry; `chain`: a digest of it
    and of all below it.
    """

    name: str
    place: str
    packages: tuple[str, ...]
    download: Bytes
    unpacked: Bytes
    chain: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """What a kind of update pushes: the layers whose content differs then."""

    kind: str
    layers: tuple[str, ...]
    download: Bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Pull:
    """What a host pulls that has the image of another environment: all but the layers that both begin with."""

    environment: str
    shared: Bytes
    download: Bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """The bytes of an environment's image. `own_files` are the copied files of the service.

    `unknown` names what no table has the bytes of; it is part of no sum.
    """

    environment: str
    base_image: str
    base: BaseBytes
    layers: tuple[LayerBytes, ...]
    own_files: int
    largest: tuple[tuple[str, Bytes], ...]
    pushes: tuple[Push, ...]
    pulls: tuple[Pull, ...]
    unknown: tuple[str, ...]

    @property
    def download(self) -> Bytes:
        """What a build downloads, without the base image where its bytes are unknown."""
        return sum((layer.download for layer in self.layers), Bytes(count=self.base.download or 0))

    @property
    def packages(self) -> Bytes:
        """The packages on a disk."""
        return sum((layer.unpacked for layer in self.layers), NO_BYTES)

    @property
    def image(self) -> Bytes:
        """The image on a disk, without what is unknown."""
        return self.packages + Bytes(count=self.own_files + (self.base.unpacked or 0))

    @property
    def peak(self) -> Bytes:
        """What a build needs of the engine's disk at once: the image, and the largest step's downloads beside it."""
        downloads = [layer.download for layer in self.layers]
        return self.image + max(downloads, key=lambda entry: entry.count, default=NO_BYTES)


def forecast(
    env: Environment,
    lock: Lock,
    *,
    base: BaseBytes,
    own_files: int,
    others: Sequence[tuple[Environment, Lock]] = (),
) -> Forecast:
    """The bytes of an environment's image. `others` are environments whose images a host may have."""
    layers = layer_bytes(env, lock)
    wheels = unpacked_bytes(lock)
    installed = [package for group in package_groups(lock) for package in group.packages]
    largest = sorted(installed, key=lambda package: (-_unpacked(package, wheels).count, package.name))
    return Forecast(
        environment=env.name,
        base_image=env.base.reference,
        base=base,
        layers=layers,
        own_files=own_files,
        largest=tuple((package.name, _unpacked(package, wheels)) for package in largest[:LARGEST]),
        pushes=_pushes(layers, base, own_files),
        pulls=tuple(_pull(env, layers, base, other, locked) for other, locked in others),
        unknown=tuple(_unknown(env, lock, base)),
    )


def unpacked_bytes(lock: Lock) -> Mapping[str, int]:
    """The unpacked bytes of the wheels of a lock, by SHA-256, as far as they were read."""
    return {wheel.sha256: wheel.unpacked for wheel in lock.wheels if wheel.unpacked}


def layer_bytes(env: Environment, lock: Lock) -> tuple[LayerBytes, ...]:
    """The layers of packages of an environment's image, the lowest first."""
    wheels = unpacked_bytes(lock)
    chain = _digest([env.base.reference, str(env.service.python), env.variant.platform])
    apt = _digest([*env.service.apt, *map(repr, env.service.apt_repositories)])
    groups = package_groups(lock)
    torch = [package.sha256 for group in groups if group.place == "torch" for package in group.packages]
    chain = _digest([chain, *sorted(torch)])  # one layer of an image that is built
    layers = []
    below_apt = True
    for group in groups:
        if below_apt and group.place not in BELOW_APT:
            chain, below_apt = _digest([chain, apt]), False
        chain = _digest([chain, *sorted(package.sha256 for package in group.packages)])
        layers.append(_layer(group, wheels, chain))
    return tuple(layers)


def _layer(group: PackageGroup, wheels: Mapping[str, int], chain: str) -> LayerBytes:
    return LayerBytes(
        name=group.name,
        place=group.place,
        packages=tuple(package.name for package in group.packages),
        download=_total(
            Bytes(count=package.size or 0, exact=bool(package.size)) for package in group.packages
        ),
        unpacked=_total(_unpacked(package, wheels) for package in group.packages),
        chain=chain,
    )


def _unpacked(package: Artifact, wheels: Mapping[str, int]) -> Bytes:
    unpacked = wheels.get(package.sha256)
    return (
        Bytes(count=unpacked)
        if unpacked
        else Bytes(count=round((package.size or 0) * UNPACKED_RATIO), exact=False)
    )


def _pushes(layers: Sequence[LayerBytes], base: BaseBytes, own_files: int) -> tuple[Push, ...]:
    """What the kinds of updates push. Layers have the same bytes on each machine, so those that did not change are there."""

    def push(kind: str, changed: Iterable[LayerBytes]) -> Push:
        names = tuple(layer.name for layer in changed)
        return Push(
            kind=kind,
            layers=names,
            download=_total(layer.download for layer in layers if layer.name in names),
        )

    small = [layer for layer in layers if layer.place == "ordered"]
    large = [layer for layer in layers if layer.place == "large"]
    leaves = sorted(small, key=lambda layer: len(layer.packages))[-1:]
    return (
        push("torch", [layer for layer in layers if layer.place in BELOW_APT]),
        *(push(f"the largest of the others, {layer.name}", [layer]) for layer in _heaviest(large)),
        *(push(f"a small package, in {layer.name}", [layer]) for layer in leaves),
        Push(kind="own files", layers=(), download=Bytes(count=own_files)),
        Push(
            kind="base image", layers=(), download=Bytes(count=base.download or 0, exact=bool(base.download))
        ),
    )


def _heaviest(layers: Sequence[LayerBytes]) -> Sequence[LayerBytes]:
    return sorted(layers, key=lambda layer: layer.download.count)[-1:]


def _pull(
    env: Environment, layers: Sequence[LayerBytes], base: BaseBytes, other: Environment, locked: Lock
) -> Pull:
    """What is pulled beside another image: an engine has a layer only where it has all that lie below it, too."""
    chains = {layer.chain for layer in layer_bytes(other, locked)}
    shared = _total(layer.download for layer in layers if layer.chain in chains)
    missing = _total(layer.download for layer in layers if layer.chain not in chains)
    base_bytes = Bytes(count=base.download or 0)
    if other.base.reference == env.base.reference:
        return Pull(environment=other.name, shared=shared + base_bytes, download=missing)
    return Pull(environment=other.name, shared=shared, download=missing + base_bytes)


def _unknown(env: Environment, lock: Lock, base: BaseBytes) -> Iterable[str]:
    """What of an image no table has the bytes of."""
    if base.download is None or base.unpacked is None:
        yield f"the base image {env.base.reference}"
    if env.service.torch.origin != "base":
        yield f"Python {env.service.python}, unless the base image has it"
    if env.service.apt:
        yield f"{len(env.service.apt)} system packages with what they require"
    unsized = [package.name for package in lock.packages.values() if package.size is None]
    if unsized:
        yield f"the files of {', '.join(sorted(unsized))}"


def _total(parts: Iterable[Bytes]) -> Bytes:
    return sum(parts, NO_BYTES)


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
