"""How a request of HTTP is made: bounded in time, by the proxies of this machine, with redirects that keep credentials on their server."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from http.client import HTTPResponse as ClientResponse
from io import BufferedReader, BytesIO, RawIOBase
from ssl import CERT_NONE, SSLContext, create_default_context
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
    getproxies,
)

from torchpin.tools.uv import machine_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from http.client import HTTPMessage
    from socket import socket


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The most bytes of a body, and the time (of time.monotonic) until which it has to be read."""

    size: int
    deadline: float
    seconds: float

    def remaining(self) -> float:
        """The seconds that are left. Raises TimeoutError when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            message = f"it took longer than {self.seconds:g} s"
            raise TimeoutError(message)
        return left


def bounded_opener(bounds: Bounds) -> OpenerDirector:
    """What opens an address within bounds."""
    variables = machine_variables(os.environ)
    insecure = variables.get("UV_INSECURE_HOST", "").split()
    return build_opener(_Redirects, _Http(bounds), _Https(bounds, insecure), _Proxies(variables))


class _TimedStream(RawIOBase):
    """What a server sends, byte by byte if it wants to, but until a deadline only: headers as well as the body."""

    def __init__(self, stream: RawIOBase, connection: socket, bounds: Bounds) -> None:
        self.stream, self.connection, self.bounds = stream, connection, bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        timeout = self.connection.gettimeout()
        remaining = self.bounds.remaining()
        if timeout is None or remaining < timeout:
            self.connection.settimeout(remaining)
        return self.stream.readinto(buffer) or 0

    def close(self) -> None:
        self.stream.close()
        super().close()


def _timed_connection(connection: type[HTTPConnection], bounds: Bounds) -> Any:
    """A class of connections whose responses are read until the deadline only."""

    class TimedResponse(ClientResponse):
        def __init__(self, sock: socket, *arguments: Any, **options: Any) -> None:
            super().__init__(sock, *arguments, **options)
            self.fp = BufferedReader(_TimedStream(self.fp.detach(), sock, bounds))

    return type("TimedConnection", (connection,), {"response_class": TimedResponse})


class _Http(HTTPHandler):
    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self.bounds = bounds

    def http_open(self, req: Request) -> ClientResponse:
        return self.do_open(_timed_connection(HTTPConnection, self.bounds), req)


class _Https(HTTPSHandler):
    """`insecure`: hosts whose certificate is not checked: a name, a name with a port, or an address."""

    def __init__(self, bounds: Bounds, insecure: Sequence[str]) -> None:
        super().__init__()
        self.bounds, self.insecure = bounds, {entry.partition("://")[2] or entry for entry in insecure}

    def https_open(self, req: Request) -> ClientResponse:
        checked = self.insecure.isdisjoint({req.host, urlsplit(f"//{req.host}").hostname})
        connection = _timed_connection(HTTPSConnection, self.bounds)
        return self.do_open(connection, req, context=_tls_context(checked=checked))


@cache
def _tls_context(*, checked: bool) -> SSLContext:
    """One for all requests: reading the certificates takes longer than most of them."""
    context = create_default_context()
    if not checked:
        context.check_hostname, context.verify_mode = False, CERT_NONE
    return context


class _Proxies(ProxyHandler):
    """The proxies of this machine, which uv's configuration may name, too, and the hosts that are reached without."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        names = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY"}
        configured = {kind: variables[name] for kind, name in names.items() if variables.get(name)}
        super().__init__({**configured, **getproxies()})
        entries = variables.get("NO_PROXY", "").replace(" ", "").split(",")
        self.direct = [entry.lstrip("*.") for entry in entries if entry]

    def proxy_open(self, req: Request, proxy: str, type: str) -> Any:  # noqa: A002 - urllib's name
        host = urlsplit(f"//{req.host}").hostname or ""
        if any(host == entry or host.endswith(f".{entry}") or not entry for entry in self.direct):
            return None
        return super().proxy_open(req, proxy, type)


class _Redirects(HTTPRedirectHandler):
    """At most ten redirects, to HTTP alone; their body is not read, and they keep their method (urllib turns HEAD into GET).

    Credentials are kept on the same server only.
    """

    inf_msg = "too many redirects; check the address, or its mirror. Last: "

    def http_error_302(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> ClientResponse | None:
        fp.close()
        return super().http_error_302(req, BytesIO(), code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req: Request, *arguments: Any) -> Request | None:
        redirected = super().redirect_request(req, *arguments)
        if redirected and redirected.type not in {"http", "https"}:
            message = f"it redirects to an address that is not of HTTP: {redirected.type}"
            raise ValueError(message)
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
