"""`bake`: docker-bake.json and the build contexts that it names, for any builder of buildx."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.commands.affected import find_affected
from torchpin.commands.build_steps import build_steps
from torchpin.commands.judge import require_compatible
from torchpin.commands.parallel import ignore
from torchpin.commands.prepared_build import PreparedBuild, prepare_build
from torchpin.commands.report import CommandReport
from torchpin.commands.run_buildx import BuildOptions
from torchpin.commands.selection import open_workspace
from torchpin.errors import InputError, ToolError
from torchpin.image import bake, build_log
from torchpin.model import Outcome
from torchpin.tools.files import expect_inside, make_work_folder, read_text, write_files
from torchpin.tools.scratch import temporary_folder
from torchpin.workspace.writer import clone_source, exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.commands.report import Watcher
    from torchpin.commands.selection import Selection
    from torchpin.model import Environment, StatusCallback
    from torchpin.workspace.workspace import Repository

_NETWORK_IS_ALLOWED = (
    0,
    17,
)  # the release of buildx since which bake reads a target's network, and wants it allowed


@dataclass(frozen=True, kw_only=True, slots=True)
class BakeOptions:
    """`since`: only environments whose images change since this revision. `run`: build as well."""

    builder: str = ""
    push: bool = False
    since: str = ""
    run: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _BakePlan:
    """What docker-bake.json is made of: the builds by environment, and what the builder can do."""

    repo: Repository
    options: BakeOptions
    exports_cache: bool

    def target(self, build: PreparedBuild, secrets: Mapping[str, Path]) -> dict[str, Any]:
        """The target of an environment; `secrets` are files by id."""
        env, settings = build.env, self.repo.settings
        context = Path(paths.bake_context(env.name))
        target = bake.bake_target(build.command(context, secrets))
        if self.options.push:
            target = bake.pushed(target)
        if settings.registry_cache:
            address = f"{settings.registry_cache.rstrip('/')}/{env.name}:cache"
            target = bake.with_cache(target, address, writes=self.exports_cache)
        return target


def print_bake(selection: Selection, options: BakeOptions, watcher: Watcher) -> str:
    """The text of docker-bake.json for the selected environments; nothing is written."""
    workspace = open_workspace(selection, watcher)
    return bake_document_of(workspace.repo, workspace.environments, options)


def bake_images(selection: Selection, options: BakeOptions, watcher: Watcher) -> CommandReport:
    """Writes docker-bake.json for the selected environments and, where asked to, builds by it."""
    workspace = open_workspace(selection, watcher)
    return bake_builds(workspace.repo, workspace.environments, options, show_status=watcher.status)


def bake_document_of(repo: Repository, environments: Sequence[Environment], options: BakeOptions) -> str:
    """The text of docker-bake.json. It has no secrets, only where their files will be."""
    from torchpin.tools import buildx

    plan = _plan(repo, options)
    targets = {}
    for build in _prepare(repo, environments, options):
        with buildx.secret_files(repo.settings, build.env.service.indexes) as secrets:
            machine = buildx.fit_machine(build.rendered.dockerfile, secrets, hashes=False)
            targets[build.env.name] = plan.target(build, _secret_places(build.env, machine.secrets))
    return bake.bake_document(targets)


def bake_builds(
    repo: Repository,
    environments: Sequence[Environment],
    options: BakeOptions,
    *,
    show_status: StatusCallback = ignore,
) -> CommandReport:
    """Writes the build contexts and docker-bake.json and, with `options.run`, builds by it.

    Raises ToolError where a context cannot be made or the builds fail, InputError for a docker-bake.json of somebody else.
    """
    _require_own_file(repo.root)
    builds = _prepare(repo, environments, options)
    published = {build.env.name for build in builds if options.push and _is_published(build)}
    published_outcomes = tuple(
        Outcome(name=name, status="same", detail="in the registry already") for name in sorted(published)
    )
    builds = tuple(build for build in builds if build.env.name not in published)
    if not builds:
        return CommandReport(outcomes=published_outcomes, summary="nothing to bake")
    if options.run:
        _require_builder(options.builder, {build.env.variant.platform for build in builds})
    with exclusive(repo, "baking"):
        plan = _plan(repo, options)
        targets = {
            build.env.name: plan.target(build, _write_context(repo, build, show_status)) for build in builds
        }
        network = repo.settings.network
        files = {
            paths.BAKE_FILE: bake.bake_document(targets),
            paths.BAKE_NETWORK: None if network == "default" else bake.network_document(targets, network),
        }
        write_files({repo.root / path: text for path, text in files.items()})
        command = _command(options, network)
        if options.run:
            _run(repo.root, command, show_status)
    done = "built" if options.run else "prepared"
    outcomes = (
        Outcome(name=build.env.name, status="changed", detail=f"{done}: {build.tags[0]}") for build in builds
    )
    summary = "" if options.run else f"next: `{shlex.join(command)}` in {repo.root}"
    return CommandReport(outcomes=(*published_outcomes, *outcomes), summary=summary)


def _prepare(
    repo: Repository, environments: Sequence[Environment], options: BakeOptions
) -> tuple[PreparedBuild, ...]:
    """The builds of the environments, of those that a change concerns where a revision is given.

    Raises FindingsError for pins that cannot work, and for renderings that are out of date.
    """
    if options.push and not repo.settings.registry:
        raise InputError(f"`--push` needs a registry; set `build.registry` in {paths.SETTINGS}")
    chosen = tuple(environments)
    if options.since:
        affected = {row.environment for row in find_affected(repo, chosen, options.since).affected}
        chosen = tuple(env for env in chosen if env.name in affected)
    require_compatible(repo, chosen)
    build_options = BuildOptions(builder=options.builder)
    return tuple(prepare_build(repo, env, build_options) for env in chosen)


def _is_published(build: PreparedBuild) -> bool:
    from torchpin.tools import registry

    return registry.registry_key(build.tags[0]) == build.rendered.image_key


def _plan(repo: Repository, options: BakeOptions) -> _BakePlan:
    from torchpin.tools import buildx

    # docker's own builder can neither rewrite times nor export a cache
    return _BakePlan(repo=repo, options=options, exports_cache=buildx.rewrites_times(options.builder))


def _require_own_file(root: Path) -> None:
    """Raises InputError for a docker-bake.json that was not written here."""
    from torchpin.tools.docker import KEY_LABEL

    text = read_text(root / paths.BAKE_FILE)
    if text is not None and not bake.is_bake_document(text, KEY_LABEL):
        raise InputError(f"{paths.BAKE_FILE} was not written by `invoke bake`; move it away, then try again")


def _secret_places(env: Environment, secrets: Mapping[str, Path]) -> dict[str, Path]:
    """Where the files of an environment's secrets will be, by their ids."""
    return {name: Path(paths.bake_secret(env.name, name)) for name in secrets}


def _write_context(repo: Repository, build: PreparedBuild, show_status: StatusCallback) -> dict[str, Path]:
    """Writes the build context of an environment and the files of its secrets, which are returned by their ids."""
    from torchpin.tools import buildx, uv_install

    env = build.env
    for source in env.service.sources:
        show_status(
            f"{source.path}: {clone_source(repo, source, verify_tag=True, show_status=show_status)} at {source.version}"
        )
    with (
        temporary_folder() as folder,
        buildx.secret_files(repo.settings, env.service.indexes) as secrets,
    ):
        machine = buildx.fit_machine(build.rendered.dockerfile, secrets, hashes=False)  # on whatever builder
        uv = uv_install.uv_for_platform(env.variant.platform, folder, repo.settings)
        with buildx.assemble_context(
            *(repo.root, build.rendered.context, machine.dockerfile, uv),
            service=env.service,
            copied=build.rendered.copied,
            settings=repo.settings,
            machine_files=machine.files,
        ) as context:
            _replace_folder(repo.root, paths.bake_context(env.name), context)
        places = _secret_places(env, machine.secrets)
        for name, place in places.items():
            _write_secret(repo.root, place, machine.secrets[name])
    return places


def _replace_folder(root: Path, path: str, folder: Path) -> None:
    """Moves a folder to a path among the working files, where an earlier one may be."""
    make_work_folder(root)
    place = expect_inside(root, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    shutil.move(folder, place)


def _write_secret(root: Path, path: Path, secret: Path) -> None:
    """Writes a secret for this user alone."""
    place = expect_inside(root, path.as_posix())
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.unlink(missing_ok=True)
    place.touch(mode=0o600)
    place.write_bytes(secret.read_bytes())


def _command(options: BakeOptions, network: str) -> tuple[str, ...]:
    """The command that builds by docker-bake.json, in the repository's root."""
    files = () if network == "default" else ("--file", paths.BAKE_NETWORK, "--file", paths.BAKE_FILE)
    return (
        *("docker", "buildx", "bake", *files),
        *(("--allow", "network.host") if network == "host" and _asks_for_network() else ()),
        *(("--builder", options.builder) if options.builder else ()),
    )


def _asks_for_network() -> bool:
    """Whether buildx has to be told that a bake may use the network of the host."""
    from torchpin.tools import buildx

    try:
        version = buildx.expect_buildx()
    except ToolError:
        return False
    return buildx.minor_release(version) >= _NETWORK_IS_ALLOWED


def _require_builder(builder: str, platforms: Iterable[str]) -> None:
    """Raises ToolError for a builder that does not exist, or does not build for one of the platforms."""
    from torchpin.tools import buildx

    buildx.expect_buildx()
    for platform in sorted(platforms):
        buildx.expect_platform(platform, builder=builder)


def _run(root: Path, command: tuple[str, ...], show_status: StatusCallback) -> None:
    """Builds by docker-bake.json. Raises ToolError with the step that failed; images that were finished keep their tags."""
    from torchpin.tools import buildx

    log = root / paths.LOGS / "bake.log"
    show_status(f"building; log: {log}")
    progress = buildx.RAW if buildx.reports_json(buildx.expect_buildx()) else "plain"
    with build_steps(show_status, "bake") as show:
        code, lines = buildx.run_logged((*command, "--progress", progress), log, show, cwd=root)
        if code:
            failure = build_log.find_failure(lines)
            raise ToolError(buildx.failure_message(failure, log, outcome="an image that failed has no tag"))
