"""The lab: a scratch copy of the repository with small stubs for torch, sources and base image; all else is real."""

from __future__ import annotations

import io
import platform
import shutil
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from torchpin import facts, paths
from torchpin.compat.pins import file_packages
from torchpin.description import write
from torchpin.description.environments import select_environments
from torchpin.description.settings import file_package_names
from torchpin.errors import InputError, ToolError
from torchpin.image.plan import left_out_files
from torchpin.lab import base_image
from torchpin.lab.channels import stub_channels
from torchpin.lab.docker_engine import extend_image, keep_images
from torchpin.lab.leftovers import IMAGE_PREFIX, clear_leftovers, new_prefix
from torchpin.lab.origins import create_origins
from torchpin.lab.reduce import reduce_service
from torchpin.lab.scope import LabPackages, expected_scope, locked_scope
from torchpin.lock import file_format
from torchpin.tools import index_server, package_files, uv_install
from torchpin.tools.copied_files import copy_members, list_members
from torchpin.tools.files import make_work_folder, read_inside, read_text, write_files
from torchpin.tools.scratch import LAB, kept_folder, temporary_folder
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torchpin.model import Environment, Lock, Service, Settings, StatusCallback
    from torchpin.tools.index_server import Channels
    from torchpin.workspace.workspace import Repository


_COPIED_PATHS = (paths.DOCKERFILE_TEMPLATE, paths.RUNTIME)
_SMOKE_TEST = '''"""The lab's smoke test: torch is the lab's stub."""

import torch

assert torch.__torchpin_stub__
print("lab: torch", torch.__version__, "is the stub")
'''


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A scratch repository that can be locked and built.

    `original`: the repository that it was copied from, `locks`: the committed locks of its environments, by name. `full`: with
    packages of any size. `kept_images`: their names once the lab has ended, where they are kept.
    """

    repo: Repository
    original: Repository
    environments: tuple[Environment, ...]
    locks: Mapping[str, Lock]
    full: bool = False
    no_docker_reason: str = ""  # "" with Docker
    kept_images: list[str] = field(default_factory=list)

    @property
    def has_docker(self) -> bool:
        return not self.no_docker_reason

    @property
    def folder(self) -> Path:
        """All that the lab has made, but images."""
        return self.repo.root.parent

    def described(self, env: Environment) -> Environment:
        """An environment of the lab as the original repository describes it."""
        return next(
            described
            for described in select_environments(self.original.services)
            if described.name == env.name
        )

    def scope(self, env: Environment) -> LabPackages:
        """Which packages of the committed lock the lab's lock has."""
        lab_lock = workspace.read_lock(self.repo, env)
        return locked_scope(self.described(env), self.locks[env.name], lab_lock, full=self.full)


@contextmanager
def open_lab(
    repo: Repository,
    environments: tuple[Environment, ...],
    *,
    updated_environments: Sequence[Environment] = (),
    docker: bool = True,
    full: bool = False,
    keep: bool = False,
    show_status: StatusCallback,
) -> Iterator[Lab]:
    """A lab for these environments; at the end everything that it made is removed, also from the Docker engine.

    `updated_environments` are the environments after a bump, whose torch is served as well; `full`: packages of any size are
    real; `keep`: its folder and its images stay, unless it is interrupted; `show_status` prints a line.
    Raises ToolError on a machine that is not Linux, and InputError when an environment is not locked.
    """
    locks = require_locks(repo, environments)
    clear_leftovers(show_status, uses_docker=docker)
    with ExitStack() as stack:
        folder = stack.enter_context(kept_folder(LAB) if keep else temporary_folder(LAB))
        prefix = new_prefix()
        scratch = folder / "monorepo"
        base, python, reason = _open_base(
            stack, environments[0].service, repo.settings, prefix, scratch, show_status, docker=docker
        )
        _copy_checkout(repo.root, scratch, environments)
        _copy_locks(scratch, environments, locks, full=full)
        origins = create_origins(folder, environments, locks, full=full)
        services = _reduce_services(environments, locks, origins, base=base, python=python, full=full)
        served = stub_channels(services, updated_environments, locks)
        if base:
            services = tuple(_with_stub_base(folder, service, base, prefix, served) for service in services)
        _write_services(scratch, services)
        address = stack.enter_context(index_server.serve(served))
        show_status(f"lab: Python {python}; its index is at {address}")
        mirrors = _index_mirrors(address, served) | {name: url for name, (url, _) in origins.items()}
        lab_repo = _open_scratch(repo, scratch, prefix, mirrors, served, full=full)
        names = {env.name for env in environments}
        chosen = tuple(env for env in select_environments(lab_repo.services) if env.name in names)
        lab = Lab(
            repo=lab_repo,
            original=repo,
            environments=chosen,
            locks=locks,
            full=full,
            no_docker_reason=reason,
        )
        if keep and base:
            stack.push(partial(_keep_images, lab))
        yield lab


def require_locks(repo: Repository, environments: Sequence[Environment]) -> dict[str, Lock]:
    """The committed locks, by environment, that a lab is made from.

    Raises ToolError on a machine that is not Linux, and InputError when an environment is not locked.
    """
    if not uv_install.local_platform().startswith("linux/"):
        raise ToolError("the lab requires Linux on x86_64 or aarch64, since its stubs are Linux wheels")
    return {env.name: _committed_lock(repo, env) for env in environments}


def _keep_images(lab: Lab, raised: type[BaseException] | None, *_: object) -> None:
    """At the lab's end, unless it is interrupted: give its images names that no later lab clears."""
    if raised is None or issubclass(raised, Exception):
        kept_prefix = f"{IMAGE_PREFIX}/kept-{lab.folder.name.rpartition('-')[2].replace('_', '0')}"
        lab.kept_images.extend(keep_images(lab.repo.prefix, kept_prefix))


def _open_base(
    stack: ExitStack,
    service: Service,
    settings: Settings,
    prefix: str,
    scratch: Path,
    show_status: StatusCallback,
    *,
    docker: bool,
) -> tuple[str, str, str]:
    """The tag of the base image, its Python, and ""; without an image "", this machine's Python, and the reason."""
    reason = "Docker is switched off"
    if docker:
        base_context = base_image.base_image(service, settings, prefix, scratch, show_status)
        base, reason = stack.enter_context(base_context)
        if base:
            return base, base_image.python_version(base), reason
        show_status(f"lab: {reason}, so it installs on this machine and makes no image")
    return "", platform.python_version(), reason


def keep_logs(lab: Lab) -> tuple[Path, ...]:
    """Copy a lab's build logs to the original repository, since the lab is removed at its end; their new paths."""
    make_work_folder(lab.original.root)
    logs_folder = lab.original.root / paths.LOGS
    logs = sorted((lab.repo.root / paths.LOGS).glob("*.log"))
    write_files({logs_folder / f"lab-{log.name}": read_text(log) for log in logs})
    return tuple(logs_folder / f"lab-{log.name}" for log in logs)


def _committed_lock(repo: Repository, env: Environment) -> Lock:
    try:
        return workspace.read_lock(repo, env)
    except InputError as error:
        raise InputError(f"{error}\nthe lab takes packages and versions from the lock") from None


def _copy_checkout(root: Path, scratch: Path, environments: Sequence[Environment]) -> None:
    """Copy what the environments are made of: torchpin's own folders, their files and the wheels that they name."""
    _copy_repository(root, scratch)
    _copy_own_files(root, scratch, environments)
    _copy_wheels(root, scratch, environments)


def _copy_repository(root: Path, scratch: Path) -> None:
    for name in _COPIED_PATHS:
        path = root / name
        if path.is_dir():
            shutil.copytree(path, scratch / name)
        elif path.exists():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, scratch / name)
    (scratch / paths.SERVICES).mkdir(parents=True)


def _copy_own_files(root: Path, scratch: Path, environments: Sequence[Environment]) -> None:
    """What `files:` name, at the same paths, and what they leave out."""
    services = {env.service.name: env.service for env in environments}
    for service in services.values():
        for entry in service.files:
            plain = replace(entry, mode=None)  # that of the image may keep this user from clearing up
            members = list_members(root, service, plain, left_out_files(service))
            target = scratch / entry.origin
            copy_members((member for member in members if not (target / member.path).exists()), target)
    ignored = read_inside(root, paths.DOCKERIGNORE)
    write_files({scratch / paths.DOCKERIGNORE: ignored} if ignored else {})


def _copy_wheels(root: Path, scratch: Path, environments: Sequence[Environment]) -> None:
    """Copy the wheels of the repository that descriptions name."""
    packages = [package for env in environments for package in file_packages(env).values()]
    for path in sorted({package.file.path for package in packages if package.file and package.file.path}):
        wheel = package_files.repository_wheel(root, path)
        (scratch / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wheel, scratch / path)


def _copy_locks(
    scratch: Path, environments: Sequence[Environment], locks: Mapping[str, Lock], *, full: bool
) -> None:
    """The committed locks without what is left out: the lab resolves to the versions that it finds in them."""
    for env in environments:
        lock, scope = locks[env.name], expected_scope(env, locks[env.name], full=full)
        layers = tuple(
            replace(layer, packages=tuple(row for row in layer.packages if row.name not in scope.left_out))
            for layer in lock.layers
        )
        wheels = tuple(wheel for wheel in lock.wheels if wheel.name not in scope.left_out)
        licenses = tuple(row for row in lock.licenses if row.name not in scope.left_out)
        texts = file_format.lock_texts(
            replace(lock, layers=layers, stage=None, wheels=wheels, licenses=licenses)
        )
        folder = scratch / paths.lock_folder(env.name)
        write_files({folder / name: text for name, text in texts.items()})


def _reduce_services(
    environments: Sequence[Environment],
    locks: Mapping[str, Lock],
    origins: Mapping[str, tuple[str, str]],
    *,
    base: str,
    python: str,
    full: bool,
) -> tuple[Service, ...]:
    """Each service once, reduced by the lock of its first environment."""
    commits = {name: commit for name, (_, commit) in origins.items()}
    first_environments = {env.service.name: env for env in reversed(environments)}
    return tuple(
        reduce_service(
            env.service, env, locks[env.name], base=base, python=python, commits=commits, full=full
        )
        for env in first_environments.values()
    )


def _write_services(scratch: Path, services: Sequence[Service]) -> None:
    for service in services:
        write_files(
            {
                scratch / paths.description_path(service.name): write.to_yaml(service),
                scratch / paths.smoke_path(service.name): _SMOKE_TEST,
            }
        )


def _index_mirrors(address: str, served: Channels) -> dict[str, str]:
    """The address of each served channel; ABI wheels are read from a folder of files, not from an index page."""
    return {name: f"{address}/{name}/{'files' if name in facts.abi_packages() else ''}" for name in served}


def _open_scratch(
    repo: Repository,
    scratch: Path,
    prefix: str,
    mirrors: Mapping[str, str],
    served: Channels,
    *,
    full: bool,
) -> Repository:
    """The scratch repository with the lab's mirrors, and the machine's own for what is real in it."""
    real = {"pypi", "python"} | {
        name
        for service in repo.services
        for name in (
            *(index.name for index in service.indexes),
            *(row[1] for row in file_package_names(service)),
        )
    }
    machine_mirrors = {name: url for name, url in repo.settings.mirrors.items() if name in real}
    # the index is on the loopback address: builds reach it in the host's network only
    settings = replace(
        repo.settings, mirrors={**machine_mirrors, **mirrors}, registry="", registry_cache="", network="host"
    )
    published = {
        channel: {name: {file.filename: file.sha256 for file in files} for name, files in packages.items()}
        for channel, packages in served.items()
    }
    opened = workspace.open_repository(scratch, prefix=prefix)
    return replace(opened, settings=settings, published=published, lacks_libraries=full)


def _with_stub_base(
    folder: Path,
    service: Service,
    base: str,
    prefix: str,
    served: Channels,
) -> Service:
    """A service whose torch comes from its base image with a base that contains the stubs of torch's family."""
    if service.torch.origin != "base":
        return service
    tree, tag = folder / f"{service.name}-site", f"{prefix}/base-{service.name}:1"
    for name, version in service.torch.family.items():
        for file in served[service.variants[0].channel][name]:
            if not file.filename.split("-")[1].startswith(str(version)):
                continue  # the version of another service on the same channel
            with zipfile.ZipFile(io.BytesIO(file.content or b"")) as wheel:
                wheel.extractall(tree)
    extend_image(base, tag, tree)
    return replace(service, base=replace(service.base, image=tag))
