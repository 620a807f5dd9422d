"""A server on the loopback that wants credentials, has trouble, and lies."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

KEY = "Basic dXNlcjpTM0NSRVQ="  # user:S3CRET


class Handler(BaseHTTPRequestHandler):
    """Pages by their first word; every request is kept."""

    requests: ClassVar[list[tuple[str, str, str | None]]]
    request_counts: ClassVar[Counter[str]]
    elsewhere: ClassVar[str] = ""

    def do_GET(self) -> None:
        key = self.headers.get("Authorization")
        self.requests.append((self.command, self.path, key))
        self.request_counts[self.path] += 1
        segment = self.path.split("/")[1]
        if segment == "moved":
            self.answer(302, b"", Location="/whl/torch/")
        elif segment == "away":
            self.answer(302, b"", Location=f"{self.elsewhere}/open")
        elif segment == "busy" and self.request_counts[self.path] < 3:
            self.answer(503, b"later")
        elif segment == "half":
            self.answer(200, b"half", **{"Content-Length": "100"})
        elif segment in {"whl", "guarded"} and key != KEY:
            self.answer(401, b"who?")
        else:
            self.answer(int(segment) if segment.isdecimal() else 200, b"page")

    do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


class PageServer:
    def __init__(self) -> None:
        class RecordingHandler(Handler):
            requests: ClassVar[list[tuple[str, str, str | None]]] = []
            request_counts: ClassVar[Counter[str]] = Counter()

        self.handler = RecordingHandler
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
