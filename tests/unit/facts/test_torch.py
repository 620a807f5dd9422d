"""Channels, torch releases and their C++11 ABI."""

from __future__ import annotations

import pytest

from torchpin import facts


def test_a_channel_knows_where_it_ends() -> None:
    cu121 = facts.channel("cu121")
    assert cu121 is not None
    assert (cu121.cuda, cu121.first, cu121.last, cu121.ended) == ("12.1", "2.1.0", "2.5.1", True)
    assert cu121.url == "https://download.pytorch.org/whl/cu121"
    assert cu121.series[-1] == "2.5"


def test_the_cpu_channel_has_no_cuda_and_pypi_has_no_address() -> None:
    cpu, pypi = facts.channel("cpu"), facts.channel("pypi")
    assert cpu is not None
    assert cpu.cuda is None
    assert pypi is not None
    assert pypi.url is None


def test_an_unknown_channel_is_none() -> None:
    assert facts.channel("cu999") is None


def test_a_release_has_the_columns_of_its_wheel() -> None:
    release = facts.release("2.5.1+cu121")
    assert release is facts.release("2.5.1")
    assert release is not None
    assert (release.triton, release.pypi_local, release.cudnn, release.cxx11_abi) == (
        "3.1.0",
        "cu124",
        "9.1.0.70",
        0,
    )
    assert "cp310" in release.wheel_pythons
    assert facts.release("2.5.9") is None


@pytest.mark.parametrize(
    ("torch", "channel", "abi"),
    [
        ("2.5.1+cu121", "cu121", 0),
        ("2.6.0", "cu124", 0),
        ("2.6.0", "cu126", 1),
        ("2.6.0", "cpu", None),
        ("2.7.1", "cu128", 1),
    ],
)
def test_the_abi_depends_on_release_and_channel(torch: str, channel: str, abi: int | None) -> None:
    assert facts.cxx11_abi(torch, channel) == abi
