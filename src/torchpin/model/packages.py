"""Packages as a description names them: exact pins, the files that are in no index, indexes, and the layers that install them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from packaging.requirements import Requirement

FileOrigin = Literal["", "address", "repository", "git"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """An index of packages beside PyPI and the channels; its address has no credentials."""

    name: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """Where a package comes from that is in no index: one of a wheel at `url`, a wheel of the repository at `path`, a git commit.

    `sha256` is that of the wheel at `url`; `subdirectory` is the folder of the git repository that the package is in.
    """

    url: str = ""
    sha256: str = ""
    path: str = ""
    git: str = ""
    commit: str = ""
    subdirectory: str = ""

    @property
    def filename(self) -> str:
        """The name of the wheel; "" for a git commit."""
        name = (self.url or self.path).rpartition("/")[2]
        return re.sub("%([0-9A-Fa-f]{2})", lambda escape: chr(int(escape[1], 16)), name) if self.url else name

    @property
    def origin(self) -> FileOrigin:
        return "address" if self.url else "repository" if self.path else "git"


class Package(Requirement):
    """An exact pin with more to say of it: the variants that it is for (all if empty), and its file if it is in no index."""

    def __init__(self, pin: str, *, variants: tuple[str, ...] = (), file: PackageFile | None = None) -> None:
        super().__init__(pin)
        self.variants = variants
        self.file = file

    def __eq__(self, other: object) -> bool:
        of_other = (other.variants, other.file) if isinstance(other, Package) else ((), None)
        return super().__eq__(other) and (self.variants, self.file) == of_other

    def __hash__(self) -> int:
        return super().__hash__()


def package_path(layer: int, index: int, package: Requirement) -> str:
    """The key path of a pin by the numbers of its layer and of its place in it."""
    return f"layers[{layer}].packages[{index}]" + (".pin" if isinstance(package, Package) else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """An install step; when an optional one fails, the image is built without it.

    `index` names the index of its packages, "" for PyPI; `variants` are those that have the layer, all if empty.
    """

    name: str
    packages: tuple[Requirement, ...]
    optional: bool = False
    index: str = ""
    variants: tuple[str, ...] = ()
