"""GPU: machine code and PTX against capabilities; the driver against the CUDA, the GPU and the base image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.base_images import PYTORCH, environment_on, torch_of_base
from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases
from support.checks import FILE, Builders, judge_check, make_positions, make_torch, run_check
from torchpin.model import Base, Change

if TYPE_CHECKING:
    from support.fixture_types import Environments

PASSES = [
    Case("GPU001", "GPUs that it has code for", lambda kit: run_check(kit.environment(gpus=("A6000", "H100")), "GPU001")),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    assert_passes(case, kit)


FAILS = [
    Case(
        "GPU001", "a GPU without code",
        lambda kit: run_check(kit.environment(gpus=("H100", "B200"), positions=make_positions("gpus[1]")), "GPU001"),
        f"{FILE}:7:3",
        "torch 2.5.1+cu121 has no code for B200 (compute capability 10.0): "
        "compiled for sm_50, sm_60, sm_70, sm_75, sm_80, sm_86, sm_90, without PTX",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"gpus": ("B100",)}, "B100: its capability is not in the facts"),
        ({"gpus": ("Voodoo 2",)}, "Voodoo 2 is not in the facts"),
        (
            {"gpus": ("H100",), "torch": make_torch("2.99.0")},
            "H100: the architectures of this build are not in the facts",
        ),
        (
            {"gpus": ("H100",), "channel": "pypi", "torch": make_torch("2.99.0")},
            "H100: the CUDA of this build is not in the facts",
        ),
    ],
)
def test_what_no_fact_tells_is_unknown_and_never_ok(
    changes: dict[str, Any], note: str, kit: Builders
) -> None:
    check_result = run_check(kit.environment(**changes), "GPU001")
    assert (check_result.status, "; ".join(check_result.unknown), check_result.findings) == (
        "unknown",
        note,
        (),
    )


CU128 = "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04"


@pytest.mark.parametrize(
    ("version", "channel", "gpu", "status"),
    [
        ("2.5.1", "cu121", "L40", "ok"),  # 8.9 on sm_86: within the major
        ("2.5.1", "cu121", "B200", "incompatible"),
        ("2.7.1", "cu128", "B200", "ok"),
        ("2.7.1", "cu128", "GeForce RTX 5090", "ok"),
        ("2.7.1", "cu128", "V100", "incompatible"),  # the list begins at sm_75
        ("2.7.1", "cu128", "GB200", "incompatible"),  # its hosts are aarch64
        ("2.7.1", "cu126", "RTX 5090", "incompatible"),
        ("2.6.0", "cu118", "RTX 5090", "incompatible"),
        ("2.6.0", "cu118", "A100", "ok"),
        ("2.7.1", "cu118", "V100", "ok"),
        ("2.7.1", "cu118", "B200", "incompatible"),
        ("2.5.1", "cu121", "B100", "unknown"),
        ("2.5.1", "cu121", "Voodoo 2", "unknown"),
        ("2.5.1", "cu121", "RTX 4000", "unknown"),  # three GPUs have this name
        ("2.5.1", "cu121", "Quadro RTX 4000", "ok"),
        ("2.5.1", "cu121", "NVIDIA RTX PRO 4000 Blackwell", "incompatible"),
        ("2.5.1", "cu121", "GTX 1070", "ok"),  # 6.1 on sm_60
        ("2.8.0", "cu128", "GTX 1070", "incompatible"),
        ("2.8.0", "cu128", "sm_61", "incompatible"),
        ("2.8.0", "cu128", "12.0", "ok"),
        ("2.8.0", "cu128", "6.9", "unknown"),  # no such capability
        ("2.8.0", "cu128", "g5.xlarge", "ok"),
        ("2.8.0", "cu128", "g5g.xlarge", "incompatible"),  # its hosts are aarch64
        ("2.8.0", "cu128", "MI300X", "incompatible"),  # of AMD
        ("2.8.0", "cu128", "Jetson AGX Orin 64GB", "incompatible"),
        ("2.8.0", "cu128", "B300", "ok"),  # 10.3 on sm_100
        ("2.5.1", "pypi", "RTX 4090", "ok"),  # PyPI's is the cu124 build
        ("2.5.1", "cpu", "RTX 4090", "not applicable"),
    ],
)
def test_code_for_a_card_is_there_or_not_or_not_known(
    version: str, channel: str, gpu: str, status: str, environment: Environments
) -> None:
    env = environment(channel=channel, torch=make_torch(version), gpus=(gpu,))
    assert judge_check(env, "GPU001").status == status


def test_the_repair_is_the_nearest_build_that_serves_all_cards(environment: Environments) -> None:
    (finding,) = judge_check(
        environment(torch=make_torch("2.5.1"), gpus=("A6000", "H100", "B200")), "GPU001"
    ).findings
    assert finding.fix == (
        Change(path="variants.gpu.channel", value="cu128"),
        Change(path="torch.version", value="2.7.1"),  # of the nearest series the newest patch release
    )
    assert finding.help == (
        'set `channel: cu128` and torch\'s `version: "2.7.1"`, the nearest build with code for it, '
        "or remove B200 from `gpus:`; to update: `invoke bump torch==2.7.1 --channel cu128 --service lora`"
    )
    assert "without PTX" in finding.message
    assert not finding.fix_is_safe


def test_a_torch_of_the_base_image_moves_with_its_image(environment: Environments) -> None:
    env = environment_on(environment, PYTORCH, "sha256:0", channel="cu126", torch=torch_of_base("2.7.1"))
    (finding,) = judge_check(env, "GPU001", target_gpus=("B200",)).findings
    image = "pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel"
    assert finding.help == (
        "torch comes with the base image: choose one whose torch has code for it, such as "
        f"{image} (torch 2.7.1+cu128); to update: `invoke bump torch==2.7.1 --channel cu128 --service lora`"
    )
    assert finding.fix == (
        Change(path="base.image", value=image),
        Change(path="base.digest", value=None),  # no digest of it is recorded
        Change(path="variants.gpu.channel", value="cu128"),
    )


def test_without_an_image_that_has_code_no_image_is_named(environment: Environments) -> None:
    env = environment_on(environment, PYTORCH, channel="cu126", torch=torch_of_base("2.7.1"))
    (finding,) = judge_check(env, "GPU001", target_gpus=("MI300X",)).findings
    assert finding.help == (
        "torch comes with the base image, and no known image of pytorch/pytorch has a torch with code for it: "
        "choose another base image"
    )
    assert finding.fix == ()


def test_other_cards_can_be_asked_for(environment: Environments) -> None:
    env = environment(torch=make_torch("2.5.1"), gpus=("H100",))
    (finding,) = judge_check(env, "GPU001", target_gpus=("RTX 5090",)).findings
    assert (finding.about, finding.location) == ("RTX 5090", "--gpu RTX 5090")
    assert "`gpus:`" not in finding.help  # the description does not list it


def test_a_cpu_variant_is_not_concerned_and_a_service_without_another_is_named(
    environment: Environments,
) -> None:
    cpu_env = environment(channel="cpu", torch=make_torch("2.5.1"))
    result = judge_check(cpu_env, "GPU001", target_gpus=("H100",))
    assert result.findings == ()
    (notice,) = result.notices
    assert notice.message.endswith("has CPU builds of torch only, which do not use H100")
    both = replace(
        cpu_env,
        service=replace(
            cpu_env.service,
            variants=(cpu_env.variant, replace(cpu_env.variant, name="gpu", channel="cu124")),
        ),
    )
    assert judge_check(both, "GPU001", target_gpus=("H100",)).status == "not applicable"


def test_a_misspelled_card_is_unknown_with_near_names(environment: Environments) -> None:
    env = environment(gpus=("RTX 5091",))
    (unknown,) = judge_check(env, "GPU001").located
    assert (unknown.message, unknown.location) == (
        "RTX 5091 is not in the facts",
        env.service.location("gpus[0]"),
    )
    assert unknown.help.startswith("did you mean ")
    assert "RTX 5090" in unknown.help
    assert judge_check(environment(gpus=("Voodoo 2",)), "GPU001").located == ()


def test_a_name_of_several_cards_is_unknown_with_what_it_can_be(environment: Environments) -> None:
    (message,) = judge_check(environment(gpus=("RTX 4000",)), "GPU001").unknown
    assert message == (
        "RTX 4000 can be one of several GPUs: RTX 4000 Ada (8.9), Quadro RTX 4000 (7.5), "
        "RTX PRO 4000 Blackwell (12.0); write which"
    )


def test_a_card_of_another_vendor_is_said_to_be_one(environment: Environments) -> None:
    (finding,) = judge_check(environment(gpus=("AMD Instinct MI300X",)), "GPU001").findings
    assert "it is a GPU of AMD, and a CUDA build runs on NVIDIA's GPUs only" in finding.message


ARM = "linux/arm64"


@pytest.mark.parametrize(
    ("version", "channel", "gpu", "status"),
    [
        ("2.4.1", "cu124", "GH200", "ok"),
        ("2.6.0", "cu126", "GH200", "ok"),
        ("2.6.0", "cu126", "GB200", "incompatible"),
        ("2.7.1", "cu128", "GB200", "ok"),
        ("2.9.1", "cu130", "NVIDIA GB10", "ok"),  # 12.1 on sm_120
        ("2.9.1", "cu130", "Jetson AGX Thor", "ok"),
        ("2.9.1", "cu128", "Jetson AGX Thor", "incompatible"),
        ("2.9.1", "cu126", "Jetson AGX Orin", "incompatible"),  # 8.7 does not run sm_80 there
        ("2.14.1", "cu132", "Jetson AGX Orin", "ok"),  # and does from CUDA 13.2 on
        ("2.12.0", "cu130", "A100", "ok"),
        ("2.7.1", "cu126", "GH200", "unknown"),  # no such build is known
        ("2.9.1", "pypi", "GH200", "incompatible"),  # PyPI's is a CPU build
        ("2.12.1", "pypi", "GH200", "ok"),  # and one for CUDA 13.0 from 2.11 on
        ("2.9.1", "cpu", "GH200", "not applicable"),  # a CPU variant beside another
    ],
)
def test_code_on_hosts_of_aarch64(
    version: str, channel: str, gpu: str, status: str, environment: Environments
) -> None:
    env = environment(channel=channel, platform=ARM, torch=make_torch(version), gpus=(gpu,))
    assert judge_check(env, "GPU001").status == status


def test_a_cpu_build_of_pypi_is_named_with_a_channel_that_has_code(environment: Environments) -> None:
    env = environment(channel="pypi", platform=ARM, torch=make_torch("2.9.1"), gpus=("GB200",))
    (finding,) = judge_check(env, "GPU001").findings
    assert finding.message.endswith("(compute capability 10.0): PyPI's wheel for aarch64 is a CPU build")
    assert finding.fix == (Change(path="variants.gpu.channel", value="cu128"),)


def test_a_jetson_is_told_where_its_builds_are(environment: Environments) -> None:
    env = environment(channel="cu126", platform=ARM, torch=make_torch("2.9.1"), gpus=("Jetson Orin Nano",))
    (finding,) = judge_check(env, "GPU001").findings
    assert "an integrated GPU runs code for 8.7 only" in finding.message
    assert "NVIDIA builds torch for JetPack apart" in finding.help


@pytest.mark.parametrize(
    ("driver", "base", "gpus", "status", "message"),
    [
        ("570.124.06", CU128, (), "ok", ""),
        ("570.124.06", CU128, ("GTX 1071",), "unknown", ""),  # a GPU that may need a later driver
        ("570.124.06", CU128, ("B100",), "unknown", ""),
        ("570.124.06", "ghcr.io/own/base:1", (), "unknown", ""),  # an image that may require one
        (
            "550.54.14",
            "ubuntu:22.04",
            ("RTX 5090",),
            "incompatible",
            "RTX 5090 requires 570 or later: compute capability 12.0 came with CUDA 12.8",
        ),
        ("570.124.06", "ubuntu:22.04", ("RTX 5090", "L4"), "ok", ""),
        ("550.54.14", CU128, (), "ok", ""),  # an older branch that the image lets through
        ("550.54.14", CU128, ("RTX 4090",), "incompatible", "on GeForce GPUs (RTX 4090)"),
        ("545.23.06", CU128, (), "incompatible", "545.23.06 is neither"),
        ("535.104.05", "ubuntu:22.04", (), "ok", ""),  # minor-version compatibility, and nothing is asked
        ("520.61.05", CU128, (), "incompatible", "is too old: CUDA 12 requires 525 or later"),
        # the image requires a CUDA version, whichever its own update is
        ("570.26", CU128, ("RTX 4090",), "ok", ""),
        ("570.86.10", CU128, ("A100",), "ok", ""),
        # an older branch that the image lets through with its cuda-compat, which GeForce GPUs do not support
        ("470.256.02", CU128, ("A100",), "warning", "only by forward compatibility"),
        ("470.256.02", CU128, (), "warning", "with cuda-compat-12-8 of the base image"),
        ("470.256.02", CU128, ("A100", "RTX 4090"), "incompatible", "CUDA 12 requires 525 or later"),
        ("470.256.02", CU128, ("H100",), "incompatible", "H100 requires 520 or later"),
        ("470.256.02", "ubuntu:22.04", ("A100",), "incompatible", "CUDA 12 requires 525 or later"),
        ("460.32.03", CU128, ("A100",), "incompatible", "CUDA 12 requires 525 or later"),
        (
            "570.26",
            "ubuntu:22.04",
            ("B200",),
            "incompatible",
            "is too old: B200 requires 570.133.20 or later",
        ),
    ],
)
def test_a_driver_carries_the_cuda_or_not(
    driver: str, base: str, gpus: tuple[str, ...], status: str, message: str, environment: Environments
) -> None:
    env = environment(
        channel="cu128", torch=make_torch("2.8.0"), base=Base(image=base), gpus=gpus, driver=driver
    )
    result = judge_check(env, "GPU002")
    levels = {finding.level for finding in result.findings}
    assert ("warning" if levels == {"warning"} else result.status) == status, result
    assert any(message in finding.message for finding in result.findings) or not message


CU130 = "nvidia/cuda:13.0.2-devel-ubuntu22.04"


@pytest.mark.parametrize(
    ("driver", "base", "gpu", "levels"),
    [
        ("580.65.06", CU130, "A100", []),  # the driver of CUDA 13.0 before its updates
        ("580.65.06", CU130, "RTX 4090", []),
        ("570.86.10", CU130, "A100", ["warning"]),
        ("535.104.05", CU130, "H100", ["warning"]),
        ("535.104.05", CU130, "RTX 4090", ["error"]),
        ("535.104.05", CU128, "A100", ["error"]),  # cuda-compat of CUDA 12.8 does not run CUDA 13
        ("525.60.13", CU130, "A100", ["error"]),  # a branch that the image does not let through
    ],
)
def test_forward_compatibility_is_that_of_the_base_image(
    driver: str, base: str, gpu: str, levels: list[str], environment: Environments
) -> None:
    env = environment(
        channel="cu130", torch=make_torch("2.9.1"), base=Base(image=base), gpus=(gpu,), driver=driver
    )
    result = judge_check(env, "GPU002")
    assert [finding.level for finding in result.findings] == levels, result


def test_forward_compatibility_names_its_package_and_the_driver_without_it(environment: Environments) -> None:
    env = environment(
        channel="cu130", torch=make_torch("2.9.1"), base=Base(image=CU130), gpus=("A100",), driver="570.26"
    )
    (finding,) = judge_check(env, "GPU002").findings
    assert finding.message == (
        "driver 570.26 runs CUDA 13.0 only by forward compatibility, with cuda-compat-13-0 of the base image"
    )
    assert finding.help == (
        "update the driver on the hosts to 580 or later; or keep cuda-compat-13-0 in the image and use "
        "data center GPUs only, since GeForce GPUs do not support it"
    )


def test_a_driver_that_is_too_old_is_named_with_the_one_to_install(environment: Environments) -> None:
    env = environment(channel="cu128", torch=make_torch("2.8.0"), base=Base(image=CU128), driver="520.61.05")
    (finding,) = judge_check(env, "GPU002").findings
    assert finding.message == "driver 520.61.05 is too old: CUDA 12 requires 525 or later"
    assert finding.help == (
        "update the driver on the hosts to 570.26, which is shipped with CUDA 12.8, or at least to 525"
    )


def test_an_asked_driver_outweighs_the_described_one(environment: Environments) -> None:
    env = environment(
        channel="cu128", torch=make_torch("2.8.0"), base=Base(image="ubuntu:22.04"), driver="570.124.06"
    )
    result = judge_check(env, "GPU002", target_driver="470.57.02")
    assert [finding.location for finding in result.findings] == ["--driver 470.57.02"]


def test_without_a_driver_there_is_nothing_to_judge(environment: Environments) -> None:
    assert judge_check(environment(), "GPU002").status == "not applicable"


def test_a_cuda_that_no_fact_knows_is_unknown(environment: Environments) -> None:
    env = environment(channel="pypi", torch=make_torch("2.16.0"), driver="570.124.06")
    assert judge_check(replace(env), "GPU002").status == "unknown"
