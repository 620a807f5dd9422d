"""What is known about torch, GPUs, CUDA and images: tables as data, each row with its source."""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from torchpin.facts.age import Age, Aged, aged, ages
from torchpin.facts.base_images import base, bases
from torchpin.facts.gpus import ceiling, compiled, driver, gate, gpu, gpus, runs_on
from torchpin.facts.load import Entry, Table, built, index, table
from torchpin.facts.packages import NoWheel, abi_packages, brings, conflicts, needs, wheel, wheels
from torchpin.facts.rows import (
    Archs,
    Base,
    Brings,
    Channel,
    Conflict,
    Driver,
    Fact,
    Failure,
    Floor,
    Gate,
    Gpu,
    Metadata,
    Native,
    Recorded,
    Removal,
    SourceTag,
    TorchRelease,
    Wheel,
)
from torchpin.facts.torch import channel, channels, cxx11_abi, release, releases

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from torchpin.facts.index_pages import Page


# fmt: off
__all__ = [
    "Age", "Aged", "Archs", "Base", "Brings", "Channel", "Conflict", "Driver", "Fact", "Failure", "Floor", "Gate", "Gpu", "Metadata", "Native",
    "NoWheel", "Recorded", "Removal", "SourceTag", "TorchRelease", "Wheel", "abi_packages", "aged", "ages", "base", "bases", "brings", "ceiling", "channel",
    "channels", "compiled", "conflicts", "cxx11_abi", "driver", "facts", "failures", "floors", "gate", "gpu", "gpus",
    "metadata", "needs", "problems", "recorded", "recorded_hash", "release", "releases", "removals", "runs_on",
    "source_tags", "wheel", "wheels",
]
# fmt: on


# --- what a build runs on --------------------------------------------------------------------------------------------


# --- the recorded index ----------------------------------------------------------------------------------------------


@cache
def recorded(channel: str) -> Recorded | None:
    """The recorded page of a channel, package by package."""
    page = index(channel) if channel.isalnum() else None
    if page is None or page.get("channel") != channel:
        return None
    from torchpin.facts.index_pages import files

    packages = {name: MappingProxyType(files(rows)) for name, rows in page["packages"].items()}
    return Recorded(
        channel=channel, source=page["source"], date=page["date"], packages=MappingProxyType(packages)
    )


def recorded_hash(channel: str, filename: str) -> str | None:
    page = recorded(channel)
    packages = page.packages.values() if page else ()
    return next((files[filename] for files in packages if filename in files), None)


@cache
def metadata() -> tuple[Metadata, ...]:
    page = index("metadata")
    return tuple(built(Metadata, row) for row in page["records"]) if page else ()


# --- sources, packages, failures -------------------------------------------------------------------------------------


@cache
def source_tags(repo: str) -> tuple[SourceTag, ...]:
    """The known tags of `owner/name`, however it is spelled."""
    tables = table("sources")
    wants = {(row["repo"], row["tag"]): _asked(row) for row in tables["requirements"]}
    return tuple(
        built(SourceTag, {"pins": {}, **row, **wants.get((row["repo"], row["tag"]), {})})
        for row in tables["tags"]
        if row["repo"].lower() == repo.lower()
    )


def _asked(row: Entry) -> Entry:
    kept = ("min_torch", "min_python", "min_cuda", "tested_torch", "pins", "note")
    return {**{key: row[key] for key in kept if key in row}, "asked": row["source"]}


@cache
def floors() -> tuple[Floor, ...]:
    tables = table("floors")
    return tuple(built(Floor, row) for row in (*tables["floors"], *tables["pinned"]))


@cache
def removals() -> tuple[Removal, ...]:
    return tuple(built(Removal, row) for row in table("floors")["removed"])


@cache
def failures() -> tuple[Failure, ...]:
    """In the order to search them: special before general."""
    rows = table("failures")["failures"]
    return tuple(built(Failure, {**row, "pattern": re.compile(row["pattern"])}) for row in rows)


def facts(name: str) -> tuple[Fact, ...]:
    """The sentences beside a table (`torch`, `bases`, `drivers`, `sources`)."""
    return tuple(built(Fact, row) for row in table(name).get("facts", []))


def problems(
    tables: Mapping[str, Table] | None = None,
    pages: Mapping[str, Page] | None = None,
    today: date | None = None,
) -> tuple[str, ...]:
    """What is wrong with the tables and the recorded pages (where tables are given, with the given pages only); empty is well."""
    from torchpin.facts import index_pages, load, validate

    if tables is None:
        tables, pages = load.all_tables(), index_pages.all_pages() if pages is None else pages
    return tuple(validate.problems(tables, pages, today))
