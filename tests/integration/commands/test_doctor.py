"""The doctor's question to an index on the loopback that wants credentials."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

import pytest

from support.checks import SOURCE
from support.git_repositories import git
from support.small_service import DESCRIPTION, read_environment
from torchpin.commands import doctor
from torchpin.model import Settings
from torchpin.tools import uv
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


def test_the_doctor_names_settings_of_uv_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv.toml").write_text("offline = 1\n")
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    row = index_row(tmp_path, "http://127.0.0.1:1/whl")
    assert (row.ok, row.detail) == (False, f"{tmp_path}/uv.toml:1:1: offline: expected true or false")
    assert "UV_NO_CONFIG" in row.help


def test_the_doctor_reads_many_sources_at_once_and_leaves_the_environment_alone(
    plain_git: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of a process are read by every thread, so a change of them breaks whatever copies them just then."""
    (tmp_path / "work").mkdir()
    git(tmp_path / "work", "init", "-q", "-b", "main")
    git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "a")
    git(tmp_path / "work", "tag", "v1")
    commit = git(tmp_path / "work", "rev-parse", "HEAD")
    sources = tuple(
        replace(SOURCE, name=f"source-{number}", url=(tmp_path / "work").as_uri(), tag="v1", commit=commit)
        for number in range(12)
    )
    env = read_environment(DESCRIPTION)
    env = replace(env, service=replace(env.service, sources=sources))
    monkeypatch.setattr(
        doctor, "_check_index", lambda repo, channel: doctor.MachineCheck(name=channel, ok=True, detail="")
    )
    before, edits = dict(os.environ), []

    def note_edit(value: str) -> bytes:
        edits.append(value)
        return os.fsencode(value)

    monkeypatch.setattr(os.environ, "encodevalue", note_edit)
    rows = doctor.check_machine(
        Repository(root=tmp_path, services=(env.service,), settings=Settings()), [env]
    )
    checks = {row.name: row.ok for row in rows}
    assert all(checks[f"source {source.name}"] for source in sources)
    assert (dict(os.environ), edits) == (before, [])


def test_a_uv_without_its_metadata_is_a_finding_and_no_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(uv, "UV_VERSION", "")
    uv.uv_executable.cache_clear()
    repo = Repository(root=tmp_path, services=(), settings=Settings())
    checks = {check.name: check for check in doctor.check_machine(repo, ())}
    assert (checks["uv"].level, checks["uv"].help) == ("error", "install torchpin again")
    assert checks["uv"].detail == "torchpin brings uv, and its metadata cannot be found"
    assert checks["PyPI"].detail == "unknown without uv"
    assert doctor.machine_exit_code([*checks.values()]) == 3
    uv.uv_executable.cache_clear()


def test_a_missing_version_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    assert uv.installed_version()
    monkeypatch.setattr(uv, "version", missing)
    assert uv.installed_version() == ""
