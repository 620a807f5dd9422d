"""The fuzzer, for real and for seconds: what holds, and a target that does not."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        not (3, 11) <= sys.version_info < (3, 14)
        or (sys.platform, platform.machine()) != ("linux", "x86_64"),
        reason="atheris has wheels for Python 3.11 to 3.13 on Linux (x86_64) alone",
    ),
]
BROKEN = """\
from hypothesis import strategies as st

from fuzz.harness import Target
from fuzz.targets import TARGETS


def check(number):
    if number > 200:
        raise KeyError(number)


TARGETS.clear()
TARGETS["broken"] = Target(name="broken", strategy=st.integers(0, 255), check=check)
TARGETS["sound"] = Target(name="sound", strategy=st.integers(0, 255), check=lambda number: None)
"""


@pytest.fixture(scope="module")
def atheris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with atheris and, before torchpin's targets, two of the test's own."""
    folder = tmp_path_factory.mktemp("atheris")
    subprocess.run(
        ("uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder),
         "--require-hashes", "-r", str(ROOT / "requirements" / "fuzz.txt")),
        check=True,
    )  # fmt: skip
    (folder / "sitecustomize.py").write_text(BROKEN)
    return folder


def run_fuzzer(atheris: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (atheris, ROOT / "tests", ROOT / "src")))
    return subprocess.run(
        (sys.executable, "-m", "fuzz.run", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_sound_target_has_counts_and_a_corpus(atheris: Path, tmp_path: Path) -> None:
    result = run_fuzzer(atheris, tmp_path, "--minutes", "0.03", "--target", "sound", "--seed", "1")
    assert (result.returncode, result.stderr) == (0, "")
    name, inputs, checked, _, corpus, failures = result.stdout.splitlines()[-1].split()
    assert (name, failures) == ("sound", "0")
    assert min(int(inputs), int(checked), int(corpus)) > 0
    assert [*(tmp_path / ".fuzz/sound/corpus").iterdir()]


def test_a_failure_is_kept_and_can_be_repeated(atheris: Path, tmp_path: Path) -> None:
    result = run_fuzzer(atheris, tmp_path, "--minutes", "0.05", "--target", "broken", "--seed", "1")
    assert result.returncode == 1, result.stdout
    (description,) = tmp_path.glob(".fuzz/broken/crashes/KeyError-*.txt")
    assert f"failed: {description.relative_to(tmp_path)}" in result.stdout
    assert "value = 2" in description.read_text()
    data_file = description.relative_to(tmp_path).with_suffix(".bin")
    repeated = run_fuzzer(atheris, tmp_path, "--target", "broken", "--repeat", str(data_file))
    assert repeated.returncode == 1
    assert "KeyError: 2" in repeated.stderr
