"""The plan of an image: install steps, build context, expectations of its probe, and image key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from torchpin import facts, paths
from torchpin.compat.compiled import compiled_versions, compute_capabilities
from torchpin.compat.cudnn import cudnn_number, loaded_cudnn
from torchpin.compat.pins import declared_names, file_packages
from torchpin.compat.recommendations import source_names
from torchpin.description.environments import MACHINES, cuda_version, mirror_variable, torch_build
from torchpin.image.groups import package_groups
from torchpin.image.stage import compiled_folders, repository_files, stage_files, stage_plan
from torchpin.image.steps import BELOW_APT, IN_CONTEXT, InstallStep, install_steps, step_sizes
from torchpin.lock import file_format, sealing
from torchpin.lock.export import install_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.image.stage import StagePlan
    from torchpin.model import Artifact, CopiedFiles, Environment, Lock, PackageFile, Service, Source, Variant

__all__ = ["BuildContext", "Image", "InstallStep", "install_steps", "step_sizes"]

# Variables that name a folder in which libraries keep what they download or compile.
# Files of a build context that the proof reads; what an earlier proof has shown is nothing, unless a build knows of one.
SMOKE_TEST, EXPECTATION, KEPT_PROOF = "smoke.py", "expect.json", "kept.json"
NOTHING_KEPT = "{}\n"
_CACHE_VARIABLE = re.compile(r"(HF|TORCH|XDG_\w+)_HOME|\w+_CACHE(_DIR)?|MPLCONFIGDIR|TMPDIR")


@dataclass(frozen=True, kw_only=True, slots=True)
class CopyStep:
    """One copy step of an image: `origin` in the repository, `context` in the build context, `target` in the image.

    `owner` is `user:group`, "" for root. `source` is the source in whose folder it lies, of which it may replace nothing.
    """

    origin: str
    context: str
    target: str
    owner: str
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceInstall:
    """A source that is installed itself: its folder in the image, and whether what is imported is that folder."""

    name: str
    home: str
    editable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """The values that the Dockerfile template may use. `sources` are (source, its folder in the image).

    `owner` is `user:group` of the container's user, "" for root; `uid` and `gid` are its numbers where it has no name of its
    own. `folders` are made for it. `finished`: with what is only copied or set, too, and not only what has to run.
    """

    environment: str
    service: Service
    variant: Variant
    base: str
    torch: str
    python_mirror: str
    steps: tuple[InstallStep, ...]
    below_apt: tuple[str, ...]  # the places of steps that come before system packages
    build_file: str  # of the build requirements
    sources: tuple[tuple[Source, str], ...]
    files: tuple[CopyStep, ...]
    owner: str
    uid: str
    gid: str
    folders: tuple[str, ...]
    source_installs: tuple[SourceInstall, ...]
    has_build_tools: bool  # whether these have build requirements
    env: Mapping[str, str]
    epoch: int
    time_reason: str
    stage: StagePlan | None = None
    finished: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildContext:
    """A build context: texts by path, the uv release, and by their path in the context the sources, copied files and locked
    files.

    `left_out` are files of the repository that no copied folder brings along.
    """

    files: Mapping[str, str]
    uv: str
    sources: Mapping[str, Source] = field(default_factory=dict)
    copied: Mapping[str, CopiedFiles] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    packages: Mapping[str, tuple[Artifact, PackageFile]] = field(default_factory=dict)


def source_installs(env: Environment) -> tuple[SourceInstall, ...]:
    """The sources that are installed themselves, in the order of the description."""
    return tuple(
        SourceInstall(
            name=source.name,
            home=f"{env.service.home}/{source.folder}",
            editable=source.install == "editable",
        )
        for source in env.service.sources
        if source.is_package
    )


def image_time(env: Environment) -> tuple[int, str]:
    """The time of an image and of its files in seconds since 1970, and what it is.

    The description decides it, so it is the same on each machine and day: no image is older than its torch.
    """
    version = env.service.torch.version
    release = facts.release(str(version))
    released = release.released if release else "1980-01-01"
    moment = datetime.fromisoformat(f"{released}T00:00:00+00:00")
    reason = f"the day of torch {version}" if release else "the first day that a zip file can hold"
    return int(moment.timestamp()), f"{released}, {reason}"


def image_plan(env: Environment, lock: Lock) -> Image:
    """The image of an environment, for the template."""
    service = env.service
    homes = tuple((source, f"{service.home}/{source.folder}") for source in env.shipped_sources)
    reported = sorted(declared_names(env.layers[:1]))
    torchpin_env = {
        "TORCHPIN_FREEZE": service.run.freeze or "",
        "TORCHPIN_REPORT": " ".join(reported),
        "TORCHPIN_SOURCES": ":".join(home for _, home in homes),
    }
    epoch, time_reason = image_time(env)
    user = service.run.user or ""
    uid, _, gid = user.partition(":") if ":" in user else ("", "", "")
    return Image(
        environment=env.name,
        service=service,
        variant=env.variant,
        base=env.base.reference,
        torch=lock.all_packages["torch"].version,
        python_mirror=mirror_variable("python"),
        steps=install_steps(env, lock),
        below_apt=BELOW_APT,
        build_file=paths.lock_file(file_format.BUILD),
        sources=homes,
        files=copy_steps(service),
        owner=_ownership(user),
        uid=uid,
        gid=gid,
        folders=(*(service.run.volumes if user else ()), *service.run.writable),
        source_installs=source_installs(env),
        has_build_tools=any(upstream.build for upstream in lock.upstreams),
        env={**service.run.env, **{name: value for name, value in torchpin_env.items() if value}},
        epoch=epoch,
        time_reason=time_reason,
        stage=stage_plan(env, lock),
    )


def copy_steps(service: Service) -> tuple[CopyStep, ...]:
    """The copy steps of a service's own files."""
    return tuple(
        CopyStep(
            origin=files.origin,
            context=f"files/{number}",
            target=service.path_in_image(files.target),
            owner="" if files.owner == "root" else _ownership(files.owner),
            source=_source_around(service, service.path_in_image(files.target)),
        )
        for number, files in enumerate(service.files)
    )


def _source_around(service: Service, path: str) -> str:
    around = [source for source in service.sources if path.startswith(f"{service.home}/{source.folder}/")]
    return max(around, key=lambda source: len(source.folder)).name if around else ""


def _ownership(user: str) -> str:
    """`user:group` of a user, whose group has its name; ids stay as they are."""
    return user if ":" in user or not user else f"{user}:{user}"


def probe_expectations(
    env: Environment, lock: Lock, *, home: str | None = None, has_libraries: bool = True
) -> dict[str, object]:
    """The content of expect.json, which the probe compares an environment with.

    `home` is the folder of the sources, by default that of the image; without `has_libraries` no package has to find those
    that its files need.
    """
    optional = lock.optional_names
    versions = {name: package.version for name, package in sorted(lock.packages.items())}
    build = torch_build(env)
    release = str(env.service.torch.version)
    compiled = facts.compiled_archs(release, build, MACHINES[env.variant.platform]) if build else None
    # Not every arm64 wheel has the local part in its version, so the probe compares the release alone there.
    carries_local = build and env.variant.platform == "linux/amd64"
    inherited = {package.name: package.version for package in lock.provided.packages} if lock.provided else {}
    return {
        "environment": env.name,
        "python": str(env.service.python),
        "distributions": {
            **{name: version for name, version in versions.items() if name not in optional},
            **dict.fromkeys(sorted(lock.source_distributions), ""),  # the commit decides the version
        },
        "optional": {name: version for name, version in versions.items() if name in optional},
        "inherited": inherited,
        "torch": {
            "version": f"{release}+{build}" if carries_local else release,
            "cuda": cuda_version(env),
            "archs": list(compiled.sm) if compiled else None,
            **_loaded_expectations(env, lock),
        },
        "imports": list(env.service.imports),
        "requested": sorted(requested_packages(env, lock)) if has_libraries else [],
        "compiles": env.service.run.compiles is True,
        "sources": {
            (f"{home}/{source.path}" if home else f"{env.service.home}/{source.folder}"): source.commit
            for source in env.shipped_sources
        },
        **_compiled_expectations(env),
    }


def _loaded_expectations(env: Environment, lock: Lock) -> dict[str, object]:
    """The cuDNN that torch has to load, as the number that it reports, and its C++11 ABI; where facts or lock tell them.

    A torch that a base image brings has the cuDNN of that image, and an ABI of its own where its vendor builds it.
    """
    is_from_base = env.service.torch.origin == "base"
    base = facts.base_image(env.base.image) if is_from_base else None
    cudnn = cudnn_number(loaded_cudnn(env, lock)) if cuda_version(env) and not is_from_base else None
    is_built_elsewhere = is_from_base and (base is None or base.own_build)
    # the facts about the ABI are those of the wheels for x86_64
    has_abi_fact = env.variant.platform == "linux/amd64" and not is_built_elsewhere
    version, build = str(env.service.torch.version), torch_build(env)
    abi = facts.cxx11_abi(version, build) if build and has_abi_fact else None
    return {
        **({} if cudnn is None else {"cudnn": cudnn}),
        **({} if abi is None else {"cxx11_abi": abi == 1}),
    }


def _compiled_expectations(env: Environment) -> dict[str, object]:
    """What the probe expects of compiled wheels: their versions, and the capabilities that they have code for."""
    versions = compiled_versions(env)
    if not versions:
        return {}
    return {"compiled": versions, "capabilities": list(compute_capabilities(env))}


def requested_packages(env: Environment, lock: Lock) -> set[str]:
    """The packages that a description or an installed source names; their files have to be usable.

    Those of optional layers are left out.
    """
    required = (layer for layer in env.layers if not layer.optional)
    return {
        *declared_names(required),
        *env.service.torch.family,
        *source_names(env, lock),
        *compiled_versions(env),
    }


def access_expectations(env: Environment) -> dict[str, object]:
    """What the probe checks as the user of the container: who it is, what it has to read, and where it writes.

    It writes to the volumes, to its home (`~`), to the folder of the freeze record, to the caches that variables name and to
    what is described as writable. A user that is ids has a name that its base image decides: the Dockerfile compares the ids.
    """
    service, run = env.service, env.service.run
    caches = [value for name, value in sorted(run.env.items()) if _CACHE_VARIABLE.fullmatch(name)]
    freeze = [run.freeze.rpartition("/")[0] or "/"] if run.freeze else []
    writable = ["~", "/tmp", *run.volumes, *freeze, *caches, *run.writable]  # noqa: S108 - in the image
    copied = [step.target for step in copy_steps(service) if not step.target.startswith(f"{service.home}/")]
    return {
        "user": "" if ":" in (run.user or "") else run.user or "root",
        "readable": list(dict.fromkeys([service.home, "/opt/torchpin", "/opt/venv", *copied])),
        "writable": list(dict.fromkeys(writable)),
    }


def build_context(
    env: Environment,
    lock: Lock,
    *,
    runtime: Mapping[str, str],
    smoke: str,
    keys: Mapping[str, str] | None = None,
    has_libraries: bool = True,
) -> BuildContext:
    """All that the build of an image reads, except its Dockerfile.

    `keys` are the texts of the keys of Debian repositories by their paths; `has_libraries` as in `probe_expectations`.
    """
    layers = [*(group.layer for group in package_groups(lock)), *([lock.build] if lock.build else [])]
    files = {f"layers/{layer.file}": install_file(layer) for layer in layers if layer.packages}
    files |= stage_files(env, lock)
    files |= repository_files(env.service.apt_repositories, keys or {})
    files |= {f"runtime/{name}": text for name, text in runtime.items()}
    files[SMOKE_TEST] = smoke
    files[KEPT_PROOF] = NOTHING_KEPT
    expectations = probe_expectations(env, lock, has_libraries=has_libraries) | access_expectations(env)
    files[EXPECTATION] = json.dumps(expectations, indent=1) + "\n"
    sources = {f"sources/{source.name}": source for source in env.service.sources}
    return BuildContext(
        files=files,
        uv=lock.layers[0].uv,
        sources=sources,
        copied=copied_paths(env),
        left_out=left_out_files(env.service),
        packages=context_packages(env, lock),
    )


def copied_paths(env: Environment) -> dict[str, CopiedFiles]:
    """What of the repository a build context has, by its path in it."""
    contexts = [*(step.context for step in copy_steps(env.service)), *compiled_folders(env)]
    return dict(zip(contexts, env.copied_files, strict=True))


def context_packages(env: Environment, lock: Lock) -> dict[str, tuple[Artifact, PackageFile]]:
    """The locked files that a build context has, since no index has them, by their path in it."""
    described = file_packages(env)
    return {
        f"packages/{package.filename}": (package, file)
        for package in lock.packages.values()
        if package.origin in IN_CONTEXT and package.name in described
        if (file := described[package.name].file)
    }


def left_out_files(service: Service) -> tuple[str, ...]:
    """Files of the repository that no copied folder brings along: what torchpin reads itself, and files of variables."""
    inside = (path for path in service.run.env_files if not path.startswith(("/", "~")))
    return (service.file, paths.smoke_path(service.name), *inside)


def image_key(
    env: Environment,
    dockerfile: str,
    listing: str,
    copied: Mapping[str, str] | None = None,
    *,
    name: str = "",
) -> str:
    """The hash of all inputs of an image: 64 hexadecimal digits. `listing` is its context list.

    `copied` has the digests of the copied files by their path in the context; `name` is that of an image which is not the
    environment's alone.
    """
    inputs = f"{name or env.name}\n\n{env.variant.platform}\n\n{dockerfile}\n\n{listing}"
    inputs += "".join(f"\n\n{path}  {digest}" for path, digest in sorted((copied or {}).items()))
    return sealing.digest(inputs).removeprefix("sha256:")
