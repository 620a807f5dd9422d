"""Images of the lab read again and run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.labs import SHAPES, BuiltLabs, image_tag
from torchpin import paths
from torchpin.commands import images
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError
from torchpin.tools import docker, process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]


@pytest.mark.parametrize("name", SHAPES)
def test_an_image_read_again_equals_its_lock_and_its_record(shapes: BuiltLabs, name: str) -> None:
    shape = shapes.lab_of(name)
    outcomes = images.freeze(shape.repo, shape.service_environments(name))
    assert [outcome.code for outcome in outcomes] == [0] * len(outcomes), outcomes
    assert all("matches its lock and its record" in outcome.detail for outcome in outcomes)


def test_a_tampered_or_missing_record_and_an_image_that_is_not_built_are_findings(
    copy_shape: Callable[[str], Repository], shapes: BuiltLabs
) -> None:
    repo = replace(copy_shape("zopilot"), prefix=shapes.lab_of("zopilot").repo.prefix)
    (env,) = select_environments(repo.services, service="zopilot")
    path = repo.root / paths.freeze_path(env.name)
    assert images.freeze(repo, [env])[0].code == 0

    path.write_text(path.read_text().replace("wheel==", "wheel==9"))
    (outcome,) = images.freeze(repo, [env])
    assert (outcome.status, outcome.code) == ("failed", 1)
    assert f"{paths.freeze_path(env.name)} does not match the image" in outcome.detail

    path.unlink()
    (outcome,) = images.freeze(repo, [env])
    assert (outcome.status, outcome.code) == ("failed", 1)
    assert f"{paths.freeze_path(env.name)} is missing" in outcome.detail

    (outcome,) = images.freeze(replace(repo, prefix=f"{repo.prefix}/nothing"), [env])
    assert (outcome.status, outcome.code) == ("failed", 1)
    assert "; run `invoke build --service zopilot`" in outcome.detail


@pytest.fixture
def volumes() -> Iterator[list[str]]:
    """Names of volumes that go when the test ends."""
    from docker.errors import NotFound

    names: list[str] = []
    yield names
    with docker.engine() as client:
        for name in names:
            try:
                client.volumes.get(name).remove()
            except NotFound:
                continue


def test_a_container_runs_as_it_is_described(
    shapes: BuiltLabs, volumes: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    shape = shapes.lab_of("zopilot")
    (env,) = shape.service_environments("zopilot")
    volumes.append("zopilot-gpu-runpod-volume")
    command, code = images.run(shape.repo, env, dry_run=True)
    assert code == 0
    gpus = ("--gpus", "all") if process.which("nvidia-smi") else ()
    plain = [argument for argument in command if argument not in {"--interactive", "--tty"}]
    assert tuple(plain) == (
        *("docker", "run", "--rm", "--name", "zopilot-gpu", "--publish", "8000:8000"),
        *("--volume", "zopilot-gpu-runpod-volume:/runpod-volume", *gpus),
        *("--platform", env.variant.platform, image_tag(shape.repo, env)),
    )
    assert "zopilot-gpu" not in capfd.readouterr().out

    script = "import os, torch; print('ran', torch.__version__, os.environ['HF_HOME'], os.environ['PATH'])"
    command, code = images.run(shape.repo, env, command=("python", "-c", script))
    output = capfd.readouterr().out
    assert code == 0, output
    assert command[-3:] == ("python", "-c", script)
    assert "ran 2.5.1+cu124 /runpod-volume/huggingface /opt/venv/bin:" in output
    assert "ENVIRONMENT INFO" in output

    command, code = images.run(shape.repo, env, command=("python", "-c", "raise SystemExit(7)"))
    assert code == 7
    with docker.engine() as client:
        assert client.volumes.get("zopilot-gpu-runpod-volume")
        assert not client.containers.list(all=True, filters={"name": "zopilot-gpu"})


def test_what_is_not_built_does_not_run(shapes: BuiltLabs) -> None:
    shape = shapes.lab_of("zopilot")
    (env,) = shape.service_environments("zopilot")
    with pytest.raises(FindingsError, match="; run `invoke build --service zopilot`"):
        images.run(replace(shape.repo, prefix="torchpin-lab/nothing"), env)
