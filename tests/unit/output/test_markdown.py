"""The comments on a change: verdicts and differences as Markdown that shows foreign markup as it is."""

from __future__ import annotations

import pytest

from support.results import FINDING, WAIVER, WARNING, environments, make_result
from torchpin.checks.registry import Accepted
from torchpin.output.markdown import differences_markdown, judgement_markdown, prose_cell
from torchpin.queries.diff import Difference, ItemChange

PACKAGE = ItemChange(
    name="tqdm", kind="moved", before="4.66.5", after="4.67.1", size_before=78_000, size_after=None
)
BASELINE = ItemChange(name="channel", kind="moved", before="cu121", after="cu128")


def difference(*packages: ItemChange, **values: tuple[object, ...]) -> Difference:
    parts = {"baseline": (), **values}
    return Difference(
        environment="lora-gpu",
        packages=packages,
        added_bytes=2_000_000,
        removed_bytes=0,
        unknown_sizes=1,
        **parts,  # type: ignore[arg-type]
    )


def test_the_verdict_comes_first_and_waived_findings_are_left_out() -> None:
    rows = [make_result(findings=(FINDING, WARNING), accepted=(Accepted(finding=FINDING, waiver=WAIVER),))]
    first, _, *table = judgement_markdown(rows, environments())
    assert first.strip()
    assert len(table) == 4
    address = "https://github.com/torchpin/torchpin/blob/main/docs/CHECKS.md#gpu001"
    assert table[2] == (
        f"| error [GPU001]({address}) | `services/lora/service.yaml:15` | lora-gpu: no code for B200, at 100% | Move. Or not. |"
    )
    assert "`services/lora/service.yaml:15`" in table[3]  # the line of its GPUs, which the option replaces


def test_without_findings_there_is_no_table() -> None:
    assert len([*judgement_markdown([make_result(status="ok")], environments())]) == 1


def test_a_difference_tells_pins_gpus_and_deviations_before_packages() -> None:
    changed = difference(
        PACKAGE, baseline=(BASELINE,), gpus_gained=("B200",), gpus_lost=("V100",), deviations_gained=("CUDA",)
    )
    assert [*differences_markdown([changed])] == [
        "### lora-gpu",
        "",
        "- download: +2.0 MB; 1 files of unknown size",
        "- GPUs gained: B200",
        "- GPUs lost: V100",
        "- new deviations: CUDA",
        "",
        "| What | Before | After |",
        "| --- | --- | --- |",
        "| channel | cu121 | cu128 |",
        "",
        "| Package | Change | Before | After | Download |",
        "| --- | --- | --- | --- | --- |",
        "| tqdm | moved | 4.66.5 | 4.67.1 | -0.1 MB, +unknown |",
    ]


def test_many_packages_are_folded_away() -> None:
    lines = [*differences_markdown([difference(*[PACKAGE] * 10)])]
    assert "<details><summary>10 packages</summary>" in lines
    assert lines[-1] == "</details>"


def test_nothing_changed_is_a_sentence() -> None:
    assert [*differences_markdown([difference()])] == ["No environment changes."]


@pytest.mark.parametrize(
    ("text", "cell"), [(r"a\*b", r"a\\\*b"), (r"a\|b", r"a\\\|b"), (r"`a\|b`", r"`a\\\|b`"), ("a|b", r"a\|b")]
)
def test_a_backslash_neither_unescapes_what_follows_nor_splits_a_cell(text: str, cell: str) -> None:
    assert prose_cell(text) == cell


def test_foreign_markup_stays_text() -> None:
    assert prose_cell("<img src=x> [a](b) `x|y`\n@all\x1b[31m").startswith(
        "\\<img src=x\\> \\[a\\](b) `x\\|y` \\@all"
    )
    assert "\x1b" not in prose_cell("\x1b[31m")
