"""Whether the tables hold together: sources, dates, ids, names that refer to each other, patterns."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin.facts import pages as recorded
from torchpin.facts.ages import ID, IMAGES, KEYS, LIMIT, images
from torchpin.facts.rows import gpu_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torchpin.facts.tables import Entry, Table

_METHODS = {"measured", "published", "inferred"}
_PAST, _ANY_TIME = ("date", "released", "tagged", "committed"), ("ends",)  # dates
_ARCH = re.compile(r"(?:sm|compute)_\d{2,3}a?")
_DIGESTS = {
    "digest": r"sha256:[0-9a-f]{64}",
    "linux_amd64": r"sha256:[0-9a-f]{64}",
    "sha256": r"[0-9a-f]{64}",
}


def problems(
    tables: Mapping[str, Table], pages: Mapping[str, recorded.Page] | None = None, today: date | None = None
) -> Iterator[str]:
    for name, table in tables.items():
        for section, rows in table.items():
            for number, row in enumerate(rows, start=1):
                yield from (f"{name}.yaml: {section} {number}: {message}" for message in _row(row, today))
            twice = _twice(rows, KEYS.get((name, section), ID))
            yield from (f"{name}.yaml: {section}: {message}" for message in twice)
    for name, check in _CHECKS.items():
        if name in tables:
            yield from (f"{name}.yaml: {message}" for message in check(tables[name], tables))
    for name, page in (pages or {}).items():
        yield from (f"index/{name}.json: {message}" for message in _dates(page, today))
    yield from recorded.problems(pages, tables) if pages else ()


def _row(row: Entry, today: date | None) -> Iterator[str]:
    if not str(row.get("source") or "").strip():
        yield "no source"
    if row.get("method") not in _METHODS:
        yield f"method is {row.get('method')!r}, not one of {', '.join(sorted(_METHODS))}"
    if "date" not in row:
        yield "no date"
    if not (isinstance(row.get("limit", LIMIT), int) and row.get("limit", LIMIT) > 0):
        yield f"limit is {row['limit']!r}, no number of days"
    yield from _dates(row, today)
    for key, pattern in _DIGESTS.items():
        if row.get(key) is not None and not re.fullmatch(pattern, row[key]):
            yield f"{key} {row[key]!r} is no digest"


def _dates(row: Mapping[str, object], today: date | None) -> Iterator[str]:
    for key in (*_PAST, *_ANY_TIME):
        if row.get(key) is not None and not _is_date(row[key]):
            yield f"{key} {row[key]!r} is no date"
        elif today and key in _PAST and str(row.get(key) or "") > today.isoformat():
            yield f"{key} {row[key]} is still to come"


def _is_date(value: object) -> bool:
    try:
        date.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _twice(rows: list[Entry], keys: tuple[str, ...]) -> Iterator[str]:
    names = Counter(tuple(row[key] for key in keys) for row in rows if all(key in row for key in keys))
    yield from (
        f"{' '.join(map(str, name))} is there {count} times" for name, count in names.items() if count > 1
    )


def _channels(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for row in table["channels"]:
        if row["name"] != "pypi" and not str(row.get("url", "")).endswith(f"/whl/{row['name']}"):
            yield f"{row['name']}: its url is another channel's"
        if row["name"].startswith("cu") and row["name"] != "cu" + str(row["cuda"]).replace(".", ""):
            yield f"{row['name']}: cuda is {row['cuda']}"


def _channel_names(tables: Mapping[str, Table]) -> set[str]:
    return {row["name"] for row in tables.get("channels", {}).get("channels", [])}


def _torch(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    for row in table["releases"]:
        if not _is_version(row["version"]):
            yield f"{row['version']!r} is no version"
        if row.get("pypi_local") is not None and row["pypi_local"] not in _channel_names(tables):
            yield f"{row['version']}: pypi_local {row['pypi_local']} is no channel"


def _archs(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    series = {row["name"]: row["series"] for row in tables.get("channels", {}).get("channels", [])}
    for row in table["archs"]:
        what = f"{row['series']} {row['channel']} {row['platform']}"
        if row["channel"] not in series:
            yield f"{what}: no such channel"
        elif row["series"] not in series[row["channel"]]:
            yield f"{what}: that channel never had {row['series']}"
        if row["sm"] is None and not row.get("upper_bound"):
            yield f"{what}: neither sm nor upper_bound"
        for name in (*(row["sm"] or ()), *(row["ptx"] or ())):
            if not _ARCH.fullmatch(name):
                yield f"{what}: {name!r} is no architecture"


def _gpus(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for row in table["gpus"]:
        capability = row.get("capability")
        if capability is None and not row.get("note"):
            yield f"{row['name']}: no capability, and no note why"
        if capability is not None and not re.fullmatch(r"\d+\.\d", str(capability)):
            yield f"{row['name']}: capability {capability!r} is not like 8.6"
    names = Counter(
        key for row in table["gpus"] for key in {gpu_key(n) for n in (row["name"], *row.get("aliases", ()))}
    )
    yield from (f"{name} names two cards" for name, count in names.items() if count > 1)


def _sources(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    known = {(row["repo"], row["tag"]) for row in table["tags"]}
    for row in table["tags"]:
        if row.get("exists", True) and not re.fullmatch(r"[0-9a-f]{40}", row.get("commit", "")):
            yield f"{row['tag']}: commit is not a full one"
    for row in table["requirements"]:
        if (row["repo"], row["tag"]) not in known:
            yield f"{row['repo']} {row['tag']}: requirements of no known tag"


def _floors(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for row in (*table["floors"], *table["pinned"]):
        for key in ("when", "needs"):
            if not _is_requirement(row[key]):
                yield f"{row['id']}: {key} {row[key]!r} is no requirement"
        if row.get("instead") and not re.fullmatch(r"[a-z0-9-]+==[^,;*]+", row["instead"]):
            yield f"{row['id']}: instead {row['instead']!r} is no exact pin"
        if row.get("interface") not in {None, *(each["id"] for each in table["removed"])}:
            yield f"{row['id']}: no interface {row['interface']} is removed"


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


def _packages(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for row in table["conflicts"]:
        if len(row["names"]) < 2:  # noqa: PLR2004 - it takes two
            yield f"{row['id']}: a conflict of one"
    named = [name for row in table["conflicts"] for name in row["names"]]
    for row in table["brings"]:
        if not _is_requirement(row["when"]):
            yield f"brings: {row['when']!r} is no requirement"
    named += [name for row in table["brings"] for name in row["brings"]]
    for name in (*named, *(row["package"] for row in table["native"])):
        if name != canonicalize_name(name):
            yield f"{name!r} is not a normalized name"


def _wheels(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    known = {(row["package"], row["version"]) for row in table["packages"]}
    against = {(row["package"], row["version"], row["torch"]) for row in table["built"]}
    for row in table["packages"]:
        yield from (f"{row['package']}: {message}" for message in _wheel_package(row))
    for row in table["built"]:
        if row["channel"] not in _channel_names(tables) or not row["with"].startswith(f"{row['torch']}."):
            yield f"built for {row['torch']}: with {row['with']} from {row['channel']}"
    for row in table["wheels"]:
        key = (row["package"], row["version"])
        if key not in known:
            yield f"{row['filename']}: no such package and version"
        if row["abi"] == 0 and (*key, row["torch"]) not in against:
            yield f"{row['filename']}: what it was built against is not known, so neither is its ABI"
        if row["filename"] != _wheel_name(row):
            yield f"{row['filename']}: its columns say {_wheel_name(row)}"
    yield from _twice(table["wheels"], ("sha256",))


def _wheel_package(row: Entry) -> Iterator[str]:
    if row["package"] != canonicalize_name(row["package"]):
        yield "is not a normalized name"
    if not re.fullmatch(r"https://\S+[^/\s]", row["release"]):
        yield f"release {row['release']!r} is no folder's address"
    if not re.fullmatch(r"\d+\.\d", str(row["min_capability"])):
        yield f"min_capability {row['min_capability']!r} is not like 8.0"
    for line in row["requires"]:
        if not _is_requirement(line) or Requirement(line).name == "torch":
            yield f"requires {line!r}, which is no requirement beside torch"
    yield from (f"{name!r} is no architecture" for name in row["archs"] if not _ARCH.fullmatch(name))


def _wheel_name(row: Entry) -> str:
    abi = {0: "FALSE", 1: "TRUE"}.get(row["abi"])
    stem = (
        f"{row['package'].replace('-', '_')}-{row['version']}+cu{row['cuda']}torch{row['torch']}cxx11abi{abi}"
    )
    return f"{stem}-{row['python']}-{row['python']}-{row['platform']}.whl"


def _is_requirement(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


_CHECKS: dict[str, Callable[[Table, Mapping[str, Table]], Iterator[str]]] = {
    "channels": _channels,
    "torch": _torch,
    "archs": _archs,
    "gpus": _gpus,
    "sources": _sources,
    "floors": _floors,
    "failures": _failures,
    "packages": _packages,
    "wheels": _wheels,
}
