"""`freeze` and `run`: what a built image holds, and its container."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.commands.build import built_tag, format_freeze, with_engine_errors
from torchpin.commands.parallel import for_each_environment
from torchpin.errors import FindingsError
from torchpin.model import Outcome
from torchpin.records.freeze import freeze_differences
from torchpin.tools import process
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


def freeze(repo: Repository, environments: Sequence[Environment]) -> tuple[Outcome, ...]:
    """Reads each image again and compares it with its lock and its record; a difference is a finding."""
    from torchpin.tools import docker

    with docker.engine() as client:
        return for_each_environment(
            environments, lambda env: with_engine_errors(_compare_freeze, client, repo, env)
        )


def _compare_freeze(client: Any, repo: Repository, env: Environment) -> Outcome:
    from torchpin.tools import docker

    tag = built_tag(client, repo, env)
    probe_report = docker.probe(client, tag)
    freeze_text = format_freeze(probe_report)
    differences = [
        f"lock: {difference}"
        for difference in freeze_differences(freeze_text, workspace.read_lock(repo, env))
    ]
    record = repo.text(paths.freeze_path(env))
    if record is None:
        differences.append("record: there is none; `invoke build` writes it")
    elif record != freeze_text:
        differences.append(f"record: {paths.freeze_path(env)} is not what the image holds")
    if differences:
        raise FindingsError(
            "\n".join([f"{tag} differs:", *(f"    {difference}" for difference in differences)])
        )
    return Outcome(name=env.name, status="same", detail=f"{tag} equals its lock and its record")


def run(
    repo: Repository, env: Environment, *, command: Sequence[str] = (), dry_run: bool = False
) -> tuple[tuple[str, ...], int]:
    """Runs a service's container as it is described, in the foreground: the command that did it, and its exit code."""
    from torchpin.tools import docker

    with docker.engine() as client:
        tag = built_tag(client, repo, env)
    docker_command = docker.run_command(
        env, tag, command=command, gpus=bool(process.which("nvidia-smi")), terminal=sys.stdin.isatty()
    )
    return docker_command, 0 if dry_run else process.run_interactive(docker_command)
