"""The lab: a scratch copy of the monorepo in which torch, sources and base are tiny stand-ins and all else is real."""

from __future__ import annotations

import io
import os
import platform
import shutil
import tempfile
import time
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.wheels import abi_wheels
from torchpin.description import write
from torchpin.description.environments import MACHINES, cuda_version, select_environments
from torchpin.errors import InputError, ToolError
from torchpin.lab import base_image, stub_wheels
from torchpin.lab.engine import extend_image
from torchpin.lab.reduce import lab_package_names, reduce_service
from torchpin.tools import index_server, process, uv_install
from torchpin.tools.files import read_text, write_files
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torchpin.model import Environment, Lock, Service, Source
    from torchpin.workspace.workspace import Repository

    Printer = Callable[[str], None]

IMAGE_PREFIX = "torchpin-lab"  # of every image; each lab has its own name below it, so two do not meet
_COPIED_PATHS = ("docker/Dockerfile.j2", "docker/runtime", "requirements")
_SMOKE_TEST = '''"""The lab's smoke test: the stand-in torch is what was installed."""

import torch

assert torch.__torchpin_standin__
print("smoke: ok, torch", torch.__version__, "is the lab's stand-in")
'''


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A scratch repository ready to be locked and built, and whose it is a copy of. `engine`: with Docker; else `why` not."""

    repo: Repository
    original: Repository
    environments: tuple[Environment, ...]
    has_docker: bool
    no_docker_reason: str = ""


@contextmanager
def open_lab(
    repo: Repository,
    environments: tuple[Environment, ...],
    *,
    updated_environments: Sequence[Environment] = (),
    docker: bool = True,
    say: Printer,
) -> Iterator[Lab]:
    """A lab for these environments; everything it makes is gone at the end, in the engine too.

    `updated_environments`: the environments as a bump will have them, whose torch is served as well.

    Raises ToolError where the machine is no Linux: the stand-ins are Linux wheels.
    """
    if not uv_install.local_platform().startswith("linux/"):
        raise ToolError(
            "The lab's stand-ins are Linux wheels: try it on Linux, on an x86_64 or aarch64 machine."
        )
    locks = {env.name: _committed_lock(repo, env) for env in environments}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torchpin-lab-")))
        prefix = f"{IMAGE_PREFIX}/{os.getpid()}-{time.monotonic_ns() % 10**9}"
        base, reason = (
            stack.enter_context(
                base_image.base_image(environments[0].service, prefix, folder / "monorepo" / "docker", say)
            )
            if docker
            else ("", "the native way was asked for")
        )
        if not base:
            say(f"lab: {reason}; the native environment stands in for the image")
        python = base_image.python_version(base) if base else platform.python_version()
        scratch = folder / "monorepo"
        _copy_repository(repo.root, scratch)
        origins = {
            source.name: _create_origin(
                folder, source, locks[env.name], lab_package_names(env.service, locks[env.name])
            )
            for env in environments
            for source in env.service.sources
        }
        commits = {name: commit for name, (_, commit) in origins.items()}
        services = tuple(
            reduce_service(env.service, env, locks[env.name], base=base, python=python, commits=commits)
            for env in {env.service.name: env for env in reversed(environments)}.values()
        )
        served = _stub_channels(
            (*select_environments(services), *_with_updated_torch(services, updated_environments))
        )
        if base:
            services = tuple(_with_stub_base(folder, service, base, prefix, served) for service in services)
        for service in services:
            service_folder = scratch / "services" / service.name
            write_files(
                {
                    service_folder / "service.yaml": write.to_yaml(service),
                    service_folder / "smoke.py": _SMOKE_TEST,
                }
            )
        address = stack.enter_context(index_server.serve(served))
        mirrors = {
            name: f"{address}/{name}/{'files' if name in facts.abi_packages() else ''}" for name in served
        }
        mirrors |= {name: url for name, (url, _) in origins.items()}
        machine_mirrors = {
            name: url for name, url in repo.settings.mirrors.items() if name in {"pypi", "python"}
        }
        scratch_repo = workspace.open_repository(scratch, prefix=prefix)
        settings = replace(repo.settings, mirrors=machine_mirrors | mirrors, registry="", network="host")
        published = {
            channel: {name: {file.filename: file.sha256 for file in files} for name, files in rows.items()}
            for channel, rows in served.items()
        }
        lab_repo = replace(scratch_repo, settings=settings, published=published)
        say(f"lab: stand-in torch on {address}, Python {python}, {'base ' + base if base else 'no image'}")
        chosen = {env.name for env in environments}
        yield Lab(
            repo=lab_repo,
            original=repo,
            environments=tuple(env for env in select_environments(lab_repo.services) if env.name in chosen),
            has_docker=bool(base),
            no_docker_reason=reason,
        )


def keep_logs(lab: Lab) -> tuple[Path, ...]:
    """Takes the build logs out of a lab that ends, for who wants to know why a build failed."""
    logs_folder = lab.original.root / ".torchpin" / "logs"
    logs = sorted((lab.repo.root / ".torchpin" / "logs").glob("*.log"))
    write_files({logs_folder / f"lab-{log.name}": read_text(log) for log in logs})
    return tuple(logs_folder / f"lab-{log.name}" for log in logs)


def _committed_lock(repo: Repository, env: Environment) -> Lock:
    try:
        return workspace.read_lock(repo, env)
    except InputError as error:
        raise InputError(
            f"{error}\nThe lab takes its reduced package list from the committed lock."
        ) from None


def _copy_repository(root: Path, scratch: Path) -> None:
    for name in _COPIED_PATHS:
        path = root / name
        if path.is_dir():
            shutil.copytree(path, scratch / name)
        else:
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, scratch / name)
    (scratch / "services").mkdir()


# --- descriptions ----------------------------------------------------------------------------------------------------


def _with_stub_base(
    folder: Path,
    service: Service,
    base: str,
    prefix: str,
    served: Mapping[str, Mapping[str, Sequence[index_server.File]]],
) -> Service:
    """A service whose torch comes from its base gets a base that brings the stand-ins of torch's family."""
    if service.torch.origin != "base":
        return service
    tree, tag = folder / f"{service.name}-site", f"{prefix}/base-{service.name}:1"
    for name, version in service.torch.family.items():
        for file in served[service.variants[0].channel][name]:
            if not file.filename.split("-")[1].startswith(str(version)):
                continue  # of another service on the same channel
            with zipfile.ZipFile(io.BytesIO(file.content or b"")) as wheel:
                wheel.extractall(tree)
    extend_image(base, tag, tree)
    return replace(service, base=replace(service.base, image=tag))


def _with_updated_torch(
    services: Sequence[Service], updated_environments: Sequence[Environment]
) -> tuple[Environment, ...]:
    """The lab's own environments with the torch and the channel that a bump gives them."""
    lab_environments = {env.name: env for env in select_environments(services)}
    return tuple(
        replace(
            lab_environments[env.name],
            service=replace(lab_environments[env.name].service, torch=env.service.torch),
            variant=replace(lab_environments[env.name].variant, channel=env.variant.channel),
        )
        for env in updated_environments
        if env.name in lab_environments and env.service.torch.origin == "index"
    )


def _stub_channels(environments: tuple[Environment, ...]) -> dict[str, dict[str, list[index_server.File]]]:
    """The lab's index: per channel, stand-ins for torch and companions of each environment."""
    channels: dict[str, dict[str, list[index_server.File]]] = {}
    for env in environments:
        torch, channel = env.service.torch, env.variant.channel
        compiled = facts.compiled_archs(str(torch.version), channel, MACHINES[env.variant.platform])
        release = facts.release(str(torch.version))
        files = stub_wheels.torch_family(
            version=str(torch.version),
            local=channel if env.variant.platform == "linux/amd64" else None,
            companions={name: str(version) for name, version in torch.companions.items()},
            cuda=cuda_version(env),
            archs=compiled.sm if compiled else (),
            cudnn=_cudnn_number(release.cudnn) if release and cuda_version(env) else None,
            python_tag=f"cp{env.service.python.major}{env.service.python.minor}",
            platform=f"linux_{MACHINES[env.variant.platform]}",
        )
        packages = channels.setdefault(channel, {})
        for file in files:
            channel_files = packages.setdefault(canonicalize_name(file.filename.split("-")[0]), [])
            if file.filename not in {channel_file.filename for channel_file in channel_files}:
                channel_files.append(file)
        for name, wheel in abi_wheels(env).items():
            channels.setdefault(name, {}).setdefault(name, []).append(_abi_stub(name, wheel))
    return channels


def _abi_stub(name: str, wheel: facts.Wheel) -> index_server.File:
    """A stand-in under the very name of an ABI wheel, whose metadata says the plain version, as the real one's does."""
    module = name.replace("-", "_")
    modules = {f"{module}/__init__.py": f'__version__ = "{wheel.version}"\n'}
    _, content = stub_wheels.build_wheel(module, wheel.version, tag="py3-none-any", modules=modules)
    return replace(
        stub_wheels.index_file(f"{module}-{wheel.version}-py3-none-any.whl", content), filename=wheel.filename
    )


def _cudnn_number(version: str | None) -> int | None:
    """9.1.0.70 as torch answers it: 90100; 8.9.2.26: 8902. cuDNN's own arithmetic changed with 9."""
    parts = [int(part) for part in (version or "").split(".")[:3] if part.isdigit()]
    if len(parts) != 3:  # noqa: PLR2004 - major, minor, patch
        return None
    major, minor, patch = parts
    return major * (10000 if major >= 9 else 1000) + minor * 100 + patch  # noqa: PLR2004 - cuDNN 9


# --- sources ---------------------------------------------------------------------------------------------------------


def _create_origin(folder: Path, source: Source, lock: Lock, names: frozenset[str]) -> tuple[str, str]:
    """A small bare repository in place of a source: its address and the commit of the tag. The same input, the same commit."""
    upstream = next((candidate for candidate in lock.upstreams if candidate.source == source.name), None)
    lines = [line for line in (upstream.requirements if upstream else ()) if _requirement_name(line) in names]
    work, bare = folder / f"{source.name}-work", folder / f"{source.name}.git"
    files = {work / "README.md": f"A stand-in for {source.name} {source.tag}.\n"}
    if source.requirements:
        files[work / source.requirements] = "".join(f"{line}\n" for line in lines)
    write_files(files)
    stamp = "2000-01-01T00:00:00+0000"
    person = {"NAME": "torchpin lab", "EMAIL": "lab@localhost"}
    identity = {
        f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in person.items()
    }
    dates = {
        "GIT_AUTHOR_DATE": stamp,
        "GIT_COMMITTER_DATE": stamp,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for command in (
        ("git", "init", "--quiet", "--initial-branch=main", str(work)),
        ("git", "-C", str(work), "add", "."),
        ("git", "-C", str(work), "commit", "--quiet", "--message", f"Stand-in for {source.tag}"),
        ("git", "-C", str(work), "tag", source.tag),
        ("git", "clone", "--quiet", "--bare", str(work), str(bare)),
    ):
        process.run(command, env=clean | identity | dates)
    commit = process.run(("git", "-C", str(bare), "rev-parse", "HEAD"), env=clean).stdout.strip()
    shutil.rmtree(work)
    return f"file://{bare}", commit


def _requirement_name(line: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return ""
