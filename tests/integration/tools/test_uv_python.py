"""The Python that uv builds with is looked for once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from torchpin.errors import InputError
from torchpin.tools import process, uv_python

RELEASE = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_an_installed_python_is_found_once_and_again_on_another_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / f"python{RELEASE}"
    program.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    option, path = uv_python.python_options(RELEASE)
    assert option == "--python"
    assert (
        process.run((path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")).stdout.strip()
        == RELEASE
    )

    program.unlink()  # it is not looked for again
    assert uv_python.python_options(RELEASE) == (option, path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    assert uv_python.python_options(RELEASE) == ()


def test_without_the_release_another_one_builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    assert Path(uv_python.python_options("3.9")[1]).exists()


@pytest.mark.parametrize("release", ["3.12", "3.12.10"])
def test_a_python_that_uv_can_install_is_known(release: str) -> None:
    uv_python.require_known_release(release)


@pytest.mark.parametrize(
    ("release", "advice"), [("3.12.99", "the newest of 3.12 is 3.12."), ("3.99", "it knows no Python 3.99")]
)
def test_a_python_that_uv_does_not_know_is_refused_with_what_there_is(release: str, advice: str) -> None:
    with pytest.raises(InputError, match=f"does not know Python {release}; {advice}"):
        uv_python.require_known_release(release)
