"""Docker buildx: the command of a build, its contexts and secrets."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from torchpin.description.environments import mirror_variable
from torchpin.errors import ToolError
from torchpin.image import build_log
from torchpin.tools import files
from torchpin.tools import process as tools_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torchpin.image.plan import BuildContext
    from torchpin.model import Environment, Settings


_CA = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def expect_buildx() -> str:
    """buildx's version. Raises ToolError when the docker command or its plugin is missing."""
    if not tools_process.which("docker"):
        raise ToolError("The docker command is not on this machine.")
    completed = tools_process.run(("docker", "buildx", "version"), check=False)
    if completed.returncode:
        raise ToolError(
            "The docker command has no buildx plugin. Install docker-buildx (Debian, Ubuntu: docker-buildx or docker-buildx-plugin)."
        )
    return completed.stdout.split()[1] if len(completed.stdout.split()) > 1 else completed.stdout.strip()


def expect_platform(platform: str, *, builder: str = "") -> None:
    """Raises ToolError when the builder cannot build for a platform."""
    completed = tools_process.run(("docker", "buildx", "inspect", *([builder] if builder else [])))
    listed = [
        line.removeprefix("Platforms:").strip()
        for line in completed.stdout.splitlines()
        if line.startswith("Platforms:")
    ]
    platforms = {name.strip().rstrip("*") for line in listed for name in line.split(",")}
    if platforms and not any(name == platform or name.startswith(f"{platform}/") for name in platforms):
        raise ToolError(
            f"The builder has no {platform} (it has {', '.join(sorted(platforms))}). Install QEMU's emulators "
            f"(tonistiigi/binfmt) or name a builder that has it with --builder."
        )


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
    first, _, remainder = base.image.partition("/")
    host, path = (
        (first, remainder) if remainder and ("." in first or ":" in first) else ("docker.io", base.image)
    )
    if host == "docker.io" and "/" not in path:
        path = f"library/{path}"  # Docker Hub's own name for its official images
    mirror = settings.mirrors.get(host)
    pinned = f"@{base.digest}" if base.digest else ""
    return {base.reference: f"docker-image://{mirror.rstrip('/')}/{path}{pinned}"} if mirror else {}


def network_script(settings: Settings, *, ca: bool) -> str:
    """What a build's RUN lines read as a secret: mirrors by variable, and the extra certificates, as shell lines."""
    lines = [
        f"export {mirror_variable(name)}={shlex.quote(url)}" for name, url in sorted(settings.mirrors.items())
    ]
    return "\n".join([*lines, *(["export SSL_CERT_FILE=/run/torchpin/ca.crt"] if ca else []), ""])


@contextmanager
def assemble_context(root: Path, context: BuildContext, dockerfile: str, uv: Path) -> Iterator[Path]:
    """A build context in a temporary folder: exactly what its list says."""
    from torchpin.tools import git

    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        folder = Path(name) / "context"
        files.write_files(
            {folder / path: text for path, text in context.files.items()}
            | {folder / "Dockerfile": dockerfile}
        )
        shutil.copy2(uv, folder / "uv")
        (folder / "uv").chmod(0o755)
        for path, source in context.sources.items():
            git.export_clone(root, source, folder / path)
        yield folder


@contextmanager
def secret_files(settings: Settings) -> Iterator[dict[str, Path]]:
    """The secret files of a build; none where this machine needs none."""
    ca_file = next((os.environ[name] for name in _CA if os.path.isfile(os.environ.get(name, ""))), None)  # noqa: PTH113 - "" is no path
    script = network_script(settings, ca=bool(ca_file))
    if not script.strip():
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        file = Path(name) / "network"
        file.touch(mode=0o600)
        file.write_text(script)
        yield {"network": file} | ({"ca": Path(ca_file)} if ca_file else {})


def build(command: tuple[str, ...], log: Path, watch: Callable[[build_log.Event], None]) -> tuple[str, ...]:
    """A buildx build to its end, its whole log in a file and as the answer's lines.

    Raises ToolError with layer, last lines, remedy and log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with (
        log.open("w") as file,
        tools_process.stream(command, env={**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}) as process,
    ):
        for line in cast("Iterator[str]", process.stdout):
            file.write(line)
            lines.append(line)
            event = build_log.parse_event(line)
            if event:
                watch(event)
        code = process.wait()
    if code:
        raise ToolError(failure_message(build_log.find_failure(lines), log))
    return tuple(lines)


def failure_message(failure: build_log.Failure, log: Path) -> str:
    excerpt = "\n".join(f"    {line}" for line in failure.lines)
    remedy = f"\nWhat helps: {failure.help}" if failure.help else ""
    return f"The build failed at {failure.step}; nothing was tagged or recorded.\n{excerpt}{remedy}\nThe whole log: {log}"
