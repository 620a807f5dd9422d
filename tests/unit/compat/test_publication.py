"""Which releases of torch a channel has, and which wheels fit: what the index lists exactly, and what the release matrix tells."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.compat.publication import (
    channels_with_release,
    listed_files,
    listed_releases,
    publication,
    published_releases,
    required_glibc,
    wheel_fit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = [row.name for row in facts.channels() if facts.index_snapshot(row.name)]
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
PYTHONS = [f"3.{minor}.1" for minor in range(6, 16)]
AMD64, ARM64 = MACHINES


def listed_wheels(channel: str) -> set[tuple[str, str, str]]:
    """An independent reading of a page: (public version, Python tag, machine) of torch, by the file names' own grammar."""
    wheels = set()
    snapshot = facts.index_snapshot(channel)
    assert snapshot
    for name in snapshot.packages["torch"]:
        version, python_tag, abi, platform = name.removesuffix(".whl").split("-")[-4:]
        if name.count("-") == 5:  # a build number
            version = name.split("-")[1]
        public, _, local = version.partition("+")
        machine = next((candidate for candidate in MACHINES.values() if platform.endswith(candidate)), "")
        try:
            stable = not Version(public).is_prerelease and not Version(public).is_postrelease
        except InvalidVersion:
            continue
        if machine == "aarch64" and not local and channel != "cpu" and Version(public) < Version("2.4"):
            continue  # CPU builds, which every page lists
        if local in {channel, ""} and stable and machine and abi in {python_tag, f"{python_tag}m", "none"}:
            wheels.add((public, python_tag, machine))
    return wheels


BY_INDEX = {
    (channel, release.version, platform): publication(channel, Version(release.version), platform).status
    for channel, platform, release in product(RECORDED, MACHINES, facts.releases())
}


@pytest.mark.parametrize("channel", RECORDED)
def test_release_and_wheel_are_answered_exactly_as_the_index_lists_them(channel: str) -> None:
    """Every release that any page lists, on this channel, for every Python and both platforms."""
    listed = listed_wheels(channel)
    versions = {version for name in RECORDED for version, _, _ in listed_wheels(name)}
    compared = 0
    for (platform, machine), version in product(MACHINES.items(), versions):
        is_listed = any(
            (listed_version, listed_machine) == (version, machine)
            for listed_version, _, listed_machine in listed
        )
        placed = publication(channel, Version(version), platform)
        assert (placed.status == "published") == is_listed, (channel, version, platform)
        for python in PYTHONS:
            has_wheel = (version, "cp" + "".join(python.split(".")[:2]), machine) in listed
            fit = wheel_fit(channel, "torch", version, Version(python), platform)
            assert (fit.status == "fits") == has_wheel, (channel, version, python, platform)
            compared += 1
    assert compared == len(MACHINES) * len(versions) * len(PYTHONS)


@pytest.mark.parametrize(
    ("channel", "version", "platform", "status", "grade"),
    [
        ("cu128", "2.10.0", AMD64, "published", "index snapshot"),
        ("cu128", "2.8.0", ARM64, "absent", "index snapshot"),
        ("cu102", "1.8.0", AMD64, "published", "index snapshot"),  # its wheel has no local part
        ("cu117", "2.0.1", AMD64, "published", "index snapshot"),
        ("cu117", "2.5.1", AMD64, "absent", "index snapshot"),
        ("cu124", "2.6.0", ARM64, "absent", "index snapshot"),
        ("cu124", "2.5.1", ARM64, "published", "index snapshot"),  # its wheel for aarch64 has no local part
        ("cu121", "2.0.1", ARM64, "absent", "index snapshot"),  # the page lists the CPU build
        ("cpu", "2.0.1", ARM64, "published", "index snapshot"),
        ("cu121", "2.6.0", AMD64, "absent", "index snapshot"),
        ("cu128", "2.11.0", AMD64, "published", "release matrix"),  # the snapshot is older
        ("cu128", "2.12.0", AMD64, "absent", "release matrix"),
        ("cu121", "2.12.0", AMD64, "absent", "release matrix"),
        ("cu126", "2.14.1", AMD64, "published", "release matrix"),
        (
            "cu126",
            "2.15.0",
            AMD64,
            "unknown",
            "release matrix",
        ),  # its end is announced, nightly builds were there
        ("cu129", "2.12.0", AMD64, "unknown", "release matrix"),  # the sources differ
        ("cu129", "2.12.1", AMD64, "published", "release matrix"),
        ("cu129", "2.14.0", AMD64, "absent", "release matrix"),
        ("cu130", "2.15.0", AMD64, "published", "release matrix"),
        ("cu132", "2.15.0", AMD64, "published", "release matrix"),
        ("cu132", "2.13.0", ARM64, "published", "release matrix"),
        ("cu132", "2.11.0", AMD64, "absent", "release matrix"),  # there is no snapshot of the channel
        ("cu134", "2.14.1", AMD64, "absent", "release matrix"),  # there is no such channel
        ("cu122", "2.1.2", AMD64, "absent", "release matrix"),
        ("cpu", "2.15.0", ARM64, "published", "release matrix"),
        (
            "rocm6.3",
            "2.8.0",
            AMD64,
            "unknown",
            "release matrix",
        ),  # only channels of CUDA and CPU builds are known
        ("cu130", "2.13.1", AMD64, "absent", None),  # there is no such release
        ("cu130", "2.15.1", AMD64, "unknown", None),  # it may have come since
        ("cu130", "2.14.0rc1", AMD64, "unknown", None),
        ("cu134", "1.0.1", AMD64, "unknown", None),  # older than the facts
        ("pypi", "2.15.0", AMD64, "published", "PyPI"),
        ("pypi", "2.5.9", AMD64, "absent", "PyPI"),
        ("pypi", "2.16.0", AMD64, "unknown", "PyPI"),
    ],
)
def test_a_release_is_decided_by_the_index_else_by_the_release_matrix(
    channel: str, version: str, platform: str, status: str, grade: str | None
) -> None:
    placed = publication(channel, Version(version), platform)
    assert (placed.status, placed.grade) == (status, grade)
    assert bool(placed.reason) == (status == "unknown")
    assert placed.evidence.startswith((grade or "", "the releases of torch")) or status == "unknown"


@pytest.fixture
def no_snapshots(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The facts without any index snapshot."""
    caches = (listed_files, listed_releases, publication, published_releases, wheel_fit)
    monkeypatch.setattr(facts, "index_snapshot", lambda _: None)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_without_index_snapshots_the_release_matrix_says_the_same_or_nothing(no_snapshots: None) -> None:
    """Of each release on each recorded channel: the two grades contradict each other nowhere."""
    assert facts.index_snapshot("cu121") is None
    for channel, platform in product(RECORDED, MACHINES):
        for release in facts.releases():
            by_matrix = publication(channel, Version(release.version), platform).status
            if release.released <= "2026-03-15":
                by_index = BY_INDEX[channel, release.version, platform]
                assert by_matrix in {by_index, "unknown"}, (channel, release.version, platform)
                assert platform == ARM64 or by_matrix == by_index, (channel, release.version)


def test_the_evidence_says_why_the_index_did_not_decide() -> None:
    older = publication("cu130", Version("2.13.0"), AMD64)
    assert older.evidence.startswith(
        "release matrix, as the index snapshot of cu130 (2026-03-15) is older: pytorch/pytorch RELEASE.md"
    )
    missing = publication("cu132", Version("2.13.0"), AMD64)
    assert missing.evidence.startswith("release matrix, as there is no index snapshot of cu132: ")


@pytest.mark.parametrize(
    ("channel", "package", "version", "python", "platform", "status"),
    [
        ("cu130", "torch", "2.13.0", "3.14.0", AMD64, "fits"),
        ("cu130", "torch", "2.11.0", "3.14.0", ARM64, "fits"),
        ("cu130", "torch", "2.13.0", "3.9.1", AMD64, "absent"),
        ("cu130", "torch", "2.11.0", "3.15.0", AMD64, "absent"),
        ("cu130", "torch", "2.13.0", "3.15.0", AMD64, "unknown"),  # validated on PyTorch's own index only
        ("cu132", "torch", "2.15.0", "3.15.0", ARM64, "fits"),
        ("cu132", "torch", "2.15.0", "3.10.1", AMD64, "absent"),
        ("cu126", "torch", "2.15.0", "3.12.1", AMD64, "unknown"),
        ("cu130", "torchvision", "0.28.0", "3.12.1", AMD64, "fits"),
        ("cu130", "torchvision", "0.29.2", "3.13.1", ARM64, "fits"),  # one py3 wheel for all
        ("cu132", "torchvision", "0.26.0", "3.12.1", AMD64, "unknown"),  # torch 2.11 is not on it
        ("cu130", "torchvision", "0.99.0", "3.12.1", AMD64, "unknown"),
        ("cu129", "torchaudio", "2.11.0", "3.12.1", AMD64, "fits"),
        ("cu132", "torchaudio", "2.11.0", "3.12.1", AMD64, "unknown"),
        ("cu124", "torch", "2.5.1", "3.13.1", AMD64, "fits"),
        ("pypi", "torch", "2.5.1", "3.13.1", AMD64, "fits"),
        ("pypi", "torch", "2.5.1", "3.13.1", ARM64, "absent"),  # PyPI has it for x86_64 only
        ("pypi", "torch", "1.9.1", "3.9.1", ARM64, "absent"),
        ("pypi", "torch", "2.11.0", "3.12.1", ARM64, "fits"),
        ("pypi", "torch", "2.9.1", "3.14.0", "macos/arm64", "fits"),
        ("pypi", "torch", "2.8.0", "3.14.0", "macos/arm64", "absent"),
        ("pypi", "torchvision", "0.24.1", "3.12.1", AMD64, "fits"),
        ("pypi", "torchaudio", "2.9.1", "3.9.1", AMD64, "absent"),
        ("pypi", "torchaudio", "2.12.0", "3.12.1", AMD64, "unknown"),
    ],
)
def test_a_wheel_fits_by_the_index_else_by_those_of_pypi(
    channel: str, package: str, version: str, python: str, platform: str, status: str
) -> None:
    fit = wheel_fit(channel, package, version, Version(python), platform)
    assert fit.status == status, fit
    assert bool(fit.reason) == (status == "unknown")
    assert bool(fit.evidence) == (status != "unknown")


def test_a_wheel_by_the_matrix_names_both_of_its_grounds_and_the_glibc_of_the_release() -> None:
    fit = wheel_fit("cu130", "torch", "2.13.0", Version("3.12.1"), AMD64)
    assert fit.evidence.startswith("release matrix, as the index snapshot of cu130 (2026-03-15) is older: ")
    assert "; the Pythons: PyPI: PyPI's list of the files of torch" in fit.evidence
    assert fit.glibc == 28
    absent = wheel_fit("cu130", "torch", "2.13.0", Version("3.9.1"), AMD64)
    assert absent.pythons == ("cp310", "cp311", "cp312", "cp313", "cp314")  # without the free-threaded ones


def test_a_channel_has_what_its_snapshot_lists_and_what_came_later() -> None:
    released = {str(version) for version in published_releases("cu130", AMD64)}
    assert released == {
        "2.9.0", "2.9.1", "2.10.0", "2.11.0", "2.12.0", "2.12.1", "2.13.0", "2.14.0", "2.14.1", "2.15.0",
    }  # fmt: skip
    assert channels_with_release("2.14.1", AMD64) == ("cpu", "cu126", "cu130", "cu132")
    assert channels_with_release("1.8.1", AMD64) == ("cpu", "cu101", "cu102", "cu111")


MATRIX_ERA = [
    row.name for row in facts.channels() if row.recorded and any(name.startswith("2.") for name in row.series)
]


@pytest.mark.parametrize("channel", MATRIX_ERA)
def test_the_wheels_of_a_channel_have_the_pythons_of_pypi(channel: str) -> None:
    """What wheels by the release matrix rest on: since torch 2.0, on each channel for x86_64."""
    listed: dict[str, set[str]] = {}
    for version, python_tag, machine in listed_wheels(channel):
        if machine == "x86_64" and Version(version) >= Version("2.0"):
            listed.setdefault(version, set()).add(python_tag)
    assert listed
    for version, pythons in listed.items():
        wheels = facts.pypi_wheels("torch", version)
        assert wheels is not None
        assert pythons == {tag for tag in wheels.x86_64 if not tag.endswith("t")}, (channel, version)


@pytest.mark.parametrize(
    ("file", "minor"),
    [
        ("torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl", 0),
        ("torch-2.8.0+cu128-cp310-cp310-manylinux_2_28_x86_64.whl", 28),
        ("torch-2.5.1-cp310-cp310-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", 17),
        ("torch-1.2.0+cu92-cp37-cp37m-manylinux1_x86_64.whl", 17),
    ],
)
def test_the_glibc_of_a_wheel_is_in_its_tag(file: str, minor: int) -> None:
    assert required_glibc(file) == minor
