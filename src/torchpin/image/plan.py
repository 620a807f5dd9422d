"""A lock to an image: its install steps, its build context, what its probe must find, and its key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.description import environments
from torchpin.lock import file_format
from torchpin.lock.export import installable, release_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Environment, Lock, Service, Source, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One install step of an image: a layer file, from one origin.

    `index` is a channel's address (None: PyPI, as the client finds it); `release` is where an ABI wheel lies.
    """

    file: str
    origin: str
    index: str | None
    mirror: str
    optional: bool
    builds: bool
    release: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """All that the one Dockerfile template may print."""

    environment: str
    service: Service
    variant: Variant
    base: str
    torch: str
    python_mirror: str
    steps: tuple[Step, ...]
    sources: tuple[tuple[Source, str], ...]
    env: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What a build context holds: texts by path, the uv release, and sources (path in the context to the source)."""

    files: Mapping[str, str]
    uv: str
    sources: Mapping[str, Source] = field(default_factory=dict)


def steps(lock: Lock) -> tuple[Step, ...]:
    """The install steps of an environment, empty layers left out."""
    return tuple(
        Step(
            file=layer.file,
            origin=layer.origin,
            index=environments.index_url(layer.origin),
            release=release_url(layer),
            mirror=environments.mirror_variable(layer.origin),
            optional=layer.optional,
            builds=any(package.is_source for package in layer.packages),
        )
        for layer in lock.layers
        if layer.packages
    )


def image(env: Environment, lock: Lock) -> Image:
    service = env.service
    homes = tuple((source, f"{service.home}/{source.path}") for source in service.sources)
    reported = sorted(canonicalize_name(p.name) for layer in service.layers[:1] for p in layer.packages)
    own = {
        "TORCHPIN_FREEZE": service.run.freeze or "",
        "TORCHPIN_REPORT": " ".join(reported),
        "TORCHPIN_SOURCES": ":".join(home for _, home in homes),
    }
    return Image(
        environment=env.name,
        service=service,
        variant=env.variant,
        base=env.base.reference,
        torch=lock.all["torch"].version,
        python_mirror=environments.mirror_variable("python"),
        steps=steps(lock),
        sources=homes,
        env={**service.run.env, **{name: value for name, value in own.items() if value}},
    )


def expectations(env: Environment, lock: Lock, *, home: str | None = None) -> dict[str, object]:
    """What the probe must find, as it reads it. `home` is where the sources lie, by default the image's folder."""
    optional = {package.name for layer in lock.layers if layer.optional for package in layer.packages}
    versions = {name: package.version for name, package in sorted(lock.packages.items())}
    build = environments.torch_build(env)
    release = str(env.service.torch.version)
    compiled = facts.compiled(release, build, environments.MACHINES[env.variant.platform]) if build else None
    carries_local = build and env.variant.platform == "linux/amd64"
    inherited = {package.name: package.version for package in lock.given.packages} if lock.given else {}
    return {
        "environment": env.name,
        "python": str(env.service.python),
        "distributions": {name: version for name, version in versions.items() if name not in optional},
        "optional": {name: version for name, version in versions.items() if name in optional},
        "inherited": inherited,
        "torch": {
            "version": f"{release}+{build}" if carries_local else release,
            "cuda": environments.cuda(env),
            "archs": list(compiled.sm) if compiled else None,
        },
        "imports": list(env.service.imports),
        "sources": {
            f"{home or env.service.home}/{source.path}": source.commit for source in env.service.sources
        },
    }


def context(env: Environment, lock: Lock, *, runtime: Mapping[str, str], smoke: str) -> Context:
    """What the build of an environment's image reads, beside its Dockerfile."""
    layers = [*lock.layers, *([lock.build] if lock.build else [])]
    files = {f"layers/{layer.file}": installable(layer) for layer in layers if layer.packages}
    files |= {f"runtime/{name}": text for name, text in runtime.items()}
    files["smoke.py"] = smoke
    files["expect.json"] = json.dumps(expectations(env, lock), indent=1) + "\n"
    sources = {f"sources/{source.name}": source for source in env.service.sources}
    return Context(files=files, uv=lock.layers[0].uv, sources=sources)


def key(env: Environment, dockerfile: str, listing: str) -> str:
    """The hash of everything that goes into an environment's image: 64 hexadecimal digits."""
    everything = f"{env.name}\n\n{env.variant.platform}\n\n{dockerfile}\n\n{listing}"
    return file_format.digest(everything).removeprefix("sha256:")
