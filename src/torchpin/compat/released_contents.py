"""What was measured of releases of packages: the CUDA majors and versions that they are for; the release nearest to a pin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.facts import measured
from torchpin.facts.ranges import in_ranges

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.compat.pins import Pin
    from torchpin.model import Environment


def released_majors(package: str, version: Version) -> tuple[int, ...] | None:
    """The CUDA majors that the metadata of a release name, extras included; None: not measured."""
    values = _values(package, version, "cuda")
    return None if values is None else tuple(map(int, values))


def released_libraries(package: str, version: Version) -> tuple[str, ...] | None:
    """The CUDA versions that a release has libraries for; None: not measured."""
    return _values(package, version, "libraries")


def _values(package: str, version: Version, section: str) -> tuple[str, ...] | None:
    document = measured.measured_document(package)
    if document is None or not measured.is_measured(package, version):
        return None
    public = Version(version.public)
    return tuple(value for value, ranges in document[section].items() if in_ranges(ranges, public))


def nearest_release(env: Environment, pin: Pin, fits: Callable[[Version], bool]) -> Version | None:
    """The measured release nearest to a pin that fits, the later ones first; it accepts the environment's Python and torch.

    None where no measured release fits.
    """
    releases = [Version(release) for release in measured.measured_releases(pin.name)]
    later = [release for release in releases if release > pin.version and not release.is_prerelease]
    earlier = [
        release for release in reversed(releases) if release < pin.version and not release.is_prerelease
    ]
    return next(
        (release for release in (*later, *earlier) if fits(release) and _accepts(env, pin.name, release)),
        None,
    )


def _accepts(env: Environment, package: str, release: Version) -> bool:
    """Whether a release accepts the Python and the family's versions of an environment, as far as its metadata say."""
    family = env.service.torch.family
    python = measured.measured_python(package, release)
    requirements = [Requirement(line) for line in measured.measured_requirements(package, release)]
    return SpecifierSet(python).contains(env.service.python) and all(
        requirement.specifier.contains(family[canonicalize_name(requirement.name)])
        for requirement in requirements
        if canonicalize_name(requirement.name) in family and requirement.marker is None
    )
