"""Descriptions that were read: one whose text is the same is not parsed again, and many are parsed side by side."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from torchpin.description.read import Described, read_description, valid_services
from torchpin.model import Package, Position
from torchpin.tools.forked import share_out
from torchpin.tools.kept_answers import KeptAnswers, digest
from torchpin.tools.own_code import code_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any, TypeVar

    from torchpin.model import PackageFile, Problem, Service

    AnyRequirement = TypeVar("AnyRequirement", bound=Requirement)

_KIND = "descriptions"


def read_services(
    root: Path, texts: Mapping[str, str]
) -> tuple[tuple[Service, ...], dict[str, tuple[Problem, ...]]]:
    """The services whose descriptions have no problem, and by path the problems of the others."""
    kept = KeptAnswers(root, _KIND)
    code = code_digest() if texts else ""
    keys = {path: digest(code, path, text) for path, text in sorted(texts.items())}
    described: dict[str, Described] = {}
    for path, key in keys.items():
        row = kept.get(path, key)
        if isinstance(row, Described):
            described[path] = row
    unknown = [path for path in keys if path not in described]
    for rows in share_out(lambda share: [_read(path, texts[path]) for path in share], unknown):
        for row in rows:
            described[row.file] = row
            if row.service:
                kept.put(row.file, keys[row.file], row)
    kept.save(keys)
    return valid_services([described[path] for path in keys])


def _read(path: str, text: str) -> Described:
    row = read_description(path, text)
    if row.service is None:
        return row
    service = replace(row.service, positions=Positions.packed(row.service.positions))
    return Described(file=path, service=service)


class Positions(Mapping[str, Position]):
    """The positions of values in one file by their key paths, unpacked once one is requested: in a run most never are."""

    def __init__(self, file: str, packed: bytes) -> None:
        self._file, self._packed = file, packed
        self._unpacked: dict[str, tuple[int, ...]] | None = None

    @classmethod
    def packed(cls, positions: Mapping[str, Position]) -> Positions:
        """The same positions; there is at least the one of the name."""
        rows = {path: (row.line, row.column, row.start, row.end) for path, row in positions.items()}
        return cls(next(iter(positions.values())).file, pickle.dumps(rows, protocol=5))

    def _rows(self) -> dict[str, tuple[int, ...]]:
        if self._unpacked is None:
            self._unpacked = pickle.loads(self._packed)  # noqa: S301 - packed above; kept answers bear a code
        return self._unpacked

    def __getitem__(self, path: str) -> Position:
        line, column, start, end = self._rows()[path]
        return Position(file=self._file, line=line, column=column, start=start, end=end)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows())

    def __len__(self) -> int:
        return len(self._rows())

    def __reduce__(self) -> tuple[type[Positions], tuple[str, bytes]]:
        return Positions, (self._file, self._packed)


def _view(rows: dict[str, Any]) -> MappingProxyType[str, Any]:
    return MappingProxyType(rows)


@lru_cache(maxsize=1 << 16)
def _parsed(text: str) -> Requirement:
    return Requirement(text)


def _requirement(text: str) -> Requirement:
    return _with_parts(Requirement.__new__(Requirement), text)


def _package(text: str, variants: tuple[str, ...], file: PackageFile | None) -> Package:
    package = Package.__new__(Package)
    package.variants, package.file = variants, file
    return _with_parts(package, text)


def _with_parts(requirement: AnyRequirement, text: str) -> AnyRequirement:
    parsed = _parsed(text)
    requirement.name, requirement.url, requirement.extras = parsed.name, parsed.url, {*parsed.extras}
    requirement.specifier, requirement.marker = parsed.specifier, parsed.marker
    return requirement


# pickle knows no views of mappings. Requirements are parsed when they are read from one, each by itself, and what a subclass
# adds is lost; here the same text, which many services pin, is parsed once.
copyreg.pickle(MappingProxyType, lambda view: (_view, (dict(view),)))
copyreg.pickle(Requirement, lambda pin: (_requirement, (str(pin),)))
copyreg.pickle(Package, lambda pin: (_package, (str(pin), pin.variants, pin.file)))
