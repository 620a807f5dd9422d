"""Pins without a solution, as a sentence: which contradict each other, and what would free them; read out of uv's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat import partners
from torchpin.compat.pins import list_pins
from torchpin.description.environments import select_environments
from torchpin.lock.absent_versions import absent_pin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.bump.model import Plan
    from torchpin.compat.pins import Pin

_NAME = r"[A-Za-z0-9][\w.-]*"
_DEPENDS = re.compile(
    rf"(?P<package>{_NAME})(?P<extras>\[[^\]]*\])?==(?P<version>[\w.+!-]+?) depends on (?P<needs>{_NAME})(\[[^\]]*\])?"
    r"(?P<specifier>(?:[=!<>~]=?=?[\w.*+!-]+,?)*)(?=[\s,.;]|$)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Clause:
    """That a release requires another package: `vllm==0.10.0`, `torch`, `==2.7.1`."""

    package: str
    extras: str
    version: str
    needs: str
    specifier: SpecifierSet

    def __str__(self) -> str:
        return f"{self.package}{self.extras}=={self.version} requires {self.needs}{self.specifier}"


def explain_no_solution(uv_text: str, bump_plan: Plan) -> str:
    """Which pins of an update contradict each other, and what would free them; "" where uv's text does not tell it."""
    text = " ".join(uv_text.split())
    env = select_environments([bump_plan.service_after])[0]
    pins = list_pins(env, None)
    if absent := absent_pin(text, env):
        return (
            f"the index has no {absent.name}=={absent.version}; choose a version of {absent.name} that exists"
        )
    clauses = list(_clauses(text))
    for clause in clauses:
        pin = pins.get(clause.needs)
        if pin and not clause.specifier.contains(pin.version.public, prereleases=True):
            return f"{clause}, and {clause.needs}=={pin.version} is pinned ({pin.location}); {_solutions(clause, pin, bump_plan)}"
    for clause, other in combinations(clauses, 2):
        if clause.needs == other.needs and clause.package != other.package and not _overlap(clause, other):
            return (
                f"{clause}, and {other}: no {clause.needs} is both; move {clause.package} or {other.package} to a version that "
                "goes with the other"
            )
    return ""


def _clauses(text: str) -> Iterator[_Clause]:
    for match in _DEPENDS.finditer(text):
        try:
            specifier = SpecifierSet(match["specifier"].rstrip(","))
        except InvalidSpecifier:
            continue
        yield _Clause(
            package=canonicalize_name(match["package"]),
            extras=match["extras"] or "",
            version=match["version"],
            needs=canonicalize_name(match["needs"]),
            specifier=specifier,
        )


def _overlap(clause: _Clause, other: _Clause) -> bool:
    """Whether the bounds of two requirements have a version in common, as far as they name any."""
    both = clause.specifier & other.specifier
    bounds = [Version(bound.version) for bound in both if "*" not in bound.version]
    near = [version for bound in bounds for version in (bound, _next(bound))]
    return any(both.contains(version, prereleases=True) for version in near)


def _next(version: Version) -> Version:
    """The next possible release, which a bound that excludes its version may allow."""
    return Version(f"{version.public.partition('.dev')[0]}.post99")


def _solutions(clause: _Clause, pin: Pin, bump_plan: Plan) -> str:
    """What would free two pins: the one at a version that the other allows, or the other at one that goes with it."""
    moved = {move.what for move in bump_plan.moves}
    exact = [
        bound.version for bound in clause.specifier if bound.operator == "==" and "*" not in bound.version
    ]
    target = f"{pin.name}=={exact[0]}" if exact else f"{pin.name} to {clause.specifier}"
    if not exact and pin.name == "torch":
        allowed = [version for version in facts.release_versions() if clause.specifier.contains(version)]
        target = f"torch=={allowed[-1]}" if allowed else target
    solutions = [f"move {target}" if " " in target else f"bump {target} with it"]
    fitting = partners.choices(clause.package, pin.version) if pin.name == "torch" else ()
    if fitting:
        solutions.append(
            f"take {clause.package}=={fitting[-1].version}, which goes with torch {pin.version.public}"
        )
    elif clause.package in moved or pin.name not in moved:
        solutions.append(f"take another version of {clause.package}")
    else:
        solutions.append(f"leave {pin.name} where it is")
    return " or ".join(solutions)
