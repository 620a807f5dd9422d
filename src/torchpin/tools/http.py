"""The web's hands: one way to fetch an address, with its credentials sent and never told."""

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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_USERINFO = re.compile(r"(?<=://)[^\s/?#'\"<>]*@")
_WAITS = (1, 2, 4)  # seconds between the attempts: networks have trouble that passes
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500


class FetchError(ToolError):
    """An address that gave no answer, or not the one asked for.

    `status` is what its server said, if it spoke; `transient` whether another attempt may help.
    """

    def __init__(self, url: str, reason: str, *, status: int | None = None, transient: bool = True) -> None:
        super().__init__(f"{redact_credentials(url)} could not be read: {redact_credentials(reason)}.")
        self.reason = redact_credentials(reason)
        self.status = status
        self.transient = transient


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """What an address gave; `length` is what its server says, None where it says none."""

    status: int | None
    length: int | None
    content: bytes


def redact_credentials(text: str) -> str:
    """An address, or a text with addresses in it, as it may be told: without user names, tokens and passwords."""
    return _USERINFO.sub("", text)


def fetch(
    url: str, method: str = "GET", *, timeout: float = 60, waits: Sequence[float] = _WAITS
) -> HttpResponse:
    """What an address answers, asked again after each of the `waits` while the trouble may pass.

    Raises FetchError for everything that is no answer.
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
        with build_opener(_SameOrigin).open(_request(url, method), timeout=timeout) as answer:
            length = answer.headers.get("Content-Length") or ""
            content = b"" if method == "HEAD" else answer.read()
            return HttpResponse(
                status=answer.status, length=int(length) if length.isdecimal() else None, content=content
            )
    except HTTPError as error:
        error.close()
        reason = f"HTTP {error.code} {error.reason}"
        transient = error.code == _TOO_MANY_REQUESTS or error.code >= _SERVER_ERROR
        raise FetchError(url, reason, status=error.code, transient=transient) from None
    except URLError as error:
        raise FetchError(url, str(error.reason)) from None
    except (InvalidURL, ValueError) as error:
        raise FetchError(url, str(error), transient=False) from None
    except (HTTPException, OSError) as error:
        raise FetchError(url, str(error) or type(error).__name__) from None


def _request(url: str, method: str) -> Request:
    """A request whose userinfo became a header: urllib would take it for a part of the host's name."""
    head, userinfo = _split_userinfo(url)
    request = Request(head, method=method)  # noqa: S310 - a described address, or one that uv read from an index
    if userinfo:
        user, _, password = userinfo.partition(":")
        token = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _split_userinfo(url: str) -> tuple[str, str]:
    """An address without its userinfo, and that."""
    match = _USERINFO.search(url)
    return (url[: match.start()] + url[match.end() :], match[0][:-1]) if match else (url, "")


class _SameOrigin(HTTPRedirectHandler):
    """Redirects keep their method, and their credentials only where they stay on the same server."""

    def redirect_request(self, req: Request, *arguments: Any) -> Request | None:
        redirected = super().redirect_request(req, *arguments)
        if redirected:
            redirected.method = req.get_method()
            token = req.get_header("Authorization")
            if token and origin(redirected.full_url) == origin(req.full_url):
                redirected.add_unredirected_header("Authorization", token)
        return redirected


def origin(url: str) -> tuple[str, str, int | None]:
    """What must be the same for two addresses to be one server: scheme, host and port."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:  # no address at all is no other's server
        return "", url, None
    return parts.scheme, parts.hostname or "", port


def with_credentials(url: str, mirrors: Iterable[str | None]) -> str:
    """An address with the userinfo of the first mirror on the same server that has one: uv may leave it out."""
    plain_url, url_userinfo = _split_userinfo(url)
    for mirror in mirrors:
        mirror_userinfo = _split_userinfo(mirror or "")[1]
        if not url_userinfo and mirror_userinfo and origin(mirror or "") == origin(plain_url):
            return plain_url.replace("://", f"://{mirror_userinfo}@", 1)
    return url


def filename(url: str) -> str:
    """The name of the file that an address ends with."""
    return unquote(re.split(r"[?#]", url)[0].rsplit("/", 1)[-1])
