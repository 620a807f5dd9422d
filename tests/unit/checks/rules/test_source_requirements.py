"""SRC002, SRC003: the requirements of a source, with a lock and without one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.checks import FILE, judge_check
from support.sources import V0_9_1, make_environment, with_upstream_requirements
from torchpin import facts
from torchpin.model import Change, Reason

if TYPE_CHECKING:
    from support.fixture_types import Environments, Locks


def test_requirements_are_compared_without_a_lock_too(environment: Environments) -> None:
    env = make_environment(environment, "accelerate==0.25.0", "transformers==4.54.1", "einops==0.7.0")
    result = judge_check(env, "SRC002")
    (finding,) = result.findings
    assert (finding.location, finding.about, finding.level, finding.fix_is_safe) == (
        f"{FILE}:5:3",
        "accelerate",
        "warning",
        False,
    )
    assert finding.message == (
        "sd-scripts v0.10.0 requires accelerate==1.6.0, but accelerate 0.25.0 is used, without a reason"
    )
    assert finding.fix == (Change(path="layers[0].packages[0]", value="accelerate==1.6.0"),)
    assert "requirements.txt, README.md @v0.10.0" in finding.evidence
    assert result.unknown[0].endswith("; the versions of unpinned packages are unknown without a lock")
    assert "has 21 requirements; met: 2, unmet with a reason: 0 (" in result.evidence[0].evidence


def test_a_difference_with_a_reason_is_no_finding(environment: Environments) -> None:
    reason = Reason(component="Accelerate", because="held back", evidence="a run")
    result = judge_check(make_environment(environment, "accelerate==0.25.0", reasons=(reason,)), "SRC002")
    assert result.findings == ()
    assert "unmet with a reason: 1 (accelerate)" in result.evidence[0].evidence


def test_a_tag_that_does_not_exist_is_judged_by_its_recorded_commit(environment: Environments) -> None:
    env = make_environment(environment, "accelerate==0.25.0", source={"tag": "v0.9.2"})
    assert (
        judge_check(env, "SRC002")
        .findings[0]
        .message.startswith("sd-scripts v0.10.0 requires accelerate==1.6.0")
    )
    assert (
        judge_check(env, "SRC003").findings[0].message.startswith("sd-scripts v0.10.0 requires torch 2.6.0")
    )


def test_the_lock_s_own_copy_of_the_requirements_counts_first(environment: Environments, lock: Locks) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    result = judge_check(env, "SRC002", with_upstream_requirements(lock(env), "tqdm==4.0", "einops", "torch"))
    assert [(finding.about, finding.location) for finding in result.findings] == [
        ("tqdm", f"{FILE}:5:3"),
        ("einops", f"{FILE}:1:3"),
    ]
    assert "einops is not installed" in result.findings[1].message
    assert result.findings[1].fix == ()
    assert result.unknown == ()
    assert result.evidence[0].evidence == (
        "sd-scripts v0.10.0 has 3 requirements; met: 1, unmet with a reason: 0 "
        "(lockfiles/lora-gpu/upstream-sd-scripts.requirements.txt)"
    )


def test_requirements_that_are_neither_locked_nor_in_the_facts_are_unknown(environment: Environments) -> None:
    for changes in ({"tag": "v0.8.0", "commit": "9" * 40}, {"url": "https://github.com/owner/unknown"}):
        for check in ("SRC002", "SRC003"):
            result = judge_check(make_environment(environment, source=changes), check)
            assert (result.status, result.findings) == ("unknown", ())


def test_a_source_that_needs_a_newer_torch_is_a_warning(environment: Environments) -> None:
    (finding,) = judge_check(make_environment(environment), "SRC003").findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:3:3", "torch", "warning")
    assert (
        finding.message
        == "sd-scripts v0.10.0 requires torch 2.6.0 or later, but the description has torch 2.5.1"
    )
    assert finding.help.startswith("raise torch to 2.6.0 or later")
    assert "README.md @v0.10.0" in finding.evidence


@pytest.mark.parametrize(
    ("torch", "source", "evidence"),
    [
        ("2.6.0", {}, "v0.10.0 requires torch 2.6.0 or later; the description has 2.6.0"),
        ("2.5.1", {"tag": "v0.9.1", "commit": V0_9_1}, "v0.9.1 documents no minimum version, tested with torch 2.1.2"),
    ],
)  # fmt: skip
def test_a_torch_that_is_enough_is_ok(
    torch: str, source: dict[str, str], evidence: str, environment: Environments
) -> None:
    result = judge_check(make_environment(environment, torch=torch, source=source), "SRC003")
    assert result.status == "ok"
    assert result.evidence[0].evidence.startswith(evidence)


def test_a_minimum_python_and_cuda_count_where_a_source_documents_them(
    environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = [tag for tag in facts.source_tags("kohya-ss/sd-scripts") if tag.tag == "v0.10.0"]
    requiring = replace(row, min_torch=None, min_python="3.11", min_cuda="12.4")
    monkeypatch.setattr(facts, "source_tags", lambda repo: (requiring,))
    result = judge_check(make_environment(environment), "SRC003")
    assert [finding.about for finding in result.findings] == ["Python", "CUDA"]
    assert [
        finding.about
        for finding in judge_check(make_environment(environment, channel="cpu"), "SRC003").findings
    ] == ["Python"]
