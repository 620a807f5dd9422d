"""The doctor's question to an index on the loopback that wants credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.commands import doctor
from torchpin.model import Settings
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from support.page_server import PageServer


def index_row(root: Path, address: str) -> doctor.MachineCheck:
    repo = Repository(root=root, services=(), settings=Settings(mirrors={"cu121": address}))
    return doctor._check_index(repo, "cu121")


def test_the_doctor_asks_a_mirror_with_its_credentials_and_tells_none(
    server: PageServer, tmp_path: Path
) -> None:
    mirror_row = index_row(tmp_path, f"http://user:S3CRET@{server.host}/whl")
    assert (mirror_row.ok, mirror_row.detail) == (True, f"http://{server.host}/whl (200)")


@pytest.mark.parametrize("password", ["wrong", "S3C"])
def test_the_doctor_tells_a_refusal_without_credentials(
    server: PageServer, tmp_path: Path, password: str
) -> None:
    mirror_row = index_row(tmp_path, f"http://user:{password}@{server.host}/whl/")
    assert (mirror_row.ok, mirror_row.detail) == (False, f"http://{server.host}/whl/: HTTP 401 Unauthorized")


def test_the_doctor_outlives_an_address_without_a_server(tmp_path: Path) -> None:
    mirror_row = index_row(tmp_path, "http://user:S3CRET@127.0.0.1:1/whl")
    assert not mirror_row.ok
    assert "S3CRET" not in mirror_row.detail
