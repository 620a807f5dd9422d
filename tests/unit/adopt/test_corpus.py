"""The corpus of bench/adopt: every project is complete, its places are in its files, and what it expects can be asked."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from adopt.corpus import FOLDER, Project, load_kinds, load_projects

if TYPE_CHECKING:
    from pathlib import Path

DRAFT_KEYS = {"base", "torch", "channel", "python", "platform"}
LISTED_TRAPS = {
    "redirect", "torch-replaced", "contradiction", "other-cuda", "release-not-on-channel", "wrong-partner",
    "wheel-of-another-abi", "undeclared-requirement", "hidden-failure", "pipe-to-shell", "floating",
    "download-then-run", "second-index", "exact-pins-undone", "other-python",
}  # fmt: skip


def project(name: str) -> Project:
    return next(row for row in load_projects() if row.name == name)


def test_there_are_enough_projects_with_and_without_a_trap() -> None:
    assert len(load_projects()) >= 150
    assert sum(row.is_clean for row in load_projects()) >= 60


def test_names_are_unique_and_those_of_services() -> None:
    counts = Counter(row.name for row in load_projects())
    assert [name for name, count in counts.items() if count > 1] == []
    assert [name for name in counts if not re.fullmatch(r"[a-z][a-z0-9-]+", name)] == []


def test_no_files_are_there_twice() -> None:
    counts = Counter(repr(sorted(row.files.items())) for row in load_projects())
    assert [files for files, count in counts.items() if count > 1] == []


def test_every_trap_is_a_finding_and_every_finding_has_a_trap() -> None:
    traps = {row.name: row.trap for row in load_projects()}
    assert [row.name for row in load_projects() if bool(row.trap) != bool(row.findings)] == []
    named = {row.name for row in load_projects() if any(row.trap in found.kinds for found in row.findings)}
    assert {name for name, trap in traps.items() if trap} == named


def test_the_listed_traps_are_there_more_than_once() -> None:
    counts = Counter(row.trap for row in load_projects())
    assert [trap for trap in sorted(LISTED_TRAPS) if counts[trap] < 2] == []


def test_every_kind_is_asked_somewhere() -> None:
    asked = {
        kind for row in load_projects() for found in (*row.findings, *row.allowed) for kind in found.kinds
    }
    assert {name for name, kind in load_kinds().items() if kind.is_counted} - asked == set()


def test_drafts_say_what_is_right_or_why_there_is_none() -> None:
    for row in load_projects():
        keys = set(row.draft)
        assert keys in ({"none"}, {"unscored"}) or (
            keys <= DRAFT_KEYS and {"base", "torch", "python"} <= keys
        )


def test_versions_are_written_as_texts() -> None:
    assert [row.name for row in load_projects() if isinstance(row.draft.get("python", ""), float)] == []
    assert [row.name for row in load_projects() if isinstance(row.draft.get("torch", ""), float)] == []


def test_a_project_is_written_byte_by_byte(tmp_path: Path) -> None:
    project("bom-and-crlf").write(tmp_path)
    content = (tmp_path / "Dockerfile").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfFROM ")
    assert content.count(b"\r\n") == content.count(b"\n") == 3


def test_the_address_of_pypi_is_put_in_when_a_project_is_written(tmp_path: Path) -> None:
    project("uv-sync-locked").write(tmp_path)
    assert "https://PYPI/" not in (tmp_path / "uv.lock").read_text()
    assert "/simple" in (tmp_path / "uv.lock").read_text()


def test_places_are_the_lines_that_hold_the_text() -> None:
    (found,) = project("redirect-plain").findings
    assert found.places == {("Dockerfile", 3)}


def test_no_file_names_a_package_host() -> None:
    texts = {
        path.name: path.read_text() for path in FOLDER.rglob("*") if path.suffix in {".yaml", ".py", ".md"}
    }
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"))]
    assert [name for name, text in texts.items() if any(host in text for host in hosts)] == []


@pytest.mark.parametrize("name", sorted({row.style for row in load_projects()}))
def test_every_style_has_clean_projects(name: str) -> None:
    assert any(row.is_clean for row in load_projects() if row.style == name)
