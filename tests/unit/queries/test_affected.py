"""What a change means for an environment, and how it is told to people and to a workflow."""

from __future__ import annotations

import json

import pytest

from support.small_service import DESCRIPTION, read_environment
from torchpin.image import plan
from torchpin.queries.affected import (
    AffectedList,
    ImageInputs,
    affected_rows,
    compare_inputs,
    github_lines,
    image_inputs,
    summary_line,
)

ENV = read_environment(DESCRIPTION)
LISTING = "# Made by `invoke render`.\nfiles/0  server\nsmoke.py  sha256:aa\nuv  0.13.9\n"
COPIED = {"files/0": "sha256:11"}
BEFORE = image_inputs(ENV, "FROM a\n", LISTING, COPIED)


def test_the_key_is_the_one_of_the_image() -> None:
    assert BEFORE.key == plan.image_key(ENV, "FROM a\n", LISTING, COPIED)


@pytest.mark.parametrize(
    ("after", "changed"),
    [
        (image_inputs(ENV, "FROM b\n", LISTING, COPIED), ("Dockerfile",)),
        (image_inputs(ENV, "FROM a\n", LISTING.replace("aa", "bb"), COPIED), ("smoke.py",)),
        (
            image_inputs(ENV, "FROM a\n", LISTING.replace("uv ", "sources/a  x v1\nuv "), COPIED),
            ("sources/a",),
        ),
        (image_inputs(ENV, "FROM a\n", LISTING, {"files/0": "sha256:22"}), ("server (files/0)",)),
    ],
)
def test_what_changed_is_named(after: ImageInputs, changed: tuple[str, ...]) -> None:
    affected = compare_inputs(ENV, BEFORE, after)
    assert (affected.state, affected.inputs) == ("changed", changed)
    assert (affected.key_before, affected.key) == (BEFORE.key, after.key)


def test_equal_keys_are_the_same_image() -> None:
    affected = compare_inputs(ENV, BEFORE, image_inputs(ENV, "FROM a\n", LISTING, COPIED))
    assert (affected.state, affected.inputs) == ("same", ())


@pytest.mark.parametrize(
    ("before", "after", "state", "reason"),
    [
        (None, BEFORE, "new", ""),
        (None, "lora-gpu is not locked", "new", "lora-gpu is not locked"),
        ("services/lora/service.yaml:1:1: not a mapping", BEFORE, "unreadable", "services/lora/service.yaml"),
        (BEFORE, "lockfiles/lora-gpu no longer matches", "unreadable", "lockfiles/lora-gpu"),
    ],
)
def test_what_cannot_be_told_is_affected(
    before: ImageInputs | str | None, after: ImageInputs | str, state: str, reason: str
) -> None:
    affected = compare_inputs(ENV, before, after)
    assert affected.state == state
    assert affected.reason.startswith(reason)
    assert AffectedList(since="", environments=(affected,)).affected == (affected,)


def test_people_read_what_changed_and_a_workflow_its_matrix() -> None:
    changed = compare_inputs(ENV, BEFORE, image_inputs(ENV, "FROM b\n", "uv  0.13.10\n"))
    same = compare_inputs(ENV, BEFORE, BEFORE)
    listed = AffectedList(since="0123456789abcdef", environments=(changed, same), removed=("old-gpu",))
    assert affected_rows(listed.affected) == [
        ("lora-gpu", "image key changed", "Dockerfile, files/0, server (files/0), smoke.py, uv")
    ]
    assert summary_line(listed) == "1 of 2 environments affected since 0123456789ab; removed: old-gpu"
    matrix, count = github_lines(listed)
    assert json.loads(matrix.removeprefix("matrix=")) == {
        "include": [
            {"environment": "lora-gpu", "service": "lora", "variant": "gpu", "platform": "linux/amd64"}
        ]
    }
    assert count == "count=1"
    assert github_lines(AffectedList(since="", environments=(same,))) == (
        'matrix={"include": []}',
        "count=0",
    )
