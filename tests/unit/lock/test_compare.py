"""The packages that a new lock adds, removes and moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.lock import compare

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Locks


def test_a_new_lock_says_what_it_moves(lock: Locks, artifact: Artifacts) -> None:
    before = lock(None, artifact("old", by=("torch",))).packages
    after = lock(None, artifact("new", by=("torch",)), artifact("tqdm", "4.67.0", by=("lora",))).packages
    assert compare.package_changes(before, after) == (
        "new (new) -> 1.0",
        "old 1.0 -> (removed)",
        "tqdm 4.66.5 -> 4.67.0",
    )
    assert compare.package_changes(before, before) == ()
