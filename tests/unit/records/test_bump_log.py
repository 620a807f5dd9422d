"""The update log reads back as it was written, and a text that is not a log is an input error with its position."""

from __future__ import annotations

import re

import pytest

from support.bumps import ENTRY, ROOT
from torchpin import paths
from torchpin.errors import InputError
from torchpin.records import bump_log


def test_the_log_reads_back_as_it_was_written() -> None:
    assert bump_log.parse_log(bump_log.render_log([ENTRY, ENTRY])) == (ENTRY, ENTRY)
    assert bump_log.parse_log(None) == ()
    assert ENTRY.pending == (3, 4, 5)


@pytest.mark.parametrize(
    "text", ["- [", "- {bump: x}", "a: b", "- bump: x\n  why: y\n  services: {}\n  steps: []\n"]
)
def test_what_is_no_log_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError) as excinfo:
        bump_log.parse_log(text)
    assert str(excinfo.value.problems[0]).startswith("records/log.yaml:1:") or "2:1" in str(
        excinfo.value.problems[0]
    )


def test_the_keys_of_the_file_are_kept() -> None:
    text = bump_log.render_log([ENTRY])
    assert "told: locked" in text
    assert "closed:\n      - GPU001 about B200" in text
    assert "held:\n    seedvr: has it already" in text


def test_a_log_without_the_steps_of_the_policy_says_how_to_restore_it() -> None:
    with pytest.raises(InputError) as excinfo:
        bump_log.parse_log("- {bump: x, why: y, services: {}, steps: []}")
    assert str(excinfo.value).splitlines() == [
        "records/log.yaml:1:1: is not an update log: the steps are not those of the update policy",
        "restore it, for example by `git checkout records/log.yaml`; nothing was written",
    ]


def test_the_committed_log_s_first_entry_is_lora_s_move_to_torch_2_7_1() -> None:
    first = bump_log.parse_log((ROOT / paths.BUMP_LOG).read_text())[0]
    assert first.bump == "torch==2.7.1"
    assert [*first.services] == ["lora"]


@pytest.mark.parametrize("text", ["\n- a\x1bb\n", "[" * 5_000])
def test_a_damaged_log_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError, match=r"^records/log\.yaml:\d+:\d+: "):
        bump_log.parse_log(text)


def test_a_log_with_a_value_of_another_type_is_refused() -> None:
    text = re.sub(r"(?m)^  why: .*$", "  why: 5", bump_log.render_log([ENTRY]))
    with pytest.raises(InputError, match="a value is not a text"):
        bump_log.parse_log(text)
