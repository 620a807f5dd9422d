"""Wheels that are written file by file, also such as no tool would build."""

from __future__ import annotations

import csv
import io
import stat
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from torchpin.model import Artifact

if TYPE_CHECKING:
    from collections.abc import Mapping

    Content = bytes | tuple[bytes, int]  # a file's content, or that and its mode


def build_wheel(
    filename: str,
    files: Mapping[str, Content],
    *,
    record: str | None = None,
    record_mode: int = 0o644,
    purelib: bool = True,
    system: int = 3,
    stored: bool = False,
) -> bytes:
    """A wheel with its metadata, and its RECORD (or `record` for it). A path with a slash at its end is a folder."""
    name, version = filename.split("-")[:2]
    info = f"{name}-{version}.dist-info"
    contents: dict[str, Content] = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {str(purelib).lower()}\n"
        "Tag: py3-none-any\n".encode(),
    }
    contents = {**contents, **{path: files[path] for path in files}}
    if record is None:
        record = "".join(_record_line(path, content) for path, content in contents.items())
        record += f"{info}/RECORD,,\n"
    contents[f"{info}/RECORD"] = (record.encode(), record_mode)
    return zip_file(contents, system=system, stored=stored)


def zip_file(contents: Mapping[str, Content], *, system: int = 3, stored: bool = False) -> bytes:
    """A zip file whose entries say that they are of an operating system, 3 for Unix."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in contents.items():
            body, mode = content if isinstance(content, tuple) else (content, 0o644)
            entry = zipfile.ZipInfo(path, (2020, 2, 2, 2, 2, 2))
            entry.create_system = system
            kind = 0 if stat.S_IFMT(mode) else stat.S_IFDIR if path.endswith("/") else stat.S_IFREG
            entry.external_attr = (mode | kind) << 16
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, body)
    return buffer.getvalue()


def artifact_of(filename: str, content: bytes) -> Artifact:
    """A wheel as a lock has it."""
    name, version, _, _ = parse_wheel_filename(filename)
    digest = sha256(content).hexdigest()
    return Artifact(name=name, version=str(version), filename=filename, sha256=digest, size=len(content))


def _record_line(path: str, content: Content) -> str:
    if path.endswith("/"):
        return ""
    body = content[0] if isinstance(content, tuple) else content
    digest = urlsafe_b64encode(sha256(body).digest()).decode().rstrip("=")
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow((path, f"sha256={digest}", len(body)))
    return line.getvalue()
