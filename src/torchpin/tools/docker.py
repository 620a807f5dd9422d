"""Docker's hands: buildx builds; docker-py does everything that is not a build."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin.errors import ToolError
from torchpin.tools import process as tools_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import docker
    from torchpin.model import Environment, Settings

KEY_LABEL = "io.torchpin.key"
PROBE = ("-B", "/opt/torchpin/probe.py")


@contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """The Docker engine that DOCKER_HOST or the current context names. Raises ToolError when none answers."""
    from docker.errors import DockerException

    import docker

    environment = _environment()
    host = environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).exists():
        raise ToolError(f"No Docker engine answers at {host}.")
    try:
        client = docker.from_env(environment=environment, timeout=120)
    except DockerException as error:
        raise ToolError(f"No Docker engine answers at {host}: {_short_message(error)}.") from None
    try:
        client.ping()
        yield client
    except DockerException as error:
        raise ToolError(f"The Docker engine failed: {_short_message(error)}") from None
    finally:
        client.close()


def _environment() -> dict[str, str]:
    """docker-py knows DOCKER_HOST only; the command line's current context is asked for when it is not set."""
    if os.environ.get("DOCKER_HOST") or not tools_process.which("docker"):
        return dict(os.environ)
    completed = tools_process.run(
        ("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"), check=False
    )
    host = completed.stdout.strip()
    return {**os.environ, **({"DOCKER_HOST": host} if completed.returncode == 0 and host else {})}


def engine_errors() -> tuple[type[Exception], ...]:
    """What an engine that fails in the middle of something raises."""
    from docker.errors import DockerException
    from requests import RequestException

    return DockerException, RequestException


def _short_message(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def image_repository(env: Environment, settings: Settings, *, prefix: str = "torchpin") -> str:
    return "/".join(part for part in (settings.registry.rstrip("/"), prefix, env.name) if part)


def find_image(client: docker.DockerClient, tag: str, key: str) -> Any | None:
    """The image of a tag if it carries the key. An image is tagged only when its probe ended well, so it is proven."""
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(tag)
    except ImageNotFound:
        return None
    return image if image.labels.get(KEY_LABEL) == key else None


def run_command(
    env: Environment, tag: str, *, command: Sequence[str], gpus: bool, terminal: bool
) -> tuple[str, ...]:
    """A service's container as its description has it: ports, a named volume for each of its volumes, the GPUs if any."""
    run = env.service.run
    volumes = ((f"{env.name}{path.replace('/', '-')}", path) for path in run.volumes)
    return (
        "docker", "run", "--rm", "--name", env.name,
        *(("--interactive", "--tty") if terminal else ()),
        *(word for port in run.ports for word in ("--publish", f"{port}:{port}")),
        *(word for name, path in volumes for word in ("--volume", f"{name}:{path}")),
        *(("--gpus", "all") if gpus and env.variant.channel != "cpu" else ()),
        "--platform", env.variant.platform,
        tag, *command,
    )  # fmt: skip


def push(client: docker.DockerClient, tags: Sequence[str]) -> None:
    """A proven image to its registry. Raises ToolError with the registry's own words."""
    for tag in tags:
        name, _, label = tag.rpartition(":")
        for line in client.images.push(name, tag=label, stream=True, decode=True):
            if "error" in line:
                raise ToolError(
                    f"{tag} could not be pushed: {line['error']}. Is `docker login` done, and build.registry right?"
                )


def remove_tags(client: docker.DockerClient, tags: Sequence[str]) -> None:
    """Takes tags away from an image that turned out wrong, or is no longer wanted."""
    from docker.errors import ImageNotFound

    for tag in tags:
        with suppress(ImageNotFound):
            client.images.remove(tag, force=True)


def probe(client: docker.DockerClient, image: str, *arguments: str, gpus: bool = False) -> dict[str, Any]:
    """The probe's answer from inside an image, run without network; with the machine's GPUs where they are asked for.

    Raises ToolError when the container cannot run or gives no answer.
    """
    from docker.errors import APIError, ContainerError
    from docker.types import DeviceRequest

    try:
        output = client.containers.run(
            image,
            [*PROBE, *arguments],
            entrypoint=["python"],
            remove=True,
            network_mode="none",
            stderr=False,
            device_requests=[DeviceRequest(count=-1, capabilities=[["gpu"]])] if gpus else [],
            environment={"HOME": "/tmp"},  # noqa: S108 - inside the container
        )
        answer: dict[str, Any] = json.loads(output)
    except (APIError, ContainerError, ValueError) as error:
        raise ToolError(f"{image}: its probe gave no answer ({_short_message(error)}).") from None
    return answer


# --- what the lab needs of an engine ---------------------------------------------------------------------------------
