"""Images that are assembled: the same files as those that are built, the same digests on every machine, and only if verified."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.image_trees import read_tree
from support.labs import build_environment, image_tag
from torchpin.commands.build import BuildOptions, build
from torchpin.tools import docker
from torchpin.tools.engine_images import ASSEMBLED_LABEL

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin import model
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]


def assemble(repo: Repository, env: Environment) -> model.Outcome:
    (outcome,) = build(repo, [env], BuildOptions(assemble=True))
    return outcome


def test_an_assembled_image_has_the_files_of_a_built_one(
    scratch: Repository, env: Environment, tmp_path: Path
) -> None:
    built = replace(scratch, prefix=f"{scratch.prefix}/built")
    outcome = build_environment(built, env)
    assert outcome.code == 0, outcome.detail
    repo = replace(scratch, settings=replace(scratch.settings, cache=str(tmp_path / "cache")))
    outcome = assemble(repo, env)
    assert outcome.code == 0, outcome.detail
    with docker.engine() as client:
        images = [client.images.get(image_tag(repo, env)) for repo in (repo, built)]
        assembled_tree, built_tree = (read_tree(client, str(image.id)) for image in images)
        settings, built_settings = (image.attrs["Config"] for image in images)
    assert assembled_tree.keys() == built_tree.keys()
    differing = {path for path, entry in assembled_tree.items() if entry != built_tree[path]}
    assert differing <= {"etc"}, differing  # in which the engine makes files of its own
    labels = settings["Labels"]
    assert labels.pop(ASSEMBLED_LABEL)
    assert settings["Labels"] == built_settings["Labels"]
    for name in ("Env", "User", "WorkingDir", "Entrypoint", "Cmd", "ExposedPorts", "Volumes", "Healthcheck"):
        assert settings.get(name) == built_settings.get(name), name
