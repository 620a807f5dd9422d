"""The METADATA of a release on an index, without its wheel being downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.measure.metadata import parse_requirements
from torchpin.tools import http, pypi, remote_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from packaging.version import Version

    from torchpin.tools.pypi import ReleaseFile


def read_requirements(index: str, package: str, version: Version, *, until: date) -> tuple[str, ...]:
    """What a release requires, one requirement a text; nothing where it has no wheel, or is not on the index.

    Raises ToolError where the index, or the wheel, cannot be read.
    """
    files = pypi.release_files(index, package, until=until).get(version, [])
    metadata = read_metadata(files)
    return tuple(map(str, parse_requirements(metadata))) if metadata else ()


def read_metadata(files: Sequence[ReleaseFile]) -> bytes | None:
    """The METADATA of a release's wheel, that for any platform or for Linux on x86_64 first; None where it has no wheel.

    Raises FetchError for a request that fails, UnreadableWheelError for a wheel that cannot be read by ranges.
    """
    wheels = sorted((file for file in files if file.is_wheel), key=_preference)
    if not wheels:
        return None
    wheel = wheels[0]
    try:
        return http.fetch(f"{wheel.url}.metadata").content
    except http.FetchError as error:
        if not error.is_refusal:
            raise
    with remote_wheel.open_wheel(wheel.url, wheel.filename, wheel.size) as archive:
        return archive.metadata()


def _preference(file: ReleaseFile) -> tuple[bool, str]:
    name = file.filename
    return (not (name.endswith("-any.whl") or ("linux" in name and "x86_64" in name)), name)
