"""A build as it goes: the live table, plain lines, JSON lines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from torchpin.image import build_log
from torchpin.image.build_log import BuildStarted, Event
from torchpin.output import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

STARTED = BuildStarted(
    environment="lora-gpu", sizes={"layer 00-torch": 2_000_000_000}, log="/repo/.torchpin/logs/x.log"
)
LOG = [
    "#1 [internal] load build definition from Dockerfile",
    "#1 DONE 0.0s",
    "#4 [ 1/14] FROM docker.io/library/debian:12",
    "#4 sha256:96d5 12.3MB / 45MB 1.4s",
    "#4 DONE 2.1s",
    "#5 [ 2/14] RUN apt-get update",
    "#5 CACHED",
    "#6 [ 4/14] RUN --mount=type=bind,source=a,target=/run/torchpin/layers/00-torch.requirements.txt uv pip install",
    "#6 0.512 Using Python 3.10.14",
    "#6 DONE 65.4s",
    "#7 [ 5/14] COPY smoke.py /opt/lora/smoke.py",
    "#8 [14/14] RUN python -B /opt/torchpin/probe.py",
    "#8 3.412 probe: FAIL",
    "#8 ERROR: exit code: 1",
]


def events() -> Sequence[BuildStarted | Event]:
    return [STARTED, *filter(None, map(build_log.parse_event, LOG))]


def table_rows(view: progress.BuildView) -> list[list[str]]:
    """The live table's rows as words between wide gaps."""
    console = Console(width=200, force_terminal=False)
    with console.capture() as capture:
        console.print(view.rows())
    lines = [line for line in capture.get().splitlines() if line.strip()]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def test_the_live_table_follows_a_build() -> None:
    view = progress.BuildView()
    for event in events():
        view.take(event)
    rows = table_rows(view)
    assert rows[0] == ["building lora-gpu (log: /repo/.torchpin/logs/x.log)"]
    assert rows[1:4] == [
        ["done", "FROM docker.io/library/debian:12", "2.1 s", "12.3MB / 45MB"],
        ["cached", "system packages"],
        ["done", "layer 00-torch", "65.4 s", "2,000 MB"],
    ]
    assert rows[4][:2] == ["running", "COPY smoke.py /opt/lora/smoke.py"]
    assert rows[5][:2] == ["failed", "verification"]
    assert len(rows) == 6


def test_a_second_environment_begins_an_empty_table() -> None:
    view = progress.BuildView()
    for event in [*events(), replace(STARTED, environment="lora-cpu", sizes={})]:
        view.take(event)
    assert table_rows(view) == [["building lora-cpu (log: /repo/.torchpin/logs/x.log)"]]


def test_an_event_before_any_beginning_breaks_nothing() -> None:
    view = progress.BuildView()
    for event in events()[1:]:
        view.take(event)
    assert len(table_rows(view)) == 6


def test_plain_lines_say_each_step_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    plain = progress.PlainBuildView()
    for event in events():
        plain.line(event)
    assert capsys.readouterr().out.splitlines() == [
        "building lora-gpu (log: /repo/.torchpin/logs/x.log)",
        "  done    FROM docker.io/library/debian:12  2.1 s",
        "  cached  system packages",
        "  done    layer 00-torch  65.4 s  2,000.0 MB",
        "  failed  verification",
    ]


def test_where_nobody_looks_a_build_is_followed_by_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.build_progress("auto") as watch:
        watch(STARTED)
    assert (
        capsys.readouterr().out
        == "building lora-gpu (log: /repo/.torchpin/logs/x.log)\n"
    )  # fmt: skip


def test_programs_get_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.build_progress("json") as watch:
        for event in events():
            watch(event)
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {
        "event": "started",
        "environment": "lora-gpu",
        "sizes": {"layer 00-torch": 2_000_000_000},
        "log": "/repo/.torchpin/logs/x.log",
    }
    assert lines[5] == {
        "event": "event", "step": 4, "kind": "done", "text": "", "seconds": 2.1, "bytes": "", "environment": ""
    }  # fmt: skip
    assert len(lines) == len(LOG) + 1
