"""Evidence for the checks: files, clones, records, images if there is a Docker engine, GPUs if there are any."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchpin import facts, paths
from torchpin.checks.context import CheckContext
from torchpin.description.patterns import DRIVER
from torchpin.errors import InputError, ToolError, TorchpinError
from torchpin.image.plan import left_out_files
from torchpin.lock import file_format
from torchpin.lock.layers import outdated_files
from torchpin.memory import remembering
from torchpin.tools import process, uv
from torchpin.tools.copied_files import copy_problem, find_problem
from torchpin.workspace import workspace
from torchpin.workspace.apt_keys import key_problems

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from torchpin.documents.service_parts import ServiceParts
    from torchpin.model import Environment, Lock, Problem
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository


def current_date() -> dt.date:
    """Today, in UTC."""
    return dt.datetime.now(tz=dt.timezone.utc).date()


def from_descriptions(environments: Sequence[Environment]) -> CheckContext:
    """A context with the descriptions alone."""
    return CheckContext(environments=tuple(environments), today=current_date(), uv=uv.UV_VERSION)


def for_judge(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    gpus: Sequence[str] = (),
    driver: str | None = None,
) -> CheckContext:
    """A context for the judge: descriptions and locks, with target GPUs or a driver other than the described ones.

    Raises InputError for a driver that is not a version, and for an empty or unknown name of a GPU.
    """
    require_targets(gpus, driver)
    context = from_repository(repo, environments, renderings=False, documents=False, records=False)
    return replace(context, target_gpus=tuple(gpus), target_driver=driver or "")


def require_targets(gpus: Sequence[str], driver: str | None) -> None:
    """Raises InputError for a driver that is not a version, and for an empty or unknown name of a GPU."""
    require_gpu_names(gpus)
    if driver is not None and not DRIVER.pattern.fullmatch(driver):
        raise InputError(f"--driver: {driver!r} is not {DRIVER.expected.partition(' (')[0]}")


def require_gpu_names(gpus: Sequence[str]) -> None:
    """Raises InputError for an empty name, as an unset variable gives it, and for one that no known GPU has."""
    for name in gpus:
        if not name.strip():
            raise InputError(f"--gpu: {name!r} is not the name of a GPU, such as A100")
        if not facts.gpu(name) and not facts.gpu_candidates(name):
            near = facts.near_gpus(name)
            hint = f" (did you mean {', '.join(near)}?)" if near else ""
            raise InputError(f"--gpu: no GPU {name!r} is known{hint}; {paths.GPUS} lists them")


def from_repository(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    renderings: bool = True,
    documents: bool = True,
    records: bool = True,
) -> CheckContext:
    """A context from the repository's files: locks and, where requested, rendered files, documents and records."""
    files, parsed, broken = {}, {}, {}
    # a damaged lock is evidence too: its check reports the problems
    for env in environments:
        files[env.name] = workspace.read_lock_files(repo, env)
        try:
            if files[env.name]:
                parsed[env.name] = _parse_files(env, files[env.name])
        except InputError as error:
            broken[env.name] = tuple(str(problem) for problem in error.problems)
    context = replace(
        from_descriptions(environments),
        policy=repo.policy,
        published=repo.published,
        lock_files=files,
        locks=parsed,
        broken=broken,
        orphans=workspace.orphaned_folders(repo),
        file_problems={env.name: file_problems(repo, env) for env in environments if env.copied_files},
        key_problems={env.name: key_problems(repo, env) for env in environments},
    )
    if renderings:
        context = _add_renderings(repo, context)
    if documents:
        context = _add_documents(repo, context)
    return _add_records(repo, context) if records else context


def parse_lock(repo: Repository, env: Environment) -> Lock:
    """The lock of an environment, up to date or not. Raises InputError where it cannot be read."""
    return _parse_files(env, workspace.read_lock_files(repo, env))


def _parse_files(env: Environment, files: Mapping[str, str]) -> Lock:
    # the judge needs no lock to be moved first; LCK001 reports the former names
    return file_format.parse_lock(paths.lock_folder(env.name), file_format.with_present_names(files))


def file_problems(repo: Repository, env: Environment) -> tuple[str, ...]:
    """Why each entry of `files:` cannot be found, in their order; "" where it can."""
    return tuple(find_problem(repo.root, env.service, entry) for entry in env.copied_files)


def copy_problems(repo: Repository, env: Environment) -> tuple[str, ...]:
    """Why each entry of `files:` cannot be copied, in their order; "" where nothing is in the way."""
    left_out = left_out_files(env.service)
    return tuple(copy_problem(repo.root, env.service, entry, left_out) for entry in env.copied_files)


def _add_renderings(repo: Repository, context: CheckContext) -> CheckContext:
    rendered = {}
    for env in context.environments:
        with remembering():
            rendered[env.name] = _render(repo, env, context.locks.get(env.name))
    return replace(
        context,
        renderings={
            name: {path: (repo.text(path), text) for path, text in files.items()}
            for name, (files, _) in rendered.items()
        },
        file_problems={
            **context.file_problems,
            **{name: problems for name, (_, problems) in rendered.items() if problems},
        },
    )


def _add_documents(
    repo: Repository, context: CheckContext, known_parts: MutableMapping[str, ServiceParts] | None = None
) -> CheckContext:
    # it loads every document, which the judge does not need
    from torchpin.workspace.bumps import former_log_problems
    from torchpin.workspace.generated import expected_documents, standing_sections, stray_pages

    pages_expected: dict[str, str | None] = {}
    problems: tuple[str, ...] = ()
    standing: tuple[Problem, ...] = ()
    try:
        with remembering():
            standing = (*standing_sections(repo), *stray_pages(repo), *former_log_problems(repo))
            pages_expected = expected_documents(repo, {}, known_parts=known_parts)
    except InputError as error:
        problems = tuple(map(str, error.problems))
    texts = {path: repo.text(path) for path in pages_expected}
    return replace(
        context,
        # of equal texts, one is held: of a thousand services they have thirty million characters
        documents={
            path: (texts[path], texts[path] if texts[path] == text else text)
            for path, text in pages_expected.items()
        },
        document_problems=problems,
        standing_sections=tuple(map(str, standing)),
        passed_over=tuple(repo.broken),
    )


def for_documents(
    repo: Repository,
    environments: Sequence[Environment],
    locks: Mapping[str, Lock],
    known_parts: MutableMapping[str, ServiceParts],
) -> CheckContext:
    """A context with the documents, and with locks that are known already; `known_parts`: what documents say of services, by name."""
    return _add_documents(repo, replace(from_descriptions(environments), locks=locks), known_parts)


def _add_records(repo: Repository, context: CheckContext) -> CheckContext:
    return replace(
        context,
        records={env.name: repo.text(paths.freeze_path(env.name)) for env in context.environments},
        bumps=_last_bumps(repo, context.environments),
    )


def _last_bumps(repo: Repository, environments: Sequence[Environment]) -> dict[str, BumpEntry]:
    """The last update of each environment's service."""
    from torchpin.workspace.bumps import read_bumps  # which the judge does not need

    last = {service: entry for entry in read_bumps(repo) for service in entry.services}
    return {env.name: last[env.service.name] for env in environments if env.service.name in last}


def _render(repo: Repository, env: Environment, lock: Lock | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """An environment's rendered files, and what is wrong with each entry of `files:`, if anything is.

    Nothing while its lock is missing or out of date.
    """
    from torchpin.workspace.generated import environment_files

    if lock is None or outdated_files(env, lock):
        return {}, ()
    return environment_files(repo, env, lock), copy_problems(repo, env)


def from_machine(repo: Repository, environments: Sequence[Environment]) -> CheckContext:
    """A context from the repository, its clones, images and GPUs, without the network."""
    return add_machine(repo, from_repository(repo, environments, records=False))


def add_machine(repo: Repository, context: CheckContext, *, network: bool = False) -> CheckContext:
    """A context with the records, clones, images and GPUs; with `network` also the tags of the sources' origins."""
    from torchpin.tools import git

    environments = context.environments
    clones = {
        env.name: {s.name: git.describe_state(repo.root, s) for s in env.service.sources}
        for env in environments
    }
    checked_tags = {env.name: _tag_problems(repo, env) for env in environments} if network else None
    context = replace(
        _add_records(repo, context),
        clones=clones,
        tags=None if checked_tags is None else {name: wrong for name, (wrong, _) in checked_tags.items()},
        unreachable={name: why for name, (_, why) in (checked_tags or {}).items() if why},
    )
    return _add_images(repo, context)


def _tag_problems(repo: Repository, env: Environment) -> tuple[dict[str, str], str]:
    """What is wrong with the tags of an environment's sources, by source, and why an origin could not be read."""
    from torchpin.tools import git

    wrong: dict[str, str] = {}
    for source in (source for source in env.service.sources if source.tag):
        try:
            tags = git.remote_tags(source, repo.settings)
        except ToolError as error:
            return wrong, str(error)
        try:
            git.expect_commit(source, tags)
        except ToolError as error:
            wrong[source.name] = str(error)
    return wrong, ""


def _add_images(repo: Repository, context: CheckContext) -> CheckContext:
    """The context with the images of the current keys and the reports of their probes, or why they are missing."""
    from torchpin.tools import docker

    built: dict[str, Mapping[str, Any]] = {}
    reports: dict[str, Mapping[str, Any]] = {}
    gpu_reports: dict[str, Mapping[str, Any]] = {}
    no_gpu = "" if process.which("nvidia-smi") else "no NVIDIA driver on this machine"
    try:
        with docker.engine() as client:
            for env in context.environments:
                key = _image_key(repo, env, context.locks.get(env.name))
                if not key:
                    continue
                tag, _ = docker.image_tags(env, repo.settings, key, prefix=repo.prefix)
                image = docker.find_image(client, tag, key)
                if image is None:
                    continue
                built[env.name] = {"size_bytes": image.attrs["Size"]}
                options = docker.source_options(env)
                reports[env.name] = _probe_report(client, tag, (*options, *docker.file_options(env)))
                if not no_gpu:
                    gpu_reports[env.name] = _probe_report(client, tag, options, gpus=True)
    except TorchpinError as error:
        return replace(context, engine_problem=str(error), gpu_problem=no_gpu or str(error))
    return replace(context, images=built, probe_reports=reports, gpu_reports=gpu_reports, gpu_problem=no_gpu)


def _image_key(repo: Repository, env: Environment, lock: Lock | None) -> str:
    """The key of an environment's image; "" without a current lock, and while files cannot be copied."""
    from torchpin.workspace.generated import render_environment

    if lock is None or outdated_files(env, lock) or any(copy_problems(repo, env)):
        return ""
    return render_environment(repo, env, lock).image_key


def _probe_report(client: Any, tag: str, options: Sequence[str], *, gpus: bool = False) -> dict[str, Any]:
    """The probe's report from an image; empty when the probe fails, which a check of its own reports."""
    from torchpin.tools import docker

    try:
        return docker.probe(client, tag, *options, gpus=gpus)
    except ToolError:
        return {}
