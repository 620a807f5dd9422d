"""What a lock holds: its files in layers, what was read out of them, and how it deviates from recommendations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.memory import remembered

if TYPE_CHECKING:
    from torchpin.model.packages import FileOrigin
    from torchpin.model.service import Reason


# by channel, package and file name
PublishedHashes = Mapping[str, Mapping[str, Mapping[str, str | None]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A locked file, the only one that may be installed for its package; `size` in bytes, None if not published.

    `origin` is where it comes from if not from the index of its layer: an address, this repository, or git.
    """

    name: str
    version: str
    filename: str
    sha256: str
    size: int | None = None
    required_by: tuple[str, ...] = ()
    origin: FileOrigin = ""

    @property
    def is_source(self) -> bool:
        return not self.filename.endswith(".whl")


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerLock:
    """One layer file of a lock: its header, and its packages sorted by name.

    `origin` is the index of its files; `inputs_digest` is that of the parts of the description that it depends on.
    """

    environment: str
    name: str
    origin: str
    python: str
    platform: str
    uv: str
    inputs_digest: str
    packages: tuple[Artifact, ...]
    optional: bool = False
    cutoff: str = ""  # files that were published later were left out; "" for none

    @property
    def file(self) -> str:
        return paths.lock_file(self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """What a source asks for at the locked commit: one requirement a line as pip reads it, `-c …` for a constraint.

    `file` are its requirements files, separated by spaces. Of a source that is installed itself, `distribution` is the
    name that it is installed under, and `build` what its build requires.
    """

    source: str
    commit: str
    file: str
    requirements: tuple[str, ...]
    tag: str | None = None
    distribution: str = ""
    build: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The tag, else the first twelve digits of the commit."""
        return self.tag or self.commit[:12]


@dataclass(frozen=True, kw_only=True, slots=True)
class LicenseStatement:
    """What the metadata of a locked file say of its license: `expression` is License-Expression, `text` a short License.

    `classifiers` are those below `License ::`. `metadata_of` is the file that was read where it is not the locked one, but
    another build of the same release.
    """

    name: str
    version: str
    sha256: str
    expression: str = ""
    text: str = ""
    classifiers: tuple[str, ...] = ()
    metadata_of: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedFiles:
    """The files that a wheel and that of another package install with different bytes: how many, and one of them."""

    package: str
    count: int
    example: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelContents:
    """What was read out of a locked wheel: its METADATA and its table of contents.

    `requires` has the requirements on torch's family and on overridden packages, and those that name a CUDA major with
    their extras; each applies in the environment. `installs` are the folders and files in site-packages. `cuda_libraries` are the CUDA versions among
    which it chooses a library, `cuda_runtimes` the majors whose runtime lies in it. `shares` has the packages of the lock
    that come before it by name.
    `contents_of` is the file that was read where the table of contents is not that of the locked one: another build of the
    same release, or the source archive itself; then only `installs` is known. `unpacked` are the bytes of its files, 0 where
    they were not read. `unread` is why nothing was read.
    """

    name: str
    version: str
    sha256: str
    requires: tuple[str, ...] = ()
    installs: tuple[str, ...] = ()
    cuda_libraries: tuple[str, ...] = ()
    cuda_runtimes: tuple[int, ...] = ()
    shares: tuple[SharedFiles, ...] = ()
    contents_of: str = ""
    unpacked: int = 0
    unread: str = ""

    @property
    def is_read(self) -> bool:
        """Whether the table of contents of the locked file itself was read."""
        return not self.unread and not self.contents_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """The lock of an environment.

    `layers` are in install order. `build` has the build requirements of packages that exist only as source, `stage` those of
    the wheels that the service compiles, and their source archives.
    `provided` has torch and its companions if the base image provides them: resolved with, never installed.
    `upstreams` has the requirements of its sources. `licenses` has what was read; a file without a statement is unknown.
    `wheels` has what was read out of the installed files, and out of those that the base image provides.
    """

    layers: tuple[LayerLock, ...]
    build: LayerLock | None = None
    stage: LayerLock | None = None
    provided: LayerLock | None = None
    upstreams: tuple[Upstream, ...] = ()
    licenses: tuple[LicenseStatement, ...] = ()
    wheels: tuple[WheelContents, ...] = ()

    @property
    def build_layers(self) -> tuple[LayerLock, ...]:
        """The layers of what builds packages and is not in the image."""
        return tuple(layer for layer in (self.build, self.stage) if layer)

    @property
    def all_layers(self) -> tuple[LayerLock, ...]:
        """The layers with those of what builds packages, and of what the base image provides."""
        return (*self.layers, *self.build_layers, *([self.provided] if self.provided else []))

    @property
    def optional_names(self) -> frozenset[str]:
        """The names of the packages of optional layers."""
        return frozenset(
            package.name for layer in self.layers if layer.optional for package in layer.packages
        )

    @property
    @remembered
    def packages(self) -> Mapping[str, Artifact]:
        """The installed packages by name."""
        return {package.name: package for layer in self.layers for package in layer.packages}

    @property
    def source_distributions(self) -> tuple[str, ...]:
        """The names that installed sources have as packages; their versions are those of their commits."""
        return tuple(upstream.distribution for upstream in self.upstreams if upstream.distribution)

    @property
    @remembered
    def all_packages(self) -> Mapping[str, Artifact]:
        """The installed packages, and torch and its companions if the base image provides them."""
        provided = self.provided.packages if self.provided else ()
        return {package.name: package for package in provided} | dict(self.packages)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deviation:
    """A component that is not at its recommended version; `recommendations` has (by, says) of each that is not met."""

    component: str
    recommendations: tuple[tuple[str, str], ...]
    used: str
    reason: Reason | None = None
    # inside every recommended range; listed because the description gives a reason for it
    is_choice: bool = False
