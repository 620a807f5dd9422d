"""Locks and checks of all environments of this repository: torchpin against uv's own commands, alternately.

    python bench/locking.py [RUNS]

Requires a set-up checkout (`python3 bootstrap.py invoke --list`) and PyPI; PyTorch's channels are served from the recorded index
snapshots. First `lock --refresh`, which resolves all, against `uv pip compile` of each environment; then `lock` where nothing
moves, and each command that checks, against `uv lock --check` of each. All caches are warm, but what torchpin keeps of earlier
results is removed for one of its sides.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import workload
from measuring import Sample, run_command, summarize
from results import Aim, Row

from torchpin import paths
from torchpin.compat.family import channel_names
from torchpin.compat.wheels import abi_wheels
from torchpin.description.environments import mirror_variable, select_environments
from torchpin.lock import uv_project
from torchpin.tools import index_server, uv, uv_compile
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torchpin.model import Environment, Lock, Settings

TORCHPIN, COMPILE, CHECK = "torchpin", "uv pip compile", "uv lock --check"
NOTHING_KEPT = "torchpin, nothing kept"
CHECKS = (("judge",), ("lock", "--check"), ("render", "--check"), ("document", "--check"), ("verify",))
COPIED = (paths.SERVICES, paths.LOCKFILES, paths.DOCKER, paths.RECORDS, "docs")


def main(runs: int) -> list[Row]:
    """The rows of locks: all resolved, and nothing moved."""
    repo = workspace.open_repository(workload.ROOT)
    environments = select_environments(repo.services)
    channels = {env.variant.channel for env in environments} - {"pypi"}
    served = {channel: readable_files(channel) for channel in channels}
    with index_server.serve(served) as base, tempfile.TemporaryDirectory(prefix="tpb-") as name:
        mirrors = {channel: f"{base}/{channel}/" for channel in channels}
        settings = replace(repo.settings, mirrors={**repo.settings.mirrors, **mirrors})
        checkout = Path(name, "checkout")
        copy_repository(checkout)
        projects = []
        for env in environments:
            project = Project(Path(name, env.name), env, workspace.read_lock(repo, env), settings)
            projects.append(project)
        variables = {mirror_variable(channel): address for channel, address in mirrors.items()}

        def torchpin(*options: str) -> Sample:
            command = workload.torchpin(workload.ROOT, "lock", *options)
            return run_command(command, cwd=checkout, env={**os.environ, **variables})

        resolved = alternate(
            {
                TORCHPIN: lambda: torchpin("--refresh"),
                COMPILE: lambda: total(project.compile() for project in projects),
            },
            runs,
        )
        for project in projects:
            project.lock()
        unmoved = alternate(
            {TORCHPIN: torchpin, CHECK: lambda: total(project.check() for project in projects)}, runs
        )
        checked = {command: alternate(check_sides(command, projects), runs) for command in CHECKS}
    return [
        Row(
            work="lock, all resolved",
            sides={side: summarize(samples) for side, samples in resolved.items()},
            aims=[Aim(side=TORCHPIN, other=COMPILE, limit=1.15, figure="cpu")],
            note=f"{len(environments)} environments, one after the other by uv, side by side by torchpin",
        ),
        Row(
            work="lock, nothing moves",
            sides={side: summarize(samples) for side, samples in unmoved.items()},
            aims=[Aim(side=TORCHPIN, limit=0.7)],
            note=f"{len(environments)} environments",
        ),
        *(check_row(command, samples) for command, samples in checked.items()),
    ]


def check_sides(command: tuple[str, ...], projects: list[Project]) -> dict[str, Callable[[], Sample]]:
    """A command that checks this repository, with and without what was kept of its last run, and uv's check of all locks."""

    def check() -> Sample:
        return run_command(workload.torchpin(workload.ROOT, *command), cwd=workload.ROOT, codes=(0, 1))

    def check_anew() -> Sample:
        shutil.rmtree(workload.ROOT / paths.KEPT, ignore_errors=True)
        return check()

    return {
        NOTHING_KEPT: check_anew,
        TORCHPIN: check,
        CHECK: lambda: total(project.check() for project in projects),
    }


def check_row(command: tuple[str, ...], samples: dict[str, list[Sample]]) -> Row:
    return Row(
        work=" ".join(command),
        sides={side: summarize(listed) for side, listed in samples.items()},
        aims=[Aim(side=side, other=CHECK, limit=0.25) for side in (TORCHPIN, NOTHING_KEPT)],
    )


class Project:
    """An environment as a uv project, whose pins were resolved before."""

    def __init__(self, folder: Path, env: Environment, lock: Lock, settings: Settings) -> None:
        self.folder, self.env = folder, env
        index = settings.mirrors.get(env.variant.channel)
        members = {*lock.all_packages} & channel_names(env) - {*env.service.torch.family}
        text = uv_project.render_uv_project(
            env,
            index=index,
            pins=uv_project.resolution_requirements(env, abi_wheels(env), lock.upstreams),
            members={name: lock.all_packages[name].version.partition("+")[0] for name in members},
            constraints=uv_project.source_constraints(env, lock.upstreams),
            overrides=uv_project.override_pins(env),
            indexes=uv.index_addresses(env, settings),
        )
        folder.mkdir()
        machine = "aarch64" if env.variant.platform == "linux/arm64" else "x86_64"
        limit = f"sys_platform == 'linux' and platform_machine == '{machine}'"
        head, table, rest = text.partition("[[tool.uv.index]]")
        environment = f'[tool.uv]\nenvironments = ["{limit}"]\n' if "[tool.uv]\n" not in head else ""
        (folder / "pyproject.toml").write_text(head + environment + table + rest)
        pins = [
            f"{package.name}=={package.version}\n"
            for package in lock.all_packages.values()
            if package.name not in abi_wheels(env)
        ]
        (folder / "pins.txt").write_text("".join(pins))
        self.environ = {**uv.uv_environment(settings), "UV_PROJECT_ENVIRONMENT": str(folder / "none")}
        del self.environ["UV_NO_CONFIG"]  # the project's own table of indexes
        pythons = map(
            str, Path.home().glob(".pyenv/versions/*/bin")
        )  # `uv lock` wants one of the project's release
        self.environ["PATH"] = os.pathsep.join((os.environ["PATH"], *pythons))

    def compile(self) -> Sample:
        command = uv_compile.compile_command(self.env, "pins.txt")
        return run_command(command, cwd=self.folder, env=self.environ)

    def lock(self) -> None:
        run_command((uv.uv_executable(), "lock", "--quiet"), cwd=self.folder, env=self.environ)

    def check(self) -> Sample:
        return run_command(
            (uv.uv_executable(), "lock", "--check", "--quiet"), cwd=self.folder, env=self.environ
        )


def readable_files(channel: str) -> dict[str, list[index_server.File]]:
    """The files of a channel whose metadata are recorded: `uv lock` reads those of any platform."""
    return {
        package: [file for file in files if file.metadata is not None]
        for package, files in index_server.recorded_files(channel).items()
    }


def copy_repository(into: Path) -> None:
    for name in COPIED:
        if (workload.ROOT / name).is_dir():
            shutil.copytree(workload.ROOT / name, into / name)
    shutil.copy(workload.ROOT / paths.DEVIATIONS, into / paths.DEVIATIONS)


def total(samples: Iterable[Sample]) -> Sample:
    """Several commands as one work."""
    listed = [*samples]
    return Sample(
        wall=sum(sample.wall for sample in listed),
        cpu=sum(sample.cpu for sample in listed),
        memory=max(sample.memory for sample in listed),
    )


def alternate(sides: dict[str, Callable[[], Sample]], runs: int) -> dict[str, list[Sample]]:
    """The samples of each side, run in turn; the first turn, which fills caches, does not count."""
    turns = [{side: work() for side, work in sides.items()} for _ in range(runs + 1)]
    return {side: [turn[side] for turn in turns[1:]] for side in sides}


if __name__ == "__main__":
    for row in main(int(sys.argv[1]) if sys.argv[1:] else 3):
        for side, summary in row.sides.items():
            print(f"{row.work}: {side}: {summary.wall:.2f} s, CPU {summary.cpu:.2f} s")
