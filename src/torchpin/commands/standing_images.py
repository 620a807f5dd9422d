"""Builds with nothing to do: images that the engine has under their present keys, with records that are theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.commands.image_record import is_recorded
from torchpin.commands.judge import check
from torchpin.commands.run_buildx import image_tags
from torchpin.errors import TorchpinError
from torchpin.model import Outcome
from torchpin.quantities import format_megabytes
from torchpin.tools import engine_socket
from torchpin.tools.buildx import NO_ATTESTATIONS
from torchpin.tools.docker import KEY_LABEL
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.run_buildx import BuildOptions
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


def standing_images(
    repo: Repository, environments: Sequence[Environment], options: BuildOptions
) -> dict[str, Outcome]:
    """The outcomes of environments whose image is there and recorded, by environment.

    They are not judged again, and docker-py is not asked. What is not among them is looked at as for a build, which says
    what is wrong.
    """
    if options.proves_all or options.dry_run or options.attestations != NO_ATTESTATIONS:
        return {}
    outcomes = {env.name: _standing_image(repo, env) for env in environments}
    return {name: outcome for name, outcome in outcomes.items() if outcome}


def _standing_image(repo: Repository, env: Environment) -> Outcome | None:
    try:
        if not _is_rendered(repo, env):
            return None
        lock = workspace.read_lock(repo, env)
        rendered = generated.committed_rendering(repo, env, lock)
        tag, _ = image_tags(repo, env, rendered.image_key)
        image = engine_socket.inspect_image(tag)
        labels = (image or {}).get("Config", {}).get("Labels") or {}
        if image is None or labels.get(KEY_LABEL) != rendered.image_key:
            return None
        if not is_recorded(repo, env, lock, rendered):
            return None
        size = format_megabytes(image["Size"])
    except (TorchpinError, AttributeError, KeyError, TypeError):  # of an answer that no engine gives
        return None
    detail = f"already built and verified, nothing to do: {tag}, {size}"
    return Outcome(name=env.name, status="same", detail=detail)


def _is_rendered(repo: Repository, env: Environment) -> bool:
    """Whether the rendered files and the SBOM are those of the lock; as `lock` asks, so that one answer is kept for both."""
    results = check(repo, [env], "LCK", "DKR")
    return all(result.status == "ok" for result in results if result.check.startswith("DKR"))
