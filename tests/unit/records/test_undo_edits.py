"""What an update edited in a text is taken back, and what others edited there stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.records.undo_edits import Reverted, revert

BEFORE = "name: a\ntorch: 1\nextra: x\nlist:\n- p==1\n- q==1\n"
WRITTEN = BEFORE.replace("torch: 1\nextra: x", "torch: 2").replace("- q==1", "- q==2")
TEXTS = st.lists(st.sampled_from("abc"), max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize(
    "edit",
    [
        ("name: a", "name: b"),  # the line above one of the update
        ("list:", "list:  # mine"),  # the line below
        ("- p==1\n", "- p==1\n- o==1\n"),  # a line between
        ("- p==1\n", ""),
        ("- q==2\n", "- q==2\n- r==1\n"),  # behind the last
    ],
)
def test_edits_of_other_lines_stay(edit: tuple[str, str]) -> None:
    current = WRITTEN.replace(*edit)
    expected = BEFORE.replace(edit[0].replace("q==2", "q==1"), edit[1].replace("q==2", "q==1"))
    assert revert(BEFORE, WRITTEN, current) == Reverted(text=expected)


def test_without_an_edit_it_is_as_before_and_what_is_taken_back_already_stays() -> None:
    assert revert(BEFORE, WRITTEN, WRITTEN).text == BEFORE
    half = WRITTEN.replace("q==2", "q==1")
    assert revert(BEFORE, WRITTEN, half) == Reverted(text=BEFORE)
    assert revert(BEFORE, WRITTEN, BEFORE) == Reverted(text=BEFORE)


def test_an_edit_of_the_same_line_is_a_conflict_with_its_line_now() -> None:
    current = "# mine\n" + WRITTEN.replace("torch: 2", "torch: 3")
    assert revert(BEFORE, WRITTEN, current).conflicts == (3,)


def test_two_insertions_at_one_place_are_a_conflict() -> None:
    assert revert("a\nc\n", "a\n", "a\nb\n").conflicts == (2,)


@given(before=TEXTS, written=TEXTS, other=st.lists(st.sampled_from("xyz"), max_size=2))
def test_what_was_appended_stays_where_the_update_did_not_touch_the_end(
    before: str, written: str, other: list[str]
) -> None:
    """With the same last line in all, an appended text is no conflict and nothing of it is lost."""
    tail = "".join(f"{line}\n" for line in other)
    reverted = revert(f"{before}end\n", f"{written}end\n", f"{written}end\n{tail}")
    assert reverted == Reverted(text=f"{before}end\n{tail}")
