"""The channels of torch in addresses of indexes and in versions."""

from __future__ import annotations

import re

from torchpin import facts

# The index of PyTorch or of a mirror, and NVIDIA's of Jetson: nightly/cu128 and jp6/cu126 are no builds of cu128 and cu126.
_CHANNEL = re.compile(
    r"/whl/((?:nightly/|test/)?(?:cpu|cu\d+|rocm[\d.]+|xpu))/?$|jetson-ai-lab[^/]*/((?:jp\d+|sbsa)/cu\d+)(?:/|$)"
)
# Addresses of the vendors' own: AMD's, Intel's, and NVIDIA's for Jetson. They name what is there and not always a version.
_VENDORS = (
    (re.compile(r"repo\.radeon\.com/rocm/\S*?rocm-rel-(?P<version>[\d.]*\d)"), "rocm{version}"),
    (re.compile(r"//(?:rocm|repo\.radeon)\.[\w.-]*/|/rocm-?(?P<version>[\d.]*\d)?(?:/|$)"), "rocm{version}"),
    (re.compile(r"intel\.com/[\w/.-]*\bxpu\b"), "xpu"),
    (re.compile(r"developer\.download\.nvidia\.com/compute/redist/jp/v?(?P<version>\d+)"), "jp{version}"),
)
_PYPI = re.compile(r"//pypi(?:\.[\w.-]+)?/simple/?$|/pypi/(?:web/)?simple/?$", re.IGNORECASE)
LOCAL = re.compile(r"cpu|cu\d+|rocm[\d.]+|xpu")


def index_channel(url: str) -> str:
    """The channel of the address of a PyTorch index, of its mirror or of a vendor's: `…/whl/cu126` is cu126; "" for others."""
    match = _CHANNEL.search(url)
    if match:
        return match[1] or match[2]
    for pattern, name in _VENDORS:
        match = pattern.search(url)
        if match:
            return name.format(version=match.groupdict().get("version") or "")
    return ""


def other_vendor(channel: str) -> str:
    """What a channel has that torchpin has no builds for (ROCm, XPU, nightly, Jetson), "" for CUDA's and the CPU's."""
    row = facts.other_channel(channel)
    if row:
        return row.what
    return "builds for AMD GPUs (ROCm)" if channel.startswith("rocm") else ""


def is_pypi(url: str) -> bool:
    """Whether an address is PyPI's, or that of a mirror of it by its usual path; "" is PyPI."""
    return not url or bool(_PYPI.search(url))


def version_channel(version: str) -> str:
    """The channel in the local part of a version: `2.7.1+cu128` is cu128, "" for none."""
    local = version.partition("+")[2]
    return local if LOCAL.fullmatch(local) else ""
