"""What people get to see: outcomes, results, tables."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from support.results import FINDING, environments, make_result, open_results, repo, results
from torchpin.commands.report import CommandReport
from torchpin.commands.verdicts import Judgement
from torchpin.model import Outcome
from torchpin.output import terminal
from torchpin.output.answers import print_judgement
from torchpin.output.documents import print_report_document
from torchpin.output.findings import print_results
from torchpin.output.outcomes import print_outcomes
from torchpin.output.tables import print_table
from torchpin.output.volume import task_output

REQUIREMENT = "uvicorn[standard]==0.34.0 is [bold red]not[/] locked :smile:"


def test_outcomes_are_a_line_each_and_the_exit_code_is_the_worst(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [
        Outcome(name="lora-gpu", status="changed", detail="62 packages", seconds=12.34),
        Outcome(name="flux-gpu", status="same", detail="", seconds=0.01),
        Outcome(name="bad-gpu", status="failed", detail="it is stale", code=1),
        Outcome(name="worse-gpu", status="failed", detail="uv failed:\n    no", code=3, seconds=1.0),
        Outcome(name="late-gpu", status="failed", detail="wrong input", code=2),
    ]
    assert print_outcomes(outcomes) == 3
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


@pytest.mark.parametrize(("verbose", "lines"), [(False, 2), (True, 3)])
def test_what_a_program_said_in_full_is_shown_to_those_who_want_it(
    capsys: pytest.CaptureFixture[str], verbose: bool, lines: int
) -> None:
    text = "cannot reach it\n  help: wait\n  uv: error: dns"
    with task_output("lock", verbose=verbose):
        print_outcomes([Outcome(name="a", status="failed", detail=text, code=3)])
        terminal.print_error(text)
    assert len(capsys.readouterr().err.splitlines()) == 2 * lines


def test_no_outcomes_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_outcomes([]) == 0
    assert print_outcomes([Outcome(name="a", status="same")]) == 0


def test_no_line_is_wrapped_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    long = " ".join(["word"] * 200)
    terminal.print_line(long)
    print_results([make_result(findings=(replace(FINDING, message=long),))])
    print_outcomes([Outcome(name="a", status="same", detail=long)])
    assert len([line for line in capsys.readouterr().out.splitlines() if long in line]) == 3


def test_brackets_colons_and_markup_survive_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    finding = replace(
        FINDING, location=REQUIREMENT, message=REQUIREMENT, help=REQUIREMENT, evidence=REQUIREMENT
    )
    result = replace(make_result(findings=(finding,)), title=REQUIREMENT, note=REQUIREMENT)
    terminal.print_line(REQUIREMENT)
    terminal.print_raw(f"{REQUIREMENT}\n")
    print_results([result], notices=[REQUIREMENT])
    print_outcomes([Outcome(name=REQUIREMENT, status="changed", detail=REQUIREMENT)])
    print_table("", ("package",), [(REQUIREMENT,)])
    print_report_document(CommandReport(results=(result,)))
    assert capsys.readouterr().out.count(REQUIREMENT) == 1 + 1 + (3 + 1) + 2 + 1 + 6
    terminal.print_status(REQUIREMENT)
    terminal.print_error(REQUIREMENT)
    print_outcomes([Outcome(name="a", status="failed", detail=REQUIREMENT, code=1)])
    assert capsys.readouterr().err.count(REQUIREMENT) == 3


def test_errors_and_warnings_go_to_the_other_stream(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_status("a")
    terminal.print_error(ValueError("b"))
    assert capsys.readouterr() == ("", "a\nb\n")


def test_results_as_json_say_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with task_output("verify"):
        print_report_document(CommandReport(results=open_results(), notices=("a waiver ends",), summary="s"))
    document = json.loads(capsys.readouterr().out)
    assert [*document] == ["torchpin", "schema", "command", "summary", "notices", "outcomes", "results"]
    assert (document["command"], document["notices"], document["outcomes"]) == (
        "verify",
        ["a waiver ends"],
        [],
    )
    results = {result["check"]: result for result in document["results"]}
    assert [result["status"] for result in results.values()] == [
        *("ok", "failed", "waived", "warning", "skipped", "unknown", "not applicable", "ok")
    ]
    assert results["GPU001"]["accepted"] == [
        {
            "finding": {
                "location": "services/lora/service.yaml:15:21",
                "message": "no code for B200",
                "help": "move to another build",
                "about": "B200",
                "service": "lora",
                "evidence": "pytorch/builder (2026-11-22)",
                "level": "error",
                "fix": [],
                "fix_is_safe": False,
            },
            "waiver": {"check": "GPU001", "about": "B200", "reason": "Known.", "review_by": "2027-01-31"},
        }
    ]
    assert results["TOR001"]["unknown"] == ["the files of cu128 are not in the facts"]
    assert (results["IMG001"]["note"], results["IMG001"]["need"]) == ("no Docker engine", "docker")
    assert [notice["level"] for notice in results["TOR004"]["notices"]] == ["notice"]


def test_a_table_has_its_headers_and_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Services", ("environment", "torch"), [("lora-gpu", "2.5.1 (cu121)"), ("a", "b")])
    output = capsys.readouterr().out
    assert output.startswith("Services")
    assert all(word in output for word in ("environment", "torch", "lora-gpu", "2.5.1 (cu121)"))


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_every_form_is_printed(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    today = date(2026, 12, 1)
    judgement = Judgement(repo=repo(), environments=environments(), results=results(), gpus=(), today=today)
    print_judgement(judgement, form)
    output = capsys.readouterr().out
    assert "lora" in output
    if form in {"json", "sarif"}:
        assert json.loads(output)


MOVED = (("triton", "3.1.0", "3.3.1"), ("nvidia-nccl-cu12", "", "2.26.2"), ("six", "1.17.0", ""))


def test_what_moved_is_a_table_below_its_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    print_outcomes(
        [Outcome(name="lora-gpu", status="changed", detail="62 packages; 3 changed", changes=MOVED)]
    )
    assert capsys.readouterr().out.splitlines() == [
        "done   lora-gpu  62 packages; 3 changed",
        "       triton            3.1.0  -> 3.3.1",
        "       nvidia-nccl-cu12  (new)  -> 2.26.2",
        "       six               1.17.0 -> (removed)",
    ]


@pytest.mark.parametrize(("verbose", "lines"), [(False, 22), (True, 31)])
def test_a_long_table_of_what_moved_is_cut_but_for_a_verbose_task(
    verbose: bool, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tuple((f"p{number}", "1", "2") for number in range(30))
    with task_output("lock", verbose=verbose):
        print_outcomes([Outcome(name="lora-gpu", status="changed", changes=moved)])
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == lines
    assert ("       and 10 more; `-v` lists them" in printed) is not verbose


def test_a_quiet_task_shows_what_failed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Outcome(name="a", status="changed", changes=MOVED),
        Outcome(name="b", status="failed", detail="no", code=3),
    ]
    with task_output("lock", quiet=True):
        assert print_outcomes(rows) == 3
        terminal.print_status("resolving")
    assert capsys.readouterr() == ("", "FAILED b  no\n")
