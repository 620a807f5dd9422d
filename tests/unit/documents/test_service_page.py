"""The page of a service: every section of every service, with one block where variants are the same."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.bumps import ENTRY
from support.descriptions import lora_service
from support.documents import (
    ARM,
    CPU,
    FLASH,
    GPU,
    PYPI,
    SMALL,
    TOOLS,
    declared_artifact,
    declared_lock,
    declared_locks,
    page_section,
    seedvr_artifacts,
    seedvr_locks,
    seedvr_service,
    service_text,
)
from torchpin.documents import checks, deviations, markdown, pinning, service_layers, service_page
from torchpin.model import Base, Lock, Source, Torch, Variant, Waiver

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Services

REQUIRED_SECTIONS = {
    "Base image": ("nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", "**Rationale**: CUDA 12.x is stable"),
    "Core versions": (
        "| Component | Pinned version | Report says |",
        "| Python | `3.10.14` | report: 3.10;",
        "| PyTorch | `2.7.1+cu128` | report: 2.5.x;",
        "| torchvision | `0.22.1+cu128` |",
        "| CUDA | `12.8` | report: 11.8 / 12.x;",
        "| cuDNN | `9.1.0.70` | earlier page: 8.9.x |",
    ),
    "Python packages": (
        "### Layer torch\n\n```\ntorch==2.7.1+cu128\ntorchvision==0.22.1+cu128\n",
        "### Layer training\n\n```\naccelerate==1.6.0\n",
        "diffusers[torch]==0.32.1\n",
        "### Layer sd-scripts\n\nWhat sd-scripts `v0.10.0` asks for, and no layer above pins.",
        "### Layer tools\n\n```\ndadaptation==3.2\n",
        "### Layer analysis\n\n```\nPillow==10.4.0\n",
        "### Layer utilities\n",
    ),
    "Sources": (
        "**Repository**:\n\n```\nhttps://github.com/kohya-ss/sd-scripts\n```",
        "**Pinned tag**: `v0.10.0`",
        "**Pinned commit**: `966e9d7f6bb4058abbddb815dd40462b35ffb1d2`",
        "**Note**: The tag must point to this commit",
        "Tag v0.9.2 was never published",
        "invoke clone --service lora\n",
        "git clone https://github.com/kohya-ss/sd-scripts third_party/sd-scripts\ncd third_party/sd-scripts\n",
        "git checkout 966e9d7f6bb4058abbddb815dd40462b35ffb1d2  # v0.10.0\n",
    ),
    "Runtime outputs": (
        "**pip freeze location**:\n\n```\n/workspace/lora_training/logs/pip_freeze.txt\n```",
        "start.sh` writes it at every start of a container",
    ),
    "Verification commands": (
        "torch.__version__",
        "torch.cuda.is_available()",
        "importlib.metadata.version('accelerate')",
        "importlib.metadata.version('bitsandbytes')",
        "git -C /opt/lora/third_party/sd-scripts rev-parse HEAD\n",
        "invoke verify --service lora\n",
    ),
    "Deviation log": (
        "(../../DEVIATIONS.md#lora)",
        "| Component | Report Says | We Use | Reason | Evidence |",
        "| CUDA | earlier page: 12.1 | 12.8 |",
        "| accelerate | earlier page: 0.25.0 | 1.6.0 | 0.25.0 (2023-12) is below",
    ),
}


@pytest.mark.parametrize("title", REQUIRED_SECTIONS)
def test_the_page_of_the_real_service_has_every_section_of_the_earlier_page(title: str) -> None:
    service = lora_service()
    text = page_section(
        service_text(
            service, declared_locks(service, gpu=declared_artifact("nvidia-cudnn-cu12", "9.1.0.70"))
        ),
        title,
    )
    assert [excerpt for excerpt in REQUIRED_SECTIONS[title] if excerpt not in text] == []


def headings(text: str) -> list[str]:
    """The anchors that GitHub gives, the second of a kind with -1."""
    anchors: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            slug = re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
            count = sum(1 for anchor in anchors if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", anchor))
            anchors.append(f"{slug}-{count}" if count else slug)
    return anchors


def test_the_page_opens_with_a_row_for_each_environment_and_names_the_policy_of_all_services() -> None:
    service = replace(SMALL, variants=(GPU, CPU))
    text = service_text(service)
    opening = text.partition("\n## ")[0]
    assert (
        "| `small-gpu` | `2.5.1+cu121` | `12.1` | `3.10.14` | `debian:12` | none listed | locked; " in opening
    )
    assert "| `small-cpu` | `2.5.1+cpu` |" in opening
    assert "[update policy and rollback](../../docs/PINNING.md#update-policy)" in opening
    policy = pinning.pinning_sections([], {}, {})["policy"]
    assert {"update-policy", "rollback"} <= {*headings(policy)}
    assert not {"update-policy", "rollback"} & {*headings(text)}


def test_every_link_to_a_heading_of_the_page_meets_it() -> None:
    for service in (lora_service(), SMALL):
        section = service_text(service)
        text = markdown.splice_sections("p", service_page.page_opening(service.name), {service.name: section})
        assert text.startswith(f"# {service.name}\n\nA version is changed in ")
        assert {*re.findall(r"\(#([^)]*)\)", section)} <= {*headings(text)}


def test_a_service_may_have_any_name() -> None:
    for name in ("contents", "bumps", "services", "policy"):
        assert markdown.generated_sections("p", service_text(replace(SMALL, name=name)))[name]


def test_the_updates_of_the_service_are_listed_and_linked() -> None:
    assert page_section(service_text(SMALL), "Bumps").strip() == "None yet."
    page = service_page.page_section(lora_service(), {}, {}, [ENTRY])
    assert f"[`torch==2.7.1`](../../{ENTRY.file})" in page_section(page, "Bumps")


def test_one_table_a_variant_and_one_block_where_their_packages_are_the_same() -> None:
    service = replace(SMALL, variants=(GPU, CPU, ARM))
    text = service_text(service)
    core = page_section(text, "Core versions")
    assert core.count("| Component | Pinned version |") == 3
    assert "Environment `small-arm64`: channel `pypi`, platform `linux/arm64`" in core
    assert (
        "| PyTorch | `2.5.1+cpu` | - |\n| CUDA | none: a CPU build | - |\n| cuDNN | none: a CPU build |"
        in core
    )
    assert (  # the PyPI wheel of this release for aarch64
        "| PyTorch | `2.5.1` | - |\n| CUDA | none: a CPU build | - |\n| cuDNN | none: a CPU build |" in core
    )
    packages = page_section(text, "Python packages")
    assert "In `small-gpu`:\n\n```\ntorch==2.5.1+cu121\n```" in packages
    assert packages.count("```\ntqdm==4.66.5\nRich[jupyter]==14\n```") == 1
    assert "In `small-gpu`, " not in packages


def test_a_package_that_only_one_variant_gets_is_told_apart() -> None:
    service = replace(SMALL, variants=(GPU, CPU))
    env_locks = declared_locks(service)
    *earlier_layers, last_layer = env_locks["small-cpu"].layers
    env_locks["small-cpu"] = Lock(layers=(*earlier_layers, replace(last_layer, packages=())))
    text = page_section(service_text(service, env_locks), "Python packages")
    assert "In `small-cpu`:\n\nNo package of its own." in text


def test_a_layer_says_what_else_it_brings_how_large_and_what_is_source_only() -> None:
    extra = (
        declared_artifact("nvidia-cublas-cu12", "12.1", size=2_500_000),
        declared_artifact("six", "1.17", size=None),
        declared_artifact("old", "1", source=True),
    )
    text = page_section(
        service_text(SMALL, {"small-gpu": declared_lock(SMALL, GPU, extra=extra)}), "Python packages"
    )
    assert "`00-torch.requirements.txt`: no further package; 1 file of unpublished size." in text
    assert (
        "`01-torch-deps.requirements.txt`, the dependencies of torch and its companions: 1 package; 1 file with 2,500,000 bytes in all."
        in text
    )
    assert (
        "`02-tools.requirements.txt`: 2 further packages; 3 files with 3,000 bytes in all; 1 file of unpublished size; as source only: old."
        in text
    )


def test_an_optional_layer_says_so() -> None:
    service = replace(SMALL, layers=(replace(SMALL.layers[0], optional=True),))
    assert "Optional: if it cannot be installed, the image is built without it." in service_text(service)


def test_a_bare_service_has_every_section_too() -> None:
    text = service_text(SMALL)
    assert page_section(text, "Sources").strip() == "Nothing is cloned."
    assert page_section(text, "GPUs").strip() == "The description lists no GPU."
    assert "none, the description has no `run.freeze`" in page_section(text, "Runtime outputs")
    assert "not recorded: the tag alone decides" in page_section(text, "Base image")
    assert "**Rationale**: not given" in text
    assert "Nothing deviates from what was recommended." in page_section(text, "Deviation log")


def test_torch_from_pypi_is_named_as_it_names_itself() -> None:
    core = page_section(service_text(replace(SMALL, variants=(PYPI,))), "Core versions")
    assert "| PyTorch | `2.5.1+cu124` (`2.5.1` in its file name) |" in core
    assert "| CUDA | `12.4` |" in core


def test_a_lock_without_torch_is_shown_as_it_is() -> None:
    service = replace(SMALL, torch=replace(SMALL.torch, companions={"torchvision": Version("0.20.1")}))
    lock_without_torch = Lock(layers=declared_lock(service, GPU).layers[1:])
    text = service_text(service, {"small-gpu": lock_without_torch})
    assert "| PyTorch | not installed | - |\n| torchvision | not installed |" in text


def test_what_is_not_locked_yet_says_what_to_run() -> None:
    message = "Not locked yet: `small-gpu`. Run `invoke lock --service small`."
    text = service_text(SMALL, {})
    for title in ("Core versions", "Python packages"):
        assert page_section(text, title).strip() == message
    assert page_section(text, "Deviation log").strip().endswith(f":\n\n{message}")
    partly_locked = service_text(
        replace(SMALL, variants=(GPU, CPU)), {"small-cpu": declared_lock(SMALL, CPU)}
    )
    assert message in page_section(partly_locked, "Core versions")
    assert "2.5.1+cpu" in partly_locked


def test_records_are_linked_told_apart_from_the_lock_or_said_to_be_missing() -> None:
    freeze = "torch==2.5.1+cu121\ntqdm==4.66.5\nrich==14\n"
    link = "[`records/small-gpu/pip_freeze.txt`](../../records/small-gpu/pip_freeze.txt)"
    assert f"- `small-gpu`: {link}\n" in service_text(SMALL, gpu=freeze)
    assert f"{link}, which differs from the lock in 1 package\n" in service_text(
        SMALL, gpu=freeze + "extra==1\n"
    )
    assert f"{link}\n" in service_text(SMALL, {}, gpu=freeze)
    assert (
        "- `small-gpu`: not recorded yet: no image of this environment was built where this page was generated"
        in service_text(SMALL)
    )


def test_a_source_without_requirements_is_compared_with_nothing() -> None:
    source = Source(name="x", url="https://host/~me/x", tag="v1", commit="a" * 40, path="third_party/x")
    text = page_section(service_text(replace(SMALL, sources=(source,))), "Sources")
    assert "compared with the lock" not in text
    assert "git clone 'https://host/~me/x' third_party/x\n" in text


def gpu_rows(torch: str, *variants: Variant, gpus: tuple[str, ...]) -> list[list[str]]:
    service = replace(SMALL, gpus=gpus, variants=variants, torch=Torch(version=Version(torch), companions={}))
    lines = page_section(service_text(service), "GPUs").partition("\n### ")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_each_gpu_is_told_whether_each_build_has_code_for_it() -> None:
    arm = "no: PyPI's wheel for aarch64 is a CPU build"
    gpus = ("A6000", "B200", "B100", "GH200", "Voodoo 2")
    assert gpu_rows("2.5.1", GPU, CPU, ARM, gpus=gpus) == [
        ["RTX A6000", "8.6", "yes", "no: a CPU build", arm],
        [
            "B200",
            "10.0",
            "no: compiled for sm_50, sm_60, sm_70, sm_75, sm_80, sm_86, sm_90, without PTX",
            "no: a CPU build",
            arm,
        ],
        ["B100", "unknown", "unknown: its capability is not in the facts", "no: a CPU build", arm],
        ["GH200", "9.0", "no: its hosts are aarch64, but this build is for linux/amd64", "no: a CPU build", arm],
        ["Voodoo 2", "unknown", "unknown: this GPU is not in the facts", "no: a CPU build", arm],
    ]  # fmt: skip


def test_a_build_of_a_release_without_facts_is_unknown() -> None:
    assert gpu_rows("2.16.0", ARM, gpus=("A6000",)) == [
        ["RTX A6000", "8.6", "unknown: the CUDA of this build is not in the facts"],
    ]


def test_where_the_architectures_are_not_known_it_is_said() -> None:
    variant = Variant(name="gpu", channel="cu111", platform="linux/amd64")
    assert gpu_rows("1.8.0", variant, gpus=("V100",)) == [
        ["V100", "7.0", "unknown: the architectures of this build are not in the facts"],
    ]


def test_a_build_with_ptx_lists_it() -> None:
    variant = Variant(name="gpu", channel="cu128", platform="linux/amd64")
    assert gpu_rows("2.7.0", variant, gpus=("V100",)) == [
        ["V100", "7.0", "no: compiled for sm_75, sm_80, sm_86, sm_90, sm_100, sm_120, compute_120"],
    ]


def test_a_waiver_stands_beside_its_gpu_with_its_review() -> None:
    waiver = Waiver(check="GPU001", about="RTX A6000", reason="later", review_by=date(2027, 1, 31))
    text = page_section(service_text(replace(SMALL, gpus=("A6000", "H100"), waivers=(waiver,))), "GPUs")
    assert "| RTX A6000 | 8.6 | yes | `GPU001`, review by 2027-01-31: later |" in text
    assert "| H100 | 9.0 | yes | - |" in text


def test_the_whole_pages_are_made_the_same_twice() -> None:
    services = [lora_service(), replace(SMALL, variants=(GPU, CPU, ARM))]
    env_locks = {name: lock for service in services for name, lock in declared_locks(service).items()}
    for opening, sections in (
        (pinning.PINNING_OPENING, pinning.pinning_sections(services, env_locks, {})),
        (
            service_page.page_opening("lora"),
            {"lora": service_page.page_section(services[0], env_locks, {}, [ENTRY])},
        ),
        (deviations.DEVIATIONS_OPENING, deviations.deviation_sections(services, env_locks)),
        (checks.CHECKS_OPENING, checks.check_sections([], {})),
    ):
        spliced = markdown.splice_sections("p", opening, sections)
        assert spliced.startswith(opening)
        assert markdown.splice_sections("p", spliced, sections) == spliced
        assert re.search(r"\n{3}|[ \t]$", spliced, re.MULTILINE) is None


def test_torch_of_the_base_is_told_everywhere_and_never_as_installed(
    service: Services, artifact: Artifacts
) -> None:
    seedvr = seedvr_service(service, FLASH, TOOLS)
    text = service_page.page_section(seedvr, seedvr_locks(seedvr, *seedvr_artifacts(artifact)), {}, ())
    origin_text = "from the base image, never installed, always verified"
    assert f"**Provides**: `torch 2.7.1`, `torchvision 0.22.1`, {origin_text}" in text
    assert f"| PyTorch | `2.7.1+cu126`, {origin_text} | - |" in text
    assert (
        f"torch==2.7.1+cu126\ntorchvision==0.22.1+cu126\n```\n\nThis is {origin_text}; `00-given.requirements.txt`"
        in text
    )
    assert "00-torch.requirements.txt" not in text
    assert "`9`, from the base image" in text or "| cuDNN | `9." in text


def test_torch_of_an_index_is_not_said_to_come_from_the_base(service: Services, artifact: Artifacts) -> None:
    seedvr = seedvr_service(service, TOOLS, origin="index")
    text = service_page.page_section(seedvr, seedvr_locks(seedvr, *seedvr_artifacts(artifact)), {}, ())
    assert service_layers.PROVIDED_NOTE not in text
    assert "`00-torch.requirements.txt`: no further package" in text


def test_variants_with_bases_of_their_own_each_show_theirs(service: Services) -> None:
    arm = Variant(
        name="arm64", channel="cpu", platform="linux/arm64",
        base=Base(image="debian:12", digest=f"sha256:{'a' * 64}", rationale="No GPU there."),
    )  # fmt: skip
    gpu = Variant(name="gpu", channel="cu121", platform="linux/amd64")
    text = service_page.page_section(service(variants=(gpu, arm)), {}, {}, ())
    assert "In `lora-gpu`:\n\n```\nnvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04\n```" in text
    assert f"In `lora-arm64`:\n\n```\ndebian:12@sha256:{'a' * 64}\n```" in text
    assert "**Rationale**: No GPU there." in text
    same = service_page.page_section(service(variants=(gpu, replace(arm, base=None))), {}, {}, ())
    assert "In `lora-arm64`:" not in same
