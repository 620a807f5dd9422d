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

    asked: ClassVar[list[tuple[str, str, str | None]]]
    times: ClassVar[Counter[str]]
    elsewhere: ClassVar[str] = ""

    def do_GET(self) -> None:
        key = self.headers.get("Authorization")
        self.asked.append((self.command, self.path, key))
        self.times[self.path] += 1
        word = self.path.split("/")[1]
        if word == "moved":
            self.answer(302, b"", Location="/whl/torch/")
        elif word == "away":
            self.answer(302, b"", Location=f"{self.elsewhere}/open")
        elif word == "busy" and self.times[self.path] < 3:
            self.answer(503, b"later")
        elif word == "half":
            self.answer(200, b"half", **{"Content-Length": "100"})
        elif word in {"whl", "guarded"} and key != KEY:
            self.answer(401, b"who?")
        else:
            self.answer(int(word) if word.isdecimal() else 200, b"page")

    do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        """Nothing."""


class Served:
    def __init__(self) -> None:
        class Own(Handler):
            asked: ClassVar[list[tuple[str, str, str | None]]] = []
            times: ClassVar[Counter[str]] = Counter()

        self.handler = Own
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def end(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    yield one
    one.end()


@pytest.fixture
def other() -> Iterator[Served]:
    one = Served()
    yield one
    one.end()


def test_credentials_of_an_address_are_sent(served: Served) -> None:
    answer = http.opened(f"http://user:S3CRET@{served.host}/whl/torch/")
    assert answer == http.Answer(status=200, length=4, content=b"page")
    assert served.handler.asked == [("GET", "/whl/torch/", KEY)]


def test_a_head_tells_the_length_alone(served: Served) -> None:
    assert http.opened(f"http://{served.host}/a", "HEAD") == http.Answer(status=200, length=4, content=b"")


def test_credentials_stay_on_their_server(served: Served, other: Served) -> None:
    served.handler.elsewhere = f"http://{other.host}"
    assert http.opened(f"http://user:S3CRET@{served.host}/moved", "HEAD").status == 200
    assert served.handler.asked == [("HEAD", "/moved", KEY), ("HEAD", "/whl/torch/", KEY)]
    assert http.opened(f"http://user:S3CRET@{served.host}/away").content == b"page"
    assert other.handler.asked == [("GET", "/open", None)]


def test_trouble_that_passes_is_waited_for(served: Served) -> None:
    assert http.opened(f"http://{served.host}/busy", waits=(0, 0, 0)).content == b"page"
    assert served.handler.times["/busy"] == 3
    with pytest.raises(http.FetchError, match="HTTP 503"):
        http.opened(f"http://{served.host}/busy/2", waits=(0,))


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_refusal_is_told_at_once_with_its_status(served: Served, status: int) -> None:
    with pytest.raises(http.FetchError) as caught:
        http.opened(f"http://user:S3CRET@{served.host}/{status}/a.whl")
    assert caught.value.status == status
    assert str(caught.value).startswith(
        f"http://{served.host}/{status}/a.whl could not be read: HTTP {status} "
    )
    assert len(served.handler.asked) == 1


def test_half_a_file_is_none(served: Served) -> None:
    with pytest.raises(http.FetchError, match="IncompleteRead"):
        http.opened(f"http://{served.host}/half", waits=(0,))
    assert served.handler.times["/half"] == 2


def test_nobody_there_is_told(served: Served) -> None:
    with pytest.raises(http.FetchError) as caught:
        http.opened("http://user:S3CRET@127.0.0.1:1/x", waits=())
    assert "Connection refused" in str(caught.value)
    assert caught.value.status is None
    assert "S3CRET" not in str(caught.value)


def row(root: Path, address: str) -> doctor.Row:
    repo = Repository(root=root, services=(), settings=Settings(mirrors={"cu121": address}))
    return doctor._index(repo, "cu121")


def test_the_doctor_asks_a_mirror_with_its_credentials_and_tells_none(served: Served, tmp_path: Path) -> None:
    found = row(tmp_path, f"http://user:S3CRET@{served.host}/whl")
    assert (found.ok, found.found) == (True, f"http://{served.host}/whl (200)")


@pytest.mark.parametrize("password", ["wrong", "S3C"])
def test_the_doctor_tells_a_refusal_without_credentials(
    served: Served, tmp_path: Path, password: str
) -> None:
    found = row(tmp_path, f"http://user:{password}@{served.host}/whl/")
    assert (found.ok, found.found) == (False, f"http://{served.host}/whl/: HTTP 401 Unauthorized")


def test_the_doctor_outlives_an_address_without_a_server(tmp_path: Path) -> None:
    found = row(tmp_path, "http://user:S3CRET@127.0.0.1:1/whl")
    assert not found.ok
    assert "S3CRET" not in found.found
