"""The Docker Official Image python: its tags by grammar, against the releases and distributions that it was built for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.facts.image_rows import UNREAD, Reading, read_row, systems, table, within
from torchpin.facts.rows import cite
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from torchpin.facts.load import RawRow

_VERSION = re.compile(r"\d+(?:\.\d+){0,2}(?:(?:a|b|rc)\d+)?")
_DEBIAN = re.compile(r"debian\d+")


def read_python_tag(tag: str) -> Reading:
    """What a tag of python says: `3.12-slim-bookworm`, `3.11.9-alpine3.20`, `3.13`."""
    parts = tag.split("-")
    version = parts.pop(0) if _VERSION.fullmatch(parts[0]) or parts[0] == "latest" else ""
    prerelease = bool(parts) and parts[0] == "rc"
    parts = parts[1:] if prerelease else parts
    is_slim = bool(parts) and parts[0] == "slim"
    suite, *further = [*(parts[1:] if is_slim else parts), ""]
    if further[:-1] == ["slim"] and _system(suite):
        front = f"{version}-" if version else ""
        return _violation(f"tags of python are <version>-slim-<distribution>: {front}slim-{suite}")
    if further[:-1] or (suite and _system(suite) is None):
        return UNREAD
    if not version or version.count(".") == 0 or prerelease or re.search("[abr]", version):
        return _moving(version, suite)
    row = next((row for row in table()["pythons"] if row["minor"] == major_minor(version)), None)
    if row is None:
        is_newer = Version(version) > Version(f"{table()['pythons'][-1]['minor']}.99")
        system = _system(suite or (_newest_default() if is_newer else ""))
        return Reading(row=read_row(system, listed=False, python=version, moves=not suite))
    return _read_release(row, version, suite)


def _newest_default() -> str:
    """The distribution of the newest release in a tag without one."""
    return str(list(table()["pythons"][-1]["defaults"])[-1])


def _system(suite: str) -> str | None:
    """The distribution of `bookworm` or `alpine3.20`."""
    codename = (
        row["os"] for row in systems().values() if row.get("codename") == suite and _DEBIAN.match(row["os"])
    )
    return next(codename, suite if suite.startswith("alpine") and suite in systems() else None)


def _moving(version: str, suite: str) -> Reading:
    """The reading of a tag that names no minor release of Python."""
    is_plain = version in {"", "3", "latest"}
    system = _system(suite or _newest_default())
    return Reading(row=read_row(system, "Docker Official Image python", listed=is_plain, moves=True))


def _read_release(row: RawRow, version: str, suite: str) -> Reading:
    exact, newest, first = version.count(".") == 2, row["newest"], row["first"]  # noqa: PLR2004 - X.Y.Z
    patch = int(version.rpartition(".")[2]) if exact else newest
    is_listed = first <= patch <= newest
    if patch > newest and row["ends"] < row["as_of"]:
        return _violation(
            f"python {version} does not exist: the last release of {row['minor']} is {newest}", row
        )
    suites = row["suites"]
    builds = {
        name: bounds
        for name, bounds in suites.items()
        if not exact or not is_listed or within(version, bounds)
    }
    source = cite(row["source"], row["date"]).rpartition(" (")[0]
    if suite and suite != "alpine" and is_listed and suite not in builds:
        of_kind = sorted(name for name in builds if name.startswith("alpine") == suite.startswith("alpine"))
        if exact or of_kind:
            return _violation(
                f"python has no image of {version} on {suite}; it has {', '.join(of_kind)}", row
            )
    columns = {"python": version, "ends": row["ends"], "moves": not exact or not suite}
    return Reading(row=read_row(_system(suite or _default(row, patch)), source, listed=is_listed, **columns))


def _default(row: RawRow, patch: int) -> str:
    """The distribution of a patch in a tag without one; of a patch that came after the list, that of the last before it."""
    latest = min(patch, row["newest"])
    return next((name for name, bounds in row["defaults"].items() if bounds[0] <= latest <= bounds[1]), "")


def _violation(text: str, row: RawRow | None = None) -> Reading:
    row = row or table()["pythons"][0]
    return Reading(violation=text, citation=cite(row["source"], row["date"]))
