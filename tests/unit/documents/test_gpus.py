"""docs/GPUS.md and the GPUs of a service: their facts, each environment's verdict, what would serve them, how it fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.documents import gpus, markdown
from torchpin.lock.layers import split_layers
from torchpin.model import Base, Environment, Layer, Lock, Service, Torch, Variant

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Services

GPU = Variant(name="gpu", channel="cu121", platform="linux/amd64")
NEW = Variant(name="new", channel="cu128", platform="linux/amd64")
CPU = Variant(name="cpu", channel="cpu", platform="linux/amd64")
ARM = Variant(name="arm64", channel="cpu", platform="linux/arm64")
PLAIN = {"torch": Torch(version=Version("2.5.1"), companions={})}


def gpu_section(service: Service, name: str, locks: dict[str, Lock] | None = None) -> str:
    """What the page of a service tells of a GPU."""
    text = f"\n{gpus.listed_gpus(service, locks or {})}"
    assert f"\n### {name}\n" in text
    return text.partition(f"\n### {name}\n")[2].partition("\n### ")[0]


def environment_row(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_card_has_its_facts(service: Services) -> None:
    text = gpu_section(service(gpus=("RTX 5060 Ti",)), "RTX 5060 Ti")
    assert "- **Architecture**: Blackwell\n- **Capability**: 12.0\n- **Minimum toolkit**: CUDA 12.8\n" in text
    assert "- **Minimum driver**: 570.26, the driver of the first toolkit that supports it;" in text
    assert "- **Builds with code for it**: torch 2.7.0 on `cu128` is the first;" in text
    assert "- **Note**: NOT Ampere, NOT 8.9." in text
    assert "**Host**" not in text


def test_a_card_with_a_driver_of_its_own_and_one_of_another_host(service: Services) -> None:
    text = gpu_section(service(gpus=("B200", "GH200")), "B200")
    assert "- **Minimum driver**: 570.133.20, which is documented for this GPU." in text
    text = gpu_section(service(gpus=("B200", "GH200")), "GH200")
    assert "- **Host**: aarch64; images for linux/amd64 do not run there." in text
    assert "torch 2.4.0 on `cu124` is the first" in text


def test_what_the_facts_do_not_know_is_said_and_not_guessed(service: Services) -> None:
    lora = service(gpus=("B100", "Voodoo 2"))
    assert "- **Capability**: unknown" in gpu_section(lora, "B100")
    assert "- **Builds with code for it**: none is known." in gpu_section(lora, "B100")
    assert "This GPU is not in the facts: correct its name" in gpu_section(lora, "Voodoo 2")
    assert environment_row(gpu_section(lora, "Voodoo 2"), "lora-gpu")[1] == (
        "unknown: this GPU is not in the facts"
    )


def test_a_card_stands_once_however_it_is_written(service: Services) -> None:
    text = f"\n{gpus.listed_gpus(service(gpus=('A6000', 'RTX A6000', 'L40')), {})}"
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == ["RTX A6000", "L40"]


def test_each_environment_is_told_yes_no_or_unknown(service: Services) -> None:
    old = service(**PLAIN, gpus=("RTX 5090",), variants=(GPU, CPU, ARM))
    new = service(
        name="fresh", torch=Torch(version=Version("2.8.0"), companions={}), variants=(NEW,), gpus=("RTX 5090",),
        base=Base(image="nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04"),
    )  # fmt: skip
    text = gpu_section(old, "RTX 5090")
    assert environment_row(text, "lora-gpu")[1].startswith("no: compiled for sm_50, ")
    assert environment_row(text, "lora-cpu")[1] == environment_row(text, "lora-arm64")[1] == "no: a CPU build"
    assert environment_row(gpu_section(new, "RTX 5090"), "fresh-new")[1:4] == [
        "yes",
        "525 or later; CUDA 12.8 came with 570.26",
        "a driver of CUDA >=12.8; on GeForce no older branch is accepted",
    ]
    assert (
        "In `lora-gpu` torch starts and sees the GPU, and the first kernel fails: "
        "[no kernel image is available](../../docs/TROUBLESHOOTING.md#no-kernel-image-is-available)."
    ) in text
    assert "first kernel fails" not in gpu_section(service(**PLAIN, gpus=("H100",)), "H100")


def test_what_a_base_asks_of_a_driver(service: Services) -> None:
    text = gpu_section(service(**PLAIN, gpus=("H100",), variants=(GPU, CPU)), "H100")
    assert environment_row(text, "lora-gpu")[3] == "a driver of CUDA >=12.1, or of branch 470, 525"
    text = gpu_section(
        service(**PLAIN, base=Base(image="debian:12"), gpus=("H100",), variants=(GPU, CPU)), "H100"
    )
    assert [environment_row(text, name)[3] for name in ("lora-gpu", "lora-cpu")] == [
        "unknown",
        "none: a CPU build",
    ]


def package_cell(
    service: Services, artifact: Artifacts, package: str, version: str, gpu: str, **file: Any
) -> str:
    layer = Layer(name="one", packages=(Requirement(f"{package}=={version}"),))
    lora = service(**PLAIN, gpus=(gpu,), layers=(layer,))
    env = Environment(service=lora, variant=lora.variants[0])
    packages = (artifact("torch", "2.5.1+cu121"), artifact(package, version, **file))
    locks = {env.name: Lock(layers=split_layers(env, packages, uv="0.13.9")[0])}
    return environment_row(gpu_section(lora, gpu, locks), "lora-gpu")[4]


def test_a_locked_package_that_does_not_serve_a_card_is_named(service: Services, artifact: Artifacts) -> None:
    cell = package_cell(service, artifact, "bitsandbytes", "0.44.1", "B200")
    assert cell.startswith("bitsandbytes>=0.45.3 is required (bitsandbytes 0.44.1): Blackwell kernels")
    assert package_cell(service, artifact, "bitsandbytes", "0.44.1", "H100") == "-"
    assert package_cell(service, artifact, "bitsandbytes", "0.45.3", "B200") == "-"


def test_a_wheel_that_takes_newer_cards_only_is_named(service: Services, artifact: Artifacts) -> None:
    file = next(wheel.filename for wheel in facts.wheels() if wheel.package == "flash-attn")
    cell = package_cell(service, artifact, "flash-attn", "2.8.3", "V100", filename=file)
    assert cell == "flash-attn 2.8.3 requires compute capability 8.0 or higher"
    assert package_cell(service, artifact, "flash-attn", "2.8.3", "A100", filename=file) == "-"


def test_without_a_lock_nothing_is_said_of_packages(service: Services) -> None:
    assert environment_row(gpu_section(service(gpus=("H100",)), "H100"), "lora-gpu")[4] == "not locked yet"


def test_common_gpus_and_every_capability_stand_in_tables_at_the_end(service: Services) -> None:
    sections = gpus.gpu_sections([service(**PLAIN, variants=(GPU, CPU))])
    assert list(sections) == ["services", "known"]
    common, _, capabilities = sections["known"].partition("## Every compute capability")
    assert first_cells(common) == ["GPU", "---", *(gpu.name for gpu in facts.gpus())]
    assert "| H100 | Hopper | 9.0 | CUDA 11.8 | 520.61.05 | 2.0.0 on `cu118` |" in common
    assert "| RTX 5060 Ti | Blackwell | 12.0 | CUDA 12.8 | 570.26 | 2.7.0 on `cu128` |" in common
    known = {gpu.capability for gpu in facts.known_gpus()} - {
        None,
        "2.1",
    }  # no toolkit of the facts compiles for 2.1
    assert set(first_cells(capabilities)) == {"Capability", "---", *known}
    (row,) = [line for line in capabilities.splitlines() if line.startswith("| 6.1 |")]
    assert row.startswith("| 6.1 | Pascal | ")
    assert row.endswith("| 8.0 to 12.9 | 1.7.0 on `cu92` |")


def first_cells(text: str) -> list[str]:
    return [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line.startswith("| ")]


def test_the_page_stays_small_however_many_gpus_are_known(service: Services) -> None:
    section = gpus.gpu_sections([service(**PLAIN)])["known"]
    assert len(section.splitlines()) < 110
    assert max(map(len, section.splitlines())) < 300


def test_the_page_tells_of_each_environment_which_common_gpus_it_serves(service: Services) -> None:
    text = gpus.gpu_sections([service(**PLAIN, variants=(GPU, CPU))])["services"]
    (line,) = [
        line for line in text.splitlines() if line.startswith("- `lora-gpu`, torch 2.5.1 on `cu121`: ")
    ]
    served = line.partition(": ")[2].split(", ")
    assert {"V100", "H100"} <= {*served}
    assert not {"RTX 5090", "B200"} & {*served}
    assert "\n- `lora-cpu`, torch 2.5.1 on `cpu`: none\n" in text
    assert "[GPUs of lora](services/lora.md#gpus)" in text


def test_without_a_service_the_page_says_so() -> None:
    assert "There is no service yet." in gpus.gpu_sections([])["services"]


@pytest.mark.parametrize(
    ("name", "channel", "span"),
    [
        ("RTX 5090", "cu128", ("2.7.0", "2.11.0")),
        ("V100", "cu121", ("2.1.0", "2.5.1")),
        ("H100", "cu118", ("2.0.0", "2.7.1")),
        ("RTX 5090", "cu124", None),
        ("V100", "cu130", None),
    ],
)
def test_the_builds_of_a_card_by_channel(name: str, channel: str, span: tuple[str, str] | None) -> None:
    gpu = facts.gpu(name)
    assert gpu
    assert gpus.build_ranges(gpu).get(channel) == span


def test_the_page_is_whole_its_links_meet_and_it_is_made_the_same_twice(service: Services) -> None:
    services = [service(**PLAIN, gpus=("A6000", "RTX 5060 Ti", "B200"), variants=(GPU, CPU, ARM))]
    sections = gpus.gpu_sections(services)
    text = markdown.splice_sections("p", gpus.GPUS_OPENING, sections)
    assert text.startswith("# GPUs\n")
    assert markdown.splice_sections("p", text, gpus.gpu_sections(services)) == text
    assert re.search(r"\n{3}|[ \t]$", text, re.MULTILINE) is None
    anchors = {markdown.anchor(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}
    assert {*re.findall(r"\(#([^)]*)\)", text)} <= anchors
