"""What `--recorded` can lock: the releases of torch's family whose dependencies are recorded with their index snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from torchpin import facts
from torchpin.description.environments import MACHINES
from torchpin.errors import InputError
from torchpin.tools.index_server import LINUX_WHEEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment
    from torchpin.tools.index_server import File


def require_recorded(env: Environment, files: Mapping[str, Sequence[File]]) -> None:
    """Raises InputError where the snapshot of a channel cannot serve torch or a companion, with what it can serve.

    `files`: those of the snapshot, by package.
    """
    channel, service = env.variant.channel, env.service
    pins = {"torch": service.torch.version, **service.torch.companions}
    problems = []
    for name, version in pins.items():
        listed = _releases(env, files.get(name, ()))
        lockable = _releases(env, [file for file in files.get(name, ()) if file.metadata is not None])
        if version in lockable:
            continue
        state = "is recorded without its dependencies" if version in listed else "is not recorded"
        choices = ", ".join(map(str, sorted(lockable))) or "none"
        problems.append(f"{name} {version} {state}; recorded with dependencies: {choices}")
    if problems:
        snapshot = facts.index_snapshot(channel)
        date = f" of {snapshot.date}" if snapshot else ""
        raise InputError(
            f"the index snapshot of {channel}{date} does not have what {env.name} needs\n"
            + "".join(f"{problem}\n" for problem in problems)
            + "lock without `--recorded`, which asks PyTorch's index, or choose a release that is recorded"
        )


def _releases(env: Environment, files: Sequence[File]) -> set[Version]:
    """The releases, without local version, that have files for the machine of an environment."""
    machine = MACHINES[env.variant.platform]
    names = [file.filename for file in files]
    return {
        Version(parse_wheel_filename(name)[1].public)
        for name in names
        if (linux := LINUX_WHEEL.search(name)) and linux[1] == machine
    }
