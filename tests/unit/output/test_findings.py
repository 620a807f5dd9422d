"""Findings, verdicts and the support matrix as text: one form for each kind of entry."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.results import FINDING, NOTICE, WAIVER, WARNING, environments, make_result, open_results
from torchpin.checks.registry import Unknown
from torchpin.checks.report import Entry
from torchpin.lint.matches import Match
from torchpin.output import findings
from torchpin.output.console import console
from torchpin.output.volume import task_output
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


def test_a_finding_of_an_option_names_whose_pins_it_is_about() -> None:
    for several in ((), ("lora-gpu",)):
        assert entry_lines("error", location="--gpu B200", environments=("lora-gpu",), several=several) == [
            "error[GPU001] lora-gpu (--gpu B200): no code for B200"
        ]


def test_an_environment_is_named_where_its_service_has_several() -> None:
    names = ("lora-gpu", "flux-gpu")
    place = "services/lora/service.yaml:1:1"
    assert entry_lines("error", location=place, environments=names, several=("lora-gpu",)) == [
        f"error[GPU001] {place}: no code for B200 (lora-gpu)"
    ]
    assert entry_lines("error", location="docs:1:1", environments=names, several=("lora-gpu",)) == [
        "error[GPU001] docs:1:1: no code for B200"
    ]


OPEN = [
    "error[DOC001] DEVIATIONS.md:3: out of date",
    "  help: run `invoke document`",
    "",
    "warning[GPU002] lora-gpu: the driver is too old",
    "  help: move to another build",
    "",
]
TO_KNOW = [
    "unknown[TOR001] lora-gpu: the files of cu128 are not in the facts",
    "",
    "notice[TOR004] services/lora/service.yaml:18:18: cu128 is frozen",
    "  help: plan the update",
    "",
]
NOTICE_TEXT = "lora: the waiver of GPU001 for B200 ends on 2027-01-31"
COUNTS = (
    "not shown: 1 waived finding, 1 skipped check (no Docker engine), 1 check not applicable; `-v` lists them"
)
SENTENCE = "1 error, 1 warning, 1 notice, 1 unknown in the documents and lora-gpu; 1 finding is waived until 2027-01-31"


def test_results_show_what_is_open_then_what_is_not_shown_then_the_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    findings.print_results(
        open_results(), notices=[NOTICE_TEXT], counts="2 of 3 packages have measured facts"
    )
    assert capsys.readouterr().out.splitlines() == [
        *OPEN,
        *TO_KNOW,
        f"notice: {NOTICE_TEXT}",
        f"{COUNTS}; 2 of 3 packages have measured facts",
        SENTENCE,
    ]


def test_verify_names_what_would_fail_for_what_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    with task_output("verify"):
        findings.print_results(open_results())
    assert "`-v` lists them, `--require docker` fails without these" in capsys.readouterr().out


def test_a_verbose_task_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with task_output("judge", verbose=True):
        findings.print_results(open_results())
    assert capsys.readouterr().out.splitlines() == [
        *OPEN,
        *TO_KNOW,
        "waived[GPU001] services/lora/service.yaml:15:21: no code for B200",
        "  waived until 2027-01-31: Known.",
        "",
        "skipped[IMG001] lora-gpu: no Docker engine",
        "not applicable to lora-gpu: TOR002",
        SENTENCE,
    ]


def test_evidence_is_shown_by_a_verbose_task(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (False, True):
        with task_output("judge", verbose=verbose):
            findings.print_results([make_result(findings=(FINDING,))])
        assert ("  evidence: a source" in capsys.readouterr().out) is verbose


def test_a_quiet_task_shows_errors_warnings_and_what_can_be_mended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    misspelled = Unknown(message="no GPU 'B20O' is known", location="a.yaml:1:1", help="did you mean B200?")
    with task_output("judge", quiet=True):
        findings.print_results(open_results(), notices=[NOTICE_TEXT])
        findings.print_results([make_result(unknown=(misspelled.message,), located=(misspelled,))])
    assert capsys.readouterr().out.splitlines() == [
        *OPEN, "unknown[GPU001] a.yaml:1:1: no GPU 'B20O' is known", "  help: did you mean B200?", "",
    ]  # fmt: skip


def test_what_is_said_of_several_places_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    other = replace(NOTICE, location="services/flux/service.yaml:9:9")
    names = ("lora-gpu", "lora-cpu", "flux-gpu")
    rows = [
        make_result(name, status="ok", notices=(notice,))
        for name, notice in zip(names, (NOTICE, NOTICE, other), strict=True)
    ]
    findings.print_results(rows)
    assert capsys.readouterr().out.splitlines()[:3] == [
        "notice[GPU001] services/lora/service.yaml:18:18: cu128 is frozen (lora-gpu, lora-cpu)",
        "  also: services/flux/service.yaml:9:9",
        "  help: plan the update",
    ]


def test_results_go_to_stderr_where_a_program_reads_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    findings.print_results(open_results(), to_stderr=True)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error[DOC001] ")


def test_the_same_finding_of_several_environments_is_one_entry(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("lora-gpu", "lora-cpu", "flux-gpu")
    rows = [make_result(name, findings=(replace(FINDING, help="h", evidence=""),)) for name in names]
    findings.print_results([*rows, make_result("lora-arm64", status="ok")])
    head, *_, last = capsys.readouterr().out.splitlines()
    assert head.endswith("15:21: no code for B200, at 100% (lora-gpu, lora-cpu)")
    assert last == "1 error in lora-gpu, lora-cpu and flux-gpu"


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
    with task_output("verify", verbose=True):
        findings.print_results(rows)
    assert capsys.readouterr().out.splitlines() == [
        "skipped[IMG001, IMG002] 2 environments: no Docker engine",
        "skipped[IMG006] lora-gpu: no GPU",
        "nothing was checked: 0 checks of 2 environments passed",
    ]


def test_a_match_of_a_rule_is_an_entry_of_its_level() -> None:
    for finding in (FINDING, WARNING):
        entry = findings.match_entry(Match(id="ADO001", finding=finding))
        assert (entry.kind, entry.check, entry.location) == (finding.level, "ADO001", finding.location)
        assert (entry.message, entry.help, entry.evidence) == (
            finding.message,
            finding.help,
            finding.evidence,
        )


def test_the_judge_ends_with_whether_the_pins_can_work(capsys: pytest.CaptureFixture[str]) -> None:
    envs = [env for env in environments() if env.service.name in {"coaxial", "lora"}]
    findings.print_forecast([make_result("lora-gpu", findings=(FINDING,))], envs)
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "the pins of coaxial can work; those of lora cannot work (1 error)"
    )


def test_the_matrix_is_printed_with_what_its_marks_mean(capsys: pytest.CaptureFixture[str]) -> None:
    envs = [env for env in environments() if env.name in {"coaxial-cpu", "lora-gpu"}]
    old_driver = replace(make_result("lora-gpu", findings=(FINDING,)), check="GPU002")
    findings.print_matrix(support.build_matrix(envs, ["B200", "L40"], [old_driver]))
    assert capsys.readouterr().out.splitlines() == [
        "lora-gpu",
        "  ok           B200* !, L40",
        "on CPUs: coaxial-cpu",
        "* listed in service.yaml",
        "! another check has a finding about this GPU",
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


def test_no_escape_is_written_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    findings.print_entry(console(stream), Entry(kind="error", check="GPU001", title="t", message="no code"))
    assert stream.getvalue() == "error[GPU001] no code\n"


def test_force_color_colours_a_pipe_and_wraps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    message = "no code " * 20
    findings.print_entry(console(stream), Entry(kind="error", check="GPU001", title="t", message=message))
    assert stream.getvalue() == f"\x1b[1;31merror[GPU001] \x1b[0m{message.strip()}\n"


def test_a_quiet_task_says_why_an_option_fails_it(capsys: pytest.CaptureFixture[str]) -> None:
    with task_output("verify", quiet=True):
        findings.print_results([make_result(status="ok")], last="failed, since …", failed=True)
    assert capsys.readouterr().out == "failed, since …\n"
