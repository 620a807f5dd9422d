"""The seeds as they are documented, and the findings of the judge: every false claim, and no false finding."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.utils import canonicalize_name

from torchpin.checks import families, run
from torchpin.checks.context import CheckContext
from torchpin.compat.wheels import abi_pin
from torchpin.description import read, write
from torchpin.description.environments import select_environments
from torchpin.queries.support import build_matrix
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.checks.registry import Result
    from torchpin.model import Service

assert families  # importing it registers the checks

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "tests/seeds"
NAMES = ["coaxial", "lora", "seedvr", "videogen", "zopilot"]


def read_seed(name: str) -> Service:
    """A seed's description, read as the service's own would be."""
    text = (SEEDS / f"{name}.yaml").read_text(encoding="utf-8")
    (service,) = read.read_services({f"services/{name}/service.yaml": text})
    return service


def pinned_versions(service: Service) -> dict[str, str]:
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
    service = read_seed(name)
    text = write.to_yaml(service)
    assert read.read_services({service.file: text}) == (service,)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_no_service_of_the_repository(name: str) -> None:
    """It is read by tests alone; nothing locks, renders or builds it."""
    assert f"services/{name}/service.yaml" in workspace.read_descriptions(ROOT)
    assert not [path for path in workspace.read_descriptions(ROOT) if "seeds" in path]
    text = (SEEDS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text != workspace.read_descriptions(ROOT)[f"services/{name}/service.yaml"]


DOCUMENTED: dict[str, dict[str, Any]] = {
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
def test_a_seed_has_the_documented_base_python_and_torch(name: str) -> None:
    service = read_seed(name)
    assert {
        "python": str(service.python), "torch": str(service.torch.version), "origin": service.torch.origin,
        "channels": [variant.channel for variant in service.variants], "base": service.base.image,
        "gpus": service.gpus,
    } == DOCUMENTED[name]  # fmt: skip


def test_lora_s_seed_keeps_its_tag_that_was_never_published_and_its_own_deviation_log() -> None:
    service = read_seed("lora")
    (source,) = service.sources
    assert (source.name, source.tag) == ("sd-scripts", "v0.9.2")
    assert [len(layer.packages) for layer in service.layers] == [5, 6, 4, 6]
    versions = pinned_versions(service)
    assert (versions["accelerate"], versions["bitsandbytes"], versions["prodigyopt"]) == (
        "0.25.0",
        "0.44.1",
        "1.0",
    )
    assert [reason.component for reason in service.reasons] == ["CUDA", "accelerate", "bitsandbytes"]
    assert {reason.evidence for reason in service.reasons} == {"none given"}
    assert ("CUDA", "11.8 / 12.x") in [
        (recommendation.component, recommendation.says) for recommendation in service.recommends
    ]
    assert service.run.freeze == "/workspace/lora_training/logs/pip_freeze.txt"


def test_seedvr_s_seed_takes_torch_from_the_base_and_flash_attn_first() -> None:
    service = read_seed("seedvr")
    assert [layer.name for layer in service.layers] == ["attention", "selected"]
    assert pinned_versions(service) == {"flash-attn": "2.8.3", "xformers": "0.0.32.post2"}
    assert abi_pin(service.layers[0])
    assert {name: str(version) for name, version in service.torch.companions.items()} == {
        "torchvision": "0.22.1",
        "torchaudio": "2.7.1",
    }
    assert service.run.ports == (7860,)


def test_videogen_s_seed_keeps_the_packages_that_raise_numpy() -> None:
    service = read_seed("videogen")
    versions = pinned_versions(service)
    assert (versions["numpy"], versions["opencv-python-headless"]) == ("1.26.4", "4.12.0.88")
    assert (versions["transformers"], versions["diffusers"], versions["decord"]) == (
        "4.51.3",
        "0.31.0",
        "0.6.0",
    )
    assert "flash-attn" not in versions
    assert service.budget_bytes == 5 * 10**9


def test_zopilot_s_seed_keeps_the_second_opencv() -> None:
    versions = pinned_versions(read_seed("zopilot"))
    assert (versions["opencv-python"], versions["docstrange"]) == ("4.10.0.84", "1.1.6")
    assert (versions["numpy"], versions["scipy"], versions["transformers"]) == ("1.26.4", "1.11.4", "4.45.0")
    assert [layer.name for layer in read_seed("zopilot").layers] == ["numpy", "scipy", "requirements"]


def test_coaxial_s_seed_has_three_variants_with_bases_of_their_own() -> None:
    service = read_seed("coaxial")
    assert [(env.name, env.variant.platform, env.base.image) for env in select_environments((service,))] == [
        ("coaxial-gpu", "linux/amd64", "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"),
        ("coaxial-cpu", "linux/amd64", "ubuntu:22.04"),
        ("coaxial-arm64", "linux/arm64", "python:3.10-slim-bookworm"),
    ]
    assert pinned_versions(service) == {"lightning": "2.0.0"}


BUILD_FIX = '`channel: cu128` and torch\'s `version: "2.7.1"`'
TODAY = date(2026, 11, 24)
CLAIMS = [
    # (seed, variant, the false claim, check, about, part of the message, part of the help)
    ("lora", "gpu", "B200 works with torch 2.5.1 and CUDA 12.1", "GPU001", "B200", "has no code for B200 (compute capability 10.0)", BUILD_FIX),
    ("lora", "gpu", "the tag v0.9.2; v0.9.x is FLUX-capable", "SRC001", "sd-scripts", "no tag v0.9.2; nearest: v0.9.1", "`tag: v0.10.0`"),
    ("lora", "gpu", "v0.9.1 and before have no FLUX scripts", "SRC001", "sd-scripts", "v0.10.0 (2026-01-19, first with the FLUX scripts, requires torch 2.6.0 or later)", ""),
    ("lora", "list", "a pip list without an index gives +cu121", "DEV001", "torch", "torch 2.5.1+cu124 deviates without a reason; recommended: 2.5.1+cu121 (the page)", ""),
    ("lora", "list", "CUDA 12.1 runs without the cu121 index", "BAS003", "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04", "CUDA 12.1.1 in the image, 12.4 in the wheels", "nvidia/cuda:12.4.1-devel-ubuntu22.04"),
    ("lora", "gpu", "cuDNN 8.9.x at run time", "BAS003", "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04", "cuDNN 8.9.0.131 in the image, 9.1.0.70 in the wheels", ""),
    ("lora", "gpu", "cuDNN 8.9.x at run time, by the page", "DEV001", "cuDNN", "cuDNN 9.1.0.70 deviates without a reason; recommended: 8.9.x (the page)", ""),
    ("lora", "gpu", "accelerate 0.25.0 works with transformers 4.46.3", "DEP001", "transformers-accelerate", "requires accelerate>=0.26.0", "`- accelerate==0.26.0`"),
    ("lora", "gpu", "tensorboard 2.18.0 works with no setuptools pin", "DEP002", "tensorboard", "setuptools is not pinned below 82.0.0", "`- setuptools==81.0.0`"),
    ("lora", "gpu", "moving to v0.10.x keeps the pins", "SRC003", "torch", "sd-scripts v0.10.0 requires torch 2.6.0 or later", "2.6.0 or later"),
    ("lora", "gpu", "the list holds the sd-scripts dependencies", "SRC002", "schedulefree", "requires schedulefree==1.4, but schedulefree 1.2.6 is used", "`- schedulefree==1.4`"),
    ("lora", "gpu", "all versions are pinned", "BAS002", "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04", "is not pinned by digest", "sha256:21196d81"),
    ("seedvr", "gpu", "Python 3.10.x in the image", "BAS004", "python", "Python 3.10 does not match pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel, which has Python 3.11", '`python: "3.11"`'),
    ("seedvr", "gpu", "torch stays 2.7.1 beside an open xformers", "TOR002", "xformers", "xformers 0.0.32.post2 does not match torch 2.7.1; it goes with torch==2.8.0", "`- xformers==0.0.31.post1`"),
    ("seedvr", "gpu", "cxx11abiFALSE is the wheel for torch 2.7", "ABI001", "flash-attn", "its C++11 ABI is FALSE, but that of torch 2.7.1 from cu126 is TRUE", "cxx11abiTRUE-cp311"),
    ("seedvr", "gpu", "the wheel fits the image's Python", "ABI001", "flash-attn", "it is for Python 3.10", "cp311"),
    ("videogen", "gpu", "numpy<2 is fixed", "DEP001", "opencv-headless-numpy2", "requires numpy>=2, which conflicts with numpy==1.26.4", "opencv-python-headless==4.11.0.86"),
    ("videogen", "gpu", "the late NumPy 2 does no harm to torch 2.1.0", "DEP003", "opencv-python-headless", "torch 2.1.0 was built for NumPy 1", "opencv-python-headless==4.11.0.86"),
    ("videogen", "gpu", "the versions fit what is served on torch 2.1.0", "DEV001", "torch", "recommended: >=2.4.0 (Wan2.2 requirements)", ""),
    ("videogen", "gpu", "nothing is missing from the list", "DEV001", "flash-attn", "flash-attn not installed deviates", ""),
    ("zopilot", "gpu", "RTX 5090 runs on CUDA 12.4 and torch 2.5.1", "GPU001", "RTX 5090", "has no code for RTX 5090 (compute capability 12.0)", BUILD_FIX),
    ("zopilot", "gpu", "no version conflicts", "DEP004", "opencv", "opencv-python-headless (required by docstrange, easyocr) write the same files", "remove `- opencv-python==4.10.0.84`"),
    ("zopilot", "gpu", "a deterministic build", "BAS002", "nvidia/cuda:12.4.1-devel-ubuntu22.04", "is not pinned by digest", "sha256:da679129"),
    ("coaxial", "gpu", "RTX 5060 Ti is Ampere, capability 8.9", "DEV001", "RTX 5060 Ti", "RTX 5060 Ti 12.0 deviates without a reason; recommended: 8.9 (the page)", ""),
    ("coaxial", "gpu", "a CUDA 12.1 image serves that card", "GPU001", "RTX 5060 Ti", "has no code for RTX 5060 Ti (compute capability 12.0)", BUILD_FIX),
    ("coaxial", "gpu", "lightning 2.0.0 works with today's setuptools", "DEP002", "lightning", "setuptools is not pinned below 82.0.0", "`- setuptools==81.0.0`"),
    ("coaxial", "gpu", "the base is a supported one", "BAS001", "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "is listed as end of life", "nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu22.04"),
]  # fmt: skip
GPU_CLAIMS = [
    # what a seed claims of GPUs that it does not describe
    ("seedvr", "gpu", "future-proof for the next generation", "RTX 5090"),
    ("seedvr", "gpu", "future-proof for the next generation", "B200"),
]
# Claims in Dockerfiles and logs, not in pins, have their lines in tests/adopt and their rules in adopt/test_scan.py.
# training-unquoted: lightning>=2.0.0 is a redirection, and `|| true` hides a patch. restoration: the wheel's name, an
# open xformers. video-stages: numpy<2 and a later opencv, libdecord-dev, --no-binary decord, CUDA in the build log.
# documents: ranges that a resolver takes elsewhere than the log says. plain-pypi: PyPI's default is the cu124 build.
# No program can check: release dates as "latest stable", claims of speed, first-try success, what TF32 does to accuracy.


@cache
def judge_seed(name: str, gpus: tuple[str, ...] = ()) -> tuple[Result, ...]:
    context = CheckContext(
        environments=select_environments([read_seed(name)]), today=TODAY, uv="0.13.9", target_gpus=gpus
    )
    return run.run(context, judge=True)


@pytest.mark.parametrize(
    ("name", "variant", "claim", "check", "about", "message", "help_text"),
    CLAIMS,
    ids=lambda parameter: str(parameter)[:40],
)
def test_a_false_claim_has_a_finding_of_its_check_with_its_help(
    name: str, variant: str, claim: str, check: str, about: str, message: str, help_text: str
) -> None:
    findings = [
        finding
        for result in judge_seed(name)
        if (result.check, result.environment) == (check, f"{name}-{variant}")
        for finding in (*result.findings, *result.notices)
        if finding.about == about and message in finding.message and help_text in finding.help
    ]
    assert len(findings) == 1, claim
    assert findings[0].location.startswith(f"services/{name}/service.yaml:"), claim
    assert findings[0].evidence or check == "DEV001" or "docker buildx" in findings[0].help, claim


@pytest.mark.parametrize(("name", "variant", "claim", "gpu"), GPU_CLAIMS)
def test_a_claim_about_other_gpus_is_incompatible(name: str, variant: str, claim: str, gpu: str) -> None:
    (result,) = [
        result
        for result in judge_seed(name, (gpu,))
        if (result.check, result.environment) == ("GPU001", f"{name}-{variant}")
    ]
    assert result.status == "incompatible", claim
    assert [finding.about for finding in result.findings] == [gpu], claim


def test_a_claim_of_training_on_apple_hardware_is_of_a_cpu_variant() -> None:
    envs = select_environments([read_seed("coaxial")])
    assert "coaxial-arm64" in build_matrix(envs, ("RTX 5060 Ti",), ()).cpu


OTHER_FINDINGS = {
    # further findings in the seeds, none of them a claim of theirs, and each of them right
    ("lora", "DEP001", "bitsandbytes-blackwell"), ("lora", "TOR004", "cu121"), ("lora", "SRC002", "transformers"),
    ("lora", "SRC002", "diffusers"), ("lora", "SRC002", "prodigyopt"), ("lora", "SRC002", "huggingface-hub"),
    ("lora", "SRC002", "sentencepiece"),
    ("lora", "DEP006", "diffusers accelerate"),  # 0.31.0 loads bitsandbytes models with accelerate 0.26.0 or later only
    ("seedvr", "BAS002", "pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel"),
    ("videogen", "BAS002", "runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04"), ("videogen", "DEV001", "torchvision"),
    ("videogen", "DES002", "gpus"),  # its report names no card
    ("zopilot", "DEP001", "bitsandbytes-blackwell"), ("zopilot", "TOR004", "cu124"),
    ("zopilot", "BAS003", "nvidia/cuda:12.4.1-devel-ubuntu22.04"),
    ("coaxial", "BAS002", "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"), ("coaxial", "BAS002", "ubuntu:22.04"),
    ("coaxial", "BAS002", "python:3.10-slim-bookworm"), ("coaxial", "BAS001", "python:3.10-slim-bookworm"),
    ("coaxial", "BAS003", "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"), ("coaxial", "TOR004", "cu121"),
    ("coaxial", "CMP001", "compiler"),  # a runtime image, and nothing that compiles
    ("coaxial", "DEV001", "CUDA"),  # the CPU images have none, and the page says 12.1 for all
}  # fmt: skip


def test_the_seeds_have_no_other_finding() -> None:
    """Whether a new finding is right has to be reviewed."""
    reported = {
        (name, result.check, finding.about)
        for name in NAMES
        for result in judge_seed(name)
        for finding in (*result.findings, *result.notices)
    }
    claimed = {(name, check, about) for name, _, _, check, about, _, _ in CLAIMS}
    assert reported == claimed | OTHER_FINDINGS


def test_what_makes_no_image_wrong_is_a_notice() -> None:
    notices = {result.check for name in NAMES for result in judge_seed(name) if result.notices}
    assert notices == {"TOR004", "BAS003", "CMP001", "DEP006", "DES002"}


def test_right_claims_of_the_seeds_are_ok() -> None:
    """A6000 and H100 on 2.5.1+cu121, L40 on 2.7.1+cu126, the partners, the bases that exist."""
    confirmed = {
        (name, result.check, ok.about)
        for name in NAMES
        for result in judge_seed(name)
        for ok in result.evidence
    }
    assert confirmed >= {
        ("lora", "GPU001", "A6000"), ("lora", "GPU001", "H100"), ("seedvr", "GPU001", "L40"),
        ("lora", "TOR001", "torch"), ("lora", "TOR002", "torchvision"), ("lora", "TOR002", "torchaudio"),
        ("lora", "BAS001", "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"),
        ("seedvr", "BAS005", "torch"), ("videogen", "BAS004", "python"), ("videogen", "BAS005", "torch"),
        ("zopilot", "TOR001", "torch"), ("zopilot", "BAS001", "nvidia/cuda:12.4.1-devel-ubuntu22.04"),
    }  # fmt: skip
