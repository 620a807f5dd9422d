"""The edits that an update of torch asks for: its family, the channel, the base image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.bump.model import _NEAR, Edit, Ground, HeldError, unique_edits
from torchpin.compat import builds as compat_builds
from torchpin.compat import releases
from torchpin.compat.gpus import verdict
from torchpin.description import environments
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment, Service


def torch_edits(service: Service, version: Version, ground: Ground) -> list[Edit]:
    torch = service.torch
    envs = environments.environments([service])
    if torch.version == version and ground.channel in {"", *(env.variant.channel for env in envs)}:
        raise HeldError(f"has torch {version} already")
    if torch.version > version and service.name not in ground.named:
        raise HeldError(
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
    return [*_family(service, version, asked), *unique_edits(moves)]


def _family(service: Service, version: Version, asked: str = "asked for") -> list[Edit]:
    torch, moves = service.torch, []
    if torch.version != version:
        moves.append((Change(path="torch.version", value=str(version)), asked))
    env = environments.environments([service])[0]
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
            raise HeldError(why, f"remove {name} from `companions:`")
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
        raise HeldError(f"torch {version} has no wheel for Python {python} on PyPI")
    cuda = environments.cuda(env) is not None
    gpus = env.service.gpus if cuda else ()
    by_matrix = releases.unrecorded(env, str(version))
    all_ = (
        *compat_builds.builds(env, gpus),
        *(compat_builds.build(env, name, version, gpus) for name in by_matrix),
    )
    served = [one for one in all_ if one.version == version]
    if not served:
        raise HeldError(f"no channel has torch {version} for Python {python} on {platform}", _nearest(all_))
    chosen = [one for one in served if one.channel == wanted or not wanted or not cuda]
    if not chosen:
        have = ", ".join(sorted(one.channel for one in served))
        raise HeldError(
            f"{wanted} does not have torch {version} for Python {python} on {platform}", f"it is on {have}"
        )
    best = min(chosen, key=lambda one: (len(one.lost), _step(env, one.channel)))
    runs = [name for name in best.lost if verdict(env, facts.gpu(name)).answer == "ok"]
    if runs:
        where = wanted or "no channel"
        raise HeldError(f"torch {version} has code for {', '.join(runs)} on {where}" if not wanted else
                         f"torch {version} on {wanted} has no code for {', '.join(runs)}", _nearest(all_))  # fmt: skip
    have = ", ".join(one.channel for one in sorted(served, key=lambda one: _step(env, one.channel)))
    cards = f"; {best.channel} has code for {', '.join(gpus)}" if gpus and not best.lost else ""
    lost = f"; {', '.join(best.lost)} runs on none of them" if best.lost else ""
    return best.channel, f"torch {version} is on {have}{cards}{lost}"


def _step(env: Environment, channel: str) -> tuple[bool, tuple[int, ...]]:
    """How far a channel's CUDA is from the present one: the same, the next above, and so on; then those below."""
    row, here = facts.channel(channel), environments.cuda(env)
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
    return base_edits(
        env,
        best.image,
        best.digest or "",
        f"CUDA {to.cuda}, as {channel} has it; supported; same kind and system",
    )


def _minor(cuda: str) -> str:
    return ".".join(cuda.split(".")[:2])


def base_edits(env: Environment, image: str, digest: str, why: str) -> list[Edit]:
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
    env = environments.environments([service])[0]
    name, here = env.base.image.partition(":")[0], facts.base(env.base.image)
    rows = [one for one in facts.bases() if one.image.startswith(f"{name}:") and one.torch]
    fitting = [one for one in rows if (one.torch or "").partition("+")[0] == str(version)]
    if not fitting:
        have = sorted({(one.torch or "").partition("+")[0] for one in rows}, key=Version)
        raise HeldError(
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
    moves = base_edits(env, best.image, best.digest or "", f"it brings torch {best.torch}")
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
