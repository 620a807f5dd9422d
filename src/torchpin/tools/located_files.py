"""Files with their addresses: how large they are, and what a source archive holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.tools import http
from torchpin.tools.file_sizes import fetch_size, mirror_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Artifact, Lock

# Bounds of a source archive whose size no index tells: the largest have some hundred megabytes.
_LARGEST_SOURCE, _SOURCE_SECONDS = 500_000_000, 1800


@dataclass(frozen=True, kw_only=True, slots=True)
class LocatedArtifact:
    """An artifact and its address, which is not locked."""

    artifact: Artifact
    url: str


def with_sizes(files: Sequence[LocatedArtifact], current: Lock | None) -> list[Artifact]:
    """Every artifact with its size in bytes: the index's, else the present lock's, else the server's Content-Length.

    The lock knows it of a file of the same hash. A size stays None where the server does not tell it either.
    """
    build_packages = [
        package for layer in (current.build_layers if current else ()) for package in layer.packages
    ]
    recorded_sizes = {
        artifact.sha256: artifact.size
        for artifact in (*(current.all_packages.values() if current else ()), *build_packages)
    }

    def size(file: LocatedArtifact) -> int | None:
        return file.artifact.size or recorded_sizes.get(file.artifact.sha256) or fetch_size(file.url)

    with ThreadPoolExecutor(8) as pool:
        sizes = pool.map(size, files)
        return [replace(file.artifact, size=size) for file, size in zip(files, sizes, strict=True)]


def fetch_source(source: LocatedArtifact) -> bytes:
    """The content of a source archive. Raises ToolError when it cannot be read or does not match its hash."""
    try:
        size = source.artifact.size or _LARGEST_SOURCE
        content = http.fetch(source.url, most_bytes=size, seconds=_SOURCE_SECONDS).content
    except http.FetchError as error:
        raise ToolError(f"{source.artifact.filename}: {error}; {mirror_help()}") from None
    if sha256(content).hexdigest() != source.artifact.sha256:
        raise ToolError(
            f"{source.artifact.filename} does not match the hash that the index lists: {source.artifact.sha256}"
        )
    return content
