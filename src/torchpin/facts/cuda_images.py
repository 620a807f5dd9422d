"""nvidia/cuda: its tags by grammar, against NVIDIA's list of all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.facts.image_rows import UNREAD, Reading, read_row, table
from torchpin.facts.rows import cite
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.facts.load import RawRow

_TAG = re.compile(
    r"(?P<cuda>\d+(?:\.\d+){1,2})-(?P<variant>(?:cudnn\d*-)?(?:base|runtime|devel)|tensorrt-(?:runtime|devel))"
    r"-(?P<os>[a-z]+\d[\d.]*)"
)
_DL_TAG = re.compile(
    r"(?P<release>\d\d\.\d\d)-cuda(?P<cuda>\d+\.\d+)-(?P<variant>base|runtime|devel)-(?P<os>ubuntu\d\d\.\d\d)"
)
# The last CUDA versions whose nvidia/cuda tags have the suffix -cudnn8- and -cudnn9-; later ones have -cudnn-.
_LAST_CUDNN8, _LAST_CUDNN9 = Version("12.2.2"), Version("12.3.2")
_PLAIN = ("base", "runtime", "devel")


def row_tags(row: RawRow) -> tuple[str, ...]:
    """The tags that a row of the section `cuda` lists."""
    return tuple(f"{row['cuda']}-{variant}-{os}" for variant, os in _variants(row))


def _variants(row: RawRow) -> Iterator[tuple[str, str]]:
    for tag in row.get("tags", ()):
        variant, _, os = tag.rpartition("-")
        yield variant, os
    for os in (*row.get("os", ()), *row.get("os_without_cudnn", ())):
        yield from ((variant, os) for variant in _PLAIN)
    for os in row.get("os", ()):
        yield from ((f"{row['suffix']}-{variant}", os) for variant in ("runtime", "devel"))
    for os in row.get("os_with_tensorrt", ()):
        yield from ((f"tensorrt-{variant}", os) for variant in ("runtime", "devel"))


def _image_row(list_row: RawRow, cuda: str, variant: str, os: str, *, listed: bool) -> RawRow:
    suffix = variant.partition("-")[0] if variant.startswith("cudnn") else ""
    recorded = list_row.get("cudnn_on", {}).get(os) or list_row.get("cudnn")
    # Where the version is not recorded, the suffix gives its major: `cudnn8` has 8, plain `cudnn` 9.
    cudnn = (recorded or suffix.removeprefix("cudnn") or "9") if suffix else None
    status = list_row.get("status")
    row = read_row(
        os, list_row.get("source", ""), listed=listed, cuda=cuda, variant=variant, cudnn=cudnn, gate_cuda=cuda,
        status=status if status != "withdrawn" else None, withdrawn=status == "withdrawn",
        platforms=_platforms(cuda, os),
    )  # fmt: skip
    return {**row, "os": os}


def _platforms(cuda: str, os: str) -> tuple[str, ...]:
    limits = [row.get("below") for row in table()["cuda_amd64_only"] if row["os"] == os]
    is_amd64_only = any(limit is None or Version(cuda) < Version(limit) for limit in limits)
    return ("linux/amd64",) if is_amd64_only else ("linux/amd64", "linux/arm64")


def read_cuda_tag(tag: str) -> Reading:
    """What a tag of nvidia/cuda says."""
    match = _TAG.fullmatch(tag)
    if match is None:
        return _violation(_form_violation(tag))
    cuda, variant, os = match["cuda"], match["variant"], match["os"]
    list_rows = [row for row in table()["cuda"] if row["cuda"] == cuda]
    for row in list_rows:
        if (variant, os) in set(_variants(row)):
            return Reading(row=_image_row(row, cuda, variant, os, listed=True))
    if violation := _form_violation(tag) or _suffix_violation(cuda, variant):
        return _violation(violation)
    if any("tags" in row for row in list_rows) or (not list_rows and _may_be_newer(cuda)):
        note = "NVIDIA's list is older than this CUDA version"
        row = _image_row({"source": note}, cuda, variant, os, listed=False)
        return Reading(row=row)
    if not list_rows:
        return _violation(
            f"nvidia/cuda has no images of CUDA {cuda}; near it: {', '.join(_near_versions(cuda))}"
        )
    return _violation(_combination_violation(list_rows, cuda, variant, os))


def _form_violation(tag: str) -> str:
    match = re.match(r"(\d+(?:\.\d+)*)-(?:cudnn\d*-)?(?:base|runtime|devel)-\w", tag)
    if match is None:
        return "tags of nvidia/cuda are <X.Y.Z>-<variant>-<system>, and there is no `latest`"
    if len(match[1].split(".")) != 3:  # noqa: PLR2004 - X, Y and Z
        return f"its CUDA version {match[1]} is not a full X.Y.Z"
    return ""


def _suffix_violation(cuda: str, variant: str) -> str:
    suffix, version = variant.partition("-")[0], Version(cuda)
    expected = "cudnn8" if version <= _LAST_CUDNN8 else "cudnn9" if version <= _LAST_CUDNN9 else "cudnn"
    if variant.endswith("-base"):
        return "the variant base has no cuDNN"
    if suffix.startswith("cudnn") and suffix != expected:
        return f"for CUDA {cuda} the suffix is -{expected}-, not -{suffix}-"
    return ""


def _combination_violation(list_rows: list[RawRow], cuda: str, variant: str, os: str) -> str:
    """Why a listed CUDA version has no image of a variant on a system."""
    variants = {(name, system) for row in list_rows for name, system in _variants(row)}
    on_system = sorted({name for name, system in variants if system == os})
    if on_system:
        return f"on {os} CUDA {cuda} has the variants {', '.join(on_system)}, not {variant}"
    listed = sorted(
        {system for name, system in variants if name == variant} or {system for _, system in variants}
    )
    return f"CUDA {cuda} has no images on {os}, but on {', '.join(listed)}"


def _violation(text: str) -> Reading:
    if not text:
        return UNREAD
    row = table()["cuda"][0]
    return Reading(violation=text, citation=cite(row["source"], row["date"]))


def _may_be_newer(cuda: str) -> bool:
    """Whether a CUDA version that is not listed may have come after the list: of an open minor, or of a later one."""
    listed = [Version(row["cuda"]) for row in table()["cuda"]]
    version, minor = Version(cuda), major_minor(cuda)
    in_minor = [candidate for candidate in listed if major_minor(str(candidate)) == minor]
    if version > max(listed):
        return True
    is_open = any(row["minor"] == minor for row in table()["open_minors"])
    return is_open and (not in_minor or version > max(in_minor))


def _near_versions(cuda: str) -> list[str]:
    versions = {Version(row["cuda"]) for row in table()["cuda"] if row.get("status") != "withdrawn"}
    parts = (*Version(cuda).release, 0, 0)[:3]

    def distance(version: Version) -> tuple[int, ...]:
        return tuple(abs(left - right) for left, right in zip(version.release, parts, strict=False))

    return [str(version) for version in sorted(sorted(versions, key=distance)[:3])]


def read_dl_base_tag(tag: str) -> Reading:
    """What a tag of nvcr.io/nvidia/cuda-dl-base says."""
    match = _DL_TAG.fullmatch(tag)
    if match is None:
        return UNREAD
    row = read_row(match["os"], listed=False, cuda=match["cuda"], cudnn="9", variant=match["variant"])
    return Reading(row=row)
