"""Sentences about what the lab covers: how many of a service's packages it has, what are stubs, what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.quantities import count, join_names

if TYPE_CHECKING:
    from torchpin.lab.scope import LabPackages
    from torchpin.model import Environment


def opening_line(env: Environment, scope: LabPackages) -> str:
    """What a lab is going to cover of an environment, in one line."""
    return (
        f"lab: {env.name} with {len(scope.real)} of its {scope.total} packages; stubs for {join_names(_stubs(env, scope))}; "
        f"without {_left_out(env, scope)}"
    )


def closing_line(env: Environment, scope: LabPackages, *, done: str, has_image: bool) -> str:
    """What a lab has done and how much of an environment it covered, in one line. `done`: such as `built and checked`."""
    return (
        f"{env.name}: {done} in the lab: {len(scope.real)} of {scope.total} packages, "
        f"with stubs for {join_names(_stubs(env, scope, has_image=has_image))}, without {_left_out(env, scope)} (`--verbose` lists them)"
    )


def left_out_lines(env: Environment, scope: LabPackages) -> tuple[str, ...]:
    """The left-out packages, a line a reason."""
    lines = [f"lab: left out, {reason}: {', '.join(names)}" for reason, names in scope.reasons.items()]
    if env.service.apt:
        lines.append(f"lab: left out, packages of the system: {', '.join(env.service.apt)}")
    return tuple(lines)


def _stubs(env: Environment, scope: LabPackages, *, has_image: bool = True) -> tuple[str, ...]:
    sources = (f"the source {source.name}" for source in env.service.sources)
    return (*scope.stubs, *sources, *(("the base image",) if has_image else ()))


def _left_out(env: Environment, scope: LabPackages) -> str:
    counts = [count(len(scope.left_out), "package")]
    counts += [count(len(env.service.apt), "system package")] if env.service.apt else []
    counts += ["what `build:` compiles"] if env.service.build else []
    return join_names(counts)
