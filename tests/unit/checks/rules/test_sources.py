"""SRC001, SRC004, SRC005: tags that exist and have their commit, and clones at their commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases
from support.checks import (
    FILE,
    SECOND,
    SOURCE,
    Builders,
    environment_with_source,
    judge_check,
    make_positions,
    run_check,
)
from support.sources import V0_9_1, V0_10_0, make_environment
from torchpin.model import Change

if TYPE_CHECKING:
    from support.fixture_types import Environments

PASSES = [
    Case(
        "SRC005",
        "a clone that is right",
        lambda kit: run_check(environment_with_source(kit), "SRC005", clones={"sd-scripts": ""}),
    ),
    Case("SRC004", "a tag at its commit", lambda kit: run_check(environment_with_source(kit), "SRC004", tags={"sd-scripts": ""})),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    assert_passes(case, kit)


FAILS = [
    Case(
        "SRC005", "a changed clone",
        lambda kit: run_check(
            environment_with_source(kit), "SRC005", clones={"sd-scripts": "changed (train.py)"}
        ),
        "third_party/sd-scripts", "third_party/sd-scripts is changed (train.py)",
    ),
    Case(
        "SRC005", "a changed clone beside a missing one",
        lambda kit: run_check(
            kit.environment(sources=(SOURCE, SECOND)), "SRC005",
            clones={"sd-scripts": "changed (train.py)", "extras": "not cloned"},
        ),
        "third_party/sd-scripts", "third_party/sd-scripts is changed (train.py)",
    ),
    Case(
        "SRC004", "a moved tag",
        lambda kit: run_check(
            kit.environment(sources=(SOURCE,), positions=make_positions("sources[0].tag")), "SRC004",
            tags={"sd-scripts": "v0.10.0 gives another commit"},
        ),
        f"{FILE}:7:3", "v0.10.0 gives another commit",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


def test_clones_that_were_not_read_are_not_ok(kit: Builders) -> None:
    assert run_check(environment_with_source(kit), "SRC005").status != "ok"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/kohya-ss/sd-scripts",
        "https://github.com/Kohya-SS/SD-Scripts.git",
        "git@github.com:kohya-ss/sd-scripts.git",
        "https://git.example/mirrors/kohya-ss/sd-scripts/",
    ],
)
def test_a_tag_with_its_commit_is_ok_however_the_repository_is_spelled(
    url: str, environment: Environments
) -> None:
    result = judge_check(make_environment(environment, source={"url": url}), "SRC001")
    assert (result.status, result.evidence[0].about) == ("ok", "sd-scripts")
    assert V0_10_0 in result.evidence[0].evidence


@pytest.mark.parametrize("tag", ["v0.9.2", "v0.9.3"])
def test_a_missing_tag_names_the_nearest_and_what_they_require(tag: str, environment: Environments) -> None:
    (finding,) = judge_check(make_environment(environment, source={"tag": tag}), "SRC001").findings
    assert (finding.location, finding.about, finding.level, finding.fix_is_safe) == (
        f"{FILE}:1:3",
        "sd-scripts",
        "error",
        False,
    )
    assert finding.message == (
        f"sd-scripts has no tag {tag}; nearest: v0.9.1 (2025-03-21, without the FLUX scripts), v0.10.0 "
        "(2026-01-19, first with the FLUX scripts, requires torch 2.6.0 or later); the commit in the description is v0.10.0"
    )
    assert finding.fix == (
        Change(path="sources[0].tag", value="v0.10.0"),
        Change(path="sources[0].commit", value=V0_10_0),
    )
    assert f"set `tag: v0.10.0` and `commit: {V0_10_0}`" in finding.help
    assert "snapshot 2026-02-16" in finding.evidence


def test_the_described_commit_decides_which_tag_was_meant(environment: Environments) -> None:
    env = make_environment(environment, source={"tag": "v0.9.2", "commit": V0_9_1})
    (finding,) = judge_check(env, "SRC001").findings
    assert [change.value for change in finding.fix] == ["v0.9.1", V0_9_1]


def test_a_commit_that_is_not_the_tag_s_is_an_error(environment: Environments) -> None:
    (finding,) = judge_check(make_environment(environment, source={"commit": "9" * 40}), "SRC001").findings
    assert (finding.location, finding.level, finding.fix_is_safe) == (f"{FILE}:2:3", "error", False)
    assert finding.message == f"sd-scripts v0.10.0 is commit {V0_10_0}, but the description has {'9' * 40}"
    assert finding.fix == (Change(path="sources[0].commit", value=V0_10_0),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "https://github.com/owner/unknown"}, "the tags of https://github.com/owner/unknown are not in the facts"),
        ({"url": "nowhere"}, "the tags of nowhere are not in the facts"),
        ({"tag": "v99.0.0"}, "sd-scripts v99.0.0 is not in the facts, which end at v0.10.1"),
        ({"tag": "sd3"}, "sd-scripts sd3 is not in the facts, which end at v0.10.1"),
    ],
)  # fmt: skip
def test_a_tag_that_the_facts_do_not_reach_is_unknown(
    changes: dict[str, str], message: str, environment: Environments
) -> None:
    result = judge_check(make_environment(environment, source=changes), "SRC001")
    assert (result.status, result.findings) == ("unknown", ())
    assert result.unknown[0].startswith(message)


def test_the_lab_s_stubs_have_commits_of_their_own(environment: Environments) -> None:
    env = make_environment(environment, source={"commit": "9" * 40})
    assert judge_check(env, "SRC001", published={}).status == "not applicable"


def test_without_sources_nothing_is_judged(environment: Environments) -> None:
    assert {judge_check(environment(), check).status for check in ("SRC001", "SRC002", "SRC003")} == {
        "not applicable"
    }
