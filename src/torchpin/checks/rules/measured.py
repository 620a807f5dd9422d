"""DEP005, DEP006: what packages import of each other, and which versions they check at run time, as it was measured."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.pin_fixes import help_text, pin_changes, pin_location
from torchpin.checks.registry import Ok, check, finding
from torchpin.compat import measured, undeclared_requirements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.registry import Answer
    from torchpin.compat.measured import CheckStatus, ImportStatus, Pins
    from torchpin.model import Environment, Finding, Level, Lock

_FOLDER = "torchpin/facts/data/measured"
_SHOWN_NAMES = 3


@check("DEP005", "a package imports a name that another one does not have", judge=True)
def imported_names_are_there(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Use the pin that the finding names: a version of one of the two packages with which the import succeeds.

    A package declares at best that it requires another one, from a version on. It cannot know which later version
    removes a name that it imports, and few declare which version brought it. So a resolver is content, and the import
    fails. What is compared was read out of the wheels: the names that modules import unconditionally when the package is
    imported, and the names that each release of the other package has. Where a module that only some people import needs
    the name, the finding is a warning.

    Example: `basicsr==1.4.2` imports torchvision.transforms.functional_tensor, which torchvision 0.17 removed:
    ModuleNotFoundError: No module named 'torchvision.transforms.functional_tensor'.

    Sources: the Python files of the releases on PyPI (torchpin/facts/data/measured); XPixelGroup/BasicSR #663.
    """
    lock = current_lock(context, env)
    pins = measured.known_pins(env, lock)
    described = _described_pairs(env, lock)
    verified: list[ImportStatus] = []
    for status in measured.import_statuses(env, lock):
        if (status.package, status.provider) in described:
            continue
        if status.missing:
            yield _import_finding(env, status, pins)
        elif not status.assumed:
            verified.append(status)
    if verified:
        number = sum(status.looked_up for status in verified)
        pairs = ", ".join(f"{status.package} of {status.provider} {status.version}" for status in verified)
        yield Ok(about="imports", evidence=f"{number} imported names are there: {pairs} ({_FOLDER})")


def _described_pairs(env: Environment, lock: Lock | None) -> set[tuple[str, str]]:
    """The pairs of packages of which DEP001 and DEP002 judge more than was measured: for which use, on which GPUs."""
    removals = {row.id: row.package for row in facts.removals()}
    return {
        (evaluation.package, removals.get(evaluation.undeclared.interface or "", evaluation.required))
        for evaluation in undeclared_requirements.evaluate(env, lock)
    }


def _import_finding(env: Environment, status: ImportStatus, pins: Pins) -> Finding:
    pin = pins[status.package]
    verb, where = "imports", f" when {status.entry} is imported" if status.is_feature else ""
    if status.entry.endswith("()"):
        verb, where = "uses", f" in {status.entry}"
    subject = f"{status.package}=={pin.version} {verb} {_names_text(status)}{where}"
    if status.version is None:
        state = f"but {status.provider} is not installed"
    else:
        taken = ", the version that a resolver takes," if status.assumed else ""
        state = f"which {status.provider} {status.version}{taken} does not have"
    replacement = _import_replacement(env, status, pins)
    level: Level = "warning" if status.is_feature or status.assumed else "error"
    return finding(
        env,
        pin_location(pins, replacement, status.package),
        f"{subject}, {state} ({status.file}){_availability(status)}",
        help=help_text(env, pins, replacement, status.package) if replacement else _import_help(status),
        about=f"{status.package} {status.provider}",
        evidence=f"{facts.measured_citation(status.package)}; {facts.measured_citation(status.provider)}",
        level=level,
        fix=pin_changes(env, pins, replacement, status.package),
    )


def _names_text(status: ImportStatus) -> str:
    names = [f"{module}.{name}" if name else f"the module {module}" for module, name in status.missing]
    missing_modules = {module for module, name in status.missing if not name}
    names = [
        text
        for text, (module, name) in zip(names, status.missing, strict=True)
        if not name or module not in missing_modules
    ]
    unlisted = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {unlisted} more names" if unlisted > 0 else "")


def _availability(status: ImportStatus) -> str:
    """Which releases have the first missing name: `; 0.14.1 to 0.25.2 have it`."""
    ranges = facts.name_ranges(status.provider, *status.missing[0])
    if ranges is None or not ranges[0] or ranges[0] == "*":
        return ""
    return f"; {status.provider} {ranges[0].replace('..', ' to ')} has it"


def _import_replacement(env: Environment, status: ImportStatus, pins: Pins) -> Requirement | None:
    """The pin of one of the two packages that ends the finding: of the provider, unless it comes with torch."""
    if status.provider not in measured.FAMILY:
        version = measured.nearest_release(env, pins, status.provider)
        if version is not None:
            return Requirement(f"{status.provider}=={version}")
    version = (
        measured.nearest_release(env, pins, status.package) if status.package not in measured.FAMILY else None
    )
    return Requirement(f"{status.package}=={version}") if version is not None else None


def _import_help(status: ImportStatus) -> str:
    return (
        f"use another version of {status.package} or {status.provider}; no release of either that was measured "
        "fits the other pins"
    )


@check("DEP006", "a package's run-time check of another one's version fails", judge=True)
def checked_versions_hold(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Use the version that the finding names.

    Packages compare the versions of others in their code, and few of them declare what they compare with, since the other
    one is optional. Where the comparison raises while the package is imported, that is an error; where it raises in the
    function that asks whether the other package can be used, a warning. Where only one function needs the version, or
    where an older one counts as not installed, it is a notice: the program works without.

    Example: `peft==0.19.1` with `torchao==0.14.1`: ImportError: Found an incompatible version of torchao, as soon as an
    adapter is made.

    Sources: the Python files of the releases on PyPI (torchpin/facts/data/measured); daydreamlive/DEMON #325.
    """
    lock = current_lock(context, env)
    pins = measured.known_pins(env, lock)
    satisfied: list[CheckStatus] = []
    open_statuses: dict[tuple[str, str], list[CheckStatus]] = {}
    described = _described_pairs(env, lock)
    for status in measured.check_statuses(env, lock):
        if (status.package, status.required) in described:
            continue
        if status.satisfied:
            satisfied.append(status)
        else:
            open_statuses.setdefault((status.package, status.required), []).append(status)
    for statuses in open_statuses.values():
        yield _check_finding(env, min(statuses, key=_severity), pins)
    if satisfied:
        texts = dict.fromkeys(f"{status.package} checks {status.check.needs}" for status in satisfied)
        yield Ok(about="checks", evidence=f"{', '.join(texts)} ({_FOLDER})")


def _severity(status: CheckStatus) -> int:
    """0 for what ends an import, 1 for what ends all use of the other package, 2 for the rest."""
    if status.check.raises and not status.is_feature:
        return 0
    asks = re.fullmatch(r"_?is_\w+_(?:available|installed)", status.check.function)
    return 1 if status.check.raises and (asks or not status.check.function) else 2


_LEVELS: Sequence[Level] = ("error", "warning", "notice")


def _check_finding(env: Environment, status: CheckStatus, pins: Pins) -> Finding:
    check_row = status.check
    severity = _severity(status)
    replacement = _check_replacement(env, status, pins) if _LEVELS[severity] != "notice" else None
    place = f"{check_row.function}() in {check_row.file}" if check_row.function else check_row.file
    if not check_row.raises:
        effect = f"otherwise it does without {status.required} ({place})"
    elif check_row.function:
        effect = f"otherwise {check_row.raises} is raised as soon as {place} is called"
    else:
        effect = f"otherwise the import of {check_row.entry} raises {check_row.raises} ({place})"
    return finding(
        env,
        pin_location(pins, replacement, status.package),
        f"{status.package}=={pins[status.package].version} checks at run time for {check_row.needs}, but "
        f"{status.required} {status.version} is used; {effect}",
        help=help_text(env, pins, replacement, status.package)
        if replacement
        else f"use {check_row.needs}, or another version of {status.package}, if the service needs what the check is for",
        about=f"{status.package} {status.required}",
        evidence=facts.measured_citation(status.package),
        level=_LEVELS[severity],
        fix=pin_changes(env, pins, replacement, status.package),
    )


def _check_replacement(env: Environment, status: CheckStatus, pins: Pins) -> Requirement | None:
    """The pin that ends the finding: of the checked package, unless it comes with torch; else of the one that checks."""
    names = [status.package] if status.required in measured.FAMILY else [status.required, status.package]
    for name in names:
        holds = partial(measured.checks_hold, pins, status.package, status.required, name)
        version = measured.nearest_release(env, pins, name, holds)
        if version is not None:
            return Requirement(f"{name}=={version}")
    return None
