"""The size of a file on a server, where its index does not tell it."""

from __future__ import annotations

from functools import cache

from torchpin.description.environments import mirror_variable
from torchpin.errors import ToolError
from torchpin.redaction import redact_credentials
from torchpin.tools import http

# who asks is not let in, the file does not exist, or the server has no HEAD
_NO_SIZE_STATUSES = (401, 403, 404, 405)


@cache
def fetch_size(url: str) -> int | None:
    """A file's size in bytes, None where the server does not have the file, as an index of snapshots does not.

    Raises ToolError when the server cannot be read.
    """
    try:
        return http.fetch(url, "HEAD").length or None
    except http.FetchError as error:
        if error.status in _NO_SIZE_STATUSES:
            return None
        raise ToolError(
            f"the size of {http.filename(url)} could not be read from {redact_credentials(url)}: {error.reason}; "
            f"{mirror_help()}"
        ) from None


def mirror_help() -> str:
    return f"check {mirror_variable('pypi')} and the channel's mirror, or try again"
