"""The build of an environment that something else than this command runs, such as a bake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.commands.build import build_labels, load_fresh, require_unique_packages
from torchpin.commands.run_buildx import build_command, image_tags

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torchpin.commands.run_buildx import BuildOptions
    from torchpin.model import Environment
    from torchpin.workspace import generated
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedBuild:
    """The build of an environment that something else runs. `tags`: by its image key, and `latest`."""

    repo: Repository
    env: Environment
    options: BuildOptions
    rendered: generated.Rendering
    labels: Mapping[str, str]
    tags: tuple[str, str]

    def command(self, context: Path, secrets: Mapping[str, Path]) -> tuple[str, ...]:
        """The command that builds it from a context, with secrets by id."""
        return build_command(self.repo, self.env, self.labels, self.options, context, {**secrets})


def prepare_build(repo: Repository, env: Environment, options: BuildOptions) -> PreparedBuild:
    """The build of an environment. Raises FindingsError where the committed files are out of date, ToolError for a wrong lock."""
    lock, rendered = load_fresh(repo, env)
    require_unique_packages(env, lock)
    return PreparedBuild(
        repo=repo,
        env=env,
        options=options,
        rendered=rendered,
        labels=build_labels(repo, env, lock, rendered),
        tags=image_tags(repo, env, rendered.image_key),
    )
