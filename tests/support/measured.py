"""Small measured facts of packages that do not exist, in place of the committed ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from torchpin.facts import measured

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

SPANS: dict[str, dict[str, str]] = {"python": {}, "requires": {}, "cuda": {}, "libraries": {}}


def document(package: str, releases: Iterable[str], **sections: Any) -> dict[str, Any]:
    """A valid document of a package, with these sections."""
    return {
        "package": package,
        "method": "measured",
        "source": f"PyPI {package}",
        "date": "2026-11-26",
        "releases": list(releases),
        **SPANS,
        "imports": [],
        "checks": [],
        "names": {},
        **sections,
    }


def use_documents(monkeypatch: pytest.MonkeyPatch, folder: Path, *documents: dict[str, Any]) -> None:
    """Replaces the committed documents by these, for one test."""
    for row in documents:
        (folder / f"{row['package']}.json").write_text(json.dumps(row))
    monkeypatch.setattr(measured, "_FOLDER", folder)
    measured.forget_measured()
