"""Pages of a live package index, as the Linux wheels that they list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.facts import index_pages
from torchpin.redaction import redact_credentials
from torchpin.tools import http
from torchpin.tools.threads import thread_pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.facts.index_pages import Files


def fetch_pages(index: str, packages: Sequence[str]) -> dict[str, Files]:
    """Each package's wheels, file name to SHA-256 (None without one), from the index at an address.

    Raises ToolError for a page that cannot be read, is not an index page, or lists no Linux wheel.
    """
    with thread_pool(8) as pool:
        futures = [pool.submit(_fetch_page, f"{index.rstrip('/')}/{package}/") for package in packages]
        return {package: future.result() for package, future in zip(packages, futures, strict=True)}


def _fetch_page(address: str) -> Files:
    response = http.fetch(address)
    if response.encoding not in {"", "identity"}:
        raise ToolError(
            f"{redact_credentials(address)} is compressed ({response.encoding[:20]!r}), which was not requested; "
            "check what serves it"
        )
    try:
        files = index_pages.parse_page(response.content.decode())
    except ValueError as error:
        raise ToolError(
            f"{redact_credentials(address)} is not an index page: {error}; check the address, or its mirror"
        ) from None
    if not files:
        raise ToolError(
            f"{redact_credentials(address)} lists no Linux wheel; it is empty, or not an index page"
        )
    return files
