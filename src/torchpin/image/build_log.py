"""BuildKit's plain log, line by line, to events: which layer, how long, how far; and what a failed one means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

import re
from typing import TYPE_CHECKING, Literal

from torchpin import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STEP = re.compile(r"#(?P<number>\d+) (?P<rest>.*)")
_DONE = re.compile(r"DONE (?P<seconds>[0-9]+(?:\.[0-9]+)?)s")
_OUTPUT = re.compile(r"(?P<seconds>\d+\.\d+) (?P<text>.*)")
_BYTES = re.compile(r"(?P<done>[\d.]+\s?[kMGT]?B) / (?P<all>[\d.]+\s?[kMGT]?B)")
_LAYER = re.compile(r"target=/run/torchpin/layers/(?P<file>(?!build\.txt)[\w.-]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that happened in a build. `seconds` is a finished step's duration, `bytes` a transfer as BuildKit words it."""

    step: int
    kind: Literal["started", "output", "cached", "done", "failed"]
    text: str = ""
    seconds: float | None = None
    bytes: str = ""
    environment: str = ""


def parse_event(line: str) -> Event | None:
    """The event of one line of `docker buildx build --progress plain`, None for lines that are none."""
    match = _STEP.fullmatch(line.rstrip())
    if not match:
        return None
    step, content = int(match["number"]), match["rest"]
    if content == "CACHED":
        return Event(step=step, kind="cached")
    done_match = _DONE.fullmatch(content)
    if done_match:
        return Event(step=step, kind="done", seconds=float(done_match["seconds"]))
    if content.startswith(("ERROR", "CANCELED")):
        return Event(step=step, kind="failed", text=content)
    if content.startswith("["):
        return Event(step=step, kind="started", text=content)
    output_match = _OUTPUT.fullmatch(content)
    transfer = _BYTES.search(content)
    text = output_match["text"] if output_match else content
    return Event(step=step, kind="output", text=text, bytes=transfer[0] if transfer else "")


_CHANGE = re.compile(r"#(?P<step>[0-9]+) [0-9.]+\s+(?P<sign>[-+~]) (?P<name>[\w.-]+)(?:==| @ )")


def repeated_installs(log: Iterable[str]) -> tuple[str, ...]:
    """Packages that a build's install steps took away, replaced or installed twice: none, in a proven image.

    Steps from the cache say nothing; they said it when they ran.
    """
    seen: set[str] = set()
    wrong: list[str] = []
    for line in log:
        match = _CHANGE.match(line)
        if not match:
            continue
        name = re.sub(r"[-_.]+", "-", match["name"]).lower()
        if match["sign"] != "+" or name in seen:
            wrong.append(name)
        seen.add(name)
    return tuple(dict.fromkeys(wrong))


_INDEX = re.compile(r'export UV_DEFAULT_INDEX="\$\{\w+:-(?P<address>[^}]+)\}"')


def layer_indexes(log: Iterable[str]) -> dict[str, str]:
    """Which index each install step of a build named, by layer file: the log's own word, cached steps included.

    A step without one takes its packages from PyPI. A mirror stands in for the address, and only by the same hashes.
    """
    index_by_layer: dict[str, str] = {}
    for line in log:
        build_event = parse_event(line)
        layer = _LAYER.search(build_event.text) if build_event and build_event.kind == "started" else None
        index = _INDEX.search(build_event.text) if build_event and layer else None
        if layer and index:
            index_by_layer[layer["file"]] = index["address"]
    return index_by_layer


def step_title(text: str) -> str:
    """A step's short name: the layer that it installs, else the start of its instruction; "" for BuildKit's own."""
    if text.startswith(("[internal]", "[auth]", "[context ")):
        return ""
    layer = _LAYER.search(text)
    if layer:
        return f"layer {layer['file'].removesuffix('.txt')}"
    plain = re.sub(r"^\[(?:[\w-]+ )?\s*(?:\d+/\d+\])?\s*|--mount=\S+\s*", "", text)
    if "probe.py" in plain:
        return "proof"
    if "uv venv" in plain:
        return "Python"
    if "apt-get" in plain:
        return "system packages"
    return plain.rstrip("]")[:60]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """The step that failed, what it last said, and the known remedy."""

    step: str
    lines: tuple[str, ...]
    help: str = ""


def find_failure(log: Sequence[str]) -> Failure:
    """What went wrong in a build, from its whole log."""
    events = [(parse_event(line), line) for line in log]
    failed_steps = [
        build_event.step
        for build_event, _ in events
        if build_event and build_event.kind == "failed" and not build_event.text.startswith("CANCELED")
    ]
    if failed_steps:
        step_events = [
            build_event for build_event, _ in events if build_event and build_event.step == failed_steps[0]
        ]
        name = next(
            (step_title(build_event.text) for build_event in step_events if build_event.kind == "started"),
            f"step {failed_steps[0]}",
        )
        output = [
            build_event.text
            for build_event in step_events
            if build_event.kind in {"output", "failed"} and build_event.text
        ]
    else:
        name, output = "the build", [line.rstrip() for line in log if line.strip()]
    return Failure(step=name, lines=tuple(output[-15:]), help=known_help([*output, *log[-20:]]))


def known_help(lines: Iterable[str]) -> str:
    """What is known to help: the first known failure, special ones before general, that any line matches."""
    log_lines = list(lines)
    for known_failure in facts.failures():
        if any(known_failure.pattern.search(line) for line in log_lines):
            return f"{known_failure.means}. {known_failure.remedy}"
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStarted:
    """A build begins: the environment, its steps' sizes in bytes by layer name, and where its log goes."""

    environment: str
    sizes: dict[str, int]
    log: str
