"""LCK: the lock answers the description, is untouched, and takes torch from the pinned index alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from torchpin import facts
from torchpin.checks.registry import Unknown, check, finding
from torchpin.compat.wheels import best_wheel
from torchpin.lock.layers import PROVIDED, TORCH, layer_index, outdated_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.model import Artifact, Environment, Finding


def lock_folder(env: Environment) -> str:
    return f"lockfiles/{env.name}"


@check("LCK001", "The lock answers the description")
def lock_is_fresh(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock` and commit what it writes.

    Each layer file holds a digest of what it answers: Python, platform, channel, torch and the layer's packages.
    When the description changes, the layers concerned no longer answer it.

    Example: tqdm==4.66.5 became tqdm==4.67.1 in the description, and 02-training.txt was locked before.

    Sources: docs/ARCHITECTURE.md, locks name no host and are sealed.
    """
    lock = evidence.locks.get(env.name)
    if not lock:
        if not evidence.lock_files.get(env.name):
            yield finding(env, lock_folder(env), "there is no lock", about=env.name)
        return
    for file, message, about in outdated_files(env, lock):
        yield finding(env, f"{lock_folder(env)}/{file}", message, about=about)
    for layer in lock.layers:
        if layer.uv != evidence.uv:
            message = f"was locked by uv {layer.uv}; torchpin pins {evidence.uv}"
            yield finding(env, f"{lock_folder(env)}/{layer.file}", message, about=layer.name)


@check("LCK002", "The lock is untouched")
def lock_is_untouched(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock` to make it again, or restore it from git; generated files are not edited.

    A layer file's header seals its own lines. A version or hash that was changed by hand breaks the seal, and
    nothing would prove where it came from.

    Example: somebody raised a version in 00-torch.txt and left its hash.

    Sources: docs/ARCHITECTURE.md, locks name no host and are sealed.
    """
    for problem in evidence.broken.get(env.name, ()):
        location, _, message = problem.partition(": ")
        yield finding(env, location, message, about=env.name)


@check("LCK003", "torch comes from the pinned index, and from nowhere else", "lock")
def torch_has_one_origin(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock`; torch and its companions belong into 00-torch.txt, from the variant's channel.

    A torch in another layer would be installed from PyPI, whose default build is another CUDA's. A build from
    another channel has another local part.

    Example: 00-torch.txt says origin cu124 while the variant is on cu121.

    Sources: vllm-project/vllm issue 56829: an official image with torch+cu130 beside cu129 companions.
    """
    channel = env.variant.channel
    family = env.service.torch.family
    lock = evidence.locks[env.name]
    home = PROVIDED if env.service.torch.origin == "base" else TORCH
    for layer in (*lock.layers, *([lock.provided] if lock.provided else [])):
        location = f"{lock_folder(env)}/{layer.file}"
        expected = layer_index(env, layer.name)
        if layer.origin != expected:
            yield finding(
                env, location, f"its origin is {layer.origin}, expected {expected}", about=layer.name
            )
        for package in layer.packages:
            if (package.name in family) != (layer.name == home):
                yield finding(
                    env, location, f"{package.name} does not belong into this layer", about=package.name
                )
            elif package.name in family and not _is_build(env, package.version, str(family[package.name])):
                message = f"{package.name} {package.version} is not {family[package.name]} of {channel}"
                yield finding(env, location, message, about=package.name)
    for name in sorted({*family} - {*lock.all_packages}):
        yield finding(env, f"{lock_folder(env)}/{home}.txt", f"{name} is not locked", about=name)


def _is_build(env: Environment, version: str, release: str) -> bool:
    if env.variant.channel == "pypi":
        return version == release
    if env.variant.platform == "linux/amd64":
        return version == f"{release}+{env.variant.channel}"
    return version.split("+", maxsplit=1)[0] == release


@check("LCK004", "Every artifact is hashed and named", "lock")
def artifacts_are_hashed(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock`; a package has exactly one artifact, whose name gives the package and version.

    Installing is done with --require-hashes and --no-deps: one file a package, by its hash. A file whose name gives
    another version, or a package that stands in two layers, is refused.

    Example: tqdm 4.66.5 is locked with tqdm-4.67.1-py3-none-any.whl.

    Sources: pip's documentation of hash-checking mode.
    """
    seen: dict[str, str] = {}
    for layer in evidence.locks[env.name].layers:
        location = f"{lock_folder(env)}/{layer.file}"
        for package in layer.packages:
            if package.name in seen:
                yield finding(
                    env, location, f"{package.name} is locked in {seen[package.name]} too", about=package.name
                )
            seen[package.name] = layer.file
            best = best_wheel((package,), env.service.python, env.variant.platform)
            if not _name_matches(package):
                yield finding(
                    env,
                    location,
                    f"{package.filename} is not {package.name} {package.version}",
                    about=package.name,
                )
            elif best is None:
                yield finding(
                    env,
                    location,
                    f"{package.filename} does not fit Python {env.service.python} on {env.variant.platform}",
                    about=package.name,
                )


def _name_matches(package: Artifact) -> bool:
    """Whether a file's name gives its package and version."""
    try:
        if package.is_source:
            name, version = parse_sdist_filename(package.filename)
        else:
            name, version, _, _ = parse_wheel_filename(package.filename)
    except (InvalidSdistFilename, InvalidWheelFilename):
        return False
    locked_version = Version(package.version)
    # an ABI wheel says its ABI as a local version in the file's name alone
    return name == package.name and version in {locked_version, Version(locked_version.public)} | (
        {version} if version.public == locked_version.public and name in facts.abi_packages() else set()
    )


@check("LCK005", "Hashes equal the recorded index", "lock")
def hashes_equal_the_recorded(evidence: CheckContext, env: Environment) -> Iterator[Finding | Unknown]:
    """Find out which of the two is wrong before anything is installed; then `invoke lock`.

    The recorded pages hold the hashes that PyTorch's index published. A locked hash that differs means another file
    of the same name: a replaced wheel, a mirror that is none, or a wrong record. Files without a recorded hash are
    unknown.

    Example: torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl is locked with a hash that the recorded page does not
    have.

    Sources: the recorded pages of the PyTorch index; pytorch/pytorch issue 164347 (missing hashes).
    """
    yield from _abi_hashes(evidence, env)
    channel = env.variant.channel
    if channel == "pypi":
        return
    recorded = facts.index_snapshot(channel)
    packages = (
        recorded.packages
        if recorded and evidence.published is None
        else (evidence.published or {}).get(channel, {})
    )
    source = (
        f"{recorded.source} ({recorded.date})"
        if recorded and evidence.published is None
        else "the lab's index"
    )
    if not packages:
        yield Unknown(message=f"the index of {channel} is not recorded")
        return
    lock = evidence.locks[env.name]
    layer = lock.provided or next((candidate for candidate in lock.layers if candidate.name == TORCH), None)
    for package in layer.packages if layer else ():
        recorded_hash = packages.get(package.name, {}).get(package.filename)
        if recorded_hash is None:
            yield Unknown(message=f"{package.filename} has no recorded hash")
        elif recorded_hash != package.sha256:
            location = f"{lock_folder(env)}/{layer.file if layer else TORCH}"
            message = f"{package.filename} is locked as {package.sha256}, recorded is {recorded_hash}"
            yield finding(env, location, message, about=package.name, evidence=source)


def _abi_hashes(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """ABI wheels against what the facts (or the lab's own releases) record of their files."""
    recorded_hashes = {wheel.filename: wheel.sha256 for wheel in facts.wheels()}
    for layer in evidence.locks[env.name].layers:
        if layer.origin not in facts.abi_packages():
            continue
        published_hashes = (evidence.published or {}).get(layer.origin, {}).get(layer.origin, {})
        for package in layer.packages:
            recorded = (
                published_hashes.get(package.filename)
                if evidence.published is not None
                else recorded_hashes.get(package.filename)
            )
            if recorded != package.sha256:
                message = f"{package.filename} is locked as {package.sha256}, recorded is {recorded}"
                yield finding(env, f"{lock_folder(env)}/{layer.file}", message, about=package.name)


@check("LCK006", "The lock names no package host")
def lock_names_no_host(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock`; a lock is neutral to mirrors.

    A lock that names an address works on the machine that made it only, and tells where that machine fetches from.

    Example: a line with --index-url in 00-torch.txt.

    Sources: docs/ARCHITECTURE.md, locks name no host and are sealed.
    """
    for name, text in evidence.lock_files.get(env.name, {}).items():
        if name.startswith("upstream-"):
            continue  # a source may ask for a package by address; that is compared, never installed
        for number, line in enumerate(text.splitlines(), start=1):
            if "://" in line or "--index" in line or "--find-links" in line:
                yield finding(env, f"{lock_folder(env)}/{name}:{number}", "names an address", about=name)


@check("LCK007", "Nothing is left of an environment that is gone")
def nothing_is_orphaned(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Remove the folder, or bring its description back.

    A lock, rendering or record of an environment that no description has is kept true by nothing.

    Example: lockfiles/lora-cpu is there, and lora has no variant cpu.

    Sources: docs/ARCHITECTURE.md, words: environment.
    """
    if env != evidence.environments[0]:
        return  # the repository's, said once
    for folder_ in evidence.orphans:
        yield finding(env, folder_, "belongs to no described environment", about=folder_)
