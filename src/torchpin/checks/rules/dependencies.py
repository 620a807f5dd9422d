"""DEP001, DEP002: what packages need of each other, where no resolver is told or is told too late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import Evidence, gpus_of, lock_of
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.repair import changes, place, sentence, source
from torchpin.compat import hidden_requirements
from torchpin.compat import pins as compat_pins
from torchpin.description import environments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.checks.repair import Pins
    from torchpin.compat.hidden_requirements import Standing
    from torchpin.model import Environment, Finding


@check("DEP001", "No package is below what another needs of it", judge=True)
def floors_hold(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Write the pin that the finding names in place of the one that does not fit.

    Some packages check at run time what they do not declare, or declare in an extra that nobody asked for: pip and uv
    see nothing wrong, and the program stops when a model is loaded. Others do declare it, and what they need is not
    what another pin says: then no resolution exists, or a later install step replaces what an earlier one chose.
    A floor that matters for some uses or cards alone is a warning.

    Example: `accelerate==0.25.0` with `transformers==4.46.3`, which asks for accelerate>=0.26.0 when it loads a model.

    Sources: METADATA and code of the wheels on PyPI; comfyanonymous/ComfyUI #6685; facebookresearch/xformers #752.
    """
    lock = lock_of(evidence, env)
    pins = compat_pins.pins(env, lock)
    judged = [
        one
        for one in hidden_requirements.standings(env, lock, seen=True)
        if not one.floor.interface and not _is_numpys(one) and _matters(evidence, env, one.floor)
    ]
    for one in judged:
        if one.holds is None and not one.floor.seen:
            message = f"{_needs(one, pins)}, which no resolver is told; {one.found}, so only a lock tells"
            yield Unknown(message=message, about=one.floor.id)
        elif one.holds is False and (one.needed in pins or not one.floor.seen):
            yield _below(evidence, env, one, pins)
    held = [f"{one.floor.id} ({one.found})" for one in judged if one.holds]
    if held or lock:
        count = f"{len(facts.floors())} floors were looked at"
        told = (
            f"these concern what is pinned here, and hold: {', '.join(held)}"
            if held
            else "none is violated here"
        )
        yield Ok(
            about="floors",
            evidence=f"{count}; {told} (src/torchpin/facts/data/floors.yaml, each with its source)",
        )


def _is_numpys(one: Standing) -> bool:
    return (one.package, one.needed) == ("torch", "numpy")  # DEP003 tells it, from the release's own row


def _matters(evidence: Evidence, env: Environment, floor: facts.Floor) -> bool:
    """A floor of some cards matters where such a card is wanted, and the build is for cards at all."""
    if not floor.capability:
        return True
    cards = [facts.gpu(name) for name, _ in gpus_of(evidence, env)]
    return environments.torch_build(env) != "cpu" and any(
        hidden_requirements.concerns(floor, card) for card in cards
    )


def _needs(one: Standing, pins: Pins) -> str:
    what, only = f"{one.package}=={pins[one.package].version}", one.floor.only
    if one.package == one.needed:
        return f"{what} is not {one.floor.needs}{f', which is for {only}' if only else ''}"
    return f"{what} needs {one.floor.needs}{f' for {only}' if only else ''}"


def _below(evidence: Evidence, env: Environment, one: Standing, pins: Pins) -> Finding:
    floor, there = one.floor, pins.get(one.needed)
    instead = hidden_requirements.instead(floor, env.service.torch.version, _cards(evidence, env))
    if floor.seen and there:
        told = f", and {one.needed}=={there.version} is pinned ({there.where}): the two pins contradict each other"
    else:
        told = "" if one.package == one.needed else f", which no resolver is told; {one.found}"
    return finding(
        env,
        place(pins, instead, one.package),
        f"{_needs(one, pins)}{told}. Why: {floor.because}",
        remedy=_remedy(env, pins, one, instead),
        about=floor.id,
        evidence=source(floor),
        level="warning" if floor.only or floor.capability else "error",
        repair=changes(env, pins, instead, one.package),
        safe=_is_safe(one, instead),
    )


def _is_safe(one: Standing, instead: Requirement | None) -> bool:
    """The least that is needed, or the one build for this torch: no choice is left. A step back, or for a card, is one."""
    if instead is None or one.floor.capability:
        return False
    return canonicalize_name(instead.name) == one.needed or not one.floor.instead


def _cards(evidence: Evidence, env: Environment) -> tuple[str, ...]:
    return tuple(name for name, _ in gpus_of(evidence, env))


def _remedy(env: Environment, pins: Pins, one: Standing, instead: Requirement | None) -> str:
    if instead:
        return sentence(env, pins, instead, one.package)
    least = one.floor.needs.partition(">=")[2]
    move = (
        f"Raise {one.needed} to {least} or later" if least and "," not in least else f"Pin {one.floor.needs}"
    )
    use = f", or waive this where there is no use for {one.floor.only}" if one.floor.only else ""
    return f"{move}, or choose another version of {one.package}{use}."


# --- interfaces that are gone ----------------------------------------------------------------------------------------


@check("DEP002", "No package needs an interface that another no longer has", judge=True)
def interfaces_are_there(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Write the pin that the finding names: the package without that need, or the other from before the removal.

    A package that imports a module of another says in its metadata, at best, that it wants the other; that the module
    is gone from some version on, it could not know. The resolver takes the newest, and the import fails at run time.

    Example: `bitsandbytes==0.45.0` imports triton.ops, and torch 2.6.0 brings triton 3.2.0, which has none:
    ModuleNotFoundError: No module named 'triton.ops'.

    Sources: the wheels of triton 3.1.0 and 3.2.0, and of setuptools 81.0.0 and 82.0.0; bitsandbytes #1492;
    tensorflow/tensorboard #7003.
    """
    lock = lock_of(evidence, env)
    pins = {
        **compat_pins.pins(env, None),
        **compat_pins.pins(env, lock),
    }  # the triton of a torch that the base brings, too
    removals = {row.id: row for row in facts.removals()}
    for one in hidden_requirements.standings(env, lock):
        if one.floor.interface:
            yield from _interface(evidence, env, one, removals[one.floor.interface], pins)


def _interface(
    evidence: Evidence, env: Environment, one: Standing, gone: facts.Removal, pins: Pins
) -> Iterator[Answer]:
    there, locked = pins.get(gone.package), lock_of(evidence, env) is not None
    own = one.needed == gone.package  # else something that comes with what is needed, as triton with torch
    user = f"{one.package}=={pins[one.package].version} needs {gone.what} of {gone.package}"
    held = _capped(env, gone, pins)
    if there and there.version < Version(gone.version):
        yield Ok(about=one.package, evidence=f"{user}, which {there.version} has ({source(gone)})")
    elif there:
        says = f", {there.says}," if there.says else ""
        told = f"{user}, which {there.version}{says} no longer has"
        yield _lost(evidence, env, one, gone, pins, told)
    elif own and locked:
        yield _lost(evidence, env, one, gone, pins, f"{user}, which is not installed")
    elif not own:
        yield from _without(evidence, env, one, gone, pins, user)
    elif held:
        yield Ok(about=one.package, evidence=f"{user}; {held.when} holds it to {held.needs} ({source(held)})")
    else:
        today = f"{gone.newest} is what a resolver takes ({gone.date})"
        told = f"{user}, and nothing holds {gone.package} below {gone.version}: {today}"
        yield replace(_lost(evidence, env, one, gone, pins, told), level="warning")


def _without(
    evidence: Evidence, env: Environment, one: Standing, gone: facts.Removal, pins: Pins, user: str
) -> Iterator[Answer]:
    """Where the version of what lost the interface is not known, that of what brings it tells; CPU builds bring none."""
    if environments.torch_build(env) == "cpu":
        return
    if one.holds:
        yield Ok(about=one.package, evidence=f"{user}, which {one.found} brings ({source(one.floor)})")
    else:
        told = f"{user}, which {one.found} brings without it"
        yield _lost(evidence, env, one, gone, pins, told)


def _capped(env: Environment, gone: facts.Removal, pins: Pins) -> facts.Floor | None:
    """Another package's own cap that keeps a version with the interface."""
    for one in hidden_requirements.standings(env, None, seen=True):
        needs = Requirement(one.floor.needs)
        capped = one.floor.seen and one.needed == gone.package and one.package in pins
        if capped and Version(gone.version) not in needs.specifier:
            return one.floor
    return None


def _lost(
    evidence: Evidence, env: Environment, one: Standing, gone: facts.Removal, pins: Pins, told: str
) -> Finding:
    instead = hidden_requirements.instead(one.floor, env.service.torch.version, _cards(evidence, env))
    return finding(
        env,
        place(pins, instead, one.package),
        f"{told}. Why: {one.floor.because}",
        remedy=sentence(env, pins, instead, one.package) if instead else "",
        about=one.package,
        evidence=source(one.floor, gone),
        repair=changes(env, pins, instead, one.package),
        safe=instead is not None,
    )
