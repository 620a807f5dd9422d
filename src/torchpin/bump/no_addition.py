"""Packages that cannot be added: which pin is in the way, and what would help; read out of uv's own words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from torchpin.compat.pins import list_pins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from torchpin.model import Environment

_NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
_BOUNDS = r"(?:(?:[=!<>~]=?=?)[\w.*+!-]+,?)*"
_DEPENDS = re.compile(
    rf"(?P<every>all versions of )?(?P<package>{_NAME})(?:\[[^\]]*\])?(?P<range>{_BOUNDS}) depends? on "
    rf"(?P<needs>{_NAME})(?:\[[^\]]*\])?(?P<specifier>{_BOUNDS})(?=[\s,.;]|$)"
)
_ONLY = re.compile(rf"only (?P<package>{_NAME})(?:\[[^\]]*\])?(?P<range>{_BOUNDS}) (?:is|are) available")
_NO_VERSION = re.compile(rf"(?:there is no version of|there are no versions of) (?P<package>{_NAME})")


def explain_refusal(uv_text: str, env: Environment, requested: Sequence[Requirement]) -> str:
    """Why packages cannot be added to an environment, in a sentence; `env` is without them.

    The pin in the way is named where uv's text names it; "" where uv did not come to a conclusion.
    """
    text = " ".join(uv_text.split())
    if "we can conclude" not in text:
        return ""
    names: dict[str, Requirement] = {canonicalize_name(row.name): row for row in requested}
    missing = next((name for name in names if f"{name} was not found in the package registry" in text), None)
    if missing:
        return f"no index has a package {missing}; check its name"
    for match in (*_ONLY.finditer(text), *_NO_VERSION.finditer(text)):
        row = names.get(canonicalize_name(match["package"]))
        if row and row.specifier:
            available = match.groupdict().get("range")
            return f"no release of {row.name} is {row.specifier}" + (
                f"; the index has {row.name}{available}" if available else "; choose a version that exists"
            )
    return _contradiction(text, env, names) or (
        f"no release of {', '.join(map(str, requested))} goes with the pins of {env.name}; "
        "move the pins that uv names, or ask for another version"
    )


def _contradiction(text: str, env: Environment, names: Mapping[str, Requirement]) -> str:
    """The last clause by which a request and a pin exclude each other: uv names the newest releases last."""
    pins = list_pins(env, None)
    sentence = ""
    for package, label, needs, specifier in _clauses(text):
        pin = pins.get(needs)
        if package in names and pin and not specifier.contains(pin.version.public, prereleases=True):
            sentence = (
                f"{label} requires {needs}{specifier}, and {needs}=={pin.version} is pinned ({pin.location}); "
                f"move {needs} first (`invoke bump {needs}==VERSION --service {env.service.name}`), or ask for another "
                f"version of {package}"
            )
        elif needs in names and package in pins and _excludes(specifier, names[needs]):
            sentence = f"{label} requires {needs}{specifier}, and {names[needs]} was requested; ask for a version that both allow"
    return sentence


def _clauses(text: str) -> Iterator[tuple[str, str, str, SpecifierSet]]:
    """What requires what: the package, with its releases, the other package and its versions."""
    for match in _DEPENDS.finditer(text):
        try:
            specifier = SpecifierSet(match["specifier"].rstrip(","))
        except InvalidSpecifier:
            continue
        label = (
            f"every release of {match['package']}" if match["every"] else match["package"] + match["range"]
        )
        yield canonicalize_name(match["package"]), label, canonicalize_name(match["needs"]), specifier


def _excludes(specifier: SpecifierSet, requested: Requirement) -> bool:
    """Whether none of the versions that a request names is allowed, as far as it names some."""
    versions = [bound.version for bound in requested.specifier if "*" not in bound.version]
    return bool(versions) and not any(specifier.contains(version, prereleases=True) for version in versions)
