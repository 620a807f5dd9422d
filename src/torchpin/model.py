"""The values that everything is made of: frozen, keyword-only, no behaviour beyond naming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from packaging.requirements import Requirement
    from packaging.version import Version

_NO_POSITIONS: Mapping[str, Position] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a value stands. Line and column count from 1 (0: in no file); start and end are offsets into the text."""

    file: str
    line: int
    column: int
    start: int = 0
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong with what people wrote: where, at which key, what, and what to do."""

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

    A mapping is of words to words, as a waiver or a reason is.
    """

    path: str
    value: str | Mapping[str, str] | None


# --- the description -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """The image that everything stands on; `image` has a tag, `digest` is `sha256:…` or None."""

    image: str
    digest: str | None = None
    rationale: str = ""

    @property
    def reference(self) -> str:
        return f"{self.image}@{self.digest}" if self.digest else self.image


@dataclass(frozen=True, kw_only=True, slots=True)
class Torch:
    """The torch release (no local part: the channel decides the build) and its companions, name to version.

    `origin` index: installed from the channel. base: the base image brings that channel's build, which is never
    installed and always proven.
    """

    version: Version
    companions: Mapping[str, Version]
    origin: Literal["index", "base"] = "index"

    @property
    def family(self) -> dict[str, Version]:
        return {"torch": self.version, **self.companions}


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One way to build a service: a channel (`cu121`, `cpu`, `pypi`), a platform, and a base of its own if it needs one."""

    name: str
    channel: str
    platform: str
    base: Base | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """An ordered install step; a failed optional one does not fail the image."""

    name: str
    packages: tuple[Requirement, ...]
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A git checkout: the tag must give the commit. `requirements` is compared with the lock, never installed."""

    name: str
    url: str
    tag: str
    commit: str
    path: str
    requirements: str | None = None


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
    """How a container runs; `freeze` is where it writes its freeze record at every start."""

    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    freeze: str | None = None
    user: str | None = None
    health: Health | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """What somebody says a component should be: `says` is a version, a range, `2.5.x`, `11.8 / 12.x` or a tag."""

    component: str
    says: str
    by: str = "report"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a computed deviation is right, with the evidence. People write these; the deviation itself is computed."""

    component: str
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
    """A thing that ships an image, as `services/<name>/service.yaml` describes it.

    `driver`: the NVIDIA driver of the hosts that it must run on, such as 550.54.14; None where nobody says.
    """

    name: str
    summary: str
    python: Version
    base: Base
    torch: Torch
    variants: tuple[Variant, ...]
    layers: tuple[Layer, ...]
    gpus: tuple[str, ...] = ()
    driver: str | None = None
    apt: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    run: Run = field(default_factory=Run)
    budget_bytes: int | None = None
    recommends: tuple[Recommendation, ...] = ()
    reasons: tuple[Reason, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    positions: Mapping[str, Position] = field(
        default_factory=lambda: _NO_POSITIONS, compare=False, repr=False
    )

    @property
    def file(self) -> str:
        return f"services/{self.name}/service.yaml"

    @property
    def home(self) -> str:
        """The service's folder inside its image. Not below /workspace: a volume mounted there would hide it."""
        return f"/opt/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Service x variant: one lock, one Dockerfile, one image, one record."""

    service: Service
    variant: Variant

    @property
    def name(self) -> str:
        return f"{self.service.name}-{self.variant.name}"

    @property
    def base(self) -> Base:
        return self.variant.base or self.service.base


# --- the lock --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One locked file: the only artifact that may be installed for its package. `size` in bytes, None if unpublished."""

    name: str
    version: str
    filename: str
    sha256: str
    size: int | None = None
    required_by: tuple[str, ...] = ()

    @property
    def is_source(self) -> bool:
        return not self.filename.endswith(".whl")


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerLock:
    """One layer file of a lock: its header and its packages, sorted by name. `answers` is the digest of what it answers."""

    environment: str
    name: str
    origin: str
    python: str
    platform: str
    uv: str
    inputs_digest: str
    packages: tuple[Artifact, ...]
    optional: bool = False

    @property
    def file(self) -> str:
        return f"{self.name}.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """What a source's own requirements file asks for at the locked commit: one requirement a line, as pip reads them."""

    source: str
    tag: str
    commit: str
    file: str
    requirements: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """All layers of an environment, in install order; what builds its source-only packages; what its sources ask for."""

    layers: tuple[LayerLock, ...]
    build: LayerLock | None = None
    provided: LayerLock | None = (
        None  # torch and companions where the base brings them: resolved with, never installed
    )
    upstreams: tuple[Upstream, ...] = ()

    @property
    def packages(self) -> dict[str, Artifact]:
        """What is installed."""
        return {package.name: package for layer in self.layers for package in layer.packages}

    @property
    def all_packages(self) -> dict[str, Artifact]:
        """What is installed, and what the base brings of torch's family."""
        return {
            package.name: package for package in (self.provided.packages if self.provided else ())
        } | self.packages


# --- what follows ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Deviation:
    """What is used against what is recommended; `says` holds every adviser's words that are not met."""

    component: str
    recommendations: tuple[tuple[str, str], ...]
    used: str
    reason: Reason | None = None
    is_choice: bool = False  # inside every recommended range: an exact choice that somebody gave a reason for


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check found: where, about what, the sentence, the evidence and the smallest repair.

    `level`: an error means that the pins cannot work; a warning is to be repaired or waived, and stops no lock or build.
    `repair`: the edits of the description that end it; `safe`: they follow from facts alone, so a program may make them.
    """

    location: str
    message: str
    help: str
    about: str = ""
    service: str = ""
    evidence: str = ""
    level: Literal["error", "warning"] = "error"
    fix: tuple[Change, ...] = ()
    fix_is_safe: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where this machine fetches from and builds: mirrors by name (channel, `pypi`, `python`, source, registry host)."""

    mirrors: Mapping[str, str] = field(default_factory=dict)
    registry: str = ""
    network: str = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one thing: `changed` and `same` are good, `failed` is not; `code` is the exit code it asks for."""

    name: str
    status: Literal["changed", "same", "failed"]
    detail: str = ""
    code: int = 0
    seconds: float = 0.0
