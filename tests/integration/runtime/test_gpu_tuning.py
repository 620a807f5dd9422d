"""The settings for a GPU with a real torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.real_torch import TorchPython


def test_without_a_gpu_nothing_is_tuned(real: TorchPython, version: str) -> None:
    lines = real.run("gpu_tuning.py").splitlines()
    assert lines[:5] == [
        f"PyTorch: {version}",
        "Device: none",
        "cudnn.benchmark: False",
        "TF32 enabled: False",
        "float32 matmul precision: highest",
    ]
    assert lines[5] == "Trainer: accelerator='cpu', devices=1, precision=32"
    assert lines[-1].startswith("warning: nothing was set: ")


FLAGS = """
import warnings
warnings.simplefilter("ignore")
import torch
warnings.simplefilter("error")
import gpu_tuning
assert gpu_tuning.apply(torch, (7, 5)) == []
before = gpu_tuning.flags(torch)
assert gpu_tuning.apply(torch, (8, 9)) == gpu_tuning.apply(torch, (8, 9)) == []
print(before, gpu_tuning.flags(torch))
"""


def test_a_real_torch_takes_every_setting(real: TorchPython) -> None:
    set_before_ampere = {
        "cudnn_benchmark": True,
        "matmul_allow_tf32": False,
        "float32_matmul_precision": "highest",
    }
    set_since = {"cudnn_benchmark": True, "matmul_allow_tf32": True, "float32_matmul_precision": "high"}
    assert real.run("-c", FLAGS) == f"{set_before_ampere} {set_since}\n"
