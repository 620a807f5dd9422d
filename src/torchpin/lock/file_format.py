"""The files of a lock: requirements with hashes, one file a layer, without package hosts, each with a digest of its text."""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import InputError
from torchpin.lock.sealing import broken_file_error, seal, unseal
from torchpin.lock.statements import (
    LICENSES,
    WHEELS,
    licenses_text,
    parse_licenses,
    parse_wheels,
    wheels_text,
)
from torchpin.model import Artifact, LayerLock, Lock, Upstream
from torchpin.project.requirement_file import logical_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import FileOrigin, LicenseStatement, Problem, WheelContents

# A line names no host, so pip and uv install it from any index or mirror. The comment has what they do not need.
_PACKAGE_LINE = re.compile(
    r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[0-9a-z.+!_-]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})"
    r"  # (?P<filename>[A-Za-z0-9_.+!-]+), (?P<size>[0-9]{1,18} bytes|size not published)(?:, source only)?"
    r"(?:, (?P<origin>by address|of this repository|from git))?(?:, for (?P<required_by>[a-z0-9 -]+))?"
)
_ORIGINS: Mapping[FileOrigin, str] = {
    "address": "by address",
    "repository": "of this repository",
    "git": "from git",
}
# `answers` is LayerLock.inputs_digest; the name stays, since committed locks have it.
_HEADER_FIELDS = ("environment", "layer", "origin", "python", "platform", "uv", "answers")
_CUTOFF = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
BUILD, STAGE, PROVIDED = "build", "build-stage", "00-given"  # the layers that are not installed
UPSTREAM_PREFIX = "upstream-"
_BUILD_SEPARATOR = " | "  # between the build requirements of a source, which may have commas and semicolons


def _package_line(package: Artifact) -> str:
    size = "size not published" if package.size is None else f"{package.size} bytes"
    kind = ", source only" if package.is_source else ""
    origin = f", {_ORIGINS[package.origin]}" if package.origin else ""
    required_by = f", for {' '.join(package.required_by)}" if package.required_by else ""
    requirement = f"{package.name}=={package.version} --hash=sha256:{package.sha256}"
    return f"{requirement}  # {package.filename}, {size}{kind}{origin}{required_by}"


def layer_text(layer: LayerLock) -> str:
    """The file of a layer."""
    values = (
        layer.environment,
        layer.name,
        layer.origin,
        layer.python,
        layer.platform,
        layer.uv,
        layer.inputs_digest,
    )
    fields = dict(zip(_HEADER_FIELDS, values, strict=True)) | ({"optional": "true"} if layer.optional else {})
    fields |= {"cutoff": layer.cutoff} if layer.cutoff else {}
    lines = [_package_line(package) for package in layer.packages]
    return seal(f"# torchpin lock of {layer.environment}, layer {layer.name}", fields, lines)


def parse_layer(file: str, text: str) -> LayerLock:
    """The layer of a file's text. Raises InputError with file:line if it was edited or is not a layer."""
    fields, lines = unseal(file, text)
    if {*fields} - {"optional", "cutoff"} != {*_HEADER_FIELDS}:
        raise broken_file_error(file, 1, f"expected the header fields {', '.join(_HEADER_FIELDS)}")
    if not _CUTOFF.fullmatch(fields.get("cutoff", "2000-01-01T00:00:00Z")):
        raise broken_file_error(file, 1, "cutoff: expected a time such as 2026-11-19T00:00:00Z")
    packages = {package.name: package for package in (_parse_package(file, *numbered) for numbered in lines)}
    if len(packages) != len(lines):
        raise broken_file_error(file, 1, "locks a package more than once")
    return LayerLock(
        environment=fields["environment"],
        name=fields["layer"],
        origin=fields["origin"],
        python=fields["python"],
        platform=fields["platform"],
        uv=fields["uv"],
        inputs_digest=fields["answers"],
        packages=tuple(packages.values()),
        optional="optional" in fields,
        cutoff=fields.get("cutoff", ""),
    )


def upstream_file(source: str) -> str:
    """The name of the file of a source's requirements."""
    return paths.lock_file(f"{UPSTREAM_PREFIX}{source}")


def _parse_package(file: str, number: int, line: str) -> Artifact:
    """The package of a line. Raises InputError unless it is written as `_package_line` writes it."""
    package = _package_of_line(line)
    if package is None:
        raise broken_file_error(file, number, f"not a locked package with exactly one hash: {line[:80]!r}")
    if line != _package_line(package):
        raise broken_file_error(file, number, f"not as `invoke lock` writes a package: {line[:80]!r}")
    return package


@lru_cache(maxsize=20_000)  # variants and services have many lines in common
def _package_of_line(line: str) -> Artifact | None:
    match = _PACKAGE_LINE.fullmatch(line)
    if not match:
        return None
    size = match["size"].removesuffix(" bytes")
    return Artifact(
        name=match["name"],
        version=match["version"],
        filename=match["filename"],
        sha256=match["sha256"],
        size=int(size) if size.isdigit() else None,
        required_by=tuple((match["required_by"] or "").split()),
        origin=next((origin for origin, text in _ORIGINS.items() if text == match["origin"]), ""),
    )


def upstream_text(upstream: Upstream) -> str:
    """The file of a source's requirements."""
    values = {
        "source": upstream.source,
        "tag": upstream.tag or "",
        "commit": upstream.commit,
        "file": upstream.file,
        "distribution": upstream.distribution,
        "build": _BUILD_SEPARATOR.join(upstream.build),
    }
    fields = {name: value for name, value in values.items() if value}
    return seal(f"# What {upstream.source} {upstream.version} itself asks for", fields, upstream.requirements)


def parse_upstream(file: str, text: str) -> Upstream:
    """A source's requirements from their file's text. Raises InputError as parse_layer does."""
    fields, lines = unseal(file, text)
    if {*fields} - {"tag", "distribution", "build", "file"} != {"source", "commit"}:
        raise broken_file_error(file, 1, "expected the header fields source, tag, commit, file")
    return Upstream(
        source=fields["source"],
        tag=fields.get("tag"),
        commit=fields["commit"],
        file=fields.get("file", ""),
        distribution=fields.get("distribution", ""),
        build=tuple(filter(None, fields.get("build", "").split(_BUILD_SEPARATOR))),
        requirements=tuple(line for _, line in lines),
    )


def lock_texts(lock: Lock) -> dict[str, str]:
    """The files of a lock, name to text."""
    layers = lock.all_layers
    environment = layers[0].environment if layers else ""
    statements = {
        LICENSES: licenses_text(environment, lock.licenses),
        WHEELS: wheels_text(environment, lock.wheels),
    }
    upstreams = {upstream_file(upstream.source): upstream_text(upstream) for upstream in lock.upstreams}
    return {layer.file: layer_text(layer) for layer in layers} | (statements if layers else {}) | upstreams


def parse_lock(folder: str, texts: Mapping[str, str]) -> Lock:
    """A lock from `{file name: text}`. Raises InputError with every broken file."""
    layers: list[LayerLock] = []
    upstreams: list[Upstream] = []
    licenses: tuple[LicenseStatement, ...] = ()
    wheels: tuple[WheelContents, ...] = ()
    problems: list[Problem] = []
    for name, text in sorted(texts.items()):
        try:
            if name == LICENSES:
                licenses = parse_licenses(f"{folder}/{name}", text)
                continue
            if name == WHEELS:
                wheels = parse_wheels(f"{folder}/{name}", text)
                continue
            if name.startswith(UPSTREAM_PREFIX):
                upstreams.append(parse_upstream(f"{folder}/{name}", text))
                expected_name = upstream_file(upstreams[-1].source)
            else:
                layers.append(parse_layer(f"{folder}/{name}", text))
                expected_name = layers[-1].file
            if expected_name != name:
                raise broken_file_error(f"{folder}/{name}", 1, _misnamed(name, expected_name))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError("run `invoke lock` to write them again, or restore them from git", problems)
    special_layers = {layer.name: layer for layer in layers if layer.name in {BUILD, STAGE, PROVIDED}}
    return Lock(
        layers=tuple(
            sorted((layer for layer in layers if layer.name not in special_layers), key=_install_order)
        ),
        build=special_layers.get(BUILD),
        stage=special_layers.get(STAGE),
        provided=special_layers.get(PROVIDED),
        upstreams=tuple(upstreams),
        licenses=licenses,
        wheels=wheels,
    )


def _install_order(layer: LayerLock) -> tuple[int, str, str]:
    """By the number in a layer's name, then by the rest: file names would put `100-…` before `99-…`, and `02-a-b.` before `02-a.`."""
    number = layer.name.partition("-")[0].lstrip("0")
    return len(number), number, layer.name


def _misnamed(name: str, expected_name: str) -> str:
    if paths.present_name(name) == expected_name:
        return f"is named {expected_name} now; run `invoke lock` to move it"
    return f"has the header of {expected_name}"


def with_present_names(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by file name, with the names that files have now; of a file under both names, the present one counts."""
    moved = {paths.present_name(name): text for name, text in texts.items()}
    return moved | {name: text for name, text in texts.items() if name in moved}


def installer_requirements(layer: LayerLock, addresses: Mapping[str, str] = MappingProxyType({})) -> str:
    """The requirements of a layer alone, without header and comments; `addresses` has those of files by package."""
    lines = []
    for package in layer.packages:
        address = addresses.get(package.name)
        requirement = f"{package.name} @ {address}" if address else f"{package.name}=={package.version}"
        lines.append(f"{requirement} --hash=sha256:{package.sha256}\n")
    return "".join(lines)


def requirement_lines(text: str) -> tuple[str, ...]:
    """The requirements of a source's file, sorted; without comments, options and lines such as `-e .`."""
    lines = (re.split(r"(?:^|\s)--", line.text, maxsplit=1)[0].strip() for line in logical_lines(text))
    return tuple(sorted(line for line in lines if line and not line.startswith("-")))
