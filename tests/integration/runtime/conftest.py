"""A Python with a real torch."""

from __future__ import annotations

import pytest

from support.real_torch import TorchPython, find_torch_python


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> TorchPython:
    return find_torch_python(tmp_path_factory.mktemp("real") / "venv")


@pytest.fixture(scope="session")
def version(real: TorchPython) -> str:
    return real.run("-W", "ignore", "-c", "import torch; print(torch.__version__)").strip()
