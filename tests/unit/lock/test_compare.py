"""The packages that a new lock adds, removes and moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.lock import compare

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks


def test_a_new_lock_says_what_it_moves(lock: Locks, artifact: Artifacts) -> None:
    before = lock(None, artifact("old", by=("torch",))).packages
    after = lock(None, artifact("new", by=("torch",)), artifact("tqdm", "4.67.0", by=("lora",))).packages
    assert compare.package_changes(before, after) == (
        "new (new) -> 1.0",
        "old 1.0 -> (removed)",
        "tqdm 4.66.5 -> 4.67.0",
    )
    assert compare.package_changes(before, before) == ()


def test_a_layer_tells_what_its_description_has_otherwise(environment: Environments, lock: Locks) -> None:
    env = environment()
    locked = lock(env)
    torch = locked.layers[0]
    assert [*compare.described_differences(env, locked, torch)] == []
    moved = environment(python=Version("3.9.1"), channel="cu124")
    assert [*compare.described_differences(moved, locked, torch)] == [
        f"the description has Python 3.9.1, the lock {env.service.python}",
        f"the description takes its files from cu124, the lock {env.variant.channel}",
    ]
    bare = environment(layers=())
    training = locked.layers[-1]
    assert [*compare.described_differences(bare, locked, training)] == [
        "the lock has tqdm 4.66.5, which the description does not pin there"
    ]
