"""DEP003: NumPy 2 with a torch that was built for NumPy 1."""

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

if TYPE_CHECKING:
    from collections.abc import Iterator

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
