"""Which services a request is about; and targets that do not exist, or that no service has, with the names near them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.bump.model import MAX_SUGGESTIONS
from torchpin.bump.pins import pin_path
from torchpin.compat.publication import channels_with_release
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.bump.model import BumpContext
    from torchpin.bump.target import Target
    from torchpin.model import Service


def affected_services(
    services: Sequence[Service], targets: Sequence[Target], context: BumpContext
) -> list[Service]:
    """The requested services that have one of the named packages or sources; all where none is named: torch, Python and a base
    image are in each.

    Raises InputError for a target that does not exist, and for one that no requested service has.
    """
    for target in targets:
        _require_existing(target)
    _require_channel(targets, context.channel)
    selected = [service for service in services if service.name in context.services or not context.services]
    for target in targets:
        if not any(has_target(service, target) for service in selected):
            raise InputError(f"{_not_pinned_message(selected, target)}; nothing was changed")
    named = [target for target in targets if target.kind in {"package", "source"}]
    return [
        service for service in selected if not named or any(has_target(service, target) for target in named)
    ]


def has_target(service: Service, target: Target) -> bool:
    if target.kind == "source":
        return any(source.name == target.name for source in service.sources)
    return target.kind != "package" or pin_path(service, target.name) is not None


def _require_channel(targets: Sequence[Target], channel: str) -> None:
    if not channel:
        return
    # a package may require another torch, which then comes from the channel
    if not any(target.kind in {"torch", "package"} for target in targets):
        raise InputError(
            f"`--channel` applies to torch only, not to {' '.join(map(str, targets))}; leave it out, or name torch, too"
        )
    if channel not in {row.name for row in facts.channels()}:
        names = ", ".join(row.name for row in facts.channels())
        raise InputError(f"channel {channel!r} does not exist; known channels: {names}")


def _require_existing(target: Target) -> None:
    if target.kind == "base" and (violation := facts.tag_violation(target.to)[0]):
        images = [base.image for base in facts.base_images() if base.listed and not base.withdrawn]
        near = get_close_matches(target.to, images, n=MAX_SUGGESTIONS)
        suggestion = f" (did you mean {', '.join(near)}?)" if near else "; choose a tag that it has"
        raise InputError(f"{target.to} does not exist: {violation}{suggestion}; nothing was changed")
    if target.kind != "torch" or facts.release(target.to) or channels_with_release(target.to, "linux/amd64"):
        return
    raise InputError(f"{_unknown_torch_message(Version(target.to))}; nothing was changed")


def _unknown_torch_message(version: Version) -> str:
    """That a release of torch is not known, with its neighbours by version and the newest known one."""
    releases = facts.release_versions()
    older = [str(release) for release in releases if release < version][-1:]
    newer = [str(release) for release in releases if release > version][:1]
    newest = f"the newest known release is {releases[-1]}"
    if newer:
        near = f"its neighbour{'s are' if older else ' is'} {' and '.join(older + newer)}"
        return f"torch {version} does not exist: {near}, {newest}"
    nearest = [str(release) for release in releases[-MAX_SUGGESTIONS:-1]]
    return f"torch {version} is not known: {newest}, before it {' and '.join(nearest)}"


def _not_pinned_message(services: Sequence[Service], target: Target) -> str:
    """That no service pins the target, with the names near it."""
    names = (
        {source.name for service in services for source in service.sources}
        if target.kind == "source"
        else {
            canonicalize_name(name)
            for service in services
            for name in (
                *service.torch.companions,
                *(package.name for layer in service.layers for package in layer.packages),
            )
        }
    )
    near = get_close_matches(target.name, sorted(names), n=MAX_SUGGESTIONS)
    hint = f"did you mean {', '.join(near)}?" if near else "add it to a description first"
    return f"no service pins {target.name} ({hint})"
