"""The Docker engine by docker-py, for everything but builds (buildx) and `docker run` (a person may type into it)."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from torchpin.errors import ToolError
from torchpin.tools import process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docker import DockerClient

    from torchpin.model import Environment, Settings

    Client: TypeAlias = DockerClient

KEY_LABEL = "io.torchpin.key"
RUN_LABEL = "io.torchpin.run"  # of containers that answer a question and are removed
PROBE = ("-B", "/opt/torchpin/probe.py")  # -B: no bytecode is written


@contextmanager
def engine() -> Iterator[Client]:
    """A client of the Docker engine that DOCKER_HOST or the current context names.

    Raises ToolError when the engine cannot be reached, and for an error of the engine inside of the block.
    """
    from docker import from_env
    from docker.errors import DockerException

    environment = _environment()
    host = environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).exists():
        raise ToolError(f"no Docker engine at {host}")
    try:
        client = from_env(environment=environment, timeout=120)
    except DockerException as error:
        raise ToolError(f"no Docker engine at {host}: {short_message(error)}") from None
    try:
        client.ping()
        yield client
    except DockerException as error:
        raise ToolError(f"the Docker engine failed: {short_message(error)}") from None
    finally:
        client.close()


def _environment() -> dict[str, str]:
    """The environment variables with DOCKER_HOST, from docker's current context if unset: docker-py reads no contexts."""
    if os.environ.get("DOCKER_HOST") or not process.which("docker"):
        return dict(os.environ)
    completed = process.run(
        ("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"), check=False
    )
    host = completed.stdout.strip()
    return {**os.environ, **({"DOCKER_HOST": host} if completed.returncode == 0 and host else {})}


def engine_errors() -> tuple[type[Exception], ...]:
    """What docker-py raises when the engine fails or its connection breaks."""
    from docker.errors import DockerException
    from requests import RequestException

    return DockerException, RequestException


def api_error() -> type[Exception]:
    """What docker-py raises when the engine rejects a request."""
    from docker.errors import APIError

    return APIError


def short_message(error: Exception) -> str:
    """The first line of an error's message, at most 200 characters."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def image_repository(env: Environment, settings: Settings, *, prefix: str = "torchpin") -> str:
    """An environment's image name without tag: registry, if one is set, prefix and environment."""
    return "/".join(part for part in (settings.registry.rstrip("/"), prefix, env.name) if part)


def image_tags(
    env: Environment, settings: Settings, key: str, *, prefix: str = "torchpin"
) -> tuple[str, str]:
    """The tags of an environment's image: by its image key, and `latest`."""
    repository = image_repository(env, settings, prefix=prefix)
    return f"{repository}:{key[:12]}", f"{repository}:latest"


def find_image(client: Client, tag: str, key: str) -> Any | None:
    """The image of a tag if its label has the image key, else None.

    A build fails where its probe does, so every tagged image is verified.
    """
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(tag)
    except ImageNotFound:
        return None
    return image if image.labels.get(KEY_LABEL) == key else None


def run_command(
    env: Environment, tag: str, *, command: Sequence[str], gpus: bool, terminal: bool
) -> tuple[str, ...]:
    """The `docker run` command of a service: its ports, a named volume for each of its volumes, and the GPUs if any."""
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


def push(client: Client, tags: Sequence[str]) -> None:
    """Push tags to their registry. Raises ToolError with the registry's message."""
    for tag in tags:
        name, _, label = tag.rpartition(":")
        for line in client.images.push(name, tag=label, stream=True, decode=True):
            if "error" in line:
                raise ToolError(
                    f"{tag} could not be pushed: {line['error']}; check `docker login` and `build.registry`"
                )


def remove_tags(client: Client, tags: Sequence[str]) -> None:
    """Remove tags, and with the last tag of an image the image; a tag that does not exist is skipped."""
    from docker.errors import ImageNotFound

    for tag in tags:
        with suppress(ImageNotFound):
            client.images.remove(tag, force=True)


def source_options(env: Environment) -> tuple[str, ...]:
    """The options by which the probe reads the commit of each source in an image."""
    homes = [f"{env.service.home}/{source.path}" for source in env.service.sources]
    return tuple(option for home in homes for option in ("--source", home))


def probe(client: Client, image: str, *arguments: str, gpus: bool = False) -> dict[str, Any]:
    """The JSON document of the probe, run in an image without network, and with all GPUs if `gpus`.

    Raises ToolError when the container cannot run or the probe fails.
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
            labels=[RUN_LABEL],
            stderr=False,  # stdout is the document; what imports print goes to stderr
            device_requests=[DeviceRequest(count=-1, capabilities=[["gpu"]])] if gpus else [],
            environment={"HOME": "/tmp"},  # noqa: S108 - inside the container
        )
        report: dict[str, Any] = json.loads(output)
    except (APIError, ContainerError, ValueError) as error:
        raise ToolError(f"{image}: the probe failed: {short_message(error)}") from None
    return report
