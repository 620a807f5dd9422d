"""How answers are held against the corpus: what is right, allowed and wrong, and which drafts are right."""

from __future__ import annotations

from dataclasses import replace

import pytest
from adopt.corpus import Expected, Project
from adopt.scoring import Answer, Share
from adopt.tool import Draft, Found

from adopt import scoring

REDIRECT = Expected(kinds=frozenset({"redirect"}), level="error", places=frozenset({("Dockerfile", 2)}))
FLOATING = Expected(kinds=frozenset({"floating"}), level="warning", places=frozenset({("Dockerfile", 3)}))
RIGHT = {"base": "python:3.11-slim", "torch": "2.6.0", "channel": "cu124", "python": "3.11"}
PROJECT = Project(
    name="one",
    style="here",
    files={},
    draft=RIGHT,
    trap="redirect",
    findings=(REDIRECT,),
    allowed=(FLOATING,),
)
DRAFT = Draft(
    base="python:3.11-slim", torch="2.6.0", channels=frozenset({"cu124"}), python="3.11.9",
    platforms=frozenset({"linux/amd64"}), text="torch: 2.6.0",
)  # fmt: skip
FOUND = Found(rule="ADO001", level="error", file="Dockerfile", line=2, message="`a>=1` is not quoted")


def answer(*findings: Found, draft: Draft | None = DRAFT, project: Project = PROJECT) -> Answer:
    return Answer(project=project, draft=draft, missing="", findings=findings, seconds=0.1)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (FOUND, "right"),
        (replace(FOUND, level="warning"), "right"),
        (replace(FOUND, line=1), "wrong"),
        (replace(FOUND, file="other/Dockerfile"), "wrong"),
        (replace(FOUND, rule="ADO002"), "wrong"),
        (Found(rule="ADO006", level="warning", file="Dockerfile", line=3, message=""), "allowed"),
    ],
)
def test_a_finding_is_right_by_kind_and_place(found: Found, verdict: str) -> None:
    assert scoring.verdict(PROJECT, found) == verdict


def test_a_finding_that_is_heavier_than_its_kind_is_wrong() -> None:
    project = replace(PROJECT, trap="floating", findings=(FLOATING,), allowed=())
    found = Found(rule="ADO006", level="error", file="Dockerfile", line=3, message="")
    assert scoring.verdict(project, found) == "wrong"
    assert scoring.verdict(project, replace(found, level="warning")) == "right"


def test_a_rule_with_two_subjects_is_told_apart_by_its_level() -> None:
    found = Found(rule="BAS001", level="error", file="Dockerfile", line=1, message="")
    assert scoring.kinds_of(found) == {"no-such-image"}
    assert scoring.kinds_of(replace(found, level="warning")) == {"not-counted"}


def test_precision_leaves_out_notices_what_is_allowed_and_what_is_not_counted() -> None:
    rows = answer(
        FOUND,
        replace(FOUND, line=9),
        replace(FOUND, level="notice", line=8),
        Found(rule="BAS002", level="error", file="Dockerfile", line=1, message=""),
        Found(rule="ADO006", level="error", file="Dockerfile", line=3, message=""),
    )
    assert scoring.precision([rows], "error") == Share(right=1, all=2)
    assert scoring.precision([rows], "error", with_place=False) == Share(right=2, all=2)
    assert scoring.precision([rows], "warning").number is None


def test_a_trap_is_named_at_its_place_at_whatever_level() -> None:
    assert scoring.names_trap(answer(replace(FOUND, level="notice")))
    assert not scoring.names_trap(answer(replace(FOUND, line=1)))
    assert scoring.names_trap(answer(replace(FOUND, line=1)), with_place=False)


def test_a_draft_is_right_as_far_as_the_project_says() -> None:
    assert scoring.differences(PROJECT, DRAFT) == {}


@pytest.mark.parametrize(
    ("draft", "names"),
    [
        (replace(DRAFT, base="python:3.12-slim"), {"base"}),
        (replace(DRAFT, torch="2.6.1"), {"torch"}),
        (replace(DRAFT, torch="?"), {"torch"}),
        (replace(DRAFT, channels=frozenset({"cu124", "cpu"})), {"channel"}),
        (replace(DRAFT, python="3.1"), {"python"}),
        (replace(DRAFT, python="?"), {"python"}),
    ],
)
def test_a_value_that_differs_is_named(draft: Draft, names: set[str]) -> None:
    assert set(scoring.differences(PROJECT, draft)) == names


def test_the_digest_and_the_host_of_a_base_image_are_no_difference() -> None:
    draft = replace(DRAFT, base="docker.io/python:3.11-slim@sha256:00", torch="2.6.0+cu124")
    assert scoring.differences(PROJECT, draft) == {}


def test_unknown_is_right_where_the_files_do_not_say() -> None:
    project = replace(PROJECT, draft={**RIGHT, "python": "?"})
    assert scoring.differences(project, replace(DRAFT, python="?")) == {}
    assert set(scoring.differences(project, DRAFT)) == {"python"}


def test_a_draft_where_there_should_be_none_is_wrong() -> None:
    assert set(scoring.differences(replace(PROJECT, draft={"none": "ROCm"}), DRAFT)) == {"draft"}


@pytest.mark.parametrize(
    ("draft", "wanted"),
    [
        (RIGHT, True),
        ({**RIGHT, "python": "?"}, True),
        ({**RIGHT, "torch": "?"}, False),
        ({"none": "ROCm"}, False),
        ({"unscored": "two answers"}, False),
    ],
)
def test_a_draft_is_wanted_where_base_torch_and_channel_are_there(
    draft: dict[str, str], wanted: bool
) -> None:
    assert scoring.should_be_drafted(replace(PROJECT, draft=draft)) is wanted


def test_forbidden_texts_are_looked_for_in_draft_and_in_what_is_printed() -> None:
    project = replace(PROJECT, forbidden=("\nkey:", "\x1b"))
    row = answer(FOUND, project=project)
    assert scoring.leaks(row) == []
    assert scoring.leaks(replace(row, printed="a\x1b[2J")) == ["\x1b"]
    assert scoring.leaks(replace(row, draft=replace(DRAFT, text="a\nkey: 1"))) == ["\nkey:"]
