"""DEP004: packages that install the same files with different bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from torchpin import facts, paths
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.pin_fixes import cite
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.pins import list_pins
from torchpin.compat.wheel_contents import locked_contents, recorded_installs
from torchpin.description.environments import cuda_version
from torchpin.lock.statements import WHEELS
from torchpin.measure.metadata import cuda_major_of_name
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.checks.pin_fixes import Pins
    from torchpin.checks.registry import Answer
    from torchpin.model import Environment, Finding, Lock, SharedFiles, WheelContents


@check("DEP004", "two packages overwrite each other's files", judge=True)
def files_have_one_owner(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Remove all but one of them: the one that another package requires anyway stays.

    The installer overwrites the files of the earlier package with those of the later one, without a message. Which code
    runs depends on the order of installation, and removing one of them breaks the other. With a lock, the tables of
    contents of its wheels are compared; what could not be read is unknown. Texts, tests and the `__init__.py` of a folder
    that is a namespace do not count.

    Example: `onnxruntime==1.22.1` beside `onnxruntime-gpu==1.22.0`: both write the folder onnxruntime, and if the CPU
    package comes last there is no CUDAExecutionProvider.

    Sources: opencv-python's own description on PyPI (install only one of the four); microsoft/onnxruntime #23833.
    """
    lock = current_lock(context, env)
    pins = list_pins(env, lock)
    required_by = _transitive_packages(env) if lock is None else _requirers(env, lock)
    for conflict in facts.conflicts():
        present = [name for name in conflict.names if name in pins or name in required_by]
        if len(present) > 1:
            yield _conflict_finding(env, conflict, present, pins, required_by)
        elif present and lock is None:
            message = f"whether a package that conflicts with {present[0]} is also installed is unknown without a lock"
            yield Unknown(message=message, about=conflict.id)
    if lock:
        yield from _check_contents(env, lock, pins, required_by)


def _check_contents(
    env: Environment, lock: Lock, pins: Pins, required_by: Mapping[str, str]
) -> Iterator[Answer]:
    wheels = locked_contents(lock)
    if not lock.wheels:
        message = "what the locked wheels install is not recorded with this lock; run `invoke lock`"
        yield Unknown(message=message, about="lock")
        return
    rows = [{*conflict.names} for conflict in facts.conflicts()]
    for wheel in wheels.values():
        for shared in wheel.shares:
            pair = {wheel.name, shared.package}
            if shared.package in wheels and not any(pair <= names for names in rows):
                yield _shared_finding(env, wheel, shared, pins, required_by)
    compared = [wheel for wheel in wheels.values() if not wheel.unread and not wheel.contents_of]
    path = paths.lock_path(env.name, WHEELS)
    yield Ok(about="lock", evidence=f"the files of {len(compared)} locked wheels were compared: {path}")
    yield from _check_uncompared(lock, wheels)


def _check_uncompared(lock: Lock, wheels: Mapping[str, WheelContents]) -> Iterator[Unknown]:
    """What is unknown of files that were not compared: those that install into a folder of another, and those not read."""
    installs = {
        name: wheels[name].installs
        if name in wheels and wheels[name].installs
        else recorded_installs(package)
        for name, package in lock.all_packages.items()
    }
    for name, package in sorted(lock.all_packages.items()):
        wheel = wheels.get(name)
        if wheel and not wheel.unread and not wheel.contents_of:
            continue
        if not installs[name]:
            reason = wheel.unread if wheel else "the lock has no line about this file; run `invoke lock`"
            message = f"what {package.filename} installs is not known: {reason or 'it has no files'}"
            yield Unknown(message=message, about=name)
        for other in sorted(installs.keys() - {name}):
            folders = {*installs[name]} & {*installs[other]}
            if folders:
                message = f"{name} and {other} both install {', '.join(sorted(folders))}; their files were not compared"
                yield Unknown(message=message, about=name)


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


def _requirers(env: Environment, lock: Lock) -> dict[str, str]:
    """The packages of the lock that require each name, comma-separated; the service itself does not count."""
    requirers = {
        name: [requirer for requirer in package.required_by if requirer != env.service.name]
        for name, package in lock.all_packages.items()
    }
    return {name: ", ".join(requirer_names) for name, requirer_names in requirers.items() if requirer_names}


def _preferred(env: Environment, names: Sequence[str], required_by: Mapping[str, str]) -> str:
    """The package that stays: one that another package requires would be installed again; else that of the variant's device.

    Else that with the contrib modules, which has all of the other's, and the headless one, which needs no libGL.
    """
    with_cuda = cuda_version(env) is not None
    return min(
        names,
        key=lambda name: (
            name not in required_by,
            _is_for_gpu(name) != with_cuda,
            "contrib" not in name.split("-"),
            not name.endswith("-headless"),
        ),
    )


def _is_for_gpu(name: str) -> bool:
    return "gpu" in name.split("-") or cuda_major_of_name(name) is not None


def _owners(names: Sequence[str], required_by: Mapping[str, str]) -> str:
    return " and ".join(
        f"{name} (required by {required_by[name]})" if name in required_by else f"{name} (pinned)"
        for name in names
    )


def _help(env: Environment, pins: Pins, names: Sequence[str], required_by: Mapping[str, str]) -> str:
    """What to do about packages of which one may stay."""
    preferred, removed = _preferred(env, names, required_by), _removable(env, pins, names, required_by)
    gpu_names = [name for name in names if _is_for_gpu(name)]
    if removed:
        lines = ", ".join(f"`- {pins[name].name}=={pins[name].version}`" for name in removed)
        return f"remove {lines}; {preferred} stays installed"
    if gpu_names and preferred not in gpu_names and cuda_version(env):
        return (
            f"{preferred} is required by {required_by[preferred]}: choose a release that requires {gpu_names[0]}, or have "
            f"{gpu_names[0]} in a layer after it, where its files are the last, and waive this finding"
        )
    return f"keep only {preferred}; the others are required by other packages"


def _removable(
    env: Environment, pins: Pins, names: Sequence[str], required_by: Mapping[str, str]
) -> list[str]:
    """The pins to remove; none where that would leave a CUDA build of torch without the package for GPUs."""
    preferred = _preferred(env, names, required_by)
    removed = [name for name in names if name != preferred and name in pins and pins[name].path]
    loses_gpu = cuda_version(env) is not None and not _is_for_gpu(preferred)
    return [] if loses_gpu and any(map(_is_for_gpu, removed)) else removed


def _conflict_finding(
    env: Environment,
    conflict: facts.Conflict,
    present: Sequence[str],
    pins: Pins,
    required_by: Mapping[str, str],
) -> Finding:
    rows = [row for row in facts.implied_packages() if {*row.packages} & {*present}]
    return finding(
        env,
        next((pins[name].location for name in present if name in pins), env.service.file),
        f"{_owners(present, required_by)} write the same files: {conflict.because}",
        help=_help(env, pins, present, required_by),
        about=conflict.id,
        evidence=cite(conflict, *rows),
        level="warning",
        fix=[
            Change(path=pins[name].path.removesuffix(".pin"), value=None)
            for name in _removable(env, pins, present, required_by)
        ],
    )


def _shared_finding(
    env: Environment, wheel: WheelContents, shared: SharedFiles, pins: Pins, required_by: Mapping[str, str]
) -> Finding:
    """A finding about two locked wheels; a notice where they are libraries of two CUDA majors, which others require."""
    names = (shared.package, wheel.name)
    files = "file" if shared.count == 1 else "files"
    libraries = all(name.startswith("nvidia-") and name in required_by for name in names)
    return finding(
        env,
        next((pins[name].location for name in names if pins[name].path), pins[wheel.name].location),
        f"{_owners(names, required_by)} write {shared.count} {files} with different bytes, such as {shared.example}",
        help=_help(env, pins, names, required_by),
        about=f"{shared.package}, {wheel.name}",
        evidence=f"the tables of contents of {shared.package} and {wheel.name} {wheel.version}: "
        f"{paths.lock_path(env.name, WHEELS)}",
        level="notice" if libraries else "warning",
        fix=[
            Change(path=pins[name].path.removesuffix(".pin"), value=None)
            for name in _removable(env, pins, names, required_by)
        ],
    )
