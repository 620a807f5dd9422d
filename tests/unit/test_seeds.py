"""What the seeds document, as they document it: five descriptions that the reader accepts, for the judge to come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.utils import canonicalize_name

from torchpin import describe, plan, read, repository

if TYPE_CHECKING:
    from torchpin.model import Service

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "tests/seeds"
NAMES = ["coaxial", "lora", "seedvr", "videogen", "zopilot"]


def seed(name: str) -> Service:
    """A seed's description, read as the service's own would be."""
    text = (SEEDS / f"{name}.yaml").read_text(encoding="utf-8")
    (service,) = read.services({f"services/{name}/service.yaml": text})
    return service


def pins(service: Service) -> dict[str, str]:
    return {
        canonicalize_name(package.name): next(iter(package.specifier)).version
        for layer in service.layers
        for package in layer.packages
    }


def test_every_service_has_its_seed_and_every_seed_its_service() -> None:
    assert sorted(path.name for path in SEEDS.iterdir()) == [f"{name}.yaml" for name in NAMES]
    assert sorted(path.parent.name for path in (ROOT / "services").glob("*/service.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_accepted_by_the_reader_and_written_back_as_the_same(name: str) -> None:
    service = seed(name)
    again = describe.description(service)
    assert read.services({service.file: again}) == (service,)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_no_service_of_the_repository(name: str) -> None:
    """It is read by tests and by the judge to come; nothing locks, renders or builds it."""
    assert f"services/{name}/service.yaml" in repository.descriptions(ROOT)
    assert not [path for path in repository.descriptions(ROOT) if "seeds" in path]
    text = (SEEDS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text != repository.descriptions(ROOT)[f"services/{name}/service.yaml"]


GROUNDS: dict[str, dict[str, Any]] = {
    "lora": {
        "python": "3.10.14", "torch": "2.5.1", "origin": "index", "channels": ["cu121", "pypi"],
        "base": "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04", "gpus": ("A6000", "H100", "B200"),
    },
    "seedvr": {
        "python": "3.10", "torch": "2.7.1", "origin": "base", "channels": ["cu126"],
        "base": "pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel", "gpus": ("L40",),
    },
    "videogen": {
        "python": "3.10", "torch": "2.1.0", "origin": "base", "channels": ["cu118"],
        "base": "runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04", "gpus": (),
    },
    "zopilot": {
        "python": "3.10.12", "torch": "2.5.1", "origin": "index", "channels": ["cu124"],
        "base": "nvidia/cuda:12.4.1-devel-ubuntu22.04", "gpus": ("RTX 5090",),
    },
    "coaxial": {
        "python": "3.10.14", "torch": "2.5.1", "origin": "index", "channels": ["cu121", "cpu", "cpu"],
        "base": "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "gpus": ("RTX 5060 Ti",),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_stands_on_what_it_documents(name: str) -> None:
    service = seed(name)
    assert {
        "python": str(service.python), "torch": str(service.torch.version), "origin": service.torch.origin,
        "channels": [variant.channel for variant in service.variants], "base": service.base.image,
        "gpus": service.gpus,
    } == GROUNDS[name]  # fmt: skip


def test_lora_s_seed_keeps_its_tag_that_was_never_published_and_its_own_deviation_log() -> None:
    service = seed("lora")
    (source,) = service.sources
    assert (source.name, source.tag) == ("sd-scripts", "v0.9.2")
    assert [len(layer.packages) for layer in service.layers] == [5, 6, 4, 6]
    held = pins(service)
    assert (held["accelerate"], held["bitsandbytes"], held["prodigyopt"]) == ("0.25.0", "0.44.1", "1.0")
    assert [reason.component for reason in service.reasons] == ["CUDA", "accelerate", "bitsandbytes"]
    assert {reason.evidence for reason in service.reasons} == {"none given"}
    assert ("CUDA", "11.8 / 12.x") in [(one.component, one.says) for one in service.recommends]
    assert service.run.freeze == "/workspace/lora_training/logs/pip_freeze.txt"


def test_seedvr_s_seed_takes_torch_from_the_base_and_flash_attn_first() -> None:
    service = seed("seedvr")
    assert [layer.name for layer in service.layers] == ["attention", "selected"]
    assert pins(service) == {"flash-attn": "2.8.3", "xformers": "0.0.32.post2"}
    assert plan.abi_pin(service.layers[0])
    assert {name: str(version) for name, version in service.torch.companions.items()} == {
        "torchvision": "0.22.1",
        "torchaudio": "2.7.1",
    }
    assert service.run.ports == (7860,)


def test_videogen_s_seed_keeps_the_packages_that_raise_numpy() -> None:
    service = seed("videogen")
    held = pins(service)
    assert (held["numpy"], held["opencv-python-headless"]) == ("1.26.4", "4.12.0.88")
    assert (held["transformers"], held["diffusers"], held["decord"]) == ("4.51.3", "0.31.0", "0.6.0")
    assert "flash-attn" not in held
    assert service.budget_bytes == 5 * 10**9


def test_zopilot_s_seed_keeps_the_second_opencv() -> None:
    held = pins(seed("zopilot"))
    assert (held["opencv-python"], held["docstrange"]) == ("4.10.0.84", "1.1.6")
    assert (held["numpy"], held["scipy"], held["transformers"]) == ("1.26.4", "1.11.4", "4.45.0")
    assert [layer.name for layer in seed("zopilot").layers] == ["numpy", "scipy", "requirements"]


def test_coaxial_s_seed_has_three_variants_with_bases_of_their_own() -> None:
    service = seed("coaxial")
    assert [(env.name, env.variant.platform, env.base.image) for env in plan.environments((service,))] == [
        ("coaxial-gpu", "linux/amd64", "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"),
        ("coaxial-cpu", "linux/amd64", "ubuntu:22.04"),
        ("coaxial-arm64", "linux/arm64", "python:3.10-slim-bookworm"),
    ]
    assert pins(service) == {"lightning": "2.0.0"}
