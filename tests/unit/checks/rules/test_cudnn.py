"""ABI004: the cuDNN that packages load at run time, beside torch's, the base image's and those that are pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.checks import FILE, judge_check
from support.dependencies import make_environment
from torchpin.model import Base, Change

if TYPE_CHECKING:
    from support.fixture_types import Environments

CUDA = Base(image="nvidia/cuda:12.4.1-devel-ubuntu22.04")
CUDNN8 = Base(image="nvidia/cuda:12.2.2-cudnn8-runtime-ubuntu22.04")


def test_a_package_that_loads_cudnn_8_beside_torch_with_9(environment: Environments) -> None:
    env = make_environment(environment, "ctranslate2==4.4.0", torch="2.5.1", channel="cu121", base=CUDA)
    (finding,) = judge_check(env, "ABI004").findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:1:9", "ctranslate2", "warning")
    assert "loads cuDNN 8 " in finding.message
    assert "torch 2.5.1 from cu121 brings cuDNN 9" in finding.message
    assert finding.fix == (Change(path="layers[0].packages[0]", value="ctranslate2==4.5.0"),)
    assert finding.help.endswith("; or choose torch 2.3.1, which brings cuDNN 8")


def test_a_package_that_loads_cudnn_9_beside_torch_with_8(environment: Environments) -> None:
    env = make_environment(environment, "ctranslate2==4.5.0", torch="2.3.1", channel="cu121", base=CUDA)
    (finding,) = judge_check(env, "ABI004").findings
    assert finding.fix == (Change(path="layers[0].packages[0]", value="ctranslate2==4.6.3"),)  # loads none
    assert finding.help.endswith("; or choose torch 2.4.0, which brings cuDNN 9")


def test_the_remedy_is_one_that_the_other_pins_allow(environment: Environments) -> None:
    pins = ("ctranslate2==4.4.0", "whisperx==3.3.1")  # which requires ctranslate2<4.5
    env = make_environment(environment, *pins, torch="2.6.0", channel="cu124", base=CUDA)
    (finding,) = judge_check(env, "ABI004").findings
    assert (finding.fix, finding.help) == ((), "choose torch 2.3.1, which brings cuDNN 8")


@pytest.mark.parametrize(
    ("pins", "torch", "channel", "base", "status"),
    [
        (("ctranslate2==4.4.0",), "2.3.1", "cu121", CUDA, "ok"),
        (("ctranslate2==4.5.0",), "2.4.0", "cu118", CUDA, "ok"),
        (("ctranslate2==4.8.5",), "2.3.1", "cu121", CUDA, "not applicable"),  # it loads none
        (("ctranslate2==4.4.0",), "2.5.1", "cpu", CUDA, "not applicable"),
        (("ctranslate2==4.4.0",), "2.5.1", "cu121", CUDNN8, "ok"),
        (("ctranslate2==4.4.0",), "2.5.1", "cu121", Base(image="example.org/cuda:1"), "unknown"),
        (("ctranslate2==4.4.0", "nvidia-cudnn-cu12==8.9.7.29"), "2.5.1", "cu121", CUDA, "ok"),
        (("tqdm==4.66.5",), "2.5.1", "cu121", CUDA, "not applicable"),
    ],
)
def test_what_brings_the_cudnn(
    pins: tuple[str, ...],
    torch: str,
    channel: str,
    base: Base,
    status: str,
    environment: Environments,
) -> None:
    env = make_environment(environment, *pins, torch=torch, channel=channel, base=base)
    assert judge_check(env, "ABI004").status == status


def test_a_package_of_the_system_brings_it_too(environment: Environments) -> None:
    env = make_environment(
        environment, "ctranslate2==4.4.0", torch="2.5.1", channel="cu121", base=CUDA, apt=("libcudnn8",)
    )
    assert judge_check(env, "ABI004").status == "ok"
