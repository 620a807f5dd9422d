"""An index on the loopback that answers nobody without a user and a password."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torchpin.tools import index_server
from torchpin.tools.credentials import basic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.tools.index_server import Channels

USER, PASSWORD = "reader", "S3CRET-%of/them"
HEADER = basic(USER, PASSWORD)


class PrivateHandler(index_server._Handler):
    """Credentials are asked for first, whatever is wanted."""

    server: PrivateServer

    def do_GET(self) -> None:  # noqa: N802 - the name that the server looks for
        header = self.headers.get("Authorization")
        self.server.seen.append((self.command, self.path, header))
        status = self.server.head_status if self.command == "HEAD" else 0
        status = status or (0 if header == HEADER else 401)
        if status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
        else:
            super().do_GET()

    do_HEAD = do_GET  # noqa: N815 - the name that the server looks for


class PrivateServer(index_server._Server):
    def __init__(self, channels: Channels, head_status: int) -> None:
        super().__init__(channels, "private")
        self.RequestHandlerClass = PrivateHandler
        self.head_status = head_status
        self.seen: list[tuple[str, str, str | None]] = []


@contextmanager
def serve_privately(channels: Channels, *, head_status: int = 0) -> Iterator[PrivateServer]:
    """A server whose index of a channel is at `<base>/<channel>/`; with `head_status` it answers every HEAD so."""
    with PrivateServer(channels, head_status) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
