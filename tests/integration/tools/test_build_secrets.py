"""A private index at build time: what this machine has to get in goes into the secret of the build, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.model import Index, Settings
from torchpin.tools import buildx, credentials

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CORP = Index(name="corp", url="https://wheels.invalid/simple")


def script(settings: Settings) -> str:
    with buildx.secret_files(settings, (CORP,)) as secrets:
        assert {*secrets} <= {"network", "ca"}
        assert all(path.stat().st_mode & 0o077 == 0 for name, path in secrets.items() if name == "network")
        return secrets["network"].read_text() if "network" in secrets else ""


def use_netrc(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text)
    monkeypatch.setenv("NETRC", str(path))
    credentials._authorization.cache_clear()


def test_an_index_with_credentials_on_this_machine_is_its_own_mirror_in_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_netrc(tmp_path / "netrc", "machine wheels.invalid login user password S3:CRET\n", monkeypatch)
    line = "export TORCHPIN_MIRROR_CORP=https://user:S3%3ACRET@wheels.invalid/simple\n"
    assert script(Settings()).startswith(line)


def test_a_variable_of_the_index_gives_its_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_netrc(tmp_path / "netrc", "", monkeypatch)
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "user")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "S3CRET")
    assert "export TORCHPIN_MIRROR_CORP=https://user:S3CRET@wheels.invalid/simple\n" in script(Settings())


def test_a_public_index_is_no_secret_and_a_mirror_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_netrc(tmp_path / "netrc", "machine elsewhere.invalid login user password S3CRET\n", monkeypatch)
    assert "CORP" not in script(Settings())
    mirrored = script(Settings(mirrors={"corp": "https://mirror.invalid/simple"}))
    assert "export TORCHPIN_MIRROR_CORP=https://mirror.invalid/simple\n" in mirrored
