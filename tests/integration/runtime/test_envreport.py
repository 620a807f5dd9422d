"""The environment report beside a real torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.real_torch import TorchPython


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
