"""The consistency of the measured facts: their form, ranges, requirements, and that names are looked up where they are imported."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from torchpin.facts.measured import UNCLEAR
from torchpin.facts.ranges import parse_ranges
from torchpin.facts.table_references import parses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST_DOCUMENT = 60_000  # bytes of JSON; larger ones would be felt where a service pins many packages
LARGEST_TOTAL = 1_500_000
_SPANS = ("python", "requires", "cuda", "libraries")
_KEYS = {"package", "method", "source", "date", "releases", *_SPANS, "imports", "checks", "names"}
_IMPORT_KEYS = {"entry", "file", "module", "names", "in"}
_CHECK_KEYS = {"needs", "raises", "function", "constant", "file", "entry", "in"}
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def problems(documents: Mapping[str, Mapping[str, Any]], today: date | None = None) -> Iterator[str]:
    """A message for each problem of the documents, by file name without ending."""
    total = 0
    for name, document in documents.items():
        size = len(json.dumps(document))
        total += size
        if size > LARGEST_DOCUMENT:
            yield f"measured/{name}.json: {size} bytes, more than {LARGEST_DOCUMENT}"
        yield from (f"measured/{name}.json: {message}" for message in _document(name, document, today))
    if total > LARGEST_TOTAL:
        yield f"measured: {total} bytes, more than {LARGEST_TOTAL}"


def _document(name: str, document: Mapping[str, Any], today: date | None) -> Iterator[str]:
    if {*document} != _KEYS:
        yield f"its keys are not {', '.join(sorted(_KEYS))}"
        return
    if document["package"] != name:
        yield f"package is {document['package']!r}"
    if document["method"] != "measured" or not str(document["source"]).strip():
        yield "method is not measured, or source is missing"
    yield from _date(str(document["date"]), today)
    releases = _versions(document["releases"])
    if releases is None or sorted({*releases}) != releases or not releases:
        yield "releases are not versions in ascending order"
        return
    versions = frozenset(releases)
    yield from (message for ranges in _all_ranges(document) for message in _range(ranges, versions))
    for text in (*document["requires"], *(row.get("needs", "") for row in document["checks"])):
        if not parses(Requirement, text):
            yield f"{text!r} is not a requirement"
    yield from _rows(document)


def _date(text: str, today: date | None) -> Iterator[str]:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        yield f"date {text!r} is not a date"
        return
    if today and day > today:
        yield f"date {text} is in the future"


def _versions(texts: list[str]) -> list[Version] | None:
    try:
        return [Version(text) for text in texts]
    except (InvalidVersion, TypeError):
        return None


def _all_ranges(document: Mapping[str, Any]) -> Iterator[str]:
    for section in _SPANS:
        yield from document[section].values()
    yield from (row.get("in", "missing") for section in ("imports", "checks") for row in document[section])
    yield from (ranges.removeprefix(UNCLEAR) for groups in document["names"].values() for ranges in groups)


def _range(ranges: str, releases: frozenset[Version]) -> Iterator[str]:
    try:
        bounds = parse_ranges(ranges)
    except ValueError as error:
        yield str(error)
        return
    for first, last in bounds:
        if first > last or not {first, last} <= releases:
            yield f"{ranges!r} is not between releases"


def _rows(document: Mapping[str, Any]) -> Iterator[str]:
    for row in document["imports"]:
        if {*row} != _IMPORT_KEYS or not row["names"] or not _MODULE.fullmatch(row["module"]):
            yield f"{row} is not an import"
    for row in document["checks"]:
        if not {*row} <= _CHECK_KEYS or not {"needs", "file", "in"} <= {*row}:
            yield f"{row} is not a check"
    for module, groups in document["names"].items():
        if not _MODULE.fullmatch(module):
            yield f"{module!r} is not a module"
        certain = [
            name for ranges, names in groups.items() if not ranges.startswith(UNCLEAR) for name in names
        ]
        if len(certain) != len({*certain}):
            yield f"{module}: a name has two ranges"
