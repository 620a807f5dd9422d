"""The rows of the tables about packages as frozen values: what they require, overwrite, bring and are built for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torchpin.facts.rows import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class UndeclaredRequirement(Row):
    """Where `when` is installed, `needs` must hold; `seen`: the package's metadata declares it.

    `instead`: the pin that satisfies it where it does not hold. `interface`: the id of the removal that causes it.
    """

    id: str
    when: str
    needs: str
    because: str
    seen: bool
    only: str = ""
    capability: str | None = None
    instead: str | None = None
    interface: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Partner(Row):
    """The torch that versions of a package go with, as a specifier; `declared`: their METADATA have it.

    `because`: what happens with another torch.
    """

    package: str
    torch: str
    versions: tuple[str, ...]
    declared: bool
    because: str = ""
    level: Literal["error", "warning", "notice"] = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelPackage(Row):
    """A package with a build for each channel; `because`: why another channel's build does not work."""

    package: str
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal(Row):
    """An interface that is removed in `version`; `newest`: the version that a resolver selects on the row's date."""

    id: str
    package: str
    version: str
    what: str
    newest: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict(Row):
    """Distributions that overwrite each other's files."""

    id: str
    names: tuple[str, ...]
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CudaBuild(Row):
    """The CUDA major that versions of a package are built for, where their metadata do not tell; `when` is a specifier.

    `libraries`: packages of the toolkit, without suffix, that it loads when it first uses a GPU. `cudnn`: the major of the
    cuDNN that it loads; None: none.
    """

    package: str
    when: str
    cuda: int
    libraries: tuple[str, ...]
    cudnn: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LibraryChoice(Row):
    """How a package chooses among its libraries for CUDA versions: `exact`, or another of the same `major` where it has one.

    `when`: the versions of the package, as a specifier; `variable`: what names another version at run time, as digits.
    """

    package: str
    when: str
    choice: Literal["exact", "major"]
    variable: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImpliedPackages(Row):
    """The packages that a requirement pulls in, of those that conflicts name."""

    when: str
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeNeeds(Row):
    """The system libraries that a package requires; `machines`: those that it has wheels for, empty for all."""

    package: str
    apt: tuple[str, ...] = ()
    bundled: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    sdist: bool = True
    because: str

    def apt_for(self, machine: str) -> tuple[str, ...]:
        """The apt packages that a machine requires; none where the wheel bundles them."""
        return () if machine in self.bundled else self.apt


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel(Row):
    """A wheel with an ABI in its file name; `requires`: its dependencies other than torch.

    `glibc`: the minimum version that its libraries need, which a plain `linux` tag does not tell; None: not known.
    `installs`: its folders and modules in site-packages. `contents_source`: the source of these two.
    """

    package: str
    version: str
    filename: str
    sha256: str
    torch: str
    cuda: str
    abi: int
    python: str
    platform: str
    release: str
    requires: tuple[str, ...]
    min_capability: str
    archs: tuple[str, ...]
    glibc: str | None = None
    installs: tuple[str, ...] = ()
    contents_source: str = ""

    @property
    def url(self) -> str:
        return f"{self.release}/{self.filename.replace('+', '%2B')}"
