"""HTTP requests with retries, bounded in size and in total time; credentials are sent as a header.

They are those of the address, else what this machine has for the server once that refuses to answer without. Proxies and
hosts whose certificate is not checked are those that uv is configured with.

urllib, since neither requests nor urllib3 bounds the time of a whole response, or reads file:// addresses.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import Request, url2pathname

from torchpin.errors import ToolError
from torchpin.redaction import USERINFO, redact_credentials
from torchpin.tools import credentials
from torchpin.tools.http_opener import Bounds, bounded_opener, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Sink = Callable[[bytes], object]

__all__ = [
    "FetchError",
    "HttpResponse",
    "fetch",
    "filename",
    "join",
    "local_path",
    "origin",
    "save",
    "with_credentials",
]

_WAITS = (1, 2, 4)  # seconds between attempts, for failures that pass
_CLIENT_ERROR, _TOO_MANY_REQUESTS, _SERVER_ERROR = 400, 429, 500
_SCHEMES = ("http", "https", "file")
_TIMEOUT = 60  # seconds that a connection may be silent
_MOST_BYTES = 50_000_000  # of a body; the largest page of an index that is read has some two megabytes
_MOST_SECONDS = 120  # of a request with all its attempts and redirects
_CHUNK = 1 << 16
_LONGEST_REASON = 200  # characters of what a server says
# Who is not let in gets one of these; GitHub says that there is no such file.
_NOT_LET_IN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_accepted: set[tuple[str, str]] = (
    set()
)  # servers and the header that opened them: the next request has it at once


class FetchError(ToolError):
    """A request that failed.

    `status` is the HTTP status, None where the server sent none; `transient` says whether another attempt may succeed.
    """

    def __init__(self, url: str, reason: str, *, status: int | None = None, transient: bool = True) -> None:
        # a server writes its reason, so it may hold the escapes of a terminal
        line = "".join(char if char.isprintable() else " " for char in redact_credentials(reason))
        self.reason = line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"
        super().__init__(f"{redact_credentials(url)} could not be read: {self.reason}")
        self.status = status
        self.transient = transient

    @property
    def is_refusal(self) -> bool:
        """Whether a server answered that it does not give the file."""
        return self.status is not None and _CLIENT_ERROR <= self.status < _SERVER_ERROR


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """A successful response; `length` is its Content-Length in bytes, None without that header, `encoding` its compression.

    `content` is empty for HEAD, and where a range was requested and the server would send the whole file.
    """

    status: int | None
    length: int | None
    content: bytes
    encoding: str = ""


def fetch(
    url: str,
    method: str = "GET",
    *,
    timeout: float = _TIMEOUT,
    waits: Sequence[float] = _WAITS,
    most_bytes: int = _MOST_BYTES,
    seconds: float = _MOST_SECONDS,
    byte_range: str = "",
    accept: str = "",
) -> HttpResponse:
    """The response to a request, tried again after each of the `waits` (seconds) while the failure is transient.

    `timeout` is for a connection that is silent, `seconds` for everything together, however slowly a server sends.
    `byte_range` asks for a part of a file, as the Range header does: `0-99`, or `-100` for the last bytes; `accept` is the
    media type to ask for.
    Raises FetchError for a failure, for every status that is not a success, and for a body of more than `most_bytes`.
    """
    bounds = Bounds(size=most_bytes, deadline=time.monotonic() + seconds, seconds=seconds)
    headers = {"Range": f"bytes={byte_range}"} if byte_range else {}
    headers |= {"Accept": accept} if accept else {}
    for wait in (*waits, None):
        try:
            return _fetch_as_known(url, method, timeout, bounds, headers)
        except FetchError as error:
            if wait is None or not error.transient or time.monotonic() + wait >= bounds.deadline:
                raise
            time.sleep(wait)
    raise AssertionError


def save(url: str, sink: Sink, *, most_bytes: int, seconds: float, start: int = 0) -> HttpResponse:
    """Hand a file, from the byte `start` on, to `sink` in parts as they come. One attempt; the response has no content.

    Nothing is handed on, and the status is 200, where the server sends the whole file instead of its end.
    Raises FetchError as `fetch` does, also after some parts, and for more than `most_bytes`; and what `sink` raises.
    """
    bounds = Bounds(size=most_bytes, deadline=time.monotonic() + seconds, seconds=seconds)
    headers = {"Range": f"bytes={start}-"} if start else {}
    return _fetch_as_known(url, "GET", _TIMEOUT, bounds, headers, sink)


def _fetch_as_known(
    url: str,
    method: str,
    timeout: float,
    bounds: Bounds,
    headers: Mapping[str, str],
    sink: Sink | None = None,
) -> HttpResponse:
    """A response, with this machine's credentials where the server does not let in who has none."""
    has_own = bool(_split_userinfo(url)[1]) or not url.startswith(("http://", "https://"))
    server = str(origin(url))
    if not has_own and any(server == name for name, _ in _accepted):
        header = credentials.authorization(url)
        if header and (server, header) in _accepted:
            return _fetch_once(url, method, timeout, bounds, headers, header, sink)
    try:
        return _fetch_once(url, method, timeout, bounds, headers, "", sink)
    except FetchError as error:
        header = "" if has_own or error.status not in _NOT_LET_IN else credentials.authorization(url)
        if not header:
            raise
    response = _fetch_once(url, method, timeout, bounds, headers, header, sink)
    _accepted.add((server, header))
    return response


def _fetch_once(
    url: str,
    method: str,
    timeout: float,
    bounds: Bounds,
    headers: Mapping[str, str],
    token: str,
    sink: Sink | None,
) -> HttpResponse:
    try:
        _require_scheme(url)
        silence = min(timeout, bounds.remaining())
        request = _request(url, method, headers, token)
        with bounded_opener(bounds).open(request, timeout=silence) as response:
            return _read_response(url, request, response, bounds, sink)
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


def _read_response(
    url: str, request: Request, response: Any, bounds: Bounds, sink: Sink | None
) -> HttpResponse:
    length = response.headers.get("Content-Length") or ""
    is_whole_file = request.has_header("Range") and response.status != HTTPStatus.PARTIAL_CONTENT
    has_body = request.get_method() != "HEAD" and not is_whole_file
    parts: list[bytes] = []
    size = _read_body(response, bounds, sink or parts.append) if has_body else 0
    if length.isdecimal() and has_body and size < int(length):
        raise FetchError(url, f"it ended after {size} of {length} bytes")
    return HttpResponse(
        status=response.status,
        length=int(length) if length.isdecimal() else None,
        content=b"".join(parts),
        encoding=response.headers.get("Content-Encoding") or "",
    )


def _require_scheme(url: str) -> None:
    """Raises ValueError for an address that is not of HTTP or a plain file: a named pipe would be waited for."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        message = f"it is not an http, https or file address: {parts.scheme}"
        raise ValueError(message)
    path = Path(url2pathname(parts.path))
    if parts.scheme == "file" and path.exists() and not path.is_file():
        message = f"{path} is not a file"
        raise ValueError(message)


def _read_body(response: Any, bounds: Bounds, sink: Sink) -> int:
    """Hand on a whole body, and return its size.

    Raises ValueError for one of more bytes than its bound, and TimeoutError after its deadline.
    """
    size = 0
    while chunk := response.read1(_CHUNK) if hasattr(response, "read1") else response.read(_CHUNK):
        bounds.remaining()
        size += len(chunk)
        if size > bounds.size:
            message = f"it has more than {bounds.size} bytes; check the address, or its mirror"
            raise ValueError(message)
        sink(chunk)
    return size


def _request(url: str, method: str, headers: Mapping[str, str], token: str = "") -> Request:
    """A request with the address's userinfo as a header, else with `token`: urllib would take it for a part of the host's name."""
    head, userinfo = _split_userinfo(url)
    request = Request(head, method=method, headers=dict(headers))  # noqa: S310 - the address is from a description, or uv read it from an index
    if userinfo:
        user, _, password = userinfo.partition(":")
        token = credentials.basic(unquote(user), unquote(password))
    if token:
        request.add_unredirected_header("Authorization", token)
    return request


def _split_userinfo(url: str) -> tuple[str, str]:
    """An address without its userinfo, and the userinfo ("" if it has none)."""
    match = USERINFO.search(url)
    return (url[: match.start()] + url[match.end() :], match[0][:-1]) if match else (url, "")


def with_credentials(url: str, mirrors: Iterable[str | None]) -> str:
    """An address with the userinfo of the first mirror on the same server that has one: uv may omit it from a lock."""
    plain_url, url_userinfo = _split_userinfo(url)
    for mirror in mirrors:
        mirror_userinfo = _split_userinfo(mirror or "")[1]
        if not url_userinfo and mirror_userinfo and origin(mirror or "") == origin(plain_url):
            return plain_url.replace("://", f"://{mirror_userinfo}@", 1)
    return url


def local_path(url: str) -> Path:
    """The path of a `file:` address."""
    return Path(url2pathname(urlsplit(url).path))


def join(page: str, link: str) -> str:
    """The address of a link of a page, which may be relative to the page's."""
    return urljoin(page, link)


def filename(url: str) -> str:
    """The file name at the end of an address, without query and fragment."""
    return unquote(re.split(r"[?#]", url)[0].rsplit("/", 1)[-1])
