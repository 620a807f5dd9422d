"""What an adopted project's own files ask for: what its service lacks, and the ranges that bound its lock."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.family import channel_names
from torchpin.compat.overrides import overrides
from torchpin.compat.recommendations import CONSTRAINT, used_components

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.model import Environment, Lock, Recommendation

_FILE = re.compile(
    r"(?:\S*/)?(?:[^\s/]+\.(?:txt|toml|lock|sh|ya?ml)|Pipfile|(?:Docker|Container)file[\w.-]*)"
)
_NO_PACKAGES = frozenset({"python", "base", "cuda", "cudnn"})


def unmet_requirements(env: Environment, lock: Lock | None) -> tuple[Recommendation, ...]:
    """The recommendations of files, such as requirements.txt, for packages that are in no layer, in no lock, and have no reason.

    With a lock, what another package brings is met. Without one, only a pin meets them.
    """
    present = {canonicalize_name(name) for name in used_components(env, lock)} | _named_packages(env)
    explained = {canonicalize_name(reason.component) for reason in env.service.reasons}
    return tuple(
        row
        for row in env.service.recommends
        if _FILE.fullmatch(row.by)
        and not row.says.endswith(".whl")
        and not facts.gpu(row.component)
        and canonicalize_name(row.component) not in present | explained | _NO_PACKAGES
    )


def file_ranges(env: Environment) -> tuple[tuple[Requirement, str], ...]:
    """The ranges that files give for packages that only others bring, each with the file: a lock keeps to them.

    A pin or an override stands for a range, and so does a reason: it explains another version. Torch's family goes with
    the torch that is pinned.
    """
    explained = {canonicalize_name(reason.component) for reason in env.service.reasons}
    decided = explained | _named_packages(env) | {*channel_names(env), *overrides(env)} | _NO_PACKAGES
    ranges = []
    for row in env.service.recommends:
        file = row.by.removeprefix(CONSTRAINT)
        if canonicalize_name(row.component) in decided or not _FILE.fullmatch(file):
            continue
        try:
            requirement = Requirement(_requirement(row))
        except InvalidRequirement:
            continue  # a wheel, or alternatives such as `2.5.x / 2.6.x`
        if requirement.specifier:
            ranges.append((requirement, file))
    return tuple(ranges)


def ranges_in_the_way(env: Environment, output: str) -> str:
    """A line for each range of a file that uv names where it finds no solution: its place, and how to leave it."""
    rows = [(str(requirement), requirement.name, file) for requirement, file in file_ranges(env)]
    lines = [
        f"{text} is what {file} allows ({_location(env, name)}): pin what goes with it, or say under `reasons:` why "
        f"{name} may be another version"
        for text, name, file in rows
        if re.search(rf"(?<![\w.-]){re.escape(text)}(?!\.?\w|,?[<>=!~])", output)
    ]
    return "\n".join(lines)


def _location(env: Environment, component: str) -> str:
    components = [row.component for row in env.service.recommends]
    return env.service.location(f"recommends[{components.index(component)}]")


def _named_packages(env: Environment) -> set[str]:
    """The packages that the description names for any variant: a layer may be of some variants alone."""
    service = env.service
    rows = [package.name for layer in service.layers for package in layer.packages]
    rows += [wheel.package.name for wheel in service.build.wheels] if service.build else []
    rows += [name for source in service.sources for name in source.without]
    return {*map(canonicalize_name, rows), *service.torch.family, *facts.abi_packages()}


def missing_packages_text(rows: tuple[Recommendation, ...]) -> str:
    """`no layer has fastapi and uvicorn>=0.2, which requirements.txt asks for`."""
    files = list(dict.fromkeys(row.by for row in rows))
    verb = "asks" if len(files) == 1 else "ask"
    return f"no layer has {_joined(map(_requirement, rows))}, which {_joined(files)} {verb} for"


def addition_command(env: Environment, rows: tuple[Recommendation, ...]) -> str:
    """The command that pins packages."""
    return f"invoke add {env.service.name} {shlex.join(map(_requirement, rows))}"


def _requirement(row: Recommendation) -> str:
    if row.says in {"any", "implicit"}:
        return row.component
    return f"{row.component}{row.says if row.says[0] in '<>=!~' else f'=={row.says}'}"


def _joined(words: Iterable[str]) -> str:
    *names, last = words
    return f"{', '.join(names)} and {last}" if names else last
