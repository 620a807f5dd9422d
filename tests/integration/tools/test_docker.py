"""Addresses of a Docker engine behind which there is none, or one that does not answer as it should."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.hostile_server import serve_bytes
from torchpin.errors import TOOL, ToolError
from torchpin.tools import docker

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, since the one of a socket has at most 107 bytes."""
    name = tempfile.mkdtemp(prefix="tpd-")
    yield Path(name)
    shutil.rmtree(name)


def refusal(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The message for an address; an open socket would be a warning, and so an error, when it is collected."""
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(ToolError) as excinfo, docker.engine():
        pass
    assert excinfo.value.exit_code == TOOL
    message = str(excinfo.value)
    del excinfo
    gc.collect()
    assert len(message.splitlines()) == 1
    assert "Error(" not in message
    assert "Exception" not in message
    return message


def test_nothing_at_the_address(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"unix://{folder}/docker.sock"
    assert refusal(address, monkeypatch) == f"no Docker engine at {address}"


def test_a_socket_that_an_engine_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "docker.sock"))
    address = f"unix://{folder}/docker.sock"
    assert refusal(address, monkeypatch) == (
        f"no Docker engine at {address}: nothing listens on the socket that an engine left; start one, or set DOCKER_HOST"
    )


@pytest.mark.parametrize("kind", ["file", "folder", "pipe"])
def test_what_is_not_a_socket(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "docker.sock"
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    message = refusal(f"unix://{path}", monkeypatch)
    assert message == f"no Docker engine at unix://{path}: it is not a socket; correct DOCKER_HOST"


def test_a_socket_without_permission(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # root, as whom tests may run, is refused by no socket
    def refuse(self: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "docker.sock"))
        assert "no permission; become a member of the group" in refusal(
            f"unix://{folder}/docker.sock", monkeypatch
        )


@pytest.mark.parametrize("transport", ["unix", "tcp"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "what answers there is not a Docker engine; restart it, or correct DOCKER_HOST"),
        ([OK, b"Content-Length: 5\r\n\r\nhello"], "what answers there is not a Docker engine"),
        ([OK, b"Content-Length: 2\r\n\r\n[]"], "what answers there is not a Docker engine"),
        ([OK, b'Content-Length: 18\r\n\r\n{"ApiVersion": 41}'], "what answers there is not a Docker engine"),
        ([OK, b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000], "what answers there is not a Docker engine"),
        ([b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"], "500 Server Error"),
        ([], "what answers there is not a Docker engine"),
    ],
    ids=["ssh", "text", "list", "number", "deep", "500", "closed"],
)  # fmt: skip
def test_an_answer_of_something_else(
    answer: list[bytes], message: str, transport: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place: tuple[str, int] | str = ("127.0.0.1", 0) if transport == "tcp" else f"{folder}/docker.sock"
    family = socket.AF_INET if transport == "tcp" else socket.AF_UNIX
    with serve_bytes(answer, family=family, address=place) as name:
        assert f"no Docker engine at {transport}://{name}: {message}" in refusal(
            f"{transport}://{name}", monkeypatch
        )


def test_an_engine_that_never_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "_FIRST_TIMEOUT", 0.5)
    start = time.monotonic()
    with serve_bytes([], pause=60, family=socket.AF_UNIX, address=f"{folder}/docker.sock") as name:
        message = refusal(f"unix://{name}", monkeypatch)
    assert time.monotonic() - start < 10
    assert message == (
        f"no Docker engine at unix://{name}: it accepts connections, but did not answer within 0.5 s; "
        "restart it, or correct DOCKER_HOST"
    )


def test_an_address_that_nothing_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        assert "connection refused; restart it" in refusal(address, monkeypatch)


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://[", "tcp://127.0.0.1:port"])
def test_what_is_no_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"no Docker engine at {address}: " in refusal(address, monkeypatch)
