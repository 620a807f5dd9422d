"""What is, gathered once: files, clones, records, images if Docker answers, GPUs if there are some. Checks judge it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.checks.context import CheckContext
from torchpin.errors import InputError, ToolError, TorchpinError
from torchpin.lock import file_format
from torchpin.lock.layers import outdated_files
from torchpin.records import bump_log
from torchpin.tools import process, uv
from torchpin.workspace import workspace
from torchpin.workspace.generated import expected_documents, render_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


def from_descriptions(environments: Sequence[Environment]) -> CheckContext:
    """The descriptions alone."""
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    return CheckContext(environments=tuple(environments), today=today, uv=uv.UV_VERSION)


def for_judge(
    repo: Repository, environments: Sequence[Environment], *, gpus: Sequence[str] = (), driver: str = ""
) -> CheckContext:
    """What the judge looks at: descriptions and locks; for other GPUs, or another driver, than the described ones."""
    evidence = from_repository(repo, environments, texts=False)
    return replace(evidence, target_gpus=tuple(gpus), target_driver=driver)


def from_repository(
    repo: Repository, environments: Sequence[Environment], *, texts: bool = True
) -> CheckContext:
    """What lies in the repository, without processes: locks, and (`texts`) renderings, documents and records."""
    files, parsed, broken = {}, {}, {}
    for env in environments:
        files[env.name] = workspace.read_lock_files(repo, env)
        try:
            if files[env.name]:
                parsed[env.name] = file_format.parse_lock(paths.lock_folder(env), files[env.name])
        except InputError as error:
            broken[env.name] = tuple(str(problem) for problem in error.problems)
    evidence = replace(
        from_descriptions(environments),
        published=repo.published,
        lock_files=files,
        locks=parsed,
        broken=broken,
        orphans=workspace.orphaned_folders(repo),
    )
    return _add_generated_files(repo, evidence) if texts else evidence


def _add_generated_files(repo: Repository, evidence: CheckContext) -> CheckContext:
    rendered = {env.name: _render(repo, env, evidence.locks.get(env.name)) for env in evidence.environments}
    pages_expected: dict[str, str] = {}
    problems: tuple[str, ...] = ()
    try:
        pages_expected = expected_documents(repo, {})
    except InputError as error:
        problems = tuple(map(str, error.problems))
    return replace(
        evidence,
        renderings={
            name: {path: (repo.text(path), text) for path, text in files.items()}
            for name, (files, _) in rendered.items()
        },
        keys={name: key for name, (_, key) in rendered.items() if key},
        documents={path: (repo.text(path), text) for path, text in pages_expected.items()},
        document_problems=problems,
        records={env.name: repo.text(paths.freeze_path(env)) for env in evidence.environments},
        bumps=_last_bumps(repo, evidence.environments),
    )


def _last_bumps(repo: Repository, environments: Sequence[Environment]) -> dict[str, bump_log.BumpEntry]:
    """The last bump of each environment's service."""
    log = bump_log.parse_log(repo.text(bump_log.LOG_PATH))
    last = {service: entry for entry in log for service in entry.services}
    return {env.name: last[env.service.name] for env in environments if env.service.name in last}


def _render(repo: Repository, env: Environment, lock: Lock | None) -> tuple[dict[str, str], str]:
    """An environment's texts and key; nothing while its lock is missing or does not answer the description."""
    if lock is None or outdated_files(env, lock):
        return {}, ""
    rendering = render_environment(repo, env, lock)
    return rendering.files, rendering.image_key


def from_machine(
    repo: Repository, environments: Sequence[Environment], *, network: bool = False
) -> CheckContext:
    """Everything that this machine can tell. The network is asked for the sources' tags only where that is wanted."""
    from torchpin.tools import git

    clones = {
        env.name: {s.name: git.describe_state(repo.root, s) for s in env.service.sources}
        for env in environments
    }
    checked_tags = {env.name: _tag_problems(repo, env) for env in environments} if network else None
    evidence = replace(
        from_repository(repo, environments),
        clones=clones,
        tags=None if checked_tags is None else {name: wrong for name, (wrong, _) in checked_tags.items()},
        unreachable={name: why for name, (_, why) in (checked_tags or {}).items() if why},
    )
    return _add_image_answers(repo, evidence)


def _tag_problems(repo: Repository, env: Environment) -> tuple[dict[str, str], str]:
    """What is wrong with each source's tag at its origin, and why an origin gave no answer."""
    from torchpin.tools import git

    wrong: dict[str, str] = {}
    for source in env.service.sources:
        try:
            tags = git.remote_tags(source, repo.settings)
        except ToolError as error:
            return wrong, str(error)
        try:
            git.expect_commit(source, tags)
        except ToolError as error:
            wrong[source.name] = str(error)
    return wrong, ""


def _add_image_answers(repo: Repository, evidence: CheckContext) -> CheckContext:
    """What the images of the present keys answer; without an engine, why not."""
    from torchpin.tools import docker

    built: dict[str, Mapping[str, Any]] = {}
    answers: dict[str, Mapping[str, Any]] = {}
    gpus: dict[str, Mapping[str, Any]] = {}
    no_gpu = "" if process.which("nvidia-smi") else "no NVIDIA driver on this machine"
    try:
        with docker.engine() as client:
            for env in evidence.environments:
                key = evidence.keys.get(env.name)
                tag = (
                    f"{docker.image_repository(env, repo.settings, prefix=repo.prefix)}:{key[:12]}"
                    if key
                    else ""
                )
                image = docker.find_image(client, tag, key) if key else None
                if image is None:
                    continue
                built[env.name] = {"size_bytes": image.attrs["Size"]}
                homes = [f"{env.service.home}/{source.path}" for source in env.service.sources]
                arguments = [argument for home in homes for argument in ("--source", home)]
                answers[env.name] = _probe_answer(client, tag, arguments)
                if not no_gpu:
                    gpus[env.name] = _probe_answer(client, tag, arguments, gpus=True)
    except TorchpinError as stop:
        return replace(evidence, engine_problem=str(stop), gpu_problem=no_gpu or str(stop))
    return replace(evidence, images=built, probe_reports=answers, gpu_reports=gpus, gpu_problem=no_gpu)


def _probe_answer(client: Any, tag: str, arguments: Sequence[str], *, gpus: bool = False) -> dict[str, Any]:
    """What an image answers; nothing when its probe does not run, which its own check then tells."""
    from torchpin.tools import docker

    try:
        return docker.probe(client, tag, *arguments, gpus=gpus)
    except ToolError:
        return {}
