"""BuildKit's log as JSON (`--progress rawjson`): the events of a build, and the lines that `--progress plain` has for people."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from torchpin.image.build_log import Event, parse_event
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_DOCUMENT = 20_000  # lines of a JSON document that is not at its end: it is none
_FRACTION = re.compile(r"(?<=\.)(\d{1,6})\d*")
_CANCELED = "context canceled"
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


@dataclass(kw_only=True, slots=True)
class _Vertex:
    """A step of a build, and what of it was reported. `number`: in the order in which they start, 0 until then."""

    name: str
    number: int = 0
    started: str = ""
    completed: str = ""
    partial_line: bytes = b""
    transfers: dict[str, tuple[int, int]] = field(default_factory=dict)  # bytes of each: done and in all
    noted: set[str] = field(default_factory=set)  # the statuses whose end has a line


Reading = tuple[
    "str | None", "Event | None"
]  # a line of the log for people, and an event; each may be missing


class RawBuildLog:
    """A log that is read line by line. Documents may take one line or many; what is no JSON is a line of the log."""

    def __init__(self) -> None:
        self._begun: list[str] = []
        self._vertices: dict[str, _Vertex] = {}
        self._started = 0  # how many of them

    def read(self, line: str) -> Iterator[Reading]:
        """The readings of a line, without the credentials of addresses."""
        if not self._begun and not line.startswith("{"):
            yield redact_credentials(line.rstrip("\n")), None
            return
        self._begun.append(line)
        if not line.rstrip().endswith("}") and len(self._begun) < _LONGEST_DOCUMENT:
            return
        if line.startswith(("{", "}")):  # other lines of an indented document begin with blanks
            yield from self._read_document()

    def remaining(self) -> Iterator[Reading]:
        """The readings of an unfinished document at the end of a log."""
        lines, self._begun = self._begun, []
        for line in lines:
            yield redact_credentials(line.rstrip("\n")), None

    def _read_document(self) -> Iterator[Reading]:
        try:
            readings = [*self._read_rows(json.loads("".join(self._begun)))]
        except (ValueError, KeyError, TypeError, AttributeError):  # not as BuildKit writes it
            yield from self.remaining()
            return
        self._begun = []
        yield from readings

    def _read_rows(self, document: Mapping[str, Any]) -> Iterator[Reading]:
        for row in document.get("vertexes") or ():
            yield from self._read_vertex(row)
        for row in document.get("statuses") or ():
            yield from self._read_status(row)
        for row in document.get("logs") or ():
            yield from self._read_output(row)
        for row in document.get("warnings") or ():
            yield f"WARNING: {redact_credentials(_warning(row))}", None

    def _start(self, digest: str) -> _Vertex:
        """A vertex that has a number."""
        vertex = self._vertices.setdefault(digest, _Vertex(name=digest))
        if not vertex.number:
            self._started += 1
            vertex.number = self._started
        return vertex

    def _read_vertex(self, row: Mapping[str, Any]) -> Iterator[Reading]:
        digest = row["digest"]
        if digest not in self._vertices:
            name = redact_credentials(" ".join(row["name"].split()))
            self._vertices[digest] = _Vertex(name=name)
            yield None, Event(step=0, kind="planned", text=name)
        started, completed = row.get("started") or "", row.get("completed") or ""
        vertex = self._vertices[digest]
        if started and started != vertex.started:
            is_first = not vertex.number
            self._start(digest).started = started
            line = f"#{vertex.number} {vertex.name}" if is_first else None
            yield line, Event(step=vertex.number, kind="started", text=vertex.name)
        if completed and completed != vertex.completed:
            self._start(digest).completed = completed
            yield from self._end_line(vertex, completed)
            yield _end(vertex, row)

    def _end_line(self, vertex: _Vertex, time: str) -> Iterator[Reading]:
        """The last line of a step's output, if nothing ended it."""
        line, vertex.partial_line = vertex.partial_line, b""
        if line:
            yield _output(vertex, line, time)

    def _read_status(self, row: Mapping[str, Any]) -> Iterator[Reading]:
        """A transfer of bytes; a line once it has ended."""
        vertex, name = self._start(row["vertex"]), str(row.get("id") or "")
        done, total = int(row.get("current") or 0), int(row.get("total") or 0)
        if (done or total) and not name.startswith("extracting"):
            vertex.transfers[name] = (done, total)
        line = None
        if row.get("completed") and name not in vertex.noted:
            vertex.noted.add(name)
            moved = f" {_bytes(total or done)}" if total or done else ""
            line = f"#{vertex.number} {redact_credentials(name)}{moved} done"
        yield line, _transfer(vertex, redact_credentials(name))

    def _read_output(self, row: Mapping[str, Any]) -> Iterator[Reading]:
        vertex = self._start(row["vertex"])
        data = b64decode(row.get("data") or "")
        *lines, vertex.partial_line = (vertex.partial_line + data).split(b"\n")
        for line in lines:
            yield _output(vertex, line, row.get("timestamp") or "")


class PlainBuildLog:
    """A plain log, as a buildx without JSON writes it, read line by line."""

    def read(self, line: str) -> Iterator[Reading]:
        # Redacted before a step's title is cut: a cut address may have lost the @ that shows its credentials
        text = redact_credentials(line.rstrip("\n"))
        yield text, parse_event(text)

    def remaining(self) -> Iterator[Reading]:
        yield from ()


def _end(vertex: _Vertex, row: Mapping[str, Any]) -> Reading:
    number, error = vertex.number, redact_credentials(_text(row.get("error")))
    if error:
        # BuildKit's plain log does not repeat the output of a step that was canceled by another's failure
        text = "CANCELED" if error.endswith(_CANCELED) else f"ERROR: {error}"
        return f"#{number} {text}", Event(step=number, kind="failed", text=text)
    if row.get("cached"):
        return f"#{number} CACHED", Event(step=number, kind="cached")
    seconds = round(max(0.0, _seconds(vertex.completed) - _seconds(vertex.started)), 1)
    return f"#{number} DONE {seconds:.1f}s", Event(step=number, kind="done", seconds=seconds)


def _output(vertex: _Vertex, content: bytes, time: str) -> Reading:
    """A line of a step's output; of one that was written over, as progress bars are, what stood there last."""
    text = redact_credentials(content.decode(errors="replace").rstrip("\r").rpartition("\r")[2])
    after = max(0.0, _seconds(time) - _seconds(vertex.started))
    return f"#{vertex.number} {after:.3f} {text}", Event(step=vertex.number, kind="output", text=text)


def _transfer(vertex: _Vertex, text: str) -> Event:
    done = sum(row[0] for row in vertex.transfers.values())
    has_total = all(row[1] for row in vertex.transfers.values())
    total = sum(row[1] for row in vertex.transfers.values()) if has_total else 0
    shown = f"{_bytes(done)} / {_bytes(total)}" if total else ""
    return Event(step=vertex.number, kind="output", text=text, bytes=shown, done=done, total=total)


def _bytes(count: int) -> str:
    """As BuildKit's plain log prints it: `12.30MB`."""
    return next((f"{count / scale:.2f}{unit}" for unit, scale in _UNITS if count >= scale), f"{count}B")


def _warning(row: Mapping[str, Any]) -> str:
    """A warning of BuildKit's checks, whose texts are bytes."""
    return _text(b64decode(row.get("short") or "").decode(errors="replace"))


def _text(value: object) -> str:
    """A message on one line."""
    return " ".join(str(value or "").split())


def _seconds(time: str) -> float:
    """Seconds since 1970 of a time as Go writes it: up to nine digits of a second, `Z` for UTC; 0.0 for none."""
    try:
        return datetime.fromisoformat(_FRACTION.sub(_six_digits, time.replace("Z", "+00:00"))).timestamp()
    except ValueError:
        return 0.0


def _six_digits(match: re.Match[str]) -> str:
    return match[1].ljust(6, "0")
