"""`build`: images from locks, verified and recorded."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.checks.rules.generated_files import first_differing_line
from torchpin.commands.image_record import file_warnings, is_recorded, write_record
from torchpin.commands.judge import require_compatible
from torchpin.commands.parallel import for_each_environment, ignore
from torchpin.commands.stored_images import find_stored, publish
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.image import build_log, plan
from torchpin.image.build_log import BuildStarted
from torchpin.image.labels import image_labels
from torchpin.lock.sealing import digest
from torchpin.model import Outcome
from torchpin.redaction import redact_credentials
from torchpin.tools import uv_install
from torchpin.tools.buildx import NO_ATTESTATIONS, Attestations
from torchpin.tools.files import expect_inside, make_work_folder
from torchpin.tools.scratch import temporary_folder
from torchpin.workspace import generated, workspace
from torchpin.workspace.hand_edits import require_unedited
from torchpin.workspace.writer import clone_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torchpin.commands.report import EventCallback
    from torchpin.commands.stored_images import StoredImage
    from torchpin.model import Environment, Lock, StatusCallback
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOptions:
    platform: str = ""
    builder: str = ""
    push: bool = False
    pull: bool = False  # with `push`: load what the registry has, too
    no_cache: bool = False
    dry_run: bool = False
    lab: bool = False
    overwrite: bool = False  # records and documents that were edited by hand
    attestations: Attestations = NO_ATTESTATIONS

    def __post_init__(self) -> None:
        if self.push and self.lab:
            raise InputError("`--push` conflicts with `--lab`: the lab's images stay in the lab")


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


def build(
    repo: Repository,
    environments: Sequence[Environment],
    options: BuildOptions,
    *,
    show_status: StatusCallback = ignore,
    watch: EventCallback = ignore,
) -> tuple[Outcome, ...]:
    """Builds, verifies and records images, two at a time. An image with the same image key is not built again.

    Environments do not depend on each other: one that fails does not stop the others.
    """
    from torchpin.tools import buildx, docker

    chosen = tuple(env for env in environments if options.platform in {"", env.variant.platform})
    if not chosen:
        raise InputError(f"no selected environment is for {options.platform}")
    require_compatible(repo, chosen)
    if options.dry_run:
        return tuple(_dry_run(repo, env, options) for env in chosen)
    if not options.overwrite:  # before a build that takes long
        records = [
            path for env in chosen for path in (paths.freeze_path(env.name), paths.build_path(env.name))
        ]
        require_unedited(
            repo,
            {
                **dict.fromkeys([*generated.document_paths(repo), *records]),
                **generated.expected_documents(repo, {}),
            },
        )
    with docker.engine() as client:
        buildx.expect_buildx()
        if options.attestations == NO_ATTESTATIONS:
            show_status(
                "without attestations; `--sbom` and `--provenance` add them, where the engine keeps them"
            )
        else:
            buildx.expect_attestations(builder=options.builder)
        return for_each_environment(
            chosen,
            lambda env: with_engine_errors(_build, client, repo, env, options, show_status, watch),
            workers=2,
        )


def with_engine_errors(operation: Callable[..., Outcome], *arguments: Any) -> Outcome:
    """Runs an operation on one environment. Raises ToolError where the engine fails, so that only this environment fails."""
    from torchpin.tools import docker

    try:
        return operation(*arguments)
    except docker.engine_errors() as error:
        raise ToolError(f"the Docker engine failed: {docker.short_message(error)}") from None


def _load_fresh(repo: Repository, env: Environment) -> tuple[Lock, generated.Rendering]:
    """The lock and its rendered files. Raises FindingsError where the committed ones are out of date."""
    lock = workspace.read_lock(repo, env)
    rendered = generated.render_environment(repo, env, lock)
    outdated = [path for path, text in rendered.files.items() if first_differing_line(repo.text(path), text)]
    if outdated:
        raise FindingsError(
            f"{', '.join(outdated)}: out of date; run `invoke render --service {env.service.name}`"
        )
    return lock, rendered


def _tags(repo: Repository, env: Environment, key: str) -> tuple[str, str]:
    from torchpin.tools import docker

    return docker.image_tags(env, repo.settings, key, prefix=repo.prefix)


def _build(
    client: Any,
    repo: Repository,
    env: Environment,
    options: BuildOptions,
    show_status: StatusCallback,
    watch: EventCallback,
) -> Outcome:
    """One image: built, unless it exists; recorded, unless its record is current; pushed on request."""
    from torchpin.tools import docker

    repo = replace(
        repo
    )  # which has read nothing: all that is read from here on must stay until the record is written
    lock, rendered = _load_fresh(repo, env)
    labels = _labels(repo, env, lock, rendered)
    tags = _tags(repo, env, rendered.image_key)
    stored = _find_stored(client, repo, env, options, tags, rendered.image_key, show_status)
    if stored and stored.place == "registry":
        publish(client, tags, rendered.image_key)
        return Outcome(
            name=env.name,
            status="same",
            detail=f"in the registry already: {tags[0]}; `--pull` loads it",
        )
    image: Any = stored.image if stored else None
    new = image is None
    if new:
        for source in env.service.sources:
            show_status(f"{source.path}: {clone_source(repo, source, verify_tag=True)} at {source.version}")
        _run_build(client, repo, env, options, (lock, rendered, labels), watch)
        image = docker.find_image(client, tags[0], rendered.image_key)
        if image is None:  # another build has moved the tag
            raise ToolError(f"{tags[0]} is not the image that was built; build again")
    recorded = not new and is_recorded(repo, env, lock, rendered)
    if not recorded:
        report = write_record(client, repo, env, (lock, rendered), image, tags, overwrite=options.overwrite)
        for warning in file_warnings(env, report):
            show_status(warning)
    pushed = f", {publish(client, tags, rendered.image_key, again=options.no_cache)}" if options.push else ""
    status = "built and verified" if new else "already built and verified"
    status = "pulled from the registry" if stored and stored.place == "pulled" else status
    status += "" if new else ", nothing to do" if recorded else ", and recorded"
    size = image.attrs["Size"] / 1e6
    detail = f"{status}: {tags[0]}, {size:,.0f} MB{pushed}"
    return Outcome(name=env.name, status="same" if recorded else "changed", detail=detail)


def _find_stored(
    client: Any,
    repo: Repository,
    env: Environment,
    options: BuildOptions,
    tags: Sequence[str],
    key: str,
    show_status: StatusCallback,
) -> StoredImage | None:
    """The image that need not be built, None where there is none; what is pushed anyway is left in the registry."""
    if options.no_cache:
        return None
    return find_stored(
        *(client, env, tags, key),
        registry=repo.settings.registry,
        pull=options.pull or not options.push,
        required=options.push,
        show_status=show_status,
    )


def _run_build(
    client: Any,
    repo: Repository,
    env: Environment,
    options: BuildOptions,
    inputs: tuple[Lock, generated.Rendering, Mapping[str, str]],
    watch: EventCallback,
) -> None:
    """Runs the build. Raises ToolError for a package that is installed twice or from another index than the locked one."""
    from torchpin.tools import buildx, docker

    lock, rendered, labels = inputs
    _require_unique_packages(env, lock)
    buildx.expect_platform(env.variant.platform, builder=options.builder)
    make_work_folder(repo.root)
    expect_inside(repo.root, paths.LOGS)
    log = repo.root / paths.LOGS / f"{env.name}-{rendered.image_key[:12]}.log"
    sizes = {
        f"layer {paths.lock_part(step.file)}": sum(package.size or 0 for package in step.artifacts)
        for step in plan.install_steps(env, lock)
    }
    watch(BuildStarted(environment=env.name, sizes=sizes, log=str(log)))
    with (
        temporary_folder() as folder,
        buildx.secret_files(repo.settings, env.service.indexes) as secrets,
    ):
        uv = uv_install.uv_for_platform(env.variant.platform, folder, repo.settings)
        hashes = bool(secrets) and buildx.hashes_for_secrets(client.version()["Version"], options.builder)
        machine = buildx.fit_machine(rendered.dockerfile, secrets, hashes=hashes)
        with buildx.assemble_context(
            *(repo.root, rendered.context, machine.dockerfile, uv),
            service=env.service,
            copied=rendered.copied,
            settings=repo.settings,
            machine_files=machine.files,
        ) as context:
            command = _build_command(repo, env, labels, options, context, machine.secrets)
            lines = buildx.build(command, log, lambda event: watch(replace(event, environment=env.name)))
    problem = _log_problem(env, lock, lines)
    if problem:
        docker.remove_tags(client, _tags(repo, env, rendered.image_key))
        raise ToolError(f"{env.name}: {problem}; the image's tags were removed\nlog: {log}")


def _require_unique_packages(env: Environment, lock: Lock) -> None:
    """Raises ToolError where several layers of a lock have the same package: the later one would replace the earlier."""
    names = [package.name for layer in lock.layers for package in layer.packages]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise ToolError(
            f"{env.name} locks {', '.join(duplicates)} twice; run `invoke lock --service {env.service.name}`"
        )


def _log_problem(env: Environment, lock: Lock, lines: Sequence[str]) -> str:
    """How the installs in a build's log differ from the lock, "" where they do not."""
    expected_indexes = {
        step.file: step.index
        for step in plan.install_steps(env, lock)
        if step.index and not (step.own_index and step.builds)
    }
    if build_log.layer_indexes(lines) != expected_indexes:
        return f"the layer of torch was not installed from {', '.join(expected_indexes.values())}"
    repeated = build_log.repeated_installs(lines)
    return f"{', '.join(repeated)} was installed twice" if repeated else ""


def _build_command(
    repo: Repository,
    env: Environment,
    labels: Mapping[str, str],
    options: BuildOptions,
    context: Path,
    secrets: Mapping[str, Path],
) -> tuple[str, ...]:
    from torchpin.tools import buildx, docker

    return buildx.build_command(
        context,
        platform=env.variant.platform,
        tags=_tags(repo, env, labels[docker.KEY_LABEL]),
        labels=labels,
        secrets=secrets,
        contexts=buildx.base_contexts(env, repo.settings),
        times=buildx.Times(epoch=plan.image_time(env)[0], rewritten=buildx.rewrites_times(options.builder)),
        network=repo.settings.network,
        no_cache=options.no_cache,
        builder=options.builder,
        attestations=options.attestations,
        keep_downloads=repo.settings.keep_downloads,
    )


def _labels(repo: Repository, env: Environment, lock: Lock, rendered: generated.Rendering) -> dict[str, str]:
    """The labels that an image gets beside those of its Dockerfile. Raises FindingsError where its SBOM is out of date.

    A revision in the Dockerfile would change the image key with each commit.
    """
    from torchpin.tools import docker, git_checkout

    sbom_path, sbom = paths.sbom_path(env.name), generated.sbom_text(env, lock)
    if repo.text(sbom_path) != sbom:
        raise FindingsError(f"{sbom_path}: out of date; run `invoke render --service {env.service.name}`")
    inputs = (
        *(paths.service_folder(env.service.name), paths.lock_folder(env.name), paths.image_folder(env.name)),
        *(paths.DOCKERFILE_TEMPLATE, paths.RUNTIME, paths.RESOURCES, paths.DOCKERIGNORE),
        *(entry.origin for entry in env.service.files),
    )
    origin, revision = git_checkout.checkout_state(repo.root, inputs)
    labels = image_labels(env, lock, sbom_digest=digest(sbom), origin=origin, revision=revision)
    return {**labels, docker.KEY_LABEL: rendered.image_key}


def _dry_run(repo: Repository, env: Environment, options: BuildOptions) -> Outcome:
    labels = _labels(repo, env, *_load_fresh(repo, env))
    command = redact_credentials(shlex.join(_build_command(repo, env, labels, options, Path("CONTEXT"), {})))
    return Outcome(name=env.name, status="same", detail=f"would run: {command}")


def built_tag(client: Any, repo: Repository, env: Environment) -> str:
    """The tag of the image of a description. Raises FindingsError where it is not built."""
    from torchpin.tools import docker

    _, rendered = _load_fresh(repo, env)
    tag = _tags(repo, env, rendered.image_key)[0]
    if docker.find_image(client, tag, rendered.image_key) is None:
        raise FindingsError(
            f"{env.name} is not built from its description; run `invoke build --service {env.service.name}`"
        )
    return tag
