"""The consistency of the channels, the releases of torch and PyPI's wheels, with each other and with the other tables."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.facts.table_references import channel_names, parses, rows
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.facts.load import RawRow, Table


def channel_problems(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    for row in table["channels"]:
        if row["name"] != "pypi" and not str(row.get("url", "")).endswith(f"/whl/{row['name']}"):
            yield f"{row['name']}: url belongs to another channel"
        if row["name"].startswith("cu") and row["name"] != "cu" + str(row["cuda"]).replace(".", ""):
            yield f"{row['name']}: cuda {row['cuda']} does not match its name"
        series = set(row["series"])
        yield from (
            f"{row['name']}: aarch64 {name} is not among its series"
            for name in row.get("aarch64", ())
            if name not in series
        )
        yield from (
            f"{row['name']}: undecided {name} is neither a release of its series nor one that it does not list"
            for name in row.get("undecided", ())
            if name in series or (name.count(".") > 1) != (major_minor(name) in series)
        )
    listed = Counter(name for row in table["complete"] for name in row["series"])
    yield from (f"complete: {name} occurs {count} times" for name, count in listed.items() if count > 1)


def release_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    for row in table["releases"]:
        if not parses(Version, row["version"]):
            yield f"{row['version']!r} is not a version"
        if row.get("pypi_local") is not None and row["pypi_local"] not in channel_names(tables):
            yield f"{row['version']}: pypi_local {row['pypi_local']} is not a channel"
    complete = {name for row in rows(tables, "channels", "complete") for name in row["series"]}
    missing = {major_minor(row["version"]) for row in table["releases"]} - complete if complete else set()
    yield from (
        f"{name}: channels.yaml does not say whether its channels are complete" for name in sorted(missing)
    )


def wheel_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """Each machine's wheels have a glibc, and the rows of torch agree with torch.yaml."""
    releases = {row["version"]: row for row in rows(tables, "torch", "releases")}
    for row in table["wheels"]:
        label = f"{row['package']} {row['version']}"
        for machine in ("x86_64", "aarch64"):
            if bool(row[machine]) != (machine in row["glibc"]):
                yield f"{label}: glibc and the Pythons of {machine} are not both there"
        for tag in (*row["x86_64"], *row["aarch64"], *row["arm64"]):
            if not re.fullmatch(r"cp3\d+t?|py3", tag):
                yield f"{label}: {tag!r} is not a Python tag"
        unknown = set(row.get("build", {}).values()) - channel_names(tables)
        yield from (f"{label}: build {name} is not a channel" for name in sorted(unknown))
        if row["package"] == "torch" and releases:
            yield from _disagreements(label, row, releases.get(row["version"]))
    listed = {row["version"] for row in table["wheels"] if row["package"] == "torch"}
    yield from (f"torch {version} has no row" for version in releases if version not in listed)


def _disagreements(label: str, row: RawRow, release: RawRow | None) -> Iterator[str]:
    if release is None:
        yield f"{label}: torch.yaml has no row for it"
        return
    if [tag for tag in row["x86_64"] if not tag.endswith("t")] != release["wheel_pythons"]:
        yield f"{label}: the Pythons of x86_64 are not wheel_pythons of torch.yaml"
    local = release.get("pypi_local")
    if local and row.get("build", {}).get("x86_64") != local:
        yield f"{label}: the build of x86_64 is not pypi_local {local} of torch.yaml"
