"""The packages that deserve attention and why: a section of a service's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat import undeclared_requirements
from torchpin.compat.pins import declared_names
from torchpin.compat.recommendations import compute_deviations, source_names
from torchpin.description.environments import MACHINES, torch_build
from torchpin.documents.markdown import code, escape_literal, paragraphs, prose, table
from torchpin.documents.sections import locked_environments, missing_locks_text
from torchpin.facts.versions import is_later

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Artifact, Environment, Lock, Service


def risk_table(service: Service, locks: Mapping[str, Lock]) -> str:
    """The risk table of a service; a row that not all of its environments have names those that do."""
    env_locks = locked_environments(service, locks)
    env_names_by_row: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for env, lock in env_locks:
        for name, texts in risk_reasons(env, lock).items():
            env_names_by_row.setdefault((name, texts), []).append(code(env.name))
    order = list(dict.fromkeys(name for name, _ in env_names_by_row))
    rows = [
        (name if len(names) == len(env_locks) else f"{name} in {', '.join(names)}", "\n".join(texts))
        for (name, texts), names in sorted(env_names_by_row.items(), key=lambda row: order.index(row[0][0]))
    ]
    nothing = "No package needs attention." if env_locks else ""
    body = table(("Package", "Why it deserves attention"), rows) if rows else nothing
    return paragraphs(body, missing_locks_text(service, locks))


def risk_reasons(env: Environment, lock: Lock) -> dict[str, tuple[str, ...]]:
    """The risks by package: torch's family first, then in declared order, then the others by name.

    A package that no description declares is listed only for a file conflict or an ABI.
    """
    declared = list(
        dict.fromkeys([*env.service.torch.family, *declared_names(env.layers), *source_names(env, lock)])
    )
    conflicts = {name: _conflict_reasons(name, lock) for name in lock.all_packages}
    undeclared = sorted(
        name
        for name in lock.all_packages
        if conflicts[name] or name in facts.abi_packages()
        if name not in declared
    )
    optional = lock.optional_names
    outside = _upstream_mismatches(env, lock)
    evaluations = undeclared_requirements.evaluate(env, lock)
    reasons_by_package: dict[str, tuple[str, ...]] = {}
    for name in [*declared, *undeclared]:
        package = lock.all_packages.get(name)
        if package is None:
            continue
        texts = (
            *_file_reasons(package),
            *(["optional: the image may lack it"] if name in optional else []),
            *_system_reasons(env, name),
            *conflicts[name],
            *(
                _requirement_text(evaluation)
                for evaluation in evaluations
                if evaluation.package == name and _applies_to(env, evaluation)
            ),
            *outside.get(name, ()),
        )
        if texts:
            reasons_by_package[name] = texts
    return reasons_by_package


def _file_reasons(package: Artifact) -> list[str]:
    """The risks that follow from the locked file: built from source, compiled, bound to an ABI."""
    if package.is_source:
        return ["source only: it is compiled during the image build"]
    platform = package.filename.removesuffix(".whl").rpartition("-")[2]
    texts = [f"compiled, for {code(platform)}"] if platform != "any" else []
    if package.name in facts.abi_packages():
        texts.append(
            "ABI-bound: its file fits one series of torch, one CUDA major, one C++11 ABI and one Python"
        )
        wheel = next((row for row in facts.wheels() if row.filename == package.filename), None)
        platforms = {row.platform for row in facts.wheels() if wheel and _is_same_wheel(row, wheel)}
        texts += _missing_wheel_text(
            machine for machine in _linux_machines() if wheel and f"linux_{machine}" not in platforms
        )
    return texts


def _is_same_wheel(wheel: facts.Wheel, candidate: facts.Wheel) -> bool:
    """The same wheel for another platform."""
    keys = ("package", "version", "torch", "cuda", "abi", "python")
    return all(getattr(wheel, key) == getattr(candidate, key) for key in keys)


def _linux_machines() -> list[str]:
    return [machine for platform, machine in MACHINES.items() if platform.startswith("linux/")]


def _missing_wheel_text(machines: Iterable[str]) -> list[str]:
    names = ", ".join(machines)
    return [f"no wheel for {names}"] if names else []


def _system_reasons(env: Environment, name: str) -> list[str]:
    """The system packages that a package requires, whether apt installs them, and machines without a wheel."""
    needs = facts.native_needs(name)
    if needs is None:
        return []
    texts = []
    system_packages = needs.apt_for(MACHINES[env.variant.platform])
    if system_packages:
        listed = {package.partition("=")[0] for package in env.service.apt}
        lacking = [package for package in system_packages if package not in listed]
        verdict = f"**apt does not list {', '.join(lacking)}**" if lacking else "apt lists it"
        texts.append(f"requires {', '.join(map(code, system_packages))} of the system: {verdict}")
    if needs.machines:
        machine_texts = _missing_wheel_text(
            machine for machine in _linux_machines() if machine not in needs.machines
        )
        texts += [f"{text}{'' if needs.sdist else ', and no sdist'}" for text in machine_texts]
    return texts


def _conflict_reasons(name: str, lock: Lock) -> list[str]:
    """The installed packages that write the same files."""
    texts = []
    for conflict in facts.conflicts():
        if name not in conflict.names:
            continue
        conflicting = [
            conflicting_name
            for conflicting_name in conflict.names
            if conflicting_name != name and conflicting_name in lock.all_packages
        ]
        if conflicting:
            texts.append(f"**shares files with {', '.join(conflicting)}**: {prose(conflict.because)}")
    return texts


def _applies_to(env: Environment, evaluation: undeclared_requirements.RequirementStatus) -> bool:
    gpus = map(facts.gpu, env.service.gpus)
    cuda = torch_build(env) != "cpu"
    return not evaluation.undeclared.capability or (
        cuda and any(undeclared_requirements.applies_to(evaluation.undeclared, gpu) for gpu in gpus)
    )


def _requirement_text(evaluation: undeclared_requirements.RequirementStatus) -> str:
    only = f", for {prose(evaluation.undeclared.only)}" if evaluation.undeclared.only else ""
    text = f"requires {escape_literal(evaluation.undeclared.needs)}{only}, which its metadata does not declare ({prose(evaluation.undeclared.because)})"
    verdict = (
        f"satisfied by {evaluation.installed}"
        if evaluation.satisfied
        else f"**not satisfied, {evaluation.installed}**"
    )
    return f"{text}: {verdict}"


def _upstream_mismatches(env: Environment, lock: Lock) -> dict[str, list[str]]:
    """The locked versions that do not meet the requirements of a source at its locked commit."""
    upstreams = {f"{upstream.source} {upstream.version}" for upstream in lock.upstreams}
    texts: dict[str, list[str]] = {}
    for deviation in compute_deviations(env, lock):
        for adviser, requirement in deviation.recommendations if not deviation.is_choice else ():
            if adviser in upstreams:
                relation = "newer than" if _is_newer(deviation.used, requirement) else "outside"
                texts.setdefault(canonicalize_name(deviation.component), []).append(
                    f"{relation} what {prose(adviser)} requires ({escape_literal(requirement)})"
                )
    return texts


def _is_newer(used: str, specifier: str) -> bool:
    """Whether a version is later than every version in a specifier."""
    try:
        clauses = [*SpecifierSet(specifier)]
    except InvalidSpecifier:
        return False
    return bool(clauses) and all(is_later(used, clause.version.removesuffix(".*")) for clause in clauses)
