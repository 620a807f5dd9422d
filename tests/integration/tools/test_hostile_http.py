"""Servers that send too much, too slowly, or nonsense."""

from __future__ import annotations

import gzip
import itertools
import os
import time
from typing import TYPE_CHECKING

import pytest

from support.hostile_server import serve_bytes
from torchpin.errors import ToolError
from torchpin.tools import http, index_client

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\n"
DRIPS = 100_000  # at 20 a second they take longer than any test


class Endless:
    """A head, and then the same part for ever; for each connection anew."""

    def __init__(self, head: bytes, part: bytes) -> None:
        self.head, self.part = head, part

    def __iter__(self) -> itertools.chain[bytes]:
        return itertools.chain([self.head], itertools.repeat(self.part))


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [bytes([byte]) for byte in OK] + [b"X: "] + [b"y"] * DRIPS,
        [OK, b"Content-Length: 90000\r\n\r\n", *[b"z"] * DRIPS],
        [OK, b"Transfer-Encoding: chunked\r\n\r\n", *[b"0"] * DRIPS],
        Endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "slow headers", "slow body", "slow chunk size", "continue for ever"],
)
def test_a_response_has_a_deadline(answer: Iterable[bytes]) -> None:
    start = time.monotonic()
    with serve_bytes(answer, pause=0.05) as host, pytest.raises(http.FetchError) as excinfo:
        http.fetch(f"http://user:S3CRET@{host}/torch/", seconds=1, waits=(1,))
    assert time.monotonic() - start < 5
    assert str(excinfo.value).startswith(f"http://{host}/torch/ could not be read: ")
    assert any(words in excinfo.value.reason for words in ("it took longer than 1 s", "timed out"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_has_a_bound(method: str) -> None:
    with serve_bytes(Endless(OK + b"\r\n", b"x" * 65536)) as host:
        if method == "HEAD":
            assert http.fetch(f"http://{host}/", "HEAD").content == b""
            return
        with pytest.raises(
            http.FetchError, match=r"has more than 1000000 bytes; check the address"
        ) as excinfo:
            http.fetch(f"http://{host}/", most_bytes=1_000_000)
    assert not excinfo.value.transient


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([b"no HTTP at all\r\n\r\n"], "no HTTP at all"),
        ([OK, b"X: y\r\n" * 1000, b"\r\n"], "more than 100 headers"),
        ([OK, b"X: ", b"y" * 100_000, b"\r\n\r\n"], "more than 65536 bytes"),
        ([b"HTTP/1.1 404 \x1b[31mred\r\n\r\n"], r"HTTP 404  \[31mred"),
        ([b"HTTP/1.1 404 ", b"y" * 60_000, b"\r\n\r\n"], r"HTTP 404 y{190,}…$"),
        ([b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"], "HTTP 302 too many redirects; check the address"),
        ([b"HTTP/1.1 302 Found\r\nLocation: ftp://u:S3CRET@a/x\r\n\r\n"], "redirects to an address that is not of HTTP: ftp"),
        ([b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"], "HTTP 302 .*not allowed"),
        ([OK, b"Content-Length: 9\r\n\r\nhalf"], "it ended after 4 of 9 bytes"),
    ],
)  # fmt: skip
def test_nonsense_is_one_sentence(answer: list[bytes], message: str) -> None:
    with serve_bytes(answer) as host, pytest.raises(http.FetchError, match=message) as excinfo:
        http.fetch(f"http://{host}/", waits=())
    assert "S3CRET" not in str(excinfo.value)
    assert len(str(excinfo.value).splitlines()) == 1
    assert str(excinfo.value).isprintable()


def test_the_body_of_a_redirect_is_not_read(tmp_path: Path) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"
    with (
        serve_bytes(Endless(head, b"x" * 65536)) as host,
        pytest.raises(http.FetchError, match="too many redirects"),
    ):
        http.fetch(f"http://{host}/", waits=())


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.whl")
    for path in (tmp_path / "a.whl", tmp_path):
        with pytest.raises(http.FetchError, match="is not a file"):
            http.fetch(path.as_uri())
    (tmp_path / "b.whl").write_bytes(b"b")
    assert http.fetch((tmp_path / "b.whl").as_uri()).content == b"b"
    with pytest.raises(http.FetchError, match="No such file"):
        http.fetch((tmp_path / "c.whl").as_uri(), waits=())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([OK, b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(1_000_000))], "is compressed ('gzip'), which was not requested"),
        ([OK, b"\r\n", b"\xff\xfe<\x00"], "is not an index page: 'utf-8' codec"),
        ([OK, b"\r\n", b'{"files": ' + b"[" * 100_000], "is not an index page: it is nested too deep; check"),
        ([OK, b"\r\n", b"<a " * 100_000], "is not an index page: it ends inside of a link"),
        ([OK, b"\r\n"], "lists no Linux wheel"),
    ],
)  # fmt: skip
def test_what_is_no_index_page_is_one_sentence_with_its_address(answer: list[bytes], message: str) -> None:
    with serve_bytes(answer) as host, pytest.raises(ToolError) as excinfo:
        index_client.fetch_pages(f"http://u:S3CRET@{host}/whl", ["torch"])
    assert str(excinfo.value).startswith(f"http://{host}/whl/torch/ {message}")
    assert len(str(excinfo.value).splitlines()) == 1
