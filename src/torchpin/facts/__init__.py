"""What is known about torch, GPUs, CUDA and base images: tables and index snapshots with their sources, and look-ups."""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from torchpin.facts.age import DatedRow, SectionAge, expired_rows, section_ages
from torchpin.facts.archs import (
    Toolkits,
    Triton,
    bundled_ptxas,
    capabilities,
    compiled_archs,
    highest_arch,
    parse_capability,
    runs_on,
    toolkits_of,
    tritons,
)
from torchpin.facts.base_images import base_image, base_images, image_description, tag_violation
from torchpin.facts.compilers import (
    compiling_packages,
    compiling_settings,
    image_compiler,
    system_compilers,
)
from torchpin.facts.gpus import (
    driver,
    gate,
    gpu,
    gpu_candidates,
    gpus,
    image_gate,
    is_same_gpu,
    known_gpus,
    own_gpu_names,
)
from torchpin.facts.image_names import ImageName, parse_image_name
from torchpin.facts.load import RawRow, Table, build_row, load_snapshot, load_table
from torchpin.facts.measured import (
    MeasuredCheck,
    forget_measured,
    is_measured,
    measured_checks,
    measured_citation,
    measured_cuda_libraries,
    measured_cuda_majors,
    measured_document,
    measured_imports,
    measured_python,
    measured_releases,
    measured_requirements,
    name_ranges,
    provides_name,
)
from torchpin.facts.near_gpus import near_gpus
from torchpin.facts.package_rows import (
    Conflict,
    LibraryChoice,
    Partner,
    Removal,
    UndeclaredRequirement,
    Wheel,
)
from torchpin.facts.packages import (
    NoWheel,
    abi_packages,
    conflicts,
    cuda_build,
    find_wheel,
    implied_packages,
    library_choice,
    native_needs,
    wheels,
)
from torchpin.facts.partners import channel_packages, partner_requirements, partners
from torchpin.facts.rows import (
    Archs,
    BaseImage,
    Channel,
    Gate,
    Gpu,
    IndexSnapshot,
    KnownFailure,
    Metadata,
    SourceTag,
    TorchRelease,
)
from torchpin.facts.torch import (
    channel,
    channel_cuda,
    channels,
    complete_series,
    cxx11_abi,
    other_channel,
    pypi_wheels,
    release,
    release_versions,
    releases,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from torchpin.facts.index_pages import Page


# fmt: off
__all__ = [
    "Archs",
    "BaseImage",
    "Channel",
    "Conflict",
    "DatedRow",
    "Gate",
    "Gpu",
    "ImageName",
    "KnownFailure",
    "LibraryChoice",
    "MeasuredCheck",
    "Metadata",
    "NoWheel",
    "Partner",
    "Removal",
    "SectionAge",
    "SourceTag",
    "Toolkits",
    "TorchRelease",
    "Triton",
    "UndeclaredRequirement",
    "Wheel",
    "abi_packages",
    "base_image",
    "base_images",
    "bundled_ptxas",
    "capabilities",
    "channel",
    "channel_cuda",
    "channel_packages",
    "channels",
    "compiled_archs",
    "compiling_packages",
    "compiling_settings",
    "complete_series",
    "conflicts",
    "cuda_build",
    "cxx11_abi",
    "driver",
    "expired_rows",
    "failures",
    "find_wheel",
    "forget_measured",
    "gate",
    "gpu",
    "gpu_candidates",
    "gpus",
    "highest_arch",
    "image_compiler",
    "image_description",
    "image_gate",
    "implied_packages",
    "index_snapshot",
    "is_measured",
    "is_same_gpu",
    "known_gpus",
    "library_choice",
    "measured_checks",
    "measured_citation",
    "measured_cuda_libraries",
    "measured_cuda_majors",
    "measured_document",
    "measured_imports",
    "measured_python",
    "measured_releases",
    "measured_requirements",
    "metadata",
    "metadata_date",
    "name_ranges",
    "native_needs",
    "near_gpus",
    "other_channel",
    "own_gpu_names",
    "parse_capability",
    "parse_image_name",
    "partner_requirements",
    "partners",
    "problems",
    "provides_name",
    "pypi_wheels",
    "recorded_hash",
    "release",
    "release_versions",
    "releases",
    "removals",
    "runs_on",
    "section_ages",
    "source_tags",
    "system_compilers",
    "tag_violation",
    "toolkits_of",
    "tritons",
    "undeclared_requirements",
    "wheels",
]
# fmt: on


@cache
def index_snapshot(channel: str) -> IndexSnapshot | None:
    """The index snapshot of a channel; None: there is none."""
    page = load_snapshot(channel) if channel.isalnum() else None
    if page is None or page.get("channel") != channel:
        return None
    from torchpin.facts.index_pages import merge_hashes

    packages = {name: MappingProxyType(merge_hashes(rows)) for name, rows in page["packages"].items()}
    return IndexSnapshot(
        channel=channel, source=page["source"], date=page["date"], packages=MappingProxyType(packages)
    )


def recorded_hash(channel: str, filename: str) -> str | None:
    """The sha256 of a file in the index snapshot of a channel; None: the file or its hash is not recorded."""
    page = index_snapshot(channel)
    packages = page.packages.values() if page else ()
    return next((files[filename] for files in packages if filename in files), None)


@cache
def metadata() -> tuple[Metadata, ...]:
    """The recorded metadata of wheels on the channels."""
    page = load_snapshot("metadata")
    return tuple(build_row(Metadata, row) for row in page["records"]) if page else ()


def metadata_date() -> str:
    """The day on which the recorded metadata were collected."""
    page = load_snapshot("metadata")
    return str(page["date"]) if page else ""


@cache
def source_tags(repo: str) -> tuple[SourceTag, ...]:
    """The tags of a repository `owner/name`, whatever its case."""
    tables = load_table("sources")
    requirements = {(row["repo"], row["tag"]): _requirement_columns(row) for row in tables["requirements"]}
    return tuple(
        # Not every tag has a row of requirements.
        build_row(SourceTag, {"pins": {}, **row, **requirements.get((row["repo"], row["tag"]), {})})
        for row in tables["tags"]
        if row["repo"].lower() == repo.lower()
    )


def _requirement_columns(row: RawRow) -> RawRow:
    keys = ("min_torch", "min_python", "min_cuda", "tested_torch", "pins", "note")
    return {**{key: row[key] for key in keys if key in row}, "requirements_source": row["source"]}


@cache
def undeclared_requirements() -> tuple[UndeclaredRequirement, ...]:
    """The requirements that resolvers miss, in the order of the table."""
    return tuple(
        build_row(UndeclaredRequirement, row) for row in load_table("undeclared_requirements")["undeclared"]
    )


@cache
def removals() -> tuple[Removal, ...]:
    """The interfaces that packages have removed."""
    return tuple(build_row(Removal, row) for row in load_table("undeclared_requirements")["removed"])


@cache
def failures() -> tuple[KnownFailure, ...]:
    """The known failures in the order in which to search them: special before general."""
    rows = load_table("known_failures")["failures"]
    return tuple(build_row(KnownFailure, {**row, "pattern": re.compile(row["pattern"])}) for row in rows)


def failures_of(check: str) -> tuple[KnownFailure, ...]:
    """The known failures whose cause a check or rule reports."""
    return tuple(failure for failure in failures() if check in failure.checks)


def problems(
    tables: Mapping[str, Table] | None = None,
    pages: Mapping[str, Page] | None = None,
    today: date | None = None,
) -> tuple[str, ...]:
    """The problems of the tables and index snapshots, empty if there are none; with `tables`, of these and of `pages` only."""
    from torchpin.facts import index_pages, load, measured, readers, validate, validate_measured

    further: list[str] = []
    if tables is None:
        tables, pages = load.all_tables(), index_pages.all_pages() if pages is None else pages
        further += validate_measured.problems(measured.measured_documents(), today)
        further += (f"readers.yaml: {message}" for message in readers.problems(tables, load.load_readers()))
    return (*validate.problems(tables, pages, today), *further)
