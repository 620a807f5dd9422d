"""Files of an image, read out of it without running anything in it."""

from __future__ import annotations

import io
import tarfile
from typing import Any

from torchpin.errors import ToolError
from torchpin.records.proof import PROOF, parse_proof
from torchpin.tools import docker

_MOST_BYTES = 50_000_000  # of a file; a real report has some hundred thousand
_NOT_FOUND = 404


def read_file(client: docker.Client, tag: str, key: str, path: str) -> bytes | None:
    """The content of a file of the image with this tag and image key, None where it has none.

    Raises ToolError where the tag has moved to another image, or what is there is not a regular file or too large.
    """
    command = ["true"]  # which is never started
    container = client.containers.create(tag, command, network_disabled=True, labels=[docker.RUN_LABEL])
    try:
        if container.labels.get(docker.KEY_LABEL) != key:
            raise ToolError(f"{tag} is another image now; build again")
        chunks, _ = container.get_archive(path)
        archive = _read_chunks(chunks, path)
    except docker.api_error() as error:
        if getattr(error, "status_code", None) == _NOT_FOUND:
            return None
        raise ToolError(f"{tag}: {path} cannot be read: {docker.short_message(error)}") from None
    finally:
        container.remove(force=True)
    return _content(archive, path)


def _read_chunks(chunks: Any, path: str) -> bytes:
    """A stream of bytes to its end, which closes it. Raises ToolError beyond the bound."""
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size <= _MOST_BYTES:
            parts.append(chunk)
    if size > _MOST_BYTES:
        raise ToolError(f"{path} of an image has {size} bytes, and at most {_MOST_BYTES} are read")
    return b"".join(parts)


def _content(archive: bytes, path: str) -> bytes:
    """The content of the one file in an archive. Raises ToolError where it holds anything else."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            members = tar.getmembers()
            file = tar.extractfile(members[0]) if len(members) == 1 and members[0].isreg() else None
            if file is not None:
                return file.read()
    except tarfile.TarError as error:
        raise ToolError(f"{path} of an image cannot be read: {error}") from None
    raise ToolError(f"{path} of an image is not a plain file; build the image again")


def read_proof(client: docker.Client, tag: str, key: str) -> dict[str, Any] | None:
    """The probe's document that an image's build left in it; None where it left none, as a template of a repository may.

    Raises ToolError for one that is not a document of the probe, and as `read_file` does.
    """
    content = read_file(client, tag, key, PROOF)
    return None if content is None else parse_proof(content)
