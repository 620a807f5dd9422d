"""What the page says of layers: torch of a base image, wheels with an ABI, optional layers and what an image lacks of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.documents import pinning, pinning_layers
from torchpin.lock.layers import split_layers
from torchpin.model import Base, Environment, Layer, Lock, Torch, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.model import Artifact, Service

    Services = Callable[..., Service]
    Artifacts = Callable[..., Artifact]

GPU = Variant(name="gpu", channel="cu126", platform="linux/amd64")
FLASH = Layer(name="flash", packages=(Requirement("flash-attn==2.8.3"),))
TOOLS = Layer(name="tools", packages=(Requirement("tqdm==4.66.5"),))
EXTRA = Layer(name="extra", packages=(Requirement("pandas==2.2.3"),), optional=True)


def seedvr_service(
    service: Services, *layers: Layer, origin: Any = "base", python: str = "3.11.13"
) -> Service:
    torch = Torch(version=Version("2.7.1"), companions={"torchvision": Version("0.22.1")}, origin=origin)
    base = Base(image="pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel")
    return service(
        name="seedvr", python=Version(python), base=base, torch=torch, variants=(GPU,), layers=layers
    )


def make_locks(service: Service, *packages: Artifact) -> dict[str, Lock]:
    env = Environment(service=service, variant=service.variants[0])
    layers, provided = split_layers(env, packages, uv="0.13.9")
    return {env.name: Lock(layers=layers, provided=provided)}


def all_artifacts(artifact: Artifacts) -> tuple[Artifact, ...]:
    wheel = facts.find_wheel(
        "flash-attn", "2.8.3", python="3.11", torch="2.7.1", channel="cu126", machine="x86_64"
    )
    assert isinstance(wheel, facts.Wheel)
    return (
        artifact("torch", "2.7.1+cu126"),
        artifact("torchvision", "0.22.1+cu126"),
        artifact("flash-attn", "2.8.3", filename=wheel.filename, sha256=wheel.sha256),
        artifact("tqdm", "4.66.5"),
        artifact("pandas", "2.2.3"),
        artifact("pytz", "2026.1", by=("pandas",)),
    )


def test_torch_of_the_base_is_told_everywhere_and_never_as_installed(
    service: Services, artifact: Artifacts
) -> None:
    seedvr = seedvr_service(service, FLASH, TOOLS)
    text = pinning.pinning_sections([seedvr], make_locks(seedvr, *all_artifacts(artifact)), {})["seedvr"]
    origin_text = "from the base image, never installed, always proven"
    assert f"**Brings**: `torch 2.7.1`, `torchvision 0.22.1`, {origin_text}" in text
    assert f"| PyTorch | `2.7.1+cu126`, {origin_text} | - |" in text
    assert (
        f"torch==2.7.1+cu126\ntorchvision==0.22.1+cu126\n```\n\nThis comes {origin_text}; `00-given.txt`"
        in text
    )
    assert "00-torch.txt" not in text
    assert "`9`, from the base image" in text or "| cuDNN | `9." in text


def test_torch_of_an_index_is_not_said_to_come_from_the_base(service: Services, artifact: Artifacts) -> None:
    seedvr = seedvr_service(service, TOOLS, origin="index")
    text = pinning.pinning_sections([seedvr], make_locks(seedvr, *all_artifacts(artifact)), {})["seedvr"]
    assert pinning_layers.PROVIDED_NOTE not in text
    assert "`00-torch.txt`: no further package" in text


def test_a_layer_is_shown_with_its_own_packages_whatever_brings_torch(
    service: Services, artifact: Artifacts
) -> None:
    for origin in ("base", "index"):
        seedvr = seedvr_service(service, FLASH, TOOLS, origin=origin)
        text = pinning_layers.packages_section(seedvr, make_locks(seedvr, *all_artifacts(artifact)), {})
        assert "#### Layer tools\n\n```\ntqdm==4.66.5\n```" in text


def test_a_wheel_with_an_abi_says_its_file_its_hash_and_why(service: Services, artifact: Artifacts) -> None:
    seedvr, files = seedvr_service(service, FLASH, TOOLS), all_artifacts(artifact)
    text = pinning_layers.packages_section(seedvr, make_locks(seedvr, *files), {})
    assert f"**File**: `{files[2].filename}`\n\n**SHA-256**: `{files[2].sha256}`" in text
    assert (
        "**Why this one**: Of its wheels, this is the one for Python 3.11.13 (`cp311`), torch 2.7, CUDA 12, the C++11 ABI 1 and `linux_x86_64`"
        in text
    )


def test_a_wheel_that_the_facts_do_not_choose_any_more_says_so(
    service: Services, artifact: Artifacts
) -> None:
    seedvr, files = seedvr_service(service, FLASH, TOOLS), all_artifacts(artifact)
    changed_wheel = replace(files[2], sha256="0" * 64)
    text = pinning_layers.packages_section(
        seedvr, make_locks(seedvr, *files[:2], changed_wheel, *files[3:]), {}
    )
    assert f"**No longer right**: the facts choose `{files[2].filename}`, SHA-256 `{files[2].sha256}`" in text
    assert "Of its wheels" not in text


def test_where_no_wheel_fits_any_more_the_facts_say_why(service: Services, artifact: Artifacts) -> None:
    seedvr = seedvr_service(service, FLASH, TOOLS, python="3.14.0")
    text = pinning_layers.packages_section(seedvr, make_locks(seedvr, *all_artifacts(artifact)), {})
    assert "**No longer right**: flash-attn 2.8.3: there is no wheel for" in text


def optional_layer_page(service: Services, artifact: Artifacts, freeze: str | None) -> str:
    seedvr = seedvr_service(service, TOOLS, EXTRA)
    return pinning_layers.packages_section(
        seedvr, make_locks(seedvr, *all_artifacts(artifact)), {"seedvr-gpu": freeze}
    )


def test_what_an_image_lacks_of_an_optional_layer_is_named(service: Services, artifact: Artifacts) -> None:
    text = optional_layer_page(service, artifact, "tqdm==4.66.5\npytz==2026.1\n")
    assert "**Missing in the recorded image**: `pandas`." in text
    assert "Optional: where it cannot be installed" in text


def test_an_image_that_has_all_of_an_optional_layer_lacks_nothing(
    service: Services, artifact: Artifacts
) -> None:
    assert "The recorded image has all of it." in optional_layer_page(
        service, artifact, "Pandas==2.2.3\npytz==2026.1\n"
    )
    assert "is not recorded yet" in optional_layer_page(service, artifact, None)


def test_a_layer_that_is_not_optional_says_nothing_of_records(service: Services, artifact: Artifacts) -> None:
    seedvr = seedvr_service(service, TOOLS)
    text = pinning_layers.packages_section(
        seedvr, make_locks(seedvr, *all_artifacts(artifact)), {"seedvr-gpu": ""}
    )
    assert "recorded" not in text


def test_variants_with_bases_of_their_own_each_show_theirs(service: Services) -> None:
    arm = Variant(
        name="arm64", channel="cpu", platform="linux/arm64",
        base=Base(image="debian:12", digest=f"sha256:{'a' * 64}", rationale="No GPU there."),
    )  # fmt: skip
    gpu = Variant(name="gpu", channel="cu121", platform="linux/amd64")
    text = pinning.pinning_sections([service(variants=(gpu, arm))], {}, {})["lora"]
    assert "In `lora-gpu`:\n\n```\nnvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04\n```" in text
    assert f"In `lora-arm64`:\n\n```\ndebian:12@sha256:{'a' * 64}\n```" in text
    assert "**Rationale**: No GPU there." in text
    same = pinning.pinning_sections([service(variants=(gpu, replace(arm, base=None)))], {}, {})["lora"]
    assert "In `lora-arm64`:" not in same
