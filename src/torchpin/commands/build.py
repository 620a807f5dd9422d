"""`build`: images from locks, verified and recorded."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.commands import kept_proofs
from torchpin.commands.image_record import file_warnings, is_recorded, write_record
from torchpin.commands.judge import require_compatible
from torchpin.commands.parallel import for_each_environment, ignore
from torchpin.commands.plan import require_space
from torchpin.commands.run_buildx import (
    BuildOptions,
    EnvironmentBuild,
    build_command,
    build_prefix,
    image_tags,
    parse_attestations,
    planned_text,
    run_buildx,
)
from torchpin.commands.standing_images import standing_images
from torchpin.commands.stored_images import find_stored, publish
from torchpin.errors import COMMAND_PREFIX, FindingsError, InputError, ToolError
from torchpin.image import build_log, plan
from torchpin.image.labels import image_labels
from torchpin.lock.sealing import digest
from torchpin.model import Outcome
from torchpin.progress import step
from torchpin.quantities import format_megabytes
from torchpin.redaction import redact_credentials
from torchpin.tools.buildx import NO_ATTESTATIONS
from torchpin.workspace import generated, workspace
from torchpin.workspace.hand_edits import require_unedited
from torchpin.workspace.writer import clone_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torchpin.commands.report import EventCallback
    from torchpin.commands.stored_images import StoredImage
    from torchpin.model import Environment, Lock, StatusCallback
    from torchpin.workspace.workspace import Repository

__all__ = ["BuildOptions", "build", "built_tag", "parse_attestations", "with_engine_errors"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _BuildInputs:
    """What an image is built from: the lock, its rendered files, and the labels beside those of its Dockerfile."""

    lock: Lock
    rendered: generated.Rendering
    labels: Mapping[str, str]

    @property
    def key(self) -> str:
        return self.rendered.image_key


def build(
    repo: Repository,
    environments: Sequence[Environment],
    options: BuildOptions,
    *,
    standing: Mapping[str, Outcome] | None = None,
    show_status: StatusCallback = ignore,
    watch: EventCallback = ignore,
) -> tuple[Outcome, ...]:
    """Builds, verifies and records images, two at a time. An image with the same image key is not built again.

    Environments do not depend on each other: one that fails does not stop the others. `standing`: what `standing_images` said.
    Raises InputError where no environment is for the platform, and what keeps all of them from being built.
    """
    chosen = options.select(environments)
    if not chosen:
        raise InputError(f"no selected environment is for {options.platform}")
    standing = standing_images(repo, chosen, options) if standing is None else standing
    missing = tuple(env for env in chosen if env.name not in standing)
    built = _build_all(repo, missing, options, show_status, watch) if missing else ()
    outcomes = {**standing, **{outcome.name: outcome for outcome in built}}
    return tuple(outcomes[env.name] for env in chosen)


def _build_all(
    repo: Repository,
    chosen: Sequence[Environment],
    options: BuildOptions,
    show_status: StatusCallback,
    watch: EventCallback,
) -> tuple[Outcome, ...]:
    from torchpin.tools import buildx, docker

    require_compatible(repo, chosen)
    if options.dry_run:
        return tuple(_dry_run(repo, env, options) for env in chosen)
    if not options.overwrite:  # before a build that takes long
        _require_unedited_records(repo, chosen)
    with docker.engine() as client:
        if not options.assemble:  # assembling asks for buildx only if something has to run
            buildx.expect_buildx()
        if options.attestations == NO_ATTESTATIONS:
            show_status(
                "without attestations; `--sbom` and `--provenance` add them, where the engine keeps them"
            )
        else:
            buildx.expect_attestations(builder=options.builder)
        return for_each_environment(
            chosen,
            lambda env: with_engine_errors(
                _build_and_record,
                EnvironmentBuild(
                    client=client,
                    # a copy that has read nothing yet: what it reads must not change until the record is written
                    repo=replace(repo),
                    env=env,
                    options=options,
                    show_status=show_status,
                    watch=watch,
                ),
            ),
            workers=2,
        )


def _require_unedited_records(repo: Repository, environments: Sequence[Environment]) -> None:
    """Raises FindingsError for records and documents that were edited by hand."""
    records = [
        path for env in environments for path in (paths.freeze_path(env.name), paths.build_path(env.name))
    ]
    files = dict.fromkeys([*generated.document_paths(repo), *records])
    require_unedited(repo, {**files, **generated.expected_documents(repo, {})})


def with_engine_errors(operation: Callable[..., Outcome], *arguments: Any) -> Outcome:
    """Runs an operation on one environment. Raises ToolError where the engine fails, so that only this environment fails."""
    from torchpin.tools import docker

    try:
        return operation(*arguments)
    except docker.engine_errors() as error:
        raise ToolError(f"the Docker engine failed: {docker.short_message(error)}") from None


def load_fresh(repo: Repository, env: Environment) -> tuple[Lock, generated.Rendering]:
    """The lock and its rendered files. Raises FindingsError where the committed ones are out of date."""
    from torchpin.checks.rules.generated_files import first_differing_line

    lock = workspace.read_lock(repo, env)
    rendered = generated.render_environment(repo, env, lock)
    outdated = [path for path, text in rendered.files.items() if first_differing_line(repo.text(path), text)]
    if outdated:
        raise FindingsError(
            f"{', '.join(outdated)}: out of date; run `invoke render --service {env.service.name}`"
        )
    return lock, rendered


def _build_and_record(build: EnvironmentBuild) -> Outcome:
    """One image: built, unless it exists; recorded, unless its record is current; pushed on request."""
    repo, env, options = build.repo, build.env, build.options
    lock, rendered = load_fresh(repo, env)
    inputs = _BuildInputs(lock=lock, rendered=rendered, labels=build_labels(repo, env, lock, rendered))
    tags = build.tags(inputs.key)
    stored = _find_stored(build, inputs.key)
    if stored and stored.place == "registry":
        publish(build.client, tags, inputs.key)
        return Outcome(
            name=env.name,
            status="same",
            detail=f"in the registry already: {tags[0]}; `--pull` loads it",
        )
    is_built = stored is None or _needs_full_proof(build, inputs.key, stored)
    image = _make_image(build, inputs) if stored is None or is_built else stored.image
    is_same_image = stored is not None and stored.image.id == image.id
    recorded = is_same_image and is_recorded(repo, env, lock, rendered)
    if not recorded:
        _record(build, inputs, image)
    pushed = f", {_push(build, inputs.key, image)}" if options.push else ""
    pulled = stored is not None and stored.place == "pulled"
    status = _built_status(is_built=is_built, pulled=pulled, recorded=recorded)
    detail = f"{status}: {tags[0]}, {format_megabytes(image.attrs['Size'])}{pushed}"
    return Outcome(name=env.name, status="same" if recorded else "changed", detail=detail)


def _needs_full_proof(build: EnvironmentBuild, key: str, stored: StoredImage) -> bool:
    """Whether an image of the engine is built again, since a full proof is requested that it did not have."""
    return (
        stored.place == "engine"
        and build.options.proves_all
        and not kept_proofs.is_fully_proven(build.repo, build.env, key)
    )


def _record(build: EnvironmentBuild, inputs: _BuildInputs, image: Any) -> None:
    """Writes the record of an image, and shows what its probe warns of."""
    env = build.env
    with step(build.show_status, f"{env.name}: recording what the image holds"):
        report = write_record(
            *(build.client, build.repo, env, (inputs.lock, inputs.rendered), image, build.tags(inputs.key)),
            overwrite=build.options.overwrite,
        )
    for warning in () if build.repo.lacks_libraries else file_warnings(env, report):
        build.show_status(warning)


def _push(build: EnvironmentBuild, key: str, image: Any) -> str:
    """Pushes an image to the registry; what was done."""
    from torchpin.commands.assemble import pusher

    push = pusher(build.repo, build.env, image, build.show_status)
    return publish(build.client, build.tags(key), key, force=build.options.no_cache, push=push)


def _built_status(*, is_built: bool, pulled: bool, recorded: bool) -> str:
    """What happened to an image. `recorded`: its record was current already."""
    if is_built:
        return "built and verified"
    origin = "pulled from the registry" if pulled else "already built and verified"
    return f"{origin}, {'nothing to do' if recorded else 'and recorded'}"


def _make_image(build: EnvironmentBuild, inputs: _BuildInputs) -> Any:
    """The image that is built of what is locked, its sources cloned. Raises ToolError where another build moves its tag."""
    from torchpin.tools import docker

    tag, _ = build.tags(inputs.key)
    for source in build.env.service.sources:
        cloned = clone_source(build.repo, source, verify_tag=True, show_status=build.show_status)
        build.show_status(f"{source.path}: {cloned} at {source.version}")
    _build_and_prove(build, inputs)
    image = docker.find_image(build.client, tag, inputs.key)
    if image is None:
        raise ToolError(f"{tag} is not the image that was built; build again")
    return image


def _find_stored(build: EnvironmentBuild, key: str) -> StoredImage | None:
    """The image that need not be built, None where there is none; what is pushed anyway is left in the registry."""
    options = build.options
    if options.no_cache:
        return None
    return find_stored(
        *(build.client, build.env, build.tags(key), key),
        registry=build.repo.settings.registry,
        pull=options.pull or not options.push,
        required=options.push,
        show_status=build.show_status,
    )


def _build_and_prove(build: EnvironmentBuild, inputs: _BuildInputs) -> None:
    """Builds or assembles an image and keeps its proof for the next one. Raises ToolError where the build or its proof fails.

    An image that exists loses its tags where a full proof of it fails.
    """
    from torchpin.tools import docker, image_files

    client, repo, env, options = build.client, build.repo, build.env, build.options
    tag, latest = build.tags(inputs.key)
    if not options.builder:
        require_space(client, repo, env, inputs.lock, latest)
    rendered, builder = inputs.rendered, options.builder
    context = kept_proofs.with_kept_proof(repo, env, rendered, builder=builder, full=options.proves_all)
    inputs_with_proof = replace(inputs, rendered=replace(rendered, context=context))
    try:
        if options.assemble:
            _assemble(build, inputs_with_proof)
        else:
            _run_build(build, inputs_with_proof)
    except ToolError as error:
        if build_log.PROOF_FAILED in str(error):
            docker.remove_tags(client, (tag, latest))
        raise
    document = image_files.read_proof(client, tag, inputs.key)
    if document is not None:
        full = context.files[plan.KEPT_PROOF] == plan.NOTHING_KEPT
        kept_proofs.keep_proof(repo, env, rendered, document, builder=builder, full=full)


def _run_build(build: EnvironmentBuild, inputs: _BuildInputs) -> None:
    """Runs the build. Raises ToolError for a package that is installed twice or from another index than the locked one."""
    from torchpin.tools import docker

    env, lock = build.env, inputs.lock
    require_unique_packages(env, lock)
    lines, log = run_buildx(
        build,
        inputs.rendered,
        inputs.labels,
        sizes=plan.step_sizes(env, lock),
        packages={name: package.size or 0 for name, package in lock.all_packages.items()},
    )
    problem = _log_problem(env, lock, lines)
    if problem:
        docker.remove_tags(build.client, build.tags(inputs.key))
        raise ToolError(f"{env.name}: {problem}; the image's tags were removed\nlog: {log}")


def _assemble(build: EnvironmentBuild, inputs: _BuildInputs) -> None:
    """Assembles an image; its prefix is built, unless it exists."""
    from torchpin.commands.assemble import Assembly, assemble_image

    require_unique_packages(build.env, inputs.lock)
    assemble_image(
        Assembly(
            client=build.client,
            repo=build.repo,
            env=build.env,
            lock=inputs.lock,
            rendered=inputs.rendered,
            labels=inputs.labels,
            tags=build.tags(inputs.key),
            build_prefix=partial(build_prefix, build),
            show_status=build.show_status,
        )
    )


def require_unique_packages(env: Environment, lock: Lock) -> None:
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


def build_labels(
    repo: Repository, env: Environment, lock: Lock, rendered: generated.Rendering
) -> dict[str, str]:
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
    from torchpin.tools import docker

    lock, rendered = load_fresh(repo, env)
    labels = build_labels(repo, env, lock, rendered)
    if options.assemble:
        labels = {docker.KEY_LABEL: generated.render_prefix(repo, env, lock).image_key}
    command = build_command(repo, env, labels, options, Path("CONTEXT"), {}, is_prefix=options.assemble)
    tag = image_tags(repo, env, rendered.image_key)[0]
    detail = (
        f"{planned_text(env, lock, tag, options)}\n{COMMAND_PREFIX}{redact_credentials(shlex.join(command))}"
    )
    return Outcome(name=env.name, status="planned", detail=detail)


def built_tag(client: Any, repo: Repository, env: Environment) -> str:
    """The tag of the image of a description. Raises FindingsError where it is not built."""
    from torchpin.tools import docker

    _, rendered = load_fresh(repo, env)
    tag = image_tags(repo, env, rendered.image_key)[0]
    if docker.find_image(client, tag, rendered.image_key) is None:
        raise FindingsError(
            f"{env.name} is not built from its description; run `invoke build --service {env.service.name}`"
        )
    return tag
