"""The log of an error that nobody expected."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.commands.crash import crash_text, write_crash_log
from torchpin.errors import ToolError

if TYPE_CHECKING:
    import pytest


def raised(error: Exception) -> Exception:
    """An error with a traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_the_text_has_versions_command_line_and_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["torchpin", "why", "a b"])
    lines = crash_text(raised(KeyError("x"))).splitlines()
    assert "Python 3." in lines[0]
    assert lines[1] == "torchpin why 'a b'"
    assert lines[3] == "Traceback (most recent call last):"
    assert lines[-1] == "KeyError: 'x'"


def test_outside_of_a_repository_it_is_written_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    log = write_crash_log(raised(KeyError("x")))
    assert log
    assert log.parent == temporary
    assert list(work.iterdir()) == []


def test_a_repository_that_cannot_be_written_leaves_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / ".torchpin").touch()  # a file, where a folder belongs
    monkeypatch.chdir(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert write_crash_log(raised(KeyError("x"))) == Path("temporary") / next(temporary.iterdir()).name


def test_where_nothing_can_be_written_there_is_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(files: object) -> None:
        raise ToolError("read-only")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchpin.commands.crash.write_files", refuse)
    assert write_crash_log(raised(KeyError("x"))) is None
