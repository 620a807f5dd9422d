"""LCK008: a lock keeps the cool-down of its repository."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from support.checks import LOCK_DIR, TODAY, Builders
from torchpin.description.policy import Policy
from torchpin.lock.cooldown import CutOff, with_cutoff

if TYPE_CHECKING:
    from torchpin.checks.registry import Result

DEPENDENCIES = f"{LOCK_DIR}/01-torch-deps.requirements.txt"


def check(kit: Builders, policy: Policy | None, days: int | None) -> Result:
    """The check of a lock whose cut-off lies so many days back; None: it has none."""
    lock = kit.lock()
    if days is not None:
        time = f"{TODAY - dt.timedelta(days=days)}T00:00:00Z"
        lock = with_cutoff(lock, CutOff(time=time, days=7, exceptions={}))
    return kit.check_lock("LCK008", locks=lock, policy=policy)


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        (Policy(), None),
        (Policy(cooldown=7), 7),
        (Policy(cooldown=7), 400),
        (None, 0),  # the repository was not read
        (None, None),
    ],
)
def test_a_lock_that_keeps_it_passes(kit: Builders, policy: Policy | None, days: int | None) -> None:
    assert check(kit, policy, days).status == "ok"


@pytest.mark.parametrize(
    ("policy", "days", "message"),
    [
        (Policy(cooldown=7), None, "was locked without the cool-down of 7 days"),
        (Policy(), 7, "was locked with a cool-down (until "),
        (Policy(cooldown=7), 6, "has files that were published up to "),
    ],
)
def test_a_lock_that_does_not_keep_it_is_named_by_its_first_layer_from_pypi(
    kit: Builders, policy: Policy, days: int | None, message: str
) -> None:
    result = check(kit, policy, days)
    assert result.status == "failed"
    (finding,) = result.findings
    assert finding.location == DEPENDENCIES
    assert finding.message.startswith(message)
