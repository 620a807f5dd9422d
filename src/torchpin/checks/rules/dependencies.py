"""DEP001, DEP002: what packages need of each other, where no resolver is told or is told too late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock, target_gpus
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.repair import cite, help_text, pin_changes, pin_location
from torchpin.compat import undeclared_requirements
from torchpin.compat.pins import list_pins
from torchpin.description.environments import torch_build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.checks.repair import Pins
    from torchpin.compat.undeclared_requirements import RequirementStatus
    from torchpin.model import Environment, Finding


@check("DEP001", "No package is below what another needs of it", judge=True)
def requirements_hold(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write the pin that the finding names in place of the one that does not fit.

    Some packages check at run time what they do not declare, or declare in an extra that nobody asked for: pip and uv
    see nothing wrong, and the program stops when a model is loaded. Others do declare it, and what they need is not
    what another pin says: then no resolution exists, or a later install step replaces what an earlier one chose.
    A floor that matters for some uses or cards alone is a warning.

    Example: `accelerate==0.25.0` with `transformers==4.46.3`, which asks for accelerate>=0.26.0 when it loads a model.

    Sources: METADATA and code of the wheels on PyPI; comfyanonymous/ComfyUI #6685; facebookresearch/xformers #752.
    """
    lock = current_lock(evidence, env)
    pins = list_pins(env, lock)
    evaluations = [
        evaluation
        for evaluation in undeclared_requirements.evaluate(env, lock, include_metadata=True)
        if not evaluation.undeclared.interface
        and not _is_numpy_of_torch(evaluation)
        and _is_relevant(evidence, env, evaluation.undeclared)
    ]
    for evaluation in evaluations:
        if evaluation.satisfied is None and not evaluation.undeclared.seen:
            message = f"{_requirement_text(evaluation, pins)}, which no resolver is told; {evaluation.installed}, so only a lock tells"
            yield Unknown(message=message, about=evaluation.undeclared.id)
        elif evaluation.satisfied is False and (
            evaluation.required in pins or not evaluation.undeclared.seen
        ):
            yield _requirement_finding(evidence, env, evaluation, pins)
    satisfied = [
        f"{evaluation.undeclared.id} ({evaluation.installed})"
        for evaluation in evaluations
        if evaluation.satisfied
    ]
    if satisfied or lock:
        summary = f"{len(facts.floors())} floors were looked at"
        verdict = (
            f"these concern what is pinned here, and hold: {', '.join(satisfied)}"
            if satisfied
            else "none is violated here"
        )
        yield Ok(
            about="floors",
            evidence=f"{summary}; {verdict} (src/torchpin/facts/data/floors.yaml, each with its source)",
        )


def _is_numpy_of_torch(evaluation: RequirementStatus) -> bool:
    # DEP003 tells it, from the release's own row
    return (evaluation.package, evaluation.required) == ("torch", "numpy")


def _is_relevant(evidence: CheckContext, env: Environment, requirement: facts.UndeclaredRequirement) -> bool:
    """A floor of some cards matters where such a card is wanted, and the build is for cards at all."""
    if not requirement.capability:
        return True
    gpus = [facts.gpu(name) for name, _ in target_gpus(evidence, env)]
    return torch_build(env) != "cpu" and any(
        undeclared_requirements.applies_to(requirement, gpu) for gpu in gpus
    )


def _requirement_text(evaluation: RequirementStatus, pins: Pins) -> str:
    what, only = f"{evaluation.package}=={pins[evaluation.package].version}", evaluation.undeclared.only
    if evaluation.package == evaluation.required:
        return f"{what} is not {evaluation.undeclared.needs}{f', which is for {only}' if only else ''}"
    return f"{what} needs {evaluation.undeclared.needs}{f' for {only}' if only else ''}"


def _requirement_finding(
    evidence: CheckContext, env: Environment, evaluation: RequirementStatus, pins: Pins
) -> Finding:
    requirement, pin = evaluation.undeclared, pins.get(evaluation.required)
    replacement = undeclared_requirements.replacement(
        requirement, env.service.torch.version, _gpu_names(evidence, env)
    )
    if requirement.seen and pin:
        detail = f", and {evaluation.required}=={pin.version} is pinned ({pin.location}): the two pins contradict each other"
    else:
        detail = (
            ""
            if evaluation.package == evaluation.required
            else f", which no resolver is told; {evaluation.installed}"
        )
    return finding(
        env,
        pin_location(pins, replacement, evaluation.package),
        f"{_requirement_text(evaluation, pins)}{detail}. Why: {requirement.because}",
        help=_help(env, pins, evaluation, replacement),
        about=requirement.id,
        evidence=cite(requirement),
        level="warning" if requirement.only or requirement.capability else "error",
        fix=pin_changes(env, pins, replacement, evaluation.package),
        fix_is_safe=_is_safe(evaluation, replacement),
    )


def _is_safe(evaluation: RequirementStatus, replacement: Requirement | None) -> bool:
    """The least that is needed, or the one build for this torch: no choice is left. A step back, or for a card, is one."""
    if replacement is None or evaluation.undeclared.capability:
        return False
    return canonicalize_name(replacement.name) == evaluation.required or not evaluation.undeclared.instead


def _gpu_names(evidence: CheckContext, env: Environment) -> tuple[str, ...]:
    return tuple(name for name, _ in target_gpus(evidence, env))


def _help(
    env: Environment, pins: Pins, evaluation: RequirementStatus, replacement: Requirement | None
) -> str:
    if replacement:
        return help_text(env, pins, replacement, evaluation.package)
    minimum = evaluation.undeclared.needs.partition(">=")[2]
    action = (
        f"Raise {evaluation.required} to {minimum} or later"
        if minimum and "," not in minimum
        else f"Pin {evaluation.undeclared.needs}"
    )
    use = (
        f", or waive this where there is no use for {evaluation.undeclared.only}"
        if evaluation.undeclared.only
        else ""
    )
    return f"{action}, or choose another version of {evaluation.package}{use}."


# --- interfaces that are gone ----------------------------------------------------------------------------------------


@check("DEP002", "No package needs an interface that another no longer has", judge=True)
def interfaces_are_there(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write the pin that the finding names: the package without that need, or the other from before the removal.

    A package that imports a module of another says in its metadata, at best, that it wants the other; that the module
    is gone from some version on, it could not know. The resolver takes the newest, and the import fails at run time.

    Example: `bitsandbytes==0.45.0` imports triton.ops, and torch 2.6.0 brings triton 3.2.0, which has none:
    ModuleNotFoundError: No module named 'triton.ops'.

    Sources: the wheels of triton 3.1.0 and 3.2.0, and of setuptools 81.0.0 and 82.0.0; bitsandbytes #1492;
    tensorflow/tensorboard #7003.
    """
    lock = current_lock(evidence, env)
    pins = {
        **list_pins(env, None),
        **list_pins(env, lock),
    }  # the triton of a torch that the base brings, too
    removals = {row.id: row for row in facts.removals()}
    for evaluation in undeclared_requirements.evaluate(env, lock):
        if evaluation.undeclared.interface:
            yield from _check_interface(
                evidence, env, evaluation, removals[evaluation.undeclared.interface], pins
            )


def _check_interface(
    evidence: CheckContext,
    env: Environment,
    evaluation: RequirementStatus,
    removal: facts.Removal,
    pins: Pins,
) -> Iterator[Answer]:
    pin, is_locked = pins.get(removal.package), current_lock(evidence, env) is not None
    # else something that comes with what is needed, as triton with torch
    is_direct = evaluation.required == removal.package
    usage = (
        f"{evaluation.package}=={pins[evaluation.package].version} needs {removal.what} of {removal.package}"
    )
    cap = _find_cap(env, removal, pins)
    if pin and pin.version < Version(removal.version):
        yield Ok(about=evaluation.package, evidence=f"{usage}, which {pin.version} has ({cite(removal)})")
    elif pin:
        requirement_note = f", {pin.known_from}," if pin.known_from else ""
        message = f"{usage}, which {pin.version}{requirement_note} no longer has"
        yield _removal_finding(evidence, env, evaluation, removal, pins, message)
    elif is_direct and is_locked:
        yield _removal_finding(evidence, env, evaluation, removal, pins, f"{usage}, which is not installed")
    elif not is_direct:
        yield from _check_provider(evidence, env, evaluation, removal, pins, usage)
    elif cap:
        yield Ok(
            about=evaluation.package, evidence=f"{usage}; {cap.when} holds it to {cap.needs} ({cite(cap)})"
        )
    else:
        newest = f"{removal.newest} is what a resolver takes ({removal.date})"
        message = f"{usage}, and nothing holds {removal.package} below {removal.version}: {newest}"
        yield replace(_removal_finding(evidence, env, evaluation, removal, pins, message), level="warning")


def _check_provider(
    evidence: CheckContext,
    env: Environment,
    evaluation: RequirementStatus,
    removal: facts.Removal,
    pins: Pins,
    usage: str,
) -> Iterator[Answer]:
    """Where the version of what lost the interface is not known, that of what brings it tells; CPU builds bring none."""
    if torch_build(env) == "cpu":
        return
    if evaluation.satisfied:
        yield Ok(
            about=evaluation.package,
            evidence=f"{usage}, which {evaluation.installed} brings ({cite(evaluation.undeclared)})",
        )
    else:
        message = f"{usage}, which {evaluation.installed} brings without it"
        yield _removal_finding(evidence, env, evaluation, removal, pins, message)


def _find_cap(env: Environment, removal: facts.Removal, pins: Pins) -> facts.UndeclaredRequirement | None:
    """Another package's own cap that keeps a version with the interface."""
    for evaluation in undeclared_requirements.evaluate(env, None, include_metadata=True):
        needs = Requirement(evaluation.undeclared.needs)
        is_cap = (
            evaluation.undeclared.seen
            and evaluation.required == removal.package
            and evaluation.package in pins
        )
        if is_cap and Version(removal.version) not in needs.specifier:
            return evaluation.undeclared
    return None


def _removal_finding(
    evidence: CheckContext,
    env: Environment,
    evaluation: RequirementStatus,
    removal: facts.Removal,
    pins: Pins,
    message: str,
) -> Finding:
    replacement = undeclared_requirements.replacement(
        evaluation.undeclared, env.service.torch.version, _gpu_names(evidence, env)
    )
    return finding(
        env,
        pin_location(pins, replacement, evaluation.package),
        f"{message}. Why: {evaluation.undeclared.because}",
        help=help_text(env, pins, replacement, evaluation.package) if replacement else "",
        about=evaluation.package,
        evidence=cite(evaluation.undeclared, removal),
        fix=pin_changes(env, pins, replacement, evaluation.package),
        fix_is_safe=replacement is not None,
    )
