"""TOR: what the recorded index lists, exactly; companions, the C library, and channels that ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases
from support.checks import FILE, TODAY, UV, Builders, judge_check, make_positions, make_torch, run_check
from torchpin import facts
from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.checks.registry import REGISTRY, Ok
from torchpin.description.environments import with_build
from torchpin.model import Base, Change, Environment, Finding

if TYPE_CHECKING:
    from support.fixture_types import Environments

PASSES = [
    Case("TOR001", "a release of the channel", lambda kit: run_check(kit.environment(), "TOR001")),
    Case("TOR001", "a release of PyPI", lambda kit: run_check(kit.environment(channel="pypi"), "TOR001")),
    Case("TOR001", "a release after the index snapshot", lambda kit: run_check(
        kit.environment(channel="cu130", torch=make_torch("2.13.0")), "TOR001")),
    Case("TOR001", "a release on a channel without index snapshot", lambda kit: run_check(
        kit.environment(channel="cu132", torch=make_torch("2.15.0")), "TOR001")),
    Case("TOR001", "an old release on an old channel", lambda kit: run_check(
        kit.environment(channel="cu113", torch=make_torch("1.11.0")), "TOR001")),
    Case("TOR003", "a wheel of the index snapshot", lambda kit: run_check(
        kit.environment(channel="cu128", torch=make_torch("2.9.1", torchvision="0.24.1")), "TOR003")),
    Case("TOR003", "wheels by the release matrix", lambda kit: run_check(
        kit.environment(channel="cu130", torch=make_torch("2.13.0", torchvision="0.28.0", torchaudio="2.11.0")), "TOR003")),
    Case("TOR003", "wheels of PyPI for aarch64", lambda kit: run_check(
        kit.environment(channel="pypi", platform="linux/arm64", torch=make_torch("2.11.0", torchvision="0.26.0"),
                        base=Base(image="ubuntu:22.04")), "TOR003")),
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
        FILE, "torch 2.5.9 does not exist; the nearest releases are 2.5.1 and 2.6.0",
    ),
    Case(
        "TOR001", "a channel that does not exist",
        lambda kit: run_check(
            kit.environment(channel="cu134", torch=make_torch("2.14.1"), positions=make_positions("variants.gpu.channel")), "TOR001"
        ),
        f"{FILE}:7:3", "torch 2.14.1 does not exist on cu134, which is not a channel of PyTorch; it exists on cpu, cu126, cu130, cu132",
    ),
    Case(
        "TOR001", "a release after the end of an old channel",
        lambda kit: run_check(
            kit.environment(channel="cu117", torch=make_torch("2.5.1"), positions=make_positions("variants.gpu.channel")), "TOR001"
        ),
        f"{FILE}:7:3", "torch 2.5.1 does not exist on cu117, whose last recorded release is 2.0.1; it exists on cpu, cu118, cu121, cu124",
    ),
    Case(
        "TOR001", "a release after the end of a channel with an older index snapshot",
        lambda kit: run_check(
            kit.environment(channel="cu128", torch=make_torch("2.12.0"), positions=make_positions("variants.gpu.channel")), "TOR001"
        ),
        f"{FILE}:7:3", "torch 2.12.0 does not exist on cu128, whose last release is 2.11.0; it exists on cpu, cu126, cu130, cu132",
    ),
    Case(
        "TOR001", "a release before the channel",
        lambda kit: run_check(
            kit.environment(channel="cu132", torch=make_torch("2.11.0"), positions=make_positions("variants.gpu.channel")), "TOR001"
        ),
        f"{FILE}:7:3", "torch 2.11.0 does not exist on cu132, whose first release is 2.12.0; it exists on cpu, cu126, cu128, cu129, cu130",
    ),
    Case(
        "TOR001", "a platform that the channel has no build for",
        lambda kit: run_check(
            kit.environment(channel="cu118", platform="linux/arm64", torch=make_torch("2.7.1"), positions=make_positions("variants.gpu.channel")),
            "TOR001",
        ),
        f"{FILE}:7:3", "torch 2.7.1 does not exist on cu118, which has no release for linux/arm64; it exists on cpu, cu128",
    ),
    Case(
        "TOR001", "a release that PyPI does not have",
        lambda kit: run_check(kit.environment(channel="pypi", torch=make_torch("2.8.1")), "TOR001"),
        FILE, "torch 2.8.1 does not exist; the nearest releases are 2.8.0 and 2.9.0",
    ),
    Case(
        "TOR003", "a Python that the release has no wheel for, by the release matrix",
        lambda kit: run_check(
            kit.environment(channel="cu130", torch=make_torch("2.12.1"), python=Version("3.9.1"), positions=make_positions("python")), "TOR003"
        ),
        f"{FILE}:7:3", "torch 2.12.1 on cu130 has no wheel for Python 3.9 on linux/amd64; it has wheels for cp310, cp311, cp312, cp313, cp314",
    ),
    Case(
        "TOR003", "a Python that PyPI has for the other platform only",
        lambda kit: run_check(
            kit.environment(channel="pypi", platform="linux/arm64", torch=make_torch("2.5.1"), python=Version("3.13.1"),
                            positions=make_positions("python")), "TOR003"
        ),
        f"{FILE}:7:3", "torch 2.5.1 on PyPI has no wheel for Python 3.13 on linux/arm64; it has wheels for cp39, cp310, cp311, cp312",
    ),
    Case(
        "TOR003", "a platform that PyPI has no wheel for",
        lambda kit: run_check(kit.environment(channel="pypi", platform="linux/arm64", torch=make_torch("1.9.1")), "TOR003"),
        FILE, "torch 1.9.1 on PyPI has no wheel for Python 3.10 on linux/arm64; it has none for linux/arm64",
    ),
    Case(
        "TOR003", "a C library that is too old, by the release matrix",
        lambda kit: run_check(
            kit.environment(channel="cu130", torch=make_torch("2.13.0"), base=Base(image="python:3.12-alpine"),
                            positions=make_positions("base.image")), "TOR003"
        ),
        f"{FILE}:7:3", "the wheel of torch requires glibc 2.28; python:3.12-alpine has musl instead of glibc",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"channel": "pypi", "torch": make_torch("2.16.0")}, "torch 2.16.0 is not in the facts"),
        ({"channel": "cu132", "torch": make_torch("1.0.1")}, "torch 1.0.1 is not in the facts"),
        (
            {"channel": "cu129", "torch": make_torch("2.12.0")},
            "the sources differ on whether torch 2.12.0 is on cu129",
        ),
        (
            {"channel": "cu126", "torch": make_torch("2.15.0")},
            "the sources differ on whether torch 2.15.0 is on cu126",
        ),
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


@pytest.mark.parametrize(
    ("changes", "ground"),
    [
        ({"channel": "cu126", "torch": make_torch("2.9.1")}, "torch 2.9.1 exists on cu126: index snapshot: "),
        (
            {"channel": "cu126", "torch": make_torch("2.14.1")},
            "torch 2.14.1 exists on cu126: release matrix, as the index snapshot of cu126 (2026-03-15) is older: ",
        ),
        (
            {"channel": "cu132", "torch": make_torch("2.14.1")},
            "torch 2.14.1 exists on cu132: release matrix, as there is no index snapshot of cu132: ",
        ),
        (
            {"channel": "pypi", "torch": make_torch("2.12.0")},
            "torch 2.12.0 exists on PyPI (the cu130 build): PyPI's list",
        ),
        (
            {"channel": "pypi", "platform": "linux/arm64", "torch": make_torch("2.10.0")},
            "torch 2.10.0 exists on PyPI (the cpu build): PyPI's list",
        ),
    ],
)
def test_the_evidence_says_what_it_rests_on(
    changes: dict[str, Any], ground: str, environment: Environments
) -> None:
    (ok,) = judge_check(environment(**changes), "TOR001").evidence
    assert ok.evidence.startswith(ground)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"channel": "cu132", "torch": make_torch("2.13.0", torchaudio="2.11.0")}, "torchaudio 2.11.0 is not in the index snapshot of cu132"),
        ({"channel": "cu130", "torch": make_torch("2.14.0"), "python": Version("3.15.0")},
         "whether torch 2.14.0 on cu130 has a preview wheel for Python 3.15 is not in the facts"),
    ],
)  # fmt: skip
def test_a_wheel_that_no_fact_tells_is_unknown(
    changes: dict[str, Any], note: str, environment: Environments
) -> None:
    result = judge_check(environment(**changes), "TOR003")
    assert (result.status, result.unknown) == ("unknown", (note,))


@pytest.mark.parametrize(
    ("channel", "version", "nearest"),
    [
        ("cu134", "2.14.1", "cu132"),
        ("cu122", "2.4.1", "cu124"),
        ("cu117", "2.5.1", "cu118"),
        ("cu128", "2.12.1", "cu129"),
    ],
)
def test_the_remedy_is_the_channel_of_the_nearest_cuda(
    channel: str, version: str, nearest: str, environment: Environments
) -> None:
    (finding,) = judge_check(environment(channel=channel, torch=make_torch(version)), "TOR001").findings
    assert finding.fix == (Change(path="variants.gpu.channel", value=nearest),)


CHANNELS = (
    "cpu",
    "cu92",
    "cu113",
    "cu117",
    "cu121",
    "cu122",
    "cu126",
    "cu128",
    "cu129",
    "cu130",
    "cu132",
    "cu134",
    "pypi",
)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_the_remedy_ends_the_finding(channel: str, platform: str, environment: Environments) -> None:
    """Of each release on each channel: whatever the finding says to write, the release is there then."""
    for version in (*(release.version for release in facts.releases()), "2.5.9"):
        env = environment(
            channel=channel, platform=platform, torch=make_torch(version), python=Version("3.12.11")
        )
        (answer,) = answers(env, "TOR001")
        if not isinstance(answer, Finding):
            continue
        values = {change.path: str(change.value) for change in answer.fix}
        assert values, (channel, version)
        fixed = with_build(
            env, Version(values.get("torch.version", version)), values.get("variants.gpu.channel", channel)
        )
        assert isinstance(answers(fixed, "TOR001")[0], Ok), (channel, version, values)
        (wheel,) = answers(fixed, "TOR003")
        assert not isinstance(wheel, Finding), (channel, version, values)


def answers(env: Environment, check: str) -> list[Any]:
    """The answers of one check alone, since it is asked hundreds of times."""
    return list(REGISTRY[check].run(CheckContext(environments=(env,), today=TODAY, uv=UV), env))


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


@pytest.mark.parametrize("check", ["TOR001", "TOR003", "TOR004", "FAC001"])
@pytest.mark.parametrize("channel", ["rocm6.3", "xpu", "nightly/cu130", "jp6/cu126"])
def test_what_is_no_channel_of_cuda_or_cpu_builds_is_left_to_another_check(
    channel: str, check: str, environment: Environments
) -> None:
    assert judge_check(environment(channel=channel), check).status == "not applicable"


def test_torch_from_the_base_asks_no_channel(environment: Environments) -> None:
    env = environment()
    base_torch = replace(env.service.torch, origin="base")
    assert (
        judge_check(replace(env, service=replace(env.service, torch=base_torch)), "TOR004").status
        == "not applicable"
    )


def test_the_companions_tell_which_release_is_meant(environment: Environments) -> None:
    env = environment(channel="cu128", torch=make_torch("2.9.9", torchvision="0.24.1"))
    (finding,) = judge_check(env, "TOR001").findings
    assert finding.help == "did you mean 2.9.1, which torchvision 0.24.1 belongs to?"
    assert finding.fix == (Change(path="torch.version", value="2.9.1"),)
    assert judge_check(env, "TOR002").findings == ()  # a second help would contradict it
    without = environment(channel="cu128", torch=make_torch("2.9.9"))
    assert judge_check(without, "TOR001").findings[0].help.startswith("set ")
