"""What a description says: a service with its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from torchpin import paths
from torchpin.model.findings import Position

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from packaging.requirements import Requirement
    from packaging.version import Version

    from torchpin.model.packages import Index, Layer

_NO_POSITIONS: Mapping[str, Position] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """The base image: `image` is a name with a tag, `digest` is `sha256:…` or None."""

    image: str
    digest: str | None = None
    rationale: str = ""

    @property
    def reference(self) -> str:
        return f"{self.image}@{self.digest}" if self.digest else self.image


@dataclass(frozen=True, kw_only=True, slots=True)
class Torch:
    """The torch release and its companions (torchvision, torchaudio), name to version.

    Versions have no local part (`+cu121`): the variant's channel decides the build. `origin` is where torch comes
    from: `index`, installed from the channel, or `base`, provided by the base image, verified and never installed.
    """

    version: Version
    companions: Mapping[str, Version]
    origin: Literal["index", "base"] = "index"

    @property
    def family(self) -> dict[str, Version]:
        return {"torch": self.version, **self.companions}


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One way to build a service: a channel (`cu121`, `cpu`, `pypi`), a platform, and its own base or None."""

    name: str
    channel: str
    platform: str
    base: Base | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A git checkout at a commit, which the tag, if there is one, must point to; `path` is where it is checked out.

    `to` is its folder below the service's home in the image, by default its path. `requirements` are files of the source:
    what they ask for is compared with the lock and, with `install`, resolved into it. `install` names what is installed:
    the requirements alone, or the source too, as `editable` or as a `wheel`; `without` are packages that they ask for and
    that are left out.
    `submodules` are all (True), those at these paths, or none (False, an empty tuple); None: it must have none. `lfs` is
    whether files of Git LFS are fetched; None: it must have none.
    """

    name: str
    url: str
    commit: str
    path: str
    tag: str | None = None
    to: str | None = None
    requirements: tuple[str, ...] = ()
    install: Literal["requirements", "editable", "wheel"] | None = None
    without: tuple[str, ...] = ()
    submodules: bool | tuple[str, ...] | None = None
    lfs: bool | None = None

    @property
    def version(self) -> str:
        """The tag, else the first twelve digits of the commit."""
        return self.tag or self.commit[:12]

    @property
    def folder(self) -> str:
        """Its folder below the service's home in the image."""
        return self.to or self.path

    @property
    def is_package(self) -> bool:
        """Whether the source itself is installed."""
        return self.install in {"editable", "wheel"}


@dataclass(frozen=True, kw_only=True, slots=True)
class CopiedFiles:
    """A file or folder of the repository that is copied into the image.

    `origin` is its path in the repository; `target` its place in the image, absolute or below the service's home (`.`: the
    home itself). `owner` is a user or `uid:gid`, `mode` octal digits, None: as git has it. `ignore` are patterns as in a
    .dockerignore, relative to the folder.
    """

    origin: str
    target: str
    owner: str = "root"
    mode: str | None = None
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltWheel:
    """A package that is compiled for the image: an exact pin, and what its wheel is made of.

    `source` is a source of the service, `folder` one of the repository; without both it is the package's own source archive
    on PyPI. `command` writes the wheel, in place of the project's own build backend.
    """

    package: Requirement
    source: str | None = None
    folder: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStage:
    """The stage of an image's build that compiles wheels, on a base image of its own; only the wheels go into the image.

    `requires` are the exact pins of what compiles them, beside torch; `variants` are those that need it, all where empty.
    """

    base: Base
    wheels: tuple[BuiltWheel, ...]
    requires: tuple[Requirement, ...] = ()
    apt: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class AptRepository:
    """A Debian repository beside those of the distribution; `key` is the file of the checkout with what signs it.

    A suite that ends with a slash has no components.
    """

    name: str
    url: str
    suite: str
    components: tuple[str, ...]
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """A HEALTHCHECK; times in seconds."""

    command: tuple[str, ...]
    interval: int = 30
    timeout: int = 10
    start_period: int = 40
    retries: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """How a container runs; `freeze` is the file in it that every start writes its freeze record to.

    `entrypoint` stands in place of torchpin's start script. `user` is a name or `uid:gid`, None: root; `writable` are folders
    of the image that it owns. `env_files` are files of the host, `secrets` the names of what is mounted at /run/secrets.
    `compiles`: whether kernels are compiled at run time (triton, torch.compile); None: the description does not say.
    `bytecode`: whether the image has bytecode of what is installed.
    """

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    freeze: str | None = None
    user: str | None = None
    writable: tuple[str, ...] = ()
    health: Health | None = None
    shm_size: str | None = None
    ipc: str | None = None
    env_files: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    compiles: bool | None = None
    bytecode: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """A version that someone recommends for a component: `says` is a version, a range, `2.5.x` or a tag."""

    component: str
    says: str
    by: str = "report"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a deviation is right, with evidence; written by the user, while the deviation itself is computed."""

    component: str
    because: str
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """A package at a version that another package refuses, or does not name; `package` is an exact pin."""

    package: Requirement
    because: str
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """An accepted finding, until a date."""

    check: str
    about: str
    reason: str
    review_by: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A service that ships images, as `services/<name>/service.yaml` describes it.

    `driver` is the NVIDIA driver of the hosts that it must run on, such as 550.54.14, or None if not stated.
    `positions` has the position of every value of the file by its key path.
    """

    name: str
    summary: str
    python: Version
    base: Base
    torch: Torch
    variants: tuple[Variant, ...]
    layers: tuple[Layer, ...]
    indexes: tuple[Index, ...] = ()
    gpus: tuple[str, ...] = ()
    driver: str | None = None
    apt: tuple[str, ...] = ()
    apt_repositories: tuple[AptRepository, ...] = ()
    imports: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    files: tuple[CopiedFiles, ...] = ()
    build: BuildStage | None = None
    run: Run = field(default_factory=Run)
    budget_bytes: int | None = None
    recommends: tuple[Recommendation, ...] = ()
    reasons: tuple[Reason, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    overrides: tuple[Override, ...] = ()
    positions: Mapping[str, Position] = field(
        default_factory=lambda: _NO_POSITIONS, compare=False, repr=False
    )

    @property
    def file(self) -> str:
        return paths.description_path(self.name)

    def position(self, path: str) -> Position:
        """The position of a key path of the description; that of the file alone where the path has none."""
        return self.positions.get(path) or Position(file=self.file, line=0, column=0)

    def location(self, path: str) -> str:
        """`file:line:column` of a key path of the description; the file alone where the path has no position."""
        return str(self.position(path))

    @property
    def home(self) -> str:
        """The service's folder in its image; not below /workspace, where a mounted volume would hide it."""
        return f"/opt/{self.name}"

    def path_in_image(self, path: str) -> str:
        """The absolute path of one that may be relative to the home; `.` is the home."""
        return path if path.startswith("/") else self.home if path == "." else f"{self.home}/{path}"
