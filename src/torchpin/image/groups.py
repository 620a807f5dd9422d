"""Groups of packages: how a lock is cut into the layers of an image.

The cut follows from the lock alone. What is large and rarely moves lies below what is small and often moves, so that a moved
package makes few bytes anew, and what services have in common are the same layers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from torchpin import facts
from torchpin.lock.layers import TORCH, TORCH_DEPS
from torchpin.memory import remembered

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from torchpin.model import Artifact, LayerLock, Lock, WheelContents

# Bytes of a wheel. Both lie in gaps between the sizes of real packages, so that a release seldom crosses them.
LARGE = 8_000_000  # from here on a package is a layer of its own
MEDIUM = 300_000  # below are most packages, which together have a hundredth of an image's bytes
FEW = 16_000_000  # bytes of a layer's medium packages: below these stay with the small ones, which costs one step less
MANY = 30  # small packages that others bring along: from here on those that somebody pins are a layer of their own

Place = Literal["torch", "libraries", "family", "large", "ordered"]
_PLACES: tuple[Place, ...] = ("torch", "libraries", "family", "large", "ordered")

# Parts of layers. An underscore or a capital letter is in no package's name, so that no package has a group of this name.
_FAMILY, _BESIDE, _WITH_TORCH, _MEDIUM, _BROUGHT, _SOURCES, _FILES = (
    "companions", "beside_torch", "with_torch", "up_to_8_MB", "brought_along", "from_source", "from_files",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageGroup:
    """Packages that are installed together and become one layer of an image.

    `layer` is the lock's layer with these packages alone; its name is the group's: that of the lock's layer, for a part of
    it with a dot and the part's name. `place`: `torch` is torch with the largest of its libraries, which a build installs in
    one step; `libraries` are its other large ones; `family` are its companions; `large` is one package, or an ABI wheel;
    `ordered` is everything else, in the order of the lock's layers. The first three lie below system packages, too, and
    depend on torch, channel and Python alone.
    """

    layer: LayerLock
    place: Place

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def file(self) -> str:
        return self.layer.file

    @property
    def packages(self) -> tuple[Artifact, ...]:
        return self.layer.packages


@remembered
def package_groups(lock: Lock) -> tuple[PackageGroup, ...]:
    """The groups of a lock in install order; each installed package is in exactly one.

    A package may come before those of earlier layers only where it is known to share no file with them, so what is installed
    twice is that of the later layer, as if layers were installed one by one. Within a layer nothing is promised. A layer
    that is optional, of ABI wheels, or has nothing to part stays whole.
    """
    wheels = {contents.sha256: contents for contents in lock.wheels}
    names = lock.all_packages.keys()
    groups: list[PackageGroup] = []
    for layer in lock.layers:
        groups += _layer_groups(layer, groups, wheels, names)
    return tuple(group for place in _PLACES for group in groups if group.place == place)


def _layer_groups(
    layer: LayerLock,
    earlier: Sequence[PackageGroup],
    wheels: Mapping[str, WheelContents],
    names: Collection[str],
) -> list[PackageGroup]:
    """The groups of a layer; `earlier` are those of the layers before it, `names` the packages of the whole lock."""
    if not layer.packages:
        return []
    if layer.optional or layer.origin in facts.abi_packages():
        large = any(package.size is None or package.size >= LARGE for package in layer.packages)
        place = _allowed_place("large" if large else "ordered", layer.packages, earlier, wheels)
        return [PackageGroup(layer=layer, place=place)]
    parts: dict[tuple[Place, str], list[Artifact]] = {}
    few = sum(package.size or 0 for package in layer.packages if _part(package, layer)[1] == _MEDIUM) < FEW
    for package in layer.packages:
        place, part = _part(package, layer)
        if _allowed_place(place, [package], earlier, wheels) != place:
            place, part = "ordered", package.name
        parts.setdefault((place, "" if part == _MEDIUM and few else part), []).append(package)
    parts = _with_some_beside_torch(_without_brought(parts, names))
    titles = {part: f"{layer.name}.{part}" if part else layer.name for _, part in parts}
    return [
        PackageGroup(layer=replace(layer, name=titles[part], packages=tuple(parts[place, part])), place=place)
        for place, part in sorted(parts, key=_rank)
    ]


def _with_some_beside_torch(
    parts: Mapping[tuple[Place, str], list[Artifact]],
) -> dict[tuple[Place, str], list[Artifact]]:
    """Parts of which half of torch's libraries by bytes, the largest first, go with torch.

    One wheel is unpacked by one core, so torch's leaves time for as much again; and the two layers are of like size.
    """
    libraries = parts.get(("libraries", _WITH_TORCH), [])
    remaining_bytes = sum(package.size or 0 for package in libraries) // 2
    with_torch = []
    for package in sorted(libraries, key=lambda package: (-(package.size or 0), package.name)):
        if (package.size or 0) > remaining_bytes:
            break
        remaining_bytes -= package.size or 0
        with_torch.append(package)
    if not with_torch:
        return {**parts}
    return {
        **parts,
        ("torch", _BESIDE): [package for package in libraries if package in with_torch],
        ("libraries", _WITH_TORCH): [package for package in libraries if package not in with_torch],
    }


def _without_brought(
    parts: Mapping[tuple[Place, str], list[Artifact]], names: Collection[str]
) -> dict[tuple[Place, str], list[Artifact]]:
    """Parts of which the small packages are two, where many of them only come along.

    A person moves the pin of a package that the description names; then the many below it stay as they are.
    """
    small: tuple[Place, str] = ("ordered", "")
    brought = [package for package in parts.get(small, ()) if {*package.required_by} <= {*names}]
    pinned = [package for package in parts.get(small, ()) if package not in brought]
    if len(brought) < MANY or not pinned:
        return {**parts}
    return {**parts, ("ordered", _BROUGHT): brought, small: pinned}


def _allowed_place(
    place: Place,
    packages: Iterable[Artifact],
    earlier: Sequence[PackageGroup],
    wheels: Mapping[str, WheelContents],
) -> Place:
    """A place where packages overtake none of an earlier layer that they may share files with; else `ordered`."""
    overtaken = [
        package
        for group in earlier
        if _PLACES.index(group.place) > _PLACES.index(place)
        for package in group.packages
    ]
    shares = any(_may_share(package, other, wheels) for package in packages for other in overtaken)
    return "ordered" if shares else place


def _part(package: Artifact, layer: LayerLock) -> tuple[Place, str]:
    """The place of a package, and the name of its part of a layer; "" is the part that keeps the layer's name."""
    if package.is_source or package.origin:
        return "ordered", _SOURCES if package.is_source else _FILES
    if layer.name == TORCH:
        return ("torch", "") if package.name == "torch" else ("family", _FAMILY)
    if package.size is None or package.size < MEDIUM:
        return "ordered", ""
    if package.size < LARGE:
        return "ordered", _MEDIUM
    if layer.name == TORCH_DEPS and "torch" in package.required_by:
        return "libraries", _WITH_TORCH
    return "large", package.name


def _rank(key: tuple[Place, str]) -> tuple[int, int, str]:
    """What sorts the parts of a layer: the largest packages first, and what is built from source last."""
    place, part = key
    order = (_MEDIUM, _BROUGHT, _FILES, "", _SOURCES)
    return _PLACES.index(place), order.index(part) if part in order else -1, part


def _may_share(package: Artifact, other: Artifact, wheels: Mapping[str, WheelContents]) -> bool:
    """Whether two packages may install different bytes to one place; true where that is unknown."""
    contents, others = wheels.get(package.sha256), wheels.get(other.sha256)
    if not contents or not others or contents.unread or others.unread:
        return True
    if contents.contents_of or others.contents_of:  # only their folders are known
        return bool({*contents.installs} & {*others.installs})
    return other.name in {shared.package for shared in contents.shares} or package.name in {
        shared.package for shared in others.shares
    }
