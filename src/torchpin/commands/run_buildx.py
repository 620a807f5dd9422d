"""What `build` asks of buildx: its options, its command, and how it is run on an image or on the prefix of one."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.assembly.prefix import SHARED
from torchpin.assembly.prefix import STAGE as PREFIX_STAGE
from torchpin.commands.build_steps import build_steps
from torchpin.errors import InputError
from torchpin.image import build_log, plan
from torchpin.image.build_log import BuildStarted
from torchpin.progress import step
from torchpin.quantities import count, format_bytes
from torchpin.tools import uv_install
from torchpin.tools.buildx import NO_ATTESTATIONS, Attestations
from torchpin.tools.files import expect_inside, make_work_folder
from torchpin.tools.scratch import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torchpin.commands.report import EventCallback
    from torchpin.model import Environment, Lock, StatusCallback
    from torchpin.tools.buildx import MachineBuild
    from torchpin.workspace.generated import Rendering
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOptions:
    platform: str = ""
    builder: str = ""
    push: bool = False
    pull: bool = False  # with `push`: load what the registry has, too
    no_cache: bool = False
    full_proof: bool = False
    dry_run: bool = False
    lab: bool = False
    full: bool = False  # in the lab: packages of any size
    keep: bool = False  # in the lab: leave its folder and its images
    overwrite: bool = False  # records and documents that were edited by hand
    attestations: Attestations = NO_ATTESTATIONS
    assemble: bool = False  # from locked wheels; what has to run is built

    def select(self, environments: Iterable[Environment]) -> tuple[Environment, ...]:
        """The environments of the platform; all of them where none is named."""
        return tuple(env for env in environments if self.platform in {"", env.variant.platform})

    @property
    def proves_all(self) -> bool:
        """Whether nothing is taken from an earlier proof, as for an image that leaves this machine."""
        return self.full_proof or self.push or self.no_cache

    def __post_init__(self) -> None:
        if self.assemble and self.attestations != NO_ATTESTATIONS:
            raise InputError(
                "`--assemble` conflicts with `--sbom` and `--provenance`: buildx attests what it builds; leave one of them out"
            )
        if (self.full or self.keep) and not self.lab:
            option = "--full" if self.full else "--keep"
            raise InputError(f"`{option}` is about the lab; pass `--lab` too, or leave it out")
        if self.push and self.lab:
            raise InputError("`--push` conflicts with `--lab`: the lab's images stay in the lab")


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentBuild:
    """A build of one environment: the client of its engine, the options, and where it shows what it does."""

    client: Any
    repo: Repository
    env: Environment
    options: BuildOptions
    show_status: StatusCallback
    watch: EventCallback

    def tags(self, key: str) -> tuple[str, str]:
        """The tags of the image with an image key."""
        return image_tags(self.repo, self.env, key)


def parse_attestations(sbom: str | bool, provenance: str | bool) -> Attestations:
    """The attestations that `--sbom` and `--provenance` name; an option without a value is True.

    Raises InputError for a value that buildx would not take.
    """
    if isinstance(sbom, str) and sbom and not re.fullmatch(r"generator=[^\s,]+", sbom):
        raise InputError(f"--sbom must have no value, or generator=IMAGE, not {sbom!r}")
    if provenance not in {True, "", "min", "max"}:
        raise InputError(f"--provenance must have no value, or min or max, not {provenance!r}")
    mode = "min" if provenance is True else provenance
    return Attestations(
        sbom="true" if sbom is True else sbom or "", provenance=f"mode={mode}" if mode else ""
    )


def image_tags(repo: Repository, env: Environment, key: str) -> tuple[str, str]:
    from torchpin.tools import docker

    return docker.image_tags(env, repo.settings, key, prefix=repo.prefix)


def planned_text(env: Environment, lock: Lock, tag: str, options: BuildOptions) -> str:
    """What a build of an environment would do, as a sentence."""
    packages = lock.packages.values()
    size = format_bytes(sum(package.size or 0 for package in packages))
    size = size if all(package.size for package in packages) else f"more than {size}"
    made = "assemble" if options.assemble else "build"
    then = "push it" if options.push else "load it into the engine"
    return (
        f"would {made} {tag} from {paths.image_folder(env.name)}/Dockerfile for {env.variant.platform}: {env.base.image} and "
        f"{count(len(packages), 'package')}, {size} to download; then verify it, and {then}; `-v` shows the command"
    )


def _prefix_tags(repo: Repository, key: str) -> tuple[str]:
    return (f"{repo.prefix}/{SHARED}:{key[:12]}",)


def run_buildx(
    build: EnvironmentBuild,
    rendered: Rendering,
    labels: Mapping[str, str],
    *,
    sizes: dict[str, int],
    packages: Mapping[str, int] | None = None,
    is_prefix: bool = False,
) -> tuple[tuple[str, ...], Path]:
    """Runs buildx on a rendering, or on that of a prefix; the lines of its log, and the log's path.

    `sizes`: the bytes that layers install, by their titles; `packages`: those of each package's file.
    """
    from torchpin.tools import buildx, engine_images

    name, options = build.env.name, build.options
    version = buildx.expect_buildx()
    buildx.expect_platform(build.env.variant.platform, builder=options.builder)
    log = _log_path(build.repo, build.env, rendered.image_key)
    build.watch(BuildStarted(environment=name, sizes=sizes, log=str(log)))
    build.show_status(f"{name}: building; log: {log}")
    with ExitStack() as stack:
        with step(build.show_status, f"{name}: preparing the build context"):
            context, machine = stack.enter_context(_prepared_context(build, rendered))
        command = build_command(
            *(build.repo, build.env, labels, options, context, machine.secrets),
            is_prefix=is_prefix,
            compression="zstd" if not is_prefix and engine_images.keeps_blobs(build.client) else "",
            progress=buildx.RAW if buildx.reports_json(version) else "plain",
        )
        with build_steps(build.show_status, name, sizes, packages) as show:

            def follow(event: build_log.Event) -> None:
                show(event)
                build.watch(replace(event, environment=name))

            lines = buildx.build(command, log, follow)
    return lines, log


def _log_path(repo: Repository, env: Environment, key: str) -> Path:
    make_work_folder(repo.root)
    expect_inside(repo.root, paths.LOGS)
    return repo.root / paths.LOGS / f"{env.name}-{key[:12]}.log"


@contextmanager
def _prepared_context(build: EnvironmentBuild, rendered: Rendering) -> Iterator[tuple[Path, MachineBuild]]:
    """A temporary folder with the build context of a rendering, and the build as this machine needs it."""
    from torchpin.tools import builders, buildx

    repo, service = build.repo, build.env.service
    with (
        temporary_folder() as folder,
        buildx.secret_files(repo.settings, service.indexes) as secrets,
    ):
        uv = uv_install.uv_for_platform(build.env.variant.platform, folder, repo.settings)
        hashes = bool(secrets) and builders.hashes_for_secrets(
            build.client.version()["Version"], build.options.builder
        )
        machine = buildx.fit_machine(rendered.dockerfile, secrets, hashes=hashes)
        with buildx.assemble_context(
            *(repo.root, rendered.context, machine.dockerfile, uv),
            service=service,
            copied=rendered.copied,
            settings=repo.settings,
            machine_files=machine.files,
        ) as context:
            yield context, machine


def build_prefix(build: EnvironmentBuild, rendered: Rendering) -> str:
    """The id of a prefix in the engine; one with this key is not built again."""
    from torchpin.tools import docker

    (tag,) = _prefix_tags(build.repo, rendered.image_key)
    image = None if build.options.no_cache else docker.find_image(build.client, tag, rendered.image_key)
    if image is None:
        labels = {docker.KEY_LABEL: rendered.image_key}
        run_buildx(build, rendered, labels, sizes={}, is_prefix=True)
        image = build.client.images.get(tag)
    return str(image.id)


def build_command(
    repo: Repository,
    env: Environment,
    labels: Mapping[str, str],
    options: BuildOptions,
    context: Path,
    secrets: Mapping[str, Path],
    *,
    is_prefix: bool = False,
    compression: str = "",
    progress: str = "plain",
) -> tuple[str, ...]:
    """The command that builds an image, or with `is_prefix` the prefix of one, from a build context.

    `secrets`: the files of the build's secrets by id; `compression`: of layers, "" for the engine's own; `progress`: `plain` or `rawjson`.
    """
    from torchpin.tools import buildx, docker

    key = labels[docker.KEY_LABEL]
    return buildx.build_command(
        context,
        platform=env.variant.platform,
        tags=_prefix_tags(repo, key) if is_prefix else image_tags(repo, env, key),
        target=PREFIX_STAGE if is_prefix else "",
        labels=labels,
        secrets=secrets,
        contexts=buildx.base_contexts(env, repo.settings),
        times=buildx.Times(epoch=plan.image_time(env)[0], rewritten=buildx.rewrites_times(options.builder)),
        network=repo.settings.network,
        no_cache=options.no_cache,
        builder=options.builder,
        attestations=options.attestations,
        keep_downloads=repo.settings.keep_downloads,
        compression=compression,
        progress=progress,
    )
