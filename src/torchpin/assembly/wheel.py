"""What a wheel installs into an environment: every path with its mode and its content, as `uv pip install` would write it.

The rules are those of the wheel's specification. Where it leaves something open the result is uv's, whose images these files
are compared with: its launchers, its RECORD, REQUESTED, and the folder of headers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.assembly import record, scripts
from torchpin.assembly.archive import WheelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.assembly.archive import WheelArchive
    from torchpin.assembly.record import RecordRow
    from torchpin.assembly.scripts import EntryPoint

_MOST_TEXT = 50_000_000  # bytes of a file that is read whole; the longest RECORD has some two million
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")  # are not listed in RECORD
_INSTALLER = b"uv"
_OF_VENV = frozenset({"pyvenv.cfg"})


@dataclass(frozen=True, kw_only=True, slots=True)
class VenvLayout:
    """The virtual environment of an image: its folder, and the minor version of its Python, such as `3.11`."""

    python: str
    root: str = "/opt/venv"

    @property
    def executable(self) -> str:
        return f"{self.root}/bin/python"

    @property
    def site_packages(self) -> str:
        return f"lib/python{self.python}/site-packages"

    @property
    def minor(self) -> int:
        return int(self.python.split(".")[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeFile:
    """A file of an image, `size` in bytes: its content is `content` or, without one, that of the wheel's file `member`."""

    size: int
    executable: bool
    member: str = ""
    content: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledWheel:
    """What a wheel installs: files and folders by their path in the environment."""

    archive: WheelArchive
    files: dict[str, TreeFile]
    folders: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Installation:
    """The state of one: where each file of the archive goes, and what RECORD says of it."""

    archive: WheelArchive
    layout: VenvLayout
    dist_info: str
    rows: dict[str, RecordRow]
    added: list[RecordRow] = field(default_factory=list)
    files: dict[str, TreeFile] = field(default_factory=dict)

    def write(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """A file that the wheel does not have, at a path of the environment."""
        self.files[path] = TreeFile(size=len(content), executable=executable, content=content)
        self.added.append(record.content_row(relative_path(path, self.layout.site_packages), content))

    def place(self, member: str, path: str, *, executable: bool = False) -> None:
        """A file of the wheel, at a path of the environment."""
        file = self.archive.files[member]
        executable = executable or file.executable
        self.files[path] = TreeFile(size=file.size, executable=executable, member=member)

    def record(self, member: str, path: str) -> None:
        """Note that a file of the wheel was put elsewhere than it is in the wheel."""
        if member in self.rows:
            name = relative_path(path, self.layout.site_packages)
            self.rows[member] = self.rows[member]._replace(path=name)


def install_wheel(archive: WheelArchive, name: str, layout: VenvLayout) -> InstalledWheel:
    """What the wheel of a package installs. Raises WheelError for one that is not what its file name and the lock say."""
    try:
        return _install(archive, name, layout)
    except ValueError as error:
        raise WheelError(archive.filename, str(error)) from None


def _install(archive: WheelArchive, name: str, layout: VenvLayout) -> InstalledWheel:
    dist_info = _dist_info(archive)
    _require_wheel(archive, dist_info, name)
    installation = _Installation(
        archive=archive, layout=layout, dist_info=dist_info, rows=_rows(archive, dist_info)
    )
    entry_points = f"{dist_info}/entry_points.txt"
    launchers = (
        scripts.read_entry_points(_text(archive, entry_points), layout.minor)
        if entry_points in archive.files
        else []
    )
    data = f"{dist_info.removesuffix('.dist-info')}.data/"
    for member in archive.files:
        if not member.startswith(data):
            installation.place(member, f"{layout.site_packages}/{member}")
    for script in launchers:
        content = scripts.launcher(script, layout.executable)
        installation.write(f"bin/{script.name}", content, executable=True)
    for member in sorted(member for member in archive.files if member.startswith(data)):
        _install_data(installation, member, member.removeprefix(data), canonicalize_name(name), launchers)
    _write_metadata(installation)
    return InstalledWheel(
        archive=archive, files=installation.files, folders=_folders(archive, data, layout, name)
    )


def relative_path(path: str, folder: str) -> str:
    """The path of a file from a folder, both from the same root."""
    parts, parents = path.split("/"), folder.split("/")
    same = 0
    while same < min(len(parts) - 1, len(parents)) and parts[same] == parents[same]:
        same += 1
    return "/".join([*[".."] * (len(parents) - same), *parts[same:]])


def _dist_info(archive: WheelArchive) -> str:
    tops = {path.split("/")[0] for path in archive.files if "/" in path}
    folders = sorted(top for top in tops if top.endswith(".dist-info"))
    if len(folders) != 1:
        message = f"it must have one folder .dist-info, and has {', '.join(folders) or 'none'}"
        raise ValueError(message)
    return folders[0]


def _require_wheel(archive: WheelArchive, dist_info: str, name: str) -> None:
    """Raises ValueError for another package's wheel, and for one of a later version of the format."""
    for required in ("METADATA", "WHEEL", "RECORD"):
        if f"{dist_info}/{required}" not in archive.files:
            message = f"it has no {required}"
            raise ValueError(message)
    wheel = HeaderParser().parsestr(_text(archive, f"{dist_info}/WHEEL"))
    version = wheel["Wheel-Version"] or "none"
    if not version.strip().startswith(("1.", "0.1")):
        message = f"it is of the wheel format {version.strip()[:20]}, and 1.0 is known"
        raise ValueError(message)
    metadata = HeaderParser().parsestr(_text(archive, f"{dist_info}/METADATA"))
    if canonicalize_name(metadata["Name"] or "") != canonicalize_name(name):
        message = f"its metadata are of {metadata['Name']}, not of {name}"
        raise ValueError(message)


def _rows(archive: WheelArchive, dist_info: str) -> dict[str, RecordRow]:
    """The lines of RECORD by the file of the wheel that each is of."""
    sizes = {path: file.size for path, file in archive.files.items()}
    unlisted = [f"{dist_info}/{name}" for name in _SIGNATURES]
    rows = record.read_record(_text(archive, f"{dist_info}/RECORD"), sizes, unlisted)
    return {row.path if row.path in sizes else record.plain_path(row.path): row for row in rows}


def _text(archive: WheelArchive, path: str) -> str:
    return archive.read(path, _MOST_TEXT).decode()


def _install_data(
    installation: _Installation, member: str, path: str, name: str, launchers: list[EntryPoint]
) -> None:
    """A file of the folder .data, which has a folder for each place of an environment."""
    scheme, _, inner = path.partition("/")
    if not inner:
        message = f"{member} lies in no folder of a place, such as scripts"
        raise ValueError(message)
    if scheme == "scripts":
        _install_script(installation, member, inner, launchers)
        return
    target = f"{_scheme_folder(scheme, installation.layout, name)}{inner}"
    first, _, rest = target.partition("/")
    if first == "bin" and "/" not in rest:
        scripts.require_script_name(rest)
    if target in _OF_VENV:
        message = f"{member} would replace {target} of the environment"
        raise ValueError(message)
    # lib64 is a link to lib
    installation.place(member, f"lib/{rest}" if first == "lib64" else target)
    installation.record(member, target)


def _scheme_folder(scheme: str, layout: VenvLayout, name: str) -> str:
    """The folder of one of the places that a wheel knows, "" or with a slash at the end."""
    folders = {
        "data": "",
        "headers": f"include/site/python{layout.python}/{name}/",
        "platlib": f"{layout.site_packages}/",
        "purelib": f"{layout.site_packages}/",
    }
    if scheme not in folders:
        message = f"it has files for {scheme}, which is not a place of an environment"
        raise ValueError(message)
    return folders[scheme]


def _install_script(
    installation: _Installation, member: str, filename: str, launchers: list[EntryPoint]
) -> None:
    if scripts.is_launcher_of(filename, launchers):
        return
    scripts.require_script_name(filename)
    path = f"bin/{filename}"
    content = (
        scripts.with_interpreter(
            installation.archive.read(member, _MOST_TEXT), installation.layout.executable
        )
        if next(installation.archive.chunks(member), b"").startswith(b"#!python")
        else None
    )
    if content is None:
        installation.place(member, path, executable=True)
        installation.record(member, path)
        return
    installation.write(path, content, executable=True)
    installation.rows.pop(member, None)


def _write_metadata(installation: _Installation) -> None:
    """What an installation adds to the metadata: that it was requested, by what, and RECORD at last."""
    folder = f"{installation.layout.site_packages}/{installation.dist_info}"
    installation.write(f"{folder}/REQUESTED", b"")
    installation.write(f"{folder}/INSTALLER", _INSTALLER)
    content = record.write_record([*installation.rows.values(), *installation.added])
    # written over that of the wheel, which may be executable
    executable = installation.archive.files[f"{installation.dist_info}/RECORD"].executable
    installation.files[f"{folder}/RECORD"] = TreeFile(
        size=len(content), executable=executable, content=content
    )


def _folders(archive: WheelArchive, data: str, layout: VenvLayout, name: str) -> frozenset[str]:
    """The folders that a wheel lists, which may be empty, by their path in the environment."""
    folders = set()
    for folder in archive.folders:
        if not f"{folder}/".startswith(data):
            folders.add(f"{layout.site_packages}/{folder}")
            continue
        scheme, _, inner = folder[len(data) :].partition("/")
        if scheme and scheme != "scripts":
            target = f"{_scheme_folder(scheme, layout, canonicalize_name(name))}{inner}"
            folders.add(f"lib/{target[6:]}" if target.startswith("lib64/") else target.rstrip("/"))
    return frozenset(folders - {"", "lib64"})


def parent_folders(paths: Iterator[str]) -> set[str]:
    """Every folder above some paths."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders
