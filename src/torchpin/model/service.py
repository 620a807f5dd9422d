"""What a description says: a service with its parts, and the environments that it is built in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement

from torchpin import paths
from torchpin.memory import remembered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from packaging.version import Version

    from torchpin.model.findings import Position

FileOrigin = Literal["", "address", "repository", "git"]

# What builds leave in the folder of a Python project; it is no input of another one.
_BUILD_RESULTS = ("build", "dist", "**/*.egg-info", "**/*.so", "**/*.o", "**/.venv")
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

    def location(self, path: str) -> str:
        """`file:line:column` of a key path of the description; the file alone where the path has no position."""
        return str(self.positions.get(path) or self.file)

    @property
    def home(self) -> str:
        """The service's folder in its image; not below /workspace, where a mounted volume would hide it."""
        return f"/opt/{self.name}"

    def path_in_image(self, path: str) -> str:
        """The absolute path of one that may be relative to the home; `.` is the home."""
        return path if path.startswith("/") else self.home if path == "." else f"{self.home}/{path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A service in one variant: it has one lock, one Dockerfile, one image and one record."""

    service: Service
    variant: Variant

    @property
    def name(self) -> str:
        return f"{self.service.name}-{self.variant.name}"

    @property
    def base(self) -> Base:
        return self.variant.base or self.service.base

    @property
    @remembered
    def layers(self) -> tuple[Layer, ...]:
        """The layers of this variant, with its packages."""
        return tuple(
            replace(layer, packages=tuple(package for package in layer.packages if self._has(package)))
            for layer in self.service.layers
            if self._has(layer)
        )

    @property
    @remembered
    def declared_packages(self) -> tuple[tuple[str, Layer, Requirement], ...]:
        """The packages of this variant: the key path of the pin, such as `layers[0].packages[2]`, the layer as described, the pin."""
        return tuple(
            (package_path(number, index, package), layer, package)
            for number, layer in enumerate(self.service.layers)
            if self._has(layer)
            for index, package in enumerate(layer.packages)
            if self._has(package)
        )

    def _has(self, part: Layer | Requirement) -> bool:
        variants = part.variants if isinstance(part, (Layer, Package)) else ()
        return not variants or self.variant.name in variants

    @property
    def stage(self) -> BuildStage | None:
        """The stage that compiles wheels for this variant; None: it has none."""
        stage = self.service.build
        return stage if stage and (not stage.variants or self.variant.name in stage.variants) else None

    @property
    def copied_files(self) -> tuple[CopiedFiles, ...]:
        """What of the repository its build gets a copy of: the service's own files, then the folders that are compiled."""
        wheels = self.stage.wheels if self.stage else ()
        folders = (wheel.folder for wheel in wheels if wheel.folder)
        compiled = (CopiedFiles(origin=folder, target=".", ignore=_BUILD_RESULTS) for folder in folders)
        return (*self.service.files, *compiled)

    @property
    def shipped_sources(self) -> tuple[Source, ...]:
        """The sources that the image holds: one that is compiled to a wheel stays in the stage that does it."""
        built = {wheel.source for wheel in self.service.build.wheels} if self.service.build else set()
        return tuple(source for source in self.service.sources if source.name not in built)
