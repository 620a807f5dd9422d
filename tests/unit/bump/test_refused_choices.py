"""Chosen versions that findings refuse, and what is asked for instead."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from torchpin.bump.additions import Addition
from torchpin.bump.refused_choices import refusal_text, refused_choices, without_choices
from torchpin.model import Change, Finding


def addition(text: str) -> Addition:
    return Addition(requirement=Requirement(text), layer="model")


def finding(message: str, *values: str) -> Finding:
    fix = tuple(Change(path="layers[0].packages[0]", value=value) for value in values)
    return Finding(location="services/lora/service.yaml:3:1", message=message, help="replace it", fix=fix)


@pytest.mark.parametrize(
    ("requested", "fixed", "bounded"),
    [
        ("Web[fast]", ("web==1.9",), "Web[fast]<=1.9"),
        ("web>=1,<3", ("web==2.5",), "web<3,>=1,>=2.5"),
        ("web>=2", ("web==1.9",), "web!=2.0,>=2"),  # what the fix names was not asked for
        ("web", (), "web!=2.0"),
        ("web", ("api==2.0",), "web!=2.0"),
        ("web", ("web>=1",), "web!=2.0"),
    ],
)
def test_a_refused_choice_is_kept_from_being_chosen_again(
    requested: str, fixed: tuple[str, ...], bounded: str
) -> None:
    row = addition(requested)
    refused = refused_choices([finding("web==2.0 imports api.x", *fixed)], [row], [row.pinned("2.0")])
    assert [(choice.name, choice.version) for choice in refused] == [("web", "2.0")]
    assert [str(row.requirement) for row in without_choices([row, addition("six")], refused)] == [
        bounded,
        "six",
    ]


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ("web==2.0", "web==2.0 imports api.x"),  # asked for, so nobody chose it
        ("web", "web==2.0.1 imports api.x"),
        ("web", "more-web==2.0 imports api.x"),
    ],
)
def test_what_is_about_no_choice_refuses_none(requested: str, message: str) -> None:
    row = addition(requested)
    assert refused_choices([finding(message)], [row], [row.pinned("2.0")]) == ()


def test_a_finding_about_what_stands_in_no_file_yet_has_no_place() -> None:
    pinned = [addition("web==2.0")]
    assert refusal_text(finding("m", "web==1.9"), pinned) == "m\n  help: ask for web==1.9 instead"
    assert refusal_text(finding("m", "api==1.9"), pinned) == "m\n  help: replace it"
