"""The edits that an update of a package, Python, a base image or a source requires."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.bump.model import (
    MAX_SUGGESTIONS,
    BumpContext,
    Edit,
    HeldError,
    PresentError,
    deduplicate,
)
from torchpin.bump.torch import base_edits
from torchpin.compat.pins import extras_text, pinned_version
from torchpin.compat.sources import recorded_tags
from torchpin.description.environments import select_environments
from torchpin.description.patterns import COMMIT
from torchpin.model import Change, Package, package_path

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from torchpin.bump.target import Target
    from torchpin.model import Service, Source


def edits_of_target(service: Service, target: Target, context: BumpContext) -> list[Edit]:
    """The edits that bring a service to a target other than torch.

    Raises PresentError where the service has it already, HeldError where it cannot have it.
    """
    if target.kind == "base":
        return _base_image_edits(service, target, context)
    if target.kind == "source":
        return _source_edits(service, target, context)
    path = "python" if target.kind == "python" else pin_path(service, target.name)
    if path is None:
        raise HeldError(f"{target.name} is not pinned", f"pin it with `invoke add {service.name} {target}`")
    if target.kind == "package":
        _require_one_pin(service, target.name)
    current_version = _pinned_version(service, path)
    if Version(current_version) == Version(target.to):
        raise PresentError(f"{target.name} is already at {current_version}")
    is_plain = target.kind == "python" or _is_companion(path)
    return [
        (Change(path=path, value=target.to if is_plain else _pin_text(service, path, target.to)), "requested")
    ]


def pin_path(service: Service, name: str) -> str | None:
    """The key path of a package's pin, as `layers[0].packages[2]`; None where neither a layer nor the companions have it."""
    if name in service.torch.companions:
        return f"torch.companions.{name}"
    return next(iter(_pins(service, name)), None)


def _pins(service: Service, name: str) -> dict[str, Requirement]:
    """The pins of a package by their key paths: several where variants have pins of their own."""
    return {
        package_path(number, index, package): package
        for number, layer in enumerate(service.layers)
        for index, package in enumerate(layer.packages)
        if canonicalize_name(package.name) == name
    }


def _require_one_pin(service: Service, name: str) -> None:
    """Raises HeldError for a package that variants pin apart, or that is in no index."""
    pins = _pins(service, name)
    if len(pins) > 1:
        places = " and ".join(map(service.location, pins))
        raise HeldError(
            f"{name} is pinned for some variants each, at {places}", "edit the pins, then `invoke lock`"
        )
    for path, package in pins.items():
        file = package.file if isinstance(package, Package) else None
        if file:
            key = "url" if file.url else "path" if file.path else "git"
            raise HeldError(
                f"{name} is from no index, so its other versions are not known",
                f"edit `pin` and `{key}` at {service.location(path)}, then `invoke lock`",
            )


def _is_companion(path: str) -> bool:
    return path.startswith("torch.companions.")


def _pinned_version(service: Service, path: str) -> str:
    if path == "python":
        return str(service.python)
    if _is_companion(path):
        return str(service.torch.companions[path.removeprefix("torch.companions.")])
    return pinned_version(_requirement(service, path))


def _requirement(service: Service, path: str) -> Requirement:
    number, index = map(int, re.findall(r"\[(\d+)\]", path))
    return service.layers[number].packages[index]


def _pin_text(service: Service, path: str, version: str) -> str:
    requirement = _requirement(service, path)
    return f"{requirement.name}{extras_text(requirement.extras)}=={version}"


def _base_image_edits(service: Service, target: Target, context: BumpContext) -> list[Edit]:
    """The edits of every base image of the target's repository; without one, of the service's base if it was requested by name."""
    repository = facts.parse_image_name(target.to).written
    row = facts.base_image(target.to)
    digest = target.digest or (row.digest if row and row.digest else "")
    envs = [
        env
        for env in select_environments([service])
        if facts.parse_image_name(env.base.image).written == repository
    ]
    if not envs and service.name in context.services:  # another repository replaces a base only on request
        envs = [env for env in select_environments([service]) if env.variant.base is None]
    if not envs:
        bases = ", ".join(sorted({env.base.image for env in select_environments([service])}))
        raise HeldError(
            f"the base image is {bases}, from another repository",
            f"pass `--service {service.name}` to replace it",
        )
    if all((env.base.image, env.base.digest or "") == (target.to, digest) for env in envs):
        raise PresentError(f"the base image is already {target.to}")
    moves = [edit for env in envs for edit in base_edits(env, target.to, digest, "requested")]
    return deduplicate(moves)


def _source_edits(service: Service, target: Target, context: BumpContext) -> list[Edit]:
    number, source = next(
        (index, candidate) for index, candidate in enumerate(service.sources) if candidate.name == target.name
    )
    if is_commit(target.to):
        return _commit_edits(number, source, target.to)
    recorded_tag = next((tag for tag in recorded_tags(source) if tag.tag == target.to), None)
    new_commit = (context.commits or {}).get(source.name) or recorded_commit(source, target.to)
    if recorded_tag and not recorded_tag.exists:
        near = [tag.tag for tag in recorded_tags(source) if tag.exists][-MAX_SUGGESTIONS:]
        raise HeldError(f"{source.name} has no tag {target.to}", f"choose one of its tags: {', '.join(near)}")
    if not new_commit:
        raise HeldError(
            f"the commit of {source.name} {target.to} is unknown: the facts do not have it, and its origin was not queried",
            f"name the commit: `{source.name}@COMMIT`, 40 digits",
        )
    if (source.tag, source.commit) == (target.to, new_commit):
        raise PresentError(f"{source.name} is already at {target.to}")
    return [
        (Change(path=f"sources[{number}].tag", value=target.to), "requested"),
        (Change(path=f"sources[{number}].commit", value=new_commit), f"the commit of {target.to}"),
    ]


def _commit_edits(number: int, source: Source, commit: str) -> list[Edit]:
    """The edits to a commit, which may have no tag; the tag of another commit goes."""
    if source.commit == commit:
        raise PresentError(f"{source.name} is already at {commit[:12]}")
    edits = [(Change(path=f"sources[{number}].commit", value=commit), "requested")]
    if source.tag:
        edits.append((Change(path=f"sources[{number}].tag", value=None), f"{source.tag} is another commit"))
    return edits


def is_commit(text: str) -> bool:
    """Whether the target of a source is a commit, in full, and no tag."""
    return COMMIT.pattern.fullmatch(text) is not None


def recorded_commit(source: Source, tag: str) -> str | None:
    """The commit of a tag in the facts, None where they do not have it."""
    return next(
        (
            known_tag.commit
            for known_tag in recorded_tags(source)
            if known_tag.tag == tag and known_tag.exists
        ),
        None,
    )


def is_known_tag(source: Source, tag: str) -> bool:
    """Whether facts have a tag's commit, or record that the tag does not exist."""
    return any(
        known_tag.tag == tag and (known_tag.commit or not known_tag.exists)
        for known_tag in recorded_tags(source)
    )
