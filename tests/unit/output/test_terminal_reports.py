"""Reports of single commands: tables at every width, facts, plans of a bump, drafts, fixes."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.results import FINDING, WARNING, make_result
from torchpin.adopt.draft import Adoption
from torchpin.adopt.draft_values import OpenValue
from torchpin.bump.model import Move, Opening, Plan
from torchpin.commands.adopt import Adopted
from torchpin.commands.facts import FactsReport
from torchpin.commands.fix import FixedFile
from torchpin.errors import INTERRUPTED, UnansweredError
from torchpin.facts import DatedRow, SectionAge
from torchpin.lint.matches import Match
from torchpin.output import adoption, answers, facts_report, plans, tables, terminal
from torchpin.output.volume import task_output
from torchpin.queries.diff import Difference, ItemChange

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADERS = ("environment", "base", "state")
ROWS = [("coaxial-gpu", "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04", "not recorded yet")]
TITLE = "torch==2.8.0"
PLAN = Plan(
    service="lora",
    file="services/lora/service.yaml",
    moves=(
        Move(path="torch.version", what="torch", before="2.7.1", after="2.8.0", why="requested"),
        Move(path="base.digest", what="base.digest", before="sha256:ab", after="", why="another image"),
    ),
    also_changes=("triton 3.3.1 -> 3.4.0 in lora-gpu",),
    gained=("B200 on cu128",),
    lost=("V100 on cu128",),
    resolved=("GPU001 about B200",),
    new=("torch 2.8.0: report says 2.5.x",),
    notes=("the reason of CUDA names an updated package",),
    outdated_layers=("lockfiles/lora-gpu/00-torch.requirements.txt",),
    present_bytes=2_808_000_000,
    before="torch: 2.7.1\n",
    after="torch: 2.8.0\n",
)


@pytest.fixture
def terminal_width(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that makes stdout a terminal of so many columns."""

    def set_width(width: int) -> None:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    return set_width


def cell_texts(lines: Sequence[str]) -> list[list[str]]:
    """The cells of a printed table's lines."""
    return [re.split(r" {2,}", re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines]


def test_a_table_that_does_not_fit_is_wrapped_between_words(terminal_width: Any, capsys: Any) -> None:
    terminal_width(72)
    tables.print_table("", HEADERS, ROWS)
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 72
    words = {*output.split()}
    assert {"environment", "coaxial-gpu", "state", "not", "recorded", "yet", ROWS[0][1]} <= words


def test_on_a_terminal_too_narrow_for_a_table_each_row_is_a_block(terminal_width: Any, capsys: Any) -> None:
    terminal_width(40)
    tables.print_table("Services", HEADERS, [*ROWS, ("lora-gpu", "", "fresh")])
    assert capsys.readouterr().out.splitlines() == [
        "Services",
        "coaxial-gpu",
        "  base:",
        "    nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04",
        "  state: not recorded yet",
        "lora-gpu",
        "  state: fresh",
    ]


def test_a_table_in_a_log_is_wide(capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_table("", HEADERS, ROWS)
    assert cell_texts(capsys.readouterr().out.splitlines()[1:]) == [list(ROWS[0])]


BASE_MOVE = Difference(
    environment="lora-gpu",
    baseline=(
        ItemChange(
            name="base image",
            kind="moved",
            before=f"ubuntu:24.04@sha256:{'b8' * 32}",
            after=f"ubuntu:24.04@sha256:{'c4' * 32}",
        ),
    ),
    packages=(), added_bytes=0, removed_bytes=0, unknown_sizes=0,
)  # fmt: skip


def test_digests_of_a_diff_are_cut_where_they_do_not_fit(terminal_width: Any, capsys: Any) -> None:
    terminal_width(80)
    answers.print_differences([BASE_MOVE], "text")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[3:5] == [
        "  before: ubuntu:24.04@sha256:b8b8b8b8b8b8…",
        "  after: ubuntu:24.04@sha256:c4c4c4c4c4c4…",
    ]


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_digests_of_a_diff_are_whole_elsewhere(form: str, capsys: Any) -> None:
    answers.print_differences([BASE_MOVE], form)
    assert "c4" * 32 in capsys.readouterr().out


def test_a_table_without_rows_has_its_headers(terminal_width: Any, capsys: Any) -> None:
    terminal_width(80)
    tables.print_table("", HEADERS, [])
    assert cell_texts(capsys.readouterr().out.splitlines()) == [list(HEADERS)]


def section_age(*expired: DatedRow, maximum: int | None = 365) -> SectionAge:
    return SectionAge(
        table="gpus", section="gpus", oldest="2025-11-22", newest="2026-11-22", days=366, max_age_days=maximum,
        expired=expired,
    )  # fmt: skip


def test_facts_have_their_age_and_what_is_expired(capsys: pytest.CaptureFixture[str]) -> None:
    row = DatedRow(table="gpus.yaml", row="gpus: H100", date="2025-11-22", days=366, max_age_days=365)
    with task_output("facts", verbose=True):
        facts_report.print_facts(FactsReport(problems=("gpus.yaml: no source",), ages=(section_age(row),)))
    lines = capsys.readouterr().out.splitlines()
    headers = ["table", "section", "oldest", "newest", "days", "limit", "lacks", "expired"]
    assert cell_texts(lines[:2]) == [
        headers,
        ["gpus", "gpus", "2025-11-22", "2026-11-22", "366", "365", "-", "1"],
    ]
    assert lines[2:] == [
        "gpus.yaml: no source",
        str(row),
        "1 section of facts, the oldest of 2025-11-22; `-v` lists them",
        "problems: 1, expired: 1",
    ]


def test_facts_without_a_maximum_age_never_expire(capsys: pytest.CaptureFixture[str]) -> None:
    with task_output("facts", verbose=True):
        facts_report.print_facts(FactsReport(problems=(), ages=(section_age(maximum=None),)))
    lines = capsys.readouterr().out.splitlines()
    assert cell_texts(lines[1:2])[0][-3:] == ["-", "-", "0"]
    assert lines[-1] == "problems: 0, expired: 0"


def test_a_plan_says_what_moves_and_all_that_follows(capsys: pytest.CaptureFixture[str]) -> None:
    plans.print_plans([PLAN], TITLE, {"lora": ["docker/lora-gpu/Dockerfile", "docs/PINNING.md"]})
    assert capsys.readouterr().out.splitlines() == [
        "lora: planned changes",
        "  torch:        2.7.1 -> 2.8.0       requested",
        "  base.digest:  sha256:ab -> (none)  another image",
        "  GPUs gained: B200 on cu128",
        "  GPUs lost: V100 on cu128",
        "  new finding: torch 2.8.0: report says 2.5.x",
        "  resolved finding: GPU001 about B200",
        "  note: the reason of CUDA names an updated package",
        "  also changes in lora-gpu:",
        "    triton  3.3.1 -> 3.4.0",
        "--- a/services/lora/service.yaml",
        "+++ b/services/lora/service.yaml",
        "@@ -1 +1 @@",
        "-torch: 2.7.1",
        "+torch: 2.8.0",
        "  files: services/lora/service.yaml, lockfiles/lora-gpu/00-torch.requirements.txt",
        "  generated: 2 files; `-v` lists them",
        "  the layers to lock again have 2.8 GB of packages now",
    ]


def test_a_verbose_plan_lists_all_files_and_packages(capsys: pytest.CaptureFixture[str]) -> None:
    moved = tuple(f"p{number} 1 -> 2 in lora-gpu" for number in range(12))
    plan = replace(
        PLAN, also_changes=moved, gained=(), lost=(), possible=("L4", "B200"), impossible=("V100",)
    )
    for verbose in (False, True):
        with task_output("bump", verbose=verbose):
            plans.print_plans([plan], TITLE, {"lora": ["docs/PINNING.md"]})
        lines = capsys.readouterr().out.splitlines()
        assert "  GPUs listed: unchanged; newly possible: L4, B200; no longer possible: V100" in lines
        assert ("    p11  1 -> 2" in lines) is verbose
        assert ("    and 2 more; `-v` lists them" in lines) is not verbose
        assert ("  generated: docs/PINNING.md" in lines) is verbose


def test_a_plan_says_which_reasons_it_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    openings = (
        Opening(key="GPU001:RTX 5090", message="GPU001 about RTX 5090: no code"),
        Opening(key="CUDA", message="CUDA 12.8 deviates", is_review=True),
        Opening(key="torch", message="torch 2.8.0 deviates", reason="needed"),
    )
    plan = replace(
        PLAN,
        openings=openings,
        present=("tqdm is already at 4.67.1",),
        resolution="resolved by uv: 9 packages",
    )
    plans.print_plans([plan], TITLE, {"lora": []})
    lines = [
        line
        for line in capsys.readouterr().out.splitlines()
        if "reason" in line or "tqdm" in line or "uv" in line
    ]
    assert lines == [
        "  reason: torch: needed",
        "  needs a reason: `--reason 'GPU001:RTX 5090=TEXT'`",
        "  needs a reason: `--reason CUDA=TEXT` (without it, the present one stays)",
        "    without these the update is made, lists what has no reason, and exits with 1",
        "  note: tqdm is already at 4.67.1",
        "  note: the reason of CUDA names an updated package",
        "  resolution: resolved by uv: 9 packages",
    ]


def test_a_service_that_has_all_already_and_one_called_like_a_package(
    capsys: pytest.CaptureFixture[str],
) -> None:
    present = Plan(service="lora", file="f", present=("torch is already at 2.8.0",), before="- tqdm==1\n")
    held = Plan(
        service="vllm", file="f", held_back="vllm==1 requires torch==2", before="- vllm[audio]==0.10.0\n"
    )
    plans.print_plans([present, held, PLAN], TITLE, {"lora": []})
    assert capsys.readouterr().out.splitlines()[:2] == [
        "lora: nothing to change: torch is already at 2.8.0",
        "service vllm: held back: vllm==1 requires torch==2",
    ]


def test_an_input_that_ends_at_a_question_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(terminal, "_is_interactive", lambda: True)
    value = OpenValue(key="python", text="no line tells it", example="3.11.9")
    for ask in (
        partial(terminal.confirm, "Do this?"),
        partial(terminal.ask_reason, Opening(key="CUDA", message="CUDA 12.8 deviates")),
        partial(terminal.ask_value, value),
    ):
        with pytest.raises(UnansweredError, match=r"^not answered; nothing was changed$") as raised:
            ask()
        assert raised.value.exit_code == INTERRUPTED
        assert capsys.readouterr().out.endswith(" \n")


def test_a_reason_is_asked_for_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = Opening(key="torch", message="torch 2.8.0 deviates")
    monkeypatch.setattr("builtins.input", lambda question: f" {question}")
    monkeypatch.setattr(terminal, "_is_interactive", lambda: False)
    assert terminal.ask_reason(opening) == ""
    monkeypatch.setattr(terminal, "_is_interactive", lambda: True)
    assert terminal.ask_reason(opening) == "Reason for torch (empty: leave it open):"


def test_a_service_that_is_held_back_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(service="lora", file="f", held_back="has torch 2.8.0 already")
    helped = Plan(service="seedvr", file="f", held_back="no wheel for cu126", help="name --channel cu128")
    plans.print_plans([plan, helped], TITLE, {})
    assert capsys.readouterr().out == "", "the error that follows says it"
    plans.print_plans([plan, helped, PLAN], TITLE, {"lora": []})
    assert capsys.readouterr().out.splitlines()[:3] == [
        "lora: held back: has torch 2.8.0 already",
        "seedvr: held back: no wheel for cu126 (name --channel cu128)",
        "lora: planned changes",
    ]


def test_a_plan_as_json_has_no_texts_of_whole_files(capsys: pytest.CaptureFixture[str]) -> None:
    plans.print_plans([PLAN], TITLE, {"lora": ["docs/PINNING.md"]}, json=True)
    document = json.loads(capsys.readouterr().out)
    (service,) = document["services"]
    assert document["bump"] == "torch==2.8.0"
    assert {"before", "after", "moved_text", "why"}.isdisjoint(service)
    assert (service["also_changes"], service["derived"]) == (list(PLAN.also_changes), ["docs/PINNING.md"])
    assert service["diff"].endswith("+torch: 2.8.0\n")


def adopted(text: str, *results: Any) -> Adopted:
    matches = (Match(id="ADO001", finding=FINDING), Match(id="ADO002", finding=WARNING))
    adoption = Adoption(name="lora", text=text, missing="the version of torch", matches=matches, files=())
    return Adopted(adoption=adoption, results=results, skipped=("image.png: skipped, not a text file",))


def test_a_draft_goes_to_stdout_and_all_else_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    adoption.print_adoption(adopted("name: lora\n", make_result(findings=(FINDING,))))
    output = capsys.readouterr()
    assert output.out == "name: lora\n"
    match_head = "services/lora/service.yaml:15:21: no code for B200, at 100%"
    details = ["  help: Move.", "    Or not."]
    assert output.err.splitlines() == [
        f"error[ADO001] {match_head}",
        *details,
        "warning[ADO002] --gpu B200: w",
        "  help: r",
        "rules: 1 error, 1 warning",
        "image.png: skipped, not a text file",
        f"error[GPU001] {match_head}",
        *details,
        "",
        "1 error in lora-gpu",
    ]


def test_without_a_draft_nothing_is_judged_and_no_check_counted(capsys: pytest.CaptureFixture[str]) -> None:
    adoption.print_adoption(adopted(""))
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[-2:] == [
        "rules: 1 error, 1 warning",
        "image.png: skipped, not a text file",
    ]
    assert "checks" not in output.err


def test_a_draft_as_json_has_the_matches_by_rule(capsys: pytest.CaptureFixture[str]) -> None:
    adoption.print_adoption_json(adopted("name: lora\n"))
    document = json.loads(capsys.readouterr().out)
    assert [(match["id"], match["level"]) for match in document["matches"]] == [
        ("ADO001", "error"),
        ("ADO002", "warning"),
    ]
    assert document["skipped"] == ["image.png: skipped, not a text file"]


def test_fixes_are_shown_as_a_difference(capsys: pytest.CaptureFixture[str]) -> None:
    fixed = FixedFile(file="services/lora/service.yaml", findings=(), before="a: 1\n", after="a: 2\n")
    answers.print_fixes([fixed])
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "-a: 1",
        "+a: 2",
        "fixed services/lora/service.yaml; run `invoke lock`, `invoke render` and `invoke document`",
    ]
    answers.print_fixes([], aside=True)
    assert capsys.readouterr() == ("", "no safe fix applies\n")


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("YES ", True), ("", False), ("n", False)])
def test_a_question_on_a_terminal_needs_a_yes(
    answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: answer)
    assert terminal.confirm("Apply it?") is agreed


def test_without_a_terminal_there_is_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert terminal.confirm("Apply it?")
