"""Every section of the tables, and every row of prose, has a reader that reaches it, or says that it is documentation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from support.table_readers import definitions, mentions, reads
from torchpin.checks import families
from torchpin.checks.registry import REGISTRY
from torchpin.facts import readers
from torchpin.facts.load import all_tables, load_readers
from torchpin.lint import rules as lint_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

assert lint_rules  # importing them registers the rules
assert families  # and the checks

READERS = load_readers()


def readers_of(entry: Any) -> Sequence[str]:
    """The readers of an entry; empty for documentation."""
    return () if entry == readers.DOCUMENTATION else tuple(entry)


SECTIONS = [
    (table, section, reader)
    for table, sections in READERS.items()
    for section, entry in sections.items()
    if not isinstance(entry, dict)
    for reader in readers_of(entry)
]
PROSE = [
    (table, section, id, reader)
    for table, sections in READERS.items()
    for section, entry in sections.items()
    if isinstance(entry, dict)
    for id, row in entry.items()
    for reader in readers_of(row)
]


def starts(reader: str) -> list[tuple[str, str]]:
    """The function of a check or rule, or all that a module defines."""
    if re.fullmatch(r"[A-Z]{3}\d{3}", reader):
        run = REGISTRY[reader].run
        return [(run.__module__, run.__name__)]
    return [node for node in definitions()[0] if node[0] == f"torchpin.{reader}"]


def test_each_section_and_each_row_of_prose_has_an_entry() -> None:
    assert list(readers.problems(all_tables(), READERS)) == []


@pytest.mark.parametrize(("table", "section", "reader"), SECTIONS)
def test_a_reader_reaches_its_section(table: str, section: str, reader: str) -> None:
    assert any(reads(start, table, section) for start in starts(reader))


@pytest.mark.parametrize(("table", "section", "id", "reader"), PROSE)
def test_a_reader_of_prose_names_its_row(table: str, section: str, id: str, reader: str) -> None:
    assert any(reads(start, table, section) and mentions(start, id) for start in starts(reader))


def test_what_a_check_does_not_read_is_seen() -> None:
    """The way in which readers are followed is not one that finds everything."""
    (deviations,) = starts("DEV002")
    assert not reads(deviations, "gpus", "gpus")
    assert not reads(("torchpin.facts.torch", "releases"), "torch", "abi")
    assert reads(("torchpin.facts.torch", "releases"), "torch", "releases")


PLANTED: dict[str, tuple[dict[str, Any], str]] = {
    "a table without readers": ({}, "t: rows has no reader: name the checks that read it, or say documentation"),
    "a section without readers": ({"t": {}}, "t: rows has no reader: name the checks that read it, or say documentation"),
    "no list": ({"t": {"rows": "TOR001"}}, "t: rows: the readers are 'TOR001', not a list of checks, nor documentation"),
    "an empty list": ({"t": {"rows": []}}, "t: rows: the readers are [], not a list of checks, nor documentation"),
    "a reader that is none": ({"t": {"rows": ["TOR1"]}}, "t: rows: 'TOR1' is neither a check nor a module"),
    "a section that is gone": ({"t": {"rows": ["TOR001"], "old": ["TOR001"]}}, "t: old has readers, and is not a section of it"),
    "a table that is gone": ({"t": {"rows": ["TOR001"]}, "u": {}}, "u has readers, and is not a table"),
}  # fmt: skip


@pytest.mark.parametrize(("listed", "message"), PLANTED.values(), ids=PLANTED)
def test_a_planted_problem_is_found(listed: dict[str, Any], message: str) -> None:
    assert list(readers.problems({"t": {"rows": [{"id": "a"}]}}, listed)) == [message]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("documentation", "t: rows is prose: name the readers of each row by its id"),
        ({}, "t: rows: a has no reader: name the checks that read it, or say documentation"),
        ({"a": "documentation", "b": "documentation"}, "t: rows: b has readers, and is not a row of it"),
        ({"a": ["BAS"]}, "t: rows: a: 'BAS' is neither a check nor a module"),
    ],
)
def test_prose_has_readers_by_its_rows(entry: Any, message: str) -> None:
    tables = {"t": {"rows": [{"id": "a", "fact": "It is so."}]}}
    assert list(readers.problems(tables, {"t": {"rows": entry}})) == [message]
