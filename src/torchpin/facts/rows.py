"""The rows of the tables, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Method = Literal["measured", "published", "inferred"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What every row has: who says so, when it was collected, and how they know."""

    source: str
    date: str
    method: Method
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel(Row):
    """A channel of the PyTorch index; `pypi` is the one without an address here."""

    name: str
    cuda: str | None
    url: str | None = None
    series: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    ended: bool = False
    recorded: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchRelease(Row):
    """A torch release; triton, cuDNN, ABI and `pypi_local` are those of PyPI's x86_64 wheel."""

    version: str
    released: str
    requires_python: str
    wheel_pythons: tuple[str, ...]
    torchvision: tuple[str, ...]
    torchaudio: tuple[str, ...]
    triton: str | None = None
    pypi_local: str | None = None
    cudnn: str | None = None
    cxx11_abi: int | None = None
    numpy2_aware: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Archs(Row):
    """What one build of torch is compiled for."""

    series: str
    channel: str
    platform: str
    sm: tuple[str, ...]
    ptx: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu(Row):
    name: str
    aliases: tuple[str, ...] = ()
    architecture: str
    capability: str | None
    min_driver: str | None = None
    min_toolkit: str | None = None
    geforce: bool = False
    machine: str = "x86_64"


def gpu_key(name: str) -> str:
    """A card's name without what people and nvidia-smi write differently."""
    parts = re.split(r"[\s_-]+", name.lower())
    return "".join(part for part in parts if part not in {"nvidia", "geforce", "tesla"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Driver(Row):
    """The Linux drivers of one CUDA: the one its toolkit came with, and the least that its family runs on."""

    cuda: str
    toolkit: str
    family: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate(Row):
    """What an nvidia/cuda image asks of the driver before it starts."""

    cuda: str
    needs: str
    older_branches: tuple[int, ...]
    geforce: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseImage(Row):
    """A base image. `python` is the one inside; `apt_python` is what its system would install.

    `glibc`: its C library, such as 2.35, or musl. `ends`: when what it is named for has no more fixes; `os_ends`: the
    same of its system.
    """

    image: str
    os: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    variant: str = ""
    python: str | None = None
    apt_python: str | None = None
    torch: str | None = None
    status: str | None = None
    on_hub: bool | None = None
    glibc: str | None = None
    ends: str | None = None
    os_ends: str | None = None
    digest: str | None = None
    digest_source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTag(Row):
    """A tag of a source repository; `exists` False: named, and never was.

    What its own requirements pin and ask for, and in `requirements_source` the source of that.
    """

    repo: str
    tag: str
    commit: str | None = None
    tagged: str | None = None
    flux: bool = False
    exists: bool = True
    min_torch: str | None = None
    min_python: str | None = None
    min_cuda: str | None = None
    tested_torch: str | None = None
    pins: Mapping[str, str]
    requirements_source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UndeclaredRequirement(Row):
    """Where `when` is installed, `needs` must hold; `seen`: the packages' own metadata says so.

    `instead`: the pin that ends it where it does not hold. `interface`: the removal that the floor is about.
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
class Removal(Row):
    """An interface that is gone from `version` on; `newest`: what a resolver takes on the row's date."""

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
class ImpliedPackages(Row):
    """Which packages a version installs beside itself, of those that other rows speak of."""

    when: str
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeNeeds(Row):
    """What a package needs of the system; `machines`: those that have a wheel, empty is all."""

    package: str
    apt: tuple[str, ...] = ()
    bundled: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    sdist: bool = True
    because: str

    def apt_for(self, machine: str) -> tuple[str, ...]:
        """The apt packages that a machine must have; none where the wheel brings them."""
        return () if machine in self.bundled else self.apt


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel(Row):
    """A wheel with an ABI in its file name; `requires`: its own dependencies, torch apart."""

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

    @property
    def url(self) -> str:
        return f"{self.release}/{self.filename.replace('+', '%2B')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure(Row):
    id: str
    pattern: re.Pattern[str]
    means: str
    remedy: str
    example: str
    stage: Literal["build", "run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Note(Row):
    """A sentence that no column holds."""

    id: str
    fact: str


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexSnapshot:
    """One recorded index page: package → file name → sha256, None where the page has no one hash for that name."""

    channel: str
    source: str
    date: str
    packages: Mapping[str, Mapping[str, str | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What the wheels of one version on one channel depend on; `verified` against the index's own metadata hash."""

    channel: str
    package: str
    version: str
    wheel_scope: str
    requires_python: str | None
    requires_dist: tuple[str, ...]
    verified: bool | None = None
    source: str
