"""What rules need of a locked wheel, out of its METADATA and its table of contents."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.requirements import Requirement

from torchpin.compat.markers import marker_environment
from torchpin.compat.measured import FAMILY
from torchpin.compat.overrides import overrides
from torchpin.measure import contents, metadata
from torchpin.model import SharedFiles, WheelContents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.measure.contents import WheelFile
    from torchpin.model import Artifact, Environment

    FilesOf = Mapping[str, Mapping[str, WheelFile]]  # by SHA-256 of a wheel, then by place in site-packages

_MOST_INSTALLED = 500  # folders and files in site-packages; real wheels have some ten


def wheel_contents(
    env: Environment, artifact: Artifact, metadata_text: bytes, files: Iterable[WheelFile]
) -> WheelContents:
    """What the rules need of a wheel that was read."""
    files = tuple(files)
    paths = [file.path for file in files]
    installs = contents.top_level(paths)
    if len(installs) > _MOST_INSTALLED:
        return unread_wheel(env, artifact, f"it installs {len(installs)} folders and files", metadata_text)
    return replace(
        unread_wheel(env, artifact, "", metadata_text),
        installs=tuple(map(_plain, installs)),
        cuda_libraries=contents.cuda_libraries(paths),
        cuda_runtimes=contents.bundled_runtimes(paths),
        unpacked=sum(file.size for file in files),
    )


def unread_wheel(
    env: Environment, artifact: Artifact, reason: str, metadata_text: bytes = b""
) -> WheelContents:
    """A wheel whose table of contents cannot be read, and what its metadata say, where an index publishes them."""
    return WheelContents(
        name=artifact.name,
        version=artifact.version,
        sha256=artifact.sha256,
        requires=_requirement_lines(env, metadata_text),
        unread=reason,
    )


def _requirement_lines(env: Environment, text: bytes) -> tuple[str, ...]:
    """The requirements on torch's family and on overridden packages, and those that name a CUDA major with their extras.

    Only those that apply in an environment.
    """
    target = marker_environment(env)
    requirements = [
        requirement
        for requirement in metadata.parse_requirements(text)
        if metadata.applies(requirement, target) and not requirement.url
    ]
    of_family = metadata.requirements_on(requirements, {*FAMILY, *overrides(env)})
    selected = [
        *(requirement for requirement in of_family if not metadata.extras(requirement)),
        *metadata.cuda_requirements(requirements),
    ]
    return tuple(dict.fromkeys(map(_without_markers, selected)))


def _without_markers(requirement: Requirement) -> str:
    """A requirement that applies, as a text; of its marker only the extras stay."""
    extras = sorted(metadata.extras(requirement))
    marker = " or ".join(f'extra == "{extra}"' for extra in extras)
    bare = Requirement(str(requirement))
    bare.marker = Marker(marker) if marker else None
    return str(bare)


def overlapping(wheels: Iterable[WheelContents]) -> list[tuple[WheelContents, WheelContents]]:
    """The pairs of wheels, each sorted by name, that were read and install into a folder of the same name."""
    ordered = sorted((wheel for wheel in wheels if wheel.is_read), key=lambda wheel: wheel.name)
    return [
        (first, second)
        for first, second in combinations(ordered, 2)
        if not {*first.installs}.isdisjoint(second.installs)
    ]


def with_shared_files(
    wheels: Iterable[WheelContents],
    files: FilesOf,
    recorded: Mapping[tuple[str, str], SharedFiles | None],
) -> tuple[WheelContents, ...]:
    """The wheels with the files that each shares with those before it by name.

    `recorded` are the pairs, by SHA-256, that the present lock compared; the others are compared by `files`.
    """
    wheels = tuple(wheels)
    shares: dict[str, list[SharedFiles]] = {}
    for first, second in overlapping(wheels):
        key = (first.sha256, second.sha256)
        shared = recorded[key] if key in recorded else _compare(first, files[key[0]], files[key[1]])
        shares.setdefault(second.sha256, []).extend([shared] if shared else [])
    return tuple(replace(wheel, shares=tuple(shares.get(wheel.sha256, ()))) for wheel in wheels)


def _compare(
    first: WheelContents, files: Mapping[str, WheelFile], other_files: Mapping[str, WheelFile]
) -> SharedFiles | None:
    places = contents.shared_places(files, other_files)
    if not places:
        return None
    example = next((place for place in places if place.endswith("/__init__.py")), places[0])
    return SharedFiles(package=first.name, count=len(places), example=_plain(example))


def recorded_pairs(wheels: Iterable[WheelContents]) -> dict[tuple[str, str], SharedFiles | None]:
    """What a lock says of each pair of its wheels that were compared, by their SHA-256."""
    return {
        (first.sha256, second.sha256): next(
            (shared for shared in second.shares if shared.package == first.name), None
        )
        for first, second in overlapping(wheels)
    }


def _plain(path: str) -> str:
    """A path without control characters; a lock has no address, and a colon before two slashes would look like one."""
    visible = "".join("?" if unicodedata.category(char)[0] == "C" else char for char in path)
    return visible.replace("://", ":/")
