"""ABI: whether pinned, recommended and locked wheels fit Python, torch, CUDA, the C++11 ABI and the machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from torchpin import facts, paths
from torchpin.checks.context import CheckContext, current_lock, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.pins import declared_pins, file_packages, index_packages, list_pins
from torchpin.compat.wheels import best_wheel, installed_python
from torchpin.description.environments import MACHINES, cuda_version, torch_build
from torchpin.facts.versions import major_minor
from torchpin.model import Artifact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.facts import NoWheel, Wheel
    from torchpin.model import Environment, Finding, Recommendation

_ABI_WHEEL = re.compile(
    r"(?P<name>[\w.]+)-(?P<version>[^+-]+)\+cu(?P<cuda>\d+)torch(?P<torch>\d+\.\d+)cxx11abi(?P<abi>TRUE|FALSE)"
    r"-cp(?P<python>\d+)-[^-]+-(?P<platform>.+)\.whl",
    re.IGNORECASE,
)


_PLAIN_LINUX = re.compile(r"[-.]linux_\w+\.whl$")


@check("ABI001", "a wheel's tags do not match Python, torch, CUDA or the C++11 ABI", judge=True)
def wheels_fit(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a version, torch, channel or Python that a wheel exists for; the finding names those near it.

    The file name of a compiled wheel says what it was built for. Installers reject a wheel for another Python or machine,
    but install one for another torch, CUDA or C++11 ABI, whose import then fails with an undefined symbol. From torch 2.7
    on the ABI is 1 (TRUE), whatever older instructions say. A platform tag such as manylinux_2_28 promises that glibc 2.28 is
    enough; a plain linux_x86_64 promises nothing, so the facts about such a wheel decide, and without one it is unknown.

    Example: flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp310-cp310-linux_x86_64.whl in an image with Python 3.11 and
    torch 2.7.1: neither its Python nor its ABI matches.

    Sources: file names of the releases; TorchConfig.cmake in torch's wheels; Dao-AILab/flash-attention #975, #1783.
    """
    yield from _check_pins(context, env)
    yield from _check_files(env)
    yield from _check_recommendations(env)
    yield from _check_lock(context, env)
    yield from _check_machines(context, env)


def _select_wheel(env: Environment, name: str, version: str) -> Wheel | NoWheel:
    return facts.find_wheel(
        name,
        version,
        python=installed_python(env),
        torch=str(env.service.torch.version),
        channel=env.variant.channel,
        machine=MACHINES[env.variant.platform],
    )


def _check_pins(context: CheckContext, env: Environment) -> Iterator[Answer]:
    elsewhere = {*file_packages(env), *index_packages(env)}
    for name, pin in list_pins(env, None).items():
        if name not in facts.abi_packages() or not pin.path or name in elsewhere:
            continue
        wheel = _select_wheel(env, name, str(pin.version))
        if isinstance(wheel, facts.Wheel):
            yield _check_glibc(context, env, pin.location, wheel)
        elif wheel.certain:
            yield finding(
                env,
                pin.location,
                wheel.message,
                help=_help(env, name, wheel),
                about=name,
                evidence=_wheel_citation(name),
            )
        else:
            yield Unknown(message=wheel.message, about=name)


def _check_files(env: Environment) -> Iterator[Answer]:
    """Whether the wheels that a description names by address or path are for its environments, as far as their names say."""
    locations = {name: pin.location for name, pin in declared_pins(env).items()}
    for name, package in file_packages(env).items():
        filename = package.file.filename if package.file else ""
        if not filename:
            continue  # it is built for the environment
        bound = _ABI_WHEEL.fullmatch(filename)
        mismatches = _abi_mismatches(env, bound) if bound else _tag_mismatches(env, filename)
        if mismatches:
            message = f"{filename} does not fit: {'; '.join(mismatches)}"
            help_text = f"name the wheel for {_build_text(env)} and Python {installed_python(env)}; with `variants`, each has its own"
            yield finding(env, locations[name], message, help=help_text, about=name)
        elif bound and _cxx11_abi(env) is None:
            yield Unknown(
                message=f"{filename}: the C++11 ABI of {_build_text(env)} is not in the facts", about=name
            )
        else:
            fits = f"{filename} is for Python {installed_python(env)}"
            yield Ok(
                about=name,
                evidence=f"{fits} and {_build_text(env)}" if bound else f"{fits} on {env.variant.platform}",
            )


def _check_glibc(context: CheckContext, env: Environment, location: str, wheel: Wheel) -> Answer:
    """Whether a wheel that fits by its name finds the C library that it needs: a plain `linux` tag promises none."""
    name, base = wheel.package, facts.base_image(env.base.image)
    fits = f"{wheel.filename} is for Python {installed_python(env)} and {_build_text(env)}"
    if not wheel.platform.startswith("linux_") or uses_stubs(context):
        return Ok(about=name, evidence=f"{fits}: {wheel.citation}")
    if wheel.glibc is None:
        message = f"the tag of {wheel.filename} promises no C library, and what it needs is not in the facts"
        return Unknown(message=message, about=name)
    if base is None or base.glibc is None:
        message = f"{name} {wheel.version} requires glibc {wheel.glibc}; the C library of {env.base.image} is not in the facts"
        return Unknown(message=message, about=name)
    if base.glibc != "musl" and Version(base.glibc) >= Version(wheel.glibc):
        evidence = (
            f"{fits}, and {env.base.image} has glibc {base.glibc} (at least {wheel.glibc}): {wheel.citation}"
        )
        return Ok(about=name, evidence=f"{evidence}; {base.citation}")
    c_library = "musl instead of glibc" if base.glibc == "musl" else f"glibc {base.glibc}"
    return finding(
        env,
        location,
        f"{name} {wheel.version} requires glibc {wheel.glibc}; {env.base.image} has {c_library}, so its import fails",
        help=f"choose a base image with glibc {wheel.glibc} or later, such as one of Ubuntu 22.04 or Debian 12, or remove {name}",
        about=name,
        evidence=f"{wheel.contents_source}; {base.citation}",
    )


def _wheel_citation(name: str) -> str:
    """The source of the recorded wheels of a package."""
    return next((row.citation for row in facts.wheels() if row.package == name), "")


def _build_text(env: Environment) -> str:
    return f"torch {env.service.torch.version} from {env.variant.channel}"


def _help(env: Environment, name: str, no_wheel: NoWheel) -> str:
    """What to do, by the part of the wheel's name that does not fit."""
    near = ", ".join(no_wheel.nearest)
    pythons = ", ".join(f"3.{tag.removeprefix('cp3')}" for tag in no_wheel.nearest)
    help_by_column = {
        "platform": f"remove {name} from the variants for {env.variant.platform}; it has wheels for {near}",
        "torch": f"move torch to one of {near}, or remove {name}",
        "cuda": f"choose a channel with CUDA {near} for {env.variant.name}, or remove {name}",
        "python": f"choose one of the Python versions {pythons}, or remove {name}",
        "channel": f"choose a channel for {env.variant.name}: one of {near or 'those with CUDA'}; or remove {name}",
    }
    return help_by_column.get(no_wheel.column, "")


def _check_recommendations(env: Environment) -> Iterator[Answer]:
    for number, recommendation in enumerate(env.service.recommends):
        # In a URL the + before the local version is escaped.
        file = recommendation.says.rpartition("/")[2].replace("%2B", "+")
        if file.endswith(".whl"):
            yield from _check_file(
                env, env.service.location(f"recommends[{number}].says"), recommendation, file
            )


def _check_file(
    env: Environment, location: str, recommendation: Recommendation, file: str
) -> Iterator[Answer]:
    bound = _ABI_WHEEL.fullmatch(file)
    mismatches = _abi_mismatches(env, bound) if bound else _tag_mismatches(env, file)
    if bound and _cxx11_abi(env) is None:
        yield Unknown(
            message=f"{file}: the C++11 ABI of {_build_text(env)} is not in the facts",
            about=recommendation.component,
        )
    matching_wheel = _select_wheel(env, canonicalize_name(bound["name"]), bound["version"]) if bound else None
    if not mismatches and isinstance(matching_wheel, facts.NoWheel) and matching_wheel.certain:
        mismatches = [matching_wheel.message]
    is_explained = recommendation.component in {reason.component for reason in env.service.reasons}
    if mismatches and not is_explained:
        yield _mismatch_finding(env, location, recommendation, file, mismatches, matching_wheel)
    elif mismatches:
        evidence = (
            f"{file}, which {recommendation.by} recommends, does not fit; `reasons` says why it is not used"
        )
        yield Ok(about=recommendation.component, evidence=evidence)
    elif not bound or isinstance(matching_wheel, facts.Wheel):
        yield Ok(
            about=recommendation.component,
            evidence=f"{file}, which {recommendation.by} recommends, fits Python {installed_python(env)} and {_build_text(env)}",
        )


def _abi_mismatches(env: Environment, match: re.Match[str]) -> list[str]:
    """A clause for each part of a wheel's file name that does not fit an environment."""
    python = "".join(installed_python(env).split(".")[:2])
    series = major_minor(str(env.service.torch.version))
    cuda, abi = (cuda_version(env) or "").partition(".")[0], _cxx11_abi(env)
    major = match["cuda"][:2]  # cu12, cu128
    label = {"TRUE": 1, "FALSE": 0}[match["abi"].upper()]
    machine = MACHINES[env.variant.platform]
    conditions = (
        (
            match["python"] != python,
            f"it is for Python {_dotted_version(match['python'])}, but {_python_owner(env)} is {installed_python(env)}",
        ),
        (
            match["torch"] != series,
            f"it is for torch {match['torch']}, but torch is {env.service.torch.version}",
        ),
        (bool(cuda) and major != cuda, f"it is for CUDA {major}, but {env.variant.channel} has CUDA {cuda}"),
        (torch_build(env) == "cpu", f"it is for CUDA {major}, but {env.variant.channel} has CPU builds"),
        (
            abi is not None and label != abi,
            f"its C++11 ABI is {match['abi']}, but that of {_build_text(env)} is {'TRUE' if abi else 'FALSE'}",
        ),
        (
            not match["platform"].endswith(machine),
            f"it is for {match['platform']}, but the platform is {env.variant.platform}",
        ),
    )
    return [message for is_wrong, message in conditions if is_wrong]


def _dotted_version(python: str) -> str:
    return f"{python[0]}.{python[1:]}"


def _python_owner(env: Environment) -> str:
    differs = installed_python(env) != str(env.service.python)
    return f"the Python in {env.base.image}" if differs else "the environment's"


def _cxx11_abi(env: Environment) -> int | None:
    return facts.cxx11_abi(str(env.service.torch.version), torch_build(env) or env.variant.channel)


def _tag_mismatches(env: Environment, file: str) -> list[str]:
    try:
        name, version, _, _ = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return ["it is not the file name of a wheel"]
    artifact = Artifact(name=name, version=str(version), filename=file, sha256="")
    if best_wheel((artifact,), Version(installed_python(env)), env.variant.platform):
        return []
    return [f"it does not fit Python {installed_python(env)} on {env.variant.platform}"]


def _mismatch_finding(
    env: Environment,
    location: str,
    recommendation: Recommendation,
    file: str,
    mismatches: list[str],
    matching_wheel: Wheel | NoWheel | None,
) -> Finding:
    help_text = f"ask {recommendation.by} for a wheel that fits"
    if isinstance(matching_wheel, facts.Wheel):
        pin = f"pin `{matching_wheel.package}=={matching_wheel.version}`, which selects {matching_wheel.filename} ({matching_wheel.url})"
        help_text = f"{pin}, and add under `reasons:` why this one is not used"
    elif matching_wheel:
        help_text = f"remove {recommendation.component}: no wheel fits ({matching_wheel.message})"
    release = facts.release(str(env.service.torch.version))
    return finding(
        env,
        location,
        f"{file}, which {recommendation.by} recommends, does not fit: {'; '.join(mismatches)}",
        help=help_text,
        about=recommendation.component,
        evidence=release.citation if release else "",
        level="warning",
    )


def _check_lock(context: CheckContext, env: Environment) -> Iterator[Answer]:
    lock = current_lock(context, env)
    if lock is None:
        return
    python, count = Version(installed_python(env)), 0
    for layer in ((lock.provided,) if lock.provided else ()) + lock.layers:
        for package in layer.packages:
            count += 1
            if best_wheel((package,), python, env.variant.platform) is None:
                message = f"{package.filename} does not fit Python {python} on {env.variant.platform}"
                path = paths.lock_path(env.name, layer.file)
                yield finding(env, path, message, help="run `invoke lock`", about=package.name)
            elif _promises_no_glibc(env, package):
                message = f"the tag of {package.filename} promises no C library, and what it needs is not in the facts"
                yield Unknown(message=message, about=package.name)
    evidence = (
        f"the tags of {count} locked files were compared with Python {python} on {env.variant.platform}: "
        f"{paths.lock_folder(env.name)}"
    )
    yield Ok(about="lock", evidence=evidence)


def _promises_no_glibc(env: Environment, package: Artifact) -> bool:
    """Whether a file has a plain `linux` tag; those of torch's family, and ABI wheels, are judged by the facts about them."""
    is_judged = package.name in {*env.service.torch.family, *facts.abi_packages()}
    return bool(_PLAIN_LINUX.search(package.filename)) and not is_judged


def _check_machines(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """The pins of packages without source distribution that have wheels for some machines only."""
    machine = MACHINES[env.variant.platform]
    for name, pin in list_pins(env, current_lock(context, env)).items():
        needs = facts.native_needs(name)
        if needs is None or not needs.machines or needs.sdist:
            continue
        if machine in needs.machines:
            yield Ok(about=name, evidence=f"{name} has a wheel for {machine}: {needs.citation}")
            continue
        yield finding(
            env,
            pin.location,
            f"{name}=={pin.version} has wheels for {', '.join(needs.machines)} only, and no source distribution: {needs.because}",
            help=f"remove {name} from the variants for {env.variant.platform}",
            about=name,
            evidence=needs.citation,
        )
