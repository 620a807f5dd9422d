"""Markers of requirements for the environment that is drafted, of which the Python may be unknown; never for torchpin's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import canonicalize_name

from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Iterable

_MINORS = range(8, 16)  # of Python 3: those that torch 2 has wheels for, and the next
_MACHINES = ("x86_64", "aarch64")
_OF_THE_KERNEL = ("platform_release", "platform_version")
_EXTRA = re.compile(r"""extra\s*(==|!=)\s*["']([^"']*)["']|["']([^"']*)["']\s*(==|!=)\s*extra""")
_KEPT = 20_000  # answers; a project asks for those of its requirements several times


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkerTarget:
    """A Linux environment. `python`: as 3.12 or 3.12.4, "" for unknown; `machine`: x86_64 or aarch64, "" for unknown."""

    python: str = ""
    machine: str = ""


def holds(
    marker: Marker | str | None, target: MarkerTarget, extras: Iterable[str] = (), groups: Iterable[str] = ()
) -> bool | None:
    """Whether a marker holds; None where that depends on what is unknown. One that is missing holds, a wrong one may.

    `extras` and `groups`: the names that are requested.
    """
    if not marker:
        return True
    return _holds(str(marker), target, frozenset(extras), frozenset(groups))


@lru_cache(maxsize=_KEPT)
def _holds(text: str, target: MarkerTarget, extras: frozenset[str], groups: frozenset[str]) -> bool | None:
    answers = _answers(text, target, extras, groups)
    return next(iter(answers)) if len(answers) == 1 else None


def _answers(
    text: str, target: MarkerTarget, extras: frozenset[str], groups: frozenset[str]
) -> frozenset[bool | None]:
    try:
        marker = Marker(text)
    except (InvalidMarker, RecursionError):
        return frozenset({None})
    if any(name in text for name in _OF_THE_KERNEL):
        return frozenset({None})
    return frozenset(_evaluate(marker, environment, extras, groups) for environment in _environments(target))


@lru_cache(maxsize=256)
def _environments(target: MarkerTarget) -> tuple[dict[str, str], ...]:
    """Every environment that a target may be, by the names of PEP 508."""
    if target.python.count(".") > 1:
        pythons = [target.python]
    else:
        minors = [target.python] if target.python else [f"3.{minor}" for minor in _MINORS]
        pythons = [f"{minor}.{patch}" for minor in minors for patch in (0, 99)]
    return tuple(
        {
            "python_version": major_minor(python),
            "python_full_version": python,
            "implementation_version": python,
            "platform_machine": machine,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
        }
        for python in pythons
        for machine in ([target.machine] if target.machine else _MACHINES)
    )


def _evaluate(
    marker: Marker, environment: dict[str, str], extras: frozenset[str], groups: frozenset[str]
) -> bool | None:
    try:
        if "extras" in str(marker) or "dependency_groups" in str(marker):
            values: dict[str, str | frozenset[str]] = {
                **environment,
                "extras": extras,
                "dependency_groups": groups,
                "extra": "",
            }
            return marker.evaluate(values, context="lock_file")
        if not extras:
            return marker.evaluate({**environment, "extra": ""})
        # with several extras a clause about one says whether it is among them
        text = _EXTRA.sub(lambda clause: _as_known(clause, extras), str(marker))
        return Marker(text).evaluate({**environment, "extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return None


def _as_known(clause: re.Match[str], extras: frozenset[str]) -> str:
    """A clause about an extra as one that holds, or does not, on every Linux."""
    name, operator = clause[2] or clause[3] or "", clause[1] or clause[4]
    is_asked_for = canonicalize_name(name) in map(canonicalize_name, extras)
    return "os_name == 'posix'" if is_asked_for == (operator == "==") else "os_name != 'posix'"
