"""One question to an engine on this machine, without docker-py, whose import takes longer than the answer."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

from torchpin.parsing import parse_json

_SOCKET = "/var/run/docker.sock"
_TAG = re.compile(r"[A-Za-z0-9._:/-]{1,500}")
_TIMEOUT = 5  # seconds; who gets no answer asks by docker-py, which says what is wrong
_MOST_ANSWER = 10_000_000  # bytes


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def inspect_image(tag: str) -> dict[str, Any] | None:
    """What the engine says of an image; None where it has none of this tag, or where another way has to be asked."""
    path = socket_path()
    if path is None or not _TAG.fullmatch(tag):
        return None
    connection = _Connection(path)
    try:
        connection.request("GET", f"/images/{tag}/json")
        response = connection.getresponse()
        content = response.read(_MOST_ANSWER)
        answer = parse_json(content.decode()) if response.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else None


def socket_path() -> str | None:
    """The socket that docker's variables and configuration name; None where they name another kind of place."""
    if host := os.environ.get("DOCKER_HOST"):
        return host.removeprefix("unix://") if host.startswith("unix://") else None
    if os.environ.get("DOCKER_CONTEXT"):
        return None
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        configured = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _SOCKET
    except (OSError, ValueError, RecursionError):
        return None
    current = configured.get("currentContext", "") if isinstance(configured, dict) else "?"
    return _SOCKET if current in {"", "default"} else None
