"""Updates read back as they were written, and a text that is not the record of one is an input error with its position."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from support.bumps import ENTRY, ROOT, STEP, other_entry
from torchpin import paths
from torchpin.errors import InputError
from torchpin.records import bump_log

RECORD = paths.bump_path("a")
FORMER = paths.FORMER_BUMP_LOG


def test_an_update_reads_back_as_it_was_written() -> None:
    assert bump_log.parse_entry(ENTRY.file, bump_log.render_entry(ENTRY)) == ENTRY
    assert ENTRY.pending == (3, 4, 5)


def test_the_name_of_an_update_has_its_time_services_and_target() -> None:
    assert re.fullmatch(r"2026-11-24T120000Z-lora-torch-2\.7\.1-[0-9a-f]{8}", ENTRY.name)
    assert ENTRY.file == f"records/bumps/{ENTRY.name}.yaml"


def test_the_name_stays_while_steps_are_done() -> None:
    done = replace(ENTRY, steps=(STEP,) * 5, freeze={"lora-gpu": ("a 1 -> 2",)})
    assert bump_log.with_name(done) == done


@pytest.mark.parametrize(
    "changes",
    [
        {"services": {"seedvr": ENTRY.services["lora"]}, "bump": ENTRY.bump},
        {"services": {"lora": bump_log.ServiceChange(pins=("torch 2.5.0 -> 2.7.1",))}, "bump": ENTRY.bump},
        {"why": "because", "bump": ENTRY.bump},
        {"held_back": {}, "bump": ENTRY.bump},
        {},
    ],
)
def test_updates_of_one_second_have_names_of_their_own(changes: dict[str, object]) -> None:
    assert other_entry(**changes).name != ENTRY.name


def test_names_sort_by_time_whatever_the_target() -> None:
    later = replace(STEP, when="2026-11-24T12:00:01Z")
    entry = other_entry(bump="a==1", services={"a": ENTRY.services["lora"]}, steps=(later, *ENTRY.steps[1:]))
    assert ENTRY.name < entry.name


@pytest.mark.parametrize("when", ["", "../..", "a/b", "\u202e"])
def test_a_name_is_that_of_a_file_whatever_the_entry_holds(when: str) -> None:
    entry = other_entry(
        bump="../x y", services={"a/b": ENTRY.services["lora"]}, steps=(replace(STEP, when=when),) * 5
    )
    assert re.fullmatch(r"[0-9A-Za-z.+_-]+", entry.name)
    assert len(entry.name) < 110
    assert ".." not in entry.name


def test_a_former_log_reads_back_as_it_was_written_each_entry_with_its_name() -> None:
    first, second = bump_log.parse_former_log(bump_log.render_former_log([ENTRY, ENTRY]))
    assert first == ENTRY
    assert replace(second, name=ENTRY.name) == ENTRY
    assert second.name != ENTRY.name
    assert bump_log.parse_former_log(None) == ()


@pytest.mark.parametrize(
    "text", ["- [", "- {bump: x}", "a: b", "- bump: x\n  why: y\n  services: {}\n  steps: []\n"]
)
def test_what_is_no_log_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError) as excinfo:
        bump_log.parse_former_log(text)
    assert str(excinfo.value.problems[0]).startswith((f"{FORMER}:1:", f"{FORMER}:2:1"))


@pytest.mark.parametrize("text", ["", "[]", "5", "- [", "bump: x", bump_log.render_former_log([ENTRY])])
def test_what_is_not_the_record_of_an_update_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError) as excinfo:
        bump_log.parse_entry(RECORD, text)
    assert str(excinfo.value.problems[0]).startswith((f"{RECORD}:1:", f"{RECORD}:2:1"))


def test_the_keys_of_the_file_are_kept() -> None:
    text = bump_log.render_entry(ENTRY)
    assert "told: locked" in text
    assert "closed:\n    - GPU001 about B200" in text
    assert "held:\n  seedvr: has it already" in text


def test_an_update_without_the_steps_of_the_policy_says_how_to_restore_it() -> None:
    with pytest.raises(InputError) as excinfo:
        bump_log.parse_entry(RECORD, "{bump: x, why: y, services: {}, steps: []}")
    assert str(excinfo.value).splitlines() == [
        "records/bumps/a.yaml:1:1: is not the record of an update: the steps are not those of the update policy",
        "restore it, for example by `git checkout records/bumps/a.yaml`; nothing was written",
    ]


def test_the_first_committed_update_is_lora_s_move_to_torch_2_7_1() -> None:
    path = min((ROOT / paths.BUMPS).glob("*.yaml"))
    first = bump_log.parse_entry(f"{paths.BUMPS}/{path.name}", path.read_text())
    assert first.bump == "torch==2.7.1"
    assert [*first.services] == ["lora"]
    assert bump_log.with_name(first) == first


@pytest.mark.parametrize("text", ["\n- a\x1bb\n", "[" * 5_000])
def test_a_damaged_record_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError, match=r"^records/log\.yaml:\d+:\d+: "):
        bump_log.parse_former_log(text)
    with pytest.raises(InputError, match=r"^records/bumps/a\.yaml:\d+:\d+: "):
        bump_log.parse_entry(RECORD, text)


@pytest.mark.parametrize(
    ("before", "after"),
    [("why: .*$", "why: 5"), ("  lora:$", "  5:"), ("  seedvr: ", "  5: "), ("  lora-gpu:$", "  5:")],
)
def test_a_value_of_another_type_is_refused(before: str, after: str) -> None:
    text = re.sub(rf"(?m)^{before}", after, bump_log.render_entry(ENTRY))
    assert text != bump_log.render_entry(ENTRY)
    with pytest.raises(InputError, match="a value is not a text"):
        bump_log.parse_entry(RECORD, text)
