"""What people get to see: outcomes, results, tables."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from support.results import FINDING, environments, make_result, open_results, results
from torchpin.model import Outcome
from torchpin.output import terminal
from torchpin.output.findings import print_results

REQUIREMENT = "uvicorn[standard]==0.34.0 is [bold red]not[/] locked :smile:"


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


def test_no_line_is_wrapped_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    long = " ".join(["word"] * 200)
    terminal.print_line(long)
    print_results([make_result(findings=(replace(FINDING, message=long),))])
    terminal.print_outcomes([Outcome(name="a", status="same", detail=long)])
    assert len([line for line in capsys.readouterr().out.splitlines() if long in line]) == 3


def test_brackets_colons_and_markup_survive_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    finding = replace(
        FINDING, location=REQUIREMENT, message=REQUIREMENT, help=REQUIREMENT, evidence=REQUIREMENT
    )
    result = replace(make_result(findings=(finding,)), title=REQUIREMENT, note=REQUIREMENT)
    terminal.print_line(REQUIREMENT)
    terminal.print_raw(f"{REQUIREMENT}\n")
    print_results([result], notices=[REQUIREMENT])
    terminal.print_outcomes([Outcome(name=REQUIREMENT, status="changed", detail=REQUIREMENT)])
    terminal.print_table("", ("package",), [(REQUIREMENT,)])
    terminal.print_results_json([result])
    assert capsys.readouterr().out.count(REQUIREMENT) == 1 + 1 + (3 + 1) + 2 + 1 + 6
    terminal.print_status(REQUIREMENT)
    terminal.print_error(REQUIREMENT)
    terminal.print_outcomes([Outcome(name="a", status="failed", detail=REQUIREMENT, code=1)])
    assert capsys.readouterr().err.count(REQUIREMENT) == 3


def test_errors_and_warnings_go_to_the_other_stream(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_status("a")
    terminal.print_error(ValueError("b"))
    assert capsys.readouterr() == ("", "a\nb\n")


def test_results_as_json_say_everything(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_results_json(open_results(), notices=["a waiver ends"])
    output = capsys.readouterr()
    assert output.err == "a waiver ends\n"
    results = {result["check"]: result for result in json.loads(output.out)}
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
    terminal.print_table("Services", ("environment", "torch"), [("lora-gpu", "2.5.1 (cu121)"), ("a", "b")])
    output = capsys.readouterr().out
    assert output.startswith("Services")
    assert all(word in output for word in ("environment", "torch", "lora-gpu", "2.5.1 (cu121)"))


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_every_form_is_printed(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_verdicts(results(), environments(), date(2026, 12, 1), form=form)
    output = capsys.readouterr().out
    assert "lora" in output
    if form in {"json", "sarif"}:
        assert json.loads(output)
