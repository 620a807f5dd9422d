"""DEV: deviations without a reason, reasons without a deviation, waivers past their review date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.registry import Ok, Unknown, check, finding, registered
from torchpin.compat.overrides import overridden_version, overrides, requirements_on, unread_requirers
from torchpin.compat.project_requirements import (
    addition_command,
    file_ranges,
    missing_packages_text,
    unmet_requirements,
)
from torchpin.compat.recommendations import (
    applicable_recommendations,
    compute_deviations,
    is_undetermined,
    stale_reasons,
    used_components,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Deviation, Environment, Finding, Lock

EXTERNAL_CHECKS = ("AUD001",)  # `invoke audit` reports vulnerabilities under it, outside this registry


@check("DEV001", "a deviation has no reason", judge=True)
def deviations_have_reasons(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Explain why under `reasons:` in the description, with the evidence; or follow the recommendation.

    What is used is compared with what is recommended: packages, Python, CUDA, cuDNN, the base image, and the capability
    of a GPU. A deviation without a reason looks like a mistake to whoever reads it later. The requirements of sources
    are checked by SRC002.

    The warning `no layer has fastapi, which requirements.txt asks for` names packages that the files of an adopted project
    install and its service does not: pin them with the `add` that it names, or say under `reasons:` why one is left out.

    Example: the page recommends capability 8.9 for an RTX 5060 Ti; by NVIDIA's table it has 12.0.

    Sources: `recommends` and `reasons` of the description; its lock; the facts of the GPUs.
    """
    lock = current_lock(context, env)
    unmet = unmet_requirements(env, lock)
    missing = {row.component for row in unmet}
    if unmet:
        yield finding(
            env,
            _reason_location(env, unmet[0].component),
            missing_packages_text(unmet),
            help=f"pin them: `{addition_command(env, unmet)}`; or say under `reasons:` why one is left out",
            about="requirements",
            level="warning",
        )
    deviations = [
        deviation
        for deviation in compute_deviations(env, lock)
        if _recommendations_of_people(deviation, lock) and deviation.component not in missing
    ]
    bounded = {canonicalize_name(requirement.name) for requirement, _ in file_ranges(env)}
    for deviation in deviations:
        if not deviation.reason:
            recommendations = ", ".join(
                f"{requirement} ({recommender})"
                for recommender, requirement in _recommendations_of_people(deviation, lock)
            )
            yield finding(
                env,
                _reason_location(env, deviation.component),
                f"{deviation.component} {deviation.used} deviates without a reason; recommended: {recommendations}",
                help=_lock_help(env) if canonicalize_name(deviation.component) in bounded else "",
                about=deviation.component,
                evidence=_evidence(deviation.component),
                level="warning",
            )
    yield from _check_followed(env, lock, deviations, missing)


def _lock_help(env: Environment) -> str:
    service = env.service.name
    return f"run `invoke lock --service {service}`, which keeps to it; or explain under `reasons:` why not"


def _recommendations_of_people(deviation: Deviation, lock: Lock | None) -> tuple[tuple[str, str], ...]:
    """The recommendations of people as (recommender, requirement), without the requirements of sources."""
    sources = {f"{upstream.source} {upstream.version}" for upstream in (lock.upstreams if lock else ())}
    return tuple(pair for pair in deviation.recommendations if pair[0] not in sources)


def _reason_location(env: Environment, component: str) -> str:
    """The position of `reasons:`, which lack one; without reasons, that of the recommendation."""
    number = next(
        (
            index
            for index, recommendation in enumerate(env.service.recommends)
            if recommendation.component == component
        ),
        0,
    )
    return env.service.location("reasons" if "reasons" in env.service.positions else f"recommends[{number}]")


def _evidence(component: str) -> str:
    gpu = facts.gpu(component)
    return gpu.citation if gpu else ""


def _check_followed(
    env: Environment, lock: Lock | None, deviations: Iterable[Deviation], missing: Collection[str]
) -> Iterator[Answer]:
    """How many recommendations are followed or have a reason, and what is unknown without a lock."""
    values = used_components(env, lock)
    recommended = {
        facts.gpu(recommendation.component) or canonicalize_name(recommendation.component): recommendation
        for recommendation in applicable_recommendations(env, values)
        # a wheel is a file, no version: ABI001 checks it
        if not recommendation.says.endswith(".whl") and recommendation.component not in missing
    }
    undetermined = [
        recommendation
        for recommendation in recommended.values()
        if is_undetermined(env, lock, recommendation.component, values)
    ]
    for recommendation in undetermined:
        says = "(any version)" if recommendation.says == "any" else recommendation.says
        requirement = f"{recommendation.component} {says} is recommended ({recommendation.by})"
        message = f"{requirement}; the version in use is unknown without a lock"
        yield Unknown(message=message, about=recommendation.component)
    deviating = [
        deviation
        for deviation in deviations
        if (facts.gpu(deviation.component) or canonicalize_name(deviation.component)) in recommended
    ]
    explained = [deviation.component for deviation in deviating if deviation.reason]
    followed = len(recommended) - len(undetermined) - len(deviating)
    if followed > 0 or explained:
        explained_note = f", {len(explained)} have a reason ({', '.join(explained)})" if explained else ""
        yield Ok(
            about="recommends",
            evidence=f"{followed} of {len(recommended)} recommendations are followed{explained_note}",
        )


@check("DEV002", "a waiver is past its review date")
def waivers_are_current(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Review the waiver: fix what it waives, or write a later `review_by` with the reason.

    A waiver accepts a finding of its service until a date. A notice is printed from fourteen days before that date; after
    it the finding is open again.

    Example: the waiver of GPU001 for B200 expired on 2027-01-31.

    Sources: aws/deep-learning-containers, whose accepted CVEs have a reason and a review_by.
    """
    for number, waiver in enumerate(env.service.waivers):
        location = env.service.location(f"waivers[{number}].review_by")
        if waiver.review_by < context.today:
            yield finding(
                env,
                location,
                f"the waiver of {waiver.check} for {waiver.about} expired on {waiver.review_by}",
                about=waiver.about,
            )
        elif waiver.check not in {*(row.id for row in registered("check")), *EXTERNAL_CHECKS}:
            message = f"the waiver of {waiver.check} for {waiver.about} names a check that does not exist"
            yield finding(env, location, message, about=waiver.about)


@check("DEV003", "a reason explains no deviation", "lock")
def reasons_are_needed(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Remove the reason: the deviation that it explained is resolved.

    A reason is left over when a pin or a recommendation changes, and then explains a deviation that no longer exists.

    Example: a reason for accelerate, and the locked version is within every recommended range.

    Sources: docs/ARCHITECTURE.md, words: reason.
    """
    deviations = compute_deviations(env, context.locks[env.name])
    for component in stale_reasons(env, deviations):
        yield finding(
            env,
            env.service.location(f"reasons.{component}"),
            f"the reason for {component} explains no deviation",
            about=component,
        )


@check("DEV004", "an override is not needed", "lock")
def overrides_are_needed(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Remove the override: what requires the package allows this version by itself, or nothing requires it.

    An override holds a version against what other packages require. Once they allow it, the override only hides what they
    will require later.

    Example: torch 2.10 requires the cuDNN that was overridden beside torch 2.9.1.

    Sources: METADATA of the locked wheels.
    """
    lock = context.locks[env.name]
    unread = unread_requirers(env, lock)
    for number, (name, override) in enumerate(overrides(env).items()):
        version = overridden_version(override)
        rows = requirements_on(lock, name)
        refusing = [
            f"{package} requires {requirement.specifier}"
            for package, requirement in rows
            if not requirement.specifier.contains(version, prereleases=True)
        ]
        requirers = {*lock.all_packages[name].required_by} if name in lock.all_packages else set()
        if refusing:
            yield Ok(about=name, evidence=f"{', '.join(refusing)}, read in its METADATA")
        elif unread & requirers:
            names = ", ".join(sorted(unread & requirers))
            yield Unknown(message=f"what {names} requires of {name} was not read", about=name)
        else:
            reason = "everything that requires it allows it" if rows else "nothing that is locked requires it"
            yield finding(
                env,
                env.service.location(f"overrides[{number}].package"),
                f"the override {override.package} is not needed: {reason}",
                about=name,
                level="warning",
            )
