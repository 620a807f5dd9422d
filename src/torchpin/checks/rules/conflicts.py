"""DEP003, DEP004: packages that cannot be installed together: NumPy 2 with an old torch, owners of the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.pin_fixes import cite, help_text, pin_changes
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat import undeclared_requirements
from torchpin.compat.pins import list_pins
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.checks.pin_fixes import Pins
    from torchpin.checks.registry import Answer
    from torchpin.compat.undeclared_requirements import RequirementStatus
    from torchpin.model import Environment, Finding, Lock

LAST_NUMPY1 = Version("1.26.4")  # the last release before 2.0


@check("DEP003", "NumPy 2 with a torch that was built against NumPy 1", judge=True)
def numpy_fits_torch(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write `numpy==1.26.4`, and older versions of the packages that require NumPy 2; or raise torch to 2.3.0 or later.

    A torch that was built for NumPy 1 imports beside NumPy 2, warns once, and then works without NumPy. A bound in one
    install step does not apply to the next one, where another package may raise numpy.

    Example: `torch==2.1.0` with `opencv-python-headless==4.12.0.88`, which raises numpy to 2: RuntimeError: Numpy is
    not available.

    Sources: libtorch_python.so of the wheels of 2.1.0, 2.2.2, 2.3.1; pytorch/pytorch #132179; opencv/opencv-python #1122.
    """
    lock = current_lock(context, env)
    pins, torch = list_pins(env, lock), str(env.service.torch.version)
    release, numpy = facts.release(torch), pins.get("numpy")
    if lock and not numpy:
        return
    if release is None:
        yield Unknown(message=f"the NumPy support of torch {torch} is not in the facts", about="torch")
    elif release.numpy2_aware:
        yield Ok(about="numpy", evidence=f"torch {torch} supports NumPy 2 ({cite(release)})")
    elif numpy and numpy.version.major > 1:
        numpy1 = Requirement(f"numpy=={LAST_NUMPY1}")
        yield _numpy2_finding(env, pins, f"numpy {numpy.version} is used", numpy1, "numpy", release)
    elif raising := _packages_raising_numpy(env, lock):
        for evaluation in raising:
            package = f"{evaluation.package}=={pins[evaluation.package].version}"
            message = f"{package} requires {evaluation.undeclared.needs} ({evaluation.undeclared.source})"
            replacement = undeclared_requirements.replacement(evaluation.undeclared)
            yield _numpy2_finding(env, pins, message, replacement, evaluation.package, release)
    elif numpy:
        evidence = f"torch {torch} was built for NumPy 1, and numpy is {numpy.version} ({cite(release)})"
        yield Ok(about="numpy", evidence=evidence)
    else:
        message = f"torch {torch} was built for NumPy 1; numpy is not pinned, so its version is unknown without a lock"
        yield Unknown(message=message, about="numpy")


def _packages_raising_numpy(env: Environment, lock: Lock | None) -> list[RequirementStatus]:
    """The packages that require NumPy 2, whatever else is pinned."""
    return [
        evaluation
        for evaluation in undeclared_requirements.evaluate(env, lock, include_metadata=True)
        if evaluation.required == "numpy"
        and LAST_NUMPY1 not in Requirement(evaluation.undeclared.needs).specifier
        and ">=2" in evaluation.undeclared.needs
    ]


def _numpy2_finding(
    env: Environment,
    pins: Pins,
    message: str,
    replacement: Requirement | None,
    package: str,
    release: facts.TorchRelease,
) -> Finding:
    # 2.3.0 is the first release that supports NumPy 2: the wheels up to 2.2.2 do not.
    raise_torch = "or raise torch to 2.3.0 or later"
    return finding(
        env,
        pins[package].location,
        f"{message}, but torch {release.version} was built for NumPy 1 and does not work with NumPy 2",
        help=f"{help_text(env, pins, replacement, package)}, {raise_torch}" if replacement else "",
        about=package,
        evidence=cite(release),
        fix=pin_changes(env, pins, replacement, package),
    )


@check("DEP004", "two packages overwrite each other's files", judge=True)
def files_have_one_owner(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Remove all but one of them: the one that another package requires anyway stays.

    The installer overwrites the files of the earlier package with those of the later one, without a message. Which code
    runs depends on the order of installation, and removing one of them breaks the other.

    Example: `opencv-python==4.10.0.84` beside `docstrange==1.1.6`, which requires easyocr, which requires
    opencv-python-headless: both write the folder cv2.

    Sources: opencv-python's own description on PyPI (install only one of the four).
    """
    lock = current_lock(context, env)
    pins, required_by = list_pins(env, lock), _transitive_packages(env) if lock is None else {}
    for conflict in facts.conflicts():
        present = [name for name in conflict.names if name in pins or name in required_by]
        if len(present) > 1:
            yield _conflict_finding(
                env,
                conflict,
                present,
                pins,
                required_by if lock is None else _requirers(context, env, present),
            )
        elif lock:
            yield Ok(
                about=conflict.id,
                evidence=f"the lock has {' '.join(present) or 'none'} of {', '.join(conflict.names)}",
            )
        elif present:
            message = f"whether a package that conflicts with {present[0]} is also installed is unknown without a lock"
            yield Unknown(message=message, about=conflict.id)


def _transitive_packages(env: Environment) -> dict[str, str]:
    """Transitive dependencies of the declared packages, as far as facts know, each with its chain: `docstrange, easyocr`."""
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


def _requirers(context: CheckContext, env: Environment, names: Sequence[str]) -> dict[str, str]:
    """The packages of the lock that require each name, comma-separated; the service itself does not count."""
    packages = context.locks[env.name].all_packages
    requirers = {
        name: [requirer for requirer in packages[name].required_by if requirer != env.service.name]
        for name in names
    }
    return {name: ", ".join(requirer_names) for name, requirer_names in requirers.items() if requirer_names}


def _conflict_finding(
    env: Environment,
    conflict: facts.Conflict,
    present: Sequence[str],
    pins: Pins,
    required_by: Mapping[str, str],
) -> Finding:
    # A package that another one requires would be installed again; else the headless one, which needs no libGL.
    preferred = min(present, key=lambda name: (name not in required_by, not name.endswith("-headless")))
    removed = [pins[name] for name in present if name != preferred and name in pins and pins[name].path]
    owners = [
        f"{name} (required by {required_by[name]})" if name in required_by else f"{name} (pinned)"
        for name in present
    ]
    rows = [row for row in facts.implied_packages() if {*row.packages} & {*present}]
    lines = ", ".join(f"`- {pin.name}=={pin.version}`" for pin in removed)
    return finding(
        env,
        next((pins[name].location for name in present if name in pins), env.service.file),
        f"{' and '.join(owners)} write the same files: {conflict.because}",
        help=f"remove {lines}; {preferred} stays installed"
        if removed
        else f"keep only {preferred}; the others are required by other packages",
        about=conflict.id,
        evidence=cite(conflict, *rows),
        level="warning",
        fix=[Change(path=pin.path, value=None) for pin in removed],
    )
