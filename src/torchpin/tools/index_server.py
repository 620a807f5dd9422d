"""A package index (PEP 503 and 691) on the loopback address: index snapshots of PyTorch channels, or the lab's stub wheels."""

from __future__ import annotations

import hashlib
import html
import json
import re
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from torchpin import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.facts.rows import Metadata

    Channels = Mapping[str, Mapping[str, Sequence["File"]]]

JSON_PAGE = "application/vnd.pypi.simple.v1+json"
HTML_PAGE = "application/vnd.pypi.simple.v1+html"
PLAIN_TEXT = "text/plain; charset=utf-8"
PROBLEM_JSON = "application/problem+json"
OCTET_STREAM = "application/octet-stream"
MACHINES = ("x86_64", "aarch64")
LINUX_WHEEL = re.compile(r"linux\w*_(x86_64|aarch64)\.whl$")
EXTRA_MARKER = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")
RANGE_HEADER = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))")


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file of an index page; without `content` it is listed, but cannot be downloaded."""

    filename: str
    sha256: str | None
    metadata: str | None = None
    content: bytes | None = None
    requires_python: str | None = None
    size: int | None = None
    uploaded: str = ""  # the time, as of PEP 700


class IndexResponse(NamedTuple):
    """The response to one request."""

    status: HTTPStatus
    content_type: str
    body: bytes


def metadata_text(
    name: str, version: str, *, requires: Sequence[str] = (), requires_python: str | None = None
) -> str:
    """The fields of METADATA that a resolver reads."""
    extras = dict.fromkeys(extra for line in requires for extra in EXTRA_MARKER.findall(line))
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {line}" for line in requires]
    return "\n".join(lines) + "\n"


def recorded_files(channel: str) -> Mapping[str, Sequence[File]]:
    """Each package's files in the index snapshot of a channel, with recorded metadata; empty without a snapshot.

    A file whose dependencies are not recorded is listed all the same: a resolver that chooses it stops at a 404.
    If it were left out, the resolver would silently choose an older version.
    """
    records = {
        (record.package, Version(record.version), machine): record
        for record in facts.metadata()
        for machine in MACHINES
        if record.channel == channel and machine in record.wheel_scope.partition("(")[0]
    }
    page = facts.index_snapshot(channel)
    return {
        package: tuple(_recorded_file(name, sha256, records) for name, sha256 in rows.items())
        for package, rows in (page.packages.items() if page else ())
    }


def _recorded_file(
    filename: str, sha256: str | None, records: Mapping[tuple[str, Version, str], Metadata]
) -> File:
    name, version, _, _ = parse_wheel_filename(filename)
    linux = LINUX_WHEEL.search(filename)
    record = records.get((name, version, linux[1])) if linux else None
    if record is None:
        return File(filename=filename, sha256=sha256)
    needs, pythons = record.requires_dist, record.requires_python
    text = metadata_text(name, str(version), requires=needs, requires_python=pythons)
    return File(filename=filename, sha256=sha256, metadata=text)


@contextmanager
def serve(channels: Channels) -> Iterator[str]:
    """Serve an index a channel and yield the address: the index of a channel is at `<address>/<channel>/`.

    The address contains a hash of the contents, since uv caches pages by address.
    """
    token = hashlib.sha256(repr(channels).encode()).hexdigest()[:12]
    with _Server(channels, token) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        try:
            thread.start()  # an interrupt may come when it runs already
            yield server.base
        finally:
            if thread in threading.enumerate():
                server.shutdown()
                thread.join()


def respond(path: str, channels: Channels, *, base: str, accept: str = "") -> IndexResponse:
    """The response for `<base>/<path>`: the project list of a channel, a package's page, a file, or its metadata."""
    match [unquote(segment) for segment in path.strip("/").split("/")]:
        case [channel] if channel in channels:
            return _project_list(channels[channel], as_html=_wants_html(accept))
        case [channel, "files", name] if channel in channels:
            return _download(name, (file for files in channels[channel].values() for file in files))
        case [channel, package] if canonicalize_name(package) in channels.get(channel, ()):
            name = canonicalize_name(package)
            rows = [_file_entry(file, f"{base}/{channel}/files") for file in channels[channel][name]]
            return _html(map(_link, rows)) if _wants_html(accept) else _json({"name": name, "files": rows})
    return _not_found(f"{path} does not exist")


def _wants_html(accept: str) -> bool:
    media_types = {media_type.partition(";")[0].strip() for media_type in accept.split(",")} - {""}
    return bool(media_types) and media_types <= {"text/html", "application/xhtml+xml", HTML_PAGE}


def _project_list(packages: Iterable[str], *, as_html: bool) -> IndexResponse:
    if as_html:
        return _html(f'<a href="{name}/">{name}</a>' for name in sorted(packages))
    return _json({"projects": [{"name": name} for name in sorted(packages)]})


def _file_entry(file: File, address: str) -> dict[str, Any]:
    row: dict[str, Any] = {"filename": file.filename, "url": f"{address}/{quote(file.filename)}"}
    row["hashes"] = {"sha256": file.sha256} if file.sha256 else {}
    if file.requires_python:
        row["requires-python"] = file.requires_python
    if file.size is not None:
        row["size"] = file.size
    if file.uploaded:
        row["upload-time"] = file.uploaded
    if file.metadata is not None:
        row["core-metadata"] = {"sha256": hashlib.sha256(file.metadata.encode()).hexdigest()}
    return row


def _link(row: Mapping[str, Any]) -> str:
    attributes = {"href": row["url"], "data-requires-python": row.get("requires-python")}
    attributes["href"] += "".join(f"#{kind}={value}" for kind, value in row["hashes"].items())
    attributes["data-core-metadata"] = "".join(f"{k}={v}" for k, v in row.get("core-metadata", {}).items())
    markup = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items() if value)
    return f"<a {markup}>{html.escape(row['filename'])}</a>"


def _download(name: str, files: Iterable[File]) -> IndexResponse:
    for file in files:
        if name == f"{file.filename}.metadata" and file.metadata is not None:
            return IndexResponse(HTTPStatus.OK, PLAIN_TEXT, file.metadata.encode())
        if name == file.filename and file.content is not None:
            return IndexResponse(HTTPStatus.OK, OCTET_STREAM, file.content)
        if name.removesuffix(".metadata") == file.filename:
            missing = "content" if file.metadata is not None else "content or dependencies"
            return _not_found(f"{name} is recorded without {missing}")
    return _not_found(f"{name} does not exist")


def _json(page: Mapping[str, Any]) -> IndexResponse:
    return IndexResponse(
        HTTPStatus.OK, JSON_PAGE, json.dumps({"meta": {"api-version": "1.0"}, **page}).encode()
    )


def _html(links: Iterable[str]) -> IndexResponse:
    text = "<!DOCTYPE html>\n<title>Simple index</title>\n" + "<br>\n".join(links) + "\n"
    return IndexResponse(HTTPStatus.OK, "text/html; charset=utf-8", text.encode())


def _not_found(reason: str) -> IndexResponse:
    """A 404 with its reason as problem details (RFC 9457), which uv prints as "Server message: …"."""
    return IndexResponse(
        HTTPStatus.NOT_FOUND, PROBLEM_JSON, json.dumps({"title": reason, "status": 404}).encode()
    )


def parse_range(header: str, size: int) -> range | None:
    """The bytes that a Range header requests of `size` bytes: None for all of them, empty if it cannot be satisfied.

    Several ranges, or a malformed one, also give None: RFC 9110 lets a server ignore the header.
    """
    match = RANGE_HEADER.fullmatch(header.strip())
    if not match or (match[2] and int(match[2]) < int(match[1])):
        return None
    if match[3]:
        return range(max(0, size - int(match[3])), size)
    return range(int(match[1]), min(size, int(match[2]) + 1) if match[2] else size)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing the server waits for its threads
    request_queue_size = 64  # uv opens up to 50 connections at once, and the default queue holds 5

    def __init__(self, channels: Channels, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.channels, self.prefix = channels, f"/{token}"
        self.base = f"http://127.0.0.1:{self.server_port}{self.prefix}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that disconnected is not an error
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds, after which an idle connection no longer keeps the server from closing
    server: _Server

    def do_GET(self) -> None:
        address, accept, server = urlsplit(self.path).path, self.headers.get("Accept", ""), self.server
        path = address.removeprefix(server.prefix) if address.startswith(server.prefix) else ""
        response = respond(path, server.channels, base=server.base, accept=accept)
        range_header = (
            self.headers.get("Range", "") if (self.command, response.status) == ("GET", 200) else ""
        )
        self._send(response, parse_range(range_header, len(response.body)))

    do_HEAD = do_GET  # noqa: N815

    def _send(self, response: IndexResponse, byte_range: range | None) -> None:
        body, status = response.body, response.status
        if byte_range is not None:
            body = body[byte_range.start : byte_range.stop]
            status = HTTPStatus.PARTIAL_CONTENT if body else HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        self.send_response(status)
        if byte_range is not None:
            span = f"{byte_range.start}-{byte_range.stop - 1}" if body else "*"
            self.send_header("Content-Range", f"bytes {span}/{len(response.body)}")
        headers = {
            "Content-Type": response.content_type,
            "Accept-Ranges": "bytes",
            "Vary": "Accept",
            "Connection": "close",
        }
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
