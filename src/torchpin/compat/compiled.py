"""What a service compiles for its image: the wheels, and the GPU architectures that they are compiled for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat.pins import pinned_version
from torchpin.description.environments import MACHINES, cuda_version, torch_build

if TYPE_CHECKING:
    from torchpin.model import BuiltWheel, Environment


def wheel_name(wheel: BuiltWheel) -> str:
    return canonicalize_name(wheel.package.name)


def compiled_versions(env: Environment) -> dict[str, str]:
    """The version of each package that an environment compiles, by normalized name."""
    wheels = env.stage.wheels if env.stage else ()
    return {wheel_name(wheel): pinned_version(wheel.package) for wheel in wheels}


def archive_versions(env: Environment) -> dict[str, str]:
    """The version of each package that is compiled from its source archive on PyPI, by normalized name."""
    wheels = env.stage.wheels if env.stage else ()
    return {
        wheel_name(wheel): pinned_version(wheel.package)
        for wheel in wheels
        if not (wheel.source or wheel.folder)
    }


def is_compiled_version(actual: str, pinned: str) -> bool:
    """Whether a compiled package is of its pinned version: without a local part in the pin, the project may add one."""
    version, expected = Version(actual), Version(pinned)
    return version == expected or (expected.local is None and version.public == expected.public)


def compute_capabilities(env: Environment) -> tuple[str, ...]:
    """The capabilities, such as `8.6`, that extensions are compiled for: those of the described GPUs, ascending.

    Without a GPU that the facts know, those of the torch build; none for a CPU build.
    """
    build = torch_build(env)
    if cuda_version(env) is None or build is None:
        return ()
    gpus = (facts.gpu(name) for name in env.service.gpus)
    described = {gpu.capability for gpu in gpus if gpu and gpu.capability and gpu.vendor == "NVIDIA"}
    if described:
        return tuple(sorted(described, key=facts.parse_capability))
    archs = facts.compiled_archs(str(env.service.torch.version), build, MACHINES[env.variant.platform])
    names = archs.sm if archs else ()
    return tuple(re.sub(r"sm_(\d+)(\d[a-z]?)", r"\1.\2", name) for name in names)


def build_variables(env: Environment) -> dict[str, str]:
    """The environment variables of the stage that compiles, by which torch and CMake choose architectures.

    No GPU is there while an image is built, so FORCE_CUDA tells projects that ask for one to compile for CUDA all the same.
    """
    capabilities = compute_capabilities(env)
    computed = (
        {
            "TORCH_CUDA_ARCH_LIST": ";".join(capabilities),
            "CUDAARCHS": ";".join(capability.replace(".", "") for capability in capabilities),
            "FORCE_CUDA": "1",
        }
        if capabilities
        else {}
    )
    return computed | dict(env.stage.env if env.stage else {})
