"""The consistency of base_images.yaml: its lists against each other, and against the releases of torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.facts.age import IMAGES, image_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.facts.load import RawRow, Table

_STATUS = {"supported", "end-of-life", "withdrawn"}
_TAG = re.compile(r"(?:cudnn-)?(?:devel|runtime)-(?P<os>[a-z]+\d[\d.]*)|base-(?P<base_os>[a-z]+\d[\d.]*)")
_SYSTEM_COLUMNS = ("os", "os_without_cudnn", "os_with_tensorrt")


def problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """A message for each problem of the table."""
    systems = {"unknown", None, *(row["os"] for row in table["systems"])}
    for section in ("pytorch", "runpod", "pytorch_series", "ngc", "vllm", "cuda_amd64_only"):
        for row in table[section]:
            if row.get("os") not in systems:
                yield f"{_label(section, row)}: {row['os']} is not a system of the table"
    for row in table["cuda"]:
        yield from (f"{row['cuda']}: {message}" for message in _cuda(row, systems))
    for row in table["pythons"]:
        yield from (f"python {row['minor']}: {message}" for message in _python(row, table))
    for row in table["systems"]:
        if row["glibc"] != "musl" and not re.fullmatch(r"2\.\d\d", row["glibc"]):
            yield f"{row['os']}: glibc {row['glibc']!r} is neither like 2.35 nor musl"
    yield from _images(table)
    yield from _releases(table, tables)


def _label(section: str, row: RawRow) -> str:
    key = next(name for name in ("tag", "series", "release", "os") if name in row)
    return f"{section}/pytorch:{row['tag']}" if key == "tag" else f"{section} {row[key]}"


def _cuda(row: RawRow, systems: set[str | None]) -> Iterator[str]:
    if "tags" in row:
        for tag in row["tags"]:
            match = _TAG.fullmatch(tag)
            if match is None or (match["os"] or match["base_os"]) not in systems:
                yield f"{tag!r} is not a variant on a system of the table"
        return
    if row.get("status") not in _STATUS:
        yield f"status is {row.get('status')!r}, not one of {', '.join(sorted(_STATUS))}"
    names = [name for column in _SYSTEM_COLUMNS for name in row.get(column, ())]
    yield from (f"{name} is not a system of the table" for name in names if name not in systems)
    if row.get("os") and not re.fullmatch(r"cudnn\d*", row.get("suffix", "")):
        yield f"suffix is {row.get('suffix')!r}, not like cudnn8"
    suffix_major = row.get("suffix", "").removeprefix("cudnn")
    if suffix_major and row.get("cudnn") and not row["cudnn"].startswith(f"{suffix_major}."):
        yield f"cuDNN {row['cudnn']} is not of its suffix {row['suffix']}"


def _python(row: RawRow, table: Table) -> Iterator[str]:
    codenames = {system.get("codename") for system in table["systems"]} | {
        system["os"] for system in table["systems"]
    }
    for name, (first, last) in row["suites"].items():
        if name not in codenames:
            yield f"{name} is not a system of the table"
        if not row["first"] <= first <= last <= row["newest"]:
            yield f"{name}: the patches {first} to {last} are not within {row['first']} to {row['newest']}"
    patches = [patch for first, last in row["defaults"].values() for patch in range(first, last + 1)]
    if sorted(patches) != list(range(row["first"], row["newest"] + 1)):
        yield "defaults do not name one distribution for each patch"


def _images(table: Table) -> Iterator[str]:
    listed_images = {
        image for section in IMAGES[:-1] for row in table[section] for image in image_names(section, row)
    }
    named = [row["image"] for row in table["digests"]] + [row.get("base") for row in table["runpod"]]
    yield from (
        f"{image} is not an image of the table" for image in named if image not in {None, *listed_images}
    )
    for row in (*table["pytorch"], *table["runpod"]):
        local = (row.get("torch") or "").partition("+")[2]
        if local and local != "cu" + "".join(row["cuda"].split(".")[:2]):
            yield f"{row['tag']}: CUDA is {row['cuda']}, torch is +{local}"
    for row in table["pytorch"]:
        tag = f"{row['torch'].partition('+')[0]}-cuda{row['cuda']}-cudnn{row['cudnn']}-{row['variant']}"
        if tag != row["tag"]:
            yield f"{row['tag']}: its columns give {tag}"


def _releases(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """References to releases of torch and to channels that their tables do not have."""
    releases = {row["version"] for row in tables.get("torch", {}).get("releases", [])}
    channels = {row["name"] for row in tables.get("channels", {}).get("channels", [])}
    for section in ("pytorch", "runpod", "runpod_wheels", "vllm"):
        for row in table[section]:
            torch = (row.get("torch") or "").partition("+")[0]
            label = row.get("tag") or row.get("release") or row["cuda"]
            if torch and releases and torch not in releases:
                yield f"{label}: torch {torch} has no row in torch.yaml"
            if channels and row.get("channel") and row["channel"] not in channels:
                yield f"{label}: {row['channel']} is not a channel"
