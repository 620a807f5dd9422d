"""TOR002 and TOR005: packages that go with some releases of torch only, and packages that torch itself pins."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.checks import FILE, judge_check, make_torch
from support.layers import make_layer
from torchpin import facts
from torchpin.compat import partners
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment, Finding, Layer

ONE_PACKAGE = "layers[0].packages[0]"


def env_with(
    environment: Environments, *pins: str, torch: str = "2.8.0", channel: str = "cu128", **companions: str
) -> Environment:
    layers: tuple[Layer, ...] = (make_layer("model", *pins),) if pins else ()
    return environment(channel=channel, torch=make_torch(torch, **companions), layers=layers)


def only_finding(env: Environment, check: str = "TOR002") -> Finding:
    (finding,) = judge_check(env, check).findings
    return finding


@pytest.mark.parametrize(
    ("torch", "companions", "pins"),
    [
        ("2.5.1", {"torchvision": "0.20.1", "torchaudio": "2.5.1"}, ()),
        ("2.12.0", {"torchaudio": "2.11.0"}, ()),
        ("2.15.0", {"torchaudio": "2.11.0", "torchvision": "0.29.2"}, ()),
        ("2.14.0", {"torchvision": "0.29.0"}, ()),
        ("2.14.0", {"torchvision": "0.29.1"}, ()),
        ("2.8.0", {}, ("torchcodec==0.6.0",)),
        ("2.8.0", {}, ("torchcodec==0.7.0", "xformers==0.0.32.post2")),
        ("2.13.0", {}, ("torchcodec==0.15.0", "torchao==0.18.0")),
        ("2.9.1", {}, ("torchao==0.15.0", "executorch==1.0.1", "torchmetrics==1.8.2")),
        ("2.3.1", {}, ("torchtext==0.18.0", "torchdata==0.7.1")),
        ("2.7.1", {}, ("vllm==0.10.0", "fbgemm-gpu==1.2.0")),
        ("2.6.0", {}, ("torch-tensorrt==2.6.0",)),
    ],
)
def test_a_partner_of_this_torch_is_ok(
    torch: str, companions: Mapping[str, str], pins: tuple[str, ...], environment: Environments
) -> None:
    result = judge_check(env_with(environment, *pins, torch=torch, **companions), "TOR002")
    assert (result.status, result.findings, result.notices, result.unknown) == ("ok", (), (), ())


@pytest.mark.parametrize(
    ("torch", "pin", "wanted", "instead", "is_safe"),
    [
        ("2.8.0", "torchcodec==0.9.1", "torch==2.9.*", "0.7.0", False),  # 0.6 would do too
        ("2.10.0", "torchcodec==0.9.1", "torch==2.9.*", "0.10.0", True),
        ("2.10.0", "torchcodec==0.14.0", "torch>=2.11", "0.10.0", True),
        ("2.7.1", "xformers==0.0.32.post2", "torch==2.8.0", "0.0.31.post1", True),
        ("2.9.1", "executorch==0.7.0", "torch>=2.8.0,<2.9.0", "1.0.1", False),
        ("2.8.0", "vllm==0.10.0", "torch==2.7.1", "0.11.0", False),
        ("2.8.0", "fbgemm-gpu==1.2.0", "torch==2.7.*", "1.3.0", True),
        ("2.5.1", "torch-tensorrt==2.9.0", "torch>=2.9.0,<2.10.0", "2.5.0", True),
        ("2.2.2", "torchtext==0.16.0", "torch==2.1.0", "0.17.2", True),
        ("1.13.1", "torchdata==0.7.1", "torch>=2", "0.5.1", True),
        ("2.10.0", "torchao==0.12.0", "torch<2.9", "0.16.0", True),
    ],
)
def test_a_partner_of_another_torch_in_a_layer_is_an_error_with_the_one_that_fits(
    torch: str, pin: str, wanted: str, instead: str, *, is_safe: bool, environment: Environments
) -> None:
    name, _, version = pin.partition("==")
    finding = only_finding(env_with(environment, pin, torch=torch))
    assert finding.message.startswith(f"{name} {version} does not match torch {torch}; it goes with {wanted}")
    assert finding.help.startswith(f"replace `- {pin}` with `- {name}=={instead}`")
    assert finding.fix == (Change(path=ONE_PACKAGE, value=f"{name}=={instead}"),)
    assert (finding.about, finding.level, finding.fix_is_safe) == (name, "error", is_safe)
    fixed = env_with(environment, f"{name}=={instead}", torch=torch)
    assert judge_check(fixed, "TOR002").status == "ok"


def test_the_torch_that_a_package_wants_is_the_other_way_out(environment: Environments) -> None:
    finding = only_finding(env_with(environment, "vllm==0.10.0", torch="2.8.0"))
    assert finding.help.endswith(", or move torch: `invoke bump torch==2.7.1 --service lora`")


def test_a_companion_of_another_torch_is_set(environment: Environments) -> None:
    finding = only_finding(env_with(environment, torch="2.5.1", torchvision="0.20.0"))
    assert finding.message == "torchvision 0.20.0 does not match torch 2.5.1; it goes with torch==2.5.0"
    assert finding.help == 'set `torchvision: "0.20.1"` in `companions`'
    assert finding.fix == (Change(path="torch.companions.torchvision", value="0.20.1"),)
    assert finding.fix_is_safe


@pytest.mark.parametrize(
    ("torch", "companions", "instead"),
    [
        ("2.13.0", {"torchaudio": "2.9.1"}, "2.11.0"),
        ("2.15.0", {"torchvision": "0.28.0"}, "0.29.2"),
        ("2.14.0", {"torchvision": "0.28.0"}, "0.29.0"),  # 0.29.1 and 0.29.2 would do too
    ],
)
def test_a_choice_whose_end_is_open_is_proposed_and_not_safe(
    torch: str, companions: Mapping[str, str], instead: str, environment: Environments
) -> None:
    finding = only_finding(env_with(environment, torch=torch, **companions))
    assert [change.value for change in finding.fix] == [instead]
    assert not finding.fix_is_safe


def test_a_partner_that_ended_has_no_fix(environment: Environments) -> None:
    finding = only_finding(env_with(environment, "torchtext==0.18.0", torch="2.8.0"))
    assert "though its METADATA allow one" in finding.message
    assert finding.help == (
        "no known torchtext goes with torch 2.8.0: move torch: `invoke bump torch==2.3.1 --service lora`, or remove "
        "torchtext from its layer"
    )
    assert (finding.fix, finding.fix_is_safe) == ((), False)


def test_what_only_loses_its_kernels_is_a_warning(environment: Environments) -> None:
    finding = only_finding(env_with(environment, "torchao==0.14.1", torch="2.8.0"))
    assert (finding.level, finding.about) == ("warning", "torchao")
    assert finding.message.endswith("it then works without its compiled kernels")


@pytest.mark.parametrize(
    ("torch", "pin", "message"),
    [
        ("2.8.0", "torchcodec==0.99.0", "the torch that torchcodec 0.99.0 goes with is not in the facts"),
        ("2.15.0", "executorch==1.5.1", "the torch that executorch 1.5.1 goes with is not in the facts"),
        (
            "2.99.0",
            "torchcodec==0.16.0",
            "torchcodec 0.16.0 is said to go with torch>=2.11; torch 2.99.0 is later than the facts",
        ),
    ],
)
def test_what_no_row_decides_is_unknown(
    torch: str, pin: str, message: str, environment: Environments
) -> None:
    result = judge_check(env_with(environment, pin, torch=torch), "TOR002")
    assert (result.status, result.unknown) == ("unknown", (message,))


def test_a_companion_that_is_no_partner_is_unknown(environment: Environments) -> None:
    env = env_with(environment)
    torch = replace(env.service.torch, companions=MappingProxyType({"torchnew": Version("1.0")}))
    result = judge_check(replace(env, service=replace(env.service, torch=torch)), "TOR002")
    assert result.unknown == ("the torch that torchnew 1.0 goes with is not in the facts",)


def test_a_metadata_of_its_own_binds_a_later_torch_too(environment: Environments) -> None:
    env = env_with(environment, torch="2.99.0", torchvision="0.29.2")
    assert judge_check(env, "TOR002").status == "ok"
    assert only_finding(env_with(environment, torch="2.99.0", torchvision="0.23.0")).level == "error"


def test_a_locked_partner_that_nobody_declares_is_judged(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = env_with(environment, "tqdm==4.66.5", torch="2.5.1", channel="cu121", torchvision="0.20.1")
    locked = lock(env, artifact("torchcodec", "0.9.1", by=("tqdm",)))
    (finding,) = judge_check(env, "TOR002", lock=locked).findings
    assert (finding.about, finding.location) == ("torchcodec", "lockfiles/lora-gpu/02-model.requirements.txt")
    assert finding.fix == (Change(path="layers[0].packages[+]", value="torchcodec==0.1.1"),)


def test_without_partners_there_is_nothing_to_judge(environment: Environments) -> None:
    assert judge_check(env_with(environment, "tqdm==4.66.5"), "TOR002").status == "not applicable"


@pytest.mark.parametrize("release", facts.releases(), ids=lambda release: release.version)
def test_every_release_has_its_own_torchvision_and_no_other(
    release: facts.TorchRelease, environment: Environments
) -> None:
    fitting = {choice.version for choice in partners.choices("torchvision", Version(release.version))}
    assert fitting
    for row in facts.partners()["torchvision"]:
        for version in row.versions:
            env = env_with(environment, torch=release.version, torchvision=version)
            expected = "ok" if Version(version) in fitting else "incompatible"
            assert judge_check(env, "TOR002").status == expected


@pytest.mark.parametrize(
    ("pin", "torch", "channel", "required"),
    [
        ("nvidia-cudnn-cu12==9.15.1.9", "2.9.1", "cu128", "nvidia-cudnn-cu12==9.10.2.21"),
        ("triton==3.3.1", "2.9.1", "cu128", "triton==3.5.1"),
        ("nvidia-nccl-cu12==2.26.2", "2.8.0", "cu126", "nvidia-nccl-cu12==2.27.3"),
        ("triton==3.1.0", "2.6.0", "pypi", "triton==3.2.0"),
        ("nvidia-cudnn-cu13==9.15.1.9", "2.13.0", "pypi", "nvidia-cudnn-cu13==9.20.0.48"),
    ],
)
def test_a_pin_that_contradicts_torch_is_an_error_with_the_version_that_torch_requires(
    pin: str, torch: str, channel: str, required: str, environment: Environments
) -> None:
    finding = only_finding(env_with(environment, pin, torch=torch, channel=channel), "TOR005")
    assert finding.message == f"{pin} contradicts torch {torch} on {channel}, which requires {required}"
    assert finding.fix == (Change(path=ONE_PACKAGE, value=required),)
    assert finding.location == FILE
    assert finding.fix_is_safe
    assert judge_check(env_with(environment, required, torch=torch, channel=channel), "TOR005").status == "ok"


def test_a_range_of_torch_is_kept_to_and_has_no_fix(environment: Environments) -> None:
    assert judge_check(env_with(environment, "triton==3.8.0", torch="2.14.1"), "TOR005").status == "ok"
    finding = only_finding(env_with(environment, "triton==3.7.1", torch="2.14.1"), "TOR005")
    assert finding.message.endswith("which requires triton~=3.8.0")
    assert (finding.fix, finding.help) == ((), "remove `- triton==3.7.1`, since torch brings its own")


@pytest.mark.parametrize(
    ("pin", "torch", "channel", "status"),
    [
        ("monai==1.5.1", "2.9.1", "cu128", "not applicable"),
        ("triton==3.3.1", "2.8.0", "cpu", "not applicable"),  # a CPU build requires none
        ("nvidia-ml-py==13.580.82", "2.9.1", "cu128", "not applicable"),  # no torch requires it
        ("nvidia-ml-py==13.580.82", "2.11.0", "cu128", "not applicable"),
        ("nvidia-nvjpeg-cu12==12.3.3.54", "2.11.0", "cu128", "not applicable"),
        ("nvidia-nccl-cu12==2.26.2", "2.10.0", "cu126", "unknown"),  # its METADATA are not recorded
    ],
)
def test_what_torch_does_not_pin_is_not_judged(
    pin: str, torch: str, channel: str, status: str, environment: Environments
) -> None:
    assert judge_check(env_with(environment, pin, torch=torch, channel=channel), "TOR005").status == status
