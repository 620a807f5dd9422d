"""What `check` prints: for people, as JSON, SARIF, workflow commands and Markdown; nothing of a file acts on a terminal."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.commands.check import CheckReport
from torchpin.lint.directives import Directive
from torchpin.lint.matches import Edit, FixableFinding, Match
from torchpin.lint.result import LintResult
from torchpin.output import check_formats, check_report
from torchpin.output.answers import print_check_report
from torchpin.output.sarif import sarif_report
from torchpin.output.volume import task_output

if TYPE_CHECKING:
    from torchpin.model import Level

TEXTS = {"docker/Dockerfile": "FROM ubuntu\nRUN pip install a>=1\n", "requirements.txt": "a\nb\nc==1\n"}
ESCAPES = "\x1b[31mred\x1b[0m\x07 \u202e"


def match(
    id_: str, place: str, level: Level, message: str = "it is so", *, edits: tuple[Edit, ...] = ()
) -> Match:
    finding = FixableFinding(
        location=place, message=message, help="do that", about="a", level=level, evidence="a source",
        edits=edits, fix_is_safe=bool(edits),
    )  # fmt: skip
    return Match(id=id_, finding=finding)


EDIT = Edit(file="docker/Dockerfile", line=2, column=17, before="a>=1", after="'a>=1'")
ERROR = match("ADO001", "docker/Dockerfile:2:18", "error", edits=(EDIT,))
FLOAT = match("ADO006", "docker/Dockerfile:1:1", "warning")
NOTICES = [match("ADO008", f"docker/Dockerfile:{line}:1", "notice") for line in (1, 2)]
UNPINNED = [match("ADO012", f"requirements.txt:{line}:1", "warning") for line in (1, 2)]
DIRECTIVE = Directive(
    file="docker/Dockerfile", line=1, column=1, ids=("ADO006",), reason="so", first=1, last=1
)


def report(*matches: Match, **fields: Any) -> CheckReport:
    outside = {
        name: fields.pop(name)
        for name in (
            "problems",
            "skipped",
            "fixed",
            "written",
            "difference",
            "baseline_command",
            "fix_requested",
        )
        if name in fields
    }
    packages = {"requirements.txt": 3, "docker/Dockerfile": 1}
    result = LintResult(matches=matches, texts=TEXTS, packages=packages, **fields)
    return CheckReport(result=result, exit_code=1, **outside)


FULL = report(ERROR, FLOAT, *UNPINNED, *NOTICES)


def printed(
    checked: CheckReport, capsys: pytest.CaptureFixture[str], form: str = "text", **options: bool
) -> str:
    with task_output("check", **options):
        print_check_report(checked, form)
    return capsys.readouterr().out


def test_people_get_errors_first_a_line_for_unpinned_packages_and_the_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(FULL, capsys).splitlines() == [
        "error[ADO001] docker/Dockerfile:2:18: it is so",
        "  help: do that",
        "",
        "warning[ADO006] docker/Dockerfile:1:1: it is so",
        "  help: do that",
        "",
        "warning[ADO012] requirements.txt: 2 of 3 packages without a version",
        "notice[ADO008] docker/Dockerfile:1:1: it is so; and 1 more in this file",
        "1 error, 1 warning, 2 packages without a version, 2 notices; `invoke check --fix` corrects 1",
    ]


def test_all_of_it_and_only_errors_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(FULL, capsys, verbose=True)
    assert text.count("ADO012") == 2
    assert text.count("evidence: a source") == 6
    assert printed(FULL, capsys, quiet=True).splitlines() == [
        "error[ADO001] docker/Dockerfile:2:18: it is so", "  help: do that", "",
        "warning[ADO006] docker/Dockerfile:1:1: it is so", "  help: do that", "",
        "warning[ADO012] requirements.txt: 2 of 3 packages without a version",
    ]  # fmt: skip
    assert printed(report(FLOAT), capsys, quiet=True).startswith("warning[ADO006] ")


def test_a_fix_of_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(report(fix_requested=True), capsys).splitlines()[0] == "nothing to fix"
    fixed = report(fix_requested=True, fixed=(ERROR,))
    assert "nothing to fix" not in printed(fixed, capsys)


def test_what_is_ignored_known_stale_fixed_and_passed_over_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checked = report(
        ignored=((FLOAT, DIRECTIVE),), known=(UNPINNED[0],), stale=Counter({("ADO001", "gone/Dockerfile", "ab"): 2}),
        fixed=(ERROR,), written=("docker/Dockerfile",), skipped=("x: skipped, not a file",),
        baseline_command="invoke check --baseline known.json --write-baseline",
    )  # fmt: skip
    assert printed(checked, capsys).splitlines() == [
        "fixed[ADO001] docker/Dockerfile:2:18: it is so",
        "wrote docker/Dockerfile",
        "the baseline has ADO001 in gone/Dockerfile (2 times), which no longer exists; `invoke check --baseline known.json --write-baseline` removes it",
        "x: skipped, not a file",
        "no findings (1 ignored, 1 in the baseline)",
    ]


def test_a_difference_stands_for_the_findings(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(report(ERROR, fixed=(ERROR,), difference="--- a\n+++ b\n"), capsys)
    assert text.startswith("--- a\n+++ b\nwould be fixed[ADO001] ")


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github", "markdown"])
def test_no_escape_of_a_file_reaches_a_terminal(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = report(
        match("ADO006", f"a{ESCAPES}/Dockerfile:1:1", "warning", f"`{ESCAPES}\r\n::error::x` is so"),
        match("ADO012", f"b{ESCAPES}/requirements.txt:1:1", "warning"),
        skipped=(f"c{ESCAPES}: skipped",),
    )
    text = printed(hostile, capsys, form)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert not re.search(r"^::error", text, re.MULTILINE)


def test_json_has_the_place_and_the_fix() -> None:
    document = json.loads(json.dumps(check_formats.json_report(report(ERROR, ignored=((FLOAT, DIRECTIVE),)))))
    (row,) = document["findings"]
    assert {key: row[key] for key in ("rule", "level", "file", "line", "column", "fix")} == {
        "rule": "ADO001", "level": "error", "file": "docker/Dockerfile", "line": 2, "column": 18, "fix": "safe",
    }  # fmt: skip
    assert document["ignored"][0]["reason"] == "so"


def test_sarif_has_regions_fingerprints_fixes_and_suppressions() -> None:
    document = sarif_report(report(ERROR, *UNPINNED, ignored=((FLOAT, DIRECTIVE),), known=tuple(NOTICES[:1])))
    (run,) = document["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    results = run["results"]
    assert [run["tool"]["driver"]["rules"][row["ruleIndex"]]["id"] for row in results] == [
        row["ruleId"] for row in results
    ]
    error, first, second, suppressed, unchanged = results
    location = error["locations"][0]["physicalLocation"]
    assert location == {
        "artifactLocation": {"uri": "docker/Dockerfile"}, "region": {"startLine": 2, "startColumn": 18},
    }  # fmt: skip
    (change,) = error["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 2, "startColumn": 17, "endLine": 2, "endColumn": 21},
            "insertedContent": {"text": "'a>=1'"},
        }
    ]
    assert suppressed["suppressions"] == [{"kind": "inSource", "justification": "so"}]
    assert unchanged["baselineState"] == "unchanged"
    fingerprints = [row["partialFingerprints"]["primaryLocationLineHash"] for row in results]
    assert len({*fingerprints}) == len(fingerprints)
    assert first["partialFingerprints"] != second["partialFingerprints"]


def test_fingerprints_stay_while_lines_move() -> None:
    texts = {"requirements.txt": "# a comment\n" + TEXTS["requirements.txt"]}
    moved = LintResult(matches=(match("ADO012", "requirements.txt:2:1", "warning"),), texts=texts)
    before = sarif_report(report(UNPINNED[0]))["runs"][0]["results"][0]
    after = sarif_report(CheckReport(result=moved, exit_code=0))["runs"][0]["results"][0]
    assert before["partialFingerprints"] == after["partialFingerprints"]


@pytest.mark.parametrize(
    ("path", "uri"),
    [("a b/Dockerfile", "a%20b/Dockerfile"), ("é%.txt", "%C3%A9%25.txt"), ("/x/Dockerfile", "file:///x/Dockerfile"), ("a:b", "a%3Ab")],
)  # fmt: skip
def test_a_path_is_an_address(path: str, uri: str) -> None:
    (row,) = sarif_report(report(match("ADO006", f"{path}:1:1", "warning")))["runs"][0]["results"]
    assert row["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_github_gets_a_command_a_finding_and_one_for_unpinned_packages() -> None:
    assert list(check_formats.github_report(report(ERROR, *UNPINNED))) == [
        "::error file=docker/Dockerfile,line=2,col=18,title=ADO001::it is so%0Ahelp: do that",
        "::warning file=requirements.txt,title=ADO012::requirements.txt: 2 of 3 packages without a version",
    ]


def test_markdown_is_a_table_and_shows_foreign_markup_as_it_is() -> None:
    hostile = match("ADO006", "a|b/Dockerfile:1:1", "warning", "<img src=x> [a](b) `x|y` @all")
    lines = list(check_formats.markdown_report(report(hostile, *UNPINNED)))
    assert lines[:2] == ["| | Place | What | Help |", "| --- | --- | --- | --- |"]
    assert lines[2].endswith(
        "| `a\\|b/Dockerfile:1:1` | \\<img src=x\\> \\[a\\](b) `x\\|y` \\@all | do that |"
    )
    assert lines[3:] == [
        "",
        "- requirements.txt: 2 of 3 packages without a version",
        "",
        "1 warning, 2 packages without a version",
    ]


def test_the_summary_of_nothing() -> None:
    assert check_report.summary_line(report()) == "no findings"
