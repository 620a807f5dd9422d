"""ABI: a wheel's tags fit Python, torch, CUDA, the C++11 ABI and the machine: what is pinned, recommended and locked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock, location_of
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.pins import list_pins
from torchpin.compat.wheels import best_wheel
from torchpin.description.environments import MACHINES, cuda_version, torch_build
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


@check("ABI001", "Every wheel's tags fit Python, torch, CUDA and the C++11 ABI", judge=True)
def wheels_fit(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a version, a torch, a channel or a Python that a wheel is there for; the finding names the nearest.

    A compiled wheel says in its name what it was built for. One for another Python or machine is refused by the
    installer; one for another torch, CUDA or C++11 ABI is installed, and stops at an undefined symbol when it is
    imported. From torch 2.7 on the ABI is 1 (TRUE), whatever an older page says.

    Example: flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp310-cp310-linux_x86_64.whl in an image with Python 3.11 and
    torch 2.7.1: its Python and its ABI are wrong.

    Sources: file names of the releases; TorchConfig.cmake in torch's wheels; Dao-AILab/flash-attention #975, #1783.
    """
    yield from _check_pins(env)
    yield from _check_recommendations(env)
    yield from _check_lock(evidence, env)
    yield from _check_machines(evidence, env)


def _python_version(env: Environment) -> str:
    """The Python that wheels meet: the base image's own where torch comes from it, whatever is described."""
    base = facts.base_image(env.base.image) if env.service.torch.origin == "base" else None
    return base.python if base and base.python else str(env.service.python)


def _select_wheel(env: Environment, name: str, version: str) -> Wheel | NoWheel:
    return facts.find_wheel(
        name,
        version,
        python=_python_version(env),
        torch=str(env.service.torch.version),
        channel=env.variant.channel,
        machine=MACHINES[env.variant.platform],
    )


# --- pins ------------------------------------------------------------------------------------------------------------


def _check_pins(env: Environment) -> Iterator[Answer]:
    for name, pin in list_pins(env, None).items():
        if name not in facts.abi_packages() or not pin.path:
            continue
        wheel = _select_wheel(env, name, str(pin.version))
        if isinstance(wheel, facts.Wheel):
            detail = f"{wheel.filename} is for Python {_python_version(env)}, {_build_text(env)} ({wheel.source}; {wheel.date})"
            yield Ok(about=name, evidence=detail)
        elif wheel.certain:
            yield finding(
                env,
                pin.location,
                wheel.message,
                help=_help(env, name, wheel),
                about=name,
                evidence=_wheel_source(name),
            )
        else:
            yield Unknown(message=wheel.message, about=name)


def _wheel_source(name: str) -> str:
    """The source of the recorded files of a package."""
    return next((f"{row.source} ({row.date})" for row in facts.wheels() if row.package == name), "")


def _build_text(env: Environment) -> str:
    return f"torch {env.service.torch.version} from {env.variant.channel}"


def _help(env: Environment, name: str, no_wheel: NoWheel) -> str:
    """What to write, by what does not fit."""
    near = ", ".join(no_wheel.nearest)
    pythons = ", ".join(f"3.{tag.removeprefix('cp3')}" for tag in no_wheel.nearest)
    help_by_column = {
        "platform": f"Leave {name} out of what is built for {env.variant.platform}; there are wheels for {near}.",
        "torch": f"Move torch to one of {near}, or leave {name} out.",
        "cuda": f"Choose a channel of CUDA {near} for {env.variant.name}, or leave {name} out.",
        "python": f"Choose one of the Pythons {pythons}, or leave {name} out.",
        "channel": f"Write a channel of {near or 'a CUDA build'} for {env.variant.name}, or leave {name} out.",
    }
    return help_by_column.get(no_wheel.column, "")


# --- recommended files -----------------------------------------------------------------------------------------------


def _check_recommendations(env: Environment) -> Iterator[Answer]:
    for number, recommendation in enumerate(env.service.recommends):
        file = recommendation.says.rpartition("/")[2].replace("%2B", "+")
        if file.endswith(".whl"):
            yield from _check_file(
                env, location_of(env.service, f"recommends[{number}].says"), recommendation, file
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
    if mismatches:
        yield _mismatch_finding(env, location, recommendation, file, mismatches, matching_wheel)
    elif not bound or isinstance(matching_wheel, facts.Wheel):
        yield Ok(
            about=recommendation.component,
            evidence=f"{file} of {recommendation.by} fits Python {_python_version(env)} and {_build_text(env)}",
        )


def _abi_mismatches(env: Environment, match: re.Match[str]) -> list[str]:
    """Each part of a wheel's name that is not this environment's."""
    python = "".join(_python_version(env).split(".")[:2])
    series = ".".join(str(env.service.torch.version).split(".")[:2])
    cuda, abi = (cuda_version(env) or "").partition(".")[0], _cxx11_abi(env)
    major = match["cuda"][:2]  # cu12, cu128
    label = {"TRUE": 1, "FALSE": 0}[match["abi"].upper()]
    machine = MACHINES[env.variant.platform]
    conditions = (
        (
            match["python"] != python,
            f"it is for Python {_dotted_version(match['python'])}, and {_python_owner(env)} is {_python_version(env)}",
        ),
        (
            match["torch"] != series,
            f"it is for torch {match['torch']}, and torch {env.service.torch.version} is described",
        ),
        (bool(cuda) and major != cuda, f"it is for CUDA {major}, and {env.variant.channel} has CUDA {cuda}"),
        (torch_build(env) == "cpu", f"it is for CUDA {major}, and this is a CPU build"),
        (
            abi is not None and label != abi,
            f"it says the C++11 ABI {match['abi']}, and {_build_text(env)} has {abi}",
        ),
        (
            not match["platform"].endswith(machine),
            f"it is for {match['platform']}, and {machine} is described",
        ),
    )
    return [message for is_wrong, message in conditions if is_wrong]


def _dotted_version(python: str) -> str:
    return f"{python[0]}.{python[1:]}"


def _python_owner(env: Environment) -> str:
    differs = _python_version(env) != str(env.service.python)
    return f"the Python in {env.base.image}" if differs else "the environment's"


def _cxx11_abi(env: Environment) -> int | None:
    return facts.cxx11_abi(str(env.service.torch.version), torch_build(env) or env.variant.channel)


def _tag_mismatches(env: Environment, file: str) -> list[str]:
    try:
        name, version, _, _ = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return ["it is no wheel's file name"]
    artifact = Artifact(name=name, version=str(version), filename=file, sha256="")
    if best_wheel((artifact,), Version(_python_version(env)), env.variant.platform):
        return []
    return [f"it does not fit Python {_python_version(env)} on {env.variant.platform}"]


def _mismatch_finding(
    env: Environment,
    location: str,
    recommendation: Recommendation,
    file: str,
    mismatches: list[str],
    matching_wheel: Wheel | NoWheel | None,
) -> Finding:
    help_text = f"Ask {recommendation.by} for a file that fits."
    if isinstance(matching_wheel, facts.Wheel):
        help_text = f"The file that fits is {matching_wheel.filename} ({matching_wheel.url}); a pin `{matching_wheel.package}=={matching_wheel.version}` chooses it."
    elif matching_wheel:
        help_text = f"None fits: {matching_wheel.message}."
    release = facts.release(str(env.service.torch.version))
    return finding(
        env,
        location,
        f"{file}, which {recommendation.by} names, does not fit: {'; '.join(mismatches)}",
        help=help_text,
        about=recommendation.component,
        evidence=f"{release.source} ({release.date})" if release else "",
        level="warning",
    )


# --- locked files, and machines without any --------------------------------------------------------------------------


def _check_lock(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    lock = current_lock(evidence, env)
    if lock is None:
        return
    python, count = Version(_python_version(env)), 0
    for layer in ((lock.provided,) if lock.provided else ()) + lock.layers:
        for package in layer.packages:
            count += 1
            if best_wheel((package,), python, env.variant.platform) is None:
                message = f"{package.filename} does not fit Python {python} on {env.variant.platform}"
                path = f"lockfiles/{env.name}/{layer.file}"
                yield finding(env, path, message, help="Run `invoke lock`.", about=package.name)
    comparison = (
        f"the tags of {count} locked files were compared with Python {python} on {env.variant.platform}"
    )
    yield Ok(about="lock", evidence=f"{comparison} (lockfiles/{env.name})")


def _check_machines(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Packages with wheels for some machines only, and nothing to build from."""
    machine = MACHINES[env.variant.platform]
    for name, pin in list_pins(env, current_lock(evidence, env)).items():
        needs = facts.native_needs(name)
        if needs is None or not needs.machines or needs.sdist:
            continue
        source = f"{needs.source} ({needs.date})"
        if machine in needs.machines:
            yield Ok(about=name, evidence=f"{name} has a wheel for {machine} ({source})")
            continue
        yield finding(
            env,
            pin.location,
            f"{name}=={pin.version} has wheels for {', '.join(needs.machines)} only, and nothing to build from: {needs.because}",
            help=f"Leave {name} out of what is built for {env.variant.platform}.",
            about=name,
            evidence=source,
        )
