"""What a bump would do: for each service what moves, or why it is held back; from descriptions, locks and facts alone."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.bump import accepted as bump_accepted
from torchpin.bump import predict
from torchpin.bump.accepted import State, Words
from torchpin.bump.model import _NEAR, Edit, Ground, HeldError, Move, Plan, read_description
from torchpin.bump.pins import pin_path, requested_edits
from torchpin.checks import run
from torchpin.checks.context import Evidence
from torchpin.compat import builds as compat_builds
from torchpin.compat.gpus import verdict
from torchpin.description import edit as description_edit
from torchpin.description import environments
from torchpin.errors import FindingsError, InputError
from torchpin.lock import compare, layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.target import Target
    from torchpin.model import Finding, Lock, Service


_REPAIRS = 40  # more than any service has pins that could move with another


# --- what is asked ---------------------------------------------------------------------------------------------------


# --- what is answered ------------------------------------------------------------------------------------------------


# --- the plan --------------------------------------------------------------------------------------------------------


def plans(services: Sequence[Service], asked: Target, ground: Ground) -> tuple[Plan, ...]:
    """A plan for each service that has what is asked for.

    Raises InputError where nobody has it, or it exists nowhere, with the nearest possibilities.
    """
    _expect_existing(asked)
    if ground.channel and asked.kind != "torch":
        raise InputError(f"--channel goes with torch alone; {asked} has none.")
    if ground.channel and ground.channel not in {row.name for row in facts.channels()}:
        names = ", ".join(row.name for row in facts.channels())
        raise InputError(f"There is no channel {ground.channel!r} (there are: {names}).")
    concerned = [one for one in services if one.name in ground.named or not ground.named]
    having = [one for one in concerned if _has(one, asked)]
    if not having:
        raise InputError(f"{_nobody(concerned, asked)} Nothing was changed.")
    return tuple(_plan(one, asked, ground) for one in having)


def _expect_existing(asked: Target) -> None:
    if asked.kind == "base" and facts.base(asked.to) is None:
        near = get_close_matches(asked.to, [one.image for one in facts.bases()], n=_NEAR)
        if near and asked.to.partition(":")[0] in {one.image.partition(":")[0] for one in facts.bases()}:
            raise InputError(
                f"{asked.to} is not known to exist; the nearest are {', '.join(near)}. Nothing was changed."
            )
    if asked.kind != "torch" or facts.release(asked.to) or compat_builds.channels_of(asked.to, "linux/amd64"):
        return
    known = sorted(
        (Version(one.version) for one in facts.releases()), key=lambda one: (_apart(one, asked.to), one)
    )
    near = [str(one) for one in sorted(known[:_NEAR])]
    raise InputError(
        f"torch {asked.to} exists nowhere; the nearest are {', '.join(near)}. Nothing was changed."
    )


def _apart(one: Version, other: str) -> tuple[int, ...]:
    pairs = zip((*one.release, 0, 0, 0), (*Version(other).release, 0, 0, 0), strict=False)
    return tuple(abs(left - right) for left, right in list(pairs)[:3])


def _has(service: Service, asked: Target) -> bool:
    if asked.kind == "source":
        return any(one.name == asked.name for one in service.sources)
    return asked.kind != "package" or pin_path(service, asked.name) is not None


def _nobody(services: Sequence[Service], asked: Target) -> str:
    if any(asked.name in one.torch.companions for one in services):
        return f"{asked.name} moves with torch: bump torch."
    names = (
        {s.name for one in services for s in one.sources}
        if asked.kind == "source"
        else {canonicalize_name(p.name) for one in services for layer in one.layers for p in layer.packages}
    )
    near = get_close_matches(asked.name, sorted(names), n=_NEAR)
    hint = f"did you mean {', '.join(near)}?" if near else "write it into a description first"
    return f"No service pins {asked.name} ({hint})."


def _plan(service: Service, asked: Target, ground: Ground) -> Plan:
    text = ground.texts[service.file]
    bare = Plan(service=service.name, file=service.file, before=text, after=text)
    try:
        return _moved(bare, service, asked, ground)
    except HeldError as held:
        return replace(bare, held=held.why, frees=held.frees)
    except InputError as error:
        told = "; ".join(map(str, error.problems)) or str(error)
        return replace(bare, held=told)


def _moved(bare: Plan, service: Service, asked: Target, ground: Ground) -> Plan:
    first = requested_edits(service, asked, ground)
    before = _state(service, ground, present=True)
    text, moves = _applied(bare.before, bare.file, first)
    after = _state(read_description(text, bare.file), ground)
    because: dict[str, tuple[str, str]] = {}
    for _ in range(_REPAIRS):
        step = _next(before, after, {move.path for move in moves})
        if step is None:
            break
        text, more = _applied(text, bare.file, [(change, step.message) for change in step.repair])
        moves += more
        because |= {_component(move): (step.message, step.evidence) for move in more}
        after = _state(read_description(text, bare.file), ground)
    left = [one for _, one in bump_accepted.new(before.found, after.found) if one.level == "error"]
    if left:
        why, frees = dict.fromkeys(one.message for one in left), dict.fromkeys(one.remedy for one in left)
        raise HeldError("; ".join(why), "; ".join(frees))
    made = replace(bare, moves=tuple(moves), moved=text, why=because)
    return _accepted(made, before, after, asked, ground)


def settled(one: Plan, asked: Target, ground: Ground, made: Mapping[str, Lock]) -> Plan:
    """A plan whose locks are made: what it closes and opens is told by them, and no longer foreseen.

    Raises FindingsError for what only they could tell and cannot work.
    """
    before = _state(read_description(one.before, one.file), ground, present=True)
    after = _state(read_description(one.moved, one.file), replace(ground, locks=made), present=True)
    left = [each for _, each in bump_accepted.new(before.found, after.found) if each.level == "error"]
    if left:
        said = "\n".join(f"{each.where}: {each.message}\n    {each.remedy}" for each in left)
        raise FindingsError(f"{said}\nThese pins cannot work together; nothing was changed.")
    return _accepted(one, before, after, asked, ground)


def _accepted(one: Plan, before: State, after: State, asked: Target, ground: Ground) -> Plan:
    """A plan with the waivers and reasons that it closes and opens; these are written where there is a reason."""
    words = _words(after, asked, ground, one.why)
    accepted = bump_accepted.acceptance(before, after, words, ground.today)
    changes = accepted.changes if ground.reason else [one for one in accepted.changes if one.value is None]
    gained, lost = _cards(before, after)
    stale, size = _stale(before, after)
    return replace(
        one,
        follows=_follows(before, after, {move.what for move in one.moves}),
        closed=accepted.closed,
        opened=accepted.opened,
        gained=gained,
        lost=lost,
        notes=accepted.notes,
        stale=stale,
        present_bytes=size,
        after=description_edit.edited(one.moved, changes, file=one.file) if changes else one.moved,
    )


def _applied(text: str, file: str, wanted: Sequence[Edit]) -> tuple[str, list[Move]]:
    """A description with edits made, and what they are to people."""
    marks = read_description(text, file).marks

    def value(path: str) -> str:
        mark = marks.get(path)
        return text[mark.start : mark.end].strip().strip("\"'") if mark else ""

    moves = []
    for change, why in wanted:
        before, after = value(change.path), str(change.value or "")
        what = _what(change.path, before or after)
        moves.append(Move(path=change.path, what=what, before=before, after=after, why=why))
    return description_edit.edited(text, [change for change, _ in wanted], file=file), moves


def _what(path: str, pin: str) -> str:
    """A changed value as people call it: a package by its name, everything else by its key path."""
    if ".packages[" in path:
        return canonicalize_name(re.split(r"[=\[<>~! ]", pin)[0])
    return path.removesuffix(".version").removeprefix("torch.companions.")


def _component(move: Move) -> str:
    """A moved value as recommendations call it."""
    return {"base.image": "base"}.get(move.what, move.what)


def _state(service: Service, ground: Ground, *, present: bool = False) -> State:
    """A service with the judge's findings, waived or not. `present`: as it is; else its locks are foreseen."""
    envs = environments.environments([replace(service, waivers=())])
    locks: dict[str, Lock] = {}
    for env in envs:
        held = ground.locks.get(env.name)
        lock = held if present or held is None else predict.foreseen(env, held)
        if lock and not layers.stale(env, lock):
            locks[env.name] = lock
    evidence = Evidence(environments=envs, today=ground.today, uv="", locks=locks, published=ground.published)
    results = run.run(evidence, judge=True)
    found = [(row.check, one) for row in results for one in row.findings]
    return State(service=service, locks={env.name: (env, locks.get(env.name)) for env in envs}, found=found)


def _next(before: State, after: State, touched: set[str]) -> Finding | None:
    """The next new finding that has a repair which undoes nothing of what was moved."""
    for id_, one in bump_accepted.new(before.found, after.found):
        free = not {change.path for change in one.repair} & touched
        if (
            id_ not in bump_accepted.OF_DEVIATIONS
            and one.repair
            and free
            and (one.level == "error" or one.safe)
        ):
            return one
    return None


# --- what is edited first --------------------------------------------------------------------------------------------


# --- torch -----------------------------------------------------------------------------------------------------------


# --- base, source ----------------------------------------------------------------------------------------------------


# --- what follows ----------------------------------------------------------------------------------------------------


def _words(after: State, asked: Target, ground: Ground, why: Mapping[str, tuple[str, str]]) -> Words:
    """What is written below `reasons:` for what follows of itself, with its evidence; the rest is for people to say."""
    bumped = f"invoke bump {asked} of {ground.today.isoformat()}"
    if asked.kind != "torch":
        return Words(reason=ground.reason, evidence=bumped, own=why, follows="")
    env, _ = next(iter(after.locks.values()))
    release, channel = facts.release(asked.to), facts.channel(env.variant.channel)
    evidence = f"{release.source} ({release.date})" if release else bumped
    grounds = f"{channel.source} ({channel.date})" if channel else bumped
    row = facts.base(env.base.image)
    own = {
        **dict.fromkeys(env.service.torch.companions, (f"The partner of torch {asked.to}.", evidence)),
        "cuda": (f"{env.variant.channel} is the channel of torch {asked.to} that serves the described GPUs: {ground.reason}", grounds),
        "cudnn": (f"torch {asked.to} brings its own cuDNN and never loads the base image's.", evidence),
        "base": (f"Of the CUDA of torch {asked.to}+{env.variant.channel}.", f"{row.source} ({row.date})" if row else bumped),
        **why,
    }  # fmt: skip
    return Words(reason=ground.reason, evidence=bumped, own={canonicalize_name(k): v for k, v in own.items()})


def _cards(before: State, after: State) -> tuple[tuple[str, ...], tuple[str, ...]]:
    def runs(state: State) -> set[str]:
        return {
            f"{name} in {env.name}"
            for env, _ in state.locks.values()
            for name in env.service.gpus
            if verdict(env, facts.gpu(name)).answer == "ok"
        }

    was, is_ = runs(before), runs(after)
    return tuple(sorted(is_ - was)), tuple(sorted(was - is_))


def _follows(before: State, after: State, moved: set[str]) -> tuple[str, ...]:
    """The packages of the locks that move without being named by a description."""
    found = []
    for env, lock in after.locks.values():
        was = before.locks[env.name][1]
        if was and lock:
            told = compare.moved(was.packages, lock.packages)
            found += [f"{each} in {env.name}" for each in told if each.partition(" ")[0] not in moved]
    return tuple(found)


def _stale(before: State, after: State) -> tuple[tuple[str, ...], int]:
    """The lock layers that answer something else now, and the bytes that they hold today."""
    found, size = [], 0
    for env, _ in after.locks.values():
        lock = before.locks[env.name][1]
        for layer in lock.layers if lock else ():
            if layer.name not in layers.layer_names(env) or layer.answers != layers.answers(env, layer.name):
                found.append(f"lockfiles/{env.name}/{layer.file}")
                size += sum(package.size or 0 for package in layer.packages)
    return tuple(found), size
