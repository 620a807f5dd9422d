"""Channels and releases of torch, and the C++11 ABI of each build."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.facts.load import build_row, load_table
from torchpin.facts.rows import Channel, CompleteSeries, OtherChannel, PypiWheels, TorchRelease
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def channels() -> tuple[Channel, ...]:
    """Every channel, in the order of the table: by CUDA version."""
    return tuple(build_row(Channel, row) for row in load_table("channels")["channels"])


def channel(name: str) -> Channel | None:
    """The channel of a name such as `cu121`; None: not in the facts."""
    return next((row for row in channels() if row.name == name), None)


def channel_cuda(name: str) -> str | None:
    """The CUDA version in the name of a channel, known or not: `cu92` is 9.2, `cu121` is 12.1. None: it has none."""
    match = re.fullmatch(r"cu(\d+)(\d)", name)
    return f"{match[1]}.{match[2]}" if match else None


def complete_series(version: str) -> CompleteSeries | None:
    """The row by which all channels of a torch version's series are known; None: there is none."""
    series = major_minor(version)
    rows = load_table("channels")["complete"]
    return next((build_row(CompleteSeries, row) for row in rows if series in row["series"]), None)


@cache
def _pypi_wheels() -> Mapping[tuple[str, str], PypiWheels]:
    rows = load_table("pypi_wheels")["wheels"]
    return {(row["package"], row["version"]): build_row(PypiWheels, row) for row in rows}


def pypi_wheels(package: str, version: str) -> PypiWheels | None:
    """PyPI's wheels of a version of torch, torchvision or torchaudio, with or without local part; None: not in the facts."""
    return _pypi_wheels().get((package, version.partition("+")[0]))


@cache
def other_channel(name: str) -> OtherChannel | None:
    """What a channel such as `rocm6.3` has, where torchpin builds nothing from it; None: another channel."""
    rows = (build_row(OtherChannel, row) for row in load_table("other_channels")["channels"])
    return next((row for row in rows if re.fullmatch(row.pattern, name)), None)


@cache
def releases() -> tuple[TorchRelease, ...]:
    """Every release of torch in the facts."""
    return tuple(build_row(TorchRelease, row) for row in load_table("torch")["releases"])


@cache
def release_versions() -> tuple[Version, ...]:
    """The versions of torch in the facts, in ascending order."""
    return tuple(sorted(Version(row.version) for row in releases()))


def release(version: str) -> TorchRelease | None:
    """The release of a version, with or without local part: `2.5.1` and `2.5.1+cu121` give the same. None: not in the facts."""
    public = version.partition("+")[0]
    return next((row for row in releases() if row.version == public), None)


def cxx11_abi(torch_version: str, channel: str) -> int | None:
    """The C++11 ABI of a torch build for x86_64 (0 or 1); None: not in the facts. Only for 2.6.0 does it depend on the channel."""
    from packaging.specifiers import SpecifierSet

    public = torch_version.partition("+")[0]
    for row in load_table("torch")["abi"]:
        if channel in row.get("channels", (channel,)) and SpecifierSet(row["torch"]).contains(
            public, prereleases=True
        ):
            return int(row["cxx11_abi"])
    return None
