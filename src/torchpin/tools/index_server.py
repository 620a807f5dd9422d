"""A package index on the loopback: the recorded PyTorch channels, or stand-in wheels, for real resolvers."""

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
PLAIN = "text/plain; charset=utf-8"
PROBLEM = "application/problem+json"
BYTES = "application/octet-stream"
MACHINES = ("x86_64", "aarch64")
LINUX = re.compile(r"linux\w*_(x86_64|aarch64)\.whl$")
EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")
RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One row of an index page; without `content` it is known, but cannot be downloaded."""

    filename: str
    sha256: str | None
    metadata: str | None = None
    content: bytes | None = None
    requires_python: str | None = None
    size: int | None = None


class Answer(NamedTuple):
    """What one address says."""

    status: HTTPStatus
    kind: str
    body: bytes


def metadata_text(
    name: str, version: str, *, requires: Sequence[str] = (), requires_python: str | None = None
) -> str:
    """METADATA, as far as a resolver reads it."""
    extras = dict.fromkeys(extra for line in requires for extra in EXTRA.findall(line))
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {line}" for line in requires]
    return "\n".join(lines) + "\n"


def recorded_files(channel: str) -> Mapping[str, Sequence[File]]:
    """The recorded pages of a channel: names, hashes, and dependencies where recorded; none for an unrecorded one.

    A file without recorded dependencies stays listed, with neither metadata nor content: a resolver that
    chooses it stops at its 404. Left out, it would quietly be replaced by an older version.
    """
    known = {
        (record.package, Version(record.version), machine): record
        for record in facts.metadata()
        for machine in MACHINES
        if record.channel == channel and machine in record.wheel_scope.partition("(")[0]
    }
    page = facts.recorded(channel)
    return {
        package: tuple(_recorded_file(name, sha256, known) for name, sha256 in rows.items())
        for package, rows in (page.packages.items() if page else ())
    }


def _recorded_file(
    filename: str, sha256: str | None, known: Mapping[tuple[str, Version, str], Metadata]
) -> File:
    name, version, _, _ = parse_wheel_filename(filename)
    linux = LINUX.search(filename)
    record = known.get((name, version, linux[1])) if linux else None
    if record is None:
        return File(filename=filename, sha256=sha256)
    needs, pythons = record.requires_dist, record.requires_python
    text = metadata_text(name, str(version), requires=needs, requires_python=pythons)
    return File(filename=filename, sha256=sha256, metadata=text)


@contextmanager
def serve(channels: Channels) -> Iterator[str]:
    """Serve simple indexes at `<yielded>/<channel>/`; the address is new for new contents (uv caches by it)."""
    token = hashlib.sha256(repr(channels).encode()).hexdigest()[:12]
    with _Server(channels, token) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.base
        finally:
            server.shutdown()
            thread.join()


def answer(path: str, channels: Channels, *, base: str, accept: str = "") -> Answer:
    """What `<base>/<path>` says: an index root, a package's page, a file, or a file's metadata."""
    match [unquote(word) for word in path.strip("/").split("/")]:
        case [channel] if channel in channels:
            return _root(channels[channel], as_html=_wants_html(accept))
        case [channel, "files", name] if channel in channels:
            return _download(name, (file for files in channels[channel].values() for file in files))
        case [channel, package] if canonicalize_name(package) in channels.get(channel, ()):
            name = canonicalize_name(package)
            rows = [_row(file, f"{base}/{channel}/files") for file in channels[channel][name]]
            return _html(map(_link, rows)) if _wants_html(accept) else _json({"name": name, "files": rows})
    return _missing(f"nothing at {path}")


def _wants_html(accept: str) -> bool:
    kinds = {word.partition(";")[0].strip() for word in accept.split(",")} - {""}
    return bool(kinds) and kinds <= {"text/html", "application/xhtml+xml", HTML_PAGE}


def _root(packages: Iterable[str], *, as_html: bool) -> Answer:
    if as_html:
        return _html(f'<a href="{name}/">{name}</a>' for name in sorted(packages))
    return _json({"projects": [{"name": name} for name in sorted(packages)]})


def _row(file: File, address: str) -> dict[str, Any]:
    row: dict[str, Any] = {"filename": file.filename, "url": f"{address}/{quote(file.filename)}"}
    row["hashes"] = {"sha256": file.sha256} if file.sha256 else {}
    if file.requires_python:
        row["requires-python"] = file.requires_python
    if file.size is not None:
        row["size"] = file.size
    if file.metadata is not None:
        row["core-metadata"] = {"sha256": hashlib.sha256(file.metadata.encode()).hexdigest()}
    return row


def _link(row: Mapping[str, Any]) -> str:
    words = {"href": row["url"], "data-requires-python": row.get("requires-python")}
    words["href"] += "".join(f"#{kind}={value}" for kind, value in row["hashes"].items())
    words["data-core-metadata"] = "".join(f"{k}={v}" for k, v in row.get("core-metadata", {}).items())
    attributes = " ".join(f'{key}="{html.escape(value)}"' for key, value in words.items() if value)
    return f"<a {attributes}>{html.escape(row['filename'])}</a>"


def _download(name: str, files: Iterable[File]) -> Answer:
    for file in files:
        if name == f"{file.filename}.metadata" and file.metadata is not None:
            return Answer(HTTPStatus.OK, PLAIN, file.metadata.encode())
        if name == file.filename and file.content is not None:
            return Answer(HTTPStatus.OK, BYTES, file.content)
        if name.removesuffix(".metadata") == file.filename:
            unknown = "content" if file.metadata is not None else "content and without dependencies"
            return _missing(f"{name}: recorded without {unknown}")
    return _missing(f"{name}: no such file")


def _json(page: Mapping[str, Any]) -> Answer:
    return Answer(HTTPStatus.OK, JSON_PAGE, json.dumps({"meta": {"api-version": "1.0"}, **page}).encode())


def _html(links: Iterable[str]) -> Answer:
    text = "<!DOCTYPE html>\n<title>Simple index</title>\n" + "<br>\n".join(links) + "\n"
    return Answer(HTTPStatus.OK, "text/html; charset=utf-8", text.encode())


def _missing(reason: str) -> Answer:
    """A 404 whose reason uv repeats to its user ("Server message: …", RFC 9457)."""
    return Answer(HTTPStatus.NOT_FOUND, PROBLEM, json.dumps({"title": reason, "status": 404}).encode())


def part(header: str, size: int) -> range | None:
    """The bytes a Range header asks for: None is the whole (as for no plain range), empty is unsatisfiable."""
    found = RANGE.fullmatch(header.strip())
    if not found or (found[2] and int(found[2]) < int(found[1])):
        return None
    if found[3]:
        return range(max(0, size - int(found[3])), size)
    return range(int(found[1]), min(size, int(found[2]) + 1) if found[2] else size)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing joins them
    request_queue_size = 64  # resolvers open many connections at once

    def __init__(self, channels: Channels, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.channels, self.prefix = channels, f"/{token}"
        self.base = f"http://127.0.0.1:{self.server_port}{self.prefix}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that went away is no error of ours
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # no silent connection keeps the server from closing
    server: _Server

    def do_GET(self) -> None:
        address, accept, server = urlsplit(self.path).path, self.headers.get("Accept", ""), self.server
        path = address.removeprefix(server.prefix) if address.startswith(server.prefix) else ""
        found = answer(path, server.channels, base=server.base, accept=accept)
        asked = self.headers.get("Range", "") if (self.command, found.status) == ("GET", 200) else ""
        self._send(found, part(asked, len(found.body)))

    do_HEAD = do_GET  # noqa: N815

    def _send(self, found: Answer, only: range | None) -> None:
        body, status = found.body, found.status
        if only is not None:
            body = body[only.start : only.stop]
            status = HTTPStatus.PARTIAL_CONTENT if body else HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        self.send_response(status)
        if only is not None:
            span = f"{only.start}-{only.stop - 1}" if body else "*"
            self.send_header("Content-Range", f"bytes {span}/{len(found.body)}")
        headers = {
            "Content-Type": found.kind,
            "Accept-Ranges": "bytes",
            "Vary": "Accept",
            "Connection": "close",
        }
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Stay quiet."""
