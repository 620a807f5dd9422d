"""What a bump would do: for each service what moves, or why it is held back; from descriptions, locks and facts alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.bump import accepted as bump_accepted
from torchpin.bump import predict
from torchpin.bump.accepted import State, Words
from torchpin.checks import run
from torchpin.checks.rules.sources import known_tags
from torchpin.checks.run import Evidence
from torchpin.compat import builds as compat_builds
from torchpin.compat import recommendations, releases
from torchpin.compat.gpus import verdict
from torchpin.description import edit as description_edit
from torchpin.description import read
from torchpin.errors import FindingsError, InputError
from torchpin.lock import layers
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from packaging.requirements import Requirement

    from torchpin.model import Environment, Finding, Lock, Service, Source

    Published = Mapping[str, Mapping[str, Mapping[str, str | None]]]

_REPAIRS = 40  # more than any service has pins that could move with another
_NEAR = 3
_FORMS = "torch==2.7.1, transformers==4.54.1, python==3.11.9, base=nvidia/cuda:12.8.1-devel-ubuntu22.04 or sd-scripts@v0.10.1"


# --- what is asked ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What is to move, and to what: a version, an image (its `digest`, if it is given), or a tag."""

    kind: Literal["torch", "python", "base", "source", "package"]
    name: str
    to: str
    digest: str = ""

    def __str__(self) -> str:
        sign = {"base": "=", "source": "@"}.get(self.kind, "==")
        return f"{self.name}{sign}{self.to}{f'@{self.digest}' if self.digest else ''}"


def target(text: str) -> Target:
    """What somebody asks for. Raises InputError, with the forms that there are, for anything else."""
    text = text.strip()
    image = re.fullmatch(
        r"base\s*={1,2}\s*(?P<image>[\w.\-/:]*[\w.\-]:\w[\w.\-]*)(?:@(?P<digest>sha256:[0-9a-f]{64}))?", text
    )
    if image:
        return Target(kind="base", name="base", to=image["image"], digest=image["digest"] or "")
    if re.match(r"base\s*=", text):
        raise InputError(
            f"{text!r} is no image with a tag (and a digest of 64 hex digits, if it has one). Write, for example, {_FORMS}."
        )
    tag = re.fullmatch(r"(?P<name>[\w.-]+)@(?P<tag>[\w./-]+)", text)
    if tag:
        return Target(kind="source", name=tag["name"], to=tag["tag"])
    pin = re.fullmatch(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*={1,2}\s*v?(?P<version>[^\s=]+)", text)
    if pin is None:
        raise InputError(f"{text!r} is nothing that can be bumped to. Write, for example, {_FORMS}.")
    name, version = canonicalize_name(pin["name"]), pin["version"]
    try:
        exact = Version(version)
    except InvalidVersion:
        raise InputError(f"{text!r}: {version} is no exact version. Write, for example, {_FORMS}.") from None
    if exact.local:
        raise InputError(
            f"{text!r}: the channel decides the build: leave out +{exact.local}, and write --channel {exact.local}."
        )
    if name == "torch":  # 2.7 is 2.7.0
        version = next((one.version for one in facts.releases() if Version(one.version) == exact), str(exact))
    return Target(kind={"torch": "torch", "python": "python"}.get(name, "package"), name=name, to=version)  # type: ignore[arg-type]


# --- what is answered ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One value of a description that changes, and why."""

    path: str
    what: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What becomes of one service. `held`: why nothing does; `frees`: what would change that.

    `follows`: packages that no description names and that move along, as far as facts tell (triton, cuDNN);
    `closed`, `opened`: findings and deviations, as sentences; `gained`, `lost`: GPUs; `stale`: lock layers to be
    resolved again, and `present_bytes`, what they hold now; `before`, `after`: the description's text.
    """

    service: str
    file: str
    moves: tuple[Move, ...] = ()
    follows: tuple[str, ...] = ()
    held: str = ""
    frees: str = ""
    closed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    present_bytes: int = 0
    before: str = ""
    after: str = ""
    moved: str = ""  # the description's text without what is closed and opened
    why: Mapping[str, tuple[str, str]] = field(
        default_factory=dict
    )  # of what was repaired, with the evidence

    @property
    def difference(self) -> str:
        return description_edit.difference(self.before, self.after, self.file) if self.moves else ""

    @property
    def described(self) -> Service:
        """The service as it would be."""
        return _read(self.after, self.file)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What a plan is made from: descriptions by path, the locks that may be believed, today, and words.

    `commits`: of tags that facts do not know, by source. `named`: the services that were asked for; none: all.
    """

    texts: Mapping[str, str]
    locks: Mapping[str, Lock]
    today: date
    named: tuple[str, ...] = ()
    channel: str = ""
    reason: str = ""
    commits: Mapping[str, str] | None = None
    published: Published | None = None


class _HeldError(Exception):
    def __init__(self, why: str, frees: str = "") -> None:
        super().__init__(why)
        self.why, self.frees = why, frees


Edit = tuple[Change, str]  # and why


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
    return asked.kind != "package" or _pin_path(service, asked.name) is not None


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
    except _HeldError as held:
        return replace(bare, held=held.why, frees=held.frees)
    except InputError as error:
        told = "; ".join(map(str, error.problems)) or str(error)
        return replace(bare, held=told)


def _moved(bare: Plan, service: Service, asked: Target, ground: Ground) -> Plan:
    first = _asked(service, asked, ground)
    before = _state(service, ground, present=True)
    text, moves = _applied(bare.before, bare.file, first)
    after = _state(_read(text, bare.file), ground)
    because: dict[str, tuple[str, str]] = {}
    for _ in range(_REPAIRS):
        step = _next(before, after, {move.path for move in moves})
        if step is None:
            break
        text, more = _applied(text, bare.file, [(change, step.message) for change in step.repair])
        moves += more
        because |= {_component(move): (step.message, step.evidence) for move in more}
        after = _state(_read(text, bare.file), ground)
    left = [one for _, one in bump_accepted.new(before.found, after.found) if one.level == "error"]
    if left:
        why, frees = dict.fromkeys(one.message for one in left), dict.fromkeys(one.remedy for one in left)
        raise _HeldError("; ".join(why), "; ".join(frees))
    made = replace(bare, moves=tuple(moves), moved=text, why=because)
    return _accepted(made, before, after, asked, ground)


def settled(one: Plan, asked: Target, ground: Ground, made: Mapping[str, Lock]) -> Plan:
    """A plan whose locks are made: what it closes and opens is told by them, and no longer foreseen.

    Raises FindingsError for what only they could tell and cannot work.
    """
    before = _state(_read(one.before, one.file), ground, present=True)
    after = _state(_read(one.moved, one.file), replace(ground, locks=made), present=True)
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


def _read(text: str, file: str) -> Service:
    return read.services({file: text})[0]


def _applied(text: str, file: str, wanted: Sequence[Edit]) -> tuple[str, list[Move]]:
    """A description with edits made, and what they are to people."""
    marks = _read(text, file).marks

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
    envs = layers.environments([replace(service, waivers=())])
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


def _asked(service: Service, asked: Target, ground: Ground) -> list[Edit]:
    if asked.kind == "torch":
        return _with_torch(service, Version(asked.to), ground)
    if asked.kind == "base":
        return _on_base(service, asked, ground)
    if asked.kind == "source":
        return _of_source(service, asked, ground)
    path = "python" if asked.kind == "python" else _pin_path(service, asked.name)
    if path is None:
        raise _HeldError(f"does not pin {asked.name}")
    here = _at(service, path)
    if Version(here) == Version(asked.to):
        raise _HeldError(f"has {asked.name} {here} already")
    value = asked.to if asked.kind == "python" else _pin(service, path, asked.to)
    return [(Change(path=path, value=value), "asked for")]


def _pin_path(service: Service, name: str) -> str | None:
    for number, layer in enumerate(service.layers):
        for index, package in enumerate(layer.packages):
            if canonicalize_name(package.name) == name:
                return f"layers[{number}].packages[{index}]"
    return None


def _at(service: Service, path: str) -> str:
    if path == "python":
        return str(service.python)
    return next(iter(_requirement(service, path).specifier)).version


def _requirement(service: Service, path: str) -> Requirement:
    number, index = map(int, re.findall(r"\d+", path))
    return service.layers[number].packages[index]


def _pin(service: Service, path: str, version: str) -> str:
    one = _requirement(service, path)
    extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
    return f"{one.name}{extras}=={version}"


# --- torch -----------------------------------------------------------------------------------------------------------


def _with_torch(service: Service, version: Version, ground: Ground) -> list[Edit]:
    torch = service.torch
    envs = layers.environments([service])
    if torch.version == version and ground.channel in {"", *(env.variant.channel for env in envs)}:
        raise _HeldError(f"has torch {version} already")
    if torch.version > version and service.name not in ground.named:
        raise _HeldError(
            f"has torch {torch.version}, which is newer", f"`--service {service.name}` moves it down"
        )
    if torch.origin == "base":
        return _torch_of_base(service, version)
    moves: list[Edit] = []
    asked = "asked for"
    for env in envs:
        channel, why = _channel(env, version, ground.channel)
        if channel in releases.unrecorded(env, str(version)):
            asked = f"asked for; that it is on {channel} only the release matrix tells"
        if channel != env.variant.channel:
            moves.append((Change(path=f"variants.{env.variant.name}.channel", value=channel), why))
        moves += _base_of(env, channel)
    return [*_family(service, version, asked), *_each_once(moves)]


def _each_once(edits_: Sequence[Edit]) -> list[Edit]:
    """What several variants share is edited once."""
    return list({change.path: (change, why) for change, why in edits_}.values())


def _family(service: Service, version: Version, asked: str = "asked for") -> list[Edit]:
    torch, moves = service.torch, []
    if torch.version != version:
        moves.append((Change(path="torch.version", value=str(version)), asked))
    env = layers.environments([service])[0]
    known = releases.family(env, str(version))
    for name, here in torch.companions.items():
        to = known.get(name, "")
        if not to:
            ended = releases.partners(facts.release(str(version)), name) == ()
            why = (
                f"there is no {name} for torch {version}"
                if ended
                else f"no fact tells the {name} of torch {version}"
            )
            raise _HeldError(why, f"remove {name} from `companions:`")
        if Version(to) != here:
            moves.append(
                (Change(path=f"torch.companions.{name}", value=to), f"the partner of torch {version}")
            )
    return moves


def _channel(env: Environment, version: Version, wanted: str) -> tuple[str, str]:
    """The channel that serves a release for an environment: no GPU lost, then the least CUDA step, upwards first."""
    python, platform = env.service.python, env.variant.platform
    if env.variant.channel == "pypi":
        release = facts.release(str(version))
        if release and releases.fits(env, release):
            return "pypi", ""
        raise _HeldError(f"torch {version} has no wheel for Python {python} on PyPI")
    cuda = layers.cuda(env) is not None
    gpus = env.service.gpus if cuda else ()
    by_matrix = releases.unrecorded(env, str(version))
    all_ = (
        *compat_builds.builds(env, gpus),
        *(compat_builds.build(env, name, version, gpus) for name in by_matrix),
    )
    served = [one for one in all_ if one.version == version]
    if not served:
        raise _HeldError(f"no channel has torch {version} for Python {python} on {platform}", _nearest(all_))
    chosen = [one for one in served if one.channel == wanted or not wanted or not cuda]
    if not chosen:
        have = ", ".join(sorted(one.channel for one in served))
        raise _HeldError(
            f"{wanted} does not have torch {version} for Python {python} on {platform}", f"it is on {have}"
        )
    best = min(chosen, key=lambda one: (len(one.lost), _step(env, one.channel)))
    runs = [name for name in best.lost if verdict(env, facts.gpu(name)).answer == "ok"]
    if runs:
        where = wanted or "no channel"
        raise _HeldError(f"torch {version} has code for {', '.join(runs)} on {where}" if not wanted else
                         f"torch {version} on {wanted} has no code for {', '.join(runs)}", _nearest(all_))  # fmt: skip
    have = ", ".join(one.channel for one in sorted(served, key=lambda one: _step(env, one.channel)))
    cards = f"; {best.channel} has code for {', '.join(gpus)}" if gpus and not best.lost else ""
    lost = f"; {', '.join(best.lost)} runs on none of them" if best.lost else ""
    return best.channel, f"torch {version} is on {have}{cards}{lost}"


def _step(env: Environment, channel: str) -> tuple[bool, tuple[int, ...]]:
    """How far a channel's CUDA is from the present one: the same, the next above, and so on; then those below."""
    row, here = facts.channel(channel), layers.cuda(env)
    if row is None or row.cuda is None or here is None:
        return (False, (0,))
    to, now = Version(row.cuda), Version(here)
    return (False, to.release) if to >= now else (True, tuple(-part for part in to.release))


def _nearest(builds: Sequence[compat_builds.Build]) -> str:
    serving = [one for one in builds if not one.lost][:_NEAR]
    return (
        f"the nearest that serve: {', '.join(f'torch {one.version} on {one.channel}' for one in serving)}"
        if serving
        else ""
    )


def _base_of(env: Environment, channel: str) -> list[Edit]:
    """The base of the channel's CUDA, of the same kind and system, where the present one is of another CUDA."""
    row, to = facts.base(env.base.image), facts.channel(channel)
    if row is None or row.cuda is None or to is None or to.cuda is None or _minor(row.cuda) == to.cuda:
        return []
    kind = (row.variant.startswith("cudnn"), row.variant.rpartition("-")[2])
    rows = [
        one
        for one in facts.bases()
        if one.image.partition(":")[0] == row.image.partition(":")[0]
        if one.status == "supported" and one.os == row.os and _minor(one.cuda or "") == to.cuda
        if (one.variant.startswith("cudnn"), one.variant.rpartition("-")[2]) == kind and not one.torch
    ]
    if not rows:
        return []
    best = max(rows, key=lambda one: Version(one.cuda or "0"))
    return _base_edits(
        env,
        best.image,
        best.digest or "",
        f"CUDA {to.cuda}, as {channel} has it; supported; same kind and system",
    )


def _minor(cuda: str) -> str:
    return ".".join(cuda.split(".")[:2])


def _base_edits(env: Environment, image: str, digest: str, why: str) -> list[Edit]:
    path = f"variants.{env.variant.name}.base" if env.variant.base else "base"
    moves: list[Edit] = [(Change(path=f"{path}.image", value=image), why)]
    if digest or env.base.digest:
        moves.append(
            (
                Change(path=f"{path}.digest", value=digest or None),
                "the recorded digest of this tag" if digest else "of the other image",
            )
        )
    return moves


def _torch_of_base(service: Service, version: Version) -> list[Edit]:
    """The base moves where torch comes from it: to the image of the same repository that brings the release."""
    env = layers.environments([service])[0]
    name, here = env.base.image.partition(":")[0], facts.base(env.base.image)
    rows = [one for one in facts.bases() if one.image.startswith(f"{name}:") and one.torch]
    fitting = [one for one in rows if (one.torch or "").partition("+")[0] == str(version)]
    if not fitting:
        have = sorted({(one.torch or "").partition("+")[0] for one in rows}, key=Version)
        raise _HeldError(
            f"takes torch from its base image, and no known image of {name} brings torch {version}",
            f"known are those with torch {', '.join(have)}" if have else "",
        )
    fits = [one for one in fitting if _serves(env, one, version)]
    kind = here.variant.rpartition("-")[2] if here else ""
    best = min(
        fits or fitting,
        key=lambda one: (
            one.variant.rpartition("-")[2] != kind,
            _step(env, _channel_of(one, env)),
            one.image,
        ),
    )
    moves = _base_edits(env, best.image, best.digest or "", f"it brings torch {best.torch}")
    channel = _channel_of(best, env)
    if channel != env.variant.channel:
        moves.append(
            (
                Change(path=f"variants.{env.variant.name}.channel", value=channel),
                f"the build that {best.image} brings",
            )
        )
    return [*_family(service, version), *moves]


def _channel_of(row: facts.Base, env: Environment) -> str:
    local = (row.torch or "").partition("+")[2]
    return local or (f"cu{_minor(row.cuda).replace('.', '')}" if row.cuda else env.variant.channel)


def _serves(env: Environment, row: facts.Base, version: Version) -> bool:
    torch = replace(env.service.torch, version=version)
    moved = replace(
        env,
        service=replace(env.service, torch=torch),
        variant=replace(env.variant, channel=_channel_of(row, env)),
    )
    return all(verdict(moved, facts.gpu(name)).answer == "ok" for name in env.service.gpus)


# --- base, source ----------------------------------------------------------------------------------------------------


def _on_base(service: Service, asked: Target, ground: Ground) -> list[Edit]:
    """Every base of the same repository moves; the service's own where it was named and none is of that repository."""
    name = asked.to.partition(":")[0]
    row = facts.base(asked.to)
    digest = asked.digest or (row.digest if row and row.digest else "")
    envs = [env for env in layers.environments([service]) if env.base.image.partition(":")[0] == name]
    if not envs and service.name in ground.named:
        envs = [env for env in layers.environments([service]) if env.variant.base is None]
    if not envs:
        bases = ", ".join(sorted({env.base.image for env in layers.environments([service])}))
        raise _HeldError(f"stands on {bases}", f"`--service {service.name}` moves it all the same")
    if all((env.base.image, env.base.digest or "") == (asked.to, digest) for env in envs):
        raise _HeldError(f"stands on {asked.to} already")
    moves = [edit for env in envs for edit in _base_edits(env, asked.to, digest, "asked for")]
    return _each_once(moves)


def _of_source(service: Service, asked: Target, ground: Ground) -> list[Edit]:
    number, source = next((n, one) for n, one in enumerate(service.sources) if one.name == asked.name)
    row = next((one for one in known_tags(source) if one.tag == asked.to), None)
    gives = (ground.commits or {}).get(source.name) or commit(source, asked.to)
    if row and not row.exists:
        near = [one.tag for one in known_tags(source) if one.exists][-_NEAR:]
        raise _HeldError(f"{source.name} never had a tag {asked.to}", f"there are {', '.join(near)}")
    if not gives:
        raise _HeldError(
            f"no fact tells the commit of {source.name} {asked.to}, and its origin was not asked"
        )
    if (source.tag, source.commit) == (asked.to, gives):
        raise _HeldError(f"has {source.name} {asked.to} already")
    return [
        (Change(path=f"sources[{number}].tag", value=asked.to), "asked for"),
        (Change(path=f"sources[{number}].commit", value=gives), f"what {asked.to} gives"),
    ]


def commit(source: Source, tag: str) -> str | None:
    """The recorded commit of a tag; None where no fact tells."""
    return next((one.commit for one in known_tags(source) if one.tag == tag and one.exists), None)


def is_known(source: Source, tag: str) -> bool:
    """Whether facts tell a tag's commit, or that it never was."""
    return any(one.tag == tag and (one.commit or not one.exists) for one in known_tags(source))


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
            told = recommendations.moved(was.packages, lock.packages)
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
