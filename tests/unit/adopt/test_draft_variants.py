"""The images of a project: the likeliest is drafted, one for other hardware is a variant, and the rest is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.adopt.draft import draft_adoption
from torchpin.adopt.draft_values import DraftAnswers
from torchpin.adopt.draft_variants import file_rank
from torchpin.description import read

if TYPE_CHECKING:
    from torchpin.model import Service


def image(
    channel: str, torch: str = "2.6.0", extra: str = "", base: str = "python:3.11-slim-bookworm"
) -> str:
    index = f"--index-url https://download.pytorch.org/whl/{channel}"
    return f"FROM {base}\nRUN pip install torch=={torch} {index}\nRUN pip install einops==0.8.1 {extra}\n"


def service_of(texts: dict[str, str]) -> Service:
    draft = draft_adoption(texts, "x")
    assert draft.text, draft.missing
    (service,) = read.read_services({"services/x/service.yaml": draft.text})
    return service


def test_an_image_for_cpus_and_one_for_gpus_are_two_variants() -> None:
    service = service_of({"Dockerfile": image("cpu", extra="tqdm==4.67.1"), "Dockerfile.gpu": image("cu124")})
    assert {variant.name: variant.channel for variant in service.variants} == {"gpu": "cu124", "cpu": "cpu"}
    packages = {str(pin): getattr(pin, "variants", ()) for layer in service.layers for pin in layer.packages}
    assert packages == {"einops==0.8.1": (), "tqdm==4.67.1": ("cpu",)}


def test_a_variant_has_a_base_image_of_its_own() -> None:
    cuda = image("cu124", base="nvidia/cuda:12.4.1-base-ubuntu22.04").replace(
        "RUN", "RUN apt-get install -y python3.11\nRUN python3.11 -m", 1
    )
    service = service_of({"docker/gpu/Dockerfile": cuda, "docker/cpu/Dockerfile": image("cpu")})
    bases = {variant.name: variant.base.image if variant.base else "" for variant in service.variants}
    assert (service.base.image, bases) == (
        "nvidia/cuda:12.4.1-base-ubuntu22.04", {"gpu": "", "cpu": "python:3.11-slim-bookworm"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("second", "about"),
    [
        (image("cpu", torch="2.5.1"), "another torch"),
        (image("cu124"), "the same channel"),
        (image("cpu", base="python:3.12-slim-bookworm"), "another Python"),
        (image("cu126", torch="2.6.0"), "no CPU beside a GPU, but another image"),
    ],
)
def test_another_image_is_no_variant_and_is_named(second: str, about: str) -> None:
    draft = draft_adoption({"Dockerfile": image("cu124"), "Dockerfile.other": second}, "x")
    assert "not drafted: Dockerfile.other; `--dockerfile PATH` drafts another one" in draft.steps, about
    assert "cpu" not in draft.text
    chosen = draft_adoption(
        {"Dockerfile": image("cu124"), "Dockerfile.other": second},
        "x",
        answers=DraftAnswers(file="Dockerfile.other"),
    )
    assert chosen.text.startswith("# Drafted from Dockerfile.other. ")


def test_builds_of_one_dockerfile_with_other_channels_are_variants() -> None:
    dockerfile = image("cpu").replace("cpu", "${CHANNEL}").replace("RUN", "ARG CHANNEL=cu126\nRUN", 1)
    bake = '{"target": {"a": {"args": {"CHANNEL": "cu124"}}, "b": {"args": {"CHANNEL": "cpu"}}, "c": {"args": {"CHANNEL": "cu126"}}}}'
    service = service_of({"Dockerfile": dockerfile, "docker-bake.json": bake})
    assert {variant.name: variant.channel for variant in service.variants} == {
        "gpu": "cu124",
        "cpu": "cpu",
        "cu126": "cu126",
    }


def test_the_dockerfile_with_a_torch_is_drafted_and_none_for_other_hardware() -> None:
    texts = {
        "Dockerfile": "FROM python:3.11-slim-bookworm\nRUN pip install fastapi==0.115.6\n",
        "docker/rocm/Dockerfile": "FROM rocm/dev-ubuntu-22.04:6.3.2\nRUN pip install torch==2.7.1\n",
        "worker/Dockerfile": image("cu124"),
    }
    assert service_of(texts).variants[0].channel == "cu124"


def test_usual_names_come_first_and_those_of_tests_and_other_hardware_last() -> None:
    paths = [
        "tests/Dockerfile",
        "docker/npu.Dockerfile",
        "a/b/Dockerfile",
        "Dockerfile.dev",
        "a/Dockerfile",
        "Dockerfile",
    ]
    assert sorted(paths, key=file_rank) == [
        "Dockerfile", "a/Dockerfile", "a/b/Dockerfile", "Dockerfile.dev", "tests/Dockerfile", "docker/npu.Dockerfile",
    ]  # fmt: skip
