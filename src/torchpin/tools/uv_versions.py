"""The versions that uv selects for packages that are to be added to an environment."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.compat.wheels import abi_wheels
from torchpin.lock import cooldown, uv_project
from torchpin.tools import package_files, uv_cutoff
from torchpin.tools.uv import index_addresses
from torchpin.tools.uv_compile import compile_command, run_compile, temporary_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.lock.cooldown import CutOff
    from torchpin.model import Environment, Lock, Settings, Upstream
    from torchpin.tools.package_files import LocatedFile

_PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def select_versions(
    env: Environment,
    settings: Settings,
    requested: Sequence[str],
    *,
    placed: Environment,
    index: str | None,
    current: Lock | None,
    upstreams: Sequence[Upstream],
    cutoff: CutOff | None,
    located: Sequence[LocatedFile],
) -> dict[str, str]:
    """The version of every package of an environment, by normalized name, if `requested` were required beside its pins.

    The versions of `current`, its present lock, are kept where they fit. `placed` is the environment with the requested
    packages in their layers, which decide the index of each. The other arguments are those of `uv_resolve.resolve`; a
    requested package has to be as old as all others.
    Raises NoSolutionError where no version fits, FindingsError where only its age is in the way.
    """
    wheels = abi_wheels(env)
    project = uv_project.render_uv_project(
        placed,
        index=index,
        pins=[*uv_project.resolution_requirements(env, wheels, upstreams), *requested],
        constraints=uv_project.resolution_constraints(env, upstreams, requested),
        overrides=uv_project.override_pins(env),
        indexes=index_addresses(placed, settings),
        files=[file.artifact.name for file in located],
    )
    rule = uv_cutoff.age_rule(placed, cutoff, str, has_channel=index is not None)
    if rule:  # only what is pinned already may be younger than the cut-off until its age is judged
        rule = replace(rule, pinned=frozenset(cooldown.pinned_packages(env)))
    previous = current.all_packages.values() if current else ()
    with temporary_project(project) as folder:
        if located:
            package_files.write_flat_index(folder / uv_project.FILES_FOLDER, located)
        preferred = [
            f"{package.name}=={package.version}\n" for package in previous if package.name not in wheels
        ]
        (folder / "pins.txt").write_text("".join(preferred))
        with uv_cutoff.explained(env, settings, folder, rule, ()):
            options = rule.options() if rule else ()
            run_compile(env, settings, folder, compile_command(env, "pins.txt", extra=options))
        pins = (folder / "pins.txt").read_text()
    return {canonicalize_name(name): version for name, version in _PIN.findall(pins)}
