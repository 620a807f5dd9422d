"""The licenses of locked files, from their metadata as the indexes publish them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.lock import sdist, uv_project
from torchpin.lock.metadata import license_statement
from torchpin.tools import http, remote_wheel
from torchpin.tools.uv_compile import (
    NoSolutionError,
    compile_command,
    pylock_files,
    pylock_packages,
    run_compile,
    temporary_project,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Artifact, Environment, LicenseStatement, Lock, Settings

_CONNECTIONS = 8
_CLIENT_ERROR, _SERVER_ERROR = 400, 500  # HTTP statuses
_LARGEST_SOURCE = 50_000_000  # bytes of a source archive that is read for its PKG-INFO alone


def read_licenses(
    env: Environment,
    settings: Settings,
    lock: Lock,
    urls: Mapping[str, str],
    *,
    current: Lock | None,
    other_builds: bool,
) -> tuple[LicenseStatement, ...]:
    """What the metadata of a lock's files say of their licenses; those that `current`, the present lock, knows are not read.

    `urls`: the addresses of files by SHA-256. `other_builds`: where a channel or a release publishes no metadata, those of
    PyPI's build of the same release are read. A file without metadata, or whose metadata say nothing, has no statement.
    Raises ToolError when a server fails.
    """
    known = {statement.sha256: statement for statement in (current.licenses if current else ())}
    layers = [*lock.layers, *(layer for layer in (lock.build, lock.provided) if layer)]
    origins = {package: layer.origin for layer in layers for package in layer.packages}
    unread = [package for package in origins if package.sha256 not in known]
    statements = {**known, **_read_statements(unread, urls)}
    for package in unread if other_builds else ():
        if package.sha256 not in statements and origins[package] != "pypi":
            statement = _read_other_build(env, settings, package)
            statements |= {package.sha256: statement} if statement else {}
    hashes = {package.sha256 for package in origins}  # a build requirement may be an installed package too
    chosen = (statement for statement in statements.values() if statement.sha256 in hashes)
    return tuple(sorted(chosen, key=lambda statement: (statement.name, statement.sha256)))


def _read_statements(packages: Sequence[Artifact], urls: Mapping[str, str]) -> dict[str, LicenseStatement]:
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        futures = [
            pool.submit(_read_statement, package, urls.get(package.sha256, "")) for package in packages
        ]
        try:
            statements = [future.result() for future in futures]
        except BaseException:  # an interrupt too: what is not begun yet is not read any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {statement.sha256: statement for statement in statements if statement}


def _read_statement(artifact: Artifact, url: str) -> LicenseStatement | None:
    """The statement of a file at an address; None where its metadata cannot be had, or say nothing."""
    if not url.startswith(("http://", "https://")):
        return None
    address, _, _ = url.partition("#")
    read = _read_source_metadata if artifact.is_source else _read_wheel_metadata
    try:
        content = read(artifact, address)
    except http.FetchError as error:
        if error.status is not None and _CLIENT_ERROR <= error.status < _SERVER_ERROR:
            return None
        raise ToolError(f"the metadata of {artifact.filename} cannot be read: {error}") from None
    return license_statement(artifact, content)


def _read_wheel_metadata(artifact: Artifact, address: str) -> bytes:
    """The METADATA of a wheel, which its index may publish beside it (PEP 658); else read out of the wheel."""
    try:
        return http.fetch(f"{address}.metadata").content
    except http.FetchError as error:
        if error.status is None or error.status >= _SERVER_ERROR or not artifact.size:
            raise
    return remote_wheel.read_metadata(address, artifact.filename, artifact.size)


def _read_source_metadata(artifact: Artifact, address: str) -> bytes:
    """The PKG-INFO of a source archive; empty for one that is very large."""
    if (artifact.size or 0) > _LARGEST_SOURCE:
        return b""
    content = http.fetch(address).content
    if sha256(content).hexdigest() != artifact.sha256:
        raise ToolError(
            f"{artifact.filename} does not match the hash that the index lists: {artifact.sha256}"
        )
    return sdist.package_metadata(content, artifact.filename)


def _read_other_build(env: Environment, settings: Settings, artifact: Artifact) -> LicenseStatement | None:
    """The statement of PyPI's build of the same release; None where PyPI has none for this Python and platform.

    Raises ToolError where PyPI cannot be read: a lock is not to depend on whether it could.
    """
    pin = f"{artifact.name}=={artifact.version.partition('+')[0]}"
    with temporary_project(uv_project.render_uv_project(env, index=None, pins=[pin])) as folder:
        try:
            run_compile(env, settings, folder, compile_command(env, "pylock.toml", extra=("--no-deps",)))
        except NoSolutionError:
            return None
        files = [file for package in pylock_packages(folder) for file in pylock_files(package)]
    for build, url in files[:1]:
        statement = _read_statement(build, http.with_credentials(url, [settings.mirrors.get("pypi")]))
        if statement:
            return replace(
                statement,
                name=artifact.name,
                version=artifact.version,
                sha256=artifact.sha256,
                metadata_of=build.filename,
            )
    return None
