"""TOR: what the recorded index lists, exactly; companions, the C library, and channels that ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import InvalidVersion, Version

from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases
from support.checks import FILE, TODAY, Builders, judge_check, make_positions, make_torch, run_check
from torchpin import facts
from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.checks.registry import REGISTRY, Ok
from torchpin.model import Base, Change, Environment

if TYPE_CHECKING:
    from support.fixture_types import Environments

PASSES = [
    Case("TOR001", "a release of the channel", lambda kit: run_check(kit.environment(), "TOR001")),
    Case("TOR001", "a release of PyPI", lambda kit: run_check(kit.environment(channel="pypi"), "TOR001")),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    assert_passes(case, kit)


FAILS = [
    Case(
        "TOR001", "a release after the channel's end",
        lambda kit: run_check(
            kit.environment(torch=make_torch("2.6.0"), positions=make_positions("variants.gpu.channel")), "TOR001"
        ),
        f"{FILE}:7:3", "torch 2.6.0 does not exist on cu121, whose last recorded release is 2.5.1; it exists on cpu, cu118, cu124, cu126",
    ),
    Case(
        "TOR001", "a release that is nowhere",
        lambda kit: run_check(kit.environment(torch=make_torch("2.5.9")), "TOR001"),
        FILE, "torch 2.5.9 does not exist on cu121, whose last recorded release is 2.5.1; no index snapshot lists it",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"channel": "pypi", "torch": make_torch("2.5.9")}, "torch 2.5.9 is not in the facts"),
        ({"channel": "cu117"}, "there is no index snapshot of cu117"),
    ],
)
def test_what_no_fact_tells_is_unknown_and_never_ok(
    changes: dict[str, Any], note: str, kit: Builders
) -> None:
    check_result = run_check(kit.environment(**changes), "TOR001")
    assert (check_result.status, "; ".join(check_result.unknown), check_result.findings) == (
        "unknown",
        note,
        (),
    )


RECORDED = [row.name for row in facts.channels() if facts.index_snapshot(row.name)]
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
PYTHONS = [f"3.{minor}.1" for minor in range(8, 15)]


def passes_check(env: Environment, check: str) -> bool:
    """Whether a check's every answer is Ok; the check alone, since it is asked thousands of times."""
    evidence = CheckContext(environments=(env,), today=TODAY, uv="0.13.9")
    answers = list(REGISTRY[check].run(evidence, env))
    return bool(answers) and all(isinstance(answer, Ok) for answer in answers)


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
    channel: str, environment: Environments
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


def test_a_release_that_other_channels_have_is_named_with_them(environment: Environments) -> None:
    result = judge_check(environment(torch=make_torch("2.7.1"), gpus=("B200", "H100")), "TOR001")
    (finding,) = result.findings
    assert finding.message == (
        "torch 2.7.1 does not exist on cu121, whose last recorded release is 2.5.1; it exists on cpu, cu118, cu126, cu128"
    )
    assert finding.help == "set `channel: cu128`"
    assert finding.fix == (Change(path="variants.gpu.channel", value="cu128"),)
    assert "2026-03-15" in finding.evidence


@pytest.mark.parametrize(
    ("channel", "version", "status"),
    [
        ("cu128", "2.10.0", "ok"),
        ("cu128", "2.11.0", "unknown"),  # the matrix has it there, the page is older
        ("cu128", "2.12.0", "incompatible"),  # the channel had ended
        ("cu126", "2.14.0", "unknown"),  # alive: whatever came later
        ("cu121", "2.6.0", "incompatible"),
        ("cu117", "2.0.1", "unknown"),  # not recorded
        ("pypi", "2.5.1", "ok"),
        ("pypi", "2.5.9", "unknown"),
    ],
)
def test_what_came_after_the_recording_is_unknown(
    channel: str, version: str, status: str, environment: Environments
) -> None:
    assert judge_check(environment(channel=channel, torch=make_torch(version)), "TOR001").status == status


@pytest.mark.parametrize("release", facts.releases(), ids=lambda release: release.version)
def test_every_release_has_its_own_partners_and_no_other(
    release: facts.TorchRelease, environment: Environments
) -> None:
    for name in ("torchvision", "torchaudio"):
        for partner in getattr(release, name):
            env = environment(torch=make_torch(release.version, **{name: partner}))
            assert judge_check(env, "TOR002").status == "ok"
        mismatched = environment(torch=make_torch(release.version, **{name: "0.1.0"}))
        has_record = getattr(release, name) or (
            name == "torchaudio" and Version(release.version) >= Version("2.12")
        )
        assert judge_check(mismatched, "TOR002").status == ("incompatible" if has_record else "unknown")


def test_a_stranger_is_repaired_by_facts_alone(environment: Environments) -> None:
    (finding,) = judge_check(environment(torch=make_torch("2.5.1", torchvision="0.20.0")), "TOR002").findings
    assert finding.message == "torchvision 0.20.0 does not match torch 2.5.1; its torchvision is 0.20.1"
    assert finding.fix == (Change(path="torch.companions.torchvision", value="0.20.1"),)
    assert finding.fix_is_safe


def test_a_companion_that_has_ended_is_removed(environment: Environments) -> None:
    (finding,) = judge_check(environment(torch=make_torch("2.12.1", torchaudio="2.11.0")), "TOR002").findings
    assert (
        finding.message
        == "torchaudio 2.11.0 does not match torch 2.12.1; the last torchaudio release is 2.11"
    )
    assert finding.help == "remove torchaudio from `companions`"
    assert finding.fix == (Change(path="torch.companions.torchaudio", value=None),)


def test_without_companions_there_is_nothing_to_judge(environment: Environments) -> None:
    assert judge_check(environment(torch=make_torch("2.5.1")), "TOR002").status == "not applicable"


@pytest.mark.parametrize(
    ("image", "status", "message"),
    [
        ("ubuntu:22.04", "ok", ""),
        ("python:3.12-alpine", "incompatible", "has musl instead of glibc"),
        ("example/own:1", "unknown", "the C library of example/own:1 is not in the facts"),
    ],
)
def test_the_c_library_of_the_base_counts(
    image: str, status: str, message: str, environment: Environments
) -> None:
    env = environment(channel="cu128", torch=make_torch("2.8.0"), base=Base(image=image))
    result = judge_check(env, "TOR003")
    assert result.status == status
    messages = [finding.message for finding in result.findings] + list(result.unknown)
    assert not message or any(message in text for text in messages)


def test_a_python_without_wheel_is_refused_with_those_that_have_one(environment: Environments) -> None:
    (finding,) = judge_check(
        environment(torch=make_torch("2.5.1"), python=Version("3.14.0")), "TOR003"
    ).findings
    assert finding.message.endswith("it has wheels for cp39, cp310, cp311, cp312, cp313")


@pytest.mark.parametrize(
    ("channel", "status"),
    [("cu126", "ok"), ("cpu", "ok"), ("pypi", "ok"), ("cu999", "unknown")],
)
def test_a_channel_that_gets_new_releases_is_ok(channel: str, status: str, environment: Environments) -> None:
    result = judge_check(environment(channel=channel), "TOR004")
    assert (result.status, result.findings, result.notices) == (status, (), ())


def test_a_frozen_channel_is_a_notice_which_fails_nothing_unless_strict(environment: Environments) -> None:
    result = judge_check(environment(channel="cu121"), "TOR004")
    (notice,) = result.notices
    assert (result.status, result.findings, notice.level, notice.about) == ("ok", (), "notice", "cu121")
    assert notice.message == (
        "channel cu121 is frozen: its last series is 2.5; cu126, cu130, cu132 get new releases"
    )
    assert notice.evidence.startswith("pytorch/pytorch RELEASE.md")
    assert not run.is_failure(result)
    assert run.is_failure(result, strict=True)


def test_torch_from_the_base_asks_no_channel(environment: Environments) -> None:
    env = environment()
    base_torch = replace(env.service.torch, origin="base")
    assert (
        judge_check(replace(env, service=replace(env.service, torch=base_torch)), "TOR004").status
        == "not applicable"
    )
