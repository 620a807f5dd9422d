"""LCK: the lock matches its description, was not edited, and takes torch from the pinned index alone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from torchpin import facts, paths
from torchpin.checks.context import reports_repository
from torchpin.checks.registry import Unknown, check, finding
from torchpin.compat.family import channel_names, layer_members, needs_companion
from torchpin.compat.wheels import supports
from torchpin.description.environments import target_text
from torchpin.facts.versions import parse_version, public_version
from torchpin.lock import compare, cooldown
from torchpin.lock.file_format import PROVIDED, UPSTREAM_PREFIX
from torchpin.lock.layers import OUT_OF_DATE, TORCH, layer_index, outdated_files
from torchpin.lock.statements import LICENSES, WHEELS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from packaging.utils import NormalizedName
    from packaging.version import Version

    from torchpin.checks.context import CheckContext
    from torchpin.model import Artifact, Environment, Finding, LayerLock, Lock

_MOST_DIFFERENCES = 3  # of a layer and its description that are listed


@check("LCK001", "the lock no longer matches its description")
def lock_is_fresh(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock` and commit what it writes.

    Each layer file holds a digest of its inputs: Python, platform, channel, torch and the layer's packages. When one of
    them changes in the description, the layer is out of date. Beside the layers lie the licenses of the locked files, and
    what was read out of them.

    Example: tqdm==4.66.5 became tqdm==4.67.1 in the description, and 02-training.requirements.txt was locked before.

    Sources: docs/ARCHITECTURE.md, locks name no host and are sealed.
    """
    lock = context.locks.get(env.name)
    if not lock:
        if not context.lock_files.get(env.name):
            folder = paths.lock_folder(env.name)
            yield finding(env, folder, "is missing", about=env.name)
        return  # a lock that cannot be parsed is reported by LCK002
    yield from _outdated_statements(env, lock, context.lock_files.get(env.name, ()))
    for file in context.lock_files.get(env.name, ()):
        present_name = paths.present_name(file)
        if file != present_name:
            message = f"has a former name; `invoke lock` renames it to {present_name}"
            path = paths.lock_path(env.name, file)
            yield finding(env, path, message, about=paths.lock_part(present_name))
    for file, problem, about in outdated_files(env, lock):
        path = paths.lock_path(env.name, file)
        differences = _differences(env, lock, about) if problem == OUT_OF_DATE else ""
        yield finding(env, path, f"{problem}{differences}", about=about)
    for layer in lock.layers:
        if layer.uv != context.uv:
            path = paths.lock_path(env.name, layer.file)
            message = f"was locked by uv {layer.uv}, but torchpin pins uv {context.uv}"
            yield finding(env, path, message, about=layer.name)


def _differences(env: Environment, lock: Lock, name: str) -> str:
    """The first differences of a layer and its description, as the end of a message; "" where the lock tells none."""
    layer = next((layer for layer in lock.layers if layer.name == name), None)
    clauses = [*compare.described_differences(env, lock, layer)] if layer else []
    unlisted = [f"{len(clauses) - _MOST_DIFFERENCES} more"] if len(clauses) > _MOST_DIFFERENCES else []
    return f": {'; '.join([*clauses[:_MOST_DIFFERENCES], *unlisted])}" if clauses else ""


def _outdated_statements(env: Environment, lock: Lock, files: Collection[str]) -> Iterator[Finding]:
    """Findings for a file of licenses or wheels that is missing, or is about other files than are locked."""
    for file in sorted({LICENSES, WHEELS} - {*files}):
        yield finding(env, paths.lock_path(env.name, file), "is missing", about=file.removesuffix(".txt"))
    if WHEELS not in files or list(outdated_files(env, lock)):
        return  # a lock that is out of date has other packages
    path = paths.lock_path(env.name, WHEELS)
    locked = {(package.name, package.sha256): package for package in lock.all_packages.values()}
    stated = {(wheel.name, wheel.sha256): wheel for wheel in lock.wheels}
    for key in sorted(locked.keys() - stated.keys()):
        message = f"has no line for {locked[key].filename}"
        yield finding(env, path, message, about=locked[key].name)
    for key in sorted(stated.keys() - locked.keys()):
        message = f"has a line for {stated[key].name} {stated[key].version}, which is not locked"
        yield finding(env, path, message, about=stated[key].name)


@check("LCK002", "the lock was edited by hand")
def lock_is_untouched(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Restore it with `git restore`, or write it again with `invoke lock --service SERVICE --overwrite`; edit pins in service.yaml.

    The header of a layer file holds a digest of its lines. A version or hash that was changed by hand does not match the
    digest, and its origin cannot be verified.

    Example: a version in 00-torch.requirements.txt was raised and its hash was not.

    Sources: docs/ARCHITECTURE.md, locks name no host and are sealed.
    """
    for problem in context.broken.get(env.name, ()):
        location, _, message = problem.partition(": ")
        help_text = (
            f"restore it: `git restore {paths.lock_folder(env.name)}`, or write it again: "
            f"`invoke lock --service {env.service.name} --overwrite`"
        )
        yield finding(env, location, message, about=env.name, help=help_text)


@check("LCK003", "torch does not come from its pinned index alone", "lock")
def torch_has_one_origin(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock`; torch's family belongs in 00-torch.requirements.txt, from the variant's channel.

    The family is torch, its companions, and what has a build for each channel (torchvision, torchaudio, fbgemm-gpu),
    whoever requires it. In another layer it would be installed from PyPI, whose default build is for another CUDA. A build
    from another channel has another local version.

    Example: torch 2.8.0+cpu is locked, and timm brings torchvision 0.23.0 from PyPI, which needs libtorch_cuda.so.

    Sources: vllm-project/vllm issue 56829: an official image with torch+cu130 beside cu129 companions;
    sam-dumont/immich-video-memory-generator PR 806.
    """
    lock = context.locks[env.name]
    # The torch of a base image is locked in a layer of its own, which is resolved with and never installed.
    home = PROVIDED if env.service.torch.origin == "base" else TORCH
    versions = {name: str(version) for name, version in env.service.torch.family.items()} | layer_members(env)
    for layer in (*lock.layers, *([lock.provided] if lock.provided else [])):
        location = paths.lock_path(env.name, layer.file)
        expected = layer_index(env, layer.name)
        if layer.origin != expected:
            message = f"the index of {layer.name} is {layer.origin}, expected {expected}"
            yield finding(env, location, message, about=layer.name)
        for package in layer.packages:
            message = _misplaced(env, package, layer, home, versions)
            if message:
                yield finding(env, location, message, about=package.name)
    for name in sorted({*versions} - {*lock.all_packages}):
        yield finding(
            env, paths.lock_path(env.name, paths.lock_file(home)), f"{name} is not locked", about=name
        )


def _misplaced(
    env: Environment, package: Artifact, layer: LayerLock, home: str, versions: Mapping[str, str]
) -> str:
    """Why a locked package does not come from where it should, "" if it does."""
    channel = env.variant.channel
    is_member = package.name in channel_names(env)
    requirers = " and ".join(name for name in package.required_by if name != env.service.name)
    if needs_companion(env, package.name) and layer.name != home:
        return (
            f"{package.name} {package.version} is PyPI's build, which is not for the torch of {env.base.image}; "
            f"{requirers} requires it: name it under `torch.companions`"
        )
    if is_member and layer.name != home and package.name not in env.service.torch.family:
        requirers_note = f", whoever requires it ({requirers})" if requirers else ""
        return (
            f"{package.name} {package.version} is locked from {layer.origin} in {layer.name}; "
            f"it belongs in {home}, from {channel} as torch{requirers_note}"
        )
    if is_member != (layer.name == home):
        return f"{package.name} does not belong in {layer.name}"
    if not is_member:
        return ""
    release = versions.get(package.name, parse_version(package.version).public)
    if not _is_build(env, package.version, release):
        return f"{package.name} {package.version} is not the {channel} build of {release}"
    return ""


def _is_build(env: Environment, version: str, release: str) -> bool:
    """Whether a locked version is the channel's build of a release.

    The indexes publish wheels for arm64 with and without a local version, PyPI only without.
    """
    if env.variant.channel == "pypi":
        return version == release
    if env.variant.platform == "linux/amd64":
        return version == f"{release}+{env.variant.channel}"
    return version.split("+", maxsplit=1)[0] == release


@check("LCK004", "a locked artifact has no hash or a wrong file name", "lock")
def artifacts_are_hashed(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock`; a package has exactly one artifact, whose file name has the package and the version.

    Packages are installed with --require-hashes and --no-deps, one file for each package. The file name must have the
    locked version, and a package must be in one layer only.

    Example: tqdm 4.66.5 is locked with tqdm-4.67.1-py3-none-any.whl.

    Sources: pip's documentation of hash-checking mode.
    """
    files_by_package: dict[str, str] = {}
    for layer in context.locks[env.name].layers:
        location = paths.lock_path(env.name, layer.file)
        for package in layer.packages:
            if package.name in files_by_package:
                message = f"{package.name} is also locked in {files_by_package[package.name]}"
                yield finding(env, location, message, about=package.name)
            files_by_package[package.name] = layer.file
            if not _name_matches(package):
                message = f"{package.filename} is not a file of {package.name} {package.version}"
                yield finding(env, location, message, about=package.name)
            elif not supports(package.filename, env.service.python, env.variant.platform):
                target = target_text(env)
                message = f"{package.filename} does not support {target}"
                yield finding(env, location, message, about=package.name)


def _name_matches(package: Artifact) -> bool:
    """Whether a file name has the package and the version that are locked."""
    is_elsewhere = package.origin in {"address", "repository"}
    return _is_file_of(package.filename, package.name, package.version, is_elsewhere)


@lru_cache(maxsize=20_000)  # as below
def _is_file_of(filename: str, package: str, locked: str, is_elsewhere: bool) -> bool:
    parsed = _parse_filename(filename)
    if parsed is None:
        return False
    name, version = parsed
    locked_version = parse_version(locked)
    has_abi_name = name in facts.abi_packages() or is_elsewhere
    # An ABI wheel has its ABI as a local version in the file name, and not in its metadata.
    return name == package and version in {locked_version, public_version(locked_version)} | (
        {version} if version.public == locked_version.public and has_abi_name else set()
    )


@lru_cache(maxsize=20_000)  # variants and services have many files in common
def _parse_filename(filename: str) -> tuple[NormalizedName, Version] | None:
    """The package and the version in a file name; None for a name that is none."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[:2]
        return parse_sdist_filename(filename)
    except (InvalidSdistFilename, InvalidWheelFilename):
        return None


@check("LCK005", "a hash is not that of the index snapshot", "lock")
def hashes_equal_the_recorded(context: CheckContext, env: Environment) -> Iterator[Finding | Unknown]:
    """Find out which of the two hashes is wrong before anything is installed, then run `invoke lock`.

    The index snapshots hold the hashes that PyTorch's index published. Another locked hash means another file of the
    same name: a replaced wheel, a mirror with other files, or a wrong snapshot. A file without a recorded hash is
    unknown.

    Example: torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl is locked with a hash that the index snapshot does not have.

    Sources: the snapshots of the PyTorch index; pytorch/pytorch issue 164347 (missing hashes).
    """
    yield from _abi_hashes(context, env)
    channel = env.variant.channel
    if channel == "pypi":
        return  # there are snapshots of the channels only
    recorded = facts.index_snapshot(channel)
    packages = (
        recorded.packages
        if recorded and context.published is None
        else (context.published or {}).get(channel, {})
    )
    source = recorded.citation if recorded and context.published is None else "the lab's index"
    if not packages:
        yield Unknown(message=f"the index of {channel} is not recorded")
        return
    lock = context.locks[env.name]
    layer = lock.provided or next((candidate for candidate in lock.layers if candidate.name == TORCH), None)
    for package in layer.packages if layer else ():
        recorded_hash = packages.get(package.name, {}).get(package.filename)
        if recorded_hash is None:
            yield Unknown(message=f"the hash of {package.filename} is not recorded")
        elif recorded_hash != package.sha256:
            location = paths.lock_path(env.name, layer.file if layer else paths.lock_file(TORCH))
            message = _mismatch_message(package, recorded_hash)
            yield finding(env, location, message, about=package.name, evidence=source)


def _mismatch_message(package: Artifact, recorded_hash: str | None) -> str:
    recorded = f"recorded: {recorded_hash}" if recorded_hash else "no such file is recorded"
    return f"the hash of {package.filename} does not match; locked: {package.sha256}, {recorded}"


def _abi_hashes(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Findings for ABI wheels whose hash is not that of the facts, or of the lab's own releases."""
    recorded_hashes = {wheel.filename: wheel.sha256 for wheel in facts.wheels()}
    for layer in context.locks[env.name].layers:
        if layer.origin not in facts.abi_packages():
            continue
        published_hashes = (context.published or {}).get(layer.origin, {}).get(layer.origin, {})
        for package in layer.packages:
            recorded = (
                published_hashes.get(package.filename)
                if context.published is not None
                else recorded_hashes.get(package.filename)
            )
            if recorded != package.sha256:
                location = paths.lock_path(env.name, layer.file)
                yield finding(env, location, _mismatch_message(package, recorded), about=package.name)


@check("LCK006", "the lock names a package host")
def lock_names_no_host(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock`; the same lock is used with any mirror.

    A lock with an address works only where that host can be reached, and discloses the mirrors of the machine that wrote
    it.

    Example: a line with --index-url in 00-torch.requirements.txt.

    Sources: docs/ARCHITECTURE.md, locks name no host and are sealed.
    """
    for name, text in context.lock_files.get(env.name, {}).items():
        if name.startswith(UPSTREAM_PREFIX):
            continue  # a source may require a package by URL: that is compared, never installed
        for number, line in enumerate(text.splitlines(), start=1):
            if "://" in line or "--index" in line or "--find-links" in line:
                yield finding(
                    env,
                    f"{paths.lock_path(env.name, name)}:{number}",
                    "the lock has a URL or an index option",
                    about=name,
                )


@check("LCK007", "files of a removed environment are left over")
def nothing_is_orphaned(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Remove the folder, or restore the description of its environment.

    No command updates the lock, rendering or record of an environment that is not described.

    Example: the folder lockfiles/lora-cpu, while lora has no variant cpu.

    Sources: docs/ARCHITECTURE.md, words: environment.
    """
    if not reports_repository(context, env):
        return  # orphans belong to the repository: reported once, for the first environment
    for folder in context.orphans:
        yield finding(env, folder, f"{folder} belongs to no described environment", about=folder)


@check("LCK008", "the lock violates the cool-down", "lock")
def lock_keeps_the_cooldown(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke lock`, which resolves with the cut-off that the cool-down gives, and records it.

    `cooldown: 7 days` in services/policy.yaml means that nothing is locked before PyPI has had it for so long: most harmful
    releases are found and withdrawn within days. A lock names its cut-off in its header and keeps it while nothing moves.

    Example: 02-training.requirements.txt was locked before the cool-down was decided on, or with a shorter one.

    Sources: the documentation of uv, exclude-newer.
    """
    if context.policy is None:
        return
    lock = context.locks[env.name]
    latest = cooldown.newest_cutoff(context.policy, context.today)
    for layer in cooldown.dated_layers(lock):
        message = _broken_cooldown(layer, context.policy.cooldown, latest)
        if message:
            yield finding(env, paths.lock_path(env.name, layer.file), message, about=layer.name)
            return  # all layers are locked at once


def _broken_cooldown(layer: LayerLock, days: int, latest: str) -> str:
    """How a layer does not keep a cool-down whose cut-off is at most `latest`, "" if it does."""
    if layer.cutoff and not days:
        return f"was locked with a cool-down (until {layer.cutoff[:10]}), and {paths.POLICY} has none"
    if days and not layer.cutoff:
        return f"was locked without the cool-down of {days} days"
    if layer.cutoff > latest:
        return (
            f"has files that were published up to {layer.cutoff[:10]}, and the cool-down of {days} days allows them up to "
            f"{latest[:10]}"
        )
    return ""
