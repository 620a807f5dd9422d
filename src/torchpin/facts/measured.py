"""What was measured of packages: what they import of others, which versions they ask for at run time, which names they have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from torchpin.facts.ranges import in_ranges
from torchpin.facts.rows import cite
from torchpin.facts.versions import public_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FOLDER = Path(__file__).parent / "data" / "measured"
UNCLEAR = "?"  # before the ranges of releases of which it is not known


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredImport:
    """What the import of a module needs of another package: names of one of its modules ("" for the module itself).

    `entry`: the module that is imported; `file`: where the names are imported in turn.
    """

    entry: str
    file: str
    module: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredCheck:
    """A check at run time that a package is at some version: `needs` is the requirement.

    `raises`: the exception where it is not; "" where the package then counts as absent. `function`: what runs it; "" where the
    import of `entry` does. `constant`: the name of the version in the file.
    """

    needs: str
    file: str
    raises: str = ""
    function: str = ""
    constant: str = ""
    entry: str = ""


@cache
def measured_document(package: str) -> Mapping[str, Any] | None:
    """The document of a package as it is stored; None: it is not measured. Read on first use."""
    path = _FOLDER / f"{package}.json"
    if not package.replace("-", "").isalnum() or not path.is_file():
        return None
    document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def forget_measured() -> None:
    """Forgets what was read: the files have changed."""
    measured_document.cache_clear()
    _covered.cache_clear()
    _module_names.cache_clear()


def measured_documents() -> dict[str, Mapping[str, Any]]:
    """Every document by the name of its file."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("*.json"))
    }


@cache
def _covered(package: str) -> frozenset[Version]:
    document = measured_document(package)
    return frozenset(map(Version, document["releases"])) if document else frozenset()


def is_measured(package: str, version: Version) -> bool:
    """Whether the facts of a release are known, by its public version: a build for a channel has the modules of PyPI's."""
    return public_version(version) in _covered(package)


def measured_citation(package: str) -> str:
    """The source of the facts of a package, as evidence."""
    document = measured_document(package) or {}
    return cite(f"PyPI wheels of {package}", str(document.get("date", "")))


def measured_imports(package: str, version: Version) -> Iterator[MeasuredImport]:
    """What a release needs of other packages when it is imported; nothing where it is not measured."""
    for row in _rows(package, version, "imports"):
        yield MeasuredImport(
            entry=row["entry"], file=row["file"], module=row["module"], names=tuple(row["names"])
        )


def measured_checks(package: str, version: Version) -> Iterator[MeasuredCheck]:
    """The versions that a release checks at run time; nothing where it is not measured."""
    for row in _rows(package, version, "checks"):
        yield MeasuredCheck(**{key: value for key, value in row.items() if key != "in"})


def _rows(package: str, version: Version, section: str) -> Iterator[Mapping[str, Any]]:
    document = measured_document(package)
    if document and is_measured(package, version):
        public = public_version(version)
        yield from (row for row in document[section] if in_ranges(row["in"], public))


def measured_requirements(package: str, version: Version) -> tuple[str, ...]:
    """What the metadata of a release requires of measured packages, without extras; nothing where it is not measured."""
    return _values(package, version, "requires") or ()


def measured_cuda_majors(package: str, version: Version) -> tuple[int, ...] | None:
    """The CUDA majors that the metadata of a release name, extras included; None: it is not measured."""
    values = _values(package, version, "cuda")
    return None if values is None else tuple(map(int, values))


def measured_cuda_libraries(package: str, version: Version) -> tuple[str, ...] | None:
    """The CUDA versions that a release has libraries for; None: it is not measured."""
    return _values(package, version, "libraries")


def _values(package: str, version: Version, section: str) -> tuple[str, ...] | None:
    """The values of a section that hold for a release; None: it is not measured."""
    document = measured_document(package)
    if document is None or not is_measured(package, version):
        return None
    public = public_version(version)
    return tuple(value for value, ranges in document[section].items() if in_ranges(ranges, public))


def measured_python(package: str, version: Version) -> str:
    """The Pythons that a release requires, `>=3.9`; "" where that is not known."""
    return next(iter(_values(package, version, "python") or ()), "")


def measured_releases(package: str) -> tuple[str, ...]:
    """The releases of a package whose facts are known, the oldest first."""
    document = measured_document(package)
    return tuple(document["releases"]) if document else ()


def provides_name(package: str, version: Version, module: str, name: str = "") -> bool | None:
    """Whether a release has a name in a module; None: not known."""
    ranges = name_ranges(package, module, name)
    if ranges is None or not is_measured(package, version):
        return None
    having, unclear = ranges
    public = public_version(version)
    if unclear is not None and in_ranges(unclear, public):
        return None
    return in_ranges(having, public)


def name_ranges(package: str, module: str, name: str = "") -> tuple[str, str | None] | None:
    """The releases that have a name, and those of which it is not known; None: nobody looked for it."""
    return _module_names(package, module).get(name)


@cache
def _module_names(package: str, module: str) -> Mapping[str, tuple[str, str | None]]:
    document = measured_document(package)
    groups = document["names"].get(module, {}) if document else {}
    unclear = {
        name: ranges.removeprefix(UNCLEAR)
        for ranges, names in groups.items()
        if ranges.startswith(UNCLEAR)
        for name in names
    }
    return {
        name: (ranges, unclear.get(name))
        for ranges, names in groups.items()
        if not ranges.startswith(UNCLEAR)
        for name in names
    }
