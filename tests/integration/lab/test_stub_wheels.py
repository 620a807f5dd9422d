"""Stub wheels installed by real uv from the loopback index."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING

from support.uv_commands import run_uv
from torchpin.lab import stub_wheels
from torchpin.tools import index_server

if TYPE_CHECKING:
    from pathlib import Path

PYTHON_TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"
# What the stubs report where the real packages do.
REPORT = """
import importlib.metadata, torch, torchaudio, torchvision
print(torch.__version__, torch.version.cuda, len(torch.version.git_version), torch._C._cuda_getArchFlags())
print(torch._C._GLIBCXX_USE_CXX11_ABI, torch.compiled_with_cxx11_abi(), torch.backends.cudnn.version())
print(torch.cuda.is_available(), torch.cuda.device_count(), torch.cuda.get_arch_list(), torch.__torchpin_stub__)
print(torchvision.__version__, torchaudio.__version__, importlib.metadata.version("torch"))
"""


def test_a_stand_in_installs_with_uv_and_answers(tmp_path: Path) -> None:
    files = stub_wheels.torch_family(
        version="2.5.1",
        local="cu121",
        companions={"torchvision": "0.20.1", "torchaudio": "2.5.1"},
        cuda="12.1",
        archs=("sm_80", "sm_90"),
        cudnn=90100,
        python_tag=PYTHON_TAG,
        platform=f"linux_{platform.machine()}",
        requires=(),
    )
    pages = {
        name: [file for file in files if file.filename.startswith(f"{name}-")]
        for name in ("torch", "torchvision", "torchaudio")
    }
    with index_server.serve({"cu121": pages}) as base:
        assert run_uv("venv", "--python", sys.executable, "env", folder=tmp_path).returncode == 0
        options = (
            "--python",
            "env",
            "--cache-dir",
            str(tmp_path / "cache"),
            "--default-index",
            f"{base}/cu121/",
        )
        result = run_uv(
            "pip", "install", *options, "torchvision==0.20.1", "torchaudio", "torch", folder=tmp_path
        )
    assert result.returncode == 0, result.stderr
    python = tmp_path / "env" / "bin" / "python"
    python_result = subprocess.run(
        (python, "-W", "error", "-c", REPORT), text=True, capture_output=True, check=True
    )
    assert python_result.stdout.splitlines() == [
        "2.5.1+cu121 12.1 40 sm_80 sm_90",
        "False False 90100",
        "False 0 [] True",
        "0.20.1+cu121 2.5.1+cu121 2.5.1+cu121",
    ]


def test_uv_refuses_a_stand_in_whose_bytes_are_not_the_published_ones(tmp_path: Path) -> None:
    name, content = stub_wheels.build_wheel("a", "1", modules={"a.py": ""})
    wrong = index_server.File(filename=name, sha256="0" * 64, content=content)
    with index_server.serve({"cpu": {"a": (wrong,)}}) as base:
        assert run_uv("venv", "--python", sys.executable, "env", folder=tmp_path).returncode == 0
        options = (
            "--python",
            "env",
            "--cache-dir",
            str(tmp_path / "cache"),
            "--default-index",
            f"{base}/cpu/",
        )
        (tmp_path / "requirements.txt").write_text(f"a==1 --hash=sha256:{'0' * 64}\n")
        result = run_uv(
            "pip", "install", "--require-hashes", *options, "-r", "requirements.txt", folder=tmp_path
        )
    assert result.returncode != 0
    assert "Hash mismatch" in result.stderr
