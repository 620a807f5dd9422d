"""DEP001, DEP002: requirements of packages that no resolver sees, or sees too late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock, target_gpus
from torchpin.checks.pin_fixes import cite, help_text, pin_changes, pin_location
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat import undeclared_requirements
from torchpin.compat.overrides import overrides
from torchpin.compat.pins import list_pins
from torchpin.description.environments import torch_build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.pin_fixes import Pins
    from torchpin.checks.registry import Answer
    from torchpin.compat.undeclared_requirements import RequirementStatus
    from torchpin.model import Environment, Finding, Lock


@check("DEP001", "a package does not match what another one requires", judge=True)
def requirements_hold(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Replace the pin with the one that the finding names.

    Some packages check at run time what they do not declare, or declare only in an extra that is not installed: pip and
    uv report nothing, and the program fails when a model is loaded. Others declare it, and another pin conflicts with it:
    then no resolution exists, or a later install step replaces what an earlier one installed. A requirement that matters
    only for some uses or GPUs is a warning.

    Example: `accelerate==0.25.0` with `transformers==4.46.3`, which requires accelerate>=0.26.0 when it loads a model.

    Sources: METADATA and code of the wheels on PyPI; comfyanonymous/ComfyUI #6685; facebookresearch/xformers #752.
    """
    lock = current_lock(context, env)
    pins, overridden = list_pins(env, lock), overrides(env)
    evaluations = [
        evaluation
        for evaluation in undeclared_requirements.evaluate(env, lock, include_metadata=True)
        if not evaluation.undeclared.interface
        and not _is_numpy_of_torch(evaluation)
        and not (evaluation.undeclared.seen and evaluation.required in overridden)
        and _is_relevant(context, env, evaluation.undeclared)
    ]
    yield from _requirements_of_unknown_gpus(context, env, lock)
    for evaluation in evaluations:
        if evaluation.satisfied is None and not evaluation.undeclared.seen:
            requirement = _requirement_text(evaluation, pins)
            message = f"{requirement} (undeclared); {evaluation.installed}, so its version is unknown without a lock"
            yield Unknown(message=message, about=evaluation.undeclared.id)
        # A resolver meets a declared requirement (`seen`) itself, unless another pin conflicts with it.
        elif evaluation.satisfied is False and (
            evaluation.required in pins or not evaluation.undeclared.seen
        ):
            yield _requirement_finding(context, env, evaluation, pins)
    satisfied = [
        f"{evaluation.undeclared.id} ({evaluation.installed})"
        for evaluation in evaluations
        if evaluation.satisfied
    ]
    if satisfied or lock:
        yield Ok(about="requirements", evidence=_satisfied_text(satisfied, applies=bool(evaluations)))


def _satisfied_text(satisfied: Sequence[str], *, applies: bool) -> str:
    """The evidence of DEP001: how many requirements were checked, and which of them apply and are satisfied."""
    number = len(facts.undeclared_requirements())
    verdict = f"satisfied: {', '.join(satisfied) or 'none'}" if applies else "none applies"
    return f"{number} recorded requirements were checked; {verdict} (torchpin/facts/data/undeclared_requirements.yaml)"


def _is_numpy_of_torch(evaluation: RequirementStatus) -> bool:
    # DEP003 checks this pair, by the row of the torch release.
    return (evaluation.package, evaluation.required) == ("torch", "numpy")


def _is_relevant(context: CheckContext, env: Environment, requirement: facts.UndeclaredRequirement) -> bool:
    """Whether a requirement of some GPUs applies: such a GPU is a target, and the build is no CPU build."""
    if not requirement.capability:
        return True
    gpus = [facts.gpu(name) for name, _ in target_gpus(context, env)]
    return torch_build(env) != "cpu" and any(
        undeclared_requirements.applies_to(requirement, gpu) for gpu in gpus
    )


def _requirements_of_unknown_gpus(
    context: CheckContext, env: Environment, lock: Lock | None
) -> Iterator[Answer]:
    """The requirements of some GPUs that do not hold, where it is unknown whether a target is one of these GPUs."""
    gpus = {name: facts.gpu(name) for name, _ in target_gpus(context, env)}
    unknown = [name for name, gpu in gpus.items() if gpu is None or gpu.capability is None]
    if not unknown or torch_build(env) == "cpu":
        return
    for evaluation in undeclared_requirements.evaluate(env, lock, include_metadata=True):
        requirement = evaluation.undeclared
        if (
            requirement.capability
            and not evaluation.satisfied
            and not _is_relevant(context, env, requirement)
        ):
            message = f"{evaluation.package} requires {requirement.needs} on GPUs from capability {requirement.capability}; that of {', '.join(unknown)} is not in the facts"
            yield Unknown(message=message, about=requirement.id)


def _requirement_text(evaluation: RequirementStatus, pins: Pins) -> str:
    package = f"{evaluation.package}=={pins[evaluation.package].version}"
    use = evaluation.undeclared.only
    if evaluation.package == evaluation.required:
        return f"{package} does not satisfy {evaluation.undeclared.needs}{f', which is required for {use}' if use else ''}"
    return f"{package} requires {evaluation.undeclared.needs}{f' for {use}' if use else ''}"


def _requirement_finding(
    context: CheckContext, env: Environment, evaluation: RequirementStatus, pins: Pins
) -> Finding:
    requirement, pin = evaluation.undeclared, pins.get(evaluation.required)
    replacement = undeclared_requirements.replacement(requirement, _gpu_names(context, env))
    if requirement.seen and pin:
        detail = f", which conflicts with {evaluation.required}=={pin.version} ({pin.location})"
    elif evaluation.package == evaluation.required:
        detail = ""
    else:
        used = f"{evaluation.required} {pin.version} is used" if pin else evaluation.installed
        detail = f" (undeclared), but {used}"
    return finding(
        env,
        pin_location(pins, replacement, evaluation.package),
        f"{_requirement_text(evaluation, pins)}{detail}: {requirement.because}",
        help=_help(env, pins, evaluation, replacement),
        about=requirement.id,
        evidence=cite(requirement),
        level="warning" if requirement.only or requirement.capability else "error",
        fix=pin_changes(env, pins, replacement, evaluation.package),
        fix_is_safe=_is_safe(evaluation, replacement),
    )


def _is_safe(evaluation: RequirementStatus, replacement: Requirement | None) -> bool:
    """Whether a fix leaves no choice: it is the required minimum itself.

    An older version of the requirer, or a version for some GPUs, is a choice that people make.
    """
    if replacement is None or evaluation.undeclared.capability:
        return False
    return canonicalize_name(replacement.name) == evaluation.required


def _gpu_names(context: CheckContext, env: Environment) -> tuple[str, ...]:
    return tuple(name for name, _ in target_gpus(context, env))


def _action(needs: Requirement) -> str:
    """What to do for a requirement that no row has a replacement for; only an exact one is a pin that can be written."""
    clauses = list(needs.specifier)
    version = clauses[0].version if len(clauses) == 1 else "*"
    operator = "" if version.endswith("*") else clauses[0].operator
    if operator == "==" and needs.name == "torch":
        return f'set `version: "{version}"` under `torch:`'
    if operator == ">=":
        return f"raise {needs.name} to {version} or later"
    return (
        f"pin `{needs}`"
        if operator == "=="
        else f"pin a version of {needs.name} that satisfies {needs.specifier}"
    )


def _help(
    env: Environment, pins: Pins, evaluation: RequirementStatus, replacement: Requirement | None
) -> str:
    if replacement:
        return help_text(env, pins, replacement, evaluation.package)
    action = _action(Requirement(evaluation.undeclared.needs))
    use = (
        f", or waive this if you do not use {evaluation.undeclared.only}"
        if evaluation.undeclared.only
        else ""
    )
    return f"{action}, or choose another version of {evaluation.package}{use}"


@check("DEP002", "a package requires an interface that another one no longer has", judge=True)
def interfaces_are_there(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Use the pin that the finding names: a version of the package without that need, or of the other one from before the removal.

    A package that imports a module of another one declares at best that it requires the other one; it cannot know which
    later version removes the module. The resolver takes the newest version, and the import fails at run time.

    Example: `bitsandbytes==0.45.0` imports triton.ops, and torch 2.6.0 brings triton 3.2.0, which has none:
    ModuleNotFoundError: No module named 'triton.ops'.

    Sources: the wheels of triton 3.1.0 and 3.2.0, and of setuptools 81.0.0 and 82.0.0; bitsandbytes #1492;
    tensorflow/tensorboard #7003.
    """
    lock = current_lock(context, env)
    # A torch of the base image is not in the lock with its triton: that one is known from the facts alone.
    pins = {**list_pins(env, None), **list_pins(env, lock)}
    removals = {row.id: row for row in facts.removals()}
    for evaluation in undeclared_requirements.evaluate(env, lock):
        removal = removals.get(evaluation.undeclared.interface or "")
        if removal:
            yield from _check_interface(context, env, evaluation, removal, pins)
        elif evaluation.undeclared.interface:
            message = f"when {evaluation.undeclared.interface}, which {evaluation.package} requires, was removed is not in the facts"
            yield Unknown(message=message, about=evaluation.package)


def _check_interface(
    context: CheckContext,
    env: Environment,
    evaluation: RequirementStatus,
    removal: facts.Removal,
    pins: Pins,
) -> Iterator[Answer]:
    pin, is_locked = pins.get(removal.package), current_lock(context, env) is not None
    # Otherwise the required package is another one that provides it, as torch does triton.
    is_direct = evaluation.required == removal.package
    usage = f"{evaluation.package}=={pins[evaluation.package].version} requires {removal.what} of {removal.package}"
    cap = _find_cap(env, removal, pins)
    if pin and pin.version < Version(removal.version):
        yield Ok(
            about=evaluation.package,
            evidence=f"{usage}, which {pin.name} {pin.version} has ({cite(removal)})",
        )
    elif pin:
        provider = f", {pin.known_from}," if pin.known_from else ""
        message = f"{usage}, which {pin.name} {pin.version}{provider} no longer has"
        yield _removal_finding(context, env, evaluation, removal, pins, message)
    elif is_direct and is_locked:
        yield _removal_finding(context, env, evaluation, removal, pins, f"{usage}, which is not installed")
    elif not is_direct:
        yield from _check_provider(context, env, evaluation, removal, pins, usage)
    elif cap:
        yield Ok(about=evaluation.package, evidence=f"{usage}; {cap.when} requires {cap.needs} ({cite(cap)})")
    else:
        newest = f"a resolver takes {removal.newest} ({removal.date})"
        message = f"{usage}, but {removal.package} is not pinned below {removal.version}, and {newest}"
        # A warning: without a lock it is likely, but not known, that a resolver takes the newest version.
        yield replace(_removal_finding(context, env, evaluation, removal, pins, message), level="warning")


def _check_provider(
    context: CheckContext,
    env: Environment,
    evaluation: RequirementStatus,
    removal: facts.Removal,
    pins: Pins,
    usage: str,
) -> Iterator[Answer]:
    """The answer by the version of the provider (torch), where that of the provided package (triton) is not known.

    CPU builds of torch provide no triton: the check does not apply to them.
    """
    if torch_build(env) == "cpu":
        return
    if evaluation.satisfied:
        yield Ok(
            about=evaluation.package,
            evidence=f"{usage}, which {evaluation.installed} provides ({cite(evaluation.undeclared)})",
        )
    else:
        message = f"{usage}, which {evaluation.installed} no longer provides"
        yield _removal_finding(context, env, evaluation, removal, pins, message)


def _find_cap(env: Environment, removal: facts.Removal, pins: Pins) -> facts.UndeclaredRequirement | None:
    """The requirement of another installed package that keeps a version with the interface, if there is one."""
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
    context: CheckContext,
    env: Environment,
    evaluation: RequirementStatus,
    removal: facts.Removal,
    pins: Pins,
    message: str,
) -> Finding:
    replacement = undeclared_requirements.replacement(evaluation.undeclared, _gpu_names(context, env))
    return finding(
        env,
        pin_location(pins, replacement, evaluation.package),
        f"{message}: {evaluation.undeclared.because}",
        help=help_text(env, pins, replacement, evaluation.package) if replacement else "",
        about=evaluation.package,
        evidence=cite(evaluation.undeclared, removal),
        fix=pin_changes(env, pins, replacement, evaluation.package),
        fix_is_safe=replacement is not None,
    )
