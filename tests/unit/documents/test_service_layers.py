"""What the page says of layers: wheels with an ABI, optional layers and what an image lacks of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from support.documents import EXTRA, FLASH, TOOLS, seedvr_artifacts, seedvr_locks, seedvr_service
from torchpin.documents import service_layers

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Services


def test_a_layer_is_shown_with_its_own_packages_whatever_brings_torch(
    service: Services, artifact: Artifacts
) -> None:
    for origin in ("base", "index"):
        seedvr = seedvr_service(service, FLASH, TOOLS, origin=origin)
        text = service_layers.packages_section(seedvr, seedvr_locks(seedvr, *seedvr_artifacts(artifact)), {})
        assert "### Layer tools\n\n```\ntqdm==4.66.5\n```" in text


def test_a_wheel_with_an_abi_says_its_file_its_hash_and_why(service: Services, artifact: Artifacts) -> None:
    seedvr, files = seedvr_service(service, FLASH, TOOLS), seedvr_artifacts(artifact)
    text = service_layers.packages_section(seedvr, seedvr_locks(seedvr, *files), {})
    assert f"**File**: `{files[2].filename}`\n\n**SHA-256**: `{files[2].sha256}`" in text
    assert (
        "**Why this one**: This is the wheel for Python 3.11.13 (`cp311`), torch 2.7, CUDA 12, the C++11 ABI 1 and `linux_x86_64`"
        in text
    )


def test_a_wheel_that_the_facts_do_not_choose_any_more_says_so(
    service: Services, artifact: Artifacts
) -> None:
    seedvr, files = seedvr_service(service, FLASH, TOOLS), seedvr_artifacts(artifact)
    changed_wheel = replace(files[2], sha256="0" * 64)
    text = service_layers.packages_section(
        seedvr, seedvr_locks(seedvr, *files[:2], changed_wheel, *files[3:]), {}
    )
    assert f"**Out of date**: the facts select `{files[2].filename}`, SHA-256 `{files[2].sha256}`" in text
    assert "Of its wheels" not in text


def test_where_no_wheel_fits_any_more_the_facts_say_why(service: Services, artifact: Artifacts) -> None:
    seedvr = seedvr_service(service, FLASH, TOOLS, python="3.14.0")
    text = service_layers.packages_section(seedvr, seedvr_locks(seedvr, *seedvr_artifacts(artifact)), {})
    assert "**Out of date**: flash-attn 2.8.3: no wheel for" in text


def optional_layer_page(service: Services, artifact: Artifacts, freeze: str | None) -> str:
    seedvr = seedvr_service(service, TOOLS, EXTRA)
    return service_layers.packages_section(
        seedvr, seedvr_locks(seedvr, *seedvr_artifacts(artifact)), {"seedvr-gpu": freeze}
    )


def test_what_an_image_lacks_of_an_optional_layer_is_named(service: Services, artifact: Artifacts) -> None:
    text = optional_layer_page(service, artifact, "tqdm==4.66.5\npytz==2026.1\n")
    assert "**Missing in the recorded image**: `pandas`." in text
    assert "Optional: if it cannot be installed" in text


def test_an_image_that_has_all_of_an_optional_layer_lacks_nothing(
    service: Services, artifact: Artifacts
) -> None:
    assert "The recorded image has all of it." in optional_layer_page(
        service, artifact, "Pandas==2.2.3\npytz==2026.1\n"
    )
    assert "is not recorded yet" in optional_layer_page(service, artifact, None)


def test_a_layer_that_is_not_optional_says_nothing_of_records(service: Services, artifact: Artifacts) -> None:
    seedvr = seedvr_service(service, TOOLS)
    text = service_layers.packages_section(
        seedvr, seedvr_locks(seedvr, *seedvr_artifacts(artifact)), {"seedvr-gpu": ""}
    )
    assert "recorded" not in text
