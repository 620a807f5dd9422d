"""ABI001: the wheels that a description names by address or path fit its environments, as far as their names say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.checks import FILE, judge_check
from torchpin.model import Layer, Package, PackageFile, Position, Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments
    from torchpin.checks.registry import Result


def judged(environment: Environments, filename: str, name: str = "flash-attn", **changes: object) -> Result:
    package = Package(
        f"{name}==2.8.3",
        file=PackageFile(url=f"https://example.org/{filename.replace('+', '%2B')}", sha256="0f" * 32),
    )
    env = environment(
        **{
            "layers": (Layer(name="files", packages=(package,)),),
            "torch": Torch(version=Version("2.7.1"), companions={}),
            "positions": {"layers[0].packages[0].pin": Position(file=FILE, line=5, column=9)},
            "channel": "cu126",
            **changes,
        }
    )  # fmt: skip
    return judge_check(env, "ABI001")


@pytest.mark.parametrize(
    "filename",
    [
        "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp310-cp310-linux_x86_64.whl",
        "flash_attn-2.8.3-py3-none-any.whl",
    ],
)
def test_a_wheel_that_fits_by_its_name_is_ok(environment: Environments, filename: str) -> None:
    result = judged(environment, filename)
    assert (result.status, result.findings, result.unknown) == ("ok", (), ())
    assert filename in result.evidence[0].evidence


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        (
            "flash_attn-2.8.3+cu12torch2.6cxx11abiTRUE-cp310-cp310-linux_x86_64.whl",
            "it is for torch 2.6, but torch is 2.7.1",
        ),
        (
            "flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp310-cp310-linux_x86_64.whl",
            "its C++11 ABI is FALSE, but that of torch 2.7.1 from cu126 is TRUE",
        ),
        (
            "flash_attn-2.8.3+cu11torch2.7cxx11abiTRUE-cp310-cp310-linux_x86_64.whl",
            "it is for CUDA 11, but cu126 has CUDA 12",
        ),
        ("flash_attn-2.8.3-cp311-cp311-linux_x86_64.whl", "it does not fit Python 3.10.14 on linux/amd64"),
        ("flash_attn-2.8.3-cp310-cp310-linux_aarch64.whl", "it does not fit Python 3.10.14 on linux/amd64"),
    ],
)
def test_a_wheel_for_another_environment_is_incompatible(
    environment: Environments, filename: str, why: str
) -> None:
    (finding,) = judged(environment, filename).findings
    assert finding.message == f"{filename} does not fit: {why}"
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:5:9", "flash-attn", "error")
    assert finding.help.startswith("name the wheel for torch 2.7.1 from cu126 and Python 3.10.14")


def test_what_no_fact_tells_of_the_abi_is_unknown(environment: Environments) -> None:
    filename = "kernels-2.8.3+cu12torch2.6cxx11abiTRUE-cp310-cp310-linux_x86_64.whl"
    torch = Torch(version=Version("2.6.0"), companions={})
    result = judged(environment, filename, "kernels", torch=torch, channel="cu121")
    assert result.unknown == (f"{filename}: the C++11 ABI of torch 2.6.0 from cu121 is not in the facts",)
