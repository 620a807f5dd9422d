"""Image builds by docker buildx: the command, its contexts, secrets and log."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

from torchpin.description import patterns
from torchpin.description.environments import mirror_variable, split_image_name
from torchpin.errors import ToolError
from torchpin.image import build_log, secret_mounts
from torchpin.image.raw_build_log import PlainBuildLog, RawBuildLog
from torchpin.model import Settings
from torchpin.redaction import redact_credentials
from torchpin.tools import copied_files, credentials, files
from torchpin.tools.builders import buildx_version, inspect_builder, inspected_field
from torchpin.tools.process import QUERY, command_not_found, indent, run, stream, which
from torchpin.tools.scratch import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torchpin.image.plan import BuildContext
    from torchpin.model import Environment, Index, Service

_CONTAINERD_STORE = "io.containerd.snapshotter.v1"  # of `docker info`; the older store holds images alone
RAW = "rawjson"  # a value of --progress; 0.12 had it first, and wrote other texts between the documents
_FIRST_WITH_JSON = (0, 13)
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def expect_buildx() -> str:
    """buildx's version. Raises ToolError when the docker command or its plugin is missing."""
    if not which("docker"):
        raise command_not_found("docker")
    return buildx_version()


def rewrites_times(builder: str = "") -> bool:
    """Whether a builder can set the times in an image's layers: docker's own cannot, one in a container or remote can."""
    if not which("docker"):
        return False
    try:
        inspected = inspect_builder(builder)
    except ToolError:
        return False
    drivers = [
        line.removeprefix("Driver:").strip() for line in inspected.splitlines() if line.startswith("Driver:")
    ]
    return any(driver not in {"", "docker"} for driver in drivers)  # "": no engine answers


def image_digest(image: str) -> str | None:
    """The digest that a registry gives for an image's tag, all its platforms; None where none answers."""
    if not which("docker"):
        return None
    command = ("docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}")
    try:
        digest = run(command, check=False, timeout=QUERY).stdout.strip()
    except ToolError:
        return None
    return digest if patterns.DIGEST.pattern.fullmatch(digest) else None


def expect_platform(platform: str, *, builder: str = "") -> None:
    """Raises ToolError when the builder does not support a platform."""
    listed = [
        line.removeprefix("Platforms:").strip()
        for line in inspect_builder(builder).splitlines()
        if line.startswith("Platforms:")
    ]
    platforms = {name.strip().rstrip("*") for line in listed for name in line.split(",")}
    if platforms and not any(name == platform or name.startswith(f"{platform}/") for name in platforms):
        raise ToolError(
            f"the builder does not support {platform}, only {', '.join(sorted(platforms))}; install QEMU's emulators "
            f"(tonistiigi/binfmt), or name a builder that does with --builder"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """The time of an image in seconds since 1970, and whether the builder sets it in all layers once more."""

    epoch: int
    rewritten: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attestations:
    """What a build attests beside its image, as the values of buildx's options: `sbom`, `provenance`; "" for nothing."""

    sbom: str = ""
    provenance: str = ""


NO_ATTESTATIONS = Attestations()


def expect_attestations(*, builder: str = "") -> None:
    """Raises ToolError where attestations would be lost: images are loaded into the engine, so it has to keep them."""
    inspected = inspect_builder(builder)
    name, driver = (inspected_field(inspected, field) for field in ("Name", "Driver"))
    status = run(("docker", "info", "--format", "{{json .DriverStatus}}")).stdout
    if _CONTAINERD_STORE not in status:
        raise ToolError(
            f"the builder {name or builder} (driver {driver or 'unknown'}) cannot attest: the engine's image store keeps no "
            "attestations; switch the engine to the containerd image store, or build without `--sbom` and `--provenance`"
        )


def build_command(  # noqa: PLR0913 - each is an option of buildx
    context: Path,
    *,
    platform: str,
    tags: Sequence[str],
    labels: Mapping[str, str],
    secrets: Mapping[str, Path],
    contexts: Mapping[str, str],
    times: Times,
    network: str = "default",
    no_cache: bool = False,
    builder: str = "",
    target: str = "",
    attestations: Attestations = NO_ATTESTATIONS,
    keep_downloads: bool = False,
    compression: str = "",
    progress: str = "plain",
) -> tuple[str, ...]:
    """The buildx command of an image; `contexts` maps an image that a FROM line names to what replaces it.

    `target` is a stage of the Dockerfile, "" for the last one.
    """
    return (
        "docker", "buildx", "build", "--progress", progress, "--platform", platform, "--file", str(context / "Dockerfile"),
        "--provenance", attestations.provenance or "false",
        *(("--sbom", attestations.sbom) if attestations.sbom else ()),
        "--build-arg", f"SOURCE_DATE_EPOCH={times.epoch}",
        *(("--build-arg", "KEEP_DOWNLOADS=1") if keep_downloads else ()),
        *(word for tag in tags for word in ("--tag", tag)),
        *(word for name, value in sorted(labels.items()) for word in ("--label", f"{name}={value}")),
        *(word for name, path in sorted(secrets.items()) for word in ("--secret", f"id={name},src={path}")),
        *(word for name, image in sorted(contexts.items()) for word in ("--build-context", f"{name}={image}")),
        *(("--network", network) if network != "default" else ()),
        *(("--builder", builder) if builder else ()),
        *(("--target", target) if target else ()),
        *(("--no-cache",) if no_cache else ()),
        *_load_options(times, compression),
        str(context),
    )  # fmt: skip


def _load_options(times: Times, compression: str) -> tuple[str, ...]:
    """What loads an image into the engine. `compression` is that of its layers where the engine keeps them compressed."""
    options = [
        *(["rewrite-timestamp=true"] if times.rewritten else []),
        *([f"compression={compression}"] if compression and not times.rewritten else []),
    ]
    return ("--output", ",".join(["type=docker", *options])) if options else ("--load",)


def base_contexts(env: Environment, settings: Settings) -> dict[str, str]:
    """The build context that replaces the base image by its mirror's; none without a mirror of its registry.

    With `"docker.io" = "registry.local/hub"` nvidia/cuda:… is read from registry.local/hub/nvidia/cuda:…
    """
    base = env.base
    host, path = split_image_name(base.image)
    mirror = settings.mirrors.get(host)
    pinned = f"@{base.digest}" if base.digest else ""
    return {base.reference: f"docker-image://{mirror.rstrip('/')}/{path}{pinned}"} if mirror else {}


def network_script(settings: Settings, *, ca: bool) -> str:
    """The shell script that RUN instructions source from a secret: exports of the mirrors and of the certificates.

    A secret, since a build argument would stay in the image's history and change its layers.
    """
    lines = [
        f"export {mirror_variable(name)}={shlex.quote(url)}" for name, url in sorted(settings.mirrors.items())
    ]
    return "\n".join([*lines, *(["export SSL_CERT_FILE=/run/torchpin/ca.crt"] if ca else []), ""])


@contextmanager
def assemble_context(
    root: Path,
    context: BuildContext,
    dockerfile: str,
    uv: Path,
    *,
    service: Service | None = None,
    copied: Mapping[str, str] | None = None,
    settings: Settings | None = None,
    machine_files: Mapping[str, Path] | None = None,
) -> Iterator[Path]:
    """A temporary folder with exactly the files of a build context, the Dockerfile and uv.

    `copied` has the digests of the copied files of `service` by their path in the context. Raises ToolError where these have
    changed since. `machine_files` are files of this machine by the ids of the secrets that they stand for.
    """
    from torchpin.tools import git_export, package_files

    scripts = [path for path, text in context.files.items() if text.startswith("#!")]
    with temporary_folder() as parent:
        folder = parent / "context"
        files.write_files(
            {folder / path: text for path, text in context.files.items()}
            | {folder / "Dockerfile": dockerfile}
        )
        shutil.copy2(uv, folder / "uv")
        for path in (*scripts, "uv"):
            (folder / path).chmod(0o755)
        for name, file in (machine_files or {}).items():
            files.write_files({folder / secret_mounts.FOLDER / name: file.read_text()})
        for path, source in context.sources.items():
            git_export.export_clone(root, source, folder / path)
        for path, (artifact, package) in context.packages.items():
            package_files.copy_package(root, artifact, package, folder / path, settings or Settings())
        _set_modes(folder)
        if service:
            _copy_files(root, service, context, copied or {}, folder)
        yield folder


def _copy_files(
    root: Path, service: Service, context: BuildContext, digests: Mapping[str, str], folder: Path
) -> None:
    for path, entry in context.copied.items():
        members = copied_files.list_members(root, service, entry, context.left_out)
        if copied_files.copy_members(members, folder / path) != digests.get(path):
            raise ToolError(f"{entry.origin} changed while the build was prepared; build again")


def _set_modes(folder: Path) -> None:
    """Give everything in a folder git's modes, whatever the umask was.

    Its times stay: buildx sends a file again only if its time, size or mode differs from the last context's.
    """
    for parent, _, names in os.walk(folder):
        for path in (Path(parent), *(Path(parent, name) for name in names)):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineBuild:
    """A build on one machine: its Dockerfile, the secrets by id, and the files that are bound in place of secrets."""

    dockerfile: str
    secrets: Mapping[str, Path]
    files: Mapping[str, Path]


def fit_machine(dockerfile: str, secrets: Mapping[str, Path], *, hashes: bool) -> MachineBuild:
    """A build with the secret mounts that a machine needs. `hashes`: whether each of them costs a hash of the whole image.

    Then addresses and certificates are bound as files: only credentials are secret. That makes them a part of the builder's
    cache key, which is why they are secrets everywhere else.
    """
    text = "".join(path.read_text(errors="replace") for name, path in secrets.items() if name == "network")
    bound = secrets if hashes and redact_credentials(text) == text else {}
    fitted = secret_mounts.fit_secret_mounts(dockerfile, secrets, bound)
    mounted = secret_mounts.mounted_secrets(fitted)
    mounted_files = {name: path for name, path in secrets.items() if name in mounted}
    return MachineBuild(dockerfile=fitted, secrets=mounted_files, files=bound)


@contextmanager
def secret_files(settings: Settings, indexes: Sequence[Index] = ()) -> Iterator[dict[str, Path]]:
    """The secrets of a build by id: `network` for mirrors, with what this machine has to get in; `ca` for certificates.

    An index that this machine has credentials for is a mirror of itself, with them in its address. Empty without any.
    """
    addresses = {index.name: index.url for index in indexes if index.name not in settings.mirrors}
    with_credentials = {
        name: credentials.with_index_credentials(name, url, os.environ) for name, url in addresses.items()
    }
    private = {
        name: url for name, url in with_credentials.items() if credentials.with_known(url) != addresses[name]
    }
    settings = replace(settings, mirrors={**settings.mirrors, **private})
    ca_paths = (os.environ.get(name, "") for name in _CA_VARIABLES)
    ca_file = next((path for path in ca_paths if os.path.isfile(path)), None)  # noqa: PTH113 - "" is not a path
    mirrors = {name: credentials.with_known(url) for name, url in settings.mirrors.items()}
    script = network_script(replace(settings, mirrors=mirrors), ca=bool(ca_file))
    if not script.strip():
        yield {}
        return
    with temporary_folder() as folder:
        file = folder / "network"
        file.touch(mode=0o600)
        file.write_text(script)
        yield {"network": file} | ({"ca": Path(ca_file)} if ca_file else {})


def build(command: tuple[str, ...], log: Path, watch: Callable[[build_log.Event], None]) -> tuple[str, ...]:
    """Run a build, write its log to a file, and return the lines of the log; `watch` is called with each event.

    No line holds the credentials of an address.

    Raises ToolError, with the failed step, its last lines, the help and the log's path.
    """
    code, lines = run_logged(command, log, watch)
    if code:
        raise ToolError(failure_message(build_log.find_failure(lines), log))
    return lines


def run_logged(
    command: tuple[str, ...],
    log: Path,
    watch: Callable[[build_log.Event], None] | None = None,
    *,
    cwd: Path | None = None,
) -> tuple[int, tuple[str, ...]]:
    """Run a command of buildx, and return its exit code and the lines of its log, as `build` does."""
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    read = RawBuildLog() if RAW in command else PlainBuildLog()
    with (
        log.open("w") as file,
        stream(command, cwd=cwd, env={**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}) as process,
    ):
        # No bound of time: a step may compile for hours, and its progress is shown; an interrupt ends it.
        output = cast("Iterator[str]", process.stdout)
        for text, event in chain(chain.from_iterable(map(read.read, output)), read.remaining()):
            if text is not None:
                file.write(f"{text}\n")
                lines.append(f"{text}\n")
            if watch and event:
                watch(event)
        code = process.wait()
    return code, tuple(lines)


def reports_json(version: str) -> bool:
    """Whether a buildx, such as 0.13.1+ds1 or v0.17.1, writes the progress of a build as JSON alone, errors aside."""
    return minor_release(version) >= _FIRST_WITH_JSON


def minor_release(version: str) -> tuple[int, int]:
    """The major and minor number of a buildx, such as v0.17.1; (0, 0) where its version has none."""
    match = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def failure_message(
    failure: build_log.Failure, log: Path, *, outcome: str = "nothing was tagged or recorded"
) -> str:
    """The failed step, its last lines, the help if any, and the log's path, a line each."""
    lines = [
        f"the build failed at {failure.step}; {outcome}",
        indent("\n".join(failure.lines)),
        *([f"help: {failure.help}"] if failure.help else []),
        f"log: {log}",
    ]
    return "\n".join(lines)
