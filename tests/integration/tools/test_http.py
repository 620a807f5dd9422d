"""Requests to a loopback server that requires credentials, fails, and sends wrong lengths."""

from __future__ import annotations

import pytest

from support.page_server import KEY, PageServer
from torchpin.tools import http


def test_credentials_of_an_address_are_sent(server: PageServer) -> None:
    response = http.fetch(f"http://user:S3CRET@{server.host}/whl/torch/")
    assert response == http.HttpResponse(status=200, length=4, content=b"page")
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
    with pytest.raises(http.FetchError, match="ended after 4 of 100 bytes"):
        http.fetch(f"http://{server.host}/half", waits=(0,))
    assert server.handler.request_counts["/half"] == 2


def test_nobody_there_is_told(server: PageServer) -> None:
    with pytest.raises(http.FetchError) as excinfo:
        http.fetch("http://user:S3CRET@127.0.0.1:1/x", waits=())
    assert "Connection refused" in str(excinfo.value)
    assert excinfo.value.status is None
    assert "S3CRET" not in str(excinfo.value)
