"""The context of checks: needs that are not met, and locks that are out of date."""

from __future__ import annotations

from typing import Any

import pytest

from support.checks import (
    NO_ENGINE,
    PENDING,
    PROBE_OUTPUT,
    SECOND,
    SOURCE,
    Builders,
    make_context,
    make_torch,
    run_check,
)
from torchpin.checks import run
from torchpin.checks.context import current_lock
from torchpin.checks.registry import REGISTRY

BUILT = {"images": {"size_bytes": 1}, "probe_reports": PROBE_OUTPUT}


@pytest.mark.parametrize(
    ("check", "context", "note", "need"),
    [
        ("LCK003", {}, "no readable lock", "lock"),
        ("DEV003", {}, "no readable lock", "lock"),
        ("IMG002", BUILT, "no readable lock", "lock"),
        ("SRC005", {"clones": {"sd-scripts": "not cloned", "extras": ""}}, "not cloned: sd-scripts", "clone"),
        (
            "SRC005",
            {"clones": {"sd-scripts": "not cloned", "extras": "not cloned"}},
            "not cloned: sd-scripts, extras",
            "clone",
        ),
        ("REC001", {"locks": True}, "not recorded yet", "record"),
        ("REC002", {}, "no update of this service is logged", "bump"),
        (
            "REC002",
            {"bumps": PENDING},
            "steps 3, 4, 5 of the update torch==2.7.1 are pending; `invoke bump --resume` runs them",
            "bump",
        ),
        ("IMG001", {"locks": True, "engine_problem": NO_ENGINE}, NO_ENGINE, "docker"),
        ("IMG005", {"engine_problem": NO_ENGINE}, NO_ENGINE, "docker"),
        ("IMG001", {"locks": True}, "no image with the current key on this machine", "image"),
        ("SRC004", {}, "network checks are off (`--require network` turns them on)", "network"),
        (
            "IMG006",
            {"locks": True, "gpu_problem": "no NVIDIA driver on this machine"},
            "no NVIDIA driver on this machine",
            "gpu",
        ),
        ("IMG006", {"locks": True, **BUILT}, "no image with the current key was probed on a GPU", "gpu"),
    ],
)
def test_a_check_whose_need_is_not_met_is_skipped_with_the_reason(
    check: str, context: dict[str, Any], note: str, need: str, kit: Builders
) -> None:
    env = kit.environment(sources=(SOURCE, SECOND))
    context_values = {key: kit.lock(env) if key == "locks" else value for key, value in context.items()}
    check_result = run_check(env, check, **context_values)
    assert (check_result.status, check_result.note, check_result.need, check_result.findings) == (
        "skipped",
        note,
        need,
        (),
    )


def test_every_need_of_a_check_can_be_unmet(kit: Builders) -> None:
    """On a bare machine, whatever has a need is skipped and nothing of it is ok."""
    env = kit.environment(sources=(SOURCE,))
    for check_result in run.run(
        make_context(env, clones={"sd-scripts": "not cloned"}, engine_problem=NO_ENGINE, gpu_problem="none")
    ):
        assert (check_result.status == "skipped") == bool(REGISTRY[check_result.check].needs), check_result
        assert check_result.status != "skipped" or (check_result.note and check_result.need)


def test_a_stale_lock_is_not_believed(kit: Builders) -> None:
    env = kit.environment()
    lock = kit.lock(env)
    assert current_lock(make_context(env, locks=lock), env) == lock
    later = kit.environment(torch=make_torch("2.5.0"))
    assert current_lock(make_context(later, locks=lock), later) is None
