"""SRC and DEV001: tags, what sources ask for, and what people recommend, with a lock and without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.compat.recommendations import is_undetermined, used_components
from torchpin.model import (
    Change,
    Environment,
    Layer,
    Position,
    Reason,
    Recommendation,
    Source,
    Torch,
    Upstream,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.checks.registry import Result
    from torchpin.model import Lock

    Environments = Callable[..., Environment]
    Locks = Callable[..., Lock]

FILE = "services/lora/service.yaml"
V0_10_0 = "966e9d7f6bb4058abbddb815dd40462b35ffb1d2"
V0_9_1 = "8f4ee8fc343b047965cd8976fca65c3a35b7593a"
SOURCE = Source(
    name="sd-scripts",
    url="https://github.com/kohya-ss/sd-scripts",
    tag="v0.10.0",
    commit=V0_10_0,
    path="third_party/sd-scripts",
    requirements="requirements.txt",
)
PATHS = ("sources[0].tag", "sources[0].commit", "torch.version", "recommends[0]", "layers[0].packages[0]")
POSITIONS = {path: Position(file=FILE, line=number, column=3) for number, path in enumerate(PATHS, start=1)}


def make_environment(
    environment: Environments, *pins: str, torch: str = "2.5.1", **changes: Any
) -> Environment:
    source = replace(SOURCE, **changes.pop("source", {}))
    return environment(
        **{
            "sources": (source,),
            "layers": (Layer(name="tools", packages=tuple(map(Requirement, pins or ("tqdm==4.66.5",)))),),
            "torch": Torch(version=Version(torch), companions={}),
            "positions": POSITIONS,
            **changes,
        }
    )


def run_check(env: Environment, check: str, lock: Lock | None = None, **context: Any) -> Result:
    locks = {env.name: lock} if lock else {}
    evidence = CheckContext(environments=(env,), today=date(2026, 12, 1), uv="0.13.9", locks=locks, **context)
    (result,) = [candidate for candidate in run.run(evidence, judge=True) if candidate.check == check]
    return result


def with_upstream_requirements(lock: Lock, *lines: str) -> Lock:
    upstream = Upstream(
        source="sd-scripts", tag="v0.10.0", commit=V0_10_0, file="requirements.txt", requirements=lines
    )
    return replace(lock, upstreams=(upstream,))


# --- SRC001 ----------------------------------------------------------------------------------------------------------


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
    result = run_check(make_environment(environment, source={"url": url}), "SRC001")
    assert (result.status, result.evidence[0].about) == ("ok", "sd-scripts")
    assert V0_10_0 in result.evidence[0].evidence


@pytest.mark.parametrize("tag", ["v0.9.2", "v0.9.3"])
def test_a_tag_that_never_was_names_the_nearest_and_what_they_mean(
    tag: str, environment: Environments
) -> None:
    (finding,) = run_check(make_environment(environment, source={"tag": tag}), "SRC001").findings
    assert (finding.location, finding.about, finding.level, finding.fix_is_safe) == (
        f"{FILE}:1:3",
        "sd-scripts",
        "error",
        False,
    )
    assert finding.message == (
        f"sd-scripts has no tag {tag}; the nearest are v0.9.1 (2025-03-21, without the FLUX scripts) and v0.10.0 "
        "(2026-01-19, the first with the FLUX scripts, needs torch 2.6.0 or later); the recorded commit is that of v0.10.0"
    )
    assert finding.fix == (
        Change(path="sources[0].tag", value="v0.10.0"),
        Change(path="sources[0].commit", value=V0_10_0),
    )
    assert f"Write `tag: v0.10.0` and `commit: {V0_10_0}`" in finding.help
    assert "snapshot 2026-02-16" in finding.evidence


def test_the_recorded_commit_says_which_tag_was_meant(environment: Environments) -> None:
    env = make_environment(environment, source={"tag": "v0.9.2", "commit": V0_9_1})
    (finding,) = run_check(env, "SRC001").findings
    assert [change.value for change in finding.fix] == ["v0.9.1", V0_9_1]


def test_a_commit_that_is_not_the_tag_s_is_an_error(environment: Environments) -> None:
    (finding,) = run_check(make_environment(environment, source={"commit": "9" * 40}), "SRC001").findings
    assert (finding.location, finding.level, finding.fix_is_safe) == (f"{FILE}:2:3", "error", False)
    assert finding.message == f"sd-scripts v0.10.0 is the commit {V0_10_0}, and {'9' * 40} is recorded"
    assert finding.fix == (Change(path="sources[0].commit", value=V0_10_0),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "https://github.com/owner/unknown"}, "the tags of https://github.com/owner/unknown are not in the facts"),
        ({"url": "nowhere"}, "the tags of nowhere are not in the facts"),
        ({"tag": "v99.0.0"}, "v99.0.0 of sd-scripts is not in the facts, which end at v0.10.1"),
        ({"tag": "sd3"}, "sd3 of sd-scripts is not in the facts, which end at v0.10.1"),
    ],
)  # fmt: skip
def test_a_tag_that_the_facts_do_not_reach_is_unknown(
    changes: dict[str, str], message: str, environment: Environments
) -> None:
    result = run_check(make_environment(environment, source=changes), "SRC001")
    assert (result.status, result.findings) == ("unknown", ())
    assert result.unknown[0].startswith(message)


def test_the_lab_s_stand_ins_have_commits_of_their_own(environment: Environments) -> None:
    env = make_environment(environment, source={"commit": "9" * 40})
    assert run_check(env, "SRC001", published={}).status == "moot"


# --- SRC002 ----------------------------------------------------------------------------------------------------------


def test_what_a_source_asks_for_is_compared_without_a_lock_too(environment: Environments) -> None:
    env = make_environment(environment, "accelerate==0.25.0", "transformers==4.54.1", "einops==0.7.0")
    result = run_check(env, "SRC002")
    (finding,) = result.findings
    assert (finding.location, finding.about, finding.level, finding.fix_is_safe) == (
        f"{FILE}:5:3",
        "accelerate",
        "warning",
        False,
    )
    assert finding.message == (
        "sd-scripts v0.10.0 asks for accelerate==1.6.0; accelerate 0.25.0 is used, without a reason"
    )
    assert finding.fix == (Change(path="layers[0].packages[0]", value="accelerate==1.6.0"),)
    assert "requirements.txt, README.md @v0.10.0" in finding.evidence
    assert "which nobody pins here: only a lock tells" in result.unknown[0]
    assert "asks for 21 packages: 2 agree, 0 differ with a reason (" in result.evidence[0].evidence


def test_a_difference_with_a_reason_is_no_finding(environment: Environments) -> None:
    reason = Reason(component="Accelerate", because="held back", evidence="a run")
    result = run_check(make_environment(environment, "accelerate==0.25.0", reasons=(reason,)), "SRC002")
    assert result.findings == ()
    assert "1 differ with a reason (accelerate)" in result.evidence[0].evidence


def test_a_tag_that_never_was_is_judged_by_its_recorded_commit(environment: Environments) -> None:
    env = make_environment(environment, "accelerate==0.25.0", source={"tag": "v0.9.2"})
    assert (
        run_check(env, "SRC002")
        .findings[0]
        .message.startswith("sd-scripts v0.10.0 asks for accelerate==1.6.0")
    )
    assert run_check(env, "SRC003").findings[0].message.startswith("sd-scripts v0.10.0 needs torch 2.6.0")


def test_the_lock_s_own_copy_of_the_requirements_counts_first(environment: Environments, lock: Locks) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    result = run_check(env, "SRC002", with_upstream_requirements(lock(env), "tqdm==4.0", "einops", "torch"))
    assert [(finding.about, finding.location) for finding in result.findings] == [
        ("tqdm", f"{FILE}:5:3"),
        ("einops", f"{FILE}:1:3"),
    ]
    assert "einops is not installed" in result.findings[1].message
    assert result.findings[1].fix == ()
    assert result.unknown == ()
    assert result.evidence[0].evidence == (
        "sd-scripts v0.10.0 asks for 3 packages: 1 agree, 0 differ with a reason "
        "(lockfiles/lora-gpu/upstream-sd-scripts.txt)"
    )


def test_what_a_source_asks_for_may_be_known_to_nobody(environment: Environments) -> None:
    for changes in ({"tag": "v0.8.0", "commit": "9" * 40}, {"url": "https://github.com/owner/unknown"}):
        for check in ("SRC002", "SRC003"):
            result = run_check(make_environment(environment, source=changes), check)
            assert (result.status, result.findings) == ("unknown", ())


# --- SRC003 ----------------------------------------------------------------------------------------------------------


def test_a_source_that_needs_a_newer_torch_is_a_warning(environment: Environments) -> None:
    (finding,) = run_check(make_environment(environment), "SRC003").findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:3:3", "torch", "warning")
    assert finding.message == "sd-scripts v0.10.0 needs torch 2.6.0 or later, and torch 2.5.1 is described"
    assert finding.help.startswith("Raise torch to 2.6.0 or later")
    assert "README.md @v0.10.0" in finding.evidence


@pytest.mark.parametrize(
    ("torch", "source", "evidence"),
    [
        ("2.6.0", {}, "v0.10.0 needs torch 2.6.0 or later; 2.6.0 is described"),
        ("2.5.1", {"tag": "v0.9.1", "commit": V0_9_1}, "v0.9.1 names no least version, and was tested with torch 2.1.2"),
    ],
)  # fmt: skip
def test_a_torch_that_is_enough_is_ok(
    torch: str, source: dict[str, str], evidence: str, environment: Environments
) -> None:
    result = run_check(make_environment(environment, torch=torch, source=source), "SRC003")
    assert result.status == "ok"
    assert result.evidence[0].evidence.startswith(evidence)


def test_a_least_python_and_cuda_count_where_a_source_names_them(
    environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = [tag for tag in facts.source_tags("kohya-ss/sd-scripts") if tag.tag == "v0.10.0"]
    requiring = replace(row, min_torch=None, min_python="3.11", min_cuda="12.4")
    monkeypatch.setattr(facts, "source_tags", lambda repo: (requiring,))
    result = run_check(make_environment(environment), "SRC003")
    assert [finding.about for finding in result.findings] == ["Python", "CUDA"]
    assert [
        finding.about
        for finding in run_check(make_environment(environment, channel="cpu"), "SRC003").findings
    ] == ["Python"]


def test_without_sources_nothing_is_judged(environment: Environments) -> None:
    assert {run_check(environment(), check).status for check in ("SRC001", "SRC002", "SRC003")} == {"moot"}


# --- DEV001 ----------------------------------------------------------------------------------------------------------


def environment_with_recommendations(
    environment: Environments, *pairs: tuple[str, str], **changes: Any
) -> Environment:
    recommendations = tuple(
        Recommendation(component=component, says=requirement, by="the page")
        for component, requirement in pairs
    )
    return environment(recommends=recommendations, positions=POSITIONS, **changes)


def test_a_capability_is_compared_with_the_facts(environment: Environments) -> None:
    env = environment_with_recommendations(environment, ("GeForce RTX 5060 Ti", "8.9"), gpus=("RTX 5060 Ti",))
    (finding,) = run_check(env, "DEV001").findings
    assert (finding.location, finding.about, finding.level) == (
        f"{FILE}:4:3",
        "GeForce RTX 5060 Ti",
        "warning",
    )
    assert finding.message == "GeForce RTX 5060 Ti 12.0 deviates without a reason: the page says 8.9"
    assert "developer.nvidia.com" in finding.evidence
    right = environment_with_recommendations(environment, ("RTX 5060 Ti", "12.0"), gpus=("RTX 5060 Ti",))
    assert run_check(right, "DEV001").status == "ok"


@pytest.mark.parametrize(
    ("pair", "changes", "used"),
    [
        (("cuDNN", "8.9.x"), {}, "9.1.0.70"),
        (("torch", "2.5.1+cu121"), {"channel": "pypi"}, "2.5.1+cu124"),
        (("CUDA", "12.4"), {}, "12.1"),
        (("CUDA", "12.1"), {"channel": "cpu"}, "not installed"),
        (("base", "ubuntu:22.04"), {}, "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"),
        (("Python", "3.11"), {}, "3.10.14"),
        (("tqdm", ">=5"), {}, "4.66.5"),
        (("flash-attn", "any"), {}, "not installed"),
    ],
)
def test_what_is_used_is_known_without_a_lock_as_far_as_description_and_facts_tell(
    pair: tuple[str, str], changes: dict[str, Any], used: str, environment: Environments
) -> None:
    (finding,) = run_check(environment_with_recommendations(environment, pair, **changes), "DEV001").findings
    assert finding.message == f"{pair[0]} {used} deviates without a reason: the page says {pair[1]}"


def test_what_only_a_lock_tells_is_unknown_without_one(environment: Environments, lock: Locks) -> None:
    env = environment_with_recommendations(environment, ("numpy", "<2"), ("tqdm", "4.66.5"))
    result = run_check(env, "DEV001")
    assert (result.status, result.findings, result.unknown) == (
        "unknown", (), ("the page says numpy <2, and what is used only a lock tells",),
    )  # fmt: skip
    with_lock = run_check(env, "DEV001", lock(env))
    assert with_lock.unknown == ()
    assert with_lock.findings[0].message == "numpy not installed deviates without a reason: the page says <2"


def test_the_base_image_s_own_cudnn_is_not_called_missing(environment: Environments) -> None:
    torch = Torch(version=Version("2.5.1"), companions={}, origin="base")
    env = environment_with_recommendations(environment, ("cuDNN", "9.1"), torch=torch)
    assert is_undetermined(env, None, "cuDNN", used_components(env, None))
    assert run_check(env, "DEV001").status == "unknown"


def test_what_a_source_s_own_requirements_say_is_not_dev001_s(environment: Environments, lock: Locks) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    assert run_check(env, "DEV001", with_upstream_requirements(lock(env), "tqdm==4.0")).status == "moot"
    recommending_env = make_environment(
        environment, "tqdm==4.66.5", recommends=(Recommendation(component="tqdm", says="4.1", by="the page"),)
    )
    (finding,) = run_check(
        recommending_env, "DEV001", with_upstream_requirements(lock(recommending_env), "tqdm==4.0")
    ).findings
    assert finding.message == "tqdm 4.66.5 deviates without a reason: the page says 4.1"


def test_without_a_recommendation_nothing_is_judged(environment: Environments) -> None:
    assert run_check(environment(), "DEV001").status == "moot"
