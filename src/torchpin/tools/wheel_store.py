"""Wheels by their hash: each is fetched once, whoever locks it, and is what the lock says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import IO, TYPE_CHECKING

from torchpin.errors import ToolError, os_error_reason
from torchpin.redaction import redact_credentials
from torchpin.tools import http
from torchpin.tools.cache import partial_file
from torchpin.tools.file_sizes import mirror_help
from torchpin.tools.package_files import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torchpin.model import Artifact

    Report = Callable[[int], object]  # bytes of the file that are there

_LARGEST, _SECONDS = 20_000_000_000, 4 * 3600  # bytes of a wheel whose size is not locked; for one attempt
_WAITS = (1, 2, 4, 8)  # seconds between attempts without progress
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelStore:
    """The wheels below a folder."""

    folder: Path

    def path(self, artifact: Artifact) -> Path:
        """Where a wheel is, or would be."""
        return self.folder / artifact.sha256[:2] / artifact.sha256

    def has(self, artifact: Artifact) -> bool:
        """Whether a wheel is there, with its locked size. Its content was compared when it was fetched."""
        path = self.path(artifact)
        try:
            return path.is_file() and artifact.size in {None, path.stat().st_size}
        except OSError:
            return False

    def fetch(self, artifact: Artifact, address: Callable[[], str], report: Report) -> Path:
        """A wheel, from an address that is asked for only where it is not there.

        What an interrupted attempt has left is gone on with. Raises ToolError where it cannot be read, or is another file.
        """
        path = self.path(artifact)
        with partial_file(path, lambda: self.has(artifact)) as part:
            if part is not None:
                _Download(artifact, address(), part, report).run()
                part.flush()
                path.with_name(f"{path.name}.part").replace(path)
        return path

    def drop_damaged(self, artifact: Artifact) -> bool:
        """Remove a wheel that is not what it was when it was fetched; whether it was removed."""
        path = self.path(artifact)
        try:
            if file_digest(path) == artifact.sha256:
                return False
        except OSError:
            return True
        path.unlink(missing_ok=True)
        return True


class _Download:
    """A wheel that is written into a file, and its hash."""

    def __init__(self, artifact: Artifact, url: str, part: IO[bytes], report: Report) -> None:
        self.artifact, self.url, self.part, self.report = artifact, url, part, report
        self.most_bytes = artifact.size or _LARGEST
        self.size, self.digest = 0, sha256()

    def run(self) -> None:
        """Write the wheel. Raises ToolError where that fails."""
        self._take_up()
        resumed = self.size > 0
        self._read_rest()
        if resumed and self.digest.hexdigest() != self.artifact.sha256:  # what was left was of another file
            self._restart()
            self._read_rest()
        digest = self.digest.hexdigest()
        if digest != self.artifact.sha256:
            self._restart()
            raise ToolError(
                f"{redact_credentials(self.url)} is not the file that is locked: its SHA-256 is {digest}, and "
                f"{self.artifact.sha256} is locked; {mirror_help()}"
            )

    def _take_up(self) -> None:
        """Read what is there already."""
        self.part.seek(0)
        while chunk := self.part.read(_CHUNK):
            self.digest.update(chunk)
            self.size += len(chunk)
        if self.size >= self.most_bytes:
            self._restart()

    def _restart(self) -> None:
        self.part.seek(0)
        self.part.truncate()
        self.size, self.digest = 0, sha256()

    def _read_rest(self) -> None:
        """Read on until the end, again after failures that pass."""
        waits = [*_WAITS]
        while True:
            before = self.size
            try:
                if self._read_once():
                    return
            except http.FetchError as error:
                waits = [*_WAITS] if self.size > before else waits
                if not error.transient or not waits:
                    raise ToolError(f"{error}; {mirror_help()}") from None
                time.sleep(waits.pop(0))

    def _read_once(self) -> bool:
        """Whether the file is read to its end; False where the server gives no part of it, so that it begins anew."""
        start = self.size
        most_bytes = self.most_bytes - start
        try:
            response = http.save(self.url, self._write, most_bytes=most_bytes, seconds=_SECONDS, start=start)
        except http.FetchError as error:
            if not start or error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
        else:
            if not start or response.status == HTTPStatus.PARTIAL_CONTENT:
                return True
        self._restart()
        return False

    def _write(self, chunk: bytes) -> None:
        try:
            self.part.write(chunk)
        except OSError as error:
            raise ToolError(f"the cache: {os_error_reason(error, self.artifact.filename)}") from None
        self.digest.update(chunk)
        self.size += len(chunk)
        self.report(self.size)
