"""The Docker engine by docker-py, for everything but builds (buildx) and `docker run` (a person may type into it)."""

from __future__ import annotations

import os
import re
import socket
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from torchpin.compat.compiled import compiled_versions, compute_capabilities
from torchpin.errors import ToolError
from torchpin.parsing import parse_json
from torchpin.redaction import redact_credentials
from torchpin.tools import process
from torchpin.tools.engine_socket import socket_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker import DockerClient

    from torchpin.model import Environment, Settings

    Client: TypeAlias = DockerClient

KEY_LABEL = "io.torchpin.key"
RUN_LABEL = "io.torchpin.run"  # of containers that answer a question and are removed
_TIMEOUT, _FIRST_TIMEOUT = (
    120,
    20,
)  # seconds of silence from an engine: later, and before it has answered once
_OLDEST_API = "1.24"  # of the requests that docker-py can make; the first one asks what the engine speaks
_MOST_WRAPPERS = 20  # exceptions that are looked into for the one of the operating system
_PROBE_SECONDS = 1800  # for importing torch and what it needs, on an emulated platform too
_MOST_OUTPUT = 50_000_000  # bytes that the probe may print; a real report has some hundred thousand
PROBE = ("-B", "/opt/torchpin/probe.py")  # -B: no bytecode is written


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFiles:
    """The files of the host that a container reads when it starts: those of variables, and a secret's by its name."""

    env_files: tuple[Path, ...] = ()
    secrets: Mapping[str, Path] = field(default_factory=dict)


NO_RUN_FILES = RunFiles()


@contextmanager
def engine() -> Iterator[Client]:
    """A client of the Docker engine that DOCKER_HOST or the current context names.

    Raises ToolError when the engine cannot be reached, and for an error of the engine inside of the block.
    """
    environment = _environment()
    host = environment.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if host.startswith("unix://"):
        _require_listener(host)
    from docker import from_env  # after that: it takes a tenth of a second

    version = _api_version(host, environment)
    with closing(from_env(environment=environment, version=version, timeout=_TIMEOUT)) as client:
        try:
            yield client
        except engine_errors() as error:
            raise ToolError(f"the Docker engine failed: {short_message(error)}") from None


def _require_listener(host: str) -> None:
    """Raises ToolError where nothing listens on a unix socket.

    docker-py is not asked, since it leaves its own socket open when it cannot connect.
    """
    path = Path(host.removeprefix("unix://"))
    advice = "start one, or set DOCKER_HOST"
    if not path.exists():
        raise ToolError(f"no Docker engine at {host}")
    if not path.is_socket():
        raise ToolError(f"no Docker engine at {host}: it is not a socket; correct DOCKER_HOST")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_FIRST_TIMEOUT)
        try:
            connection.connect(str(path))
        except PermissionError:
            reason = (
                "no permission; become a member of the group that the socket belongs to, or set DOCKER_HOST"
            )
        except ConnectionRefusedError:
            reason = f"nothing listens on the socket that an engine left; {advice}"
        except OSError as error:
            reason = f"{error.strerror or error}; {advice}"
        else:
            return
    raise ToolError(f"no Docker engine at {host}: {reason}")


def _api_version(host: str, environment: Mapping[str, str]) -> str:
    """The version of the API that an engine speaks. Raises ToolError where none answers in time, as an engine does."""
    from docker import from_env
    from docker.errors import DockerException
    from requests import RequestException

    shown = redact_credentials(host)
    advice = "restart it, or correct DOCKER_HOST"
    try:
        # with a version docker-py does not ask for one before there is something to close
        with closing(
            from_env(environment=environment, version=_OLDEST_API, timeout=_FIRST_TIMEOUT)
        ) as client:
            answer = client.version(api_version=False)
    except DockerException as error:
        raise ToolError(f"no Docker engine at {shown}: {short_message(error)}; {advice}") from None
    except (RequestException, ValueError, RecursionError) as error:
        raise ToolError(f"no Docker engine at {shown}: {_connection_problem(error)}; {advice}") from None
    version = answer.get("ApiVersion") if isinstance(answer, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,3}\.\d{1,3}", version, re.ASCII):
        raise ToolError(f"no Docker engine at {shown}: what answers there is not a Docker engine; {advice}")
    return version


def _connection_problem(error: BaseException) -> str:
    """What went wrong with a connection, without the exceptions that docker-py and requests wrap it in."""
    from requests import Timeout

    if isinstance(error, Timeout):
        return f"it accepts connections, but did not answer within {_FIRST_TIMEOUT} s"
    reason = _system_message(error)
    return reason.lower() if reason else "what answers there is not a Docker engine"


def _system_message(error: BaseException) -> str:
    """The operating system's message for the error that others wrap, in their arguments or as their cause; "" without one."""
    pending, seen = [error], 0
    while pending and seen < _MOST_WRAPPERS:
        current, seen = pending.pop(0), seen + 1
        if isinstance(current, OSError) and current.strerror:
            return str(current.strerror)
        wrapped = [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
        pending += [cause for cause in wrapped if isinstance(cause, BaseException)]
    return ""


def _environment() -> dict[str, str]:
    """The environment variables with DOCKER_HOST, from docker's current context if unset: docker-py reads no contexts."""
    if os.environ.get("DOCKER_HOST") or socket_path() or not process.which("docker"):
        return dict(os.environ)
    completed = process.run(
        ("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"),
        check=False,
        timeout=process.QUICK,
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


def short_message(error: BaseException) -> str:
    """The system's message for a broken connection, else the first line of an error's, at most 200 characters."""
    from requests import RequestException, Timeout

    if isinstance(error, Timeout):
        return f"it did not answer within {_TIMEOUT} s"
    if isinstance(error, RequestException) and (reason := _system_message(error)):
        return reason.lower()
    line = next(iter(redact_credentials(str(error)).splitlines()), "")[:200]
    return "".join(char if char.isprintable() else " " for char in line) or type(error).__name__


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
    env: Environment,
    tag: str,
    *,
    command: Sequence[str],
    gpus: bool,
    terminal: bool,
    run_files: RunFiles = NO_RUN_FILES,
) -> tuple[str, ...]:
    """The `docker run` command of a service: its ports, a named volume for each of its volumes, and the GPUs if any.

    Variables and secrets are given as files of the host, so no value of theirs is in the command.
    """
    run = env.service.run
    secrets = (
        f"type=bind,source={path},target=/run/secrets/{name},readonly"
        for name, path in run_files.secrets.items()
    )
    volumes = ((f"{env.name}{path.replace('/', '-')}", path) for path in run.volumes)
    return (
        "docker", "run", "--rm", "--name", env.name,
        *(("--interactive", "--tty") if terminal else ()),
        *(word for port in run.ports for word in ("--publish", f"{port}:{port}")),
        *(word for name, path in volumes for word in ("--volume", f"{name}:{path}")),
        *(word for path in run_files.env_files for word in ("--env-file", str(path))),
        *(word for secret in secrets for word in ("--mount", secret)),
        *(("--shm-size", run.shm_size) if run.shm_size else ()),
        *(("--ipc", run.ipc) if run.ipc else ()),
        *(("--gpus", "all") if gpus and env.variant.channel != "cpu" else ()),
        "--platform", env.variant.platform,
        tag, *command,
    )  # fmt: skip


def registry_credentials(host: str) -> dict[str, str]:
    """What docker knows of the user of a registry: username and password, or identitytoken; empty without a login.

    Raises ToolError where docker's credentials cannot be read.
    """
    from docker.auth import load_config
    from docker.errors import DockerException

    try:
        credentials = load_config().resolve_authconfig(host) or {}
    except DockerException as error:
        raise ToolError(f"docker's credentials of {host} cannot be read: {short_message(error)}") from None
    return {name.lower(): str(value) for name, value in credentials.items() if value}


def insecure_registries(client: Client) -> frozenset[str]:
    """The registries that the engine is told to speak HTTP with."""
    indexes = (client.info().get("RegistryConfig") or {}).get("IndexConfigs") or {}
    return frozenset(host for host, index in indexes.items() if not index.get("Secure", True))


def remove_tags(client: Client, tags: Sequence[str]) -> None:
    """Remove tags, and with the last tag of an image the image; a tag that does not exist is skipped."""
    from docker.errors import ImageNotFound

    for tag in tags:
        with suppress(ImageNotFound):
            client.images.remove(tag, force=True)


def source_options(env: Environment) -> tuple[str, ...]:
    """The options by which the probe reads the commit of each source in an image."""
    homes = [f"{env.service.home}/{source.folder}" for source in env.shipped_sources]
    return tuple(option for home in homes for option in ("--source", home))


def file_options(env: Environment) -> tuple[str, ...]:
    """The options by which the probe examines the installed files of an image, and its compiler where kernels are compiled."""
    compiled, capabilities = compiled_versions(env), compute_capabilities(env)
    return (
        "--files",
        *(("--compiles",) if env.service.run.compiles else ()),
        *(("--compiled", *compiled) if compiled else ()),
        *(("--capability", *capabilities) if compiled and capabilities else ()),
    )


def probe(client: Client, image: str, *arguments: str, gpus: bool = False) -> dict[str, Any]:
    """The JSON document of the probe, run in an image without network, and with all GPUs if `gpus`.

    Raises ToolError when the container cannot run or the probe fails.
    """
    from docker.types import DeviceRequest

    output = run_container(
        client,
        image,
        (*PROBE, *arguments),
        entrypoint=["python"],
        device_requests=[DeviceRequest(count=-1, capabilities=[["gpu"]])] if gpus else [],
        environment={"HOME": "/tmp"},  # noqa: S108 - inside the container
    )
    try:
        report = parse_json(output)
    except ValueError as error:
        raise ToolError(f"{image}: the probe's report is not JSON: {error}") from None
    if not isinstance(report, dict):
        raise ToolError(f"{image}: the probe's report is not a mapping; build the image again")
    return report


def run_container(client: Client, image: str, command: Sequence[str], **options: Any) -> bytes:
    """The standard output of a command in an image, run without network; what it prints to stderr is dropped.

    Raises ToolError when it cannot run, fails, does not end in time, or prints too much; the container is removed.
    """
    try:
        container = client.containers.run(
            image, [*command], detach=True, network_mode="none", labels=[RUN_LABEL], **options
        )
    except engine_errors() as error:
        raise ToolError(f"{image}: `{command[0]}` cannot run: {short_message(error)}") from None
    try:
        return await_container(container, image, command[0])
    finally:
        container.remove(force=True)


def await_container(container: Any, image: str, program: str) -> bytes:
    """The standard output of a container that was started. Raises ToolError when it fails, does not end in time, or prints too much."""
    from docker.errors import APIError

    try:
        code = container.wait(timeout=_PROBE_SECONDS)["StatusCode"]
        output = _read_output(container)
        last_lines = container.logs(stdout=False, stderr=True, tail=5).decode(errors="replace").strip()
    except APIError as error:
        raise ToolError(f"{image}: `{program}` cannot run: {short_message(error)}") from None
    except engine_errors() as error:
        reason = _system_message(error) or f"it did not end within {_PROBE_SECONDS} s"
        raise ToolError(f"{image}: `{program}` was ended: {reason.lower()}") from None
    if code:
        reason = f":\n{process.indent(last_lines)}" if last_lines else " (no output)"
        raise ToolError(f"{image}: `{program}` failed with exit code {code}{reason}")
    return output


def _read_output(container: Any) -> bytes:
    """What a container printed. Raises ToolError beyond the bound; the stream is read to its end, which closes it."""
    parts: list[bytes] = []
    size = 0
    for chunk in container.logs(stdout=True, stderr=False, stream=True, follow=False):
        size += len(chunk)
        if size <= _MOST_OUTPUT:
            parts.append(chunk)
    if size > _MOST_OUTPUT:
        raise ToolError(f"a container printed {size} bytes, and at most {_MOST_OUTPUT} are read")
    return b"".join(parts)
