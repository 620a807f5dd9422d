"""Known vulnerabilities of locked packages: the input and output of `uv audit`, and the findings that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import paths
from torchpin.checks.registry import Accepted, Ok, Result
from torchpin.compat.pins import list_pins
from torchpin.description.environments import service_index
from torchpin.errors import ToolError
from torchpin.facts.versions import is_later, is_version
from torchpin.model import Finding
from torchpin.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from torchpin.compat.pins import Pin
    from torchpin.model import Artifact, Environment, Lock, Waiver

CHECK, TITLE = "AUD001", "a locked package has a known vulnerability"
# The last release of an abandoned package, with vulnerabilities that will never be fixed. A response without
# them comes from a service without data, and shows nothing about other packages.
CANARY = ("pycrypto", "2.6.1")
# `uv audit` needs a registry for every locked package, but resolves nothing and so never opens it.
_NO_REGISTRY = 'source = { registry = "nowhere" }'

NameAndVersion = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Advisory:
    """One known vulnerability of a package at a version; `ids`: its ids in all databases, the preferred one first."""

    package: str
    version: str
    ids: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    link: str = ""


def public_version(version: str) -> str:
    """The version that advisories name: 2.5.1 for `2.5.1+cu121`. What is not a version stays."""
    return Version(version).public if is_version(version) else version


def locked_packages(lock: Lock) -> tuple[Artifact, ...]:
    """Every package of a lock: installed, provided by the base image, and needed to build sdists."""
    return (
        *lock.all_packages.values(),
        *(package for layer in lock.build_layers for package in layer.packages),
    )


def query_pins(locks: Iterable[Lock]) -> tuple[NameAndVersion, ...]:
    """The packages of several locks by public version, each once, sorted."""
    return tuple(
        sorted(
            {
                (package.name, public_version(package.version))
                for lock in locks
                for package in locked_packages(lock)
            }
        )
    )


def uv_project(pins: Iterable[NameAndVersion]) -> dict[str, str]:
    """A uv project of exactly these packages and the canary, by file name."""
    queried_pins = sorted({*pins, CANARY})
    header = 'version = 1\nrequires-python = ">=3.10"\n'
    rows = [
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n{_NO_REGISTRY}\n'
        for name, version in queried_pins
    ]
    dependencies = "".join(
        f'  {{ name = "{name}", version = "{version}", {_NO_REGISTRY} }},\n' for name, version in queried_pins
    )
    root_package = f'[[package]]\nname = "torchpin-audit"\nversion = "0"\nsource = {{ virtual = "." }}\ndependencies = [\n{dependencies}]\n'
    names = "".join(f'  "{name}",\n' for name in sorted({name for name, _ in queried_pins}))
    pyproject = f'[project]\nname = "torchpin-audit"\nversion = "0"\nrequires-python = ">=3.10"\ndependencies = [\n{names}]\n'
    return {"pyproject.toml": pyproject, "uv.lock": "\n".join([header, *rows, root_package])}


def parse_advisories(text: str, pins: Iterable[NameAndVersion]) -> tuple[Advisory, ...]:
    """The advisories in the JSON output of `uv audit`, without the canary's.

    Raises ToolError for an unknown format, for packages that were left out, and where the canary has no advisory.
    """
    requested_pins = {*pins}
    try:
        response = parse_json(text)
        advisories = [_advisory(row) for row in response["vulnerabilities"]]
        audited_count = response["summary"]["audited_packages"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(f"cannot read the output of `uv audit`: {type(error).__name__}: {error}") from None
    if audited_count != len({*requested_pins, CANARY}):
        raise ToolError(f"`uv audit` checked {audited_count} of {len({*requested_pins, CANARY})} packages")
    if CANARY not in {(advisory.package, advisory.version) for advisory in advisories}:
        raise ToolError(
            f"the advisory service lists no vulnerability of {' '.join(CANARY)}, which has several: "
            "its answers about other packages cannot be trusted"
        )
    return tuple(
        _merge_aliases(
            advisory for advisory in advisories if (advisory.package, advisory.version) in requested_pins
        )
    )


def _advisory(row: dict[str, Any]) -> Advisory:
    names = dict.fromkeys([row.get("display_id") or row["id"], row["id"], *row.get("aliases", ())])
    summary = row.get("summary") or (row.get("description") or "").strip().partition("\n")[0]
    return Advisory(
        package=canonicalize_name(row["dependency"]["name"]),
        version=row["dependency"]["version"],
        ids=tuple(names),
        summary=" ".join(summary.split()),
        fixed=tuple(row.get("fix_versions") or ()),
        link=row.get("link") or "",
    )


def _merge_aliases(advisories: Iterable[Advisory]) -> list[Advisory]:
    """Advisories of several databases about the same vulnerability, which share an id, as one."""
    merged: list[Advisory] = []
    for advisory in advisories:
        # One advisory may share an id with several that share none with each other, so all of them are joined.
        duplicates = [
            candidate
            for candidate in merged
            if _pin(candidate) == _pin(advisory) and {*candidate.ids} & {*advisory.ids}
        ]
        for duplicate in duplicates:
            merged.remove(duplicate)
        merged.append(_combine([*duplicates, advisory]))
    return sorted(merged, key=lambda advisory: (advisory.package, advisory.version, advisory.ids))


def _pin(advisory: Advisory) -> NameAndVersion:
    return advisory.package, advisory.version


def _combine(duplicates: Sequence[Advisory]) -> Advisory:
    ids = dict.fromkeys(name for advisory in duplicates for name in advisory.ids)
    fixed = dict.fromkeys(version for advisory in duplicates for version in advisory.fixed)
    return replace(duplicates[0], ids=tuple(ids), fixed=tuple(fixed))


def audit_result(env: Environment, lock: Lock | None, advisories: Iterable[Advisory], today: date) -> Result:
    """The advisories about one environment's lock, as the result of a check: open, or waived until a date."""
    if lock is None:
        note = f"no readable lock; run `invoke lock --service {env.service.name}`"
        return Result(
            check=CHECK, title=TITLE, environment=env.name, status="skipped", note=note, need="lock"
        )
    locked_pins = {(package.name, public_version(package.version)) for package in locked_packages(lock)}
    relevant = [advisory for advisory in advisories if _pin(advisory) in locked_pins]
    waivers = [(advisory, _waiver(env, advisory, today)) for advisory in relevant]
    open_findings = tuple(_finding(env, lock, advisory, today) for advisory, waiver in waivers if not waiver)
    accepted = tuple(
        Accepted(finding=_finding(env, lock, advisory, today), waiver=waiver)
        for advisory, waiver in waivers
        if waiver
    )
    evidence = Ok(about=env.name, evidence=f"{len(locked_pins)} packages checked ({today})")
    return Result(
        check=CHECK,
        title=TITLE,
        environment=env.name,
        status="failed" if open_findings else "waived" if accepted else "ok",
        findings=open_findings,
        accepted=accepted,
        evidence=(evidence,),
    )


def _matches_waiver(waiver: Waiver, advisory: Advisory) -> bool:
    package, _, name = waiver.about.partition(" ")
    return (
        waiver.check == CHECK
        and canonicalize_name(package) == advisory.package
        and name.strip() in advisory.ids
    )


def _waiver(env: Environment, advisory: Advisory, today: date) -> Waiver | None:
    return next(
        (
            waiver
            for waiver in env.service.waivers
            if _matches_waiver(waiver, advisory) and waiver.review_by >= today
        ),
        None,
    )


def _finding(env: Environment, lock: Lock, advisory: Advisory, today: date) -> Finding:
    pin = list_pins(env, lock).get(advisory.package)
    build_file = next(
        (
            layer.file
            for layer in lock.build_layers
            if advisory.package in {package.name for package in layer.packages}
        ),
        "",
    )
    expired = [
        waiver.review_by
        for waiver in env.service.waivers
        if _matches_waiver(waiver, advisory) and waiver.review_by < today
    ]
    note = f" (its waiver ended on {max(expired)})" if expired else ""
    about = f"{advisory.package} {advisory.ids[0]}"
    return Finding(
        location=pin.location
        if pin
        else paths.lock_path(env.name, build_file)
        if build_file
        else paths.lock_folder(env.name),
        message=f"{advisory.package} {advisory.version}: {advisory.summary or 'a known vulnerability'} ({advisory.ids[0]}){note}",
        help=f"{_help(env, advisory, pin)}; or waive it until a date "
        f'(check: {CHECK}, about: "{about}", with reason and review_by)',
        about=about,
        service=env.service.name,
        evidence=", ".join([*advisory.ids[1:], *([advisory.link] if advisory.link else [])]),
    )


def _help(env: Environment, advisory: Advisory, pin: Pin | None) -> str:
    newer = sorted(
        {version for version in advisory.fixed if is_later(version, advisory.version)}, key=Version
    )
    if not newer:
        return "replace the package: no release that fixes it is known"
    releases = " or ".join(newer)
    if pin and pin.path:
        return f"update {pin.path} in {env.service.file} to {releases}, then run `invoke lock --service {env.service.name}`"
    command = f"invoke lock --service {env.service.name} --upgrade-package {advisory.package}"
    return f"update {advisory.package} to {releases}: run `{command}`"


def audit_notices(
    environments: Iterable[Environment], locks: Iterable[Lock], advisories: Sequence[Advisory]
) -> tuple[str, ...]:
    """How many packages were checked, which of them by their public version, and waivers of no open advisory."""
    environments, locks = tuple(environments), tuple(locks)
    package_versions = {
        (package.name, package.version) for lock in locks for package in locked_packages(lock)
    }
    local = sorted({name for name, version in package_versions if public_version(version) != version})
    public_note = f", {', '.join(local)} by their public version" if local else ""
    elsewhere = sorted(
        {
            package.name
            for env, lock in zip(environments, locks, strict=True)
            for layer in lock.layers
            for package in layer.packages
            if package.origin or service_index(env, layer.origin)
        }
    )
    public_note += (
        f", {', '.join(elsewhere)} by their names, though they are not from PyPI" if elsewhere else ""
    )
    summary = f"{len({(name, public_version(version)) for name, version in package_versions})} packages checked{public_note}"
    services = {env.service.name: env.service for env in environments}
    stale = [
        f"{service.name}: the waiver of {CHECK} for {waiver.about} matches no advisory; remove it"
        for service in services.values()
        for waiver in service.waivers
        if waiver.check == CHECK and not any(_matches_waiver(waiver, advisory) for advisory in advisories)
    ]
    return (summary, *stale)
