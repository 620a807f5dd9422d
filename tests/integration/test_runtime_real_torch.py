"""The scripts of every image with a real torch, where one can be had without a network.

That is the torch of the Python that runs these tests, or else a wheel in the folder that TORCHPIN_TORCH_WHEELS names
(torch's wheel alone is enough: its dependencies are taken from there, or from the Python that runs these tests).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

RUNTIME = Path(__file__).parents[2] / "docker" / "runtime"
VARIABLE = "TORCHPIN_TORCH_WHEELS"
NEEDED = "typing_extensions"  # all that `import torch` needs of others


class TorchPython(NamedTuple):
    """A Python that can import torch, and where it finds what torch's own environment lacks."""

    python: str
    path: str = ""

    def run(self, *command: str) -> str:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        result = subprocess.run(
            (self.python, "-B", *command),
            env={**environ, **({"PYTHONPATH": self.path} if self.path else {}), "CUDA_VISIBLE_DEVICES": ""},
            cwd=RUNTIME,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


def from_wheels(folder: str, home: Path) -> TorchPython:
    uv = (sys.executable, "-m", "uv")
    python = str(home / "bin" / "python")
    install = (*uv, "pip", "install", "--offline", "--no-index", "--find-links", folder, "--python", python)
    venv_result = subprocess.run(
        (*uv, "venv", "--no-project", "--offline", "--python", sys.executable, str(home)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert venv_result.returncode == 0, venv_result.stderr
    for options in ((), ("--no-deps",)):
        result = subprocess.run((*install, *options, "torch"), capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return TorchPython(python, sysconfig.get_paths()["purelib"] if options else "")
    return pytest.skip(f"{VARIABLE}={folder} has no torch for this Python: {result.stderr.strip()}")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> TorchPython:
    if importlib.util.find_spec("torch"):
        return TorchPython(sys.executable)
    folder = os.environ.get(VARIABLE)
    if not folder:
        return pytest.skip(f"no torch in {sys.executable}, and {VARIABLE} names no folder with a wheel of it")
    if importlib.util.find_spec(NEEDED) is None:
        return pytest.skip(f"no {NEEDED} in {sys.executable}, which torch imports")
    return from_wheels(folder, tmp_path_factory.mktemp("real") / "venv")


@pytest.fixture(scope="module")
def version(real: TorchPython) -> str:
    return real.run("-W", "ignore", "-c", "import torch; print(torch.__version__)").strip()


def test_the_probe_describes_a_real_torch(real: TorchPython, version: str) -> None:
    answer = json.loads(real.run("probe.py", "--import", "torch.nn"))
    torch = answer["torch"]
    assert torch["version"] == version
    assert isinstance(torch["cxx11_abi"], bool)
    assert len(torch["git_version"]) == 40
    assert bool(torch["archs"]) is (torch["cuda"] is not None)
    assert answer["imports"] == {"torch.nn": None}
    assert answer["distributions"]["torch"].partition("+")[0] == version.partition("+")[0]


def test_the_proof_holds_a_real_torch_to_its_build(real: TorchPython, version: str, tmp_path: Path) -> None:
    answer = json.loads(real.run("probe.py"))
    expect = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "distributions": answer["distributions"],
        "torch": {"version": version, "cuda": answer["torch"]["cuda"], "archs": answer["torch"]["archs"]},
        "imports": ["torch"],
    }
    (tmp_path / "expect.json").write_text(json.dumps(expect))
    assert json.loads(real.run("probe.py", "--expect", str(tmp_path / "expect.json")))["torch"]


def test_the_report_and_the_log_tell_a_real_torch(real: TorchPython, version: str) -> None:
    report = real.run("envreport.py", "--", "torch").splitlines()
    assert f"PyTorch version: {version}" in report
    assert "CUDA available: False" in report
    logged = real.run(
        "-W", "ignore", "-c", "import envreport; envreport.log(style='flash-attention')"
    ).splitlines()
    assert logged[0] == "--- ENVIRONMENT INFO (for flash-attention compatibility) ---"
    assert logged[2] == f"PyTorch version: {version}"
    assert logged[4:] == [
        "CUDA available: False",
        "Flash-attention version: not installed",
        "--- END ENVIRONMENT INFO ---",
    ]


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
    assert lines[-1].startswith("warning: nothing is set: ")


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
