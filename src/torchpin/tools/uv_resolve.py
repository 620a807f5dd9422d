"""uv's hands: one resolution per environment, what builds the source-only packages, exports, native installs."""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin.compat import wheels as compat_wheels
from torchpin.description import environments
from torchpin.errors import ToolError
from torchpin.lock import sdist, uv_project
from torchpin.lock.layers import layer_lock, split
from torchpin.model import Artifact, LayerLock, Lock
from torchpin.tools import http
from torchpin.tools.uv import UV, compile_command, project_folder, pylock_packages, run_compile

if sys.version_info >= (3, 11):
    pass
else:
    pass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from torchpin.facts import Wheel
    from torchpin.model import Environment, Settings, Upstream

    Published = Mapping[str, Mapping[str, Mapping[str, str | None]]]

_NO_SIZE = (404, 405)  # no such file, or only its content can be asked for
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+?)\s+# via (?P<via>.+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """An artifact and where it lies now; the address is not locked."""

    artifact: Artifact
    url: str


def resolve(
    env: Environment,
    settings: Settings,
    *,
    index: str | None,
    current: Lock | None = None,
    upgrade: Sequence[str] = (),
    upstreams: tuple[Upstream, ...] = (),
    published: Published | None = None,
) -> Lock:
    """One environment's lock. `index` is where the channel is read from; the present lock's pins are kept where they can be.

    `published` are the hashes of the lab's own files, which count instead of the facts' for wheels of no index.

    Raises ToolError when there is no solution, an artifact for this Python and platform is missing, or a hash is.
    """
    wheels = compat_wheels.abi_wheels(env)
    with project_folder(
        uv_project.uv_project(env, index=index, pins=uv_project.resolution_pins(env, wheels))
    ) as folder:
        if current:
            kept = "".join(
                f"{p.name}=={p.version}\n" for name, p in current.all.items() if name not in wheels
            )
            (folder / "pins.txt").write_text(kept)
        run_compile(env, settings, folder, compile_command(env, "pins.txt", upgrade=upgrade))
        wanted = _wanted_by((folder / "pins.txt").read_text(), env.service.name)
        run_compile(
            env, settings, folder, compile_command(env, "pylock.toml", extra=("--constraints", "pins.txt"))
        )
        found = [
            _reached(_chosen(env, package), folder, _mirrors(env, settings, index, package))
            for package in pylock_packages(folder)
        ]
    wanted = _with_wheels(env, wanted, wheels)
    found = [
        replace(one, artifact=replace(one.artifact, wanted_by=wanted.get(one.artifact.name, ())))
        for one in found
    ]
    _expect_builds(env, found)
    artifacts = [
        *_sized(found, current),
        *(_abi_artifact(env, wheel, published) for wheel in wheels.values()),
    ]
    layers, given = split(env, artifacts, uv=UV)
    kept_names = {package.name for layer in layers for package in layer.packages}
    sources = [one for one in found if one.artifact.is_source and one.artifact.name in kept_names]
    build = _build_layer(env, settings, sources, current=current) if sources else None
    return Lock(layers=layers, build=build, given=given, upstreams=upstreams)


def _with_wheels(
    env: Environment, wanted: Mapping[str, tuple[str, ...]], wheels: Mapping[str, Wheel]
) -> dict[str, tuple[str, ...]]:
    """Who wants what, with the ABI wheels in it: uv did not see them, only what they want."""
    declared = {canonicalize_name(p.name) for layer in env.service.layers for p in layer.packages}
    found = dict(wanted)
    for name, wheel in wheels.items():
        for one in (canonicalize_name(Requirement(text).name) for text in wheel.requires):
            others = {*found.get(one, ())} - (
                {env.service.name} - ({env.service.name} if one in declared else set())
            )
            found[one] = tuple(sorted(others | {name}))
        found["torch"] = tuple(sorted({*found.get("torch", ()), name}))
    return found


def _abi_artifact(env: Environment, wheel: Wheel, published: Published | None) -> Artifact:
    name = canonicalize_name(wheel.package)
    own = (published or {}).get(name, {}).get(name, {}).get(wheel.filename)
    return Artifact(
        name=name,
        version=wheel.version,
        filename=wheel.filename,
        sha256=own or wheel.sha256,
        wanted_by=(env.service.name,),
    )


def _wanted_by(pins: str, service: str) -> dict[str, tuple[str, ...]]:
    """Who wants each package, from uv's `# via` comments; what the project itself declares is wanted by the service."""
    wanted: dict[str, tuple[str, ...]] = {}
    for line in pins.splitlines():
        found = _PIN.match(line)
        if found:
            parents = {word.split(" ")[0].split("[")[0] for word in found["via"].split(", ")}
            parents = {
                service if parent == service else canonicalize_name(parent)
                for parent in parents
                if parent != "-c"
            }
            wanted[canonicalize_name(found["name"])] = tuple(sorted(parents))
    return wanted


def _chosen(env: Environment, package: Mapping[str, Any]) -> _Found:
    """The one file of a resolved package that may be installed."""
    files = {}
    for row in [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]:
        address = row.get("url") or row["path"]
        filename = row.get("name") or http.filename(address)
        digest = row.get("hashes", {}).get("sha256")
        if digest:
            artifact = Artifact(
                name=canonicalize_name(package["name"]),
                version=package["version"],
                filename=filename,
                sha256=digest,
                size=row.get("size"),
            )
            files[filename] = _Found(artifact=artifact, url=address)
    best = compat_wheels.best(
        (one.artifact for one in files.values()), env.service.python, env.variant.platform
    )
    if best is None:
        raise ToolError(
            f"{package['name']} {package['version']} has no hashed file for Python {env.service.python} on "
            f"{env.variant.platform}: pin a version that has one."
        )
    return files[best.filename]


def _mirrors(
    env: Environment, settings: Settings, index: str | None, package: Mapping[str, Any]
) -> tuple[str | None, ...]:
    """The indexes that a package may come from, its own first."""
    pypi = settings.mirrors.get("pypi") or os.environ.get("UV_DEFAULT_INDEX")
    of_channel = canonicalize_name(package["name"]) in env.service.torch.family
    return (index, pypi) if of_channel else (pypi, index)


def _reached(found: _Found, folder: Path, mirrors: Iterable[str | None]) -> _Found:
    """A file with a whole address: uv writes a local one relative to its project, and may leave out credentials."""
    if "://" not in found.url:
        return replace(found, url=(folder / found.url).resolve().as_uri())
    return replace(found, url=http.with_credentials(found.url, mirrors))


def _expect_builds(env: Environment, found: Iterable[_Found]) -> None:
    """On an x86_64 channel the family carries the channel as local version; anything else is another build."""
    channel = env.variant.channel
    if channel == "pypi" or env.variant.platform != "linux/amd64":
        return
    for one in found:
        if one.artifact.name in env.service.torch.family and not one.artifact.version.endswith(f"+{channel}"):
            raise ToolError(
                f"{env.name}: the {channel} index answered {one.artifact.name} {one.artifact.version}, not a +{channel} build. "
                f"Check what {environments.mirror_variable(channel)} or torchpin.toml names."
            )


def _sized(found: Sequence[_Found], current: Lock | None) -> list[Artifact]:
    """Every artifact with its size in bytes; asked of the server where the index publishes none.

    Where the server has none either, the present lock's counts, if it has the same file.
    """
    build = current.build.packages if current and current.build else ()
    known = {one.sha256: one.size for one in (*(current.all.values() if current else ()), *build)}
    with ThreadPoolExecutor(8) as pool:
        sizes = pool.map(lambda one: one.artifact.size or _length(one.url), found)
        return [
            replace(one.artifact, size=size if size is not None else known.get(one.artifact.sha256))
            for one, size in zip(found, sizes, strict=True)
        ]


@cache
def _length(url: str) -> int | None:
    """A file's size, None where the server has the file's name only, as a recorded index does."""
    try:
        return http.opened(url, "HEAD").length or None
    except http.FetchError as error:
        if error.status in _NO_SIZE:
            return None
        raise ToolError(
            f"The size of {http.filename(url)} could not be read from {http.shown(url)}: {error.why}. "
            f"{_check_mirrors()}"
        ) from None


def _check_mirrors() -> str:
    return f"Check {environments.mirror_variable('pypi')} and the channel's mirror, or try again."


# --- what builds a package that exists as source only ----------------------------------------------------------------


def _build_layer(
    env: Environment, settings: Settings, sources: Sequence[_Found], *, current: Lock | None
) -> LayerLock:
    """What builds the source-only packages, locked as wheels: each one's build-system, resolved together."""
    wanted = sorted(
        {
            requirement
            for one in sources
            for requirement in sdist.build_requirements(_fetched(one), one.artifact.filename)
        }
    )
    names = " ".join(sorted(one.artifact.name for one in sources))
    with project_folder(uv_project.uv_project(env, index=None, pins=wanted)) as folder:
        if current and current.build:
            kept = "".join(f"{p.name}=={p.version}\n" for p in current.build.packages)
            (folder / "pins.txt").write_text(kept)
        only = ("--only-binary", ":all:")
        run_compile(env, settings, folder, compile_command(env, "pins.txt", extra=only))
        run_compile(
            env,
            settings,
            folder,
            compile_command(env, "pylock.toml", extra=(*only, "--constraints", "pins.txt")),
        )
        found = [
            _reached(_chosen(env, package), folder, _mirrors(env, settings, None, package))
            for package in pylock_packages(folder)
        ]
    artifacts = [replace(one, wanted_by=tuple(names.split())) for one in _sized(found, current)]
    return layer_lock(env, "build", sorted(artifacts, key=lambda one: one.name), uv=UV)


def _fetched(source: _Found) -> bytes:
    try:
        content = http.opened(source.url).content
    except http.FetchError as error:
        raise ToolError(f"{source.artifact.filename}: {error} {_check_mirrors()}") from None
    if sha256(content).hexdigest() != source.artifact.sha256:
        raise ToolError(
            f"{source.artifact.filename} is not the file whose hash the index gives: {source.artifact.sha256}."
        )
    return content


# --- exports -------------------------------------------------------------------------------------
