"""DEP007: what the metadata of packages require of Python and of each other, before a resolver reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.pin_fixes import help_text, pin_changes, pin_location, torch_move
from torchpin.checks.registry import Ok, check, finding
from torchpin.compat import measured, partners
from torchpin.compat.pins import list_pins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.pin_fixes import Pins
    from torchpin.checks.registry import Answer
    from torchpin.compat.pins import Pin
    from torchpin.model import Environment, Finding


@check("DEP007", "a package's metadata refuse this Python, or another pin", judge=True)
def metadata_agree(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Use the pin that the finding names, or another Python.

    The metadata of a release say which Pythons it is for, and which versions of other packages it requires. A resolver finds
    no solution where two pins contradict each other; here it is said before anything is resolved, for the releases whose
    metadata were measured. A lock that is up to date has no such contradiction.

    Example: `transformers==5.0.0` requires Python 3.10 or later, so Python 3.9 has no solution.

    Sources: METADATA of the releases on PyPI (torchpin/facts/data/measured).
    """
    if current_lock(context, env) is not None:
        yield Ok(about="metadata", evidence="the lock is up to date, and its resolution read all metadata")
        return
    pins = {name: pin for name, pin in list_pins(env, None).items() if not pin.known_from}
    compared = []
    for name, pin in pins.items():
        if not pin.path.startswith("layers[") or not facts.is_measured(name, pin.version):
            continue
        is_accepted = measured.accepts_python(env, name, pin.version)
        if not is_accepted:
            required = facts.measured_python(name, pin.version)
            yield _finding(env, pins, pin, f"requires Python {required}, not {env.service.python}")
        refused = measured.refused_requirements(env, pins, name, pin.version)
        for requirement in refused:
            used = pins[canonicalize_name(requirement.name)]
            if not (used.name == "torch" and name in facts.partners()):  # TOR002 judges partners
                problem = f"requires {requirement.name}{requirement.specifier}, but {used.name}=={used.version} is pinned"
                yield _finding(env, pins, pin, problem, used, specifier=str(requirement.specifier))
        if is_accepted and not refused:
            compared.append(f"{name}=={pin.version}")
    if compared:
        yield Ok(
            about="metadata", evidence=f"the metadata of {', '.join(compared)} agree with Python and pins"
        )


def _finding(
    env: Environment, pins: Pins, pin: Pin, problem: str, used: Pin | None = None, *, specifier: str = ""
) -> Finding:
    """The finding of a release, with the nearest release of it, or of the package that it refuses, that fits all pins.

    `specifier`: the versions of `used` that it requires.
    """
    replacement = None
    for package in (pin.name, *([used.name] if used and used.path.startswith("layers[") else [])):
        version = measured.nearest_release(env, pins, package)
        if version is not None:
            replacement = Requirement(f"{package}=={version}")
            break
    move = _torch_move(env, used, specifier)
    help_line = (
        help_text(env, pins, replacement, pin.name)
        if replacement
        else f"use another version of {pin.name}"
        if move
        else f"use another version of {pin.name}{f' or {used.name}' if used else ', or another Python'}"
    )
    return finding(
        env,
        pin_location(pins, replacement, pin.name),
        f"{pin.name}=={pin.version} {problem}",
        help=f"{help_line}, or {move}" if move else help_line,
        about=f"{pin.name} {used.name}" if used else pin.name,
        evidence=facts.measured_citation(pin.name),
        fix=pin_changes(env, pins, replacement, pin.name),
    )


def _torch_move(env: Environment, used: Pin | None, specifier: str) -> str:
    """The move of torch that ends a contradiction about torch, or about a package that moves with it; "" for others."""
    if used is None or not (used.name == "torch" or used.name in env.service.torch.companions):
        return ""
    if used.name == "torch":
        return torch_move(env, specifier)
    releases = [
        release
        for release in facts.release_versions()
        if any(
            SpecifierSet(specifier).contains(choice.version)
            for choice in partners.choices(used.name, release)
        )
    ]
    return torch_move(env, f"=={releases[-1]}") if releases else ""
