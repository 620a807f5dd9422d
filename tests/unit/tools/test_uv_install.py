"""The command that installs a layer natively."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.image import plan
from torchpin.tools import uv, uv_install

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("builds", "options"),
    [
        (False, ("--no-build",)),
        (
            True,
            (
                "--preview-features",
                "build-dependency-hashes",
                "--require-build-hashes",
                "--build-constraints",
            ),
        ),
    ],
)
def test_a_layer_is_installed_natively_as_in_the_image(
    tmp_path: Path, builds: bool, options: tuple[str, ...]
) -> None:
    step = plan.InstallStep(
        file="02-a.requirements.txt", origin="pypi", index=None, mirror="M", optional=False, builds=builds
    )
    command = uv_install.install_command(step, tmp_path / "venv", tmp_path / "layers")
    constraints = (str(tmp_path / "layers" / "build.requirements.txt"),) if builds else ()
    assert command == (
        uv.uv_executable(), "pip", "install", "--python", str(tmp_path / "venv"), "--no-deps", "--require-hashes", *options, *constraints,
        "--requirements", str(tmp_path / "layers" / "02-a.requirements.txt"),
    )  # fmt: skip
