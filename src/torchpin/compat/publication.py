"""Whether a channel has a release of torch, and a wheel that fits: by its index snapshot, else by the release matrix and PyPI."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from torchpin import facts
from torchpin.compat import partners
from torchpin.description.environments import MACHINES, has_other_channel, has_own_torch
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.tags import Tag

    from torchpin.model import Environment

# Older wheels of torch for aarch64 are CPU builds, which every CUDA page lists too (torch.yaml, aarch64-no-suffix).
_FIRST_CUDA_ON_AARCH64 = Version("2.4")
Grade = Literal["index snapshot", "release matrix", "PyPI"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """Whether a channel has a release. `evidence`: the facts, with their grade; `reason`: why it is unknown."""

    status: Literal["published", "absent", "unknown"]
    grade: Grade | None = None
    evidence: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFit:
    """Whether a channel has a wheel of a package for a Python and a platform.

    `file`: such a wheel, where its name is recorded; `glibc`: the minor of the glibc 2.x that it requires, 0 for none;
    `pythons`: those with a wheel for the platform, where none fits.
    """

    status: Literal["fits", "absent", "unknown"]
    file: str = ""
    glibc: int = 0
    pythons: tuple[str, ...] = ()
    evidence: str = ""
    reason: str = ""


@cache
def listed_files(channel: str, package: str) -> Mapping[Version, Mapping[str, frozenset[Tag]]]:
    """The files of a package in the index snapshot of a channel: public version to file name to tags.

    Only builds of this channel: pages also list wheels with the local part of another channel. Many builds have no local
    part: those for aarch64 of some series, those of CPU channels, and those with the CUDA version of PyPI's wheels up to
    1.8.0, such as torch 1.8.0 on cu102. What all pages list is left out: post releases of 2016, CPU builds for aarch64.
    """
    page = facts.index_snapshot(channel)
    files_by_version: dict[Version, dict[str, frozenset[Tag]]] = {}
    for name in page.packages.get(package, {}) if page else ():
        try:
            _, version, _, tags = parse_wheel_filename(name)
        except InvalidWheelFilename:
            continue  # old pages list some; no current installer accepts them
        if version.local == channel or (version.local is None and _is_own(channel, package, version, tags)):
            files_by_version.setdefault(Version(version.public), {})[name] = tags
    return files_by_version


def _is_own(channel: str, package: str, version: Version, tags: frozenset[Tag]) -> bool:
    """Whether a file without local part is a build of the channel that lists it."""
    if version.is_prerelease or version.is_postrelease:
        return False
    is_aarch64 = all(tag.platform.endswith("aarch64") for tag in tags)
    return (
        package != "torch"
        or channel == "cpu"
        or not is_aarch64
        or version.release >= _FIRST_CUDA_ON_AARCH64.release
    )


@cache
def listed_releases(channel: str, platform: str) -> frozenset[Version]:
    """The releases of torch with a wheel for a platform in the index snapshot of a channel, whatever its Python."""
    machine = f"_{MACHINES[platform]}"
    return frozenset(
        version
        for version, files in listed_files(channel, "torch").items()
        if any(
            tag.platform == "any" or tag.platform.endswith(machine) for tags in files.values() for tag in tags
        )
    )


@cache
def publication(channel: str, version: Version, platform: str) -> Publication:
    """Whether a channel has a release of torch for a platform, whatever the Python.

    The index snapshot decides where it is not older than the release; later releases, and channels without a snapshot, are
    decided by the release matrix: a channel that does not list a series does not have it where all channels of the series
    are known.
    """
    if channel == "pypi":
        return _on_pypi(version)
    page, release = facts.index_snapshot(channel), facts.release(str(version))
    if page and version in listed_releases(channel, platform):
        return Publication(
            status="published", grade="index snapshot", evidence=f"index snapshot: {page.citation}"
        )
    if page and (
        release.released <= page.date if release else version <= max(listed_files(channel, "torch"))
    ):
        return Publication(
            status="absent", grade="index snapshot", evidence=f"index snapshot: {page.citation}"
        )
    if release is None:
        return _unlisted_release(version)
    return replace(_by_matrix(channel, release, platform), grade="release matrix")


def _on_pypi(version: Version) -> Publication:
    row = facts.pypi_wheels("torch", str(version)) or facts.release(str(version))
    if row is None:
        return replace(_unlisted_release(version), grade="PyPI")
    return Publication(status="published", grade="PyPI", evidence=f"PyPI: {row.citation}")


def _unlisted_release(version: Version) -> Publication:
    """Of a release without a row: it does not exist between the known ones, since only the newest series gets patches."""
    releases = facts.release_versions()
    stable = not version.is_prerelease and not version.is_postrelease
    if releases and stable and releases[0] < version < releases[-1]:
        newest = facts.release(str(releases[-1]))
        evidence = f"the releases of torch up to {releases[-1]}: {newest.citation if newest else ''}"
        return Publication(status="absent", evidence=evidence)
    return Publication(status="unknown", reason=f"torch {version} is not in the facts")


def _by_matrix(channel: str, release: facts.TorchRelease, platform: str) -> Publication:
    row, version, series = facts.channel(channel), release.version, major_minor(release.version)
    if row and {version, series} & set(row.undecided):
        return Publication(
            status="unknown", reason=f"the sources differ on whether torch {version} is on {channel}"
        )
    if row and series in row.series:
        if platform == "linux/amd64" or (platform == "linux/arm64" and series in row.aarch64):
            evidence = f"release matrix, {_why_no_snapshot(channel)}: {row.citation}"
            return Publication(status="published", evidence=evidence)
        reason = f"whether torch {version} on {channel} has builds for {platform} is not in the facts"
        return Publication(status="unknown", reason=reason)
    complete = facts.complete_series(version)
    # Of a series, the channels of CUDA and CPU builds are completely known, and no others.
    if row is None and facts.channel_cuda(channel) is None:
        return Publication(status="unknown", reason=f"the releases on {channel} are not in the facts")
    if complete is None:
        reason = f"the channels of torch {series} are not all in the facts, so {channel} may be among them"
        return Publication(status="unknown", reason=reason)
    return Publication(status="absent", evidence=f"release matrix: {complete.citation}")


def _why_no_snapshot(channel: str) -> str:
    page = facts.index_snapshot(channel)
    return (
        f"as the index snapshot of {channel} ({page.date}) is older"
        if page
        else f"as there is no index snapshot of {channel}"
    )


@cache
def published_releases(channel: str, platform: str) -> frozenset[Version]:
    """The releases of torch that a channel has for a platform, by its index snapshot or the release matrix."""
    by_matrix = (Version(release.version) for release in facts.releases())
    return listed_releases(channel, platform) | {
        version for version in by_matrix if publication(channel, version, platform).status == "published"
    }


def channels_with_release(version: str, platform: str) -> tuple[str, ...]:
    """The channels that have a release of torch for a platform, PyPI aside."""
    return tuple(
        row.name
        for row in facts.channels()
        if row.name != "pypi" and Version(version) in published_releases(row.name, platform)
    )


def is_no_release(env: Environment) -> bool:
    """Whether a channel of PyTorch, or PyPI, is known not to have the torch of an environment, since it was never released."""
    version, platform = env.service.torch.version, env.variant.platform
    if has_other_channel(env) or has_own_torch(env) or version in facts.release_versions():
        return False
    placed = publication(env.variant.channel, version, platform)
    return placed.status == "absent" and not channels_with_release(str(version), platform)


def fitting_files(
    channel: str, package: str, version: str, python: Version, platform: str
) -> tuple[str, ...]:
    """The files of a release in an index snapshot that fit a Python and a platform, whatever their glibc."""
    machine, interpreter = MACHINES[platform], f"cp{python.major}{python.minor}"
    return tuple(
        name
        for name, tags in listed_files(channel, package).get(Version(version), {}).items()
        if any(_tag_fits(tag, interpreter, machine) for tag in tags)
    )


def _tag_fits(tag: Tag, interpreter: str, machine: str) -> bool:
    if tag.platform != "any" and not tag.platform.endswith(f"_{machine}"):
        return False
    # Up to Python 3.7 the ABI tag has the suffix m: torch 1.13 has cp37-cp37m wheels.
    abis = {interpreter, f"{interpreter}m", "abi3", "none"}
    return tag.interpreter in {interpreter, "py3", "py2"} and tag.abi in abis


@cache
def wheel_fit(channel: str, package: str, version: str, python: Version, platform: str) -> WheelFit:
    """Whether a channel has a wheel of torch or a companion that fits a Python and a platform.

    Where the index snapshot does not list the version, but the release matrix has it on the channel, the wheels are those
    of PyPI: since torch 2.0 each channel has had the same Pythons. A companion is on the channels of the oldest torch that
    it goes with.
    """
    if channel == "pypi":
        return _pypi_fit(package, version, python, platform)
    files = listed_files(channel, package).get(Version(version))
    if files:
        return _snapshot_fit(
            channel, files, fitting_files(channel, package, version, python, platform), platform
        )
    built_for = version if package == "torch" else _torch_of(package, version)
    placed = publication(channel, Version(built_for), platform) if built_for else None
    if placed is None or placed.status != "published":
        listed = f"{package} {version} is not in the index snapshot of {channel}"
        return WheelFit(status="unknown", reason=(placed and package == "torch" and placed.reason) or listed)
    if f"cp{python.major}{python.minor}" in _preview_pythons(package, version):
        reason = f"whether {package} {version} on {channel} has a preview wheel for Python {python.major}.{python.minor} is not in the facts"
        return WheelFit(status="unknown", reason=reason)
    fit = _pypi_fit(package, version, python, platform)
    return replace(fit, evidence=f"{placed.evidence}; the Pythons: {fit.evidence}") if fit.evidence else fit


def _preview_pythons(package: str, version: str) -> tuple[str, ...]:
    release = facts.release(version) if package == "torch" else None
    return release.preview_pythons if release else ()


def _torch_of(package: str, version: str) -> str | None:
    """The oldest torch that a version of a companion goes with; None: not in the facts."""
    row = partners.partner_row(package, Version(version))
    releases = [release.version for release in facts.releases()] if row else []
    fitting = (release for release in releases if row and partners.goes_with(row, Version(release)))
    return min(fitting, key=Version, default=None)


def _snapshot_fit(
    channel: str, files: Mapping[str, frozenset[Tag]], fitting: tuple[str, ...], platform: str
) -> WheelFit:
    page = facts.index_snapshot(channel)
    evidence = f"index snapshot: {page.citation if page else ''}"
    if fitting:
        minimum = min(map(required_glibc, fitting))
        return WheelFit(status="fits", file=fitting[0], glibc=minimum, evidence=evidence)
    machine = MACHINES[platform]
    pythons = {tag.interpreter for tags in files.values() for tag in tags if tag.platform.endswith(machine)}
    return WheelFit(status="absent", pythons=_in_order(pythons), evidence=evidence)


def _pypi_fit(package: str, version: str, python: Version, platform: str) -> WheelFit:
    wheels, machine = facts.pypi_wheels(package, version), MACHINES[platform]
    if wheels is None:
        reason = f"the wheels of {package} {version} on PyPI are not in the facts"
        return WheelFit(status="unknown", reason=reason)
    pythons, evidence = wheels.pythons(machine), f"PyPI: {wheels.citation}"
    if not {f"cp{python.major}{python.minor}", "py3"} & set(pythons):
        ordinary = _in_order(tag for tag in pythons if not tag.endswith("t"))
        return WheelFit(status="absent", pythons=ordinary, evidence=evidence)
    minor = int(wheels.glibc.get(machine, "2.0").partition(".")[2])
    return WheelFit(status="fits", glibc=minor, evidence=evidence)


def _in_order(pythons: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(pythons, key=lambda tag: (len(tag), tag)))  # cp39 before cp310


def required_glibc(file: str) -> int:
    """The minor of the glibc 2.x that a wheel requires; 0 where its tag is plain `linux`.

    17 for the older manylinux tags: manylinux2014 means glibc 2.17, manylinux1 and manylinux2010 require less.
    """
    platform = file.removesuffix(".whl").rpartition("-")[2]
    minors = [int(part.split("_")[2]) for part in platform.split(".") if part.startswith("manylinux_2_")]
    return min(minors, default=17 if "manylinux" in platform else 0)
