"""The bump: a plan carried through the update policy, step by step, all of it or nothing; finished later, or undone."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.bump import model, plan
from torchpin.bump.pins import is_known
from torchpin.checks import context
from torchpin.commands import build as commands_build
from torchpin.commands import install, judge
from torchpin.commands.lock import resolved, texts_of
from torchpin.commands.parallel import quiet
from torchpin.commands.undo import restore, undo_record, write_with_undo
from torchpin.description import environments as description_environments
from torchpin.description import read
from torchpin.errors import FindingsError, InputError, Stop, ToolError
from torchpin.lock import compare
from torchpin.model import Outcome
from torchpin.paths import (
    DOCUMENTS,
    build_path,
    freeze_path,
    lock_folder,
    rendered_paths,
)
from torchpin.records import bump_log
from torchpin.records.bump_log import BUILD, LOG, RECORD, VALIDATE, Entry, Moved, Step
from torchpin.records.freeze import frozen_moves
from torchpin.tools import uv_install
from torchpin.workspace import generated, workspace
from torchpin.workspace.evidence import judged
from torchpin.workspace.write import alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.bump.model import Ground, Plan
    from torchpin.bump.target import Target
    from torchpin.commands.build import Watch
    from torchpin.commands.parallel import Say
    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """`build`: steps 3 to 5 are tried now; `recorded`: channels are read from the recorded facts."""

    build: bool = True
    recorded: bool = False


# --- the plan --------------------------------------------------------------------------------------------------------


def ground(
    repo: Repository,
    asked: Target,
    *,
    services: Sequence[str] = (),
    channel: str = "",
    reason: str = "",
) -> Ground:
    """What a plan is made from. A tag whose commit no fact tells is asked of its origin; nothing else is."""
    environments = description_environments.environments(repo.services)
    for name in services:
        description_environments.environments(
            repo.services, service=name
        )  # raises for a name that nothing has
    evidence = judged(repo, environments)
    believed = {env.name: context.lock_of(evidence, env) for env in environments}
    return model.Ground(
        texts={one.file: repo.text(one.file) or "" for one in repo.services},
        locks={name: lock for name, lock in believed.items() if lock},
        today=evidence.today,
        named=tuple(services),
        channel=channel,
        reason=" ".join(reason.split()),  # a sentence on one line, as descriptions have it
        commits=_commits(repo, asked) if asked.kind == "source" else {},
        published=repo.published,
    )


def _commits(repo: Repository, asked: Target) -> dict[str, str]:
    from torchpin.tools import git

    for one in (source for service in repo.services for source in service.sources):
        if one.name == asked.name and not is_known(one, asked.to):
            tags = git.remote_tags(one, repo.settings)
            if asked.to not in tags:
                near = ", ".join(git.nearest(asked.to, tags)) or "none, it has no tags"
                raise InputError(
                    f"{one.name} has no tag {asked.to}; the nearest are {near}. Nothing was changed."
                )
            return {one.name: tags[asked.to]}
    return {}


def expect_movable(plans: Sequence[Plan], asked: Target) -> None:
    """Raises InputError where nothing moves, with what holds each service back and what would free it."""
    if not any(one.moves for one in plans):
        said = "\n".join(
            f"    {one.service}: {one.held}{f' ({one.frees})' if one.frees else ''}" for one in plans
        )
        raise InputError(f"{asked} moves nothing; nothing was changed:\n{said}")


def expect_reason(plans: Sequence[Plan], reason: str) -> None:
    """Raises InputError where a bump opens what nobody gives a reason for."""
    opened = [f"    {one.service}: {each}" for one in plans for each in one.opened]
    if opened and not reason:
        said = "\n".join(opened)
        raise InputError(f"Say why with --reason, since this bump opens:\n{said}\nNothing was changed.")


def derived(one: Plan) -> tuple[str, ...]:
    """The files that are made from a service's description and locks, where its pins move; steps 3 to 5 make records."""
    if not one.moves:
        return ()
    environments = description_environments.environments([one.described])
    return (
        *(path for env in environments for path in rendered_paths(env)),
        *DOCUMENTS,
        LOG,
        *(path for env in environments for path in (freeze_path(env), build_path(env))),
    )


# --- steps 1 and 2: locally, then written ----------------------------------------------------------------------------


def bump(
    repo: Repository,
    plans: Sequence[Plan],
    asked: Target,
    ground: Ground,
    options: Options,
    *,
    say: Say = quiet,
    watch: Watch = quiet,
) -> tuple[Outcome, ...]:
    """Carries plans through the policy. Whatever fails, the files are as they were before, or as they are to be after.

    Raises what stopped it; ToolError where another bump runs. Steps that need an engine are pending without one.
    """
    expect_movable(plans, asked)
    expect_reason(plans, ground.reason)
    with alone(repo, "bumping", patience=0):
        outcomes, entry = _written(repo, plans, asked, ground, options, say)
        if not options.build:
            return (*outcomes, _standing(entry))
        try:
            return (*outcomes, *_finished(repo, entry, say, watch, proof=not options.recorded))
        except BaseException as error:
            restore(repo)
            told = f"{error}\nThe bump was taken back: every file is as it was before."
            if isinstance(error, Stop):
                raise type(error)(told) from None
            raise


def _written(
    repo: Repository, plans: Sequence[Plan], asked: Target, ground: Ground, options: Options, say: Say
) -> tuple[tuple[Outcome, ...], Entry]:
    log = bump_log.entries(repo.text(LOG))
    moving = [one for one in plans if one.moves]
    chosen = _environments(repo, {one.service for one in moving})
    before = _texts(repo, chosen, [one.file for one in moving])
    _expect_committed(repo, log, before)
    started = _now()
    outcomes, made = _locked(repo, moving, options, say)
    for name, lock in made.items():
        say(f"{name}: {_download(ground.locks.get(name), lock)}")
    moving = [plan.settled(one, asked, ground, made) for one in moving]
    expect_reason(moving, ground.reason)
    who = _who(repo)
    entry = Entry(
        bump=str(asked),
        why=ground.reason or "asked for",
        services={one.service: _moved(one, ground.locks, made) for one in moving},
        held={one.service: one.held for one in plans if one.held},
    )
    entry = bump_log.stepped(entry, 0, Step(state="done", when=started, who=who, told="locked and judged"))
    entry = bump_log.stepped(entry, 1, Step(state="done", when=_now(), who=who))
    later = "asked to leave out (--no-build)" if not options.build else ""
    for number in (BUILD, VALIDATE, RECORD):
        entry = bump_log.stepped(entry, number, Step(told=later if number == BUILD else ""))
    after = _with(repo, {one.file: one.after for one in moving}, (*log, entry))
    environments = _environments(after, {one.service for one in moving})
    files = {
        **after.staged,
        **texts_of(after, environments, made),
        **generated.documents(after, made),
    }
    write_with_undo(repo, files, before, {**before, **{one.file: ground.texts[one.file] for one in moving}})
    say(f"{asked}: description, locks, renderings, documents and log are written")
    return outcomes, entry


def _locked(
    repo: Repository, moving: Sequence[Plan], options: Options, say: Say
) -> tuple[tuple[Outcome, ...], dict[str, Lock]]:
    """Step 1: the locks of what the descriptions will say, resolved and judged, with nothing written."""
    after = _with(repo, {one.file: one.after for one in moving})
    environments = _environments(after, {one.service for one in moving})
    outcomes, made = resolved(after, environments, recorded=options.recorded, say=say)
    failed = [one for one in outcomes if one.code]
    if failed:
        said = "\n".join(f"{one.name}: {one.detail}" for one in failed)
        stop: type[Stop] = FindingsError if failed[0].code == FindingsError.exit_code else ToolError
        raise stop(f"{said}\nNothing was changed.")
    return outcomes, made


def _download(before: Lock | None, made: Lock) -> str:
    """What a build will fetch that it did not before."""
    there = {one.sha256 for one in before.packages.values()} if before else set()
    new = [one for one in made.packages.values() if one.sha256 not in there]
    size, unsized = sum(one.size or 0 for one in new), sum(one.size is None for one in new)
    told = f" and {unsized} of unknown size" if unsized else ""
    return f"{len(new)} new file{'' if len(new) == 1 else 's'} to download, {size / 1e6:,.0f} MB{told}"


def _with(repo: Repository, texts: Mapping[str, str], log: Sequence[Entry] = ()) -> Repository:
    """The repository as if these descriptions and this log were written."""
    all_ = {one.file: repo.text(one.file) or "" for one in repo.services} | dict(texts)
    staged = {**texts, **({LOG: bump_log.text(log)} if log else {})}
    return replace(repo, services=read.services(all_), staged=staged)


def _environments(repo: Repository, services: Iterable[str]) -> tuple[Environment, ...]:
    return tuple(
        env for env in description_environments.environments(repo.services) if env.service.name in services
    )


def _moved(one: Plan, before: Mapping[str, Lock], made: Mapping[str, Lock]) -> Moved:
    """What the log tells of a service; of its packages, what the resolver moved, with who wants it."""
    packages = []
    for env in description_environments.environments([one.described]):
        was = before[env.name].packages if env.name in before else {}
        now = made[env.name].packages
        for told in compare.moved(was, now):
            name = told.partition(" ")[0]
            by = [each for each in now[name].wanted_by if each != one.service] if name in now else []
            wanted = f" (wanted by {', '.join(by)})" if by else ""
            packages.append(f"{env.name}: {told}{wanted}")
    pins = tuple(
        f"{each.what} {_bare(each.before)} -> {_bare(each.after)}"
        for each in one.moves
        if not each.what.endswith("digest")
    )
    return Moved(pins=pins, packages=tuple(packages), closed=one.closed, opened=one.opened)


def _bare(pin: str) -> str:
    """A package's pin without its name, which is said already."""
    return pin.rpartition("==")[2]


def _expect_committed(repo: Repository, log: Sequence[Entry], paths: Iterable[str]) -> None:
    """Edits that nobody committed would be mixed with the bump's, and lost with its undoing."""
    from torchpin.tools import git

    changed = git.uncommitted(repo.root, sorted(paths))
    if changed:
        pending = LOG in changed and log and log[-1].pending
        more = " A bump is pending: finish it with `invoke bump --resume`." if pending else ""
        raise InputError(
            f"Commit or take back these edits first, since the bump writes these files: {', '.join(changed)}.{more} "
            "Nothing was changed."
        )


# --- steps 3 to 5 ----------------------------------------------------------------------------------------------------


def resume(repo: Repository, *, say: Say = quiet, watch: Watch = quiet) -> tuple[Outcome, ...]:
    """Finishes the last pending bump's steps; what fails stays pending.

    Raises InputError where none is pending, ToolError where no image can be made.
    """
    pending = [one for one in bump_log.entries(repo.text(LOG)) if one.pending]
    if not pending:
        raise InputError("No bump is pending.")
    why = _unbuildable(_environments(repo, pending[-1].services))
    if why:
        raise ToolError(f"{pending[-1].bump} cannot be finished here: {why}. Its steps stay pending.")
    with alone(repo, "bumping", patience=0):
        return _finished(repo, pending[-1], say, watch)


def _finished(
    repo: Repository, entry: Entry, say: Say, watch: Watch, *, proof: bool = False
) -> tuple[Outcome, ...]:
    """Steps 3 to 5; where no image can be made, they stay pending. `proof`: then the native one is made instead."""
    after = workspace.opened(repo.root, prefix=repo.prefix)
    after = replace(after, settings=repo.settings, published=repo.published)
    environments = _environments(after, entry.services)
    frozen = {env.name: after.text(freeze_path(env)) for env in environments}
    why = _unbuildable(environments)
    if why:
        if proof:
            entry = _proven(after, entry, environments, say)
        entry = bump_log.stepped(entry, BUILD, Step(told=why))
        _logged(after, entry)
        return (_standing(entry),)
    built = commands_build.build(after, environments, commands_build.Options(), say=say, watch=watch)
    failed = [one for one in built if one.code]
    if failed:
        raise ToolError("\n".join(f"{one.name}: {one.detail}" for one in failed))
    who = _who(repo)
    entry = bump_log.stepped(entry, BUILD, _done(who, "; ".join(f"{one.name} {one.detail}" for one in built)))
    results = judge.verify(after, environments, require=("image",))
    if judge.failures(results, require=("image",)):
        found = [f"{each.where}: {each.message}" for row in results for each in row.findings]
        skipped = [
            f"{row.check} {row.environment}: {row.note}"
            for row in results
            if row.status == "skipped" and row.image
        ]
        raise FindingsError("\n".join(["The validation suite found:", *found, *skipped]))
    right = sum(row.status == "ok" for row in results)
    entry = bump_log.stepped(entry, VALIDATE, _done(who, f"{right} of {len(results)} results ok, none open"))
    entry = bump_log.stepped(entry, RECORD, _done(who, ", ".join(map(freeze_path, environments))))
    now = {env.name: after.text(freeze_path(env)) or "" for env in environments}
    freeze = {name: frozen_moves(frozen[name] or "", text) for name, text in now.items()}
    entry = replace(entry, freeze=freeze)
    _logged(after, entry)
    return (*built, _standing(entry))


def _proven(repo: Repository, entry: Entry, environments: Sequence[Environment], say: Say) -> Entry:
    """Step 1 with the native proof, where this machine can make one. Raises ToolError where it fails."""
    own = [
        env
        for env in environments
        if env.variant.platform == uv_install.platform_here() and env.service.torch.origin == "index"
    ]
    for env in own:
        say(f"{env.name}: {install.install(repo, env, say=say).detail}")
    names = ", ".join(env.name for env in own)
    told = f"locked, judged, and proven natively: {names}" if own else "locked and judged"
    return bump_log.stepped(entry, 0, replace(entry.steps[0], told=told))


def _unbuildable(environments: Sequence[Environment]) -> str:
    """Why the images cannot be made on this machine, "" where they can."""
    from torchpin.tools import buildx, docker

    try:
        with docker.engine():
            buildx.expect_buildx()
    except Stop:
        return "no Docker engine with buildx answered"
    try:
        for env in environments:
            buildx.expect_platform(env.variant.platform)
    except Stop:
        return f"the engine builds nothing for {env.variant.platform}"
    return ""


def _logged(repo: Repository, entry: Entry) -> None:
    """A bump's entry in the log, and the documents, written together with what undoing needs to know."""
    own = (entry.bump, entry.steps[0].when)
    log = [entry if (one.bump, one.steps[0].when) == own else one for one in bump_log.entries(repo.text(LOG))]
    after = _with(repo, {}, log)
    files = {**after.staged, **generated.documents(after, {})}
    held = undo_record(repo)
    before = held["before"] if held else {}
    write_with_undo(repo, files, before, {path: repo.text(path) for path in {*before, *files}})


def _done(who: str, told: str) -> Step:
    return Step(state="done", when=_now(), who=who, told=told)


def _standing(entry: Entry) -> Outcome:
    if not entry.pending:
        return Outcome(
            name=entry.bump, status="changed", detail="all five steps of the update policy are done"
        )
    steps = ", ".join(f"{number} ({bump_log.STEPS[number - 1]})" for number in entry.pending)
    why = next((step.told for step in entry.steps if step.state == "pending" and step.told), "")
    told = f"pending: steps {steps}{f', since {why}' if why else ''}. `invoke bump --resume` finishes them."
    return Outcome(name=entry.bump, status="changed", detail=told)


# --- undo ------------------------------------------------------------------------------------------------------------


def _texts(
    repo: Repository, environments: Sequence[Environment], files: Sequence[str]
) -> dict[str, str | None]:
    """Everything that a bump may write, as it is."""
    paths = [*files, *DOCUMENTS, LOG]
    for env in environments:
        folder = lock_folder(env)
        paths += [f"{folder}/{name}" for name in workspace.lock_files(repo, env)]
        paths += rendered_paths(env)
        paths += [freeze_path(env), build_path(env)]
    return {path: repo.text(path) for path in paths}


def _now() -> str:
    return dt.datetime.now(tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _who(repo: Repository) -> str:
    from torchpin.tools import git

    return git.author(repo.root)
