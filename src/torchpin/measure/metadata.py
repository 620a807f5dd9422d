"""What a wheel's METADATA and names say: what it requires, and the CUDA major that it is built for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# In a name: `-cu12`, `-cu128`, `-cuda12x`, `jax-cuda12-plugin`. In a local version: `cu128`, `pt26cu124`, `cu12torch2.8`.
_NAME_SUFFIX = re.compile(r"(?:^|-)cu(?:da)?-?(\d{2,4})x?(?=-|$)")
_LOCAL_PART = re.compile(r"(?:^|[^a-z]|\d)cu(\d{2,3})(?!\d)")
_CUDA_EXTRA = re.compile(r"cu(?:da)?-?(\d{2,3})x?")
# Packages of the CUDA toolkit without a suffix, from CUDA 13 on, whose own version is the toolkit's.
_TOOLKIT_VERSIONED = {
    *("nvidia-cublas", "nvidia-cuda-cccl", "nvidia-cuda-cupti", "nvidia-cuda-nvcc", "nvidia-cuda-nvrtc"),
    *("nvidia-cuda-runtime", "nvidia-nvjitlink", "nvidia-nvtx", "nvidia-nvvm", "cuda-toolkit"),
}
# Libraries of the toolkit that a compiled package loads; those beside it (NCCL, cuDNN) keep one file name for several CUDA majors.
_LIBRARIES = {
    *(
        "nvidia-cublas",
        "nvidia-cuda-cupti",
        "nvidia-cuda-nvrtc",
        "nvidia-cuda-runtime",
        "nvidia-cufft",
        "nvidia-curand",
    ),
    *("nvidia-cusolver", "nvidia-cusparse", "nvidia-npp", "nvidia-nvjitlink", "nvidia-nvjpeg"),
}
CUDA_RUNTIME = "nvidia-cuda-runtime"
_FIRST_WITHOUT_SUFFIX = 13  # the CUDA major from which on the packages of the toolkit have no suffix
_DEVELOPMENT_EXTRAS = re.compile(
    r"(?:tests?|testing|dev|develop|development|docs?|lint|ci|benchmarks?)(?:[-_.].*)?"
)
# Two digits are a major from CUDA 10 on, and major and minor before.
_CUDA_DIGITS = re.compile(r"(?P<major>1\d)(?P<minor>\d?)|(?P<old_major>[89])(?P<old_minor>\d)")


def parse_requirements(metadata: bytes | str) -> tuple[Requirement, ...]:
    """The Requires-Dist of a METADATA text, in its order; lines that are no requirement are left out."""
    try:
        fields, _ = parse_email(metadata)
    except (ValueError, LookupError):
        return ()
    requirements = []
    for line in fields.get("requires_dist", ()):
        try:
            requirements.append(Requirement(line))
        except InvalidRequirement:
            continue
    return tuple(requirements)


def requirements_on(requirements: Iterable[Requirement], names: Collection[str]) -> tuple[Requirement, ...]:
    """The requirements on packages of these canonical names."""
    return tuple(requirement for requirement in requirements if canonicalize_name(requirement.name) in names)


def extras(requirement: Requirement) -> frozenset[str]:
    """The extras that a requirement belongs to, by its marker; empty for one that always applies."""
    text = str(requirement.marker or "")
    return frozenset(canonicalize_name(name) for name in re.findall(r"""extra == ["']([^"']+)["']""", text))


def is_for_development(requirement: Requirement) -> bool:
    """Whether a requirement belongs to extras for tests, documentation and the like alone."""
    names = extras(requirement)
    return bool(names) and all(_DEVELOPMENT_EXTRAS.fullmatch(name) for name in names)


def applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    """Whether a requirement may apply in an environment of PEP 508, with any of its extras."""
    if requirement.marker is None:
        return True
    names = extras(requirement) or {""}
    try:
        return any(requirement.marker.evaluate({**environment, "extra": name}) for name in names)
    except (UndefinedComparison, UndefinedEnvironmentName):  # a marker that compares what has no order
        return True


def cuda_version_in_digits(digits: str) -> str | None:
    """The CUDA version in the digits of a name: `126` is 12.6, `12` is 12, `92` is 9.2; None for what is none, such as 64."""
    match = _CUDA_DIGITS.fullmatch(digits)
    if not match:
        return None
    major, minor = match["major"] or match["old_major"], match["minor"] or match["old_minor"]
    return f"{major}.{minor}" if minor else major


def _cuda_major_in_digits(digits: str) -> int | None:
    version = cuda_version_in_digits(digits)
    return int(version.partition(".")[0]) if version else None


def cuda_major_of_name(name: str) -> int | None:
    """The CUDA major in the name of a package: `cupy-cuda12x` is 12; None for one without."""
    match = _NAME_SUFFIX.search(canonicalize_name(name))
    return _cuda_major_in_digits(match[1]) if match else None


def cuda_major_of_version(version: str) -> int | None:
    """The CUDA major in the local part of a version: `1.0+cu128` and `1.0+pt26cu124` are 12; None for one without."""
    match = _LOCAL_PART.search(version.partition("+")[2].lower())
    return _cuda_major_in_digits(match[1]) if match else None


def cuda_major_of_file(filename: str) -> int | None:
    """The CUDA major in the file name of a wheel: of its package, else of its local version; None for one without."""
    if "cu" not in filename:
        return None
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    return cuda_major_of_name(name) or cuda_major_of_version(str(version))


def cuda_major(requirement: Requirement) -> int | None:
    """The CUDA major that a requirement names; None for one that names none, or several.

    It is in the package's name (`nvidia-cublas-cu12`), in an extra of it (`flashinfer-python[cu13]`), or in the versions of a
    package of the toolkit without a suffix (`nvidia-cuda-runtime~=13.0`, `cuda-toolkit[cublas]==13.*`).
    """
    name = canonicalize_name(requirement.name)
    majors = {cuda_major_of_name(name)} - {None}
    majors = majors or {
        _cuda_major_in_digits(match[1]) for match in map(_CUDA_EXTRA.fullmatch, requirement.extras) if match
    }
    if not majors and name in _TOOLKIT_VERSIONED:
        majors = set(_majors_of_specifier(requirement))
    return majors.pop() if len(majors) == 1 else None


def _majors_of_specifier(requirement: Requirement) -> frozenset[int]:
    """The majors that a specifier leaves, told by its bounds; a lower bound alone names the one that it begins with."""
    bounds = []
    for clause in requirement.specifier:
        try:
            version = Version(clause.version.removesuffix(".*"))
        except InvalidVersion:  # `===` takes any text
            continue
        if clause.operator in {"==", "===", "~=", ">=", ">"}:
            bounds.append(version.major)
    return frozenset({max(bounds)}) if bounds else frozenset()


def cuda_requirements(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """The requirements that name a CUDA major, without those for development alone."""
    return tuple(
        requirement
        for requirement in requirements
        if cuda_major(requirement) is not None and not is_for_development(requirement)
    )


def cuda_majors(requirements: Iterable[Requirement]) -> tuple[int, ...]:
    """The CUDA majors that requirements name, extras included, in ascending order."""
    majors = {cuda_major(requirement) for requirement in cuda_requirements(requirements)}
    return tuple(sorted(major for major in majors if major is not None))


def library(name: str, version: str | None = None) -> tuple[str, int] | None:
    """A package of the CUDA toolkit's libraries as (name without suffix, CUDA major); None for any other package.

    Without a suffix its name begins with CUDA 13; `version` decides where the package has the toolkit's version.
    `nvidia-cuda-runtime-cu12` and `nvidia-cuda-runtime` 13.0.96 are of the same library.
    """
    canonical = canonicalize_name(name)
    stem = re.sub(r"-cu\d\d$", "", canonical)
    if stem not in _LIBRARIES:
        return None
    major = cuda_major_of_name(canonical)
    if major is None and version and stem in _TOOLKIT_VERSIONED:
        major = Version(version).major
    return stem, major or _FIRST_WITHOUT_SUFFIX


def library_package(name: str, major: int) -> str:
    """The package of a library for a CUDA major: up to CUDA 12 its name has a suffix, later the toolkit's version is its own."""
    return f"{name}-cu{major}" if major < _FIRST_WITHOUT_SUFFIX else f"{name} (CUDA {major})"
