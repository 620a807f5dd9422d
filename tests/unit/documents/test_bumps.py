"""The table of a service's updates tells which steps of the policy are pending, and links to each record."""

from __future__ import annotations

from dataclasses import replace

from support.bumps import ENTRY, STEP, other_entry
from support.descriptions import lora_service
from support.documents import SMALL
from torchpin.documents import bumps


def test_the_table_tells_what_is_pending() -> None:
    text = bumps.bump_table(lora_service(), [ENTRY])
    assert "pending: 3 (rebuild the image)" in text
    assert "all done" in bumps.bump_table(lora_service(), [replace(ENTRY, steps=(STEP,) * 5)])


def test_the_newest_update_comes_first() -> None:
    text = bumps.bump_table(lora_service(), [ENTRY, other_entry()])
    assert [line.split(" | ")[1].partition("]")[0] for line in text.splitlines()[2:]] == [
        "[`tqdm==4.67.1`",
        "[`torch==2.7.1`",
    ]


def test_updates_of_other_services_are_not_in_it() -> None:
    assert bumps.bump_table(SMALL, [ENTRY]) == "None yet."
