"""What each environment is pinned to, a row each: of docs/PINNING.md, and at the head of the page of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.compat.compiled import compiled_versions
from torchpin.compat.gpus import judge_gpu
from torchpin.compat.recommendations import ABSENT, used_components
from torchpin.description.environments import cuda_version, torch_build
from torchpin.documents import gpus
from torchpin.documents.markdown import code, prose
from torchpin.documents.sections import environments, pluralize
from torchpin.records.freeze import freeze_differences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock, Service
    from torchpin.records.bump_log import BumpEntry

HEADERS = ("Environment", "torch", "CUDA", "Python", "Base image", "GPUs", "State")


def environment_rows(
    service: Service, locks: Mapping[str, Lock], records: Mapping[str, str | None], log: Sequence[BumpEntry]
) -> list[tuple[str, ...]]:
    """The rows of a service's environments below `HEADERS`; the arguments are those of `pinning_sections`."""
    bump = next((entry for entry in reversed(log) if service.name in entry.services), None)
    return [
        _environment_row(env, locks.get(env.name), records.get(env.name), bump)
        for env in environments(service)
    ]


def torch_cell(env: Environment, values: Mapping[str, str]) -> str:
    """The version that torch reports: `__version__` has a local part that PyPI's file names lack."""
    version, build = values.get("torch"), torch_build(env)
    if version is None:
        return ABSENT
    if "+" in version or not build or env.variant.platform != "linux/amd64":
        return code(version)
    return f"{code(f'{version}+{build}')} ({code(version)} in its file name)"


def cuda_cell(env: Environment) -> str:
    """The CUDA of an environment's torch."""
    cuda = cuda_version(env)
    return code(cuda) if cuda else "none: a CPU build" if torch_build(env) == "cpu" else gpus.UNKNOWN


def _environment_row(
    env: Environment, lock: Lock | None, freeze: str | None, bump: BumpEntry | None
) -> tuple[str, ...]:
    torch = torch_cell(env, used_components(env, lock)) if lock else code(str(env.service.torch.version))
    return (
        code(env.name),
        f"{torch} of the base image" if env.service.torch.origin == "base" else torch,
        cuda_cell(env),
        code(str(env.service.python)),
        code(env.base.image),
        _gpus_cell(env),
        _state_cell(lock, freeze, bump, compiled_versions(env)),
    )


def _gpus_cell(env: Environment) -> str:
    """The described GPUs; those that this build does not support are marked."""
    if torch_build(env) == "cpu":
        return "none: a CPU build"
    words = {"ok": "", "incompatible": " (no code)", "unknown": " (unknown)"}
    verdicts = {
        name: judge_gpu(env, facts.gpu(name)).status for name in facts.own_gpu_names(env.service.gpus)
    }
    return ", ".join(f"{prose(name)}{words[status]}" for name, status in verdicts.items()) or "none listed"


def _state_cell(
    lock: Lock | None, freeze: str | None, bump: BumpEntry | None, compiled: Mapping[str, str]
) -> str:
    if lock is None:
        return "not locked yet"
    differences = freeze_differences(freeze, lock, compiled) if freeze is not None else ()
    built = "built and recorded" if freeze is not None else "no image recorded"
    if differences:
        built = f"the recorded image differs in {pluralize(len(differences), 'package')}"
    pending = f"{code(bump.bump)} pending at step {bump.pending[0]}" if bump and bump.pending else ""
    return "; ".join(filter(None, ("locked", built, pending)))
