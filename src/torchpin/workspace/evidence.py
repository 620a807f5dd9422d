"""What is, gathered once: files, clones, records, images if Docker answers, GPUs if there are some. Checks judge it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.checks.context import Evidence
from torchpin.errors import InputError, Stop, ToolError
from torchpin.lock import file_format, layers
from torchpin.records import bump_log
from torchpin.tools import process, uv
from torchpin.workspace import generated, workspace
from torchpin.workspace.generated import documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


def bare(environments: Sequence[Environment]) -> Evidence:
    """The descriptions alone."""
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    return Evidence(environments=tuple(environments), today=today, uv=uv.UV)


def judged(
    repo: Repository, environments: Sequence[Environment], *, gpus: Sequence[str] = (), driver: str = ""
) -> Evidence:
    """What the judge looks at: descriptions and locks; for other GPUs, or another driver, than the described ones."""
    evidence = committed(repo, environments, texts=False)
    return replace(evidence, asked_gpus=tuple(gpus), asked_driver=driver)


def committed(repo: Repository, environments: Sequence[Environment], *, texts: bool = True) -> Evidence:
    """What lies in the repository, without processes: locks, and (`texts`) renderings, documents and records."""
    files, parsed, broken = {}, {}, {}
    for env in environments:
        files[env.name] = workspace.lock_files(repo, env)
        try:
            if files[env.name]:
                parsed[env.name] = file_format.parse(paths.lock_folder(env), files[env.name])
        except InputError as error:
            broken[env.name] = tuple(str(problem) for problem in error.problems)
    evidence = replace(
        bare(environments),
        published=repo.published,
        lock_files=files,
        locks=parsed,
        broken=broken,
        orphans=workspace.orphans(repo),
    )
    return _with_texts(repo, evidence) if texts else evidence


def _with_texts(repo: Repository, evidence: Evidence) -> Evidence:
    made = {env.name: _rendering(repo, env, evidence.locks.get(env.name)) for env in evidence.environments}
    pages_expected: dict[str, str] = {}
    problems: tuple[str, ...] = ()
    try:
        pages_expected = documents(repo, {})
    except InputError as error:
        problems = tuple(map(str, error.problems))
    return replace(
        evidence,
        renderings={
            name: {path: (repo.text(path), text) for path, text in files.items()}
            for name, (files, _) in made.items()
        },
        keys={name: key for name, (_, key) in made.items() if key},
        documents={path: (repo.text(path), text) for path, text in pages_expected.items()},
        document_problems=problems,
        records={env.name: repo.text(paths.freeze_path(env)) for env in evidence.environments},
        bumps=_bumps(repo, evidence.environments),
    )


def _bumps(repo: Repository, environments: Sequence[Environment]) -> dict[str, bump_log.Entry]:
    """The last bump of each environment's service."""
    log = bump_log.entries(repo.text(bump_log.LOG))
    last = {service: entry for entry in log for service in entry.services}
    return {env.name: last[env.service.name] for env in environments if env.service.name in last}


def _rendering(repo: Repository, env: Environment, lock: Lock | None) -> tuple[dict[str, str], str]:
    """An environment's texts and key; nothing while its lock is missing or does not answer the description."""
    if lock is None or layers.stale(env, lock):
        return {}, ""
    made = generated.rendered(repo, env, lock)
    return made.files, made.key


def everything(repo: Repository, environments: Sequence[Environment], *, network: bool = False) -> Evidence:
    """Everything that this machine can tell. The network is asked for the sources' tags only where that is wanted."""
    from torchpin.tools import git

    clones = {
        env.name: {s.name: git.state(repo.root, s) for s in env.service.sources} for env in environments
    }
    asked = {env.name: _tags(repo, env) for env in environments} if network else None
    evidence = replace(
        committed(repo, environments),
        clones=clones,
        tags=None if asked is None else {name: wrong for name, (wrong, _) in asked.items()},
        unreachable={name: why for name, (_, why) in (asked or {}).items() if why},
    )
    return _with_images(repo, evidence)


def _tags(repo: Repository, env: Environment) -> tuple[dict[str, str], str]:
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


def _with_images(repo: Repository, evidence: Evidence) -> Evidence:
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
                tag = f"{docker.repository(env, repo.settings, prefix=repo.prefix)}:{key[:12]}" if key else ""
                image = docker.found(client, tag, key) if key else None
                if image is None:
                    continue
                built[env.name] = {"size_bytes": image.attrs["Size"]}
                homes = [f"{env.service.home}/{source.path}" for source in env.service.sources]
                asked = [word for home in homes for word in ("--source", home)]
                answers[env.name] = _answer(client, tag, asked)
                if not no_gpu:
                    gpus[env.name] = _answer(client, tag, asked, gpus=True)
    except Stop as stop:
        return replace(evidence, engine=str(stop), gpu=no_gpu or str(stop))
    return replace(evidence, built=built, answers=answers, gpus=gpus, gpu=no_gpu)


def _answer(client: Any, tag: str, asked: Sequence[str], *, gpus: bool = False) -> dict[str, Any]:
    """What an image answers; nothing when its probe does not run, which its own check then tells."""
    from torchpin.tools import docker

    try:
        return docker.probe(client, tag, *asked, gpus=gpus)
    except ToolError:
        return {}
