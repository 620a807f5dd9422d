"""What packages need of each other at run time, as it was measured: names that they import, versions that they check."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat.markers import marker_environment, marker_holds
from torchpin.compat.overrides import overrides
from torchpin.compat.partners import goes_with, partner_row
from torchpin.compat.pins import list_pins
from torchpin.compat.undeclared_requirements import breaks_undeclared
from torchpin.facts.versions import parse_version
from torchpin.measure.packages import PACKAGES, provided_modules
from torchpin.memory import remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torchpin.compat.pins import Pin
    from torchpin.facts import MeasuredCheck
    from torchpin.model import Environment, Lock

    Pins = Mapping[str, Pin]
    Name = tuple[str, str]  # a module and a name in it, "" for the module itself


# What comes with torch, by its release and its channel: another version of it is another torch.
FAMILY = frozenset({"torch", "torchvision", "torchaudio", "triton"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportStatus:
    """What one package imports of another, and whether that is there.

    `provider`: the package that has the names; `version`: its version, None where it is not installed. `missing`: the names
    that it does not have, by (module, name); `looked_up`: how many of them are decided. `entry`, `file`: where the first missing
    one is imported. `is_feature`: the import of the package itself succeeds. `assumed`: a resolver would take this version.
    """

    package: str
    provider: str
    version: Version | None
    missing: tuple[Name, ...]
    looked_up: int
    entry: str = ""
    file: str = ""
    is_feature: bool = False
    assumed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckStatus:
    """A check of a version that a package runs, of another one that is pinned."""

    package: str
    check: MeasuredCheck
    required: str
    version: Version
    satisfied: bool
    is_feature: bool


@remembered
def known_pins(env: Environment, lock: Lock | None) -> Mapping[str, Pin]:
    """The pins of an environment, with what its torch brings: a torch of the base image is not in the lock with its triton."""
    return {**list_pins(env, None), **list_pins(env, lock)}


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageShare:
    """The packages of an environment by `name==version`: all that are pinned, and those with measured facts."""

    packages: frozenset[str]
    measured: frozenset[str]


def package_share(env: Environment, lock: Lock | None) -> PackageShare:
    """Which packages of an environment have measured facts."""
    pins = [pin for pin in list_pins(env, lock).values() if not pin.known_from]
    return PackageShare(
        packages=frozenset(f"{pin.name}=={pin.version}" for pin in pins),
        measured=frozenset(
            f"{pin.name}=={pin.version}" for pin in pins if facts.is_measured(pin.name, pin.version)
        ),
    )


@remembered
def import_statuses(env: Environment, lock: Lock | None) -> tuple[ImportStatus, ...]:
    """What each measured package imports of each other one, where that is decided, in the order of the pins."""
    pins = known_pins(env, lock)
    assumed = _AssumedVersions(env=env, pins=pins) if lock is None else None
    statuses: list[ImportStatus] = []
    for name, pin in pins.items():
        by_provider: dict[str, list[tuple[Name, str, str]]] = {}
        for row in facts.measured_imports(name, pin.version):
            provider = provided_modules()[row.module.partition(".")[0]]
            by_provider.setdefault(provider, []).extend(
                ((row.module, imported), row.entry, row.file) for imported in row.names
            )
        for provider, rows in by_provider.items():
            status = _import_status(env, name, provider, rows, pins, assumed)
            if status:
                statuses.append(status)
    return tuple(statuses)


def _import_status(
    env: Environment,
    package: str,
    provider: str,
    rows: Iterable[tuple[Name, str, str]],
    pins: Pins,
    assumed: _AssumedVersions | None,
) -> ImportStatus | None:
    version = pins[provider].version if provider in pins else None
    if version is None and assumed:
        version = assumed.version(provider)
    if version is None and (
        assumed or _may_be_in_base(env) or not is_undeclared(package, pins[package].version, provider)
    ):
        return None
    rows = list(rows)
    answers = {
        name: False if version is None else facts.provides_name(provider, version, *name)
        for name, _, _ in rows
    }
    looked_up = sum(answer is not None for answer in answers.values())
    # what ends the import of the package itself stands before what ends that of a part of it
    missing = sorted(
        (row for row in rows if answers[row[0]] is False), key=lambda row: is_part(package, row[1])
    )
    if not looked_up:
        return None
    _, entry, file = missing[0] if missing else (("", ""), "", "")
    return ImportStatus(
        package=package,
        provider=provider,
        version=version,
        missing=tuple(dict.fromkeys(name for name, _, _ in missing)),
        looked_up=looked_up,
        entry=entry,
        file=file,
        is_feature=is_part(package, entry),
        assumed=provider not in pins and version is not None,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _AssumedVersions:
    """The versions that a resolver would take of packages that are not pinned, worked out once."""

    env: Environment
    pins: Pins
    known: dict[str, Version | None] = field(default_factory=dict)

    def version(self, package: str) -> Version | None:
        """None for torch's family, which comes with torch, and where no measured release is allowed."""
        if package in FAMILY:
            return None
        if package not in self.known:
            self.known[package] = newest_allowed(self.env, self.pins, package)
        return self.known[package]


@cache
def features(package: str) -> frozenset[str]:
    """The modules of a package that only some of its users import."""
    return frozenset(entry for row in PACKAGES if row.name == package for entry in row.features)


def is_part(package: str, entry: str) -> bool:
    """Whether an import is that of a part, or what one function uses: the import of the package itself succeeds without."""
    return entry in features(package) or entry.endswith("()")


def _may_be_in_base(env: Environment) -> bool:
    """Whether what is not in the lock may be there all the same: it is inherited from the base image with torch."""
    return env.service.torch.origin == "base"


def is_undeclared(package: str, version: Version, required: str) -> bool:
    """Whether the metadata of a release does not require a package: what it requires is in a lock, or its marker does not hold."""
    return all(
        canonicalize_name(_requirement(text).name) != required
        for text in facts.measured_requirements(package, version)
    )


def check_statuses(env: Environment, lock: Lock | None) -> Iterator[CheckStatus]:
    """The checks of versions that measured packages run, of packages that are pinned."""
    pins = known_pins(env, lock)
    for name, pin in pins.items():
        for check in facts.measured_checks(name, pin.version):
            needs = _requirement(check.needs)
            required = canonicalize_name(needs.name)
            if required in pins:
                yield CheckStatus(
                    package=name,
                    check=check,
                    required=required,
                    version=pins[required].version,
                    satisfied=needs.specifier.contains(pins[required].version, prereleases=True),
                    is_feature=bool(check.function) or check.entry in features(name),
                )


@cache
def _requirement(text: str) -> Requirement:
    return Requirement(text)


def newest_allowed(env: Environment, pins: Pins, package: str) -> Version | None:
    """The newest measured release of a package that all pins allow and this Python has: what a resolver takes; None: none."""
    allowed = (parse_version(text) for text in reversed(facts.measured_releases(package)))
    return next((version for version in allowed if is_allowed(env, pins, package, version)), None)


def is_allowed(env: Environment, pins: Pins, package: str, version: Version) -> bool:
    """Whether a release of a package fits this Python, what the other pins require of it, and what it requires of them."""
    if not accepts_python(env, package, version) or refused_requirements(env, pins, package, version):
        return False
    others = [(name, pin.version) for name, pin in pins.items() if name != package]
    return all(
        text.specifier.contains(version, prereleases=True)
        for name, pinned_version in others
        for text in _requirements(env, name, pinned_version)
        if canonicalize_name(text.name) == package
    )


def accepts_python(env: Environment, package: str, version: Version) -> bool:
    """Whether the metadata of a release accept the Python of an environment; where they were not measured, they do."""
    requires_python = facts.measured_python(package, version)
    python = str(env.service.python)
    return not requires_python or _requirement(f"python{requires_python}").specifier.contains(python)


def refused_requirements(
    env: Environment, pins: Pins, package: str, version: Version
) -> tuple[Requirement, ...]:
    """The requirements in the metadata of a release that pins contradict; none on a package that is overridden."""
    overridden = overrides(env)
    return tuple(
        text
        for text in _requirements(env, package, version)
        if (name := canonicalize_name(text.name)) in pins
        and name not in overridden
        and not text.specifier.contains(pins[name].version, prereleases=True)
    )


def _requirements(env: Environment, package: str, version: Version) -> list[Requirement]:
    """The measured requirements of a release whose markers hold in an environment."""
    environment = marker_environment(env)
    texts = map(_requirement, facts.measured_requirements(package, version))
    return [text for text in texts if marker_holds(text.marker, environment)]


def works_with(pins: Pins, package: str, version: Version) -> bool:
    """Whether a release of a package and the other pins import nothing of each other that is missing, and none raises about
    the version of the other; what is not known counts as well."""
    moved = {name: pin.version for name, pin in pins.items()} | {package: version}
    return all(_imports_hold(name, package, moved) and _checks_hold(name, package, moved) for name in moved)


def _imports_hold(name: str, package: str, versions: Mapping[str, Version]) -> bool:
    """Whether a package has what it imports of another one; if it is not `package` itself, of that one."""
    return all(
        facts.provides_name(provider, versions[provider], row.module, imported) is not False
        for row in facts.measured_imports(name, versions[name])
        if (provider := provided_modules()[row.module.partition(".")[0]]) in versions
        and package in {name, provider}
        for imported in row.names
    )


def _checks_hold(name: str, package: str, versions: Mapping[str, Version]) -> bool:
    return all(
        _requirement(check.needs).specifier.contains(versions[required], prereleases=True)
        for check in facts.measured_checks(name, versions[name])
        if check.raises
        and (required := canonicalize_name(_requirement(check.needs).name)) in versions
        and package in {name, required}
    )


def nearest_release(
    env: Environment, pins: Pins, package: str, fits: Callable[[Version], bool] | None = None
) -> Version | None:
    """The measured release of a package nearest to its pin that fits all other pins, a later one first; None: none is known.

    `fits`: what it has to be besides. Of a package that is not pinned, the newest release.
    """
    releases = [Version(text) for text in facts.measured_releases(package)]
    current = Version(pins[package].version.public) if package in pins else None
    later = [version for version in releases if current and version > current]
    earlier = [version for version in reversed(releases) if not current or version < current]
    return next(
        (
            version
            for version in (*later, *earlier)
            if (fits is None or fits(version)) and _fits_pins(env, pins, package, version)
        ),
        None,
    )


def _fits_pins(env: Environment, pins: Pins, package: str, version: Version) -> bool:
    if not is_allowed(env, pins, package, version) or not works_with(pins, package, version):
        return False
    if breaks_undeclared(env, package, version, pins):
        return False
    partner = partner_row(package, version)
    return not (
        partner and partner.level == "error" and goes_with(partner, env.service.torch.version) is False
    )


def checks_hold(pins: Pins, checking: str, required: str, package: str, version: Version) -> bool:
    """Whether all checks that a package runs of another one hold when `package` is moved to a version."""
    versions = {name: pin.version for name, pin in pins.items()} | {package: version}
    return all(
        needs.specifier.contains(versions[required], prereleases=True)
        for check in facts.measured_checks(checking, versions[checking])
        if canonicalize_name((needs := _requirement(check.needs)).name) == required
    )
