"""TOR: what the recorded index lists, exactly; companions, the C library, and channels that ended."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.checks import rules, run
from torchpin.checks.context import CheckContext
from torchpin.checks.registry import REGISTRY, Ok, Result
from torchpin.compat.builds import candidate_builds
from torchpin.model import Base, Change, Torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.model import Environment

    Make = Callable[..., Environment]

assert rules  # importing it registers the checks

TODAY = date(2026, 12, 1)
RECORDED = [row.name for row in facts.channels() if facts.index_snapshot(row.name)]
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
PYTHONS = [f"3.{minor}.1" for minor in range(8, 15)]


def run_check(env: Environment, check: str, **context: Any) -> Result:
    (result,) = [
        candidate
        for candidate in run.run(
            CheckContext(environments=(env,), today=TODAY, uv="0.13.9", **context), judge=True
        )
        if candidate.check == check
    ]
    return result


def passes_check(env: Environment, check: str) -> bool:
    """Whether a check's every answer is Ok; the check alone, since it is asked thousands of times."""
    evidence = CheckContext(environments=(env,), today=TODAY, uv="0.13.9")
    answers = list(REGISTRY[check].run(evidence, env))
    return bool(answers) and all(isinstance(answer, Ok) for answer in answers)


def make_torch(version: str, **companions: str) -> Torch:
    return Torch(
        version=Version(version),
        companions={name: Version(companion_version) for name, companion_version in companions.items()},
    )


def listed_wheels(channel: str) -> set[tuple[str, str, str]]:
    """An independent reading of a page: (public version, Python tag, machine) of torch, by the file names' own grammar."""
    wheels = set()
    snapshot = facts.index_snapshot(channel)
    assert snapshot
    for name in snapshot.packages["torch"]:
        version, python_tag, abi, platform = name.removesuffix(".whl").split("-")[-4:]
        if name.count("-") == 5:  # a build number
            version = name.split("-")[1]
        public, _, local = version.partition("+")
        machine = next((candidate for candidate in MACHINES.values() if platform.endswith(candidate)), "")
        in_channel = local == channel or (not local and (channel == "cpu" or machine == "aarch64"))
        try:
            stable = not Version(public).is_prerelease
        except InvalidVersion:
            continue
        if in_channel and stable and machine and abi in {python_tag, f"{python_tag}m", "none"}:
            wheels.add((public, python_tag, machine))
    return wheels


@pytest.mark.parametrize("channel", RECORDED)
def test_release_and_wheel_are_answered_exactly_as_the_index_lists_them(
    channel: str, environment: Make
) -> None:
    """Every release that any page lists, on this channel, for every Python and both platforms."""
    listed = listed_wheels(channel)
    versions = sorted(
        {version for recorded_channel in RECORDED for version, _, _ in listed_wheels(recorded_channel)},
        key=Version,
    )
    compared = 0
    for platform, machine in MACHINES.items():
        for version in versions:
            for python in PYTHONS:
                env = environment(
                    channel=channel,
                    platform=platform,
                    torch=make_torch(version),
                    python=Version(python),
                    base=Base(image="ubuntu:22.04"),
                )
                is_published = any(
                    (listed_version, listed_machine) == (version, machine)
                    for listed_version, _, listed_machine in listed
                )
                has_wheel = (version, "cp" + "".join(python.split(".")[:2]), machine) in listed
                assert passes_check(env, "TOR001") == is_published, (channel, version, platform)
                assert passes_check(env, "TOR003") == has_wheel, (channel, version, python, platform)
                compared += 1
    assert compared == len(MACHINES) * len(versions) * len(PYTHONS)


def test_a_release_that_other_channels_have_is_named_with_them(environment: Make) -> None:
    result = run_check(environment(torch=make_torch("2.7.1"), gpus=("B200", "H100")), "TOR001")
    (finding,) = result.findings
    assert finding.message == (
        "torch 2.7.1 is not published on cu121, whose last release is 2.5.1; it is on cpu, cu118, cu126, cu128"
    )
    assert finding.help == "Write `channel: cu128`."
    assert finding.fix == (Change(path="variants.gpu.channel", value="cu128"),)
    assert "2026-03-15" in finding.evidence


@pytest.mark.parametrize(
    ("channel", "version", "status"),
    [
        ("cu128", "2.10.0", "ok"),
        ("cu128", "2.11.0", "unknown"),  # the matrix has it there, the page is older
        ("cu128", "2.12.0", "found"),  # the channel had ended
        ("cu126", "2.14.0", "unknown"),  # alive: whatever came later
        ("cu121", "2.6.0", "found"),
        ("cu117", "2.0.1", "unknown"),  # not recorded
        ("pypi", "2.5.1", "ok"),
        ("pypi", "2.5.9", "unknown"),
    ],
)
def test_what_came_after_the_recording_is_unknown(
    channel: str, version: str, status: str, environment: Make
) -> None:
    assert run_check(environment(channel=channel, torch=make_torch(version)), "TOR001").status == status


# --- TOR002 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", facts.releases(), ids=lambda release: release.version)
def test_every_release_has_its_own_partners_and_no_other(
    release: facts.TorchRelease, environment: Make
) -> None:
    for name in ("torchvision", "torchaudio"):
        for partner in getattr(release, name):
            env = environment(torch=make_torch(release.version, **{name: partner}))
            assert run_check(env, "TOR002").status == "ok"
        mismatched = environment(torch=make_torch(release.version, **{name: "0.1.0"}))
        has_record = getattr(release, name) or (
            name == "torchaudio" and Version(release.version) >= Version("2.12")
        )
        assert run_check(mismatched, "TOR002").status == ("found" if has_record else "unknown")


def test_a_stranger_is_repaired_by_facts_alone(environment: Make) -> None:
    (finding,) = run_check(environment(torch=make_torch("2.5.1", torchvision="0.20.0")), "TOR002").findings
    assert finding.message == "torchvision 0.20.0 does not belong to torch 2.5.1; its torchvision is 0.20.1"
    assert finding.fix == (Change(path="torch.companions.torchvision", value="0.20.1"),)
    assert finding.fix_is_safe


def test_without_companions_there_is_nothing_to_judge(environment: Make) -> None:
    assert run_check(environment(torch=make_torch("2.5.1")), "TOR002").status == "moot"


# --- TOR003 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "status", "message"),
    [
        ("ubuntu:22.04", "ok", ""),
        ("python:3.12-alpine", "found", "has musl instead of glibc"),
        ("example/own:1", "unknown", "the C library of example/own:1 is not in the facts"),
    ],
)
def test_the_c_library_of_the_base_counts(image: str, status: str, message: str, environment: Make) -> None:
    env = environment(channel="cu128", torch=make_torch("2.8.0"), base=Base(image=image))
    result = run_check(env, "TOR003")
    assert result.status == status
    messages = [finding.message for finding in result.findings] + list(result.unknown)
    assert not message or any(message in text for text in messages)


def test_a_python_without_wheel_is_refused_with_those_that_have_one(environment: Make) -> None:
    (finding,) = run_check(
        environment(torch=make_torch("2.5.1"), python=Version("3.14.0")), "TOR003"
    ).findings
    assert finding.message.endswith("it has wheels there for cp39, cp310, cp311, cp312, cp313")


# --- TOR004 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "status"),
    [("cu121", "found"), ("cu126", "ok"), ("cpu", "ok"), ("pypi", "ok"), ("cu999", "unknown")],
)
def test_a_frozen_channel_is_a_warning(channel: str, status: str, environment: Make) -> None:
    result = run_check(environment(channel=channel), "TOR004")
    assert (result.status, {finding.level for finding in result.findings}) == (
        status,
        {"warning"} if status == "found" else set(),
    )


def test_torch_from_the_base_asks_no_channel(environment: Make) -> None:
    env = environment()
    base_torch = replace(env.service.torch, origin="base")
    assert run_check(replace(env, service=replace(env.service, torch=base_torch)), "TOR004").status == "moot"


# --- what could be taken instead -------------------------------------------------------------------------------------


def test_the_nearest_build_keeps_the_gpus_then_the_release(environment: Make) -> None:
    env = environment(torch=make_torch("2.5.1"), gpus=("B200",))
    best = candidate_builds(env, ["B200"])[0]
    assert (str(best.version), best.channel, best.unsupported_gpus) == ("2.7.0", "cu128", ())
    plain = candidate_builds(env, [])[0]
    assert str(plain.version) == "2.5.1"
    assert re.fullmatch(r"cu\d+", plain.channel)
