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
    from torchpin.repository import Repository

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

    from torchpin import report

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ended)  # a cancelled job clears up as an interrupted one does
    try:
        yield
    except Stop as stop:
        report.error(stop)
        raise Exit(code=stop.exit_code) from None
    except KeyboardInterrupt:
        report.error("interrupted; nothing half-made was kept")
        raise Exit(code=INTERRUPTED) from None
    except OSError as error:
        report.error(f"{error.filename or 'this machine'}: {error.strerror or error}")
        raise Exit(code=TOOL) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _opened(service: str = "", variant: str = "") -> tuple[Repository, tuple[Environment, ...]]:
    from torchpin import actions, plan, report, repository

    root = repository.find(Path.cwd())
    said = actions.recover(root)
    if said:
        report.aside(said)
    repo = repository.opened(root)
    return repo, plan.environments(repo.services, service=service, variant=variant)


def _end(code: int) -> None:
    if code:
        raise Exit(code=code)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _checked(results: Sequence[Any]) -> None:
    from torchpin import actions, report

    report.results(results)
    _end(actions.failures(results, require=("lock",)))


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
    from torchpin import lab, report

    say = report.aside if aside else report.say
    repo, environments = _opened(service, variant)
    with lab.opened(repo, environments, beside=beside, docker=docker, say=say) as opened:
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
    from torchpin import actions, report

    with _plain_errors():
        if lab:
            if check or upgrade_package or recorded:
                raise InputError(
                    "--lab goes with --service and --variant alone: it locks its own scratch copy."
                )
            with _lab(service, variant, docker=False) as opened:
                _end(report.outcomes(actions.lock(opened.repo, opened.environments, say=report.say)))
            return
        repo, environments = _opened(service, variant)
        if check:
            _checked(actions.check(repo, environments, "LCK"))
        else:
            made = actions.lock(
                repo, environments, upgrade=upgrade_package or (), recorded=recorded, say=report.say
            )
            _end(report.outcomes(made))


@task(help={**SERVICE, **LAB})
def clone(_: Context, service: str = "", lab: bool = False) -> None:
    """Clone every source at its tag into third_party/; the tag must give the recorded commit."""
    from torchpin import actions, report

    with _plain_errors():
        if lab:
            with _lab(service, "", docker=False) as opened:
                _end(report.outcomes(actions.clone(opened.repo, opened.environments)))
            return
        repo, environments = _opened(service)
        _end(report.outcomes(actions.clone(repo, environments)))


@task(help={**SERVICE, **VARIANT, **CHECK})
def render(_: Context, service: str = "", variant: str = "", check: bool = False) -> None:
    """Write each environment's Dockerfile and the list of what its build context holds."""
    from torchpin import actions, report

    with _plain_errors():
        repo, environments = _opened(service, variant)
        if check:
            _checked(actions.check(repo, environments, "DKR", "LCK002"))
        else:
            _end(report.outcomes(actions.rendering(repo, environments)))


@task(help=CHECK)
def document(_: Context, check: bool = False) -> None:
    """Write the generated sections of docs/PINNING.md, docs/GPUS.md, docs/CHECKS.md and DEVIATIONS.md."""
    from torchpin import actions, report

    with _plain_errors():
        repo, environments = _opened()
        if check:
            _checked(actions.check(repo, environments, "DOC", "LCK002"))
        else:
            _end(report.outcomes(actions.document(repo)))


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
    from torchpin import builds, report

    with _plain_errors():
        if progress not in {"auto", "plain", "json"}:
            raise InputError(f"--progress is auto, plain or json, not {progress!r}.")
        options = builds.Options(
            platform=platform, builder=builder, push=push, no_cache=no_cache, dry_run=dry_run
        )
        if lab:
            if push:
                raise InputError("--push and --lab do not go together: the lab's images stay in the lab.")
            _end(_build_in_lab(service, variant, options, progress))
            return
        repo, environments = _opened(service, variant)
        try:
            say = report.aside if progress == "json" else report.say
            with report.build(progress) as watch:
                made = builds.build(repo, environments, options, say=say, watch=watch)
        except ToolError as error:
            raise ToolError(f"{error}\n{_native_way(environments)}") from None
        code = report.outcomes_json(made) if progress == "json" else report.outcomes(made)
        if len(made) > 1 and progress != "json":
            report.summary(made)
        _end(code)


def _native_way(environments: Sequence[Environment]) -> str:
    name = environments[0].service.name
    return (
        "Start a Docker engine with buildx (`invoke doctor` tells more), or take the native way, without Docker:\n"
        f"    invoke install --service {name}"
    )


def _build_in_lab(service: str, variant: str, options: Any, progress: str) -> int:
    """The whole way: lock, clone, render, build (or the native install), records, documents, verify."""
    from torchpin import actions, builds, lab, native, report

    programs = progress == "json"
    say = report.aside if programs else report.say
    tell = report.outcomes_json if programs else report.outcomes
    with _lab(service, variant, aside=programs) as opened:
        repo, environments = opened.repo, opened.environments
        code = tell(actions.lock(repo, environments, say=say))
        code = code or tell(actions.clone(repo, environments))
        if code:
            return code
        if opened.engine:
            with report.build(progress) as watch:
                made = builds.build(repo, environments, options, say=say, watch=watch)
        else:
            made = tuple(native.install(repo, env, say=say) for env in environments)
        code = tell(made)
        if len(made) > 1 and not programs:
            report.summary(made)
        if code:
            for log in lab.keep_logs(opened):
                say(f"lab: the build's log was kept: {log}")
        if code or options.dry_run:
            return code
        tell(actions.document(repo))
        results = actions.verify(repo, environments)
        report.results(results, quiet=True, aside=programs)
        done = (
            "built and proven as an image"
            if opened.engine
            else f"installed and proven without an image ({opened.why})"
        )
        if not actions.failures(results):
            say(f"lab: locked, cloned, rendered, {done}, documented and verified")
        return actions.failures(results)


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
    from torchpin import actions, native, report

    with _plain_errors():
        if lab:
            if into:
                raise InputError(
                    "--into and --lab do not go together: the lab's environment stays in the lab."
                )
            with _lab(service, variant, docker=False) as opened:
                code = report.outcomes(actions.lock(opened.repo, opened.environments, say=report.say))
                _end(code)
                _end(
                    report.outcomes(
                        [native.install(opened.repo, env, say=report.say) for env in opened.environments]
                    )
                )
            return
        repo, environments = _opened(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        place = Path(into).absolute() if into else None
        _end(report.outcomes([native.install(repo, environments[0], into=place, say=report.say)]))


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
    from torchpin import actions, report

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
                    *actions.lock(opened.repo, opened.environments),
                    *actions.clone(opened.repo, opened.environments),
                )
                _end(report.outcomes(made, aside=json))
                _verified(opened.repo, opened.environments, needed, json=json)
            return
        repo, environments = _opened(service)
        _verified(repo, environments, needed, json=json)


def _notices(environments: Sequence[Environment]) -> list[str]:
    """The waivers that end soon, each said once."""
    from torchpin.checks.deviations import ending
    from torchpin.gathering import bare

    return list(dict.fromkeys(one for env in environments for one in ending(bare(environments), env)))


def _verified(
    repo: Repository, environments: Sequence[Environment], needed: Sequence[str], *, json: bool
) -> None:
    from torchpin import actions, report

    results = actions.verify(repo, environments, require=needed)
    notices = _notices(environments)
    if json:
        report.results_json(results, notices=notices)
    else:
        report.results(results, notices=notices)
    _end(actions.failures(results, require=needed))


@task(
    help={
        **ONE_SERVICE,
        **VARIANT,
        "format": "requirements (offline, hashed, without addresses) or pylock (PEP 751, with today's addresses)",
    },
)
def export(_: Context, service: str, variant: str = "", format: str = "requirements") -> None:  # noqa: A002 - the option's name
    """Print a lock in a standard form."""
    from torchpin import actions, report

    with _plain_errors():
        if format not in {"requirements", "pylock"}:
            raise InputError(f"--format is requirements or pylock, not {format!r}.")
        repo, environments = _opened(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        report.raw(actions.export(repo, environments[0], format))


@task(help={**SERVICE, **VARIANT})
def freeze(_: Context, service: str = "", variant: str = "") -> None:
    """Read each image again and compare it with its lock and its record."""
    from torchpin import builds, report

    with _plain_errors():
        repo, environments = _opened(service, variant)
        _end(report.outcomes(builds.freeze(repo, environments)))


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

    from torchpin import builds, report

    with _plain_errors():
        repo, environments = _opened(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        words, code = builds.run(repo, environments[0], command=shlex.split(command), dry_run=dry_run)
        if dry_run:
            report.say(shlex.join(words))
        _end(code)


@task(help={"service": "the new service's name: lower-case letters, digits and inner dashes"})
def new(_: Context, service: str) -> None:
    """Write the description of a new service, small and ready to be locked."""
    from torchpin import report, repository, scaffold

    with _plain_errors():
        repo = repository.opened(repository.find(Path.cwd()))
        _end(report.outcomes(scaffold.scaffold(repo, service)))


@task
def services(_: Context) -> None:
    """Show every service: its variants and pins, and the state of lock, image and record."""
    from torchpin import overview, report

    with _plain_errors():
        repo, environments = _opened()
        report.table("", overview.HEADERS, overview.services(repo, environments))


@task
def doctor(_: Context) -> None:
    """Look at this machine: Python, uv, git, Docker, disk, GPU, and whether each index and source answers."""
    from torchpin import overview, report

    with _plain_errors():
        repo, environments = _opened()
        rows = overview.doctor(repo, environments)
        report.table(
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
    from torchpin import actions, report

    with _plain_errors():
        if json + sarif + github > 1:
            raise InputError("--json, --sarif and --github are three ways to say the same: give one.")
        repo, environments = _opened(service)
        if fix:
            from torchpin import repairs

            report.repaired(repairs.repair(repo, environments), aside=json or sarif or github)
            repo, environments = _opened(service)
        results = actions.judge(repo, environments, gpus=gpu or (), driver=driver)
        form = "json" if json else "sarif" if sarif else "github" if github else "text"
        report.judged(results, environments, form=form, notices=_notices(environments))
        if html:
            _end(report.outcomes([_paged(environments, results, html)], aside=form != "text"))
        _end(actions.failures(results))


def _paged(
    environments: Sequence[Environment], results: Sequence[Any], file: str, cards: Sequence[str] = ()
) -> Any:
    """The page of verdicts and matrix, written."""
    import datetime as dt

    from torchpin import actions, htmlreport, matrix

    chosen = cards or matrix.gpus(environments)
    drawn = matrix.matrix(environments, chosen, results)
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    return actions.page(Path(file), htmlreport.page(results, environments, drawn, today))


@task(help={"id": "the check's or trap's id, such as GPU001"})
def explain(_: Context, id: str) -> None:  # noqa: A002 - the argument's word
    """Tell what a check or a trap means, with an example, its sources and what to do."""
    from torchpin import report
    from torchpin.explanations import explanation

    with _plain_errors():
        report.raw(explanation(id))


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

    from torchpin import actions, report, whys

    with _plain_errors():
        repo, environments = _opened(service, variant)
        found = [actions.why(repo, env, component) for env in environments]
        if json:
            report.print_json([asdict(one) for one in found])
            return
        for one in found:
            for line in whys.lines(one):
                report.say(line)


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

    from torchpin import actions, matrix, report

    with _plain_errors():
        repo, environments = _opened(service)
        results = actions.judge(repo, environments)
        cards = matrix.gpus(environments, gpu or (), every=every)
        drawn = matrix.matrix(environments, cards, results)
        if json:
            report.print_json(asdict(drawn))
        else:
            report.matrix(drawn)
        if html:
            _end(report.outcomes([_paged(environments, results, html, cards)], aside=json))


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

    from torchpin import facting, report, repository

    with _plain_errors():
        today = dt.datetime.now(tz=dt.timezone.utc).date()
        if check == refresh:
            raise InputError("Give --check or --refresh.")
        if check and (channel or write or accept_changed_hashes):
            raise InputError("--channel, --write and --accept-changed-hashes go with --refresh.")
        if check:
            found = facting.check(today)
            report.facts(found)
            _end(found.code)
            return
        repo = repository.opened(repository.find(Path.cwd()))
        renewed = facting.refresh(
            repo,
            channel or (),
            today=today,
            write=write,
            accept_changed_hashes=accept_changed_hashes,
        )
        for line in facting.told(renewed):
            report.say(line)
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
    from torchpin import adopting, report, repository

    with _plain_errors():
        repo = repository.opened(repository.find(Path.cwd())) if write else None
        name = adopting.target(repo, write) if repo else ""
        found = adopting.adopt(Path(path), name=name)
        if json:
            report.adopted_json(found)
        else:
            report.adopted(found)
        if repo:
            _end(report.outcomes(adopting.write(repo, found), aside=json))
        if not found.adoption.text:
            raise InputError(f"No description was drafted: {found.adoption.missing}.")
        _end(FINDINGS if found.open else 0)


@task(positional=["before", "after"], help={"before": STATE, "after": STATE, **SERVICE, **JSON})
def diff(_: Context, before: str, after: str, service: str = "", json: bool = False) -> None:
    """Show what changed between two states: packages, their download, Python, channel, base, torch and sources."""
    from dataclasses import asdict

    from torchpin import history, report, repository

    with _plain_errors():
        repo = repository.opened(repository.find(Path.cwd()))
        found = history.diff(repo, before, after, service=service, below=Path.cwd())
        if json:
            report.print_json([asdict(one) for one in found])
            return
        rows = history.diff_rows(found)
        if rows:
            report.table("", history.DIFF_HEADERS, rows)
        for one in found:
            report.say(history.total(one))


@task(help={**SERVICE, **JSON})
def audit(_: Context, service: str = "", json: bool = False) -> None:
    """Ask for known vulnerabilities of the locked packages; accepted ones are shown with their date."""
    from torchpin import actions, history, report

    with _plain_errors():
        repo, environments = _opened(service)
        found = history.audit(repo, environments)
        if json:
            report.results_json(found.results, notices=found.notices)
        else:
            report.results(found.results, notices=found.notices)
        _end(actions.failures(found.results, require=("lock",)))


@task(help={**SERVICE, **JSON, "offline": "leave PyPI out: only what the recorded facts know"})
def outdated(_: Context, service: str = "", json: bool = False, offline: bool = False) -> None:
    """Show what could move, to what, and what that would open or close: torch, base, sources, packages."""
    from dataclasses import asdict

    from torchpin import history, report

    with _plain_errors():
        repo, environments = _opened(service)
        found = history.outlooks(repo, environments, offline=offline)
        if json:
            report.print_json([asdict(one) for one in found])
        else:
            for line in history.outdated_lines(found):
                report.say(line)


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
    from torchpin import bumping, bumps, report

    with _plain_errors():
        repo, _environments = _opened()
        if resume or undo:
            if what or resume == undo:
                raise InputError("--resume and --undo stand alone.")
            _end(report.outcomes(bumping.resume(repo, say=report.say) if resume else bumping.undo(repo)))
            return
        asked = bumps.target(what)
        ground = bumping.ground(repo, asked, services=service or (), channel=channel, reason=reason)
        plans = bumps.plans(repo.services, asked, ground)
        derived = {one.service: bumping.derived(one) for one in plans}
        report.bump(plans, asked, derived, json=json)
        bumping.expect_movable(plans, asked)
        if dry_run:
            return
        bumping.expect_reason(plans, reason)
        options = bumping.Options(build=not no_build, recorded=recorded)
        if lab:
            _bump_in_lab(plans, asked, channel, reason, options)
            return
        if not (yes or json) and not report.agreed("Do this?"):
            report.say("Nothing was changed.")
            return
        say = report.aside if json else report.say
        outcomes = bumping.bump(repo, plans, asked, ground, options, say=say)
        _end(report.outcomes(outcomes, aside=json))


def _bump_in_lab(plans: Sequence[Any], asked: Any, channel: str, reason: str, options: Any) -> None:
    """Each service that moves: locked, built and proven as it is, then bumped through all steps, then verified."""
    from torchpin import actions, builds, bumping, bumps, plan, report

    for one in plans:
        if not one.moves:
            continue
        beside = plan.environments([one.described])
        with _lab(one.service, "", beside=beside) as opened:
            repo, environments = opened.repo, opened.environments
            _end(report.outcomes(actions.lock(repo, environments, say=report.say)))
            if opened.engine and options.build:
                _end(report.outcomes(builds.build(repo, environments, builds.Options(), say=report.say)))
            ground = bumping.ground(repo, asked, services=[one.service], channel=channel, reason=reason)
            found = bumps.plans(repo.services, asked, ground)
            report.bump(found, asked, {each.service: bumping.derived(each) for each in found})
            _end(report.outcomes(bumping.bump(repo, found, asked, ground, options, say=report.say)))


namespace = Collection(
    *(lock, clone, render, build, install, run, freeze, verify, document, export, new, services, doctor),
    *(judge, explain, why, support, facts, adopt, diff, audit, outdated, bump),
)


def main() -> None:
    """The `torchpin` command."""
    compiled = () if sys.flags.dont_write_bytecode else ("--write-pyc",)
    program = Program(name="torchpin", version=__version__, namespace=namespace)
    program.run([sys.argv[0], *compiled, *sys.argv[1:]])
