"""Results in words: what is not shown, and the verdict as a sentence."""

from __future__ import annotations

from dataclasses import replace

from support.results import FINDING, NOTICE, WAIVER, WARNING, environments, make_result, open_results
from torchpin.checks import run
from torchpin.checks.registry import Accepted
from torchpin.checks.verdict_text import forecast_sentence, hidden_counts, summary_sentence

OK = make_result(status="ok", notices=(NOTICE,))
SKIPPED = make_result(status="skipped", note="no Docker engine", need="docker", image=True)
WAIVED = make_result("coaxial-gpu", status="waived", accepted=(Accepted(finding=FINDING, waiver=WAIVER),))


def test_what_is_not_shown_is_counted_with_what_would_show_it() -> None:
    assert hidden_counts([OK]) == ""
    assert hidden_counts([*open_results(), SKIPPED], can_require=True) == (
        "not shown: 1 waived finding, 2 skipped checks (no Docker engine), 1 check not applicable; `-v` lists them, "
        "`--require docker` fails without these"
    )
    no_update = replace(SKIPPED, need="bump", image=False)
    assert hidden_counts([no_update], can_require=True) == (
        "not shown: 1 skipped check (no logged update); `-v` lists them"
    )


def test_a_notice_fails_nothing_but_under_strict() -> None:
    assert not run.is_failure(OK)
    assert run.is_failure(OK, strict=True)
    assert summary_sentence([OK]) == "nothing is wrong: 1 check of 1 environment passed (1 notice)"
    assert summary_sentence([OK], strict=True) == (
        "failed, since `--strict` counts notices and unknowns; 1 check of 1 environment passed (1 notice)"
    )


def test_what_is_required_and_missing_is_why_a_command_fails() -> None:
    assert summary_sentence([OK, SKIPPED]).startswith("nothing is wrong: 1 check ")
    for need in ("docker", "image"):
        assert summary_sentence([OK, SKIPPED], require=[need]).startswith(
            "failed, since `--require` needs what is missing ("
        )
    assert summary_sentence([OK, SKIPPED], require=["gpu"]).startswith("nothing is wrong")


def test_findings_are_counted_with_their_environments() -> None:
    several = make_result(findings=(FINDING, replace(FINDING, message="n"), WARNING), unknown=("u",))
    assert summary_sentence([several, WAIVED]) == (
        "2 errors, 1 warning, 1 unknown in lora-gpu; 1 finding is waived until 2027-01-31"
    )
    assert summary_sentence([]) == "nothing was checked: 0 checks of 0 environments passed"


def test_a_forecast_names_services_by_their_verdicts() -> None:
    envs = environments()
    assert forecast_sentence([], envs) == "the pins of 5 services can work"
    rows = [OK, WAIVED, make_result("zopilot-gpu", status="unknown", unknown=("u",))]
    assert forecast_sentence(rows, envs) == (
        "the pins of 4 services can work (1 notice); those of zopilot cannot be judged, since facts are missing (1 unknown); "
        "1 finding is waived until 2027-01-31"
    )
    alone = [env for env in envs if env.name == "lora-gpu"]
    bad = make_result(findings=(FINDING,))
    assert forecast_sentence([bad], alone) == "the pins of lora cannot work (1 error)"
    assert forecast_sentence([OK], alone, strict=True) == (
        "failed, since `--strict` counts notices and unknowns; the pins of lora can work (1 notice)"
    )
