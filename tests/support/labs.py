"""Labs with a real engine: services locked and built in them, their images, records and tags."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.commands import clone, lock
from torchpin.commands.build import BuildOptions, build
from torchpin.description import write
from torchpin.description.environments import select_environments
from torchpin.lab import docker_engine, lab
from torchpin.tools import docker
from torchpin.tools.files import write_files
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from torchpin import model
    from torchpin.model import Environment, Service
    from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[2]
OPTIONS = BuildOptions()
SHAPES = ["seedvr", "videogen", "zopilot", "coaxial"]
FROM_BASE = ["seedvr", "videogen"]


@dataclass(kw_only=True)
class BuiltLab:
    """A lab of one or more services, locked, cloned and built; what became of it."""

    repo: Repository
    environments: tuple[Environment, ...]
    locked: tuple[model.Outcome, ...]
    cloned: tuple[model.Outcome, ...]
    built: tuple[model.Outcome, ...]
    copies: int = field(default=0)

    def service_environments(self, name: str) -> tuple[Environment, ...]:
        return tuple(env for env in self.environments if env.service.name == name)


class BuiltLabs:
    """One lab a shape, opened when its first test asks; two services share one, as `invoke lab` has them."""

    def __init__(self, ends: ExitStack) -> None:
        self._exit_stack = ends
        self._open: dict[tuple[str, ...], BuiltLab] = {}

    def lab_of(self, name: str) -> BuiltLab:
        key = ("seedvr", "zopilot") if name in {"seedvr", "zopilot"} else (name,)
        if key not in self._open:
            self._open[key] = self._open_lab(key)
        return self._open[key]

    def _open_lab(self, names: tuple[str, ...]) -> BuiltLab:
        repo = workspace.open_repository(ROOT)
        environments = tuple(
            env for name in names for env in select_environments(repo.services, service=name)
        )
        messages: list[str] = []
        opened_lab = self._exit_stack.enter_context(
            lab.open_lab(repo, environments, show_status=messages.append)
        )
        assert opened_lab.has_docker, messages
        locked = lock.lock(opened_lab.repo, opened_lab.environments)
        cloned = clone.clone(opened_lab.repo, opened_lab.environments)
        built = build(opened_lab.repo, opened_lab.environments, OPTIONS)
        return BuiltLab(
            repo=opened_lab.repo,
            environments=opened_lab.environments,
            locked=locked,
            cloned=cloned,
            built=built,
        )


def image_tag(repo: Repository, env: Environment) -> str:
    key = generated.render_environment(repo, env, workspace.read_lock(repo, env)).image_key
    return f"{docker.image_repository(env, repo.settings, prefix=repo.prefix)}:{key[:12]}"


def image_tags(repo: Repository) -> list[str]:
    with docker.engine() as client:
        return docker_engine.list_tags(client, f"{repo.prefix}/")


def build_environment(repo: Repository, env: Environment) -> model.Outcome:
    (outcome,) = build(repo, [env], OPTIONS)
    return outcome


def change_service(repo: Repository, change: Callable[[Service], Service]) -> tuple[Repository, Environment]:
    """The repository with its one service changed, on disk and in memory."""
    (before,) = repo.services
    service = change(before)
    write_files({repo.root / service.file: write.to_yaml(service)})
    on_disk = workspace.open_repository(repo.root)
    changed_repo = replace(repo, services=on_disk.services, descriptions=on_disk.descriptions)
    return changed_repo, select_environments(changed_repo.services)[0]
