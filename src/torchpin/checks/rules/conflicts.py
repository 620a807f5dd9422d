"""DEP003, DEP004: what may not be installed together, though each wants it so: NumPy 2 and torch, files of two owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.repair import cite, help_text, pin_changes
from torchpin.compat import undeclared_requirements
from torchpin.compat.pins import list_pins
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.checks.registry import Answer
    from torchpin.checks.repair import Pins
    from torchpin.compat.undeclared_requirements import RequirementStatus
    from torchpin.model import Environment, Finding

LAST_NUMPY1 = Version("1.26.4")  # the last before 2


# --- NumPy 2 ---------------------------------------------------------------------------------------------------------


@check("DEP003", "NumPy 2 only with a torch that knows it", judge=True)
def numpy_fits_torch(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write `numpy==1.26.4`, and of what asks for NumPy 2 an older version; or raise torch to 2.3.0 or later.

    A torch that was built for NumPy 1 imports beside NumPy 2, warns once, and then has no NumPy at all. A bound that is
    typed in one install step does not bind the next one, where another package may raise it.

    Example: `torch==2.1.0` with `opencv-python-headless==4.12.0.88`, which raises numpy to 2: RuntimeError: Numpy is
    not available.

    Sources: libtorch_python.so of the wheels of 2.1.0, 2.2.2, 2.3.1; pytorch/pytorch #132179; opencv/opencv-python #1122.
    """
    lock = current_lock(evidence, env)
    pins, torch = list_pins(env, lock), str(env.service.torch.version)
    release, numpy = facts.release(torch), pins.get("numpy")
    raising = [
        evaluation
        for evaluation in undeclared_requirements.evaluate(env, lock, include_metadata=True)
        if _raises_numpy(evaluation)
    ]
    if lock and not numpy:
        return
    if release is None:
        yield Unknown(message=f"whether torch {torch} knows NumPy 2 is not in the facts", about="torch")
    elif release.numpy2_aware:
        yield Ok(about="numpy", evidence=f"torch {torch} knows NumPy 2 ({cite(release)})")
    elif numpy and numpy.version.major > 1:
        yield _numpy2_finding(
            env,
            pins,
            f"numpy=={numpy.version} is NumPy 2",
            Requirement(f"numpy=={LAST_NUMPY1}"),
            "numpy",
            release,
        )
    elif raising:
        for evaluation in raising:
            message = f"{evaluation.package}=={pins[evaluation.package].version} needs {evaluation.undeclared.needs} ({evaluation.undeclared.source})"
            replacement = undeclared_requirements.replacement(
                evaluation.undeclared, env.service.torch.version
            )
            yield _numpy2_finding(env, pins, message, replacement, evaluation.package, release)
    elif numpy:
        yield Ok(
            about="numpy",
            evidence=f"numpy {numpy.version} is what torch {torch} was built for ({cite(release)})",
        )
    else:
        message = f"torch {torch} does not know NumPy 2, and numpy is not pinned: only a lock tells which one is taken"
        yield Unknown(message=message, about="numpy")


def _raises_numpy(evaluation: RequirementStatus) -> bool:
    """Whether a package asks for NumPy 2, whatever else is pinned."""
    return (
        evaluation.required == "numpy"
        and LAST_NUMPY1 not in Requirement(evaluation.undeclared.needs).specifier
        and ">=2" in evaluation.undeclared.needs
    )


def _numpy2_finding(
    env: Environment,
    pins: Pins,
    message: str,
    replacement: Requirement | None,
    package: str,
    release: facts.TorchRelease,
) -> Finding:
    what = f"torch {release.version} was built for NumPy 1, and has no NumPy beside NumPy 2"
    raise_torch = "or raise torch to 2.3.0 or later."
    return finding(
        env,
        pins[package].location,
        f"{message}, and {what}",
        help=f"{help_text(env, pins, replacement, package).removesuffix('.')}, {raise_torch}"
        if replacement
        else "",
        about=package,
        evidence=cite(release),
        fix=pin_changes(env, pins, replacement, package),
    )


# --- files of two owners ---------------------------------------------------------------------------------------------


@check("DEP004", "No two packages overwrite each other's files", judge=True)
def files_have_one_owner(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Remove all but one of them: the one that another package brings anyway stays.

    The installer lays the files of the later over those of the earlier, and says nothing. Which code runs depends on the
    order of installation, and removing one of them later breaks the other.

    Example: `opencv-python==4.10.0.84` beside `docstrange==1.1.6`, which brings easyocr, which brings
    opencv-python-headless: both write the folder cv2.

    Sources: opencv-python's own description on PyPI (install only one of the four).
    """
    lock = current_lock(evidence, env)
    pins, brought = list_pins(env, lock), _transitive_packages(env) if lock is None else {}
    for conflict in facts.conflicts():
        present = [name for name in conflict.names if name in pins or name in brought]
        if len(present) > 1:
            yield _conflict_finding(
                env, conflict, present, pins, brought if lock is None else _requirers(evidence, env, present)
            )
        elif lock:
            yield Ok(
                about=conflict.id,
                evidence=f"the lock holds {' '.join(present) or 'none'} of {', '.join(conflict.names)}",
            )
        elif present:
            message = f"whether another package brings a second one beside {present[0]}: only a lock tells"
            yield Unknown(message=message, about=conflict.id)


def _transitive_packages(env: Environment) -> dict[str, str]:
    """What the declared packages are known to bring, each with the way that it comes, such as `docstrange, easyocr`."""
    versions = {name: pin.version for name, pin in list_pins(env, None).items()}
    chains = dict.fromkeys(versions, "")
    queue = list(chains)
    while queue:
        name = queue.pop(0)
        for row in facts.implied_packages():
            condition = Requirement(row.when)
            applies = name not in versions or condition.specifier.contains(versions[name])
            for dependency in row.packages if condition.name == name and applies else ():
                if dependency not in chains:
                    chains[dependency] = f"{chains[name]}, {name}".removeprefix(", ")
                    queue.append(dependency)
    return {name: chain for name, chain in chains.items() if chain}


def _requirers(evidence: CheckContext, env: Environment, names: Sequence[str]) -> dict[str, str]:
    """Who wants a package beside the service, by the lock."""
    packages = evidence.locks[env.name].all_packages
    requirers = {
        name: [requirer for requirer in packages[name].required_by if requirer != env.service.name]
        for name in names
    }
    return {name: ", ".join(requirer_names) for name, requirer_names in requirers.items() if requirer_names}


def _conflict_finding(
    env: Environment, conflict: facts.Conflict, present: Sequence[str], pins: Pins, brought: Mapping[str, str]
) -> Finding:
    preferred = min(present, key=lambda name: (name not in brought, not name.endswith("-headless")))
    removed = [pins[name] for name in present if name != preferred and name in pins and pins[name].path]
    owners = [
        f"{name} (brought by {brought[name]})" if name in brought else f"{name} (pinned)" for name in present
    ]
    rows = [row for row in facts.implied_packages() if {*row.packages} & {*present}]
    lines = ", ".join(f"`- {pin.name}=={pin.version}`" for pin in removed)
    return finding(
        env,
        next((pins[name].location for name in present if name in pins), env.service.file),
        f"{' and '.join(owners)} write the same files: {conflict.because}",
        help=f"Remove {lines}: {preferred} is there."
        if removed
        else f"Keep {preferred} alone; the others are brought by packages of yours.",
        about=conflict.id,
        evidence=cite(conflict, *rows),
        level="warning",
        fix=[Change(path=pin.path, value=None) for pin in removed],
    )
