"""Assembled images into a registry that wants a token: who gets the password, what is sent, and what the user is told."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.assembly.image import ImageLayer, assemble, digest
from torchpin.errors import ToolError
from torchpin.tools.registry_push import Pushed, push_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOB = b"x" * 2_000_000
LAYER = ImageLayer(diff_id="sha256:1", digest=digest(BLOB), size=len(BLOB), media_type="x", step="")
IMAGE = assemble([LAYER], {}, labels={}, platform="linux/amd64", epoch=0)
LOGIN = base64.b64encode(b"ada:secret").decode()


class Client:
    """An engine that knows of no registry without TLS."""

    def info(self) -> dict[str, Any]:
        return {}


class TokenRegistry(ThreadingHTTPServer):
    """A registry whose tokens are for the login of `ada`; `has` are blobs by repository, `refuses` a method."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.has: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[str, bytes] = {}
        self.scopes: list[str] = []
        self.refuses = ""


class Handler(BaseHTTPRequestHandler):
    server: TokenRegistry
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, query = self.path.partition("?")
        if path == "/token":
            login = self.headers.get("Authorization") == f"Basic {LOGIN}"
            self.server.scopes.append(query)
            self.answer(200 if login else 401, b'{"token": "t"}' if login else b"{}")
        elif self.headers.get("Authorization") != "Bearer t":
            realm = f'Bearer realm="http://{self.server.address}/token",service="s"'
            self.answer(401, b'{"errors": "log in"}', WWW_Authenticate=realm)
        elif self.command == self.server.refuses:
            self.answer(507, b"the disk is full")
        else:
            self.serve(path, query, body)

    def serve(self, path: str, query: str, body: bytes) -> None:
        repository, _, rest = path.removeprefix("/v2/").partition("/blobs/")
        blobs = self.server.has.setdefault(repository, {})
        identity = query.partition("digest=")[2].replace("%3A", ":")
        if self.command == "HEAD":
            self.answer(200 if rest in blobs else 404)
        elif self.command == "POST" and "from=" in query:
            self.answer(201)
        elif self.command == "POST":
            self.answer(202, Location=f"{path}1")
        elif "/manifests/" in path:
            self.server.manifests[path] = body
            self.answer(201)
        else:
            blobs[identity] = body
            self.answer(201)

    do_GET = do_HEAD = do_POST = do_PUT = handle_request  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenRegistry]:
    (tmp_path / "blob").write_bytes(BLOB)
    with TokenRegistry() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.address: {"auth": LOGIN}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        yield server
        server.shutdown()


def push(registry: TokenRegistry, folder: Path, *, others: tuple[str, ...] = ()) -> Pushed:
    tags = [f"{registry.address}/a/lora:{tag}" for tag in ("latest", "key")]
    client: Any = Client()
    return push_image(client, IMAGE, {LAYER.digest: folder / "blob"}, tags, others=others)


def test_a_push_logs_in_and_sends_what_is_not_there(registry: TokenRegistry, tmp_path: Path) -> None:
    assert push(registry, tmp_path) == Pushed(sent=len(BLOB))
    assert registry.has["a/lora"] == {LAYER.digest: BLOB, digest(IMAGE.config): IMAGE.config}
    assert registry.manifests == dict.fromkeys(
        ("/v2/a/lora/manifests/latest", "/v2/a/lora/manifests/key"), IMAGE.manifest
    )
    assert "repository%3Aa%2Flora%3Apull%2Cpush" in registry.scopes[0]
    assert push(registry, tmp_path) == Pushed(present=len(BLOB))


def test_what_another_repository_has_is_mounted(registry: TokenRegistry, tmp_path: Path) -> None:
    registry.has["a/other"] = {LAYER.digest: BLOB}
    others = ("registry.local/a/foreign", f"{registry.address}/a/empty", f"{registry.address}/a/other")
    assert push(registry, tmp_path, others=others) == Pushed(mounted=len(BLOB))


def test_without_a_login_the_push_says_so(
    registry: TokenRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    with pytest.raises(ToolError, match=r"a/lora:key could not be pushed: .*401 Unauthorized.*docker login"):
        push(registry, tmp_path)
    assert registry.manifests == {}


def test_a_registry_that_takes_no_blob_gets_no_tag(registry: TokenRegistry, tmp_path: Path) -> None:
    registry.refuses = "PUT"
    with pytest.raises(ToolError, match=r"could not be pushed: it answers 507 .*the disk is full"):
        push(registry, tmp_path)
    assert registry.manifests == {}


def test_a_registry_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blob").write_bytes(BLOB)
    gone = TokenRegistry()
    gone.server_close()
    monkeypatch.setattr("torchpin.tools.registry_push._WAITS", (0, 0))
    with pytest.raises(ToolError, match="could not be pushed: connection refused"):
        push(gone, tmp_path)
