"""`freeze` and `run`: the packages of a built image, and its container."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.commands.build import built_tag, with_engine_errors
from torchpin.commands.parallel import for_each_environment
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.compat.compiled import compiled_versions
from torchpin.errors import FindingsError, ToolError
from torchpin.model import Outcome
from torchpin.progress import step
from torchpin.records.freeze import freeze_differences
from torchpin.tools import process
from torchpin.tools.run_files import run_files
from torchpin.workspace.workspace import read_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.commands.report import Watcher
    from torchpin.commands.selection import Workspace
    from torchpin.model import Environment, StatusCallback
    from torchpin.workspace.workspace import Repository


_ENGINE_HELP = (
    "start a Docker engine, or install one (https://docs.docker.com/engine/install), or set DOCKER_HOST; `invoke doctor` says "
    "what is missing"
)
_RUN_HELP = "`invoke install --service {}` sets up the same packages on this machine, without Docker"
_FREEZE_HELP = "`invoke verify --service {}` compares the committed record with the lock, without Docker"


@contextmanager
def _engine(otherwise: str) -> Iterator[Any]:
    """A client of the Docker engine. Raises ToolError where there is none, with how to get one, and what goes without."""
    from torchpin.tools import docker

    with ExitStack() as stack:
        try:
            client = stack.enter_context(docker.engine())
        except ToolError as error:
            raise ToolError(f"{error}\nhelp: {_ENGINE_HELP}\n  {otherwise}") from None
        yield client


def freeze(
    repo: Repository, environments: Sequence[Environment], *, show_status: StatusCallback | None = None
) -> tuple[Outcome, ...]:
    """Reads each image again and compares it with its lock and its record; a difference fails with the code of findings."""

    def compare(client: Any, env: Environment) -> Outcome:
        with step(show_status, f"{env.name}: reading the packages of its image"):
            return _compare_freeze(client, repo, env)

    with _engine(_FREEZE_HELP.format(environments[0].service.name)) as client:
        return for_each_environment(environments, lambda env: with_engine_errors(compare, client, env))


def _compare_freeze(client: Any, repo: Repository, env: Environment) -> Outcome:
    from torchpin.tools import docker

    tag = built_tag(client, repo, env)
    command = (*docker.PROBE, "--freeze")  # the packages alone: nothing is imported
    freeze_text = docker.run_container(client, tag, command, entrypoint=["python"]).decode(errors="replace")
    differences = [
        f"lock: {difference}"
        for difference in freeze_differences(freeze_text, read_lock(repo, env), compiled_versions(env))
    ]
    record = repo.text(paths.freeze_path(env.name))
    if record is None:
        differences.append(f"record: {paths.freeze_path(env.name)} is missing; `invoke build` writes it")
    elif record != freeze_text:
        differences.append(f"record: {paths.freeze_path(env.name)} does not match the image")
    if differences:
        raise FindingsError(
            "\n".join(
                [
                    f"{tag} does not match its lock or its record:",
                    *(f"    {difference}" for difference in differences),
                ]
            )
        )
    return Outcome(name=env.name, status="same", detail=f"{tag} matches its lock and its record")


def run(
    repo: Repository, env: Environment, *, command: Sequence[str] = (), dry_run: bool = False
) -> tuple[tuple[str, ...], int]:
    """Runs a service's container as described, in the foreground; returns the command and its exit code.

    Raises InputError for a secret or a file of variables that is not there.
    """
    from torchpin.tools import docker

    with _engine(_RUN_HELP.format(env.service.name)) as client:
        tag = built_tag(client, repo, env)
    with run_files(repo.root, env.service, os.environ, dry_run=dry_run) as container_files:
        docker_command = docker.run_command(
            env,
            tag,
            command=command,
            gpus=bool(process.which("nvidia-smi")),
            terminal=bool(sys.stdin and sys.stdin.isatty()),
            run_files=container_files,
        )
        return docker_command, 0 if dry_run else process.run_interactive(docker_command)


def freeze_workspace(workspace: Workspace, watcher: Watcher) -> CommandReport:
    """Compares the image of every environment with its lock and its record."""
    return report_outcomes(freeze(workspace.repo, workspace.environments, show_status=watcher.status))


def run_workspace(workspace: Workspace, *, command: str, dry_run: bool) -> CommandReport:
    """Runs the container of the selected environment, or with `dry_run` only returns the command."""
    docker_command, exit_code = run(
        workspace.repo, workspace.single_environment(), command=shlex.split(command), dry_run=dry_run
    )
    return CommandReport(summary=shlex.join(docker_command) if dry_run else "", exit_code=exit_code)
