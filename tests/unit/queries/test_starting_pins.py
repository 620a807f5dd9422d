"""The pins of a new service fit each other by facts, and each has its reason."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from packaging.version import Version

from support.new_services import PYTHONS, REQUEST
from torchpin import facts
from torchpin.checks import families, run
from torchpin.commands.new import service_text
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.queries.starting_pins import PinRequest, choose_pins
from torchpin.workspace import evidence

assert families  # importing it registers the checks


@pytest.mark.parametrize(
    ("gpu", "torch", "python", "expected"),
    [
        ("B200", "2.9", "3.12", ("2.9.1", "0.24.1", "3.12.10", "cu130", "linux/amd64")),
        ("RTX 5090", "2.7", "3.11.12", ("2.7.1", "0.22.1", "3.11.12", "cu128", "linux/amd64")),
        ("V100", "2.8.0", "", ("2.8.0", "0.23.0", "3.12.10", "cu126", "linux/amd64")),
        ("K80", "", "", ("2.7.1", "0.22.1", "3.12.10", "cu118", "linux/amd64")),
        ("GH200", "2.10", "", ("2.10.0", "0.25.0", "3.12.10", "cu126", "linux/arm64")),
    ],
)
def test_channel_python_and_partner_follow_from_the_gpu_and_the_series(
    gpu: str, torch: str, python: str, expected: tuple[str, ...]
) -> None:
    pins = choose_pins(PinRequest(gpus=(gpu,), torch=torch, python=python), PYTHONS)
    chosen = (pins.torch.version, pins.torch.companions["torchvision"], pins.python)
    assert (*map(str, chosen), pins.variant.channel, pins.variant.platform) == expected
    assert any(
        reason.startswith(f"torch {expected[0]} on {expected[3]}: has code for {gpu};")
        for reason in pins.reasons
    )


@pytest.mark.parametrize(
    ("gpu", "floor"),
    [
        ("B200", "NVIDIA driver 570.133.20 or newer, which B200 requires"),
        ("H100", "NVIDIA driver 525 or newer, which CUDA 12 requires"),
    ],
)
def test_the_driver_is_the_highest_that_the_cuda_or_a_gpu_requires(gpu: str, floor: str) -> None:
    (reason,) = (
        reason for reason in choose_pins(PinRequest(gpus=(gpu,), torch="2.8"), PYTHONS).reasons if "driver" in reason
    )  # fmt: skip
    assert reason.endswith(f"; {floor}")


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("3.12", "Python 3.12.10: the newest patch release of 3.12 that uv installs"),
        ("3.12.9", "Python 3.12.9: as requested"),
        ("3", "Python 3.14.0: the newest release of 3 that uv installs"),
    ],
)
def test_the_reason_of_a_python_fits_what_was_asked_for(python: str, reason: str) -> None:
    assert reason in choose_pins(PinRequest(python=python), PYTHONS).reasons


def test_the_base_image_is_supported_and_has_the_cuda_of_the_channel_or_less() -> None:
    for channel_torch in ("2.5", "2.7", "2.9", "2.13"):
        pins = choose_pins(PinRequest(torch=channel_torch), PYTHONS)
        image, channel = facts.base_image(pins.base.image), facts.channel(pins.variant.channel)
        assert image
        assert channel
        assert image.status == "supported"
        assert Version(image.cuda or "0") < Version(f"{channel.cuda}.99")


@pytest.mark.parametrize("gpu", ["B200", "H100", "RTX 4090", "V100", "K80", "GH200", "L40S", "RTX PRO 6000"])
def test_the_judge_finds_nothing_in_what_is_chosen_but_the_missing_digest(gpu: str) -> None:
    request = replace(REQUEST, gpus=(gpu,), torch="", python="")
    text = service_text("whisper", request.gpus, choose_pins(request, PYTHONS))
    services = read.read_services({"services/whisper/service.yaml": text})
    results = run.run(evidence.from_descriptions(select_environments(services)), judge=True)
    assert {result.check for result in results for _ in result.findings} <= {"BAS002", "TOR004"}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (PinRequest(gpus=("B20",)), r"B20 is not in the facts \(did you mean B100, B200, B300\?\)"),
        (PinRequest(gpus=("MI300X",)), "MI300X is of AMD, and a CUDA build runs on NVIDIA's GPUs only"),
        (PinRequest(torch="9"), "torch 9 does not exist; the newest releases are "),
        (PinRequest(torch="new"), "--torch 'new' is not a release or series of torch such as 2.9"),
        *(
            (PinRequest(torch=text), f"--torch '{re.escape(text)}' is not a release or series of torch such as 2.9")
            for text in ("2.8.0+cu128", "2.8.0rc1", "2.8.0.dev1", "2.8.0.post1", "1!2.8")
        ),
        (PinRequest(gpus=("",)), "--gpu needs the name of a GPU, such as H100"),
        (PinRequest(python="3.7"), "Python 3.7 cannot be installed; uv installs 3.14, 3.13, 3.12"),
        (
            PinRequest(gpus=("RTX 5090",), torch="2.5"),
            "no build of torch 2.5 for Python 3.12.10 on linux/amd64 has code for RTX 5090; builds that have it: 2.7.0 on cu128",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_refused_with_what_can(request_: PinRequest, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        choose_pins(request_, PYTHONS)
