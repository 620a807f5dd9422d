"""A server on the loopback that answers with raw bytes, as slowly and for as long as it likes."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextmanager
def serve_bytes(answer: Iterable[bytes], *, pause: float = 0, family: int = socket.AF_INET,
                address: str | tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[str]:  # fmt: skip
    """Yields host and port (or the path of a unix socket); each connection gets the parts, with a pause after each.

    The parts are gone through once for each connection, and at the end the connection is closed.
    """
    ended = threading.Event()

    def send(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            for part in answer:
                if ended.wait(pause) if pause else ended.is_set():
                    return
                connection.sendall(part)
            if pause:
                ended.wait()

    def accept(listener: socket.socket) -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.settimeout(5)
                threads.append(threading.Thread(target=send, args=(connection,)))
                threads[-1].start()

    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()
        listener.settimeout(0.05)
        threads = [threading.Thread(target=accept, args=(listener,))]
        threads[0].start()
        name = listener.getsockname()
        try:
            yield name if isinstance(name, str) else f"{name[0]}:{name[1]}"
        finally:
            ended.set()
            for thread in threads:
                thread.join()
