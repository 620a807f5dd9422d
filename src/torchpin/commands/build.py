"""`build`: images from locks, verified and recorded."""

from __future__ import annotations

import shlex
from dataclasses import replace
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
    build_command,
    build_prefix,
    image_tags,
    parse_attestations,
    run_buildx,
)
from torchpin.commands.standing_images import standing_images
from torchpin.commands.stored_images import find_stored, publish
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.image import build_log, plan
from torchpin.image.labels import image_labels
from torchpin.lock.sealing import digest
from torchpin.model import Outcome
from torchpin.progress import step
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
    """
    chosen = tuple(env for env in environments if options.platform in {"", env.variant.platform})
    if not chosen:
        raise InputError(f"no selected environment is for {options.platform}")
    standing = standing_images(repo, chosen, options) if standing is None else standing
    rest = tuple(env for env in chosen if env.name not in standing)
    built = _build_all(repo, rest, options, show_status, watch) if rest else ()
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


def _build(
    client: Any,
    repo: Repository,
    env: Environment,
    options: BuildOptions,
    show_status: StatusCallback,
    watch: EventCallback,
) -> Outcome:
    """One image: built, unless it exists; recorded, unless its record is current; pushed on request."""
    from torchpin.commands.assemble import pusher

    # a copy that has read nothing yet: what it reads must not change until the record is written
    repo = replace(repo)
    lock, rendered = load_fresh(repo, env)
    labels = build_labels(repo, env, lock, rendered)
    tags = image_tags(repo, env, rendered.image_key)
    stored = _find_stored(client, repo, env, options, tags, rendered.image_key, show_status)
    if stored and stored.place == "registry":
        publish(client, tags, rendered.image_key)
        return Outcome(
            name=env.name,
            status="same",
            detail=f"in the registry already: {tags[0]}; `--pull` loads it",
        )
    image: Any = stored.image if stored else None
    before = image.id if image else ""
    new = stored is None or (
        stored.place == "engine"
        and options.proves_all
        and not kept_proofs.is_fully_proven(repo, env, rendered.image_key)
    )
    if new:
        image = _make_image(client, repo, env, options, (lock, rendered, labels), show_status, watch)
    recorded = image.id == before and is_recorded(repo, env, lock, rendered)
    if not recorded:
        inputs = (lock, rendered)
        with step(show_status, f"{env.name}: recording what the image holds"):
            report = write_record(client, repo, env, inputs, image, tags, overwrite=options.overwrite)
        for warning in () if repo.lacks_libraries else file_warnings(env, report):
            show_status(warning)
    pushed = ""
    if options.push:
        push = pusher(repo, env, image, show_status)
        pushed = f", {publish(client, tags, rendered.image_key, again=options.no_cache, push=push)}"
    pulled = stored is not None and stored.place == "pulled"
    status = _built_status(new=new, pulled=pulled, recorded=recorded)
    detail = f"{status}: {tags[0]}, {image.attrs['Size'] / 1e6:,.0f} MB{pushed}"
    return Outcome(name=env.name, status="same" if recorded else "changed", detail=detail)


def _built_status(*, new: bool, pulled: bool, recorded: bool) -> str:
    """What happened to an image. `recorded`: its record was current already."""
    if new:
        return "built and verified"
    origin = "pulled from the registry" if pulled else "already built and verified"
    return f"{origin}, {'nothing to do' if recorded else 'and recorded'}"


def _make_image(
    client: Any,
    repo: Repository,
    env: Environment,
    options: BuildOptions,
    inputs: tuple[Lock, generated.Rendering, Mapping[str, str]],
    show_status: StatusCallback,
    watch: EventCallback,
) -> Any:
    """The image that is built of what is locked, its sources cloned. Raises ToolError where another build moves its tag."""
    from torchpin.tools import docker

    key = inputs[1].image_key
    tag = image_tags(repo, env, key)[0]
    for source in env.service.sources:
        show_status(
            f"{source.path}: {clone_source(repo, source, verify_tag=True, show_status=show_status)} at {source.version}"
        )
    _build_and_prove(client, repo, env, options, inputs, show_status, watch)
    image = docker.find_image(client, tag, key)
    if image is None:
        raise ToolError(f"{tag} is not the image that was built; build again")
    return image


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


def _build_and_prove(
    client: Any,
    repo: Repository,
    env: Environment,
    options: BuildOptions,
    inputs: tuple[Lock, generated.Rendering, Mapping[str, str]],
    show_status: StatusCallback,
    watch: EventCallback,
) -> None:
    """Builds or assembles an image and keeps its proof for the next one. Raises ToolError where the build or its proof fails.

    An image that exists loses its tags where a full proof of it fails.
    """
    from torchpin.tools import docker, image_files

    lock, rendered, labels = inputs
    tag, key, full = image_tags(repo, env, rendered.image_key)[0], rendered.image_key, options.proves_all
    if not options.builder:
        require_space(client, repo, env, lock, image_tags(repo, env, key)[1])
    context = kept_proofs.with_kept_proof(repo, env, rendered, builder=options.builder, full=full)
    inputs = (lock, replace(rendered, context=context), labels)
    try:
        if options.assemble:
            _assemble(client, repo, env, options, inputs, show_status, watch)
        else:
            _run_build(client, repo, env, options, inputs, show_status, watch)
    except ToolError as error:
        if build_log.PROOF_FAILED in str(error):
            docker.remove_tags(client, image_tags(repo, env, key))
        raise
    document = image_files.read_proof(client, tag, key)
    if document is not None:
        full = context.files[plan.KEPT_PROOF] == plan.NOTHING_KEPT
        kept_proofs.keep_proof(repo, env, rendered, document, builder=options.builder, full=full)


def _run_build(
    client: Any,
    repo: Repository,
    env: Environment,
    options: BuildOptions,
    inputs: tuple[Lock, generated.Rendering, Mapping[str, str]],
    show_status: StatusCallback,
    watch: EventCallback,
) -> None:
    """Runs the build. Raises ToolError for a package that is installed twice or from another index than the locked one."""
    from torchpin.tools import docker

    lock, rendered, labels = inputs
    require_unique_packages(env, lock)
    lines, log = run_buildx(
        *(client, repo, env, options, (rendered, labels), plan.step_sizes(env, lock), watch),
        show_status=show_status,
        packages={name: package.size or 0 for name, package in lock.all_packages.items()},
    )
    problem = _log_problem(env, lock, lines)
    if problem:
        docker.remove_tags(client, image_tags(repo, env, rendered.image_key))
        raise ToolError(f"{env.name}: {problem}; the image's tags were removed\nlog: {log}")


def _assemble(
    client: Any,
    repo: Repository,
    env: Environment,
    options: BuildOptions,
    inputs: tuple[Lock, generated.Rendering, Mapping[str, str]],
    show_status: StatusCallback,
    watch: EventCallback,
) -> None:
    """Assembles an image; its prefix is built, unless it exists."""
    from torchpin.commands.assemble import Assembly, assemble_image

    lock, rendered, labels = inputs
    require_unique_packages(env, lock)
    assemble_image(
        Assembly(
            client=client,
            repo=repo,
            env=env,
            lock=lock,
            rendered=rendered,
            labels=labels,
            tags=image_tags(repo, env, rendered.image_key),
            build_prefix=lambda prefix: build_prefix(client, repo, env, options, prefix, watch, show_status),
            show_status=show_status,
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
    then = ", and put the layers of the locked wheels on it" if options.assemble else ""
    return Outcome(
        name=env.name, status="same", detail=f"would run: {redact_credentials(shlex.join(command))}{then}"
    )


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
