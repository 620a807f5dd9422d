"""The tasks: words to verbs. Options to values, outcomes to the terminal, stops to exit codes."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Argument, Collection, Context, Exit, Program, Task, task

from torchpin import __version__
from torchpin.errors import FINDINGS, INTERRUPTED, TOOL, InputError, Stop, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)  # invoke turns it off: each would compile anew

SERVICE = {"service": "the service, by its folder's name; all of them when left out"}
ONE_SERVICE = {"service": "the service, by its folder's name"}
VARIANT = {"variant": "the variant, such as gpu; all of them when left out"}
CHECK = {"check": "write nothing: say what would change, and exit 1 if anything would"}
LAB = {"lab": "on a scratch copy, with tiny stand-ins for torch, sources and base; everything else is real"}


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Expected ends as one message and an exit code. Bugs keep their traceback."""
    import signal

    from torchpin.output import terminal

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ended)  # a cancelled job clears up as an interrupted one does
    try:
        yield
    except Stop as stop:
        terminal.error(stop)
        raise Exit(code=stop.exit_code) from None
    except KeyboardInterrupt:
        terminal.error("interrupted; nothing half-made was kept")
        raise Exit(code=INTERRUPTED) from None
    except OSError as error:
        terminal.error(f"{error.filename or 'this machine'}: {error.strerror or error}")
        raise Exit(code=TOOL) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _opened(service: str = "", variant: str = "") -> tuple[Repository, tuple[Environment, ...]]:
    from torchpin.commands import parallel
    from torchpin.lock import layers
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    root = workspace.find(Path.cwd())
    said = parallel.recover(root)
    if said:
        terminal.aside(said)
    repo = workspace.opened(root)
    return repo, layers.environments(repo.services, service=service, variant=variant)


def _end(code: int) -> None:
    if code:
        raise Exit(code=code)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _checked(results: Sequence[Any]) -> None:
    from torchpin.commands import parallel
    from torchpin.output import terminal

    terminal.results(results)
    _end(parallel.failures(results, require=("lock",)))


@contextmanager
def _lab(
    service: str,
    variant: str,
    *,
    beside: Sequence[Environment] = (),
    docker: bool = True,
    aside: bool = False,
) -> Iterator[Any]:
    """A lab. `aside`: words to people go to the other stream, since a program reads this one."""
    from torchpin.lab import lab as lab_lab
    from torchpin.output import terminal

    say = terminal.aside if aside else terminal.say
    repo, environments = _opened(service, variant)
    with lab_lab.opened(repo, environments, beside=beside, docker=docker, say=say) as opened:
        yield opened
    say(
        "lab: the scratch copy, its index, its images and its build cache are gone; this repository was not touched"
    )


@task(
    iterable=["upgrade_package"],
    help={
        **SERVICE,
        **VARIANT,
        **CHECK,
        **LAB,
        "upgrade_package": "let this package move to the newest version that fits; may be given several times",
        "recorded": "read torch's channels from the recorded facts instead of PyTorch's index",
    },
)
def lock(
    _: Context,
    service: str = "",
    variant: str = "",
    check: bool = False,
    upgrade_package: Sequence[str] | None = None,  # a tuple would make invoke take words apart
    recorded: bool = False,
    lab: bool = False,
) -> None:
    """Resolve each environment and write its lock, with the renderings and documents that follow."""
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        if lab:
            if check or upgrade_package or recorded:
                raise InputError(
                    "--lab goes with --service and --variant alone: it locks its own scratch copy."
                )
            with _lab(service, variant, docker=False) as opened:
                _end(terminal.outcomes(parallel.lock(opened.repo, opened.environments, say=terminal.say)))
            return
        repo, environments = _opened(service, variant)
        if check:
            _checked(parallel.check(repo, environments, "LCK"))
        else:
            made = parallel.lock(
                repo, environments, upgrade=upgrade_package or (), recorded=recorded, say=terminal.say
            )
            _end(terminal.outcomes(made))


@task(help={**SERVICE, **LAB})
def clone(_: Context, service: str = "", lab: bool = False) -> None:
    """Clone every source at its tag into third_party/; the tag must give the recorded commit."""
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        if lab:
            with _lab(service, "", docker=False) as opened:
                _end(terminal.outcomes(parallel.clone(opened.repo, opened.environments)))
            return
        repo, environments = _opened(service)
        _end(terminal.outcomes(parallel.clone(repo, environments)))


@task(help={**SERVICE, **VARIANT, **CHECK})
def render(_: Context, service: str = "", variant: str = "", check: bool = False) -> None:
    """Write each environment's Dockerfile and the list of what its build context holds."""
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        repo, environments = _opened(service, variant)
        if check:
            _checked(parallel.check(repo, environments, "DKR", "LCK002"))
        else:
            _end(terminal.outcomes(parallel.rendering(repo, environments)))


@task(help=CHECK)
def document(_: Context, check: bool = False) -> None:
    """Write the generated sections of docs/PINNING.md, docs/GPUS.md, docs/CHECKS.md and DEVIATIONS.md."""
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        repo, environments = _opened()
        if check:
            _checked(parallel.check(repo, environments, "DOC", "LCK002"))
        else:
            _end(terminal.outcomes(parallel.document(repo)))


@task(
    help={
        **SERVICE,
        **VARIANT,
        **LAB,
        "platform": "only environments of this platform, such as linux/amd64",
        "push": "push the proven image to build.registry of torchpin.toml",
        "no_cache": "build even if the image is there, and take no layer from the cache",
        "builder": "the buildx builder to use",
        "progress": "auto (a live table on a terminal), plain or json",
        "dry_run": "show the command, run nothing",
    },
)
def build(
    _: Context,
    service: str = "",
    variant: str = "",
    platform: str = "",
    push: bool = False,
    no_cache: bool = False,
    builder: str = "",
    progress: str = "auto",
    dry_run: bool = False,
    lab: bool = False,
) -> None:
    """Build each image from its lock, prove it from the inside, and record what it holds."""
    from torchpin.commands import build as commands_build
    from torchpin.output import terminal

    with _plain_errors():
        if progress not in {"auto", "plain", "json"}:
            raise InputError(f"--progress is auto, plain or json, not {progress!r}.")
        options = commands_build.Options(
            platform=platform, builder=builder, push=push, no_cache=no_cache, dry_run=dry_run
        )
        if lab:
            if push:
                raise InputError("--push and --lab do not go together: the lab's images stay in the lab.")
            _end(_build_in_lab(service, variant, options, progress))
            return
        repo, environments = _opened(service, variant)
        try:
            say = terminal.aside if progress == "json" else terminal.say
            with terminal.build(progress) as watch:
                made = commands_build.build(repo, environments, options, say=say, watch=watch)
        except ToolError as error:
            raise ToolError(f"{error}\n{_native_way(environments)}") from None
        code = terminal.outcomes_json(made) if progress == "json" else terminal.outcomes(made)
        if len(made) > 1 and progress != "json":
            terminal.summary(made)
        _end(code)


def _native_way(environments: Sequence[Environment]) -> str:
    name = environments[0].service.name
    return (
        "Start a Docker engine with buildx (`invoke doctor` tells more), or take the native way, without Docker:\n"
        f"    invoke install --service {name}"
    )


def _build_in_lab(service: str, variant: str, options: Any, progress: str) -> int:
    """The whole way: lock, clone, render, build (or the native install), records, documents, verify."""
    from torchpin.commands import build as commands_build
    from torchpin.commands import install as commands_install
    from torchpin.commands import parallel
    from torchpin.lab import lab as lab_lab
    from torchpin.output import terminal

    programs = progress == "json"
    say = terminal.aside if programs else terminal.say
    tell = terminal.outcomes_json if programs else terminal.outcomes
    with _lab(service, variant, aside=programs) as opened:
        repo, environments = opened.repo, opened.environments
        code = tell(parallel.lock(repo, environments, say=say))
        code = code or tell(parallel.clone(repo, environments))
        if code:
            return code
        if opened.engine:
            with terminal.build(progress) as watch:
                made = commands_build.build(repo, environments, options, say=say, watch=watch)
        else:
            made = tuple(commands_install.install(repo, env, say=say) for env in environments)
        code = tell(made)
        if len(made) > 1 and not programs:
            terminal.summary(made)
        if code:
            for log in lab_lab.keep_logs(opened):
                say(f"lab: the build's log was kept: {log}")
        if code or options.dry_run:
            return code
        tell(parallel.document(repo))
        results = parallel.verify(repo, environments)
        terminal.results(results, quiet=True, aside=programs)
        done = (
            "built and proven as an image"
            if opened.engine
            else f"installed and proven without an image ({opened.why})"
        )
        if not parallel.failures(results):
            say(f"lab: locked, cloned, rendered, {done}, documented and verified")
        return parallel.failures(results)


@task(
    help={
        **ONE_SERVICE,
        **VARIANT,
        **LAB,
        "into": "the folder of the environment; .venvs/<environment> when left out",
    }
)
def install(_: Context, service: str, variant: str = "", into: str = "", lab: bool = False) -> None:
    """Install a service on this machine from the same lock and prove it, without Docker."""
    from torchpin.commands import install as commands_install
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        if lab:
            if into:
                raise InputError(
                    "--into and --lab do not go together: the lab's environment stays in the lab."
                )
            with _lab(service, variant, docker=False) as opened:
                code = terminal.outcomes(parallel.lock(opened.repo, opened.environments, say=terminal.say))
                _end(code)
                _end(
                    terminal.outcomes(
                        [
                            commands_install.install(opened.repo, env, say=terminal.say)
                            for env in opened.environments
                        ]
                    )
                )
            return
        repo, environments = _opened(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        place = Path(into).absolute() if into else None
        _end(
            terminal.outcomes([commands_install.install(repo, environments[0], into=place, say=terminal.say)])
        )


@task(
    help={
        **SERVICE,
        **LAB,
        "json": "one JSON document instead of text",
        "require": "fail when a check that needs one of these could not run: docker,gpu,network (and image,clone,record)",
    },
)
def verify(_: Context, service: str = "", json: bool = False, require: str = "", lab: bool = False) -> None:
    """Run every check on what is committed, cloned, built and recorded."""
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        needed = _names(require)
        unknown = sorted({*needed} - {"docker", "gpu", "network", "image", "clone", "record"})
        if unknown:
            raise InputError(
                f"--require knows docker, gpu, network, image, clone and record, not {', '.join(unknown)}."
            )
        if lab:
            with _lab(service, "", docker=False, aside=json) as opened:
                made = (
                    *parallel.lock(opened.repo, opened.environments),
                    *parallel.clone(opened.repo, opened.environments),
                )
                _end(terminal.outcomes(made, aside=json))
                _verified(opened.repo, opened.environments, needed, json=json)
            return
        repo, environments = _opened(service)
        _verified(repo, environments, needed, json=json)


def _notices(environments: Sequence[Environment]) -> list[str]:
    """The waivers that end soon, each said once."""
    from torchpin.checks.rules.deviations import ending
    from torchpin.workspace.evidence import bare

    return list(dict.fromkeys(one for env in environments for one in ending(bare(environments), env)))


def _verified(
    repo: Repository, environments: Sequence[Environment], needed: Sequence[str], *, json: bool
) -> None:
    from torchpin.commands import parallel
    from torchpin.output import terminal

    results = parallel.verify(repo, environments, require=needed)
    notices = _notices(environments)
    if json:
        terminal.results_json(results, notices=notices)
    else:
        terminal.results(results, notices=notices)
    _end(parallel.failures(results, require=needed))


@task(
    help={
        **ONE_SERVICE,
        **VARIANT,
        "format": "requirements (offline, hashed, without addresses) or pylock (PEP 751, with today's addresses)",
    },
)
def export(_: Context, service: str, variant: str = "", format: str = "requirements") -> None:  # noqa: A002 - the option's name
    """Print a lock in a standard form."""
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        if format not in {"requirements", "pylock"}:
            raise InputError(f"--format is requirements or pylock, not {format!r}.")
        repo, environments = _opened(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        terminal.raw(parallel.export(repo, environments[0], format))


@task(help={**SERVICE, **VARIANT})
def freeze(_: Context, service: str = "", variant: str = "") -> None:
    """Read each image again and compare it with its lock and its record."""
    from torchpin.commands import build as commands_build
    from torchpin.output import terminal

    with _plain_errors():
        repo, environments = _opened(service, variant)
        _end(terminal.outcomes(commands_build.freeze(repo, environments)))


@task(
    help={
        **ONE_SERVICE,
        **VARIANT,
        "command": "what to run instead of the described command, as one string",
        "dry_run": "show the command, run nothing",
    }
)
def run(_: Context, service: str, variant: str = "", command: str = "", dry_run: bool = False) -> None:
    """Run a service's container with its described ports, volumes and environment, and the GPUs if there are any."""
    import shlex

    from torchpin.commands import build as commands_build
    from torchpin.output import terminal

    with _plain_errors():
        repo, environments = _opened(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        words, code = commands_build.run(repo, environments[0], command=shlex.split(command), dry_run=dry_run)
        if dry_run:
            terminal.say(shlex.join(words))
        _end(code)


@task(help={"service": "the new service's name: lower-case letters, digits and inner dashes"})
def new(_: Context, service: str) -> None:
    """Write the description of a new service, small and ready to be locked."""
    from torchpin.commands import new as commands_new
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with _plain_errors():
        repo = workspace.opened(workspace.find(Path.cwd()))
        _end(terminal.outcomes(commands_new.scaffold(repo, service)))


@task
def services(_: Context) -> None:
    """Show every service: its variants and pins, and the state of lock, image and record."""
    from torchpin.commands import doctor as commands_doctor
    from torchpin.output import terminal

    with _plain_errors():
        repo, environments = _opened()
        terminal.table("", commands_doctor.HEADERS, commands_doctor.services(repo, environments))


@task
def doctor(_: Context) -> None:
    """Look at this machine: Python, uv, git, Docker, disk, GPU, and whether each index and source answers."""
    from torchpin.commands import doctor as commands_doctor
    from torchpin.output import terminal

    with _plain_errors():
        repo, environments = _opened()
        rows = commands_doctor.doctor(repo, environments)
        terminal.table(
            "",
            ("what", "state", "found", "what to do"),
            [(r.what, "ok" if r.ok else "missing", r.found, "" if r.ok else r.remedy) for r in rows],
        )
        _end(TOOL if any(not row.ok and row.needed for row in rows) else 0)


GPU = {"gpu": "judge for this card instead of the described ones; may be given several times"}
HTML = {"html": "write a page with verdicts, evidence and the matrix of services and GPUs to this file"}


@task(
    iterable=["gpu"],
    help={
        **SERVICE,
        **GPU,
        **HTML,
        "driver": "judge for hosts with this NVIDIA driver, such as 550.54.14",
        "json": "one JSON document instead of text",
        "sarif": "one SARIF 2.1.0 document instead of text",
        "github": "workflow commands that annotate a change on GitHub instead of text",
        "fix": "make the repairs that follow from facts alone, and write the descriptions",
    },
)
def judge(
    _: Context,
    service: str = "",
    gpu: Sequence[str] | None = None,
    driver: str = "",
    json: bool = False,
    sarif: bool = False,
    github: bool = False,
    html: str = "",
    fix: bool = False,
) -> None:
    """Say whether the pins can work, offline, before anything is downloaded: ok, refused, or unknown, with the evidence."""
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        if json + sarif + github > 1:
            raise InputError("--json, --sarif and --github are three ways to say the same: give one.")
        repo, environments = _opened(service)
        if fix:
            from torchpin.commands.fix import repair

            terminal.repaired(repair(repo, environments), aside=json or sarif or github)
            repo, environments = _opened(service)
        results = parallel.judge(repo, environments, gpus=gpu or (), driver=driver)
        form = "json" if json else "sarif" if sarif else "github" if github else "text"
        terminal.judged(results, environments, form=form, notices=_notices(environments))
        if html:
            _end(terminal.outcomes([_paged(environments, results, html)], aside=form != "text"))
        _end(parallel.failures(results))


def _paged(
    environments: Sequence[Environment], results: Sequence[Any], file: str, cards: Sequence[str] = ()
) -> Any:
    """The page of verdicts and matrix, written."""
    import datetime as dt

    from torchpin.commands import parallel
    from torchpin.output.html import page
    from torchpin.queries import support as queries_support

    chosen = cards or queries_support.gpus(environments)
    drawn = queries_support.matrix(environments, chosen, results)
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    return parallel.page(Path(file), page(results, environments, drawn, today))


@task(help={"id": "the check's or trap's id, such as GPU001"})
def explain(_: Context, id: str) -> None:  # noqa: A002 - the argument's word
    """Tell what a check or a trap means, with an example, its sources and what to do."""
    from torchpin.output import terminal
    from torchpin.queries.explain import explanation

    with _plain_errors():
        terminal.raw(explanation(id))


@task(
    positional=["service", "component"],
    help={
        **ONE_SERVICE,
        **VARIANT,
        "component": "a package, torch, a source, a GPU, or python, base, cuda, cudnn",
        "json": "one JSON document instead of text",
    },
)
def why(_: Context, service: str, component: str, variant: str = "", json: bool = False) -> None:
    """Tell a pin's chain: where it is written, what it pulls, which facts allow it, which deviation it makes."""
    from dataclasses import asdict

    from torchpin.commands import parallel
    from torchpin.output import terminal
    from torchpin.queries.why import lines

    with _plain_errors():
        repo, environments = _opened(service, variant)
        found = [parallel.why(repo, env, component) for env in environments]
        if json:
            terminal.print_json([asdict(one) for one in found])
            return
        for one in found:
            for line in lines(one):
                terminal.say(line)


@task(
    iterable=["gpu"],
    help={
        **SERVICE,
        **GPU,
        **HTML,
        "every": "every card that the facts know, not only those that services name",
        "json": "one JSON document instead of text",
    },
)
def support(
    _: Context,
    service: str = "",
    gpu: Sequence[str] | None = None,
    every: bool = False,
    json: bool = False,
    html: str = "",
) -> None:
    """Draw which service runs on which GPU: ok, no or unknown, with the reason."""
    from dataclasses import asdict

    from torchpin.commands import parallel
    from torchpin.output import terminal
    from torchpin.queries import support as queries_support

    with _plain_errors():
        repo, environments = _opened(service)
        results = parallel.judge(repo, environments)
        cards = queries_support.gpus(environments, gpu or (), every=every)
        drawn = queries_support.matrix(environments, cards, results)
        if json:
            terminal.print_json(asdict(drawn))
        else:
            terminal.matrix(drawn)
        if html:
            _end(terminal.outcomes([_paged(environments, results, html, cards)], aside=json))


STATE = "a git revision, `.` for the working tree, a freeze record or a lock folder"
JSON = {"json": "one JSON document instead of text"}


@task(
    iterable=["channel"],
    help={
        "check": "whether every fact has a source and a date, none contradicts another, and none is too old",
        "refresh": "compare the recorded index pages with PyTorch's index, or its mirrors, as they are today",
        "channel": "a channel to refresh; may be given several times; all that are recorded when left out",
        "write": "keep what --refresh found",
        "accept_changed_hashes": "keep it even where a recorded file has another hash today",
    },
)
def facts(
    _: Context,
    check: bool = False,
    refresh: bool = False,
    channel: Sequence[str] | None = None,
    write: bool = False,
    accept_changed_hashes: bool = False,
) -> None:
    """Check the facts that verdicts rest on, or compare their index pages with the index of today."""
    import datetime as dt

    from torchpin.commands import facts as commands_facts
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with _plain_errors():
        today = dt.datetime.now(tz=dt.timezone.utc).date()
        if check == refresh:
            raise InputError("Give --check or --refresh.")
        if check and (channel or write or accept_changed_hashes):
            raise InputError("--channel, --write and --accept-changed-hashes go with --refresh.")
        if check:
            found = commands_facts.check(today)
            terminal.facts(found)
            _end(found.code)
            return
        repo = workspace.opened(workspace.find(Path.cwd()))
        renewed = commands_facts.refresh(
            repo,
            channel or (),
            today=today,
            write=write,
            accept_changed_hashes=accept_changed_hashes,
        )
        for line in commands_facts.told(renewed):
            terminal.say(line)
        _end(renewed.code)


@task(
    help={
        "path": "the folder of the project to read",
        "write": "services/NAME: keep the draft there as a service of this repository",
        **JSON,
    }
)
def adopt(_: Context, path: str, write: str = "", json: bool = False) -> None:
    """Read a project's Dockerfiles and requirement files: draft its description, judge it, and name the traps."""
    from torchpin.commands import adopt as commands_adopt
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with _plain_errors():
        repo = workspace.opened(workspace.find(Path.cwd())) if write else None
        name = commands_adopt.target(repo, write) if repo else ""
        found = commands_adopt.adopt(Path(path), name=name)
        if json:
            terminal.adopted_json(found)
        else:
            terminal.adopted(found)
        if repo:
            _end(terminal.outcomes(commands_adopt.write(repo, found), aside=json))
        if not found.adoption.text:
            raise InputError(f"No description was drafted: {found.adoption.missing}.")
        _end(FINDINGS if found.open else 0)


@task(positional=["before", "after"], help={"before": STATE, "after": STATE, **SERVICE, **JSON})
def diff(_: Context, before: str, after: str, service: str = "", json: bool = False) -> None:
    """Show what changed between two states: packages, their download, Python, channel, base, torch and sources."""
    from dataclasses import asdict

    from torchpin.commands import diff as commands_diff
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with _plain_errors():
        repo = workspace.opened(workspace.find(Path.cwd()))
        found = commands_diff.diff(repo, before, after, service=service, below=Path.cwd())
        if json:
            terminal.print_json([asdict(one) for one in found])
            return
        rows = commands_diff.diff_rows(found)
        if rows:
            terminal.table("", commands_diff.DIFF_HEADERS, rows)
        for one in found:
            terminal.say(commands_diff.total(one))


@task(help={**SERVICE, **JSON})
def audit(_: Context, service: str = "", json: bool = False) -> None:
    """Ask for known vulnerabilities of the locked packages; accepted ones are shown with their date."""
    from torchpin.commands import diff as commands_diff
    from torchpin.commands import parallel
    from torchpin.output import terminal

    with _plain_errors():
        repo, environments = _opened(service)
        found = commands_diff.audit(repo, environments)
        if json:
            terminal.results_json(found.results, notices=found.notices)
        else:
            terminal.results(found.results, notices=found.notices)
        _end(parallel.failures(found.results, require=("lock",)))


@task(help={**SERVICE, **JSON, "offline": "leave PyPI out: only what the recorded facts know"})
def outdated(_: Context, service: str = "", json: bool = False, offline: bool = False) -> None:
    """Show what could move, to what, and what that would open or close: torch, base, sources, packages."""
    from dataclasses import asdict

    from torchpin.commands import diff as commands_diff
    from torchpin.output import terminal

    with _plain_errors():
        repo, environments = _opened(service)
        found = commands_diff.outlooks(repo, environments, offline=offline)
        if json:
            terminal.print_json([asdict(one) for one in found])
        else:
            for line in commands_diff.outdated_lines(found):
                terminal.say(line)


class _Bump(Task):  # type: ignore[type-arg]
    """A task whose first word may be missing where `--resume` or `--undo` stands; invoke knows no such thing."""

    def get_arguments(self, *arguments: Any, **more: Any) -> list[Argument]:
        found: list[Argument] = super().get_arguments(*arguments, **more)
        if not {"--resume", "--undo"} & {*sys.argv}:
            for one in found:
                one.default = None if one.name == "what" else one.default
        return found


@task(
    klass=_Bump,
    positional=["what"],
    iterable=["service"],
    help={
        "what": "such as torch==2.7.1, transformers==4.54.1, python==3.11.9, base=IMAGE or sd-scripts@v0.10.1",
        "service": "only this service; may be given several times",
        "channel": "the channel of torch, such as cu128; the one that serves the GPUs when left out",
        "reason": "why; it is written into the description and the log, and needed where the bump opens a deviation",
        "dry_run": "show the plan, change nothing",
        **JSON,
        "yes": "do not ask on a terminal",
        "no_build": "leave the steps that need a Docker engine pending",
        "resume": "finish the pending steps of the last bump",
        "undo": "put back every file as it was before the last bump",
        "recorded": "read torch's channels from the recorded facts instead of PyTorch's index",
        **LAB,
    },
)
def bump(  # noqa: PLR0913, PLR0917 - each option of the command is one
    _: Context,
    what: str = "",
    service: Sequence[str] | None = None,
    channel: str = "",
    reason: str = "",
    dry_run: bool = False,
    json: bool = False,
    yes: bool = False,
    no_build: bool = False,
    resume: bool = False,
    undo: bool = False,
    recorded: bool = False,
    lab: bool = False,
) -> None:
    """Move a pin by the update policy, with all that belongs to it: all of it or nothing, recorded, and undone at will."""
    from torchpin.bump import plan
    from torchpin.commands import bump as commands_bump
    from torchpin.output import terminal

    with _plain_errors():
        repo, _environments = _opened()
        if resume or undo:
            if what or resume == undo:
                raise InputError("--resume and --undo stand alone.")
            _end(
                terminal.outcomes(
                    commands_bump.resume(repo, say=terminal.say) if resume else commands_bump.undo(repo)
                )
            )
            return
        asked = plan.target(what)
        ground = commands_bump.ground(repo, asked, services=service or (), channel=channel, reason=reason)
        plans = plan.plans(repo.services, asked, ground)
        derived = {one.service: commands_bump.derived(one) for one in plans}
        terminal.bump(plans, asked, derived, json=json)
        commands_bump.expect_movable(plans, asked)
        if dry_run:
            return
        commands_bump.expect_reason(plans, reason)
        options = commands_bump.Options(build=not no_build, recorded=recorded)
        if lab:
            _bump_in_lab(plans, asked, channel, reason, options)
            return
        if not (yes or json) and not terminal.agreed("Do this?"):
            terminal.say("Nothing was changed.")
            return
        say = terminal.aside if json else terminal.say
        outcomes = commands_bump.bump(repo, plans, asked, ground, options, say=say)
        _end(terminal.outcomes(outcomes, aside=json))


def _bump_in_lab(plans: Sequence[Any], asked: Any, channel: str, reason: str, options: Any) -> None:
    """Each service that moves: locked, built and proven as it is, then bumped through all steps, then verified."""
    from torchpin.bump import plan
    from torchpin.commands import build as commands_build
    from torchpin.commands import bump as commands_bump
    from torchpin.commands import parallel
    from torchpin.lock import layers
    from torchpin.output import terminal

    for one in plans:
        if not one.moves:
            continue
        beside = layers.environments([one.described])
        with _lab(one.service, "", beside=beside) as opened:
            repo, environments = opened.repo, opened.environments
            _end(terminal.outcomes(parallel.lock(repo, environments, say=terminal.say)))
            if opened.engine and options.build:
                _end(
                    terminal.outcomes(
                        commands_build.build(repo, environments, commands_build.Options(), say=terminal.say)
                    )
                )
            ground = commands_bump.ground(repo, asked, services=[one.service], channel=channel, reason=reason)
            found = plan.plans(repo.services, asked, ground)
            terminal.bump(found, asked, {each.service: commands_bump.derived(each) for each in found})
            _end(terminal.outcomes(commands_bump.bump(repo, found, asked, ground, options, say=terminal.say)))


namespace = Collection(
    *(lock, clone, render, build, install, run, freeze, verify, document, export, new, services, doctor),
    *(judge, explain, why, support, facts, adopt, diff, audit, outdated, bump),
)


def main() -> None:
    """The `torchpin` command."""
    compiled = () if sys.flags.dont_write_bytecode else ("--write-pyc",)
    program = Program(name="torchpin", version=__version__, namespace=namespace)
    program.run([sys.argv[0], *compiled, *sys.argv[1:]])
