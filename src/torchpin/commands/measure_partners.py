"""`facts --partners`: what torch's partners require of torch, read out of the METADATA of their releases on PyPI."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts, paths
from torchpin.commands.measure import MeasureResult
from torchpin.errors import InputError
from torchpin.facts import load
from torchpin.measure.partners import renewed_table, torch_requirement
from torchpin.progress import step
from torchpin.tools import pypi, release_metadata
from torchpin.tools.threads import thread_pool
from torchpin.workspace import writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from torchpin.model import StatusCallback
    from torchpin.tools.pypi import ReleaseFile
    from torchpin.workspace.workspace import Repository

_CONNECTIONS = 8


def measure_partners(
    repo: Repository, names: Sequence[str], *, today: date, report: StatusCallback
) -> MeasureResult:
    """Adds the releases of these partners (of all, if none is named) that the table does not have, and writes it.

    A release is immutable, so those in the table are not read again; nor are those before its oldest. Raises InputError for
    a package that is not in the table, ToolError where PyPI cannot be read.
    """
    repo = replace(repo)  # which has read nothing: what is read from here on must stay until it is written
    index, unread = pypi.index_address(repo.settings), list[str]()
    declared = {name: _declared(name) for name in _select(names)}
    with step(report, "reading releases", total=len(declared), unit="packages") as running:
        for name, release_specifiers in declared.items():
            specifiers = _read_releases(index, name, today)
            release_specifiers |= {
                str(version): specifier for version, specifier in specifiers.items() if specifier
            }
            unread += [
                f"{name} {version} requires no release of torch in its METADATA: see what its project publishes"
                for version, specifier in specifiers.items()
                if not specifier
            ]
            running.advance(running.done + 1, note=name)
            report(f"{name}: {len(specifiers)} new releases read")
    text = repo.text(paths.PARTNERS)
    if text is None:
        raise InputError(f"{paths.PARTNERS} is missing; restore it")
    requirements = {name: _declared(name) for name in facts.partners()} | declared
    with writer.exclusive(repo):
        written = writer.write(
            repo, {paths.PARTNERS: renewed_table(text, requirements, today)}, before={paths.PARTNERS: text}
        )
    for cached in (load.load_table, facts.partners, facts.partner_requirements):
        cached.cache_clear()
    count = sum(map(len, requirements.values()))
    return MeasureResult(
        lines=(f"{count} requirements of {len(requirements)} packages",),
        unread=tuple(unread),
        written=written,
        problems=facts.problems(today=today),
    )


def _read_releases(index: str, name: str, today: date) -> dict[Version, str | None]:
    """What the releases of a package that the table does not have require of torch, as `_read` says it."""
    missing = {
        version: files
        for version, files in pypi.release_files(index, name, until=today).items()
        if not _is_known(name, version) and version > _oldest(name)
        if not all(file.yanked for file in files)  # nobody is to choose it
    }
    with thread_pool(_CONNECTIONS) as pool:
        return dict(zip(missing, pool.map(_read, missing.values()), strict=True))


def _select(names: Sequence[str]) -> list[str]:
    selected: list[str] = [*map(canonicalize_name, names)] or sorted(facts.partners())
    unknown = [name for name in selected if name not in facts.partners()]
    if unknown:
        raise InputError(f"not a partner of torch: {', '.join(unknown)}; add a row to {paths.PARTNERS}")
    return list(dict.fromkeys(selected))


def _declared(name: str) -> dict[str, str | None]:
    rows = [row for row in facts.partners()[name] if row.declared]
    return {version: row.torch for row in rows for version in row.versions}


def _is_known(name: str, version: Version) -> bool:
    return any(version == Version(stored) for row in facts.partners()[name] for stored in row.versions)


def _oldest(name: str) -> Version:
    return min(Version(version) for row in facts.partners()[name] for version in row.versions)


def _read(files: Sequence[ReleaseFile]) -> str | None:
    """The requirement of torch in a release's METADATA, None where it has none or no wheel."""
    metadata = release_metadata.read_metadata(files)
    return torch_requirement(metadata) if metadata is not None else None
