"""The files of a package's releases, as PyPI, or the index that stands for it, lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from torchpin.errors import ToolError
from torchpin.parsing import parse_json
from torchpin.redaction import redact_credentials
from torchpin.tools import http, process
from torchpin.tools.index_server import JSON_PAGE
from torchpin.tools.uv import uv_environment, uv_executable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from packaging.version import Version

    from torchpin.model import Settings

_OPTION = "--index-url "
_LARGEST_PAGE = 50_000_000  # bytes; the pages of packages with nightly releases have some millions


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFile:
    """A wheel or a source archive of a release; `size` in bytes, `uploaded` as `2026-11-26`, `yanked` by who made it."""

    filename: str
    version: Version
    url: str
    size: int
    uploaded: str
    yanked: bool = False

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")


def index_address(settings: Settings) -> str:
    """The address of PyPI, or of what stands for it in uv's settings. Raises ToolError where uv does not tell it."""
    command = (uv_executable(), "pip", "compile", "--quiet", "--no-header", "--emit-index-url", "-")
    completed = process.run(
        command, text="", env=uv_environment(settings), check=False, timeout=process.QUICK
    )
    lines = [line for line in completed.stdout.splitlines() if line.startswith(_OPTION)]
    if not lines:
        raise ToolError(f"uv does not report the address of PyPI: {completed.stderr.strip()[:200]}")
    return lines[0].removeprefix(_OPTION).strip().rstrip("/")


def release_files(index: str, package: str, *, until: date) -> dict[Version, list[ReleaseFile]]:
    """The files of each final release of a package up to a day, the oldest first. Files without a size are left out.

    Raises ToolError for a page that cannot be read, or is not one of PEP 700, which has sizes and times.
    """
    address = f"{index}/{canonicalize_name(package)}/"
    response = http.fetch(address, accept=JSON_PAGE, most_bytes=_LARGEST_PAGE)
    try:
        page = parse_json(response.content.decode())
        files = [_parse_file(row, address) for row in page["files"]]
    except (ValueError, TypeError, KeyError) as error:
        shown = redact_credentials(address)
        raise ToolError(
            f"{shown} is not a page of an index with sizes and times (PEP 700): {error!r}"
        ) from None
    releases: dict[Version, list[ReleaseFile]] = {}
    for file in files:
        if file and not file.version.is_prerelease and file.uploaded <= until.isoformat():
            releases.setdefault(file.version, []).append(file)
    return {version: releases[version] for version in sorted(releases)}


def _parse_file(row: Mapping[str, Any], address: str) -> ReleaseFile | None:
    """A file of a page; None for what is neither a wheel nor a source archive. Raises KeyError, TypeError, ValueError."""
    filename = str(row["filename"])
    try:
        version = (
            parse_wheel_filename(filename)[1]
            if filename.endswith(".whl")
            else parse_sdist_filename(filename)[1]
        )
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return None
    if not isinstance(row.get("size"), int):
        return None
    return ReleaseFile(
        filename=filename,
        version=version,
        url=http.join(address, str(row["url"])),
        size=row["size"],
        uploaded=str(row["upload-time"])[:10],
        yanked=bool(row.get("yanked")),
    )
