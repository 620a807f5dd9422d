"""uv's commands, its environment variables and its errors."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.addresses import ADDRESS
from torchpin.compat.pins import list_pins
from torchpin.errors import ToolError
from torchpin.model import Settings
from torchpin.tools import process, uv, uv_compile

if TYPE_CHECKING:
    from pathlib import Path

    from support.fixture_types import Environments

COMMON = (
    "--no-python-downloads",
    "--python-version",
    "3.10.14",
    "--python-platform",
    "x86_64-manylinux_2_28",
)


def test_pins_are_compiled_with_who_wants_them(environment: Environments) -> None:
    assert uv_compile.compile_command(environment(), "pins.txt", upgrade=("tqdm", "toml")) == (
        uv.uv_executable(), "pip", "compile", "pyproject.toml", "--quiet", "--output-file", "pins.txt",
        "--annotation-style", "line", "--no-header", *COMMON, "--upgrade-package", "tqdm", "--upgrade-package", "toml",
    )  # fmt: skip


def test_a_lock_is_compiled_as_pylock(environment: Environments) -> None:
    assert uv_compile.compile_command(environment(), "pylock.toml", extra=("--no-deps",)) == (
        uv.uv_executable(), "pip", "compile", "pyproject.toml", "--quiet", "--output-file", "pylock.toml",
        "--format", "pylock.toml", *COMMON, "--no-deps",
    )  # fmt: skip


def test_another_platform_and_python_are_resolved_for_themselves(environment: Environments) -> None:
    env = environment(platform="linux/arm64", python=Version("3.12.8"))
    command = uv_compile.compile_command(env, "pins.txt")
    assert command[-4:] == ("--python-version", "3.12.8", "--python-platform", "aarch64-manylinux_2_28")


@pytest.mark.parametrize(
    "name",
    [
        "UV_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_EXCLUDE_NEWER",
        "UV_PRERELEASE",
        "UV_TORCH_BACKEND",
        "VIRTUAL_ENV",
    ],
)
def test_what_would_change_a_resolution_is_hidden_from_uv(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert name not in uv.uv_environment(Settings())


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_CACHE_DIR", "SSL_CERT_FILE", "HTTPS_PROXY"])
def test_how_a_machine_reaches_the_world_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert uv.uv_environment(Settings())[name] == "x"


def test_mirrors_are_what_uv_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "x")
    mirrors = {"pypi": "http://127.0.0.1/simple", "python": "http://127.0.0.1/python", "cu121": "y"}
    variables = uv.uv_environment(Settings(mirrors=mirrors))
    assert variables["UV_DEFAULT_INDEX"] == mirrors["pypi"]
    assert variables["UV_PYTHON_INSTALL_MIRROR"] == mirrors["python"]


def test_what_uv_says_is_told_without_credentials(
    environment: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed = subprocess.CompletedProcess(("uv",), 2, "", f"error: no answer from {ADDRESS}\n")
    monkeypatch.setattr(process, "run", lambda *command, **options: completed)
    with pytest.raises(ToolError) as excinfo:
        uv_compile.run_compile(environment(), Settings(), tmp_path, ("uv",))
    assert str(excinfo.value).endswith(
        "    error: no answer from https://mirror.example/a-1-py3-none-any.whl"
    )


def test_a_version_that_no_index_has_is_named_with_its_place_and_help(
    environment: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment()
    pin = list_pins(env, None)["tqdm"]
    text = f"Because there is no version of tqdm=={pin.version} and lora depends on it"
    completed = subprocess.CompletedProcess(("uv",), 1, "", f"  x No solution found:\n    `-> {text}\n")
    monkeypatch.setattr(process, "run", lambda *command, **options: completed)
    with pytest.raises(uv_compile.NoSolutionError) as excinfo:
        uv_compile.run_compile(env, Settings(), tmp_path, ("uv",))
    place, help_line, *uv_lines = str(excinfo.value).splitlines()
    assert place == f"{pin.location}: tqdm=={pin.version}: no index has this version"
    assert help_line.startswith("  help: choose one that exists; `invoke add lora tqdm` takes the newest")
    assert uv_lines == ["    x No solution found:", f"      `-> {text}"]
