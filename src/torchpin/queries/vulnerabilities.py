"""Known vulnerabilities of locked packages: what is asked about, what was answered, and the findings that follow."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin.checks.registry import Accepted, Ok, Result
from torchpin.compat import pins as compat_pins
from torchpin.errors import ToolError
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from torchpin.model import Artifact, Environment, Lock, Waiver

CHECK, TITLE = "AUD001", "No locked package has a known vulnerability"
# The last release of a package that ended with open vulnerabilities: a service that knows of none knows nothing.
CANARY = ("pycrypto", "2.6.1")
_NOWHERE = 'source = { registry = "nowhere" }'  # no index is asked: the versions are known

Pin = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Advisory:
    """One known vulnerability of a package at a version; `ids`: all of its names, the one to call it by first."""

    package: str
    version: str
    ids: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    link: str = ""


# --- what is asked ---------------------------------------------------------------------------------------------------


def public(version: str) -> str:
    """The version that advisories speak of: `2.5.1+cu121` is a build of 2.5.1."""
    try:
        return Version(version).public
    except InvalidVersion:
        return version


def locked(lock: Lock) -> tuple[Artifact, ...]:
    """Every package of a lock: installed, given by the base, and what builds source-only ones."""
    return (*lock.all.values(), *(lock.build.packages if lock.build else ()))


def asked(locks: Iterable[Lock]) -> tuple[Pin, ...]:
    """What several locks hold, each version once."""
    return tuple(sorted({(one.name, public(one.version)) for lock in locks for one in locked(lock)}))


def project(pins: Iterable[Pin]) -> dict[str, str]:
    """A uv project that holds exactly these packages, and the canary: file name to text."""
    everything = sorted({*pins, CANARY})
    head = 'version = 1\nrequires-python = ">=3.10"\n'
    rows = [
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n{_NOWHERE}\n' for name, version in everything
    ]
    wants = "".join(
        f'  {{ name = "{name}", version = "{version}", {_NOWHERE} }},\n' for name, version in everything
    )
    own = f'[[package]]\nname = "asked"\nversion = "0"\nsource = {{ virtual = "." }}\ndependencies = [\n{wants}]\n'
    names = "".join(f'  "{name}",\n' for name in sorted({name for name, _ in everything}))
    pyproject = (
        f'[project]\nname = "asked"\nversion = "0"\nrequires-python = ">=3.10"\ndependencies = [\n{names}]\n'
    )
    return {"pyproject.toml": pyproject, "uv.lock": "\n".join([head, *rows, own])}


# --- what was answered -----------------------------------------------------------------------------------------------


def answered(text: str, pins: Iterable[Pin]) -> tuple[Advisory, ...]:
    """The advisories in what `uv audit` says in JSON, the canary's left out.

    Raises ToolError for what is no whole answer: another form, packages left out, or no word about the canary.
    """
    wanted = {*pins}
    try:
        answer = json.loads(text)
        found = [_advisory(one) for one in answer["vulnerabilities"]]
        counted = answer["summary"]["audited_packages"]
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"What `uv audit` answered cannot be read: {type(error).__name__}: {error}") from None
    if counted != len({*wanted, CANARY}):
        raise ToolError(f"`uv audit` looked at {counted} packages, asked were {len({*wanted, CANARY})}.")
    if CANARY not in {(one.package, one.version) for one in found}:
        raise ToolError(
            f"The service of advisories answers, but knows nothing of {' '.join(CANARY)}, whose vulnerabilities are "
            "well known: its silence about other packages proves nothing."
        )
    return tuple(_merged(one for one in found if (one.package, one.version) in wanted))


def _advisory(row: dict[str, Any]) -> Advisory:
    names = dict.fromkeys([row.get("display_id") or row["id"], row["id"], *row.get("aliases", ())])
    said = row.get("summary") or (row.get("description") or "").strip().partition("\n")[0]
    return Advisory(
        package=canonicalize_name(row["dependency"]["name"]),
        version=row["dependency"]["version"],
        ids=tuple(names),
        summary=" ".join(said.split()),
        fixed=tuple(row.get("fix_versions") or ()),
        link=row.get("link") or "",
    )


def _merged(found: Iterable[Advisory]) -> list[Advisory]:
    """One vulnerability that several databases tell of, once."""
    merged: list[Advisory] = []
    for one in found:
        same = [each for each in merged if _key(each) == _key(one) and {*each.ids} & {*one.ids}]
        for each in same:
            merged.remove(each)
        merged.append(_united([*same, one]))
    return sorted(merged, key=lambda one: (one.package, one.version, one.ids))


def _key(one: Advisory) -> Pin:
    return one.package, one.version


def _united(same: Sequence[Advisory]) -> Advisory:
    ids = dict.fromkeys(name for one in same for name in one.ids)
    fixed = dict.fromkeys(version for one in same for version in one.fixed)
    return replace(same[0], ids=tuple(ids), fixed=tuple(fixed))


# --- what follows ----------------------------------------------------------------------------------------------------


def result(env: Environment, lock: Lock | None, found: Iterable[Advisory], today: date) -> Result:
    """The advisories about one environment's lock, as a check's result: open, or accepted until a date."""
    if lock is None:
        note = f"there is no readable lock: run `invoke lock --service {env.service.name}`"
        return Result(
            check=CHECK, title=TITLE, environment=env.name, status="skipped", note=note, need="lock"
        )
    held = {(one.name, public(one.version)) for one in locked(lock)}
    concerning = [one for one in found if _key(one) in held]
    waivers = [(one, _waiver(env, one, today)) for one in concerning]
    open_ = tuple(_finding(env, lock, one, today) for one, waiver in waivers if not waiver)
    accepted = tuple(
        Accepted(finding=_finding(env, lock, one, today), waiver=waiver) for one, waiver in waivers if waiver
    )
    ground = Ok(about=env.name, evidence=f"{len(held)} packages were asked about on {today}")
    return Result(
        check=CHECK,
        title=TITLE,
        environment=env.name,
        status="found" if open_ else "waived" if accepted else "ok",
        findings=open_,
        accepted=accepted,
        grounds=(ground,),
    )


def _concerns(waiver: Waiver, one: Advisory) -> bool:
    package, _, name = waiver.about.partition(" ")
    return waiver.check == CHECK and canonicalize_name(package) == one.package and name.strip() in one.ids


def _waiver(env: Environment, one: Advisory, today: date) -> Waiver | None:
    return next((w for w in env.service.waivers if _concerns(w, one) and w.review_by >= today), None)


def _finding(env: Environment, lock: Lock, one: Advisory, today: date) -> Finding:
    pin = compat_pins.pins(env, lock).get(one.package)
    built = lock.build and one.package in {package.name for package in lock.build.packages}
    ended = [w.review_by for w in env.service.waivers if _concerns(w, one) and w.review_by < today]
    note = f" (its waiver ended on {max(ended)})" if ended else ""
    about = f"{one.package} {one.ids[0]}"
    return Finding(
        where=pin.where if pin else f"lockfiles/{env.name}/build.txt" if built else f"lockfiles/{env.name}",
        message=f"{one.package} {one.version}: {one.summary or 'a known vulnerability'} ({one.ids[0]}){note}",
        remedy=f"{_way_out(env, one, pin)} Or accept it until a date, as a waiver: "
        f'check: {CHECK}, about: "{about}", with reason and review_by.',
        about=about,
        service=env.service.name,
        evidence=", ".join([*one.ids[1:], *([one.link] if one.link else [])]),
    )


def _way_out(env: Environment, one: Advisory, pin: compat_pins.Pin | None) -> str:
    newer = sorted({v for v in one.fixed if _later(v, one.version)}, key=Version)
    if not newer:
        return "No release without it is known: replace the package."
    fixed = f"Fixed in {', '.join(newer)}"
    if pin and pin.path:
        return f"{fixed}: move {pin.path} in {env.service.file}, then run `invoke lock --service {env.service.name}`."
    return f"{fixed}: run `invoke lock --service {env.service.name} --upgrade-package {one.package}`."


def _later(fixed: str, version: str) -> bool:
    try:
        return Version(fixed) > Version(version)
    except InvalidVersion:
        return False


def notices(
    environments: Iterable[Environment], locks: Iterable[Lock], found: Sequence[Advisory]
) -> tuple[str, ...]:
    """How many packages were asked about, those by their public version, and waivers that accept nothing any more."""
    every = {(one.name, one.version) for lock in locks for one in locked(lock)}
    local = sorted({name for name, version in every if public(version) != version})
    by = f", {', '.join(local)} by their public version" if local else ""
    counted = f"{len({(name, public(version)) for name, version in every})} packages were asked about{by}"
    services = {env.service.name: env.service for env in environments}
    stale = [
        f"{service.name}: the waiver of {CHECK} for {waiver.about} accepts nothing any more: remove it"
        for service in services.values()
        for waiver in service.waivers
        if waiver.check == CHECK and not any(_concerns(waiver, one) for one in found)
    ]
    return (counted, *stale)
