"""What locked files state of themselves: their licenses, and what rules need of wheels; read from the indexes they are on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from torchpin.compat.overrides import unread_requirers
from torchpin.description.environments import service_index
from torchpin.errors import ToolError
from torchpin.lock import contents, sdist, uv_project
from torchpin.lock.metadata import license_statement
from torchpin.measure.contents import installed_files
from torchpin.tools import credentials, http, remote_wheel
from torchpin.tools.threads import thread_pool
from torchpin.tools.uv_compile import (
    NoSolutionError,
    compile_command,
    pylock_files,
    pylock_packages,
    run_compile,
    temporary_project,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from torchpin.measure.contents import WheelFile
    from torchpin.model import (
        Artifact,
        Environment,
        LicenseStatement,
        Lock,
        Settings,
        WheelContents,
    )

_CONNECTIONS = 8
_LARGEST_SOURCE = 50_000_000  # bytes of a source archive that is read for its PKG-INFO alone
_NO_ADDRESS = "no index has its file"
_NOT_SERVED = "its index does not serve the file"
_NO_RANGES = "its index serves no parts of the file, or the file is damaged"
_DAMAGED = "the file is damaged"
_SOURCE_ARCHIVE = "it is a source archive: what it installs is known when it is built"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """What was read of a file: its METADATA or PKG-INFO, empty where there is none; its table of contents, or why not.

    `installs`: what a source archive lists of its folders and modules.
    """

    metadata: bytes = b""
    files: tuple[WheelFile, ...] | None = None
    installs: tuple[str, ...] = ()
    unread: str = ""


def read_statements(
    env: Environment,
    settings: Settings,
    lock: Lock,
    urls: Mapping[str, str],
    *,
    current: Lock | None,
    other_builds: bool,
) -> tuple[tuple[LicenseStatement, ...], tuple[WheelContents, ...]]:
    """The licenses that a lock's files state, and what was read out of its wheels; what `current`, the present lock, knows stays.

    `urls`: the addresses of files by SHA-256. `other_builds`: where a channel or a release publishes nothing to read, PyPI's
    build of the same release is read. A file that states no license has no statement, a wheel always has its contents or why
    they were not read. Raises ToolError when a server fails.
    """
    artifacts = {package.sha256: package for layer in lock.all_layers for package in layer.packages}
    origins = {package.sha256: layer.origin for layer in lock.all_layers for package in layer.packages}
    installed = {package.sha256 for package in lock.all_packages.values()}
    licenses = {statement.sha256: statement for statement in (current.licenses if current else ())}
    present = {wheel.sha256: wheel for wheel in (current.wheels if current else ())}
    wheels = {**present}
    unread = _unread_files(artifacts.values(), installed, licenses, present)
    requirers = unread_requirers(env, replace(lock, wheels=tuple(present.values())))
    unread += [file for file in artifacts.values() if file.name in requirers and file not in unread]
    readings = _read_files(unread, urls)
    for package in unread:
        reading = readings[package.sha256]
        statement = license_statement(package, reading.metadata)
        licenses |= {package.sha256: statement} if statement else {}
        if package.sha256 in installed:
            wheels[package.sha256] = _wheel_contents(env, package, reading, present.get(package.sha256))
    for package in unread if other_builds else ():
        # an index of the description may have a package that has but the name of PyPI's
        may_be_on_pypi = origins[package.sha256] != "pypi" and not service_index(env, origins[package.sha256])
        if may_be_on_pypi and (package.sha256 not in licenses or package.sha256 not in present):
            _add_other_build(env, settings, package, licenses, wheels)
    compared = _with_shared_files([wheels[key] for key in installed], artifacts, readings, urls, current)
    return (
        tuple(sorted((licenses[key] for key in artifacts.keys() & licenses.keys()), key=_order)),
        tuple(sorted(compared, key=_order)),
    )


def _unread_files(
    artifacts: Iterable[Artifact],
    installed: Collection[str],
    licenses: Mapping[str, LicenseStatement],
    wheels: Mapping[str, WheelContents],
) -> list[Artifact]:
    """The files of which the present lock does not know all: the contents of those that are installed, else the license."""

    def is_known(package: Artifact) -> bool:
        if package.sha256 not in installed:
            return package.sha256 in licenses
        # a source archive tells the same whenever it is read; a wheel that was not read may be there now
        wheel = wheels.get(package.sha256)
        return wheel is not None and (wheel.is_read or package.is_source)

    return [package for package in artifacts if not is_known(package)]


def _order(statement: LicenseStatement | WheelContents) -> tuple[str, str]:
    return statement.name, statement.sha256


def _wheel_contents(
    env: Environment, package: Artifact, reading: _Reading, present: WheelContents | None
) -> WheelContents:
    """The contents of a file that was read; what is present where that is of another build, and nothing better was read."""
    if reading.files is not None:
        return contents.wheel_contents(env, package, reading.metadata, reading.files)
    if reading.installs:
        source = contents.unread_wheel(env, package, "", reading.metadata)
        return replace(source, installs=reading.installs, contents_of=package.filename)
    if present and present.contents_of:
        return present
    return contents.unread_wheel(env, package, reading.unread, reading.metadata)


def _with_shared_files(
    wheels: Sequence[WheelContents],
    artifacts: Mapping[str, Artifact],
    readings: Mapping[str, _Reading],
    urls: Mapping[str, str],
    current: Lock | None,
) -> tuple[WheelContents, ...]:
    """The wheels with the files that they share; those of the present lock are read again if a new wheel has to be compared."""
    recorded = contents.recorded_pairs(current.wheels if current else ())
    pairs = [
        pair for pair in contents.overlapping(wheels) if (pair[0].sha256, pair[1].sha256) not in recorded
    ]
    needed = {wheel.sha256 for pair in pairs for wheel in pair}
    to_read = [artifacts[key] for key in sorted(needed) if key not in readings]
    readings = {**readings, **_read_files(to_read, urls)}
    lost = {key: readings[key].unread for key in needed if readings[key].files is None}
    wheels = [
        replace(wheel, unread=lost[wheel.sha256]) if wheel.sha256 in lost else wheel for wheel in wheels
    ]
    files = {key: installed_files(readings[key].files or ()) for key in needed - lost.keys()}
    return contents.with_shared_files(wheels, files, recorded)


def _read_files(packages: Sequence[Artifact], urls: Mapping[str, str]) -> dict[str, _Reading]:
    """What was read of files, by their SHA-256."""
    with thread_pool(_CONNECTIONS) as pool:
        futures = {
            package.sha256: pool.submit(_read_file, package, urls.get(package.sha256, ""))
            for package in packages
        }
        return {key: future.result() for key, future in futures.items()}


def _read_file(artifact: Artifact, url: str) -> _Reading:
    """What can be read of a file at an address. Raises ToolError when its server fails."""
    if artifact.origin in {"repository", "git"} and url.startswith("file://"):
        return _read_local(artifact, url)
    if not url.startswith(("http://", "https://")):
        return _Reading(unread=_NO_ADDRESS)
    address, _, _ = url.partition("#")
    read = _read_source if artifact.is_source else _read_wheel
    try:
        return read(artifact, address)
    except http.FetchError as error:
        if error.is_refusal:
            return _Reading(unread=_NOT_SERVED)
        raise ToolError(f"the metadata of {artifact.filename} cannot be read: {error}") from None


def _read_local(artifact: Artifact, url: str) -> _Reading:
    """What a file on this machine states: a wheel of the repository, or an archive of a git commit."""
    if artifact.is_source:
        return _Reading(unread=_SOURCE_ARCHIVE)
    wheel = remote_wheel.read_local_wheel(http.local_path(url))
    return _Reading(metadata=wheel.metadata, files=wheel.files) if wheel else _Reading(unread=_DAMAGED)


def _read_wheel(artifact: Artifact, address: str) -> _Reading:
    """A wheel by parts of it, else the METADATA that its index may publish beside it (PEP 658)."""
    reason = _NO_RANGES
    if artifact.size:
        try:
            wheel = remote_wheel.read_wheel(address, artifact.filename, artifact.size)
        except http.FetchError as error:
            if not error.is_refusal:
                raise
            reason, wheel = _NOT_SERVED, None
        if wheel is not None:
            return _Reading(metadata=wheel.metadata, files=wheel.files)
    try:
        return _Reading(metadata=http.fetch(f"{address}.metadata").content, unread=reason)
    except http.FetchError as error:
        if not error.is_refusal:
            raise
        return _Reading(unread=reason)


def _read_source(artifact: Artifact, address: str) -> _Reading:
    """The PKG-INFO of a source archive, and what it lists of its folders; nothing of one that is very large."""
    if (artifact.size or 0) > _LARGEST_SOURCE:
        return _Reading(unread=_SOURCE_ARCHIVE)
    content = http.fetch(address).content
    if sha256(content).hexdigest() != artifact.sha256:
        raise ToolError(
            f"{artifact.filename} does not match the hash that the index lists: {artifact.sha256}"
        )
    return _Reading(
        metadata=sdist.package_metadata(content, artifact.filename),
        installs=sdist.top_level(content, artifact.filename),
        unread=_SOURCE_ARCHIVE,
    )


def _add_other_build(
    env: Environment,
    settings: Settings,
    package: Artifact,
    licenses: dict[str, LicenseStatement],
    wheels: dict[str, WheelContents],
) -> None:
    """Adds what PyPI's build of a release states, where the locked file's own cannot be read.

    The builds of a release install into the same folders, and are under the same license; all else may differ.
    """
    wheel = wheels.get(package.sha256)
    other = _find_other_build(env, settings, package)
    if other is None:
        return
    build, reading = other
    statement = license_statement(build, reading.metadata)
    if statement and package.sha256 not in licenses:
        licenses[package.sha256] = replace(
            statement,
            name=package.name,
            version=package.version,
            sha256=package.sha256,
            metadata_of=build.filename,
        )
    if wheel and wheel.unread and reading.files is not None:
        installs = contents.wheel_contents(env, build, b"", reading.files).installs
        wheels[package.sha256] = replace(wheel, unread="", contents_of=build.filename, installs=installs)


def _find_other_build(
    env: Environment, settings: Settings, artifact: Artifact
) -> tuple[Artifact, _Reading] | None:
    """PyPI's build of the same release; None where PyPI has none for this Python and platform.

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
        return build, _read_file(build, http.with_credentials(url, [credentials.default_index(settings)]))
    return None
