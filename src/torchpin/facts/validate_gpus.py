"""The consistency of the tables about GPUs, of what builds are compiled for, and of other channels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.facts.gpus import gpu_name_problems
from torchpin.facts.table_references import channel_names, parses, rows
from torchpin.facts.versions import version_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.facts.load import Table

ARCH = re.compile(r"(?:sm|compute)_\d{2,3}a?")


def archs_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """A message for each problem of archs.yaml."""
    series = {row["name"]: row["series"] for row in rows(tables, "channels", "channels")}
    for row in table["archs"]:
        label = f"{row['series']} {row['channel']} {row['platform']}"
        if row["channel"] not in series:
            yield f"{label}: channel does not exist"
        elif row["series"] not in series[row["channel"]]:
            yield f"{label}: channels.yaml does not list {row['series']} for {row['channel']}"
        if row["sm"] is None and not row.get("upper_bound"):
            yield f"{label}: sm and upper_bound are both missing"
        for name in (*(row["sm"] or ()), *(row["ptx"] or ())):
            if not ARCH.fullmatch(name):
                yield f"{label}: {name!r} is not an architecture"
    yield from _toolkit_problems(table, tables)
    yield from _hole_problems(table, tables)


def _toolkit_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    for row in table.get("toolkits", ()):
        for key in ("min_toolkit", "last_toolkit"):
            if _is_unknown_toolkit(row.get(key), tables):
                yield f"{row['sm']}: {key} {row[key]} is not a toolkit of drivers.yaml"
    for row in table.get("triton", ()):
        for key in ("ptxas", "ptxas_blackwell"):
            if row.get(key) and not re.fullmatch(r"\d+\.\d", row[key]):
                yield f"triton {row['version']}: {key} {row[key]!r} is not a CUDA version"


def _hole_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """Every series of a CUDA channel has a row of architectures, or is listed as a hole with the reason."""
    listed = {(row["series"], row["channel"]) for row in table["archs"]}
    holes = {(row["series"], row["channel"]) for row in table.get("holes", ())}
    channels = [row for row in rows(tables, "channels", "channels") if row["cuda"]]
    matrix = {(series, row["name"]) for row in channels for series in row["series"]}
    yield from (
        f"{' '.join(pair)}: listed in neither archs nor holes" for pair in sorted(matrix - listed - holes)
    )
    yield from (f"{' '.join(pair)}: listed in both archs and holes" for pair in sorted(holes & listed))
    yield from (
        f"{' '.join(pair)}: listed in holes, but channels.yaml does not list the series"
        for pair in sorted(holes - matrix)
    )


def _is_unknown_toolkit(cuda: str | None, tables: Mapping[str, Table]) -> bool:
    """Whether a CUDA version is missing in drivers.yaml though it is not older than its oldest row."""
    toolkits = [row["cuda"] for row in rows(tables, "drivers", "toolkits")]
    return bool(
        cuda
        and toolkits
        and cuda not in toolkits
        and version_numbers(cuda) > min(map(version_numbers, toolkits))
    )


def gpus_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """A message for each problem of gpus.yaml."""
    for row in table["gpus"]:
        capability = row.get("capability")
        if _is_unknown_toolkit(row.get("min_toolkit"), tables):
            yield f"{row['name']}: min_toolkit {row['min_toolkit']} is not a toolkit of drivers.yaml"
        if capability is None and not row.get("note"):
            yield f"{row['name']}: capability and note are both missing"
        if capability is not None and not re.fullmatch(r"\d+\.\d", str(capability)):
            yield f"{row['name']}: capability {capability!r} is not like 8.6"
    yield from gpu_name_problems(table)
    yield from _gpu_pattern_problems(table)


def _gpu_pattern_problems(table: Table) -> Iterator[str]:
    """The patterns of machine types and vendors compile, and a machine type's GPU is a row."""
    names = {row["name"] for row in table["gpus"]}
    names |= {name for row in table.get("families", ()) for name in row["names"].split(", ")}
    for row in table.get("instances", ()):
        if row["gpu"] not in names:
            yield f"instances: {row['pattern']}: {row['gpu']} is not a name of the table"
    for row in (*table.get("instances", ()), *table.get("vendors", ())):
        if not parses(re.compile, row["pattern"]):
            yield f"{row['pattern']}: the pattern does not compile"
    for row in table.get("families", ()):
        if not re.fullmatch(r"\d+\.\d", str(row["capability"])):
            yield f"families: capability {row['capability']!r} is not like 8.6"


def other_channels_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """A message for each problem of other_channels.yaml."""
    for row in table["channels"]:
        if not parses(re.compile, row["pattern"]):
            yield f"{row['id']}: the pattern does not compile"
        elif any(re.fullmatch(row["pattern"], name) for name in channel_names(tables)):
            yield f"{row['id']}: the pattern matches a channel of channels.yaml"
