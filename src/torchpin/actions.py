"""The verbs: read, plan, do, answer with outcomes. Nothing here prints."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from torchpin import (
    checks,
    compare,
    gathering,
    index,
    lockfile,
    locks,
    plan,
    render,
    repository,
    shell,
    sources,
)
from torchpin.checks.texts import differing
from torchpin.errors import FindingsError, InputError, Stop, ToolError
from torchpin.model import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torchpin.buildlog import Event
    from torchpin.model import Environment, Lock, Source
    from torchpin.repository import Repository

    Say = Callable[[str], None]
    Watch = Callable[["Started | Event"], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one thing: `changed` and `same` are good, `failed` is not; `code` is the exit code it asks for."""

    name: str
    status: Literal["changed", "same", "failed"]
    detail: str = ""
    code: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A build begins: the environment, its steps' sizes in bytes by layer name, and where its log goes."""

    environment: str
    sizes: dict[str, int]
    log: str


def _quiet(_: object) -> None:
    return None


@contextmanager
def _alone(repo: Repository) -> Iterator[None]:
    """One writer at a time in a repository; a second one waits a minute, then is refused."""
    place = repo.root / ".torchpin"
    place.mkdir(exist_ok=True)
    try:
        with FileLock(place / "writing.lock", timeout=60):
            yield
    except Timeout:
        raise ToolError(
            "Another torchpin command is writing in this repository. Try again when it has ended."
        ) from None


def _each(
    environments: Sequence[Environment], do: Callable[[Environment], Outcome], *, workers: int = 4
) -> tuple[Outcome, ...]:
    """Every environment, several at a time; one that fails does not stop the others."""

    def guarded(env: Environment) -> Outcome:
        start = time.monotonic()
        try:
            outcome = do(env)
        except Stop as stop:
            outcome = Outcome(name=env.name, status="failed", detail=str(stop), code=stop.exit_code)
        return replace(outcome, seconds=time.monotonic() - start)

    if min(workers, len(environments)) == 1:  # in this thread, where an interrupt arrives
        return tuple(map(guarded, environments))
    with ThreadPoolExecutor(workers) as pool:
        return tuple(pool.map(guarded, environments))


def judge(repo: Repository, environments: Sequence[Environment]) -> None:
    """Raises FindingsError when facts say that pins cannot work; waived findings pass."""
    results = checks.run(gathering.bare(repo, environments), judge=True)
    found = checks.blocking(results)
    if found:
        said = "\n".join(f"{one.where}: {one.message}\n    {one.remedy}" for one in found)
        raise FindingsError(f"{said}\nThese pins cannot work; nothing was started.")


# --- lock ------------------------------------------------------------------------------------------------------------


def lock(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    upgrade: Sequence[str] = (),
    recorded: bool = False,
    say: Say = _quiet,
) -> tuple[Outcome, ...]:
    """Resolves and writes the locks, and in the same stroke the renderings and documents that follow from them.

    `recorded` reads the channels from the recorded facts instead of PyTorch's index. A lock that fails leaves its old one.
    """
    judge(repo, environments)
    made: dict[str, Lock] = {}

    def one(env: Environment) -> Outcome:
        before = _current(repo, env)
        with _channel(repo, env, recorded=recorded) as address:
            upstreams = tuple(
                _upstream(repo, source, say) for source in env.service.sources if source.requirements
            )
            say(f"{env.name}: resolving")
            found = locks.resolve(
                env, repo.settings, index=address, current=before, upgrade=upgrade, upstreams=upstreams
            )
        made[env.name] = found
        moves = compare.moved(before.packages if before else {}, found.packages)
        detail = f"{len(found.packages)} packages" + (
            f"; moved: {', '.join(moves)}" if before and moves else ""
        )
        same = lockfile.files(found) == repository.lock_files(repo, env)
        return Outcome(name=env.name, status="same" if same else "changed", detail=detail)

    outcomes = _each(environments, one)
    with _alone(repo):
        files: dict[str, str | None] = {}
        for env in environments:
            if env.name in made:
                folder = repository.lock_folder(env)
                files |= {f"{folder}/{name}": None for name in repository.lock_files(repo, env)}
                files |= {f"{folder}/{name}": text for name, text in lockfile.files(made[env.name]).items()}
                files |= repository.rendered(repo, env, made[env.name]).files
        files |= gathering.documents(repo, made)
        _write(repo, files)
    return outcomes


def _current(repo: Repository, env: Environment) -> Lock | None:
    """The present lock, whose pins are kept where they can be; a broken one counts as none."""
    try:
        return (
            lockfile.parse(repository.lock_folder(env), repository.lock_files(repo, env))
            if repository.lock_files(repo, env)
            else None
        )
    except InputError:
        return None


@contextmanager
def _channel(repo: Repository, env: Environment, *, recorded: bool) -> Iterator[str | None]:
    """Where a channel is read from: the recorded facts, its mirror, or its canonical address (None: PyPI)."""
    channel = env.variant.channel
    if recorded and channel != "pypi":
        files = index.recorded_files(channel)
        if not files:
            raise InputError(
                f"The index of {channel} is not recorded; lock it from the index itself, without --recorded."
            )
        with index.serve({channel: files}) as base:
            yield f"{base}/{channel}/"
    else:
        yield None if channel == "pypi" else repo.settings.mirrors.get(channel) or plan.index_url(channel)


def _upstream(repo: Repository, source: Source, say: Say) -> Upstream:
    with _alone(repo):
        done = sources.clone(repo.root, source, repo.settings)
    if done != sources.PRESENT:
        say(f"{source.path}: {done} at {source.tag}")
    text = sources.requirements(repo.root, source)
    return Upstream(
        source=source.name,
        tag=source.tag,
        commit=source.commit,
        file=str(source.requirements),
        requirements=lockfile.requirement_lines(text),
    )


def _write(repo: Repository, files: dict[str, str | None]) -> tuple[str, ...]:
    changed = shell.write({repo.root / path: text for path, text in files.items()})
    return tuple(path.relative_to(repo.root).as_posix() for path in changed)


def check(repo: Repository, environments: Sequence[Environment], *ids: str) -> tuple[checks.Result, ...]:
    """The committed state against the descriptions, by the checks whose ids start so. Offline, nothing resolved."""
    evidence = gathering.committed(repo, environments)
    return tuple(result for result in checks.run(evidence) if result.check.startswith(ids))


# --- clone, render, document -----------------------------------------------------------------------------------------


def clone(repo: Repository, environments: Sequence[Environment]) -> tuple[Outcome, ...]:
    """Every source of the services, at its tag and recorded commit."""
    outcomes = []
    wanted = {
        (env.service.name, source.name): source for env in environments for source in env.service.sources
    }
    for source in wanted.values():
        start = time.monotonic()
        try:
            with _alone(repo):
                done = sources.clone(repo.root, source, repo.settings)
            detail = f"{done} at {source.tag} = {source.commit[:12]}"
            outcome = Outcome(
                name=source.path, status="same" if done == sources.PRESENT else "changed", detail=detail
            )
        except Stop as stop:
            outcome = Outcome(name=source.path, status="failed", detail=str(stop), code=stop.exit_code)
        outcomes.append(replace(outcome, seconds=time.monotonic() - start))
    return tuple(outcomes)


def rendering(repo: Repository, environments: Sequence[Environment]) -> tuple[Outcome, ...]:
    """Writes every environment's Dockerfile and the list of its build context."""
    files: dict[str, str | None] = {}
    for env in environments:
        files |= repository.rendered(repo, env, repository.lock(repo, env)).files
    return _written(repo, files)


def document(repo: Repository) -> tuple[Outcome, ...]:
    """Writes the generated sections of the documents; prose outside their markers stays as it is."""
    return _written(repo, dict(gathering.documents(repo, {}, strict=True)))


def _written(repo: Repository, files: dict[str, str | None]) -> tuple[Outcome, ...]:
    with _alone(repo):
        changed = _write(repo, files)
    return tuple(Outcome(name=path, status="changed" if path in changed else "same") for path in files)


# --- build -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOptions:
    platform: str = ""
    builder: str = ""
    push: bool = False
    no_cache: bool = False
    dry_run: bool = False


def build(
    repo: Repository,
    environments: Sequence[Environment],
    options: BuildOptions,
    *,
    say: Say = _quiet,
    watch: Watch = _quiet,
) -> tuple[Outcome, ...]:
    """Builds, proves and records images. An image whose key is there already is left alone.

    One environment after the other: BuildKit itself works on an image's steps in parallel.
    """
    from torchpin import images

    chosen = tuple(env for env in environments if options.platform in {"", env.variant.platform})
    if not chosen:
        raise InputError(f"No environment of these is for {options.platform}.")
    judge(repo, chosen)
    if options.dry_run:
        return tuple(_dry(repo, env, options) for env in chosen)
    with images.engine() as client:
        images.expect_buildx()
        return _each(chosen, lambda env: _build(client, repo, env, options, say, watch), workers=1)


def _fresh(repo: Repository, env: Environment) -> tuple[Lock, repository.Rendered]:
    """The lock and what it renders to. Raises FindingsError when something else is committed."""
    locked = repository.lock(repo, env)
    made = repository.rendered(repo, env, locked)
    stale = [path for path, text in made.files.items() if differing(repo.text(path), text)]
    if stale:
        raise FindingsError(
            f"{', '.join(stale)}: not what the description renders to. Run `invoke render --service {env.service.name}`."
        )
    return locked, made


def _tags(repo: Repository, env: Environment, key: str) -> tuple[str, str]:
    from torchpin import images

    name = images.repository(env, repo.settings, prefix=repo.prefix)
    return f"{name}:{key[:12]}", f"{name}:latest"


def _build(
    client: Any, repo: Repository, env: Environment, options: BuildOptions, say: Say, watch: Watch
) -> Outcome:
    from torchpin import images

    locked, made = _fresh(repo, env)
    tags = _tags(repo, env, made.key)
    image = None if options.no_cache else images.found(client, tags[0], made.key)
    if image is None:
        for source in env.service.sources:
            with _alone(repo):
                say(
                    f"{source.path}: {sources.clone(repo.root, source, repo.settings, verify_tag=True)} at {source.tag}"
                )
        images.expect_platform(env.variant.platform, builder=options.builder)
        log = repo.root / ".torchpin" / "logs" / f"{env.name}-{made.key[:12]}.log"
        sizes = {f"layer {layer.name}": sum(p.size or 0 for p in layer.packages) for layer in locked.layers}
        watch(Started(environment=env.name, sizes=sizes, log=str(log)))
        uv_text = repo.text("requirements/run.txt") or ""
        with (
            tempfile.TemporaryDirectory(prefix="torchpin-") as folder,
            images.secrets(repo.settings) as secrets,
        ):
            uv = locks.uv_for(env.variant.platform, uv_text, Path(folder))
            with images.assembled(repo.root, made.context, made.dockerfile, uv) as context:
                images.build(_command(repo, env, made.key, options, context, secrets), log, watch)
        image = client.images.get(tags[0])
        _record(client, repo, env, locked, made, image, tags)
        status: Literal["changed", "same"] = "changed"
    else:
        status = "same"
        record = repository.build_record(repo, env)
        if record.get("key") != made.key or repo.text(repository.freeze_path(env)) is None:
            _record(client, repo, env, locked, made, image, tags)
    if options.push:
        images.push(client, tags)
    words = "built and proven" if status == "changed" else "already built and proven, nothing to do"
    size = image.attrs["Size"] / 1e6
    return Outcome(
        name=env.name,
        status=status,
        detail=f"{words}: {tags[0]}, {size:,.0f} MB{', pushed' if options.push else ''}",
    )


def _command(
    repo: Repository,
    env: Environment,
    key: str,
    options: BuildOptions,
    context: Path,
    secrets: dict[str, Path],
) -> tuple[str, ...]:
    from torchpin import images

    return images.build_command(
        context,
        platform=env.variant.platform,
        tags=_tags(repo, env, key),
        labels={images.KEY_LABEL: key},
        secrets=secrets,
        contexts=images.base_contexts(env, repo.settings),
        network=repo.settings.network,
        no_cache=options.no_cache,
        builder=options.builder,
    )


def _dry(repo: Repository, env: Environment, options: BuildOptions) -> Outcome:
    _, made = _fresh(repo, env)
    command = shlex.join(_command(repo, env, made.key, options, Path("CONTEXT"), {}))
    return Outcome(name=env.name, status="same", detail=f"would run: {command}")


def _record(
    client: Any,
    repo: Repository,
    env: Environment,
    locked: Lock,
    made: repository.Rendered,
    image: Any,
    tags: Sequence[str],
) -> None:
    """The record of an image, read in the image. One that is not its lock loses its tags and is not recorded."""
    from torchpin import images

    homes = [f"{env.service.home}/{source.path}" for source in env.service.sources]
    answer = images.probe(client, tags[0], *(word for home in homes for word in ("--source", home)))
    frozen = "".join(f"{name}=={version}\n" for name, version in sorted(answer["distributions"].items()))
    differences = compare.freeze_differences(frozen, locked)
    if differences:
        images.remove(client, tags)
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
        "base": env.service.base.reference,
        "uv": made.context.uv,
        "python": answer["python"],
        "torch": answer["torch"],
        "sources": answer["sources"],
        "optional_missing": missing,
    }
    with _alone(repo):
        _write(
            repo,
            {
                repository.freeze_path(env): frozen,
                repository.build_path(env): json.dumps(record, indent=1) + "\n",
            },
        )
        _write(repo, dict(gathering.documents(repo, {})))


# --- install ---------------------------------------------------------------------------------------------------------


def install(
    repo: Repository, env: Environment, *, into: Path | None = None, smoke: bool = True, say: Say = _quiet
) -> Outcome:
    """The same lock, sources and proof on this machine, without Docker: a uv environment, by default .venvs/<environment>."""
    judge(repo, [env])
    machine = platform.machine().lower().replace("amd64", "x86_64").replace("arm64", "aarch64")
    if sys.platform != "linux" or plan.MACHINES[env.variant.platform] != machine:
        raise ToolError(
            f"{env.name} is locked for {env.variant.platform}; this machine is {sys.platform} on {machine}."
        )
    start = time.monotonic()
    locked = repository.lock(repo, env)
    for outcome in clone(repo, [env]):
        if outcome.code:
            raise ToolError(outcome.detail)
        say(f"{outcome.name}: {outcome.detail}")
    into = into or repo.root / ".venvs" / env.name
    environment = locks.uv_environment(repo.settings)
    shell.run(locks.venv_command(env, into), env=environment)
    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        folder = Path(name)
        layers = [*locked.layers, *([locked.build] if locked.build else [])]
        shell.write({folder / layer.file: lockfile.installable(layer) for layer in layers})
        for step in plan.steps(locked):
            say(f"installing {step.file.removesuffix('.txt')}")
            _install_step(repo, step, into, folder, environment, say)
        _prove(repo, env, locked, into, folder, smoke=smoke, say=say)
    detail = f"installed and proven: {into}"
    return Outcome(name=env.name, status="changed", detail=detail, seconds=time.monotonic() - start)


def _install_step(
    repo: Repository, step: plan.Step, into: Path, folder: Path, environment: dict[str, str], say: Say
) -> None:
    address = repo.settings.mirrors.get(step.origin) or step.index
    command = locks.install_command(step, into, folder)
    done = shell.run(
        command, env=environment | ({"UV_DEFAULT_INDEX": address} if address else {}), check=not step.optional
    )
    if done.returncode:
        say(f"the optional layer {step.file} could not be installed; going on without it")


def _prove(
    repo: Repository, env: Environment, locked: Lock, into: Path, folder: Path, *, smoke: bool, say: Say
) -> None:
    """The probe with the plan's expectations, then the service's own smoke test, in a native environment."""
    python = str(into / "bin" / "python")
    expectations = plan.expectations(env, locked, home=str(repo.root))
    shell.write({folder / "expect.json": json.dumps(expectations)})
    quiet = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    }
    probe = (
        python,
        "-B",
        str(repo.root / "docker/runtime/probe.py"),
        "--expect",
        str(folder / "expect.json"),
    )
    done = shell.run(probe, env=quiet, check=False)
    if done.returncode:
        lines = [
            line for line in done.stderr.splitlines() if line.startswith("probe:")
        ] or done.stderr.splitlines()[-15:]
        raise ToolError(f"{env.name} is not what was planned:\n" + "\n".join(f"    {line}" for line in lines))
    say(done.stderr.strip().splitlines()[-1])
    if smoke:
        script = repo.root / "services" / env.service.name / "smoke.py"
        say(
            shell.run(
                (python, "-B", str(script)), env=quiet | {"TORCHPIN_HOME": str(repo.root)}
            ).stdout.strip()
        )


# --- verify, export, and what there is -------------------------------------------------------------------------------


def verify(
    repo: Repository, environments: Sequence[Environment], *, require: Sequence[str] = ()
) -> tuple[checks.Result, ...]:
    """Every check on everything that can be gathered here. The network is asked only where it is required."""
    evidence = gathering.everything(repo, environments, network="network" in require)
    return checks.run(evidence)


def failures(results: Sequence[checks.Result], *, require: Sequence[str] = ()) -> int:
    """The exit code that results ask for: findings, and skips of what is required."""
    bad = any(r.status == "found" or (r.status == "skipped" and r.need in require) for r in results)
    return FindingsError.exit_code if bad else 0


def export(repo: Repository, env: Environment, form: str) -> str:
    """A lock in a standard form: `requirements` (offline, no address) or `pylock` (PEP 751, with today's addresses)."""
    locked = repository.lock(repo, env)
    if form == "requirements":
        return render.requirements(env, locked)
    with _channel(repo, env, recorded=False) as address:
        return locks.pylock(env, locked, repo.settings, index=address)
