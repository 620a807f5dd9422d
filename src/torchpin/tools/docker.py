"""Docker's hands: buildx builds; docker-py does everything that is not a build."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torchpin.errors import ToolError
from torchpin.image import build_log
from torchpin.lock import layers
from torchpin.tools import process as tools_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import docker
    from torchpin.image.plan import Context
    from torchpin.model import Environment, Settings

KEY_LABEL = "io.torchpin.key"
PROBE = ("-B", "/opt/torchpin/probe.py")
_CA = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


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
        raise ToolError(f"No Docker engine answers at {host}: {_short(error)}.") from None
    try:
        client.ping()
        yield client
    except DockerException as error:
        raise ToolError(f"The Docker engine failed: {_short(error)}") from None
    finally:
        client.close()


def _environment() -> dict[str, str]:
    """docker-py knows DOCKER_HOST only; the command line's current context is asked for when it is not set."""
    if os.environ.get("DOCKER_HOST") or not tools_process.which("docker"):
        return dict(os.environ)
    done = tools_process.run(
        ("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"), check=False
    )
    host = done.stdout.strip()
    return {**os.environ, **({"DOCKER_HOST": host} if done.returncode == 0 and host else {})}


def faults() -> tuple[type[Exception], ...]:
    """What an engine that fails in the middle of something raises."""
    from docker.errors import DockerException
    from requests import RequestException

    return DockerException, RequestException


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def expect_buildx() -> str:
    """buildx's version. Raises ToolError when the docker command or its plugin is missing."""
    if not tools_process.which("docker"):
        raise ToolError("The docker command is not on this machine.")
    done = tools_process.run(("docker", "buildx", "version"), check=False)
    if done.returncode:
        raise ToolError(
            "The docker command has no buildx plugin. Install docker-buildx (Debian, Ubuntu: docker-buildx or docker-buildx-plugin)."
        )
    return done.stdout.split()[1] if len(done.stdout.split()) > 1 else done.stdout.strip()


def expect_platform(platform: str, *, builder: str = "") -> None:
    """Raises ToolError when the builder cannot build for a platform."""
    done = tools_process.run(("docker", "buildx", "inspect", *([builder] if builder else [])))
    listed = [
        line.removeprefix("Platforms:").strip()
        for line in done.stdout.splitlines()
        if line.startswith("Platforms:")
    ]
    known = {name.strip().rstrip("*") for line in listed for name in line.split(",")}
    if known and not any(name == platform or name.startswith(f"{platform}/") for name in known):
        raise ToolError(
            f"The builder has no {platform} (it has {', '.join(sorted(known))}). Install QEMU's emulators "
            f"(tonistiigi/binfmt) or name a builder that has it with --builder."
        )


def repository(env: Environment, settings: Settings, *, prefix: str = "torchpin") -> str:
    return "/".join(part for part in (settings.registry.rstrip("/"), prefix, env.name) if part)


def found(client: docker.DockerClient, tag: str, key: str) -> Any | None:
    """The image of a tag if it carries the key. An image is tagged only when its probe ended well, so it is proven."""
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(tag)
    except ImageNotFound:
        return None
    return image if image.labels.get(KEY_LABEL) == key else None


def build_command(  # every flag of the build is one argument here
    context: Path,
    *,
    platform: str,
    tags: Sequence[str],
    labels: Mapping[str, str],
    secrets: Mapping[str, Path],
    contexts: Mapping[str, str],
    network: str = "default",
    no_cache: bool = False,
    builder: str = "",
) -> tuple[str, ...]:
    """The buildx command of one image. `contexts` replaces images by others, as mirrors do."""
    return (
        "docker", "buildx", "build", "--progress", "plain", "--platform", platform, "--file", str(context / "Dockerfile"),
        "--provenance", "false",
        *(word for tag in tags for word in ("--tag", tag)),
        *(word for name, value in sorted(labels.items()) for word in ("--label", f"{name}={value}")),
        *(word for name, path in sorted(secrets.items()) for word in ("--secret", f"id={name},src={path}")),
        *(word for name, image in sorted(contexts.items()) for word in ("--build-context", f"{name}={image}")),
        *(("--network", network) if network != "default" else ()),
        *(("--builder", builder) if builder else ()),
        *(("--no-cache",) if no_cache else ()),
        "--load",
        str(context),
    )  # fmt: skip


def base_contexts(env: Environment, settings: Settings) -> dict[str, str]:
    """The base image by its mirror: `"docker.io" = "registry.local/hub"` takes registry.local/hub/nvidia/cuda:…"""
    base = env.base
    first, _, rest = base.image.partition("/")
    host, path = (first, rest) if rest and ("." in first or ":" in first) else ("docker.io", base.image)
    if host == "docker.io" and "/" not in path:
        path = f"library/{path}"  # Docker Hub's own name for its official images
    mirror = settings.mirrors.get(host)
    pinned = f"@{base.digest}" if base.digest else ""
    return {base.reference: f"docker-image://{mirror.rstrip('/')}/{path}{pinned}"} if mirror else {}


def network_script(settings: Settings, *, ca: bool) -> str:
    """What a build's RUN lines read as a secret: mirrors by variable, and the extra certificates, as shell lines."""
    lines = [
        f"export {layers.mirror_variable(name)}={shlex.quote(url)}"
        for name, url in sorted(settings.mirrors.items())
    ]
    return "\n".join([*lines, *(["export SSL_CERT_FILE=/run/torchpin/ca.crt"] if ca else []), ""])


@contextmanager
def assembled(root: Path, context: Context, dockerfile: str, uv: Path) -> Iterator[Path]:
    """A build context in a temporary folder: exactly what its list says."""
    from torchpin.tools import git

    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        folder = Path(name) / "context"
        tools_process.write(
            {folder / path: text for path, text in context.files.items()}
            | {folder / "Dockerfile": dockerfile}
        )
        shutil.copy2(uv, folder / "uv")
        (folder / "uv").chmod(0o755)
        for path, source in context.sources.items():
            git.export(root, source, folder / path)
        yield folder


@contextmanager
def secrets(settings: Settings) -> Iterator[dict[str, Path]]:
    """The secret files of a build; none where this machine needs none."""
    given = next((os.environ[name] for name in _CA if os.path.isfile(os.environ.get(name, ""))), None)  # noqa: PTH113 - "" is no path
    script = network_script(settings, ca=bool(given))
    if not script.strip():
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        file = Path(name) / "network"
        file.touch(mode=0o600)
        file.write_text(script)
        yield {"network": file} | ({"ca": Path(given)} if given else {})


def build(command: tuple[str, ...], log: Path, watch: Callable[[build_log.Event], None]) -> tuple[str, ...]:
    """A buildx build to its end, its whole log in a file and as the answer's lines.

    Raises ToolError with layer, last lines, remedy and log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with (
        log.open("w") as file,
        tools_process.streamed(command, env={**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}) as process,
    ):
        for line in cast("Iterator[str]", process.stdout):
            file.write(line)
            lines.append(line)
            event = build_log.event(line)
            if event:
                watch(event)
        code = process.wait()
    if code:
        raise ToolError(failed(build_log.failure(lines), log))
    return tuple(lines)


def failed(failure: build_log.Failure, log: Path) -> str:
    said = "\n".join(f"    {line}" for line in failure.lines)
    remedy = f"\nWhat helps: {failure.remedy}" if failure.remedy else ""
    return f"The build failed at {failure.step}; nothing was tagged or recorded.\n{said}{remedy}\nThe whole log: {log}"


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


def remove(client: docker.DockerClient, tags: Sequence[str]) -> None:
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
        raise ToolError(f"{image}: its probe gave no answer ({_short(error)}).") from None
    return answer


# --- what the lab needs of an engine ---------------------------------------------------------------------------------


def pull(client: docker.DockerClient, image: str, tag: str) -> bool:
    """An image from its registry under another tag; False when the registry does not answer or has none."""
    from docker.errors import DockerException

    name, _, label = image.rpartition(":")
    try:
        client.images.pull(name, tag=label).tag(*tag.rsplit(":", 1))
    except DockerException:
        return False
    remove(client, [image])
    return True


def load_tree(client: docker.DockerClient, archive: Path, tag: str) -> None:
    """An image of one layer from a tar of a file tree."""
    name, _, label = tag.rpartition(":")
    client.api.import_image_from_file(str(archive), repository=name, tag=label)


def said(client: docker.DockerClient, image: str, *command: str) -> str:
    """What a command inside an image prints, without network."""
    output: bytes = client.containers.run(image, list(command), remove=True, network_mode="none")
    return output.decode().strip()


def tagged(client: docker.DockerClient, prefix: str) -> list[str]:
    return [tag for image in client.images.list() for tag in image.tags if tag.startswith(prefix)]


def cache(client: docker.DockerClient) -> frozenset[str]:
    """The ids of the engine's build cache."""
    return frozenset(row["ID"] for row in client.api.df().get("BuildCache") or [])


def prune(client: docker.DockerClient, before: frozenset[str], dockerfiles: Sequence[str]) -> None:
    """Removes the build cache that came since and that steps of these Dockerfiles (texts) left.

    The engine's list names no builds, only instructions: what another build did meanwhile is told by its own and stays.
    """
    from docker.errors import APIError

    own = {_words(step) for text in dockerfiles for step in re.split(r"\n(?=[A-Z]+ )", text)}
    local = (
        "local source for",
        "from local",
        "cached mount /var/cache/uv",
        "cached mount /var/lib/apt/lists",
        "cached mount /var/cache/apt",
    )

    def ours(row: Mapping[str, Any]) -> bool:
        said = row["Description"]
        return said.startswith(local) or any(_words(said)[:120] in step for step in own)

    def left() -> frozenset[str]:
        rows = client.api.df().get("BuildCache") or []
        return frozenset(row["ID"] for row in rows if row["ID"] not in before and ours(row))

    here = left()
    while here:
        for one in here:
            wanted: Any = {
                "id": [one]
            }  # the stubs do not know this filter; the engine takes one id at a time
            with suppress(APIError):
                client.api.prune_builds(filters=wanted, all=True)
        still = left()  # a parent goes only after its children
        if still == here:
            return  # another build uses what is left
        here = still


def _words(instruction: str) -> str:
    """An instruction as the engine's list tells it: without mounts, one space between words."""
    plain = re.sub(r"^mount / from exec /bin/sh -c |^RUN |^\[[^]]*\] |--mount=\S+|\\\n", " ", instruction)
    return " ".join(plain.split())


EXTENDS = "COPY . "


def extend(base: str, tag: str, tree: Path) -> None:
    """An image that is another one with a file tree in its Python's own site-packages."""
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    with engine() as client:
        target = said(client, base, "python3", "-c", script)
    file = tree.parent / f"{tree.name}.dockerfile"
    tools_process.write({file: f"FROM {base}\n{EXTENDS}{target}/\n"})
    words = ("docker", "buildx", "build", "--load", "--provenance", "false")
    tools_process.run((*words, "--file", str(file), "--tag", tag, str(tree)))
