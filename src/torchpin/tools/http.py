"""HTTP requests with retries; credentials in an address are sent as a header and never appear in a message."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from dataclasses import dataclass
from http.client import HTTPException, InvalidURL
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from torchpin.errors import ToolError
from torchpin.redaction import USERINFO, redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WAITS = (1, 2, 4)  # seconds between attempts, for failures that pass
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500


class FetchError(ToolError):
    """A request that failed.

    `status` is the HTTP status, None where the server sent none; `transient` says whether another attempt may succeed.
    """

    def __init__(self, url: str, reason: str, *, status: int | None = None, transient: bool = True) -> None:
        super().__init__(f"{redact_credentials(url)} could not be read: {redact_credentials(reason)}")
        self.reason = redact_credentials(reason)
        self.status = status
        self.transient = transient


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """A successful response; `length` is its Content-Length in bytes, None without that header."""

    status: int | None
    length: int | None
    content: bytes


def fetch(
    url: str, method: str = "GET", *, timeout: float = 60, waits: Sequence[float] = _WAITS
) -> HttpResponse:
    """The response to a request, tried again after each of the `waits` (seconds) while the failure is transient.

    Raises FetchError for a failure and for every status that is not a success.
    """
    for wait in (*waits, None):
        try:
            return _fetch_once(url, method, timeout)
        except FetchError as error:
            if wait is None or not error.transient:
                raise
            time.sleep(wait)
    raise AssertionError


def _fetch_once(url: str, method: str, timeout: float) -> HttpResponse:
    try:
        with build_opener(_SameOrigin).open(_request(url, method), timeout=timeout) as response:
            length = response.headers.get("Content-Length") or ""
            content = b"" if method == "HEAD" else response.read()
            return HttpResponse(
                status=response.status, length=int(length) if length.isdecimal() else None, content=content
            )
    except HTTPError as error:
        error.close()
        reason = f"HTTP {error.code} {error.reason}"
        transient = error.code == _TOO_MANY_REQUESTS or error.code >= _SERVER_ERROR
        raise FetchError(url, reason, status=error.code, transient=transient) from None
    except URLError as error:  # its reason is an OSError, whose own text begins with "[Errno -2]"
        reason = getattr(error.reason, "strerror", None) or str(error.reason)
        raise FetchError(url, reason) from None
    except (InvalidURL, ValueError) as error:
        raise FetchError(url, str(error), transient=False) from None
    except (HTTPException, OSError) as error:
        raise FetchError(url, str(error) or type(error).__name__) from None


def _request(url: str, method: str) -> Request:
    """A request with the address's userinfo as a header: urllib would take it for a part of the host's name."""
    head, userinfo = _split_userinfo(url)
    request = Request(head, method=method)  # noqa: S310 - the address is from a description, or uv read it from an index
    if userinfo:
        user, _, password = userinfo.partition(":")
        token = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _split_userinfo(url: str) -> tuple[str, str]:
    """An address without its userinfo, and the userinfo ("" if it has none)."""
    match = USERINFO.search(url)
    return (url[: match.start()] + url[match.end() :], match[0][:-1]) if match else (url, "")


class _SameOrigin(HTTPRedirectHandler):
    """Redirects keep their method (urllib turns HEAD into GET), and their credentials only on the same server."""

    def redirect_request(self, req: Request, *arguments: Any) -> Request | None:
        redirected = super().redirect_request(req, *arguments)
        if redirected:
            redirected.method = req.get_method()
            token = req.get_header("Authorization")
            if token and origin(redirected.full_url) == origin(req.full_url):
                redirected.add_unredirected_header("Authorization", token)
        return redirected


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port (the scheme's default if none is given) of an address."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:  # not an address: equal to itself alone
        return "", url, None
    return parts.scheme, parts.hostname or "", port


def with_credentials(url: str, mirrors: Iterable[str | None]) -> str:
    """An address with the userinfo of the first mirror on the same server that has one: uv may omit it from a lock."""
    plain_url, url_userinfo = _split_userinfo(url)
    for mirror in mirrors:
        mirror_userinfo = _split_userinfo(mirror or "")[1]
        if not url_userinfo and mirror_userinfo and origin(mirror or "") == origin(plain_url):
            return plain_url.replace("://", f"://{mirror_userinfo}@", 1)
    return url


def filename(url: str) -> str:
    """The file name at the end of an address, without query and fragment."""
    return unquote(re.split(r"[?#]", url)[0].rsplit("/", 1)[-1])
