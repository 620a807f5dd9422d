"""The values that all modules share: frozen, keyword-only, without behaviour beyond names and paths."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement

from torchpin import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from packaging.version import Version

    StatusCallback = Callable[[str], None]  # called with a line about the next step of a command
    # by channel, package and file name
    PublishedHashes = Mapping[str, Mapping[str, Mapping[str, str | None]]]

Level = Literal["error", "warning", "notice"]
Verdict = Literal["ok", "incompatible", "failed", "warning", "unknown", "not applicable", "waived", "skipped"]

FileOrigin = Literal["", "address", "repository", "git"]

# What builds leave in the folder of a Python project; it is no input of another one.
_BUILD_RESULTS = ("build", "dist", "**/*.egg-info", "**/*.so", "**/*.o", "**/.venv")
_NO_POSITIONS: Mapping[str, Position] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a value is in a file: line and column from 1 (line 0: unknown), start and end as text offsets."""

    file: str
    line: int
    column: int
    start: int = 0
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One error in a user's file: its position, the key path (`torch.version`) and what is wrong."""

    position: Position
    path: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.position}: {self.path}: {self.message}"
            if self.path
            else f"{self.position}: {self.message}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One edit of a description: the value at a key path (`base.digest`, `layers[0].packages[1]`); None removes it.

    A mapping is one with texts as values: a waiver or a reason.
    """

    path: str
    value: str | Mapping[str, str] | None


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
    def layers(self) -> tuple[Layer, ...]:
        """The layers of this variant, with its packages."""
        return tuple(
            replace(layer, packages=tuple(package for package in layer.packages if self._has(package)))
            for layer in self.service.layers
            if self._has(layer)
        )

    @property
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
    same release, or the source archive itself; then only `installs` is known. `unread` is why nothing was read.
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
    unread: str = ""


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
    def packages(self) -> dict[str, Artifact]:
        """The installed packages by name."""
        return {package.name: package for layer in self.layers for package in layer.packages}

    @property
    def source_distributions(self) -> tuple[str, ...]:
        """The names that installed sources have as packages; their versions are those of their commits."""
        return tuple(upstream.distribution for upstream in self.upstreams if upstream.distribution)

    @property
    def all_packages(self) -> dict[str, Artifact]:
        """The installed packages, and torch and its companions if the base image provides them."""
        return {
            package.name: package for package in (self.provided.packages if self.provided else ())
        } | self.packages


@dataclass(frozen=True, kw_only=True, slots=True)
class Deviation:
    """A component that is not at its recommended version; `recommendations` has (by, says) of each that is not met."""

    component: str
    recommendations: tuple[tuple[str, str], ...]
    used: str
    reason: Reason | None = None
    # inside every recommended range; listed because the description gives a reason for it
    is_choice: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check found wrong: the location, a message, what to do (`help`), and the evidence (`source (date)`).

    `about` is the subject that a waiver names. `level`: an error is something that cannot work or does not match what
    is written; a warning must be fixed or waived; a notice needs no waiver and fails nothing but under `--strict`.
    `fix` has the edits of the description that resolve it. A safe fix follows from facts alone, so `--fix` applies it.
    """

    location: str
    message: str
    help: str
    about: str = ""
    service: str = ""
    evidence: str = ""
    level: Level = "error"
    fix: tuple[Change, ...] = ()
    fix_is_safe: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of one machine.

    `mirrors` replace addresses by name: a channel, `pypi`, `python`, a source or a registry host. `registry` is where
    images are pushed; `network` is the network of their builds, as Docker names it.
    """

    mirrors: Mapping[str, str] = field(default_factory=dict)
    registry: str = ""
    network: str = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The result of a command for one environment, source or file; `code` is the exit code that it requires.

    `kept`: a file that exists, and is not what would be written. `open`: the command has ended well, and left something for
    people to decide.
    """

    name: str
    status: Literal["changed", "same", "kept", "open", "failed"]
    detail: str = ""
    code: int = 0
    seconds: float = 0.0
