"""ABI: a wheel's tags fit Python, torch, CUDA, the C++11 ABI and the machine: what is pinned, recommended and locked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import Evidence, at, lock_of
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat import pins, wheels
from torchpin.description import environments
from torchpin.model import Artifact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.facts import NoWheel, Wheel
    from torchpin.model import Environment, Finding, Recommendation

_BOUND = re.compile(
    r"(?P<name>[\w.]+)-(?P<version>[^+-]+)\+cu(?P<cuda>\d+)torch(?P<torch>\d+\.\d+)cxx11abi(?P<abi>TRUE|FALSE)"
    r"-cp(?P<python>\d+)-[^-]+-(?P<platform>.+)\.whl",
    re.IGNORECASE,
)


@check("ABI001", "Every wheel's tags fit Python, torch, CUDA and the C++11 ABI", judge=True)
def wheels_fit(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Choose a version, a torch, a channel or a Python that a wheel is there for; the finding names the nearest.

    A compiled wheel says in its name what it was built for. One for another Python or machine is refused by the
    installer; one for another torch, CUDA or C++11 ABI is installed, and stops at an undefined symbol when it is
    imported. From torch 2.7 on the ABI is 1 (TRUE), whatever an older page says.

    Example: flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp310-cp310-linux_x86_64.whl in an image with Python 3.11 and
    torch 2.7.1: its Python and its ABI are wrong.

    Sources: file names of the releases; TorchConfig.cmake in torch's wheels; Dao-AILab/flash-attention #975, #1783.
    """
    yield from _pinned(env)
    yield from _recommended(env)
    yield from _locked(evidence, env)
    yield from _machines(evidence, env)


def _python(env: Environment) -> str:
    """The Python that wheels meet: the base image's own where torch comes from it, whatever is described."""
    base = facts.base(env.base.image) if env.service.torch.origin == "base" else None
    return base.python if base and base.python else str(env.service.python)


def _chosen(env: Environment, name: str, version: str) -> Wheel | NoWheel:
    return facts.wheel(
        name,
        version,
        python=_python(env),
        torch=str(env.service.torch.version),
        channel=env.variant.channel,
        machine=environments.MACHINES[env.variant.platform],
    )


# --- pins ------------------------------------------------------------------------------------------------------------


def _pinned(env: Environment) -> Iterator[Answer]:
    for name, pin in pins.pins(env, None).items():
        if name not in facts.abi_packages() or not pin.path:
            continue
        found = _chosen(env, name, str(pin.version))
        if isinstance(found, facts.Wheel):
            told = (
                f"{found.filename} is for Python {_python(env)}, {_build(env)} ({found.source}; {found.date})"
            )
            yield Ok(about=name, evidence=told)
        elif found.known:
            yield finding(
                env,
                pin.where,
                found.sentence,
                remedy=_remedy(env, name, found),
                about=name,
                evidence=_files(name),
            )
        else:
            yield Unknown(message=found.sentence, about=name)


def _files(name: str) -> str:
    """The source of the recorded files of a package."""
    return next((f"{row.source} ({row.date})" for row in facts.wheels() if row.package == name), "")


def _build(env: Environment) -> str:
    return f"torch {env.service.torch.version} from {env.variant.channel}"


def _remedy(env: Environment, name: str, none: NoWheel) -> str:
    """What to write, by what does not fit."""
    near = ", ".join(none.nearest)
    pythons = ", ".join(f"3.{one.removeprefix('cp3')}" for one in none.nearest)
    words = {
        "platform": f"Leave {name} out of what is built for {env.variant.platform}; there are wheels for {near}.",
        "torch": f"Move torch to one of {near}, or leave {name} out.",
        "cuda": f"Choose a channel of CUDA {near} for {env.variant.name}, or leave {name} out.",
        "python": f"Choose one of the Pythons {pythons}, or leave {name} out.",
        "channel": f"Write a channel of {near or 'a CUDA build'} for {env.variant.name}, or leave {name} out.",
    }
    return words.get(none.column, "")


# --- recommended files -----------------------------------------------------------------------------------------------


def _recommended(env: Environment) -> Iterator[Answer]:
    for number, one in enumerate(env.service.recommends):
        file = one.says.rpartition("/")[2].replace("%2B", "+")
        if file.endswith(".whl"):
            yield from _file(env, at(env.service, f"recommends[{number}].says"), one, file)


def _file(env: Environment, where: str, one: Recommendation, file: str) -> Iterator[Answer]:
    bound = _BOUND.fullmatch(file)
    wrong = _bound_wrong(env, bound) if bound else _plain_wrong(env, file)
    if bound and _abi(env) is None:
        yield Unknown(
            message=f"{file}: the C++11 ABI of {_build(env)} is not in the facts", about=one.component
        )
    right = _chosen(env, canonicalize_name(bound["name"]), bound["version"]) if bound else None
    if not wrong and isinstance(right, facts.NoWheel) and right.known:
        wrong = [right.sentence]
    if wrong:
        yield _wrong(env, where, one, file, wrong, right)
    elif not bound or isinstance(right, facts.Wheel):
        yield Ok(
            about=one.component, evidence=f"{file} of {one.by} fits Python {_python(env)} and {_build(env)}"
        )


def _bound_wrong(env: Environment, file: re.Match[str]) -> list[str]:
    """Each part of a wheel's name that is not this environment's."""
    python = "".join(_python(env).split(".")[:2])
    series = ".".join(str(env.service.torch.version).split(".")[:2])
    cuda, abi = (environments.cuda(env) or "").partition(".")[0], _abi(env)
    major = file["cuda"][:2]  # cu12, cu128
    label = {"TRUE": 1, "FALSE": 0}[file["abi"].upper()]
    machine = environments.MACHINES[env.variant.platform]
    checks = (
        (
            file["python"] != python,
            f"it is for Python {_dotted(file['python'])}, and {_whose_python(env)} is {_python(env)}",
        ),
        (
            file["torch"] != series,
            f"it is for torch {file['torch']}, and torch {env.service.torch.version} is described",
        ),
        (bool(cuda) and major != cuda, f"it is for CUDA {major}, and {env.variant.channel} has CUDA {cuda}"),
        (environments.torch_build(env) == "cpu", f"it is for CUDA {major}, and this is a CPU build"),
        (
            abi is not None and label != abi,
            f"it says the C++11 ABI {file['abi']}, and {_build(env)} has {abi}",
        ),
        (not file["platform"].endswith(machine), f"it is for {file['platform']}, and {machine} is described"),
    )
    return [told for is_wrong, told in checks if is_wrong]


def _dotted(python: str) -> str:
    return f"{python[0]}.{python[1:]}"


def _whose_python(env: Environment) -> str:
    own = _python(env) != str(env.service.python)
    return f"the Python in {env.base.image}" if own else "the environment's"


def _abi(env: Environment) -> int | None:
    return facts.cxx11_abi(
        str(env.service.torch.version), environments.torch_build(env) or env.variant.channel
    )


def _plain_wrong(env: Environment, file: str) -> list[str]:
    try:
        name, version, _, _ = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return ["it is no wheel's file name"]
    artifact = Artifact(name=name, version=str(version), filename=file, sha256="")
    if wheels.best((artifact,), Version(_python(env)), env.variant.platform):
        return []
    return [f"it does not fit Python {_python(env)} on {env.variant.platform}"]


def _wrong(
    env: Environment,
    where: str,
    one: Recommendation,
    file: str,
    wrong: list[str],
    right: Wheel | NoWheel | None,
) -> Finding:
    remedy = f"Ask {one.by} for a file that fits."
    if isinstance(right, facts.Wheel):
        remedy = f"The file that fits is {right.filename} ({right.url}); a pin `{right.package}=={right.version}` chooses it."
    elif right:
        remedy = f"None fits: {right.sentence}."
    release = facts.release(str(env.service.torch.version))
    return finding(
        env,
        where,
        f"{file}, which {one.by} names, does not fit: {'; '.join(wrong)}",
        remedy=remedy,
        about=one.component,
        evidence=f"{release.source} ({release.date})" if release else "",
        level="warning",
    )


# --- locked files, and machines without any --------------------------------------------------------------------------


def _locked(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    lock = lock_of(evidence, env)
    if lock is None:
        return
    python, count = Version(_python(env)), 0
    for layer in ((lock.given,) if lock.given else ()) + lock.layers:
        for package in layer.packages:
            count += 1
            if wheels.best((package,), python, env.variant.platform) is None:
                told = f"{package.filename} does not fit Python {python} on {env.variant.platform}"
                place = f"lockfiles/{env.name}/{layer.file}"
                yield finding(env, place, told, remedy="Run `invoke lock`.", about=package.name)
    told = f"the tags of {count} locked files were compared with Python {python} on {env.variant.platform}"
    yield Ok(about="lock", evidence=f"{told} (lockfiles/{env.name})")


def _machines(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Packages with wheels for some machines only, and nothing to build from."""
    machine = environments.MACHINES[env.variant.platform]
    for name, pin in pins.pins(env, lock_of(evidence, env)).items():
        needs = facts.needs(name)
        if needs is None or not needs.machines or needs.sdist:
            continue
        grounds = f"{needs.source} ({needs.date})"
        if machine in needs.machines:
            yield Ok(about=name, evidence=f"{name} has a wheel for {machine} ({grounds})")
            continue
        yield finding(
            env,
            pin.where,
            f"{name}=={pin.version} has wheels for {', '.join(needs.machines)} only, and nothing to build from: {needs.because}",
            remedy=f"Leave {name} out of what is built for {env.variant.platform}.",
            about=name,
            evidence=grounds,
        )
