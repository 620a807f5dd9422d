"""The versions that an environment is pinned to, without a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.checks import make_torch
from torchpin.compat.pins import cudnn_version, list_pins

if TYPE_CHECKING:
    from support.fixture_types import Environments


def test_triton_and_cudnn_are_pinned_by_torch(environment: Environments) -> None:
    pins = list_pins(environment(torch=make_torch("2.5.1"), channel="cu121"), None)
    assert (str(pins["triton"].version), pins["triton"].path) == ("3.1.0", "")
    assert pins["triton"].known_from.startswith("pinned by torch 2.5.1 (")
    assert str(pins["cudnn"].version) == "9.1.0.70"


def test_a_cpu_build_has_neither(environment: Environments) -> None:
    pins = list_pins(environment(torch=make_torch("2.5.1"), channel="cpu"), None)
    assert not {"triton", "cudnn"} & {*pins}


def test_the_cudnn_of_another_machine_is_not_in_the_facts(environment: Environments) -> None:
    assert cudnn_version(environment(torch=make_torch("2.5.1"), platform="linux/arm64")) is None
