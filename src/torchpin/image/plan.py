"""A lock to an image: its install steps, its build context, what its probe must find, and its key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.description.environments import MACHINES, cuda_version, index_url, mirror_variable, torch_build
from torchpin.lock import file_format
from torchpin.lock.export import install_file, wheel_release

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Environment, Lock, Service, Source, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallStep:
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
    steps: tuple[InstallStep, ...]
    sources: tuple[tuple[Source, str], ...]
    env: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildContext:
    """What a build context holds: texts by path, the uv release, and sources (path in the context to the source)."""

    files: Mapping[str, str]
    uv: str
    sources: Mapping[str, Source] = field(default_factory=dict)


def install_steps(lock: Lock) -> tuple[InstallStep, ...]:
    """The install steps of an environment, empty layers left out."""
    return tuple(
        InstallStep(
            file=layer.file,
            origin=layer.origin,
            index=index_url(layer.origin),
            release=wheel_release(layer),
            mirror=mirror_variable(layer.origin),
            optional=layer.optional,
            builds=any(package.is_source for package in layer.packages),
        )
        for layer in lock.layers
        if layer.packages
    )


def image_plan(env: Environment, lock: Lock) -> Image:
    service = env.service
    homes = tuple((source, f"{service.home}/{source.path}") for source in service.sources)
    reported = sorted(
        canonicalize_name(package.name) for layer in service.layers[:1] for package in layer.packages
    )
    torchpin_env = {
        "TORCHPIN_FREEZE": service.run.freeze or "",
        "TORCHPIN_REPORT": " ".join(reported),
        "TORCHPIN_SOURCES": ":".join(home for _, home in homes),
    }
    return Image(
        environment=env.name,
        service=service,
        variant=env.variant,
        base=env.base.reference,
        torch=lock.all_packages["torch"].version,
        python_mirror=mirror_variable("python"),
        steps=install_steps(lock),
        sources=homes,
        env={**service.run.env, **{name: value for name, value in torchpin_env.items() if value}},
    )


def probe_expectations(env: Environment, lock: Lock, *, home: str | None = None) -> dict[str, object]:
    """What the probe must find, as it reads it. `home` is where the sources lie, by default the image's folder."""
    optional = {package.name for layer in lock.layers if layer.optional for package in layer.packages}
    versions = {name: package.version for name, package in sorted(lock.packages.items())}
    build = torch_build(env)
    release = str(env.service.torch.version)
    compiled = facts.compiled_archs(release, build, MACHINES[env.variant.platform]) if build else None
    carries_local = build and env.variant.platform == "linux/amd64"
    inherited = {package.name: package.version for package in lock.provided.packages} if lock.provided else {}
    return {
        "environment": env.name,
        "python": str(env.service.python),
        "distributions": {name: version for name, version in versions.items() if name not in optional},
        "optional": {name: version for name, version in versions.items() if name in optional},
        "inherited": inherited,
        "torch": {
            "version": f"{release}+{build}" if carries_local else release,
            "cuda": cuda_version(env),
            "archs": list(compiled.sm) if compiled else None,
        },
        "imports": list(env.service.imports),
        "sources": {
            f"{home or env.service.home}/{source.path}": source.commit for source in env.service.sources
        },
    }


def build_context(env: Environment, lock: Lock, *, runtime: Mapping[str, str], smoke: str) -> BuildContext:
    """What the build of an environment's image reads, beside its Dockerfile."""
    layers = [*lock.layers, *([lock.build] if lock.build else [])]
    files = {f"layers/{layer.file}": install_file(layer) for layer in layers if layer.packages}
    files |= {f"runtime/{name}": text for name, text in runtime.items()}
    files["smoke.py"] = smoke
    files["expect.json"] = json.dumps(probe_expectations(env, lock), indent=1) + "\n"
    sources = {f"sources/{source.name}": source for source in env.service.sources}
    return BuildContext(files=files, uv=lock.layers[0].uv, sources=sources)


def image_key(env: Environment, dockerfile: str, listing: str) -> str:
    """The hash of everything that goes into an environment's image: 64 hexadecimal digits."""
    everything = f"{env.name}\n\n{env.variant.platform}\n\n{dockerfile}\n\n{listing}"
    return file_format.digest(everything).removeprefix("sha256:")
