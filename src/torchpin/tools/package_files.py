"""Packages that are in no index: wheels at an address, wheels of the repository, and archives of git commits."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin.compat.pins import pinned_version
from torchpin.compat.wheels import best_wheel
from torchpin.description.environments import mirror_variable, target_text
from torchpin.errors import InputError, ToolError
from torchpin.model import Artifact, Package, PackageFile
from torchpin.redaction import redact_credentials
from torchpin.tools import files, http, remote_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torchpin.model import Environment, Settings

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_WHEEL, _WHEEL_SECONDS = 3_000_000_000, 3600  # of one that is read whole, and the time for it
# A wheel up to this size is read whole, and its hash compared; of a larger one its metadata are read, and its hash is
# compared where it is installed.
_MOST_COMPARED = 20_000_000
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class LocatedFile:
    """The file of a package that is in no index: its artifact, its address, and its METADATA, None for an archive of sources.

    `path` is where it is on this machine, None for a wheel at an address.
    """

    artifact: Artifact
    url: str
    metadata: bytes | None = None
    path: Path | None = None


def locate_files(root: Path, env: Environment, settings: Settings) -> tuple[LocatedFile, ...]:
    """The files of an environment that are in no index, each with its hash and its size.

    Raises InputError, with the position of the pin, for a wheel that is missing, is not the pinned release or does not fit the
    environment; ToolError where an address or a repository cannot be read.
    """
    located = []
    for path, _, package in env.declared_packages:
        if isinstance(package, Package) and package.file:
            try:
                file = _locate(root, package, package.file, settings)
                _require_pinned_release(env, package, file)
            except InputError as error:
                raise InputError(f"{env.service.location(path)}: {error}") from None
            located.append(file)
    return tuple(located)


def _locate(root: Path, package: Package, file: PackageFile, settings: Settings) -> LocatedFile:
    artifact = Artifact(
        name=canonicalize_name(package.name),
        version=str(Version(pinned_version(package))),
        filename=file.filename,
        sha256=file.sha256,
        origin=file.origin,
    )
    if file.url:
        return _locate_address(artifact, file, settings)
    if file.path:
        return _locate_wheel(root, artifact, file)
    archive = _source_archive(root, artifact, file, settings)
    return _measured(replace(artifact, filename=archive.name), archive)


def _source_archive(root: Path, artifact: Artifact, file: PackageFile, settings: Settings) -> Path:
    from torchpin.tools import git_archive  # with GitPython, which few environments need

    return git_archive.source_archive(root, artifact.name, artifact.version, file, settings)


def _measured(artifact: Artifact, path: Path, metadata: bytes | None = None) -> LocatedFile:
    measured = replace(artifact, sha256=file_digest(path), size=path.stat().st_size)
    return LocatedFile(artifact=measured, url=path.resolve().as_uri(), metadata=metadata, path=path)


def copy_package(
    root: Path, artifact: Artifact, package: PackageFile, into: Path, settings: Settings
) -> None:
    """Copy the locked file of the repository, or of a git commit. Raises ToolError where it is not the locked one any more."""
    path = (
        repository_wheel(root, package.path)
        if package.path
        else _source_archive(root, artifact, package, settings)
    )
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, into)
    if file_digest(into) != artifact.sha256:
        raise ToolError(
            f"{package.path or path} is not the file that is locked ({artifact.sha256}); run `invoke lock`"
        )


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _locate_wheel(root: Path, artifact: Artifact, file: PackageFile) -> LocatedFile:
    path = repository_wheel(root, file.path)
    return _measured(artifact, path, _local_metadata(path, file.path))


def repository_wheel(root: Path, path: str) -> Path:
    """A wheel of the repository. Raises InputError where it is missing or a pointer of Git LFS, ToolError for a link out of it."""
    wheel = files.expect_inside(root, path)
    if not wheel.is_file():
        raise InputError(f"{path} is not there; put the wheel into the repository, or correct `path`")
    with wheel.open("rb") as opened:
        if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise InputError(f"{path} is a pointer of Git LFS, not the wheel; run `git lfs pull`")
    return wheel


def _local_metadata(path: Path, name: str) -> bytes:
    wheel = remote_wheel.read_local_wheel(path)
    if wheel is None or not wheel.metadata:
        raise InputError(f"{name} is not a wheel with metadata; build it again")
    return wheel.metadata


def _locate_address(artifact: Artifact, file: PackageFile, settings: Settings) -> LocatedFile:
    """A wheel at an address, or at the mirror of its package. Raises ToolError where it cannot be read, or has another hash."""
    mirror = settings.mirrors.get(artifact.name)
    address = f"{mirror.rstrip('/')}/{artifact.filename.replace('+', '%2B')}" if mirror else file.url
    try:
        size = http.fetch(address, "HEAD").length
        remote = (
            remote_wheel.read_wheel(address, artifact.filename, size)
            if size and size > _MOST_COMPARED
            else None
        )
        metadata = remote.metadata if remote else _download(artifact, address, size)
    except http.FetchError as error:
        raise ToolError(
            f"{redact_credentials(address)} cannot be read: {error.reason}; check `url`, or {mirror_variable(artifact.name)}"
        ) from None
    return LocatedFile(artifact=replace(artifact, size=size), url=address, metadata=metadata)


def _download(artifact: Artifact, address: str, size: int | None) -> bytes:
    """The METADATA of a wheel that is read whole. Raises InputError where it does not have its hash."""
    content = http.fetch(address, most_bytes=size or _LARGEST_WHEEL, seconds=_WHEEL_SECONDS).content
    digest = hashlib.sha256(content).hexdigest()
    if digest != artifact.sha256:
        raise InputError(
            f"{artifact.filename} has the SHA-256 {digest}, and {artifact.sha256} is described; find out which is right"
        )
    wheel = remote_wheel.read_wheel_content(content, artifact.filename)
    if wheel is None or not wheel.metadata:
        raise InputError(f"{artifact.filename} is not a wheel with metadata")
    return wheel.metadata


def _require_pinned_release(env: Environment, package: Package, file: LocatedFile) -> None:
    """Raises InputError where a wheel is not for the environment, or its metadata are of another release than the pin."""
    artifact = file.artifact
    if artifact.is_source:
        return
    if best_wheel((artifact,), env.service.python, env.variant.platform) is None:
        target = target_text(env)
        raise InputError(
            f"{artifact.filename} is not for {target}; name another file for {env.variant.name}, with `variants` for each"
        )
    fields, _ = parse_email(file.metadata or b"")
    name, version = canonicalize_name(fields.get("name", "")), fields.get("version", "")
    try:
        same = (name, Version(version)) == (artifact.name, Version(artifact.version))
    except InvalidVersion:
        same = False
    if not same:
        raise InputError(
            f"the metadata of {artifact.filename} are of {name} {version}, and the pin is {package}; pin that"
        )


def write_flat_index(folder: Path, located: Iterable[LocatedFile]) -> None:
    """An index for uv's resolution: of a wheel its metadata alone, of sources the archive."""
    folder.mkdir()
    for file in located:
        name, version = file.artifact.name.replace("-", "_"), file.artifact.version
        if file.metadata is None:
            (folder / file.artifact.filename).symlink_to(str(file.path))
            continue
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", file.metadata)
            wheel.writestr(
                f"{info}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: torchpin\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            wheel.writestr(f"{info}/RECORD", "")
