"""DEP003, DEP004: what may not be installed together, though each wants it so: NumPy 2 and torch, files of two owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import Evidence, lock_of
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.repair import changes, sentence, source
from torchpin.compat import hidden_requirements
from torchpin.compat import pins as compat_pins
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.checks.registry import Answer
    from torchpin.checks.repair import Pins
    from torchpin.compat.hidden_requirements import Standing
    from torchpin.model import Environment, Finding

NUMPY1 = Version("1.26.4")  # the last before 2


# --- NumPy 2 ---------------------------------------------------------------------------------------------------------


@check("DEP003", "NumPy 2 only with a torch that knows it", judge=True)
def numpy_fits_torch(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Write `numpy==1.26.4`, and of what asks for NumPy 2 an older version; or raise torch to 2.3.0 or later.

    A torch that was built for NumPy 1 imports beside NumPy 2, warns once, and then has no NumPy at all. A bound that is
    typed in one install step does not bind the next one, where another package may raise it.

    Example: `torch==2.1.0` with `opencv-python-headless==4.12.0.88`, which raises numpy to 2: RuntimeError: Numpy is
    not available.

    Sources: libtorch_python.so of the wheels of 2.1.0, 2.2.2, 2.3.1; pytorch/pytorch #132179; opencv/opencv-python #1122.
    """
    lock = lock_of(evidence, env)
    pins, torch = compat_pins.pins(env, lock), str(env.service.torch.version)
    release, numpy = facts.release(torch), pins.get("numpy")
    raising = [one for one in hidden_requirements.standings(env, lock, seen=True) if _raises_numpy(one)]
    if lock and not numpy:
        return
    if release is None:
        yield Unknown(message=f"whether torch {torch} knows NumPy 2 is not in the facts", about="torch")
    elif release.numpy2_aware:
        yield Ok(about="numpy", evidence=f"torch {torch} knows NumPy 2 ({source(release)})")
    elif numpy and numpy.version.major > 1:
        yield _numpy2(
            env, pins, f"numpy=={numpy.version} is NumPy 2", Requirement(f"numpy=={NUMPY1}"), "numpy", release
        )
    elif raising:
        for one in raising:
            told = f"{one.package}=={pins[one.package].version} needs {one.floor.needs} ({one.floor.source})"
            instead = hidden_requirements.instead(one.floor, env.service.torch.version)
            yield _numpy2(env, pins, told, instead, one.package, release)
    elif numpy:
        yield Ok(
            about="numpy",
            evidence=f"numpy {numpy.version} is what torch {torch} was built for ({source(release)})",
        )
    else:
        told = f"torch {torch} does not know NumPy 2, and numpy is not pinned: only a lock tells which one is taken"
        yield Unknown(message=told, about="numpy")


def _raises_numpy(one: Standing) -> bool:
    """Whether a package asks for NumPy 2, whatever else is pinned."""
    return (
        one.needed == "numpy"
        and NUMPY1 not in Requirement(one.floor.needs).specifier
        and ">=2" in one.floor.needs
    )


def _numpy2(
    env: Environment,
    pins: Pins,
    told: str,
    instead: Requirement | None,
    package: str,
    release: facts.TorchRelease,
) -> Finding:
    what = f"torch {release.version} was built for NumPy 1, and has no NumPy beside NumPy 2"
    raise_torch = "or raise torch to 2.3.0 or later."
    return finding(
        env,
        pins[package].where,
        f"{told}, and {what}",
        remedy=f"{sentence(env, pins, instead, package).removesuffix('.')}, {raise_torch}" if instead else "",
        about=package,
        evidence=source(release),
        repair=changes(env, pins, instead, package),
    )


# --- files of two owners ---------------------------------------------------------------------------------------------


@check("DEP004", "No two packages overwrite each other's files", judge=True)
def files_have_one_owner(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Remove all but one of them: the one that another package brings anyway stays.

    The installer lays the files of the later over those of the earlier, and says nothing. Which code runs depends on the
    order of installation, and removing one of them later breaks the other.

    Example: `opencv-python==4.10.0.84` beside `docstrange==1.1.6`, which brings easyocr, which brings
    opencv-python-headless: both write the folder cv2.

    Sources: opencv-python's own description on PyPI (install only one of the four).
    """
    lock = lock_of(evidence, env)
    pins, brought = compat_pins.pins(env, lock), _brought(env) if lock is None else {}
    for conflict in facts.conflicts():
        here = [name for name in conflict.names if name in pins or name in brought]
        if len(here) > 1:
            yield _shared(
                env, conflict, here, pins, brought if lock is None else _wanted(evidence, env, here)
            )
        elif lock:
            yield Ok(
                about=conflict.id,
                evidence=f"the lock holds {' '.join(here) or 'none'} of {', '.join(conflict.names)}",
            )
        elif here:
            message = f"whether another package brings a second one beside {here[0]}: only a lock tells"
            yield Unknown(message=message, about=conflict.id)


def _brought(env: Environment) -> dict[str, str]:
    """What the declared packages are known to bring, each with the way that it comes, such as `docstrange, easyocr`."""
    versions = {name: pin.version for name, pin in compat_pins.pins(env, None).items()}
    ways = dict.fromkeys(versions, "")
    todo = list(ways)
    while todo:
        name = todo.pop(0)
        for row in facts.brings():
            when = Requirement(row.when)
            known = name not in versions or when.specifier.contains(versions[name])
            for one in row.brings if when.name == name and known else ():
                if one not in ways:
                    ways[one] = f"{ways[name]}, {name}".removeprefix(", ")
                    todo.append(one)
    return {name: way for name, way in ways.items() if way}


def _wanted(evidence: Evidence, env: Environment, names: Sequence[str]) -> dict[str, str]:
    """Who wants a package beside the service, by the lock."""
    packages = evidence.locks[env.name].all
    wants = {name: [one for one in packages[name].wanted_by if one != env.service.name] for name in names}
    return {name: ", ".join(each) for name, each in wants.items() if each}


def _shared(
    env: Environment, conflict: facts.Conflict, here: Sequence[str], pins: Pins, brought: Mapping[str, str]
) -> Finding:
    kept = min(here, key=lambda name: (name not in brought, not name.endswith("-headless")))
    dropped = [pins[name] for name in here if name != kept and name in pins and pins[name].path]
    told = [
        f"{name} (brought by {brought[name]})" if name in brought else f"{name} (pinned)" for name in here
    ]
    rows = [row for row in facts.brings() if {*row.brings} & {*here}]
    lines = ", ".join(f"`- {pin.name}=={pin.version}`" for pin in dropped)
    return finding(
        env,
        next((pins[name].where for name in here if name in pins), env.service.file),
        f"{' and '.join(told)} write the same files: {conflict.because}",
        remedy=f"Remove {lines}: {kept} is there."
        if dropped
        else f"Keep {kept} alone; the others are brought by packages of yours.",
        about=conflict.id,
        evidence=source(conflict, *rows),
        level="warning",
        repair=[Change(path=pin.path, value=None) for pin in dropped],
    )
