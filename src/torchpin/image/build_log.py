"""Parser of BuildKit's plain build log: events, install steps, and the step that failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin import facts, paths
from torchpin.lock.file_format import BUILD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STEP = re.compile(r"#(?P<number>\d+) (?P<rest>.*)")
_DONE = re.compile(r"DONE (?P<seconds>[0-9]+(?:\.[0-9]+)?)s")
_OUTPUT = re.compile(r"(?P<seconds>\d+\.\d+) (?P<text>.*)")
_BYTES = re.compile(r"(?P<done>[\d.]+\s?[kMGT]?B) / (?P<all>[\d.]+\s?[kMGT]?B)")
# The build requirements are mounted beside a layer with source-only packages, and do not name the step.
_LAYER = re.compile(rf"target=/run/torchpin/layers/(?P<file>(?!{re.escape(paths.lock_file(BUILD))})[\w.-]+)")
_COPY = re.compile(r"/run/torchpin/files (?P<target>/[\w./-]+)")
_SOURCE = re.compile(r"source=sources/(?P<name>[\w.-]+),")
# uv prints `+ name==version` for an installed package, `-` for a removed and `~` for a reinstalled one.
# The wheels are compiled in a stage of this name, with an installation of torch of its own.
_STAGE = "wheels"
_STAGE_STEP = re.compile(rf"#(?P<step>[0-9]+) \[{_STAGE} +\d+/\d+\]")
_COMPILED = re.compile(r"/opt/build/(?P<name>[\w.-]+)")
_CHANGE = re.compile(r"#(?P<step>[0-9]+) [0-9.]+\s+(?P<sign>[-+~]) (?P<name>[\w.-]+)(?:==| @ )")
_INDEX = re.compile(r'export UV_DEFAULT_INDEX="\$\{\w+:-(?P<address>[^}]+)\}"')
_PROOF = "verification"
PROOF_FAILED = f"the build failed at {_PROOF};"  # of its message
_TITLES = (  # of the other steps of our Dockerfile, by a part of their command
    ("prove.py", _PROOF),
    ("probe.py", _PROOF),  # of a repository's own template
    ("/opt/torchpin/wheels.txt", "compiled wheels"),
    ("pip download", "source archives"),
    ("/run/torchpin/proof.json", "report of the verification"),
    ("/run/torchpin/smoke.py", "torchpin's files"),
    ("--no-build-isolation", "source as a package"),
    ("compileall", "bytecode"),
    ("/opt/tools", "build requirements of sources"),
    ("uv venv", "Python"),
    ("apt-get", "system packages"),
)
_CACHE_IMPORT = "importing cache manifest from "  # a cache that is not there fails its step, and no build
_SHOWN_LINES = 15  # of the failed step
_SEARCHED_LINES = 20  # at the end of the log, where BuildKit repeats the error


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An event of a build step. `seconds` is the duration of a finished step, `bytes` a transfer as BuildKit prints it.

    `planned` is of a step that has not started. `done` and `total` are exact bytes, 0 where the log has none.
    """

    step: int
    kind: Literal["planned", "started", "output", "cached", "done", "failed"]
    text: str = ""
    seconds: float | None = None
    bytes: str = ""
    environment: str = ""
    done: int = 0
    total: int = 0


def parse_event(line: str) -> Event | None:
    """The event of a line of `docker buildx build --progress plain`; None for a line of no step."""
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


def repeated_installs(log: Iterable[str]) -> tuple[str, ...]:
    """The packages that the install steps of a build removed, replaced or installed twice; none in a verified image.

    Steps from the cache have no output, and were checked when they ran.
    """
    installs: set[tuple[bool, str]] = set()
    wrong: list[str] = []
    stage_steps: set[str] = set()
    for line in log:
        if step := _STAGE_STEP.match(line):
            stage_steps.add(step["step"])
        match = _CHANGE.match(line)
        if not match:
            continue
        name = re.sub(r"[-_.]+", "-", match["name"]).lower()
        key = (match["step"] in stage_steps, name)
        if match["sign"] != "+" or key in installs:
            wrong.append(name)
        installs.add(key)
    return tuple(dict.fromkeys(wrong))


def layer_indexes(log: Iterable[str]) -> dict[str, str]:
    """The index of each install step by layer file, as the log has it, cached steps included.

    A step without one installs from PyPI. A mirror can replace the address, but not the hashes.
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
    """The short name of a step: its layer, or the start of its instruction; "" for a step of BuildKit."""
    if text.startswith(("[internal]", "[auth]", "[context ")):
        return ""
    if text.startswith(f"[{_STAGE} "):
        compiled = _COMPILED.search(text)
        title = (
            f"compiling {compiled['name']}" if compiled else step_title(text.replace(f"[{_STAGE} ", "[", 1))
        )
        return title if compiled else f"build stage: {title}"
    layer = _LAYER.search(text)
    if layer:
        return f"layer {paths.lock_part(layer['file'])}"
    source = _SOURCE.search(text)
    if source:
        return f"source {source['name']}"
    copied = _COPY.search(text)
    if copied:
        return f"files in {copied['target']}"
    plain = re.sub(r"^\[(?:[\w-]+ )?\s*(?:\d+/\d+\])?\s*|--mount=\S+\s*", "", text)
    return next((title for part, title in _TITLES if part in plain), plain.rstrip("]")[:60])


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """The step that failed, its last lines of output, and help for a known failure."""

    step: str
    lines: tuple[str, ...]
    help: str = ""


def find_failure(log: Sequence[str]) -> Failure:
    """The failure of a build, from all lines of its log."""
    events = [(parse_event(line), line) for line in log]
    imports = {
        build_event.step
        for build_event, _ in events
        if build_event and build_event.text.startswith(_CACHE_IMPORT)
    }
    # When a step fails, BuildKit cancels those that run beside it.
    failed_steps = [
        build_event.step
        for build_event, _ in events
        if build_event and build_event.kind == "failed" and not build_event.text.startswith("CANCELED")
        if build_event.step not in imports
    ]
    if failed_steps:
        step_events = [
            build_event for build_event, _ in events if build_event and build_event.step == failed_steps[0]
        ]
        name = next(
            (
                step_title(build_event.text) or build_event.text
                for build_event in step_events
                if build_event.kind == "started"
            ),
            f"step {failed_steps[0]}",
        )
        output = [
            build_event.text
            for build_event in step_events
            if build_event.kind in {"output", "failed"} and build_event.text
        ]
    else:
        name, output = "the build", [line.rstrip() for line in log if line.strip()]
    return Failure(
        step=name, lines=tuple(output[-_SHOWN_LINES:]), help=known_help([*output, *log[-_SEARCHED_LINES:]])
    )


def known_help(lines: Iterable[str]) -> str:
    """The cause and the help of the first known failure that a line matches; the facts list special ones first."""
    log_lines = list(lines)
    for known_failure in facts.failures():
        if any(known_failure.pattern.search(line) for line in log_lines):
            return f"{known_failure.means}. {known_failure.help}"
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStarted:
    """The start of a build: its environment, the bytes of each step by layer name, and the path of its log."""

    environment: str
    sizes: dict[str, int]
    log: str
