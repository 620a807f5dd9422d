"""What an adopted project's own files ask for, and neither a layer nor the lock of its service has."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.recommendations import used_components

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
