"""Measures how the judge's time grows with the number of services: 5 to 1,000, in one process.

    python bench/judging.py [MAXIMUM]

The services are copies of this repository's, with their locks. Prints for each size the seconds for reading descriptions
and locks and for judging, the milliseconds a service, and their ratio to those of the smallest size. The first line is
this repository as it is, before the tables of facts are loaded.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.checks import run
from torchpin.commands import judge
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.lock import file_format
from torchpin.workspace import evidence, workspace

if TYPE_CHECKING:
    from torchpin.model import Lock, Service
    from torchpin.workspace.workspace import Repository

SIZES = (5, 20, 50, 100, 200, 500, 1000)


def copies(repo: Repository, count: int) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Descriptions by path and lock files by environment of `count` copies of services with unique names."""
    texts: dict[str, str] = {}
    files: dict[str, dict[str, str]] = {}
    for number in range(count):
        service = repo.services[number % len(repo.services)]
        name = f"{service.name}-n{number}"
        text = repo.text(service.file) or ""
        texts[f"services/{name}/service.yaml"] = text.replace(f"name: {service.name}\n", f"name: {name}\n", 1)
        for env in select_environments([service]):
            lock = workspace.read_lock(repo, env)
            files[f"{name}-{env.variant.name}"] = file_format.lock_texts(
                rename_lock(lock, f"{name}-{env.variant.name}")
            )
    return texts, files


def rename_lock(lock: Lock, environment: str) -> Lock:
    return replace(
        lock,
        layers=tuple(replace(layer, environment=environment) for layer in lock.layers),
        build=lock.build and replace(lock.build, environment=environment),
        provided=lock.provided and replace(lock.provided, environment=environment),
    )


def parse(
    texts: dict[str, str], files: dict[str, dict[str, str]]
) -> tuple[tuple[Service, ...], dict[str, Lock]]:
    return read.read_services(texts), {
        name: file_format.parse_lock(f"lockfiles/{name}", lock_files) for name, lock_files in files.items()
    }


def main(maximum: int) -> None:
    from torchpin.checks import families  # noqa: F401 - imported before the measurement starts

    start = time.perf_counter()
    repo = workspace.open_repository(workspace.find_root(Path.cwd()))
    results = judge.judge(repo, select_environments(repo.services))
    duration = time.perf_counter() - start
    print(f"this repository, {len(repo.services)} services, {len(results)} results: {duration:.3f} s")
    print(
        f"{'services':>8} {'results':>8} {'reading s':>10} {'judging s':>10} {'ms/service':>11} {'ratio':>6}"
    )
    first = 0.0
    for size in (size for size in SIZES if size <= maximum):
        texts, files = copies(repo, size)
        start = time.perf_counter()
        services, locks = parse(texts, files)
        middle = time.perf_counter()
        context = replace(
            evidence.from_descriptions(select_environments(services)), locks=locks, lock_files=files
        )
        results = run.run(context, judge=True)
        end = time.perf_counter()
        per_service = (end - middle) / size * 1000
        first = first or per_service
        print(
            f"{size:>8} {len(results):>8} {middle - start:>10.3f} {end - middle:>10.3f} {per_service:>11.2f} {per_service / first:>6.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1])
