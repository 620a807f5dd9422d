"""The CUDA that compiled packages are for, against the CUDA of an environment's torch: the major, and libraries for a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.wheel_contents import locked_contents
from torchpin.measure import metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.version import Version

    from torchpin.compat.pins import Pin
    from torchpin.model import Environment, Lock, WheelContents

_GPU_WORDS = {"cuda", "gpu"}


@dataclass(frozen=True, kw_only=True, slots=True)
class CudaUse:
    """The CUDA majors that a package is built for. `because`: what says so.

    `libraries`: the libraries of the toolkit that its metadata name, (name without suffix, major). `brings`: the majors whose
    runtime lies in the wheel. `is_complete`: it requires all that it names, so a lock has them. `is_optional`: it may load
    without them, and then does not use the GPU. `is_name_alone`: nothing but its name is known, not what it requires.
    """

    package: str
    version: Version
    majors: tuple[int, ...]
    because: str
    libraries: frozenset[tuple[str, int]] = frozenset()
    brings: tuple[int, ...] = ()
    is_complete: bool = False
    is_optional: bool = False
    is_name_alone: bool = False


def cuda_uses(env: Environment, lock: Lock | None, pins: Mapping[str, Pin]) -> Iterator[CudaUse]:
    """The packages that are built for a CUDA major, by the lock's metadata, the facts or their names.

    Torch's family and the ABI wheels are left out, which are chosen for a channel, and NVIDIA's libraries themselves.
    """
    contents = locked_contents(lock) if lock else {}
    files = lock.all_packages if lock else {}
    for name, pin in pins.items():
        if name in env.service.torch.family or name in facts.abi_packages() or _is_library(name):
            continue
        filename = files[name].filename if name in files and files[name].version == str(pin.version) else ""
        use = _cuda_use(name, pin.version, contents.get(name), filename)
        if use:
            yield use


def _is_library(name: str) -> bool:
    """Whether a package is part of CUDA itself, which serves others and needs none; `cudnn` stands for the one torch brings."""
    return name == "cudnn" or name.startswith(("nvidia-", "cuda-"))


def _cuda_use(name: str, version: Version, wheel: WheelContents | None, filename: str) -> CudaUse | None:
    named = [
        requirement
        for requirement in map(Requirement, wheel.requires if wheel else ())
        if metadata.cuda_major(requirement) is not None
    ]
    libraries = frozenset(
        (key[0], metadata.cuda_major(requirement) or key[1])
        for requirement in named
        if (key := metadata.library(requirement.name))
    )
    required = [requirement for requirement in named if not metadata.extras(requirement)]
    own_major = metadata.cuda_major_of_name(name) or metadata.cuda_major_of_file(filename)
    brings = wheel.cuda_runtimes if wheel else ()
    if own_major:
        text = f"its {'name' if metadata.cuda_major_of_name(name) else 'file name'} says so"
        return CudaUse(
            package=name,
            version=version,
            majors=(own_major,),
            because=text,
            libraries=libraries,
            brings=brings,
            is_name_alone=wheel is None and not filename,
        )
    if required:
        return CudaUse(
            package=name,
            version=version,
            majors=metadata.cuda_majors(required),
            because=f"it requires {required[0].name}",
            libraries=frozenset(library for library in libraries if _is_required(library, required)),
            brings=brings,
            is_complete=all(_is_on_library(requirement) for requirement in required),
        )
    use = None
    if not _GPU_WORDS.isdisjoint(name.split("-")):
        use = _optional_use(name, version, named, libraries, brings)
    return use or _recorded_use(name, version)


def _optional_use(
    name: str,
    version: Version,
    named: list[Requirement],
    libraries: frozenset[tuple[str, int]],
    brings: tuple[int, ...],
) -> CudaUse | None:
    """A package for GPUs whose extras name a CUDA major: by what the lock has of its metadata, else by the facts."""
    majors = metadata.cuda_majors(named) or facts.measured_cuda_majors(name, version) or ()
    if not majors:
        return None
    if named:
        extra = min(frozenset().union(*map(metadata.extras, named)))
        because = f"its metadata name {named[0].name} in its extra {extra}"
    else:
        because = "its metadata name it"
    return CudaUse(
        package=name,
        version=version,
        majors=majors,
        because=because,
        libraries=libraries,
        brings=brings,
        is_optional=True,
    )


def _recorded_use(name: str, version: Version) -> CudaUse | None:
    """A package whose metadata do not tell its CUDA major, by the facts."""
    row = facts.cuda_build(name, version)
    if row is None:
        return None
    return CudaUse(
        package=name,
        version=version,
        majors=(row.cuda,),
        because=row.citation,
        libraries=frozenset((library, row.cuda) for library in row.libraries),
        is_optional=True,
    )


def _is_required(library: tuple[str, int], required: Iterable[Requirement]) -> bool:
    return any((metadata.library(requirement.name) or ("", 0))[0] == library[0] for requirement in required)


def _is_on_library(requirement: Requirement) -> bool:
    """Whether a requirement is on one of NVIDIA's packages, not on an extra of a package that is built for several majors."""
    return canonicalize_name(requirement.name).startswith(("nvidia-", "cuda-toolkit"))


def installed_libraries(pins: Mapping[str, Pin]) -> frozenset[tuple[str, int]]:
    """The libraries of the CUDA toolkit that are installed as packages, (name without suffix, major)."""
    keys = (metadata.library(name, str(pin.version)) for name, pin in pins.items())
    return frozenset(key for key in keys if key)


def missing_libraries(use: CudaUse, installed: frozenset[tuple[str, int]]) -> tuple[str, ...]:
    """What of CUDA a package needs that nothing installs, as names of packages; empty where all is there.

    A package that names no library of the toolkit needs the runtime at least.
    """
    if use.is_complete and not use.libraries:
        return ()
    major = max(use.majors)
    needed = {key for key in use.libraries if key[1] in use.majors} or {(metadata.CUDA_RUNTIME, major)}
    return tuple(sorted(metadata.library_package(*key) for key in needed - installed))


@dataclass(frozen=True, kw_only=True, slots=True)
class LibraryUse:
    """The CUDA versions among which a package chooses a library, and how; `choice` None: not in the facts.

    `is_locked`: the wheel of the lock was read; else the facts tell.
    """

    package: str
    version: Version
    libraries: tuple[str, ...]
    choice: facts.LibraryChoice | None
    is_locked: bool

    def serves(self, cuda: str) -> bool | None:
        """Whether it has a library for a CUDA version such as 12.9; None where only a fact about its choice could tell."""
        major = cuda.partition(".")[0]
        if cuda in self.libraries or major in self.libraries:
            return True
        if not any(version.partition(".")[0] == major for version in self.libraries):
            return False
        return None if self.choice is None else self.choice.choice == "major"


def library_uses(env: Environment, lock: Lock | None, pins: Mapping[str, Pin]) -> Iterator[LibraryUse]:
    """The packages with libraries for several CUDA versions, by the lock's wheels, else by the facts of their releases."""
    contents: Mapping[str, WheelContents] = locked_contents(lock) if lock else {}
    for name, pin in pins.items():
        use = library_use(env, name, pin.version, contents.get(name))
        if use:
            yield use


def library_use(
    env: Environment, name: str, version: Version, wheel: WheelContents | None = None
) -> LibraryUse | None:
    """The libraries of a release, by its wheel, else by the facts, which are about wheels for x86_64.

    None where it has none, or nothing is known of it.
    """
    is_locked = wheel is not None and wheel.is_read
    recorded = facts.measured_cuda_libraries(name, version) if env.variant.platform == "linux/amd64" else None
    libraries = wheel.cuda_libraries if wheel and is_locked else recorded
    if not libraries:
        return None
    choice = facts.library_choice(name, version)
    return LibraryUse(package=name, version=version, libraries=libraries, choice=choice, is_locked=is_locked)
