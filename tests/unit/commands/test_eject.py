"""torchpin's template and scripts in a repository: what is written changes nothing, and what exists is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.commands import eject, init
from torchpin.errors import InputError
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_ejected_is_what_is_used_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init.write_project(tmp_path)
    monkeypatch.chdir(tmp_path / "services")
    repo = workspace.open_repository(tmp_path)
    before = (generated.dockerfile_template(repo), generated.runtime_scripts(repo))
    for what, path in (("template", "docker/Dockerfile.j2"), ("runtime", "docker/runtime/start.sh")):
        report = eject.eject(what)
        assert path in [outcome.name for outcome in report.outcomes if outcome.status == "changed"]
        assert {outcome.status for outcome in eject.eject(what).outcomes} == {"same"}
    assert (generated.dockerfile_template(repo), generated.runtime_scripts(repo)) == before
    assert {path.name for path in (tmp_path / "docker/runtime").iterdir()} == {*before[1]}


def test_an_ejected_file_that_was_changed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init.write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docker/runtime").mkdir(parents=True)
    (tmp_path / "docker/runtime/start.sh").write_text("# mine\n")
    kept = {outcome.name: outcome.status for outcome in eject.eject("runtime").outcomes}
    assert kept.pop("docker/runtime/start.sh") == "kept"
    assert {*kept.values()} == {"changed"}
    assert (tmp_path / "docker/runtime/start.sh").read_text() == "# mine\n"


def test_only_the_template_and_the_scripts_can_be_ejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init.write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^`facts` cannot be ejected; choose template or runtime$"):
        eject.eject("facts")
