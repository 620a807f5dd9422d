"""What a wheel's table of contents says: what it installs, the CUDA versions it has libraries for, files shared with another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.measure.metadata import cuda_version_in_digits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# `libbitsandbytes_cuda126.so`, `libbitsandbytes_cuda126_nocublaslt.so`, `libfoo-cu124.so`: a stem and a CUDA version
_VERSIONED_LIBRARY = re.compile(
    r"(?P<stem>(?:.*/)?[^/]+?)[_-]?cu(?:da)?[_-]?(?P<version>\d{2,3})(?P<rest>(?:[._-][a-z][^/]*)?)\.so"
)
# `cuda12/kernels.so`, `lib/cu128/libfoo.so`: a folder of its own for each CUDA version
_VERSIONED_FOLDER = re.compile(
    r"(?P<stem>.*?)(?:^|/)cu(?:da)?[_-]?(?P<version>\d{2,3})/(?P<rest>[^/]+(?:/[^/]+)*\.so)(?:\.\d+)*"
)
_BUNDLED_RUNTIME = re.compile(r"(?:^|/)libcudart(?:-[0-9a-f]{8})?\.so\.(\d+)(?:\.\d+)*")
_DATA_SCHEME = re.compile(r"[^/]+\.data/(?P<scheme>purelib|platlib|scripts|data|headers)/(?P<path>.+)")
_INFO_FOLDER = re.compile(r"[^/]+\.(?:dist-info|data)/.*")
# Folders and files that packages install by mistake beside their own: which of them is kept changes nothing.
_STRAY = re.compile(
    r"(?:(?:tests?|testing|docs?|documentation|examples?|samples|benchmarks?|scripts|tools|ci)/.*"
    r"|(?:conftest|setup|noxfile|build_backend|build_utils)\.py|(?:license|licence|copying|notice|readme|changelog|changes|authors)[^/]*"
    r"|[^/]+\.(?:md|rst|txt|toml|cfg))",
    re.IGNORECASE,
)
_LARGEST_NAMESPACE = 1024  # bytes of an `__init__.py` that only declares a namespace, with its comments
_CHOICES = 2  # versions of one library: the wheel chooses among them


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFile:
    """A file in a wheel: its path there, its size in bytes, and the CRC-32 that the table of contents has of its bytes."""

    path: str
    size: int
    crc: int


def installed_path(path: str) -> str:
    """Where a file of a wheel is installed, relative to site-packages; "" for folders, metadata and what lies elsewhere.

    Of the folder `.data` only `purelib` and `platlib` lead into site-packages.
    """
    if path.endswith("/"):
        return ""
    match = _DATA_SCHEME.fullmatch(path)
    if match:
        return match["path"] if match["scheme"] in {"purelib", "platlib"} else ""
    return "" if _INFO_FOLDER.fullmatch(path) else path


def installed_files(files: Iterable[WheelFile]) -> dict[str, WheelFile]:
    """The files of a wheel by the place in site-packages that they are installed at."""
    places = {installed_path(file.path): file for file in files}
    return {place: file for place, file in places.items() if place}


def top_level(paths: Iterable[str]) -> tuple[str, ...]:
    """The folders and files that a wheel with these paths installs into site-packages, sorted."""
    return tuple(sorted({place.partition("/")[0] for place in map(installed_path, paths) if place}))


def cuda_libraries(paths: Iterable[str]) -> tuple[str, ...]:
    """The CUDA versions among which a wheel chooses a library by file or folder name, in ascending order.

    `12.6` where the names have a minor version, else `12`. Empty for a wheel with libraries of fewer than two versions
    under one name: it does not choose.
    """
    versions: dict[tuple[str, str], set[str]] = {}
    for path in map(installed_path, paths):
        match = _VERSIONED_LIBRARY.fullmatch(path) or _VERSIONED_FOLDER.fullmatch(path)
        version = cuda_version_in_digits(match["version"]) if match else None
        if match and version:
            versions.setdefault((match["stem"], match["rest"]), set()).add(version)
    choices = [names for names in versions.values() if len(names) >= _CHOICES]
    return tuple(sorted(set().union(*choices), key=lambda text: tuple(map(int, text.split(".")))))


def bundled_runtimes(paths: Iterable[str]) -> tuple[int, ...]:
    """The CUDA majors whose runtime library lies in the wheel itself, in ascending order."""
    matches = (_BUNDLED_RUNTIME.search(path) for path in map(installed_path, paths))
    return tuple(sorted({int(match[1]) for match in matches if match}))


def shared_places(first: Mapping[str, WheelFile], second: Mapping[str, WheelFile]) -> tuple[str, ...]:
    """Where two wheels install different files, sorted; empty where that changes nothing.

    Both are as `installed_files` gives them. Tests, texts and the like do not count, nor do the short `__init__.py` of a folder
    that two packages use as a namespace.
    """
    places = sorted(
        place
        for place in first.keys() & second.keys()
        if (first[place].size, first[place].crc) != (second[place].size, second[place].crc)
        and not _STRAY.fullmatch(place)
    )
    if all(
        _declares_namespace(place, first[place]) and _declares_namespace(place, second[place])
        for place in places
    ):
        return ()
    return tuple(places)


def _declares_namespace(place: str, file: WheelFile) -> bool:
    return place.endswith("/__init__.py") and file.size <= _LARGEST_NAMESPACE
