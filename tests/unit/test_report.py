"""What people and programs get to see: outcomes, results, and a build as it goes."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from torchpin.checks.registry import Accepted, Result
from torchpin.image import build_log
from torchpin.image.build_log import BuildStarted
from torchpin.model import Finding, Outcome, Waiver
from torchpin.output import progress, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.image.build_log import Event

SOURCES = Path(__file__).parents[2] / "src" / "torchpin"
PRINTING = {"output/terminal.py", "output/progress.py"}
FINDING = Finding(
    location="services/lora/service.yaml:15:21",
    message="no code for B200",
    help="Move to another build.",
    about="B200",
    service="lora",
    evidence="pytorch/builder",
)
WAIVER = Waiver(check="GPU001", about="B200", reason="Known.", review_by=date(2027, 1, 31))
RESULTS = (
    Result(check="DKR001", title="The rendering is fresh", environment="lora-gpu", status="ok"),
    Result(check="DOC001", title="The documents are fresh", environment="lora-gpu", status="found",
           findings=(replace(FINDING, location="DEVIATIONS.md:3", message="stale", help="Run `invoke document`.", evidence=""),)),
    Result(check="GPU001", title="The build has code", environment="lora-gpu", status="waived", accepted=(Accepted(finding=FINDING, waiver=WAIVER),)),
    Result(check="IMG001", title="The image is built", environment="lora-gpu", status="skipped", note="No engine.", need="docker"),
    Result(check="TOR001", title="The channel has torch", environment="lora-gpu", status="unknown", unknown=("not recorded",)),
    Result(check="TOR002", title="Partners", environment="lora-gpu", status="moot"),
)  # fmt: skip
REQUIREMENT = "uvicorn[standard]==0.34.0 is [bold red]not[/] locked :smile:"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's terminal settings colour what is compared."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_outcomes_are_a_line_each_and_the_exit_code_is_the_worst(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [
        Outcome(name="lora-gpu", status="changed", detail="62 packages", seconds=12.34),
        Outcome(name="flux-gpu", status="same", detail="", seconds=0.01),
        Outcome(name="bad-gpu", status="failed", detail="it is stale", code=1),
        Outcome(name="worse-gpu", status="failed", detail="uv failed:\n    no", code=3, seconds=1.0),
        Outcome(name="late-gpu", status="failed", detail="wrong input", code=2),
    ]
    assert terminal.print_outcomes(outcomes) == 3
    output = capsys.readouterr()
    assert [line.rstrip() for line in output.out.splitlines()] == [
        "done   lora-gpu  62 packages  (12.3 s)",
        "same   flux-gpu",
    ]
    assert output.err.splitlines() == [
        "FAILED bad-gpu  it is stale",
        "FAILED worse-gpu  uv failed:",
        "    no  (1.0 s)",
        "FAILED late-gpu  wrong input",
    ]


def test_no_outcomes_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.print_outcomes([]) == 0
    assert terminal.print_outcomes([Outcome(name="a", status="same")]) == 0


# --- results ---------------------------------------------------------------------------------------------------------


def test_results_show_all_but_what_is_ok_and_count_everything(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_results(RESULTS, notices=["lora: the waiver of GPU001 for B200 ends on 2027-01-31"])
    assert capsys.readouterr().out.splitlines() == [
        "found   DOC001 lora-gpu: The documents are fresh",
        "    DEVIATIONS.md:3: stale",
        "        Run `invoke document`.",
        "waived  GPU001 lora-gpu: The build has code",
        "    services/lora/service.yaml:15:21: no code for B200",
        "        evidence: pytorch/builder",
        "        waived until 2027-01-31: Known.",
        "skipped IMG001 lora-gpu: The image is built (No engine.)",
        "unknown TOR001 lora-gpu: The channel has torch",
        "    unknown: not recorded",
        "lora: the waiver of GPU001 for B200 ends on 2027-01-31",
        "6 checks: 1 ok, 1 found, 1 waived, 1 skipped, 1 unknown, 1 moot",
    ]


def test_quiet_results_leave_out_what_is_skipped_and_waived_but_count_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal.print_results(RESULTS, quiet=True)
    output = capsys.readouterr().out
    assert [line.split()[0] for line in output.splitlines() if not line.startswith(" ")] == [
        "found",
        "unknown",
        "6",
    ]
    assert output.endswith("6 checks: 1 ok, 1 found, 1 waived, 1 skipped, 1 unknown, 1 moot\n")


def test_no_line_is_wrapped_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    long = " ".join(["word"] * 200)
    terminal.print_line(long)
    terminal.print_results([replace(RESULTS[1], findings=(replace(FINDING, message=long),))])
    terminal.print_outcomes([Outcome(name="a", status="same", detail=long)])
    assert len([line for line in capsys.readouterr().out.splitlines() if long in line]) == 3


def test_brackets_colons_and_markup_survive_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    finding = replace(
        FINDING, location=REQUIREMENT, message=REQUIREMENT, help=REQUIREMENT, evidence=REQUIREMENT
    )
    result = replace(RESULTS[1], title=REQUIREMENT, note=REQUIREMENT, findings=(finding,))
    terminal.print_line(REQUIREMENT)
    terminal.print_raw(f"{REQUIREMENT}\n")
    terminal.print_results([result], notices=[REQUIREMENT])
    terminal.print_outcomes([Outcome(name=REQUIREMENT, status="changed", detail=REQUIREMENT)])
    terminal.print_table("", ("package",), [(REQUIREMENT,)])
    terminal.print_results_json([result])
    assert capsys.readouterr().out.count(REQUIREMENT) == 1 + 1 + (2 + 2 + 1 + 1 + 1) + 2 + 1 + 6
    terminal.print_status(REQUIREMENT)
    terminal.print_error(REQUIREMENT)
    terminal.print_outcomes([Outcome(name="a", status="failed", detail=REQUIREMENT, code=1)])
    assert capsys.readouterr().err.count(REQUIREMENT) == 3


def test_errors_and_warnings_go_to_the_other_stream(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_status("a")
    terminal.print_error(ValueError("b"))
    assert capsys.readouterr() == ("", "a\nb\n")


def test_results_as_json_say_everything(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_results_json(RESULTS)
    results = json.loads(capsys.readouterr().out)
    assert [result["status"] for result in results] == ["ok", "found", "waived", "skipped", "unknown", "moot"]
    assert results[2]["accepted"] == [
        {
            "finding": {
                "location": "services/lora/service.yaml:15:21",
                "message": "no code for B200",
                "help": "Move to another build.",
                "about": "B200",
                "service": "lora",
                "evidence": "pytorch/builder",
                "level": "error",
                "fix": [],
                "fix_is_safe": False,
            },
            "waiver": {"check": "GPU001", "about": "B200", "reason": "Known.", "review_by": "2027-01-31"},
        }
    ]
    assert results[4]["unknown"] == ["not recorded"]
    assert (results[3]["note"], results[3]["need"]) == ("No engine.", "docker")


def test_a_table_has_its_headers_and_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_table("Services", ("environment", "torch"), [("lora-gpu", "2.5.1 (cu121)"), ("a", "b")])
    output = capsys.readouterr().out
    assert output.startswith("Services")
    assert all(word in output for word in ("environment", "torch", "lora-gpu", "2.5.1 (cu121)"))


# --- a build as it goes ----------------------------------------------------------------------------------------------

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
    "#6 [ 4/14] RUN --mount=type=bind,source=a,target=/run/torchpin/layers/00-torch.txt uv pip install",
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
    assert rows[0] == ["building lora-gpu; the whole log: /repo/.torchpin/logs/x.log"]
    assert rows[1:4] == [
        ["done", "FROM docker.io/library/debian:12", "2.1 s", "12.3MB / 45MB"],
        ["cached", "system packages"],
        ["done", "layer 00-torch", "65.4 s", "2,000 MB"],
    ]
    assert rows[4][:2] == ["running", "COPY smoke.py /opt/lora/smoke.py"]
    assert rows[5][:2] == ["failed", "proof"]
    assert len(rows) == 6


def test_a_second_environment_begins_an_empty_table() -> None:
    view = progress.BuildView()
    for event in [*events(), replace(STARTED, environment="lora-cpu", sizes={})]:
        view.take(event)
    assert table_rows(view) == [["building lora-cpu; the whole log: /repo/.torchpin/logs/x.log"]]


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
        "building lora-gpu; the whole log: /repo/.torchpin/logs/x.log",
        "  done    FROM docker.io/library/debian:12  2.1 s",
        "  cached  system packages",
        "  done    layer 00-torch  65.4 s  2,000.0 MB",
        "  failed  proof",
    ]


def test_where_nobody_looks_a_build_is_followed_by_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.build_progress("auto") as watch:
        watch(STARTED)
    assert (
        capsys.readouterr().out
        == "building lora-gpu; the whole log: /repo/.torchpin/logs/x.log\n"
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


# --- nobody else prints ----------------------------------------------------------------------------------------------


def printing_lines(tree: ast.AST) -> list[int]:
    """The lines that print, or end the process, or touch a stream."""
    line_numbers = []
    for node in ast.walk(tree):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        stream = (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "sys"
            and node.attr in {"stdout", "stderr", "exit", "__stdout__", "__stderr__"}
        )
        imported = isinstance(node, ast.ImportFrom) and node.module == "sys" and {
            alias.name for alias in node.names
        } & {"stdout", "stderr", "exit"}  # fmt: skip
        if called or stream or imported:
            line_numbers.append(getattr(node, "lineno", 0))
    return sorted(line_numbers)


@pytest.mark.parametrize(
    "path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES))
)
def test_nothing_prints_but_the_report(path: Path) -> None:
    if path.relative_to(SOURCES).as_posix() not in PRINTING:
        assert printing_lines(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_the_search_for_prints_finds_them() -> None:
    text = "import sys\nprint(1)\nsys.stdout.write('')\nfrom sys import exit\n"
    assert printing_lines(ast.parse(text)) == [2, 3, 4]
