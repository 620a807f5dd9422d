"""ABI002, ABI003: packages that are built for another CUDA major than torch, or have no library for its CUDA version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from torchpin import facts, paths
from torchpin.checks.context import CheckContext, current_lock, uses_stubs
from torchpin.checks.pin_fixes import help_text, pin_changes
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.cuda_packages import (
    CudaUse,
    LibraryUse,
    cuda_uses,
    installed_libraries,
    library_use,
    library_uses,
    missing_libraries,
)
from torchpin.compat.measured import nearest_release
from torchpin.compat.pins import list_pins
from torchpin.compat.wheel_contents import locked_contents
from torchpin.description.environments import cuda_version, torch_build
from torchpin.lock.statements import WHEELS
from torchpin.measure.metadata import cuda_version_in_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from packaging.version import Version

    from torchpin.checks.pin_fixes import Pins
    from torchpin.checks.registry import Answer
    from torchpin.model import Environment, Finding, Lock


@check("ABI002", "a package is built for another CUDA major than torch", judge=True)
def packages_fit_cuda_major(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Pin a release that is built for torch's CUDA major, or choose a channel of the package's.

    The libraries of CUDA carry the major in their file names: what is linked against libcudart.so.13 does not find it among
    those of CUDA 12, which torch brings. A package tells its major in its name (`-cu12`, `-cuda12x`), in its local version, or
    in its metadata, extras included (`nvidia-cuda-runtime-cu13`). It fits all the same where the lock or the base image has the
    libraries of its own major, or the wheel itself; what no more than a name tells is unknown without a lock. A package that names them in an extra alone, or loads them when it first
    uses a GPU, may be imported all the same and run on the CPU: that is a warning.

    Example: `onnxruntime-gpu==1.27.0`, built for CUDA 13, beside torch 2.8.0 from cu128: `import onnxruntime` fails.

    Sources: METADATA of the PyPI wheels onnxruntime-gpu 1.26.0 and 1.27.0; microsoft/onnxruntime #29500.
    """
    lock = current_lock(context, env)
    pins = list_pins(env, lock)
    uses = list(cuda_uses(env, lock, pins))
    build = torch_build(env)
    if build is None or facts.channel(build) is None:
        for use in uses:
            message = f"{use.package} is built for CUDA {_join(use)}; the CUDA of torch is not in the facts"
            yield Unknown(message=message, about=use.package)
        return
    cuda = cuda_version(env)
    if cuda is None:
        return  # a build without CUDA brings none, and needs none
    installed = installed_libraries(pins)
    for use in uses:
        yield _check_major(env, use, int(cuda.partition(".")[0]), pins, missing_libraries(use, installed))
    if lock:
        yield from _check_reading(env, lock, len(uses))


def _check_major(env: Environment, use: CudaUse, major: int, pins: Pins, missing: tuple[str, ...]) -> Answer:
    built = f"{use.package} {use.version} is built for CUDA {_join(use)} ({use.because})"
    base = facts.base_image(env.base.image)
    if provider := _provider(env, use, major, missing, base):
        return Ok(about=use.package, evidence=f"{built}, {provider}")
    if use.is_name_alone or base is None:
        open_question = (
            "whether it requires the libraries of its own is not known without a lock"
            if use.is_name_alone
            else f"whether {env.base.image} has CUDA {_join(use)} is not in the facts"
        )
        return Unknown(message=f"{built}, torch brings CUDA {major}; {open_question}", about=use.package)
    return _other_major(env, use, major, pins, missing, built)


def _provider(
    env: Environment, use: CudaUse, major: int, missing: tuple[str, ...], base: facts.BaseImage | None
) -> str:
    """What has the CUDA that a package is built for, as the end of a sentence; "" for nothing that is known."""
    if major in use.majors:
        return f"as torch's {env.variant.channel} is"
    if not {*use.brings}.isdisjoint(use.majors):
        return f"and its wheel brings the runtime of CUDA {_join(use)}"
    if not missing:
        return "and its libraries are installed as packages"
    if base and base.cuda and int(base.cuda.partition(".")[0]) in use.majors:
        return f"and {env.base.image} has CUDA {base.cuda}: {base.citation}"
    return ""


def _other_major(
    env: Environment, use: CudaUse, major: int, pins: Pins, missing: tuple[str, ...], built: str
) -> Finding:
    nearest = _nearest(
        env,
        pins,
        use.package,
        lambda release: major in (facts.measured_cuda_majors(use.package, release) or ()),
    )
    other = f"a channel with CUDA {_join(use)}, or the packages {', '.join(missing)}"
    return finding(
        env,
        pins[use.package].location,
        f"{built}, but torch {env.service.torch.version} from {env.variant.channel} brings CUDA {major}, and neither the pins "
        f"nor {env.base.image} have CUDA {_join(use)}",
        help=f"{help_text(env, pins, nearest, use.package)}; or choose {other}"
        if nearest
        else f"pin a release or a package that is built for CUDA {major}; or choose {other}",
        about=use.package,
        evidence=facts.measured_citation(use.package) if nearest else paths.lock_path(env.name, WHEELS),
        level="warning" if use.is_optional else "error",
        fix=pin_changes(env, pins, nearest, use.package),
    )


def _check_reading(env: Environment, lock: Lock, uses: int) -> Iterator[Answer]:
    """What the metadata of all locked files tell, and of which they are not known."""
    contents = locked_contents(lock)
    judged = {*env.service.torch.family, *facts.abi_packages()}
    unread = [
        package
        for name, package in lock.all_packages.items()
        if name not in judged and not package.is_source and (name not in contents or contents[name].unread)
    ]
    for package in unread:
        if not package.filename.endswith("-none-any.whl"):
            message = (
                f"the CUDA that {package.filename} is built for is not known: its metadata were not read"
            )
            yield Unknown(message=message, about=package.name)
    read = len(contents.keys() - judged) - len(unread)
    if read > 0:
        path = paths.lock_path(env.name, WHEELS)
        yield Ok(
            about="lock", evidence=f"the metadata of {read} locked files name a CUDA major in {uses}: {path}"
        )


def _join(use: CudaUse) -> str:
    return " or ".join(map(str, use.majors))


def _nearest(
    env: Environment, pins: Pins, package: str, fits: Callable[[Version], bool]
) -> Requirement | None:
    release = nearest_release(env, pins, package, fits)
    return Requirement(f"{package}=={release}") if release else None


@check("ABI003", "a package has no library for torch's CUDA version", judge=True)
def packages_have_a_library(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Pin a release that has a library for this CUDA version, or choose a channel that it has one for.

    Some wheels hold a library for each of several CUDA versions (`libbitsandbytes_cuda128.so`), and choose among them by the
    CUDA of torch when they are first used. Which there are is read in the wheel's list of files. Some take another one of the
    same CUDA major where there is none for the very version; a variable of the environment may name one.

    Example: `bitsandbytes==0.46.0` beside torch 2.8.0 from cu129: it has libraries up to CUDA 12.8, and the first call fails.

    Sources: the file lists and cextension.py of the PyPI wheels of bitsandbytes; bitsandbytes-foundation/bitsandbytes #1688.
    """
    lock, cuda = current_lock(context, env), cuda_version(env)
    if cuda is None or uses_stubs(context):
        return
    pins = list_pins(env, lock)
    for use in library_uses(env, lock, pins):
        yield _check_library(env, use, cuda, pins)


def _check_library(env: Environment, use: LibraryUse, cuda: str, pins: Pins) -> Answer:
    package = f"{use.package} {use.version}"
    has = f"{package} has libraries for CUDA {', '.join(use.libraries)}"
    variable = use.choice.variable if use.choice else ""
    named = cuda_version_in_digits(env.service.run.env.get(variable, "")) if variable else None
    served = use.serves(cuda) if named is None else named in use.libraries
    if served:
        served_by = f"{variable} names {named}" if named else f"serves {cuda}, the CUDA of torch"
        return Ok(about=use.package, evidence=f"{has}, and {served_by}")
    pin = pins[use.package]
    required = (
        f"{variable} names {named}" if named else f"torch from {env.variant.channel} is for CUDA {cuda}"
    )
    if served is None:
        message = f"{has}, and {required}; whether it takes another one of the same major is not in the facts"
        return Unknown(message=message, about=use.package)
    nearest = (
        _nearest(env, pins, use.package, lambda release: _serves(env, use.package, release, cuda))
        if named is None
        else None
    )
    return finding(
        env,
        env.service.location(f"run.env.{variable}") if named else pin.location,
        f"{has}, but {required}: it finds no library for its GPU, and fails when it is first used",
        help=_library_help(env, use, pins, nearest, variable if named else ""),
        about=use.package,
        evidence=_library_evidence(env, use),
        fix=pin_changes(env, pins, nearest, use.package),
    )


def _serves(env: Environment, package: str, release: Version, cuda: str) -> bool:
    use = library_use(env, package, release)
    return bool(use and use.serves(cuda))


def _library_help(
    env: Environment, use: LibraryUse, pins: Pins, nearest: Requirement | None, variable: str
) -> str:
    if variable:
        return f"remove {variable} from run.env, or have it name one of these versions"
    channels = f"choose a channel with one of these CUDA versions for {env.variant.name}"
    return (
        f"{help_text(env, pins, nearest, use.package)}; or {channels}"
        if nearest
        else f"{channels}, or remove {use.package}"
    )


def _library_evidence(env: Environment, use: LibraryUse) -> str:
    source = paths.lock_path(env.name, WHEELS) if use.is_locked else facts.measured_citation(use.package)
    return "; ".join(filter(None, (source, use.choice.citation if use.choice else "")))
