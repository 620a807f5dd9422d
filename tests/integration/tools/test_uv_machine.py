"""A lock is the same on every machine: uv's own settings say where packages are reached, and nothing else; private indexes."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from support.private_index import PASSWORD, USER, serve_privately
from support.stub_service import CHANNELS, environment
from torchpin.errors import InputError, ToolError
from torchpin.lock import file_format
from torchpin.model import Settings
from torchpin.tools import credentials, file_sizes, http, index_server, uv, uv_export, uv_resolve

if TYPE_CHECKING:
    from pathlib import Path

    from support.private_index import PrivateServer
    from torchpin.model import Lock


# What changes a resolution, as people have it for other projects.
SETTINGS = """\
exclude-newer = "2015-01-01"
resolution = "lowest"
prerelease = "allow"
torch-backend = "cu121"
no-binary-package = ["sympy"]
constraint-dependencies = ["sympy<1.14"]
override-dependencies = ["sympy==1.13.1"]
no-build = true
index-strategy = "unsafe-best-match"
find-links = ["https://127.0.0.1:9/links"]
required-version = "==0.1.0"
[[index]]
name = "further"
url = "http://127.0.0.1:9/simple"
[pip]
no-index = true
resolution = "lowest-direct"
"""
VARIABLES = {
    "UV_NO_BINARY_PACKAGE": "sympy",
    "UV_NO_BUILD_PACKAGE": "sympy",
    "UV_EXCLUDE_NEWER": "2015-01-01",
    "UV_RESOLUTION": "lowest",
    "UV_REQUIRE_HASHES": "1",
    "UV_WORKING_DIR": "/",
    "UV_NO_SOURCES": "1",
    "UV_SYSTEM_PYTHON": "1",
}


def resolve(
    base: str, *, pypi: str | None = None, index: str | None = None, current: Lock | None = None
) -> Lock:
    mirrors = {"pypi": f"{base}/pypi/"} if pypi is None else {"pypi": pypi} if pypi else {}
    settings = replace(Settings(), mirrors=MappingProxyType(mirrors))
    return uv_resolve.resolve(
        environment(), settings, index=index or f"{base}/cpu/", current=current, published={}
    )


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of nobody: uv's settings, netrc, its store of credentials; one cache for all, where uv keeps what it finds."""
    home = tmp_path / "home"
    (home / ".config/uv").mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith(("UV_", "XDG_"))] + ["NETRC"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    http._accepted.clear()
    credentials._authorization.cache_clear()
    file_sizes.fetch_size.cache_clear()
    return home


def test_settings_of_uv_that_choose_versions_change_no_lock(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's, the system's, those of the folders above the one that uv works in, and uv's variables."""
    work = tmp_path / "work"
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("TMPDIR", str(work / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    project = SETTINGS.replace("[pip]", "[tool.uv.pip]").replace("[[index]]", "[[tool.uv.index]]")
    members = '[tool.uv.workspace]\nmembers = ["tmp/*"]\n[tool.uv.sources]\nsympy = { index = "further" }\n'
    (work / "tmp").mkdir(parents=True)
    with index_server.serve(CHANNELS) as base:
        expected = file_format.lock_texts(resolve(base))
        for file, text in {
            home / ".config/uv/uv.toml": SETTINGS,
            tmp_path / "etc/uv/uv.toml": SETTINGS,
            work / "uv.toml": SETTINGS,
            work / "pyproject.toml": f"{members}[tool.uv]\n{project}",
        }.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)
        assert file_format.lock_texts(resolve(base)) == expected
    assert "".join(expected.values()).count("\nsympy==1.14.0 --hash") == 1


def test_the_default_index_of_uv_s_settings_stands_for_pypi(home: Path) -> None:
    with index_server.serve(CHANNELS) as base:
        (home / ".config/uv/uv.toml").write_text(
            f'{SETTINGS}[[index]]\nname = "corp"\nurl = "{base}/pypi/"\ndefault = true\n'
        )
        assert resolve(base, pypi="") == resolve(base)


def test_settings_of_uv_that_cannot_be_read_are_named(home: Path) -> None:
    (home / ".config/uv/uv.toml").write_text('index-url = "x"\noffline = "perhaps"\n')
    with pytest.raises(InputError) as excinfo:
        uv.uv_environment(Settings())
    assert str(excinfo.value) == (
        f"{home}/.config/uv/uv.toml:2:1: offline: expected true or false\n"
        "uv is configured there; correct it, or set UV_NO_CONFIG=1"
    )


def write_netrc(home: Path, server: PrivateServer) -> None:
    (home / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")


def log_in(home: Path, server: PrivateServer) -> None:
    command = (uv.uv_executable(), "auth", "login", server.base, "--username", USER, "--password", "-")
    subprocess.run(command, input=PASSWORD, text=True, check=True, capture_output=True)


def lock_privately(server: PrivateServer, pypi: str | None = None) -> Lock:
    lock = resolve(server.base, pypi=pypi)
    texts = "".join(file_format.lock_texts(lock).values())
    assert PASSWORD not in texts
    assert USER not in texts
    assert "://" not in texts
    assert {name: package.version for name, package in lock.packages.items()} == {
        "torch": "2.5.1+cpu",
        "sympy": "1.14.0",
        "api": "1.0",
    }
    return lock


@pytest.mark.parametrize("let_in", [write_netrc, log_in])
def test_a_private_index_is_read_by_uv_and_by_torchpin_with_what_uv_knows(let_in: object, home: Path) -> None:
    assert callable(let_in)
    with index_server.serve(CHANNELS) as base, serve_privately(CHANNELS) as server:
        let_in(home, server)
        lock = lock_privately(server)
        # sizes, licenses and the contents of wheels are read by torchpin itself
        assert file_format.lock_texts(lock) == file_format.lock_texts(resolve(base))
        locations = uv_export.file_locations(
            environment(), lock.packages.values(), Settings(mirrors={"pypi": f"{server.base}/pypi/"}),
            index=f"{server.base}/cpu/",
        )  # fmt: skip
        assert not any(USER in location.url for location in locations.values())
    # who was let in once has its header at once from then on
    ranges = [header for command, path, header in server.seen if path.endswith(".whl")]
    assert ranges.count(None) <= 1 + 8  # those that ran while the first was answered


def test_a_private_index_is_read_with_the_variables_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_privately(CHANNELS) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"corp={server.base}/pypi/")
        for name in ("CORP", "CPU"):
            monkeypatch.setenv(f"UV_INDEX_{name}_USERNAME", USER)
            monkeypatch.setenv(f"UV_INDEX_{name}_PASSWORD", PASSWORD)
        lock_privately(server, pypi="")


def test_without_credentials_a_private_index_is_refused_by_name(home: Path) -> None:
    with serve_privately(CHANNELS) as server, pytest.raises(ToolError) as excinfo:
        resolve(server.base)
    assert "401" in str(excinfo.value)


def test_a_size_that_a_server_does_not_tell_is_not_published(home: Path) -> None:
    channels = {
        channel: {name: [replace(file, size=None) for file in files] for name, files in packages.items()}
        for channel, packages in CHANNELS.items()
    }
    with serve_privately(channels, head_status=403) as server:
        write_netrc(home, server)
        lock = lock_privately(server)
    assert {package.size for package in lock.packages.values()} == {None}
