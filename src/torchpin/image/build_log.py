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


def event(line: str) -> Event | None:
    """The event of one line of `docker buildx build --progress plain`, None for lines that are none."""
    found = _STEP.fullmatch(line.rstrip())
    if not found:
        return None
    step, rest = int(found["number"]), found["rest"]
    if rest == "CACHED":
        return Event(step=step, kind="cached")
    done = _DONE.fullmatch(rest)
    if done:
        return Event(step=step, kind="done", seconds=float(done["seconds"]))
    if rest.startswith(("ERROR", "CANCELED")):
        return Event(step=step, kind="failed", text=rest)
    if rest.startswith("["):
        return Event(step=step, kind="started", text=rest)
    output = _OUTPUT.fullmatch(rest)
    moved = _BYTES.search(rest)
    text = output["text"] if output else rest
    return Event(step=step, kind="output", text=text, bytes=moved[0] if moved else "")


_CHANGE = re.compile(r"#(?P<step>[0-9]+) [0-9.]+\s+(?P<sign>[-+~]) (?P<name>[\w.-]+)(?:==| @ )")


def installed_twice(log: Iterable[str]) -> tuple[str, ...]:
    """Packages that a build's install steps took away, replaced or installed twice: none, in a proven image.

    Steps from the cache say nothing; they said it when they ran.
    """
    seen: set[str] = set()
    wrong: list[str] = []
    for line in log:
        found = _CHANGE.match(line)
        if not found:
            continue
        name = re.sub(r"[-_.]+", "-", found["name"]).lower()
        if found["sign"] != "+" or name in seen:
            wrong.append(name)
        seen.add(name)
    return tuple(dict.fromkeys(wrong))


_INDEX = re.compile(r'export UV_DEFAULT_INDEX="\$\{\w+:-(?P<address>[^}]+)\}"')


def indexes(log: Iterable[str]) -> dict[str, str]:
    """Which index each install step of a build named, by layer file: the log's own word, cached steps included.

    A step without one takes its packages from PyPI. A mirror stands in for the address, and only by the same hashes.
    """
    found: dict[str, str] = {}
    for line in log:
        one = event(line)
        layer = _LAYER.search(one.text) if one and one.kind == "started" else None
        index = _INDEX.search(one.text) if one and layer else None
        if layer and index:
            found[layer["file"]] = index["address"]
    return found


def title(text: str) -> str:
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
    remedy: str = ""


def failure(log: Sequence[str]) -> Failure:
    """What went wrong in a build, from its whole log."""
    events = [(event(line), line) for line in log]
    broken = [
        one.step for one, _ in events if one and one.kind == "failed" and not one.text.startswith("CANCELED")
    ]
    if broken:
        own = [one for one, _ in events if one and one.step == broken[0]]
        name = next((title(one.text) for one in own if one.kind == "started"), f"step {broken[0]}")
        said = [one.text for one in own if one.kind in {"output", "failed"} and one.text]
    else:
        name, said = "the build", [line.rstrip() for line in log if line.strip()]
    return Failure(step=name, lines=tuple(said[-15:]), remedy=remedy([*said, *log[-20:]]))


def remedy(lines: Iterable[str]) -> str:
    """What is known to help: the first known failure, special ones before general, that any line matches."""
    said = list(lines)
    for known in facts.failures():
        if any(known.pattern.search(line) for line in said):
            return f"{known.means}. {known.remedy}"
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A build begins: the environment, its steps' sizes in bytes by layer name, and where its log goes."""

    environment: str
    sizes: dict[str, int]
    log: str
