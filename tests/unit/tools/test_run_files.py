"""Files of variables and secrets while a container runs: where they come from, who can read them, what is missing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.descriptions import PLAIN, read_service
from torchpin.errors import InputError
from torchpin.tools.run_files import run_files

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.model import Service


def service(run: str) -> Service:
    return read_service(f"{PLAIN}run: {{{run}}}\n")


def test_a_secret_is_a_file_that_others_cannot_reach_and_is_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"of the file\n")
    variables = {"A": "of the variable", "B_FILE": str(tmp_path / "token"), "C": "not asked for"}
    with run_files(tmp_path, service("secrets: [A, B]"), variables) as files:
        assert {name: path.read_bytes() for name, path in files.secrets.items()} == {
            "A": b"of the variable",
            "B": b"of the file\n",
        }
        (folder,) = {path.parent for path in files.secrets.values()}
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in files.secrets.values()} == {0o444}
    assert not folder.exists()


def test_a_dry_run_reads_no_secret(tmp_path: Path) -> None:
    with run_files(tmp_path, service("secrets: [A]"), {}, dry_run=True) as files:
        assert {name: str(path) for name, path in files.secrets.items()} == {"A": "SECRETS/A"}


def test_files_of_variables_are_absolute_in_the_repository_or_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    paths = [tmp_path / "a.env", tmp_path / "home" / "b.env", tmp_path / "c.env"]
    (tmp_path / "home").mkdir()
    for path in paths:
        path.touch()
    described = service(f"env_file: [a.env, ~/b.env, {os.fspath(paths[2])}]")
    with run_files(tmp_path, described, {}) as files:
        assert [*files.env_files] == paths


def test_all_that_is_missing_is_named_with_its_place_and_no_value(tmp_path: Path) -> None:
    described = service("env_file: [a.env], secrets: [A, B]")
    with (
        pytest.raises(InputError) as excinfo,
        run_files(tmp_path, described, {"B_FILE": "/nowhere/b", "X": "S3CRET"}),
    ):
        pytest.fail("a container was started")
    assert str(excinfo.value).split("\n") == [
        f"services/lora/service.yaml:13:18: run.env_file[0]: {tmp_path}/a.env does not exist; add it, or leave it out",
        "services/lora/service.yaml:13:36: run.secrets[0]: no value for the secret A; set the variable A, or A_FILE to the path of a file with it",
        "services/lora/service.yaml:13:39: run.secrets[1]: /nowhere/b, which B_FILE names, does not exist; correct the path",
        "give these first; nothing was started",
    ]
