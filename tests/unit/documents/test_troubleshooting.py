"""docs/TROUBLESHOOTING.md: an entry for each known failure, reached from the table at its head."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from torchpin import facts
from torchpin.checks.run import registered_checks
from torchpin.documents.markdown import anchor
from torchpin.documents.troubleshooting import TOPICS, linked_issues, troubleshooting_sections
from torchpin.lint.scan import registered_rules

TEXT = troubleshooting_sections()["failures"]
FAILURE = next(failure for failure in facts.failures() if failure.id == "torchvision-nms")


def test_the_topics_are_those_of_the_facts() -> None:
    assert {failure.topic for failure in facts.failures()} == {*TOPICS}


def test_every_failure_has_an_entry_and_a_link_to_it() -> None:
    titles = [failure.title for failure in facts.failures()]
    headings = re.findall(r"(?m)^### (.*)$", TEXT)
    assert sorted(headings) == sorted(titles)
    anchors = [anchor(heading) for heading in headings]
    assert len({*anchors}) == len(anchors)
    assert {*re.findall(r"\]\(#([^)]*)\)", TEXT.partition("\n## ")[0])} == {*anchors}


@pytest.mark.parametrize("failure", facts.failures(), ids=lambda failure: failure.id)
def test_the_checks_that_a_failure_names_exist(failure: facts.KnownFailure) -> None:
    assert {*failure.checks} <= {check.id for check in (*registered_checks(), *registered_rules())}


def test_an_entry_has_cause_fix_checks_and_sources() -> None:
    entry = TEXT.partition("### operator torchvision::nms does not exist\n")[2].partition("\n### ")[0]
    assert "```text\nRuntimeError: operator torchvision::nms does not exist\n```" in entry
    assert "- **Cause**: torchvision was built for another torch" in entry
    assert "- **Found beforehand by**: [`TOR002`](CHECKS.md#tor002), [`ADO003`](CHECKS.md#ado003)," in entry
    assert "- **Occurs**: when the container runs\n" in entry
    assert "pytorch/vision [#8985](https://github.com/pytorch/vision/issues/8985);" in entry


def test_a_failure_without_a_check_says_so() -> None:
    text = troubleshooting_sections((replace(FAILURE, checks=()),))["failures"]
    assert "- **Found beforehand by**: no check" in text


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (
            "a/b #1, #2; pip's own message",
            "a/b [#1](https://github.com/a/b/issues/1), [#2](https://github.com/a/b/issues/2); pip's own message",
        ),
        ("replicate/cog PR #1163", "replicate/cog [#1163](https://github.com/replicate/cog/issues/1163)"),
        ("llm-d PR #5", "llm-d PR #5"),
        ("sruckh/SeedVR-RunPod 5a45c99", "sruckh/SeedVR-RunPod 5a45c99"),
    ],
)
def test_issues_on_github_are_links(sources: str, expected: str) -> None:
    assert linked_issues(sources) == expected
