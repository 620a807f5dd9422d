"""The facts of one release of a package, out of its metadata, list of files and modules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.measure import contents, metadata, package
from torchpin.measure.packages import PACKAGES, REQUIRED, provided_modules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.measure.package import Distribution
    from torchpin.measure.packages import MeasuredPackage

Name = tuple[str, str]  # a module and a name in it, "" for the module itself


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFacts:
    """What is measured of a release; equal for two releases that differ in nothing of it.

    `requires`: on packages that are measured, without extras. `cuda`: the CUDA majors that its metadata names, extras
    included; `libraries`: the CUDA versions among whose libraries it chooses. `needs`: (entry, file, module, name).
    `checks`: (needs, exception, function, constant, file, entry). `names`: whether it has each one; None: its text does not show it.
    """

    requires: tuple[str, ...] = ()
    python: str = ""
    cuda: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    needs: tuple[tuple[str, str, str, str], ...] = ()
    checks: tuple[tuple[str, str, str, str, str, str], ...] = ()
    names: Mapping[Name, bool | None] = field(default_factory=dict)


def measure_release(
    measured: MeasuredPackage, distribution: Distribution, text: bytes, wanted: Iterable[Name]
) -> ReleaseFacts:
    """The facts of a release. `text`: its METADATA; `wanted`: the names that others import of it."""
    requirements = metadata.parse_requirements(text)
    modules = provided_modules()
    names = {*(row.name for row in PACKAGES), *REQUIRED} - {measured.name}
    return ReleaseFacts(
        requires=tuple(
            sorted(
                {
                    str(requirement)
                    for requirement in metadata.requirements_on(requirements, names)
                    if not metadata.extras(requirement)
                }
            )
        ),
        python=_requires_python(text),
        cuda=tuple(map(str, metadata.cuda_majors(requirements))),
        libraries=contents.cuda_libraries(distribution.files),
        needs=tuple(
            (need.entry, need.file, need.imported.module, need.imported.name)
            for need in package.needs(distribution, (*measured.entries, *measured.features), modules)
            if modules[need.imported.module.partition(".")[0]] != measured.name
        ),
        checks=_checks(measured, distribution, names),
        names=measure_names(distribution, wanted),
    )


def measure_names(distribution: Distribution, wanted: Iterable[Name]) -> dict[Name, bool | None]:
    """Whether a release has each of these names; None where its text does not show it."""
    return {(module, name): package.has_name(distribution, module, name) for module, name in sorted(wanted)}


def _checks(
    measured: MeasuredPackage, distribution: Distribution, names: Iterable[str]
) -> tuple[tuple[str, str, str, str, str, str], ...]:
    rows = package.requirements(distribution, (*measured.entries, *measured.features), names)
    return tuple(
        (row.check.needs, row.check.raises, row.check.function, row.check.constant, row.file, row.entry)
        for row in rows
    )


def _requires_python(text: bytes) -> str:
    from packaging.metadata import parse_email

    fields, _ = parse_email(text)
    return str(fields.get("requires_python", ""))


def missing_entries(measured: MeasuredPackage, distribution: Distribution) -> tuple[str, ...]:
    """The entries of a package that a release does not have."""
    return tuple(entry for entry in measured.entries if not distribution.has_module(entry))


def wanted_names(needs: Iterable[tuple[str, str, str, str]]) -> dict[str, set[Name]]:
    """The names that are imported, by the package that they are imported from, with their modules themselves."""
    modules = provided_modules()
    wanted: dict[str, set[Name]] = {}
    for _, _, module, name in needs:
        provider = canonicalize_name(modules[module.partition(".")[0]])
        wanted.setdefault(provider, set()).update({(module, ""), (module, name)})
    return wanted
