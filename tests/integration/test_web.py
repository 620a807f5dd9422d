"""Fetching from a server on the loopback that wants credentials, has trouble, and lies."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from torchpin.commands import doctor
from torchpin.model import Settings
from torchpin.tools import http
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "Basic dXNlcjpTM0NSRVQ="  # user:S3CRET


class Handler(BaseHTTPRequestHandler):
    """Pages by their first word; every request is kept."""

    requests: ClassVar[list[tuple[str, str, str | None]]]
    request_counts: ClassVar[Counter[str]]
    elsewhere: ClassVar[str] = ""

    def do_GET(self) -> None:
        key = self.headers.get("Authorization")
        self.requests.append((self.command, self.path, key))
        self.request_counts[self.path] += 1
        segment = self.path.split("/")[1]
        if segment == "moved":
            self.answer(302, b"", Location="/whl/torch/")
        elif segment == "away":
            self.answer(302, b"", Location=f"{self.elsewhere}/open")
        elif segment == "busy" and self.request_counts[self.path] < 3:
            self.answer(503, b"later")
        elif segment == "half":
            self.answer(200, b"half", **{"Content-Length": "100"})
        elif segment in {"whl", "guarded"} and key != KEY:
            self.answer(401, b"who?")
        else:
            self.answer(int(segment) if segment.isdecimal() else 200, b"page")

    do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


class PageServer:
    def __init__(self) -> None:
        class RecordingHandler(Handler):
            asked: ClassVar[list[tuple[str, str, str | None]]] = []
            times: ClassVar[Counter[str]] = Counter()

        self.handler = RecordingHandler
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.stop()


@pytest.fixture
def other_server() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.stop()


def test_credentials_of_an_address_are_sent(server: PageServer) -> None:
    answer = http.fetch(f"http://user:S3CRET@{server.host}/whl/torch/")
    assert answer == http.HttpResponse(status=200, length=4, content=b"page")
    assert server.handler.requests == [("GET", "/whl/torch/", KEY)]


def test_a_head_tells_the_length_alone(server: PageServer) -> None:
    assert http.fetch(f"http://{server.host}/a", "HEAD") == http.HttpResponse(
        status=200, length=4, content=b""
    )


def test_credentials_stay_on_their_server(server: PageServer, other_server: PageServer) -> None:
    server.handler.elsewhere = f"http://{other_server.host}"
    assert http.fetch(f"http://user:S3CRET@{server.host}/moved", "HEAD").status == 200
    assert server.handler.requests == [("HEAD", "/moved", KEY), ("HEAD", "/whl/torch/", KEY)]
    assert http.fetch(f"http://user:S3CRET@{server.host}/away").content == b"page"
    assert other_server.handler.requests == [("GET", "/open", None)]


def test_trouble_that_passes_is_waited_for(server: PageServer) -> None:
    assert http.fetch(f"http://{server.host}/busy", waits=(0, 0, 0)).content == b"page"
    assert server.handler.request_counts["/busy"] == 3
    with pytest.raises(http.FetchError, match="HTTP 503"):
        http.fetch(f"http://{server.host}/busy/2", waits=(0,))


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_refusal_is_told_at_once_with_its_status(server: PageServer, status: int) -> None:
    with pytest.raises(http.FetchError) as excinfo:
        http.fetch(f"http://user:S3CRET@{server.host}/{status}/a.whl")
    assert excinfo.value.status == status
    assert str(excinfo.value).startswith(
        f"http://{server.host}/{status}/a.whl could not be read: HTTP {status} "
    )
    assert len(server.handler.requests) == 1


def test_half_a_file_is_none(server: PageServer) -> None:
    with pytest.raises(http.FetchError, match="IncompleteRead"):
        http.fetch(f"http://{server.host}/half", waits=(0,))
    assert server.handler.request_counts["/half"] == 2


def test_nobody_there_is_told(server: PageServer) -> None:
    with pytest.raises(http.FetchError) as excinfo:
        http.fetch("http://user:S3CRET@127.0.0.1:1/x", waits=())
    assert "Connection refused" in str(excinfo.value)
    assert excinfo.value.status is None
    assert "S3CRET" not in str(excinfo.value)


def index_row(root: Path, address: str) -> doctor.MachineCheck:
    repo = Repository(root=root, services=(), settings=Settings(mirrors={"cu121": address}))
    return doctor._check_index(repo, "cu121")


def test_the_doctor_asks_a_mirror_with_its_credentials_and_tells_none(
    server: PageServer, tmp_path: Path
) -> None:
    mirror_row = index_row(tmp_path, f"http://user:S3CRET@{server.host}/whl")
    assert (mirror_row.ok, mirror_row.detail) == (True, f"http://{server.host}/whl (200)")


@pytest.mark.parametrize("password", ["wrong", "S3C"])
def test_the_doctor_tells_a_refusal_without_credentials(
    server: PageServer, tmp_path: Path, password: str
) -> None:
    mirror_row = index_row(tmp_path, f"http://user:{password}@{server.host}/whl/")
    assert (mirror_row.ok, mirror_row.detail) == (False, f"http://{server.host}/whl/: HTTP 401 Unauthorized")


def test_the_doctor_outlives_an_address_without_a_server(tmp_path: Path) -> None:
    mirror_row = index_row(tmp_path, "http://user:S3CRET@127.0.0.1:1/whl")
    assert not mirror_row.ok
    assert "S3CRET" not in mirror_row.detail
