"""Findings, verdicts and the support matrix as text: one form for each kind of entry."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.results import FINDING, NOTICE, WAIVER, WARNING, environments, make_result, open_results
from torchpin.checks import run
from torchpin.checks.registry import Accepted
from torchpin.checks.report import Entry
from torchpin.lint.matches import Match
from torchpin.output import findings
from torchpin.output.console import console
from torchpin.queries import support

if TYPE_CHECKING:
    from torchpin.checks.report import EntryKind

HELP = ["  help: Move.", "    Or not.", "  evidence: a source"]


def entry_lines(kind: EntryKind, *, several: tuple[str, ...] = (), **changes: Any) -> list[str]:
    """The lines of an entry, as a program would read them."""
    values: dict[str, Any] = {"check": "GPU001", "title": "t", "message": "no code for B200", **changes}
    stream = io.StringIO()
    findings.print_entry(console(stream), Entry(kind=kind, **values), several)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("kind", ["error", "warning", "notice", "unknown"])
def test_an_entry_begins_with_its_kind_its_check_and_its_location(kind: EntryKind) -> None:
    assert entry_lines(kind, location="a.yaml:1:2", environments=("lora-gpu",)) == [
        f"{kind}[GPU001] a.yaml:1:2: no code for B200"
    ]


def test_help_and_evidence_are_lines_below() -> None:
    lines = entry_lines("error", location="a.yaml:1:2", help="Move.\nOr not.", evidence="a source")
    assert lines == ["error[GPU001] a.yaml:1:2: no code for B200", *HELP]


def test_a_waived_entry_has_its_waiver_instead_of_help() -> None:
    lines = entry_lines("waived", location="a.yaml:1:2", help="h", evidence="e", waiver=WAIVER)
    assert lines == [
        "waived[GPU001] a.yaml:1:2: no code for B200",
        "  waived until 2027-01-31: Known.",
    ]


def test_without_a_location_an_entry_names_its_environments() -> None:
    names = ("lora-gpu", "lora-cpu")
    assert entry_lines("unknown", environments=names, several=names) == [
        "unknown[GPU001] lora-gpu, lora-cpu: no code for B200"
    ]
    assert entry_lines("unknown") == ["unknown[GPU001] no code for B200"]


def test_an_environment_is_named_where_its_service_has_several() -> None:
    names = ("lora-gpu", "flux-gpu")
    assert entry_lines("error", location="a:1:1", environments=names, several=("lora-gpu",)) == [
        "error[GPU001] a:1:1: no code for B200 (lora-gpu)"
    ]


def test_results_show_what_is_open_first_and_count_everything(capsys: pytest.CaptureFixture[str]) -> None:
    findings.print_results(open_results(), notices=["lora: the waiver of GPU001 for B200 ends on 2027-01-31"])
    assert capsys.readouterr().out.splitlines() == [
        "error[DOC001] DEVIATIONS.md:3: out of date",
        "  help: run `invoke document`",
        "warning[GPU002] lora-gpu: the driver is too old",
        "  help: move to another build",
        "unknown[TOR001] lora-gpu: the files of cu128 are not in the facts",
        "notice[TOR004] services/lora/service.yaml:18:18: cu128 is frozen",
        "  help: plan the update",
        "waived[GPU001] services/lora/service.yaml:15:21: no code for B200",
        "  waived until 2027-01-31: Known.",
        "notice: lora: the waiver of GPU001 for B200 ends on 2027-01-31",
        "skipped[IMG001] lora-gpu: no Docker engine",
        "1 error, 1 warning, 1 notice; 8 checks: 2 ok, 1 failed, 1 waived, 1 warning, 1 skipped, 1 unknown, 1 not applicable",
    ]


def test_quiet_results_leave_out_what_is_skipped_and_waived_but_count_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    findings.print_results(open_results(), quiet=True)
    output = capsys.readouterr().out
    assert [line.split("[")[0].split()[0] for line in output.splitlines() if not line.startswith(" ")] == [
        "error",
        "warning",
        "unknown",
        "notice",
        "1",
    ]
    assert "1 waived" in output
    assert "1 skipped" in output


def test_results_go_to_stderr_where_a_program_reads_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    findings.print_results(open_results(), to_stderr=True)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error[DOC001] ")


def test_the_same_finding_of_several_environments_is_one_entry(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("lora-gpu", "lora-cpu", "flux-gpu")
    rows = [make_result(name, findings=(replace(FINDING, help="h", evidence=""),)) for name in names]
    findings.print_results([*rows, make_result("lora-arm64", status="ok")])
    head, *_, counts = capsys.readouterr().out.splitlines()
    assert head.endswith("15:21: no code for B200, at 100% (lora-gpu, lora-cpu)")
    assert counts == "1 error; 4 checks: 3 incompatible, 1 ok"


def test_checks_that_were_skipped_for_the_same_reason_share_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    skipped = {"status": "skipped", "note": "no Docker engine"}
    rows = [
        replace(make_result("lora-gpu", **skipped), check="IMG002"),
        replace(make_result("lora-gpu", **skipped), check="IMG001"),
        replace(make_result("lora-cpu", **skipped), check="IMG001"),
        replace(make_result("lora-gpu", **{**skipped, "note": "no GPU"}), check="IMG006"),
    ]
    findings.print_results(rows)
    assert capsys.readouterr().out.splitlines() == [
        "skipped[IMG001, IMG002] 2 environments: no Docker engine",
        "skipped[IMG006] lora-gpu: no GPU",
        "no findings; 4 checks: 4 skipped",
    ]


def test_the_summary_counts_entries_and_statuses() -> None:
    several = make_result(
        findings=(FINDING, replace(FINDING, message="n"), WARNING), notices=(NOTICE,), unknown=("u",)
    )
    waived = make_result(status="waived", accepted=(Accepted(finding=FINDING, waiver=WAIVER),))
    assert findings.summary([several, waived]) == (
        "2 errors, 1 warning, 1 notice; 2 checks: 1 incompatible, 1 waived"
    )
    assert findings.summary([]) == "no findings; 0 checks: none"


def test_a_notice_fails_nothing_but_under_strict() -> None:
    result = make_result(status="ok", notices=(NOTICE,))
    assert not run.is_failure(result)
    assert run.is_failure(result, strict=True)
    assert findings.summary([result]) == "1 notice; 1 check: 1 ok"


def test_a_match_of_a_rule_is_an_entry_of_its_level() -> None:
    for finding in (FINDING, WARNING):
        entry = findings.match_entry(Match(id="ADO001", finding=finding))
        assert (entry.kind, entry.check, entry.location) == (finding.level, "ADO001", finding.location)
        assert (entry.message, entry.help, entry.evidence) == (
            finding.message,
            finding.help,
            finding.evidence,
        )


def test_a_service_has_a_line_with_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    envs = [env for env in environments() if env.service.name in {"coaxial", "lora"}]
    findings.print_service_verdicts([make_result("lora-gpu", findings=(FINDING,))], envs)
    assert capsys.readouterr().out.splitlines() == ["ok           coaxial", "incompatible lora"]


def test_the_matrix_is_printed_with_what_its_marks_mean(capsys: pytest.CaptureFixture[str]) -> None:
    envs = [env for env in environments() if env.name in {"coaxial-cpu", "lora-gpu"}]
    old_driver = replace(make_result("lora-gpu", findings=(FINDING,)), check="GPU002")
    findings.print_matrix(support.build_matrix(envs, ["B200", "L40"], [old_driver]))
    assert capsys.readouterr().out.splitlines() == [
        "coaxial-cpu",
        "  incompatible B200, L40",
        "lora-gpu",
        "  ok           B200* !, L40",
        "* listed in service.yaml",
        "! another check has a finding about this GPU",
        "coaxial-cpu on B200, L40: a CPU build",
        "lora-gpu on B200: GPU002: no code for B200, at 100%",
    ]


def test_a_matrix_without_marks_explains_none(capsys: pytest.CaptureFixture[str]) -> None:
    envs = [env for env in environments() if env.name == "lora-gpu"]
    findings.print_matrix(support.build_matrix(envs, ["L40"], []))
    assert capsys.readouterr().out.splitlines() == ["lora-gpu", "  ok           L40"]


def test_only_the_label_is_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    entry = Entry(kind="error", check="GPU001", title="t", message="no code", location="a:1:1", help="h")
    findings.print_entry(console(stream), entry)
    assert stream.getvalue() == "\x1b[1;31merror[GPU001] \x1b[0ma:1:1: no code\n\x1b[32m  help: \x1b[0mh\n"
