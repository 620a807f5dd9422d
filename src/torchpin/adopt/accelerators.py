"""Images that are not drafted, and why: those for other accelerators than NVIDIA's GPUs."""

from __future__ import annotations

import re

from torchpin.project.channels import other_vendor

# By the names of their images, with the registry: of AMD, NVIDIA's boards, Intel, Huawei, Intel's Gaudi, Google and others.
_IMAGES = (
    ("AMD GPUs (ROCm)", r"(?:^|/)rocm/|[:/_.-](?:rocm|hip)(?![a-z])"),
    (
        "Jetson boards (L4T)",
        r"(?:^|/)dustynv/|[/:_.-](?:l4t|jetson|jetpack|tegra)(?![a-z])|[.-]igpu$|-r3[2-6]\.\d",
    ),
    ("Intel GPUs (XPU)", r"[/:_.-]xpu(?![a-z])|(?:^|/)intel/oneapi|[/:]oneapi"),
    ("Ascend NPUs (CANN)", r"(?:^|/)ascend(?:ai|hub)?/|[/:_.-](?:cann|npu)(?![a-z])"),
    ("Gaudi accelerators", r"habana|[/:_.-](?:gaudi|hpu)\d*(?![a-z])"),
    ("TPUs", r"[/:_.-](?:tpu|xla)(?![a-z])"),
    ("MUSA GPUs", r"(?:^|/)mthreads/|[/:_.-]musa(?![a-z])"),
    ("Cambricon MLUs", r"(?:^|/)cambricon/|[/:_.-](?:mlu|camb)\d*(?![a-z])"),
    ("MetaX GPUs", r"[/:_.-](?:maca|metax)(?![a-z])"),
    ("Hygon DCUs", r"[/:_.-]dcu(?![a-z])"),
    ("Enflame GCUs", r"[/:_.-](?:gcu\d*|enflame)(?![a-z])"),
    ("Iluvatar GPUs", r"[/:_.-](?:corex|iluvatar)(?![a-z])"),
    ("Kunlun XPUs", r"[/:_.-](?:kxpu|kunlun|kunlunxin)(?![a-z])"),
)
_PACKAGES = {
    "torch-npu": "Ascend NPUs (CANN)", "torch-xla": "TPUs", "torch-musa": "MUSA GPUs", "habana-torch-plugin": "Gaudi accelerators",
    "pytorch-triton-rocm": "AMD GPUs (ROCm)", "pytorch-triton-xpu": "Intel GPUs (XPU)",
}  # fmt: skip


def image_accelerator(image: str) -> str:
    """What an image is for other than NVIDIA's GPUs and CPUs, "" where its name says nothing of that kind."""
    name = image.partition("@")[0].lower()
    return next((hardware for hardware, pattern in _IMAGES if re.search(pattern, name)), "")


def other_accelerator(image: str, channel: str, packages: dict[str, str]) -> str:
    """Why an image is for another accelerator, "" for one for NVIDIA's GPUs or CPUs.

    `packages`: what is installed, with its place.
    """
    if hardware := image_accelerator(image):
        return f"the base image {image} is for {hardware}"
    if hardware := other_vendor(channel):
        return f"torch comes from {channel}, which has {hardware}"
    name = next((name for name in packages if name in _PACKAGES), "")
    return f"{name} ({packages[name]}) is for {_PACKAGES[name]}" if name else ""
