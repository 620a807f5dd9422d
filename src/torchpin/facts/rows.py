"""The rows of the tables as frozen values; those about packages are in `package_rows.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

Method = Literal["measured", "published", "inferred"]


def cite(source: str, date: str) -> str:
    """The one form in which evidence names a fact: `source (date)`."""
    return f"{source} ({date})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cited:
    """A fact with its source and the day on which it was collected."""

    source: str
    date: str

    @property
    def citation(self) -> str:
        return cite(self.source, self.date)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row(Cited):
    """A row of a table. `method`: how its source knows."""

    method: Method
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel(Row):
    """A channel of the PyTorch index, or `pypi`, which has no URL here.

    `series`: the torch series on it by the release matrix; `aarch64`: those with builds for Linux aarch64, where they are
    later than the index snapshot; `undecided`: series and releases of which the sources differ.
    """

    name: str
    cuda: str | None
    url: str | None = None
    series: tuple[str, ...] = ()
    aarch64: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    ended: bool = False
    recorded: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CompleteSeries(Row):
    """Torch series whose channels are all known: a channel that does not list such a series does not have it."""

    id: str
    series: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PypiWheels(Row):
    """PyPI's wheels of a version of torch or a companion: their Pythons by machine, such as `cp312`, or `py3` for each.

    `glibc`: the minimum by machine; `build`: the channel whose build the wheel of a machine is, for torch only.
    """

    package: str
    version: str
    x86_64: tuple[str, ...]
    aarch64: tuple[str, ...]
    arm64: tuple[str, ...]
    glibc: Mapping[str, str]
    build: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def pythons(self, machine: str) -> tuple[str, ...]:
        """The Python tags of the wheels for `x86_64`, `aarch64` (Linux) or `arm64` (macOS)."""
        return {"x86_64": self.x86_64, "aarch64": self.aarch64, "arm64": self.arm64}[machine]


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherChannel(Row):
    """A channel that torchpin does not build from: what it has, and what a service on it would need."""

    id: str
    pattern: str
    what: str
    needs: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchRelease(Row):
    """A torch release; triton, cuDNN, ABI and `pypi_local` are those of PyPI's x86_64 wheel.

    `preview_pythons`: the Pythons that PyTorch's own index may have wheels for, and PyPI has not.
    """

    version: str
    released: str
    requires_python: str
    wheel_pythons: tuple[str, ...]
    preview_pythons: tuple[str, ...] = ()
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
    """A GPU. `machine`: the architecture of the hosts that it comes in; one of another vendor has no capability."""

    name: str
    aliases: tuple[str, ...] = ()
    architecture: str
    capability: str | None
    min_driver: str | None = None
    min_toolkit: str | None = None
    geforce: bool = False
    machine: str = "x86_64"
    vendor: str = "NVIDIA"


@dataclass(frozen=True, kw_only=True, slots=True)
class Driver(Row):
    """The Linux drivers of a CUDA version: the one that its toolkit ships with, and the minimum of its major version."""

    cuda: str
    toolkit: str
    family: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate(Row):
    """The drivers that an nvidia/cuda image requires (NVIDIA_REQUIRE_CUDA): those of CUDA `needs`, or of an older branch."""

    cuda: str
    needs: str
    older_branches: tuple[int, ...]
    geforce: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseImage(Row):
    """A base image. `python`: the version in the image; `apt_python`: the one that its system's packages would install.

    `glibc`: the version of its C library, such as 2.35, or `musl`. `ends`: end of life of what it is named for;
    `os_ends`: end of life of its system. `listed`: the facts show that the tag exists; `withdrawn`: that it was deleted.
    `moves`: the tag names no exact release. `gate_cuda`: the CUDA of the nvidia/cuda image that it is built on, whose
    required driver it inherits. `has_torch`: it has a torch, though `torch` may not be known; `own_build`: its torch is
    no build of PyTorch's index. `has_shell`: it has /bin/sh, which every step of a build runs. `platforms`: those it is published for, empty where that is not known.
    """

    image: str
    repository: str = ""
    os: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    variant: str = ""
    python: str | None = None
    apt_python: str | None = None
    torch: str | None = None
    has_torch: bool = False
    has_shell: bool = True
    own_build: bool = False
    status: str | None = None
    listed: bool = True
    withdrawn: bool = False
    moves: bool = False
    platforms: tuple[str, ...] = ()
    gate_cuda: str | None = None
    glibc: str | None = None
    ends: str | None = None
    os_ends: str | None = None
    digest: str | None = None
    digest_source: str = ""

    @property
    def torch_channel(self) -> str | None:
        """The channel of its torch: the local part of the version, else that of its CUDA; None where it has neither."""
        if self.own_build:
            return None
        local = (self.torch or "").partition("+")[2]
        return local or (f"cu{major_minor(self.cuda).replace('.', '')}" if self.cuda else None)

    @property
    def tag(self) -> str:
        return self.image.rpartition(":")[2]

    @property
    def brings_torch(self) -> bool:
        """Whether it has a torch, of a known version or not."""
        return self.has_torch or self.torch is not None

    @property
    def index_torch(self) -> str:
        """Its torch where that is a build of PyTorch's index, else ""."""
        return "" if self.own_build else self.torch or ""

    @property
    def digest_citation(self) -> str:
        """The evidence for the digest, which may have another source than the tag."""
        return cite(self.digest_source or self.source, self.date)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTag(Row):
    """A tag of a source repository, with what its own requirements pin; `exists` False: a name in use for no tag.

    `requirements_source`: the source of `min_*`, `tested_torch` and `pins`.
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

    @property
    def requirements_citation(self) -> str:
        """The evidence for what the tag's own requirements say."""
        return cite(self.requirements_source, self.date)


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownFailure(Row):
    """A line of a log that is known: what it means and what to do.

    `stage`: where the line shows up. `title`: what is seen of it. `checks`: the checks and rules that report its cause.
    """

    id: str
    topic: str
    title: str
    pattern: re.Pattern[str]
    means: str
    help: str
    example: str
    stage: Literal["build", "run"]
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexSnapshot(Cited):
    """The recorded page of a channel: package → file name → sha256, None where the page lists several or no hashes for a name."""

    channel: str
    packages: Mapping[str, Mapping[str, str | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """The dependencies of a version's wheels on a channel; `verified`: checked against the metadata hash of the index."""

    channel: str
    package: str
    version: str
    wheel_scope: str
    requires_python: str | None
    requires_dist: tuple[str, ...]
    verified: bool | None = None
    source: str
