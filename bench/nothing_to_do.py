"""Measures a build with nothing to do against `torchpin --list`: alternately, in one run, in the lab.

    python bench/nothing_to_do.py [RUNS]

Requires a Docker engine. Prints each side's median wall time in seconds, their ratio and their difference.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from torchpin.commands import build as commands_build
from torchpin.commands import lock
from torchpin.description.environments import mirror_variable, select_environments
from torchpin.lab import docker_engine, lab
from torchpin.tools import docker
from torchpin.workspace import workspace

COMMAND = (sys.executable, "-c", "from torchpin.cli.main import main; main()")


def seconds(folder: Path, environment: dict[str, str], *arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run((*COMMAND, *arguments), cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def main(runs: int) -> None:
    repo = workspace.open_repository(workspace.find_root(Path.cwd()))
    with lab.open_lab(repo, select_environments(repo.services, service="lora"), show_status=print) as opened:
        if not opened.has_docker:
            sys.exit(f"this benchmark requires a Docker engine: {opened.no_docker_reason}")
        lock.lock(opened.repo, opened.environments)
        settings = opened.repo.settings
        mirrors = {mirror_variable(name): url for name, url in settings.mirrors.items()}
        environment = {**os.environ, **mirrors, "TORCHPIN_BUILD_NETWORK": settings.network}
        (outcome,) = commands_build.build(opened.repo, opened.environments, commands_build.BuildOptions())
        assert outcome.code == 0, outcome.detail
        with docker.engine() as client:  # the command uses the prefix of a checkout, not the lab's
            tag = docker_engine.list_tags(client, f"{opened.repo.prefix}/lora-gpu:")[0]
            command_tag = f"torchpin/lora-gpu:{tag.rsplit(':', 1)[1]}"
            client.images.get(tag).tag(*command_tag.rsplit(":", 1))
        try:
            pairs = [
                (
                    seconds(opened.repo.root, environment, "build"),
                    seconds(opened.repo.root, environment, "--list"),
                )
                for _ in range(runs + 1)
            ][1:]
        finally:
            with docker.engine() as client:
                docker.remove_tags(client, [command_tag])
    build, listing = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"build, nothing to do: {build:.2f} s; --list: {listing:.2f} s (medians of {runs})")
    print(f"ratio {build / listing:.1f}, difference {build - listing:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
