"""The edits that an update of a package, Python, a base image or a source asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.bump.model import _NEAR, Edit, Ground, HeldError, unique_edits
from torchpin.bump.torch import base_edits, torch_edits
from torchpin.checks.rules.sources import known_tags
from torchpin.description import environments
from torchpin.model import Change

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from torchpin.bump.target import Target
    from torchpin.model import Service, Source


def requested_edits(service: Service, asked: Target, ground: Ground) -> list[Edit]:
    if asked.kind == "torch":
        return torch_edits(service, Version(asked.to), ground)
    if asked.kind == "base":
        return _on_base(service, asked, ground)
    if asked.kind == "source":
        return _of_source(service, asked, ground)
    path = "python" if asked.kind == "python" else pin_path(service, asked.name)
    if path is None:
        raise HeldError(f"does not pin {asked.name}")
    here = _at(service, path)
    if Version(here) == Version(asked.to):
        raise HeldError(f"has {asked.name} {here} already")
    value = asked.to if asked.kind == "python" else _pin(service, path, asked.to)
    return [(Change(path=path, value=value), "asked for")]


def pin_path(service: Service, name: str) -> str | None:
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


def _on_base(service: Service, asked: Target, ground: Ground) -> list[Edit]:
    """Every base of the same repository moves; the service's own where it was named and none is of that repository."""
    name = asked.to.partition(":")[0]
    row = facts.base(asked.to)
    digest = asked.digest or (row.digest if row and row.digest else "")
    envs = [env for env in environments.environments([service]) if env.base.image.partition(":")[0] == name]
    if not envs and service.name in ground.named:
        envs = [env for env in environments.environments([service]) if env.variant.base is None]
    if not envs:
        bases = ", ".join(sorted({env.base.image for env in environments.environments([service])}))
        raise HeldError(f"stands on {bases}", f"`--service {service.name}` moves it all the same")
    if all((env.base.image, env.base.digest or "") == (asked.to, digest) for env in envs):
        raise HeldError(f"stands on {asked.to} already")
    moves = [edit for env in envs for edit in base_edits(env, asked.to, digest, "asked for")]
    return unique_edits(moves)


def _of_source(service: Service, asked: Target, ground: Ground) -> list[Edit]:
    number, source = next((n, one) for n, one in enumerate(service.sources) if one.name == asked.name)
    row = next((one for one in known_tags(source) if one.tag == asked.to), None)
    gives = (ground.commits or {}).get(source.name) or commit(source, asked.to)
    if row and not row.exists:
        near = [one.tag for one in known_tags(source) if one.exists][-_NEAR:]
        raise HeldError(f"{source.name} never had a tag {asked.to}", f"there are {', '.join(near)}")
    if not gives:
        raise HeldError(f"no fact tells the commit of {source.name} {asked.to}, and its origin was not asked")
    if (source.tag, source.commit) == (asked.to, gives):
        raise HeldError(f"has {source.name} {asked.to} already")
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
