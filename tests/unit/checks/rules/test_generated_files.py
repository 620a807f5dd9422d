"""DKR and DOC: committed files are what their descriptions give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases

if TYPE_CHECKING:
    from support.checks import Builders


def rendering(
    lines: str = "a\nb\n", *, committed: str | None = "a\nb\n"
) -> dict[str, tuple[str | None, str]]:
    return {"docker/lora-gpu/Dockerfile": (committed, lines)}


PASSES = [
    Case("DKR001", "the same text", lambda kit: kit.check_lock("DKR001", renderings=rendering())),
    Case("DOC001", "the same text", lambda kit: kit.check_lock("DOC001", documents={"A.md": ("a\n", "a\n")})),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    assert_passes(case, kit)


FAILS = [
    Case(
        "DKR001", "an edited line",
        lambda kit: kit.check_lock("DKR001", renderings=rendering(committed="a\nc\n")),
        "docker/lora-gpu/Dockerfile:2", "is out of date",
    ),
    Case(
        "DKR001", "a line too few",
        lambda kit: kit.check_lock("DKR001", renderings=rendering(committed="a\nb")),
        "docker/lora-gpu/Dockerfile:3", "is out of date",
    ),
    Case(
        "DKR001", "no file",
        lambda kit: kit.check_lock("DKR001", renderings=rendering(committed=None)),
        "docker/lora-gpu/Dockerfile", "is missing",
    ),
    Case(
        "DOC001", "an edited section",
        lambda kit: kit.check_lock("DOC001", documents={"DEVIATIONS.md": ("a\nb\nx\n", "a\nb\nc\n")}),
        "DEVIATIONS.md:3", "has generated sections that are out of date",
    ),
    Case(
        "DOC001", "no file",
        lambda kit: kit.check_lock("DOC001", documents={"DEVIATIONS.md": (None, "a\n")}),
        "DEVIATIONS.md", "is missing",
    ),
    Case(
        "DOC001", "a page whose service is gone",
        lambda kit: kit.check_lock("DOC001", documents={"docs/services/a.md": ("a\n", None)}),
        "docs/services/a.md", "is the page of a service that is no longer described",
    ),
    Case(
        "DOC001", "broken markers",
        lambda kit: kit.check_lock("DOC001", document_problems=("DEVIATIONS.md:7:1: the section 'lora' has no end",)),
        "DEVIATIONS.md:7:1", "the section 'lora' has no end",
    ),
    Case(
        "DOC001", "a section whose description is gone",
        lambda kit: kit.check_lock("DOC001", standing_sections=("DEVIATIONS.md:7:1: the section 'a' has none; restore it",)),
        "DEVIATIONS.md:7:1", "the section 'a' has none",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


@pytest.mark.parametrize("check", ["DKR001", "DOC001"])
def test_what_could_not_be_rendered_is_not_fresh(check: str, kit: Builders) -> None:
    """Without a current lock there is nothing to compare with."""
    check_result = kit.check_lock(check, renderings={}, documents={})
    assert check_result.status == "failed"
    (finding,) = check_result.findings
    assert "cannot be compared" in finding.message
    assert finding.help.startswith("run `invoke lock`")
