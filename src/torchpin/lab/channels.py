"""The files of the lab's index: stubs of torch's family and of ABI wheels, which answer as the facts and the lock do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat import partners
from torchpin.compat.cudnn import cudnn_number, loaded_cudnn
from torchpin.compat.family import channel_names
from torchpin.compat.wheels import abi_wheels
from torchpin.description.environments import MACHINES, cuda_version, select_environments, torch_build
from torchpin.lab import stub_wheels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock, Service
    from torchpin.tools import index_server


def _with_updated_torch(
    services: Sequence[Service], updated_environments: Sequence[Environment]
) -> tuple[Environment, ...]:
    """The lab's environments with the torch and the channel that they have after a bump."""
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


def stub_channels(
    services: Sequence[Service],
    updated_environments: Sequence[Environment],
    locks: Mapping[str, Lock],
) -> dict[str, dict[str, list[index_server.File]]]:
    """The files of the lab's index: by channel and package, stubs of each environment's torch family and ABI wheels.

    `locks`: the committed ones, by environment; what an update moves torch to is in none.
    """
    channels: dict[str, dict[str, list[index_server.File]]] = {}
    for env in (*select_environments(services), *_with_updated_torch(services, updated_environments)):
        packages = channels.setdefault(env.variant.channel, {})
        for file in _torch_family(env, locks.get(env.name)):
            channel_files = packages.setdefault(canonicalize_name(file.filename.split("-")[0]), [])
            if file.filename not in {channel_file.filename for channel_file in channel_files}:
                channel_files.append(file)
        for name, wheel in abi_wheels(env).items():
            channels.setdefault(name, {}).setdefault(name, []).append(_abi_stub(name, wheel))
    return channels


def _torch_family(env: Environment, lock: Lock | None) -> tuple[index_server.File, ...]:
    """The stubs of torch and its companions: their builds, and what they answer."""
    version, machine = str(env.service.torch.version), MACHINES[env.variant.platform]
    compiled = facts.compiled_archs(version, env.variant.channel, machine)
    is_cuda = cuda_version(env) is not None
    return stub_wheels.torch_family(
        version=version,
        # PyTorch's builds for x86_64 carry their channel as local version
        local=env.variant.channel if env.variant.platform == "linux/amd64" else None,
        companions=_companions(env),
        cuda=cuda_version(env),
        archs=compiled.sm if compiled else (),
        cudnn=cudnn_number(loaded_cudnn(env, _lock_of_torch(env, lock))) if is_cuda else None,
        cxx11_abi=bool(facts.cxx11_abi(version, torch_build(env) or "")),
        python_tag=f"cp{env.service.python.major}{env.service.python.minor}",
        # a plain linux tag fits any C library; PyPI would reject it, the lab's index does not
        platform=f"linux_{machine}",
    )


def _lock_of_torch(env: Environment, lock: Lock | None) -> Lock | None:
    """The committed lock where it has the same build of torch and torch's own cuDNN."""
    torch = lock.all_packages.get("torch") if lock else None
    build = f"{env.service.torch.version}+{torch_build(env)}"
    return lock if torch and torch.version == build else None


def _companions(env: Environment) -> dict[str, str]:
    """The companions with their versions, and those that other packages may bring: they too come from the channel."""
    torch = env.service.torch
    brought = {
        name: str(best.version)
        for name in channel_names(env) - {*torch.family}
        if name.isidentifier() and (best := partners.best_choice(name, torch.version))
    }
    return brought | {name: str(version) for name, version in torch.companions.items()}


def _abi_stub(name: str, wheel: facts.Wheel) -> index_server.File:
    """A stub with the file name of an ABI wheel and, as in the real one, the plain version in its metadata."""
    module = name.replace("-", "_")
    modules = {f"{module}/__init__.py": f'__version__ = "{wheel.version}"\n'}
    _, content = stub_wheels.build_wheel(module, wheel.version, tag="py3-none-any", modules=modules)
    return replace(
        stub_wheels.index_file(f"{module}-{wheel.version}-py3-none-any.whl", content), filename=wheel.filename
    )
