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
from torchpin.checks.context import Evidence
from torchpin.compat import recommendations
from torchpin.model import Change, Environment, Layer, Mark, Reason, Recommendation, Source, Torch, Upstream

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
MARKS = {path: Mark(file=FILE, line=number, column=3) for number, path in enumerate(PATHS, start=1)}


def described(environment: Environments, *pins: str, torch: str = "2.5.1", **changes: Any) -> Environment:
    source = replace(SOURCE, **changes.pop("source", {}))
    return environment(
        **{
            "sources": (source,),
            "layers": (Layer(name="tools", packages=tuple(map(Requirement, pins or ("tqdm==4.66.5",)))),),
            "torch": Torch(version=Version(torch), companions={}),
            "marks": MARKS,
            **changes,
        }
    )


def judged(env: Environment, check: str, lock: Lock | None = None, **known: Any) -> Result:
    locks = {env.name: lock} if lock else {}
    evidence = Evidence(environments=(env,), today=date(2026, 12, 1), uv="0.13.9", locks=locks, **known)
    (found,) = [one for one in run.run(evidence, judge=True) if one.check == check]
    return found


def asking(lock: Lock, *lines: str) -> Lock:
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
    found = judged(described(environment, source={"url": url}), "SRC001")
    assert (found.status, found.grounds[0].about) == ("ok", "sd-scripts")
    assert V0_10_0 in found.grounds[0].evidence


@pytest.mark.parametrize("tag", ["v0.9.2", "v0.9.3"])
def test_a_tag_that_never_was_names_the_nearest_and_what_they_mean(
    tag: str, environment: Environments
) -> None:
    (found,) = judged(described(environment, source={"tag": tag}), "SRC001").findings
    assert (found.where, found.about, found.level, found.safe) == (
        f"{FILE}:1:3",
        "sd-scripts",
        "error",
        False,
    )
    assert found.message == (
        f"sd-scripts has no tag {tag}; the nearest are v0.9.1 (2025-03-21, without the FLUX scripts) and v0.10.0 "
        "(2026-01-19, the first with the FLUX scripts, needs torch 2.6.0 or later); the recorded commit is that of v0.10.0"
    )
    assert found.repair == (
        Change(path="sources[0].tag", value="v0.10.0"),
        Change(path="sources[0].commit", value=V0_10_0),
    )
    assert f"Write `tag: v0.10.0` and `commit: {V0_10_0}`" in found.remedy
    assert "snapshot 2026-02-16" in found.evidence


def test_the_recorded_commit_says_which_tag_was_meant(environment: Environments) -> None:
    env = described(environment, source={"tag": "v0.9.2", "commit": V0_9_1})
    (found,) = judged(env, "SRC001").findings
    assert [one.value for one in found.repair] == ["v0.9.1", V0_9_1]


def test_a_commit_that_is_not_the_tag_s_is_an_error(environment: Environments) -> None:
    (found,) = judged(described(environment, source={"commit": "9" * 40}), "SRC001").findings
    assert (found.where, found.level, found.safe) == (f"{FILE}:2:3", "error", False)
    assert found.message == f"sd-scripts v0.10.0 is the commit {V0_10_0}, and {'9' * 40} is recorded"
    assert found.repair == (Change(path="sources[0].commit", value=V0_10_0),)


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
    found = judged(described(environment, source=changes), "SRC001")
    assert (found.status, found.findings) == ("unknown", ())
    assert found.unknown[0].startswith(message)


def test_the_lab_s_stand_ins_have_commits_of_their_own(environment: Environments) -> None:
    env = described(environment, source={"commit": "9" * 40})
    assert judged(env, "SRC001", published={}).status == "moot"


# --- SRC002 ----------------------------------------------------------------------------------------------------------


def test_what_a_source_asks_for_is_compared_without_a_lock_too(environment: Environments) -> None:
    env = described(environment, "accelerate==0.25.0", "transformers==4.54.1", "einops==0.7.0")
    found = judged(env, "SRC002")
    (one,) = found.findings
    assert (one.where, one.about, one.level, one.safe) == (f"{FILE}:5:3", "accelerate", "warning", False)
    assert one.message == (
        "sd-scripts v0.10.0 asks for accelerate==1.6.0; accelerate 0.25.0 is used, without a reason"
    )
    assert one.repair == (Change(path="layers[0].packages[0]", value="accelerate==1.6.0"),)
    assert "requirements.txt, README.md @v0.10.0" in one.evidence
    assert "which nobody pins here: only a lock tells" in found.unknown[0]
    assert "asks for 21 packages: 2 agree, 0 differ with a reason (" in found.grounds[0].evidence


def test_a_difference_with_a_reason_is_no_finding(environment: Environments) -> None:
    reason = Reason(component="Accelerate", because="held back", evidence="a run")
    found = judged(described(environment, "accelerate==0.25.0", reasons=(reason,)), "SRC002")
    assert found.findings == ()
    assert "1 differ with a reason (accelerate)" in found.grounds[0].evidence


def test_a_tag_that_never_was_is_judged_by_its_recorded_commit(environment: Environments) -> None:
    env = described(environment, "accelerate==0.25.0", source={"tag": "v0.9.2"})
    assert (
        judged(env, "SRC002").findings[0].message.startswith("sd-scripts v0.10.0 asks for accelerate==1.6.0")
    )
    assert judged(env, "SRC003").findings[0].message.startswith("sd-scripts v0.10.0 needs torch 2.6.0")


def test_the_lock_s_own_copy_of_the_requirements_counts_first(environment: Environments, lock: Locks) -> None:
    env = described(environment, "tqdm==4.66.5")
    found = judged(env, "SRC002", asking(lock(env), "tqdm==4.0", "einops", "torch"))
    assert [(one.about, one.where) for one in found.findings] == [
        ("tqdm", f"{FILE}:5:3"),
        ("einops", f"{FILE}:1:3"),
    ]
    assert "einops is not installed" in found.findings[1].message
    assert found.findings[1].repair == ()
    assert found.unknown == ()
    assert found.grounds[0].evidence == (
        "sd-scripts v0.10.0 asks for 3 packages: 1 agree, 0 differ with a reason "
        "(lockfiles/lora-gpu/upstream-sd-scripts.txt)"
    )


def test_what_a_source_asks_for_may_be_known_to_nobody(environment: Environments) -> None:
    for changes in ({"tag": "v0.8.0", "commit": "9" * 40}, {"url": "https://github.com/owner/unknown"}):
        for check in ("SRC002", "SRC003"):
            found = judged(described(environment, source=changes), check)
            assert (found.status, found.findings) == ("unknown", ())


# --- SRC003 ----------------------------------------------------------------------------------------------------------


def test_a_source_that_needs_a_newer_torch_is_a_warning(environment: Environments) -> None:
    (found,) = judged(described(environment), "SRC003").findings
    assert (found.where, found.about, found.level) == (f"{FILE}:3:3", "torch", "warning")
    assert found.message == "sd-scripts v0.10.0 needs torch 2.6.0 or later, and torch 2.5.1 is described"
    assert found.remedy.startswith("Raise torch to 2.6.0 or later")
    assert "README.md @v0.10.0" in found.evidence


@pytest.mark.parametrize(
    ("torch", "source", "told"),
    [
        ("2.6.0", {}, "v0.10.0 needs torch 2.6.0 or later; 2.6.0 is described"),
        ("2.5.1", {"tag": "v0.9.1", "commit": V0_9_1}, "v0.9.1 names no least version, and was tested with torch 2.1.2"),
    ],
)  # fmt: skip
def test_a_torch_that_is_enough_is_ok(
    torch: str, source: dict[str, str], told: str, environment: Environments
) -> None:
    found = judged(described(environment, torch=torch, source=source), "SRC003")
    assert found.status == "ok"
    assert found.grounds[0].evidence.startswith(told)


def test_a_least_python_and_cuda_count_where_a_source_names_them(
    environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = [one for one in facts.source_tags("kohya-ss/sd-scripts") if one.tag == "v0.10.0"]
    wanting = replace(row, min_torch=None, min_python="3.11", min_cuda="12.4")
    monkeypatch.setattr(facts, "source_tags", lambda repo: (wanting,))
    found = judged(described(environment), "SRC003")
    assert [one.about for one in found.findings] == ["Python", "CUDA"]
    assert [one.about for one in judged(described(environment, channel="cpu"), "SRC003").findings] == [
        "Python"
    ]


def test_without_sources_nothing_is_judged(environment: Environments) -> None:
    assert {judged(environment(), check).status for check in ("SRC001", "SRC002", "SRC003")} == {"moot"}


# --- DEV001 ----------------------------------------------------------------------------------------------------------


def recommending(environment: Environments, *pairs: tuple[str, str], **changes: Any) -> Environment:
    said = tuple(Recommendation(component=one, says=says, by="the page") for one, says in pairs)
    return environment(recommends=said, marks=MARKS, **changes)


def test_a_capability_is_compared_with_the_facts(environment: Environments) -> None:
    env = recommending(environment, ("GeForce RTX 5060 Ti", "8.9"), gpus=("RTX 5060 Ti",))
    (found,) = judged(env, "DEV001").findings
    assert (found.where, found.about, found.level) == (f"{FILE}:4:3", "GeForce RTX 5060 Ti", "warning")
    assert found.message == "GeForce RTX 5060 Ti 12.0 deviates without a reason: the page says 8.9"
    assert "developer.nvidia.com" in found.evidence
    right = recommending(environment, ("RTX 5060 Ti", "12.0"), gpus=("RTX 5060 Ti",))
    assert judged(right, "DEV001").status == "ok"


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
    (found,) = judged(recommending(environment, pair, **changes), "DEV001").findings
    assert found.message == f"{pair[0]} {used} deviates without a reason: the page says {pair[1]}"


def test_what_only_a_lock_tells_is_unknown_without_one(environment: Environments, lock: Locks) -> None:
    env = recommending(environment, ("numpy", "<2"), ("tqdm", "4.66.5"))
    found = judged(env, "DEV001")
    assert (found.status, found.findings, found.unknown) == (
        "unknown", (), ("the page says numpy <2, and what is used only a lock tells",),
    )  # fmt: skip
    with_lock = judged(env, "DEV001", lock(env))
    assert with_lock.unknown == ()
    assert with_lock.findings[0].message == "numpy not installed deviates without a reason: the page says <2"


def test_the_base_image_s_own_cudnn_is_not_called_missing(environment: Environments) -> None:
    torch = Torch(version=Version("2.5.1"), companions={}, origin="base")
    env = recommending(environment, ("cuDNN", "9.1"), torch=torch)
    assert recommendations.untold(env, None, "cuDNN", recommendations.used(env, None))
    assert judged(env, "DEV001").status == "unknown"


def test_what_a_source_s_own_requirements_say_is_not_dev001_s(environment: Environments, lock: Locks) -> None:
    env = described(environment, "tqdm==4.66.5")
    assert judged(env, "DEV001", asking(lock(env), "tqdm==4.0")).status == "moot"
    both = described(
        environment, "tqdm==4.66.5", recommends=(Recommendation(component="tqdm", says="4.1", by="the page"),)
    )
    (found,) = judged(both, "DEV001", asking(lock(both), "tqdm==4.0")).findings
    assert found.message == "tqdm 4.66.5 deviates without a reason: the page says 4.1"


def test_without_a_recommendation_nothing_is_judged(environment: Environments) -> None:
    assert judged(environment(), "DEV001").status == "moot"
