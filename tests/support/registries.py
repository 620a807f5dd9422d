"""Registries on the loopback address: Debian's docker-registry, and a connection to one that breaks."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "docker-registry"
_SECONDS = 30  # for the registry to answer
_LISTENS = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_CONFIG = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}, maintenance: {{uploadpurging: {{enabled: false}}}}}}
http: {{addr: "127.0.0.1:0", secret: a}}
"""


def program() -> str | None:
    """The registry's program, None where it is not installed."""
    return shutil.which(PROGRAM)


@contextmanager
def start_registry(folder: Path, *, storage: Path | None = None) -> Iterator[str]:
    """The address of an empty registry that keeps its blobs in `storage`, by default below the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "config.yml", folder / "log"
    config.write_text(_CONFIG.format(folder=storage or folder / "blobs"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            (PROGRAM, "serve", str(config)), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield _wait_for_address(process, log)
    finally:
        process.kill()
        process.wait()


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _SECONDS
    while not (match := _LISTENS.search(log.read_text(errors="replace"))):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{PROGRAM} does not listen:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)
    return match[1]


def list_tags(address: str, repository: str) -> list[str]:
    """The tags that a registry has of a repository; empty where it does not know it."""
    try:
        with urlopen(f"http://{address}/v2/{repository}/tags/list", timeout=_SECONDS) as answer:
            return sorted(json.load(answer)["tags"] or [])
    except HTTPError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return []


@contextmanager
def breaking_connection(address: str, text: str) -> Iterator[str]:
    """An address that hands on to a registry or an engine until something of this text is sent, and is gone from then on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=_serve, args=(server, address, text.encode()), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            _shut_down(server)
            thread.join()


def _serve(server: socket.socket, address: str, text: bytes) -> None:
    """Hands on each connection, until the server is shut down; its ends are closed when both directions have ended."""
    with ExitStack() as ends, suppress(OSError):
        while True:
            client, _ = server.accept()
            ends.enter_context(closing(client))
            target = ends.enter_context(closing(_connect(address)))
            for arguments in ((client, target, text, server), (target, client, None, server)):
                thread = threading.Thread(target=_copy, args=arguments, daemon=True)
                thread.start()
                ends.callback(thread.join)
                ends.callback(_shut_down, client)


def _connect(address: str) -> socket.socket:
    """A connection to `host:port` or `unix:///path`."""
    if not address.startswith("unix://"):
        host, _, port = address.partition(":")
        return socket.create_connection((host, int(port)))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address.removeprefix("unix://"))
    return connection


def _copy(source: socket.socket, target: socket.socket, text: bytes | None, server: socket.socket) -> None:
    """Hands on what a socket receives; the text ends this connection, and all later ones."""
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            if text and text in chunk:
                server.shutdown(socket.SHUT_RDWR)
                break
            target.sendall(chunk)
    _shut_down(source)
    _shut_down(target)


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
