"""What this machine has to get in with: variables by an index's name, netrc, uv's store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.model import Settings
from torchpin.tools import credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(credentials, "_of_uv", lambda url: "")
    credentials._authorization.cache_clear()
    yield
    credentials._authorization.cache_clear()


def test_netrc_opens_its_hosts_alone(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine corp.example login reader password p@ss/word\n")
    assert credentials.authorization("https://corp.example/simple/a/") == credentials.basic(
        "reader", "p@ss/word"
    )
    assert credentials.authorization("https://other.example/simple/a/") == ""
    assert (
        credentials.with_known("https://corp.example/simple")
        == "https://reader:p%40ss%2Fword@corp.example/simple"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/simple",
        "https://u:p@corp.example/simple",
        "file:///corp.example/x",
        "git@corp.example:a",
    ],
)
def test_an_address_that_needs_none_or_has_its_own_stays(url: str, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine corp.example login reader password x\n")
    assert credentials.with_known(url) == url


def test_a_broken_netrc_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine\nlogin login login\n")
    assert credentials.authorization("https://corp.example/simple/a/") == ""


def test_the_variables_of_an_index_s_name_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "my-corp=https://corp.example/simple")
    monkeypatch.setenv("UV_INDEX_MY_CORP_USERNAME", "reader")
    monkeypatch.setenv("UV_INDEX_MY_CORP_PASSWORD", "a:b")
    assert credentials.default_index(Settings()) == "https://reader:a%3Ab@corp.example/simple"
    mirror = Settings(mirrors={"pypi": "https://mirror.example/simple"})
    assert credentials.default_index(mirror) == "https://mirror.example/simple"
