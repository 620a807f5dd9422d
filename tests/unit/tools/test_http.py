"""Addresses, their credentials and origins; nothing is fetched."""

from __future__ import annotations

import pytest

from torchpin.redaction import redact_credentials
from torchpin.tools import http


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:SECRET@mirror.example/simple", "https://mirror.example/simple"),
        ("https://TOKEN@mirror.example:8443/x.git", "https://mirror.example:8443/x.git"),
        ("https://user:p%40ss@127.0.0.1:1", "https://127.0.0.1:1"),
        ("https://user:a@b@mirror.example/x", "https://mirror.example/x"),
        ("ssh://git@mirror.example:22/x", "ssh://mirror.example:22/x"),
        ("git@mirror.example:group/x.git", "git@mirror.example:group/x.git"),
        ("https://mirror.example/a@v1?b@c#d@e", "https://mirror.example/a@v1#d@e"),
        ("file:///srv/@scope/x", "file:///srv/@scope/x"),
        ("fatal: 'https://u:SECRET@a/x' and <http://v@b>", "fatal: 'https://a/x' and <http://b>"),
        ("https://a, mail me@b", "https://a, mail me@b"),
        ("", ""),
    ],
)
def test_an_address_is_told_without_its_credentials(text: str, expected: str) -> None:
    assert redact_credentials(text) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://user:p%40ss@127.0.0.1:8/whl", "Basic dXNlcjpwQHNz"),
        ("http://token@127.0.0.1:8/whl", "Basic dG9rZW46"),
        ("http://127.0.0.1:8/whl", None),
    ],
)
def test_credentials_are_sent_as_a_header_that_does_not_travel(url: str, expected: str | None) -> None:
    request = http._request(url, "HEAD", {})
    assert request.get_header("Authorization") == expected
    assert "Authorization" not in request.headers
    assert (request.host, request.selector, request.get_method()) == ("127.0.0.1:8", "/whl", "HEAD")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("https://a/x", "https://A:443/y"),
        ("http://a/x", "http://u:p@a:80/y"),
    ],
)
def test_one_server_is_one_origin(first: str, second: str) -> None:
    assert http.origin(first) == http.origin(second)


@pytest.mark.parametrize(
    "url", ["http://a/x", "https://b/x", "https://a:444/x", "https://a:x/", "https://[a/"]
)
def test_another_server_is_another_origin(url: str) -> None:
    assert http.origin("https://a/x") != http.origin(url)


def test_a_file_s_name_is_the_end_of_its_address() -> None:
    assert http.filename("https://a/b/torch-1%2Bcu121.whl?x=/y#sha256=z") == "torch-1+cu121.whl"


@pytest.mark.parametrize("url", ["git@host:x", "http://[x/", "http://a b/", "http://a:port/"])
def test_what_is_no_address_is_an_error_at_once(url: str) -> None:
    with pytest.raises(http.FetchError):
        http.fetch(url, waits=())
