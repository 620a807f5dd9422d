"""The comments of a description that an update may make untrue."""

from __future__ import annotations

import pytest

from support.bumps import plans
from torchpin.bump.comments import outdated_comments


@pytest.mark.parametrize(
    ("line", "mentioned"),
    [
        ("- xformers==0.0.31   # the one that asks for torch 2.7.1", "2.7.1"),
        ("# no cu126 build has code for it", "cu126"),
        ("- a==1   # torch 2.7.10, and 12.7.1", ""),
        ("version: 2.7.1", ""),
        ("page: https://example.org/#2.7.1", ""),
        ("- b==1   # has 9 kernels", ""),
    ],
)
def test_a_comment_that_mentions_what_went_away_is_named_with_its_line(line: str, mentioned: str) -> None:
    notes = outdated_comments(f"name: a\n{line}\n", "a.yaml", {"2.7.1", "cu126", "9"})
    assert notes == (
        (f"a.yaml:2: the comment mentions {mentioned}, which changed; review it",) if mentioned else ()
    )


def test_a_plan_names_the_comment_beside_a_pin_that_wants_the_former_torch() -> None:
    seedvr = plans("torch==2.8.0", "xformers==0.0.32.post1", services=("seedvr",))["seedvr"]
    assert [
        note for note in seedvr.notes if note.endswith("the comment mentions 2.7.1, which changed; review it")
    ]
    same_torch = plans("torch==2.7.1", channel="cu128", services=("seedvr",))["seedvr"]
    assert not [note for note in same_torch.notes if "the comment mentions 2.7.1" in note]
