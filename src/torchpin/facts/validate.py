"""The consistency of the tables: sources, dates, ids, references between tables, patterns."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from torchpin.facts import index_pages, validate_channels, validate_images, validate_partners
from torchpin.facts.age import DEFAULT_MAX_AGE_DAYS, ID, KEYS
from torchpin.facts.table_references import channel_names as _channel_names
from torchpin.facts.table_references import parses as _parses
from torchpin.facts.table_references import rows as _rows
from torchpin.facts.validate_gpus import ARCH, archs_problems, gpus_problems, other_channels_problems
from torchpin.facts.versions import major_minor, version_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torchpin.facts.load import RawRow, Table

_METHODS = {"measured", "published", "inferred"}
_PAST, _ANY_TIME = ("date", "released", "tagged", "committed"), ("ends",)  # the columns that hold dates
FIRST_FAMILY = 11  # the first CUDA major whose minor versions share a minimum driver
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGESTS = {
    "digest": r"sha256:[0-9a-f]{64}",
    "linux_amd64": r"sha256:[0-9a-f]{64}",
    "sha256": r"[0-9a-f]{64}",
}


def problems(
    tables: Mapping[str, Table],
    pages: Mapping[str, index_pages.Page] | None = None,
    today: date | None = None,
) -> Iterator[str]:
    """A message for each problem, with its file and section; `today`: the day after which no date may lie."""
    for name, table in tables.items():
        for section, rows in table.items():
            for number, row in enumerate(rows, start=1):
                yield from (f"{name}.yaml: {section} {number}: {message}" for message in _row(row, today))
            duplicates = _duplicates(rows, KEYS.get((name, section), ID))
            yield from (f"{name}.yaml: {section}: {message}" for message in duplicates)
    for name, check in _CHECKS.items():
        if name in tables:
            yield from (f"{name}.yaml: {message}" for message in check(tables[name], tables))
    for name, page in (pages or {}).items():
        yield from (f"index/{name}.json: {message}" for message in _dates(page, today))
    yield from index_pages.problems(pages, tables) if pages else ()


def _row(row: RawRow, today: date | None) -> Iterator[str]:
    if not str(row.get("source") or "").strip():
        yield "source is missing"
    if row.get("method") not in _METHODS:
        yield f"method is {row.get('method')!r}, not one of {', '.join(sorted(_METHODS))}"
    if "date" not in row:
        yield "date is missing"
    if not (
        isinstance(row.get("limit", DEFAULT_MAX_AGE_DAYS), int) and row.get("limit", DEFAULT_MAX_AGE_DAYS) > 0
    ):
        yield f"limit is {row['limit']!r}, not a number of days"
    yield from _dates(row, today)
    for key, pattern in _DIGESTS.items():
        if row.get(key) is not None and not re.fullmatch(pattern, row[key]):
            yield f"{key} {row[key]!r} is not a digest"


def _dates(row: Mapping[str, object], today: date | None) -> Iterator[str]:
    for key in (*_PAST, *_ANY_TIME):
        if row.get(key) is not None and not _parses(date.fromisoformat, str(row[key])):
            yield f"{key} {row[key]!r} is not a date"
        elif today and key in _PAST and str(row.get(key) or "") > today.isoformat():
            yield f"{key} {row[key]} is in the future"


def _duplicates(rows: list[RawRow], keys: tuple[str, ...]) -> Iterator[str]:
    names = Counter(tuple(row[key] for key in keys) for row in rows if all(key in row for key in keys))
    yield from (
        f"{' '.join(map(str, name))} occurs {count} times" for name, count in names.items() if count > 1
    )


def _drivers(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    for row in table["toolkits"]:
        if not (re.fullmatch(r"\d+\.\d+", row["cuda"]) and re.fullmatch(r"\d{3}(\.\d+){1,2}", row["driver"])):
            yield f"toolkit {row['cuda']} with {row['driver']}: not like 12.1 with 530.30.02"
    toolkits = sorted(table["toolkits"], key=lambda row: (version_numbers(row["cuda"]), row["update"]))
    for older, newer in pairwise(toolkits):
        if version_numbers(older["driver"]) > version_numbers(newer["driver"]):
            yield f"toolkit {newer['cuda']} update {newer['update']} has an older driver than the toolkit before it"
    yield from _families(table, tables)
    images_of = {row["cuda"] for row in _rows(tables, "base_images", "cuda")}
    images_of |= {major_minor(cuda) for cuda in images_of}
    for row in table["gates"]:
        if images_of and row["cuda"] not in images_of:
            yield f"gate of {row['cuda']}: base_images.yaml has no image of this CUDA"
        if row["needs"] != f">={'.'.join(row['cuda'].split('.')[:2])}":
            yield f"gate of {row['cuda']}: needs is {row['needs']}, not of the same CUDA"
        if row["older_branches"] != sorted(set(row["older_branches"])):
            yield f"gate of {row['cuda']}: older_branches are not in ascending order"


def _families(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    for row in table["families"]:
        if not (re.fullmatch(r"\d+\.x", row["family"]) and re.fullmatch(r"\d{3}", row["min_driver"])):
            yield f"family {row['family']} from {row['min_driver']}: not like 12.x from 525"
        # Without `below` there is no upper bound; the main versions of drivers have three digits.
        if row.get("below", "999") <= row["min_driver"]:
            yield f"family {row['family']}: min_driver {row['min_driver']} is not below {row['below']}"
    listed_majors = {row["family"].partition(".")[0] for row in table["families"]}
    used = {row["cuda"].partition(".")[0] for row in _rows(tables, "channels", "channels") if row["cuda"]}
    # Up to CUDA 10 each version has its own minimum driver: minor-version compatibility came with 11.
    without = {major for major in used if int(major) < FIRST_FAMILY}
    yield from (f"family of CUDA {major} is missing" for major in sorted(used - listed_majors - without))


def _sources(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    tags = {(row["repo"], row["tag"]) for row in table["tags"]}
    for row in table["tags"]:
        if row.get("exists", True) and not _COMMIT.fullmatch(row.get("commit", "")):
            yield f"{row['tag']}: commit is not a full hash"
    for row in table.get("upstreams", ()):
        if not _COMMIT.fullmatch(row["commit"]):
            yield f"{row['repo']}: commit is not a full hash"
    for row in table["requirements"]:
        if (row["repo"], row["tag"]) not in tags:
            yield f"{row['repo']} {row['tag']}: requirements of a tag that is not in tags"


def _undeclared(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for row in table["undeclared"]:
        for key in ("when", "needs"):
            if not _parses(Requirement, row[key]):
                yield f"{row['id']}: {key} {row[key]!r} is not a requirement"
        if row.get("instead") and not re.fullmatch(r"[a-z0-9-]+==[^,;*]+", row["instead"]):
            yield f"{row['id']}: instead {row['instead']!r} is not an exact pin"
        if row.get("interface") not in {None, *(removal["id"] for removal in table["removed"])}:
            yield f"{row['id']}: interface {row['interface']} is not an id of removed"


def _failures(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for row in table["failures"]:
        try:
            pattern = re.compile(row["pattern"])
        except re.error as error:
            yield f"{row['id']}: the pattern does not compile: {error}"
            continue
        if pattern.search(""):
            yield f"{row['id']}: the pattern matches everything"
        if not pattern.search(row.get("example") or ""):
            yield f"{row['id']}: the pattern does not match its example"


def _secrets(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for section, columns in (("names", ("pattern",)), ("harmless", ("name", "value")), ("options", ("harmless",)),
                             ("forms", ("pattern",))):  # fmt: skip
        for row in table[section]:
            for column in columns:
                if not _parses(re.compile, row[column]):
                    yield f"{section}: {row['id']}: {column} does not compile"
    for row in table["forms"]:
        if not any(hint in row["example"] for hint in row["hints"]):
            yield f"forms: {row['id']}: no hint is in its example"


def _compilers(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for section, column in (("images", "image"), ("settings", "pattern")):
        for row in table[section]:
            if not _parses(re.compile, row[column]):
                yield f"{section}: {row['id']}: {column} does not compile"
    for row in table["settings"]:
        if row["where"] not in {"variable", "argument", "import"}:
            yield f"settings: {row['id']}: where is {row['where']!r}, not one of variable, argument, import"
    for row in table["packages"]:
        if row["package"] != canonicalize_name(row["package"]):
            yield f"{row['package']!r} is not a normalized name"


def _packages(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for row in table["conflicts"]:
        if len(row["names"]) < 2:  # noqa: PLR2004 - a conflict has two sides
            yield f"{row['id']}: names has fewer than two packages"
    named = [name for row in table["conflicts"] for name in row["names"]]
    for row in table["brings"]:
        if not _parses(Requirement, row["when"]):
            yield f"brings: {row['when']!r} is not a requirement"
    named += [name for row in table["brings"] for name in row["packages"]]
    yield from _rows_by_version(table)
    named += [row["package"] for section in ("library_choices", "cuda_builds") for row in table[section]]
    for name in (*named, *(row["package"] for row in table["native"])):
        if name != canonicalize_name(name):
            yield f"{name!r} is not a normalized name"


def _rows_by_version(table: Table) -> Iterator[str]:
    for section in ("library_choices", "cuda_builds"):
        for row in table[section]:
            if not _parses(SpecifierSet, row["when"]):
                yield f"{section}: {row['package']}: {row['when']!r} is not a specifier"
    for row in table["library_choices"]:
        if row["choice"] not in {"exact", "major"}:
            yield f"library_choices: {row['package']}: {row['choice']!r} is not exact or major"
    for row in table["cuda_builds"]:
        if not isinstance(row["cuda"], int):
            yield f"cuda_builds: {row['package']}: {row['cuda']!r} is not a CUDA major"
        if not isinstance(row.get("cudnn", 1), int):
            yield f"cuda_builds: {row['package']}: {row['cudnn']!r} is not a cuDNN major"


def _wheels(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    packages = {(row["package"], row["version"]) for row in table["packages"]}
    built_against = {(row["package"], row["version"], row["torch"]) for row in table["built"]}
    for row in table["packages"]:
        yield from (f"{row['package']}: {message}" for message in _wheel_package(row))
    for row in table["built"]:
        if row["channel"] not in _channel_names(tables) or not row["with"].startswith(f"{row['torch']}."):
            yield f"built for {row['torch']}: {row['with']} from {row['channel']} is not a build of that series"
    series = {major_minor(row["version"]) for row in _rows(tables, "torch", "releases")}
    for torch_series in sorted({row["torch"] for row in table["wheels"]} - series if series else ()):
        yield f"wheels for torch {torch_series}: torch.yaml has no release of it"
    for row in table["wheels"]:
        key = (row["package"], row["version"])
        if key not in packages:
            yield f"{row['filename']}: package and version are not in packages"
        if row["abi"] == 0 and (*key, row["torch"]) not in built_against:
            yield f"{row['filename']}: the torch that it was built against, and so its ABI, is missing in built"
        if row["filename"] != _wheel_name(row):
            yield f"{row['filename']}: its columns give {_wheel_name(row)}"
    yield from _duplicates(table["wheels"], ("sha256",))


def _wheel_package(row: RawRow) -> Iterator[str]:
    if row["package"] != canonicalize_name(row["package"]):
        yield "is not a normalized name"
    if not re.fullmatch(r"https://\S+[^/\s]", row["release"]):
        yield f"release {row['release']!r} is not the URL of a folder"
    if not re.fullmatch(r"\d+\.\d", str(row["min_capability"])):
        yield f"min_capability {row['min_capability']!r} is not like 8.0"
    if not re.fullmatch(r"2\.\d+", str(row.get("glibc", "2.17"))):
        yield f"glibc {row['glibc']!r} is not like 2.17"
    if ("glibc" in row or "installs" in row) and not row.get("contents_source"):
        yield "glibc and installs have no contents_source"
    for line in row["requires"]:
        if not _parses(Requirement, line) or Requirement(line).name == "torch":
            yield f"requires {line!r}: not a requirement, or one of torch itself"
    yield from (f"{name!r} is not an architecture" for name in row["archs"] if not ARCH.fullmatch(name))


def _wheel_name(row: RawRow) -> str:
    abi = {0: "FALSE", 1: "TRUE"}.get(row["abi"])
    stem = (
        f"{row['package'].replace('-', '_')}-{row['version']}+cu{row['cuda']}torch{row['torch']}cxx11abi{abi}"
    )
    return f"{stem}-{row['python']}-{row['python']}-{row['platform']}.whl"


_CHECKS: dict[str, Callable[[Table, Mapping[str, Table]], Iterator[str]]] = {
    "channels": validate_channels.channel_problems,
    "torch": validate_channels.release_problems,
    "pypi_wheels": validate_channels.wheel_problems,
    "archs": archs_problems,
    "gpus": gpus_problems,
    "base_images": validate_images.problems,
    "drivers": _drivers,
    "sources": _sources,
    "undeclared_requirements": _undeclared,
    "known_failures": _failures,
    "compilers": _compilers,
    "other_channels": other_channels_problems,
    "packages": _packages,
    "partners": validate_partners.problems,
    "secrets": _secrets,
    "wheels": _wheels,
}
