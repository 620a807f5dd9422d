"""The files of releases, as a page of an index lists them."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.errors import ToolError
from torchpin.tools import http, pypi

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2026, 11, 26)


def row(filename: str, uploaded: str = "2026-01-01T00:00:00Z", **changes: Any) -> dict[str, Any]:
    return {
        "filename": filename,
        "url": f"../../files/{filename}",
        "size": 10,
        "upload-time": uploaded,
        **changes,
    }


def index(folder: Path, page: Any) -> str:
    """A folder as an index, with one page."""
    (folder / "peft").mkdir()
    (folder / "peft" / "index.json").write_text(page if isinstance(page, str) else json.dumps(page))
    return folder.as_uri()


def read(address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    fetch = http.fetch
    # a folder has no server that would answer with its page
    monkeypatch.setattr(http, "fetch", lambda url, **options: fetch(f"{url}index.json", **options))
    releases = pypi.release_files(address, "Peft", until=DAY)
    return {str(version): [file.filename for file in files] for version, files in releases.items()}


def test_final_releases_are_listed_by_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        row("peft-0.10.0-py3-none-any.whl"),
        row("peft-0.9.0.tar.gz"),
        row("peft-0.10.0.tar.gz"),
        row("peft-0.11.0rc1-py3-none-any.whl"),
        row("peft-0.12.0-py3-none-any.whl", "2026-12-01T00:00:00Z"),
        row("peft-0.8.0.exe"),
        row("peft-0.8.0-py3-none-any.whl", size=None),
    ]
    assert read(index(tmp_path, {"files": rows}), monkeypatch) == {
        "0.9.0": ["peft-0.9.0.tar.gz"],
        "0.10.0": ["peft-0.10.0-py3-none-any.whl", "peft-0.10.0.tar.gz"],
    }


@pytest.mark.parametrize(
    "page",
    ["<html></html>", "[]", {"files": 1}, {"files": [1]}, {"files": [{"filename": "a-1.tar.gz", "size": 1}]}],
)
def test_other_pages_are_refused(page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match="is not a page of an index with sizes and times"):
        read(index(tmp_path, page), monkeypatch)
