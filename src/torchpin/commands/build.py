"""The build and the native install: from a fresh lock to something proven, and its record."""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.checks.rules.generated_files import differing
from torchpin.commands.judge import expect_workable
from torchpin.commands.parallel import each, quiet
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.image import build_log, plan
from torchpin.image.build_log import Started
from torchpin.model import Outcome
from torchpin.records.freeze import freeze_differences
from torchpin.tools import http, uv_install
from torchpin.workspace import generated, workspace
from torchpin.workspace.write import alone, cloned, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torchpin.commands.parallel import Say
    from torchpin.image.build_log import Event
    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository

    Watch = Callable[["Started | Event"], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    platform: str = ""
    builder: str = ""
    push: bool = False
    no_cache: bool = False
    dry_run: bool = False


def build(
    repo: Repository,
    environments: Sequence[Environment],
    options: Options,
    *,
    say: Say = quiet,
    watch: Watch = quiet,
) -> tuple[Outcome, ...]:
    """Builds, proves and records images, two at a time. An image whose key is there already is left alone.

    Environments do not depend on each other: one that fails does not stop the others.
    """
    from torchpin.tools import buildx, docker

    chosen = tuple(env for env in environments if options.platform in {"", env.variant.platform})
    if not chosen:
        raise InputError(f"No environment of these is for {options.platform}.")
    expect_workable(repo, chosen)
    if options.dry_run:
        return tuple(_dry(repo, env, options) for env in chosen)
    with docker.engine() as client:
        buildx.expect_buildx()
        return each(
            chosen, lambda env: guard_engine(_build, client, repo, env, options, say, watch), workers=2
        )


def guard_engine(do: Callable[..., Outcome], *arguments: Any) -> Outcome:
    """One environment's work; an engine that fails in it ends this environment, not the others."""
    from torchpin.tools import docker

    try:
        return do(*arguments)
    except docker.faults() as error:
        raise ToolError(f"The Docker engine failed: {str(error).splitlines()[0][:200]}") from None


def _fresh(repo: Repository, env: Environment) -> tuple[Lock, generated.Rendered]:
    """The lock and what it renders to. Raises FindingsError when something else is committed."""
    locked = workspace.lock(repo, env)
    made = generated.rendered(repo, env, locked)
    stale = [path for path, text in made.files.items() if differing(repo.text(path), text)]
    if stale:
        raise FindingsError(
            f"{', '.join(stale)}: not what the description renders to. Run `invoke render --service {env.service.name}`."
        )
    return locked, made


def _tags(repo: Repository, env: Environment, key: str) -> tuple[str, str]:
    from torchpin.tools import docker

    name = docker.repository(env, repo.settings, prefix=repo.prefix)
    return f"{name}:{key[:12]}", f"{name}:latest"


def _build(
    client: Any, repo: Repository, env: Environment, options: Options, say: Say, watch: Watch
) -> Outcome:
    """One image: made, unless it is there; recorded, unless its record is; pushed, where that is asked."""
    from torchpin.tools import docker

    locked, made = _fresh(repo, env)
    tags = _tags(repo, env, made.key)
    image: Any = None if options.no_cache else docker.found(client, tags[0], made.key)
    new = image is None
    if new:
        for source in env.service.sources:
            say(f"{source.path}: {cloned(repo, source, verify_tag=True)} at {source.tag}")
        _make(client, repo, env, options, (locked, made), watch)
        image = client.images.get(tags[0])
    if new or not _recorded(repo, env, locked, made):
        _record(client, repo, env, locked, made, image, tags)
    if options.push:
        docker.push(client, tags)
    words = "built and proven" if new else "already built and proven, nothing to do"
    size = image.attrs["Size"] / 1e6
    detail = f"{words}: {tags[0]}, {size:,.0f} MB{', pushed' if options.push else ''}"
    return Outcome(name=env.name, status="changed" if new else "same", detail=detail)


def _recorded(repo: Repository, env: Environment, locked: Lock, made: generated.Rendered) -> bool:
    """Whether the record is of this very image and equals its lock."""
    frozen = repo.text(paths.freeze_path(env))
    key = workspace.build_record(repo, env).get("key")
    return frozen is not None and key == made.key and not freeze_differences(frozen, locked)


def _make(
    client: Any,
    repo: Repository,
    env: Environment,
    options: Options,
    fresh: tuple[Lock, generated.Rendered],
    watch: Watch,
) -> None:
    """Runs the build. Nothing may be installed twice in it: neither as it is locked, nor as the log tells it."""
    from torchpin.tools import buildx, docker

    locked, made = fresh
    names = [package.name for layer in locked.layers for package in layer.packages]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        remedy = f"run `invoke lock --service {env.service.name}`"
        raise ToolError(f"{env.name} locks {', '.join(doubled)} twice: {remedy}.")
    buildx.expect_platform(env.variant.platform, builder=options.builder)
    log = repo.root / ".torchpin" / "logs" / f"{env.name}-{made.key[:12]}.log"
    sizes = {f"layer {layer.name}": sum(p.size or 0 for p in layer.packages) for layer in locked.layers}
    watch(Started(environment=env.name, sizes=sizes, log=str(log)))
    uv_text = repo.text("requirements/run.txt") or ""
    with tempfile.TemporaryDirectory(prefix="torchpin-") as folder, buildx.secrets(repo.settings) as secrets:
        uv = uv_install.uv_for(env.variant.platform, uv_text, Path(folder))
        with buildx.assembled(repo.root, made.context, made.dockerfile, uv) as context:
            command = _command(repo, env, made.key, options, context, secrets)
            lines = buildx.build(command, log, lambda event: watch(replace(event, environment=env.name)))
    named = {step.file: step.index for step in plan.steps(locked) if step.index}
    if build_log.indexes(lines) != named:
        docker.remove(client, _tags(repo, env, made.key))
        raise ToolError(
            f"{env.name}: torch's layer was not installed from {', '.join(named.values())}. The log: {log}"
        )
    twice = build_log.installed_twice(lines)
    if twice:
        docker.remove(client, _tags(repo, env, made.key))
        raise ToolError(
            f"{env.name}: {', '.join(twice)} was installed twice; its tags were removed. The log: {log}"
        )


def _command(
    repo: Repository,
    env: Environment,
    key: str,
    options: Options,
    context: Path,
    secrets: dict[str, Path],
) -> tuple[str, ...]:
    from torchpin.tools import buildx, docker

    return buildx.build_command(
        context,
        platform=env.variant.platform,
        tags=_tags(repo, env, key),
        labels={docker.KEY_LABEL: key},
        secrets=secrets,
        contexts=buildx.base_contexts(env, repo.settings),
        network=repo.settings.network,
        no_cache=options.no_cache,
        builder=options.builder,
    )


def _dry(repo: Repository, env: Environment, options: Options) -> Outcome:
    _, made = _fresh(repo, env)
    command = http.shown(shlex.join(_command(repo, env, made.key, options, Path("CONTEXT"), {})))
    return Outcome(name=env.name, status="same", detail=f"would run: {command}")


def _record(
    client: Any,
    repo: Repository,
    env: Environment,
    locked: Lock,
    made: generated.Rendered,
    image: Any,
    tags: Sequence[str],
) -> None:
    """The record of an image, read in the image. One that is not its lock loses its tags and is not recorded."""
    from torchpin.tools import docker

    homes = [f"{env.service.home}/{source.path}" for source in env.service.sources]
    answer = docker.probe(client, tags[0], *(word for home in homes for word in ("--source", home)))
    frozen = freeze_text(answer)
    differences = freeze_differences(frozen, locked)
    if differences:
        docker.remove(client, tags)
        raise ToolError(
            f"{env.name}: the image is not its lock; its tags were removed.\n"
            + "\n".join(f"    {d}" for d in differences)
        )
    missing = sorted({*locked.packages} - {*answer["distributions"]})
    record = {
        "environment": env.name,
        "key": made.key,
        "image": image.id,
        "size_bytes": image.attrs["Size"],
        "platform": env.variant.platform,
        "base": env.base.reference,
        "uv": made.context.uv,
        "python": answer["python"],
        "torch": answer["torch"],
        "sources": answer["sources"],
        "optional_missing": missing,
    }
    with alone(repo):
        write(
            repo,
            {
                paths.freeze_path(env): frozen,
                paths.build_path(env): json.dumps(record, indent=1) + "\n",
            },
        )
        write(repo, dict(generated.documents(repo, {})))


# --- what is built: read again, and run ------------------------------------------------------------------------------


def built_tag(client: Any, repo: Repository, env: Environment) -> str:
    """The tag of the image that the description asks for. Raises FindingsError when it is not built."""
    from torchpin.tools import docker

    _, made = _fresh(repo, env)
    tag = _tags(repo, env, made.key)[0]
    if docker.found(client, tag, made.key) is None:
        raise FindingsError(
            f"{env.name} is not built as it is described. Run `invoke build --service {env.service.name}`."
        )
    return tag


def freeze_text(answer: Mapping[str, Any]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(answer["distributions"].items()))
