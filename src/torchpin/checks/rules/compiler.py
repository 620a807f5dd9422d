"""CMP001: a C compiler where kernels are compiled at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.rules.base_image import image_location
from torchpin.checks.rules.base_packages import WITH_APT, on_ubuntu
from torchpin.compat.compiled import compiled_versions
from torchpin.compat.compilers import compiling_signs, image_compiler
from torchpin.compat.pins import list_pins
from torchpin.description.environments import torch_build
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.compat.compilers import Compiler, Sign
    from torchpin.model import Environment

_WORD = "set `compiles: false` under `run:` if nothing is compiled at run time"


@check("CMP001", "kernels are compiled at run time, and the image has no C compiler", judge=True)
def compiler_is_there(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Add gcc and libc6-dev (or build-essential) to `apt`, or say `compiles: false` under `run` if nothing is compiled.

    triton, which comes with torch for CUDA, makes a small C module for each kernel when it first runs, so torch.compile
    and packages whose kernels are written in triton need a C compiler in the image; torch.compile on a CPU needs a C++
    compiler. Runtime and slim images have none. `compiles` under `run` says what no pin can tell: true is an error without
    a compiler, and the build then compiles a module to prove it; false ends the matter. Without the word, a variable, an
    option, an import or a package that shows it is a warning, and a triton without a compiler a notice.

    Example: torch 2.8.0 on nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04 with `ENABLE_TORCH_COMPILE: "1"`, and no gcc.

    Sources: triton, runtime/build.py ("Failed to find C compiler"); pytorch/pytorch issue 116696 and PR 170235;
    open-edge-platform/physical-ai-studio PR 583; sgl-project/sglang issue 1067.
    """
    if uses_stubs(context):
        return
    word, pins = env.service.run.compiles, list_pins(env, current_lock(context, env))
    if word is False:
        yield Ok(
            about="compiler", evidence=f"{env.service.location('run.compiles')} says that nothing is compiled"
        )
        return
    on_cpu = torch_build(env) == "cpu"
    signs = list(compiling_signs(env, () if on_cpu else {*pins, *compiled_versions(env)}))
    if not (word or signs or "triton" in pins):
        return
    compiler = image_compiler(env)
    works = _works(compiler, on_cpu=on_cpu)
    if works:
        yield Ok(about="compiler", evidence=f"the image has a compiler: {compiler.evidence}")
    elif works is False:
        yield _finding(env, compiler, signs, on_cpu=on_cpu)
    elif word or signs:
        yield Unknown(
            message=f"whether {env.base.image} has a C compiler is not in the facts", about="compiler"
        )


def _works(compiler: Compiler, *, on_cpu: bool) -> bool | None:
    """Whether kernels can be compiled; None where a fact is missing."""
    parts = (compiler.cxx if on_cpu else compiler.c, compiler.headers)
    return False if False in parts else None if None in parts else True


def _finding(env: Environment, compiler: Compiler, signs: list[Sign], *, on_cpu: bool) -> Answer:
    word, sign = env.service.run.compiles, signs[0] if signs else None
    if word:
        reason, location = (
            "`run` says that kernels are compiled at run time",
            env.service.location("run.compiles"),
        )
    elif sign:
        reason, location = sign.message, env.service.location(sign.path) if sign.path else image_location(env)
    else:
        reason, location = (
            f"torch {env.service.torch.version} brings triton, which compiles kernels",
            image_location(env),
        )
    packages = ("g++",) if on_cpu else ("libc6-dev",) if compiler.c else ("gcc", "libc6-dev")
    missing = (
        "a C++ compiler"
        if on_cpu
        else "the headers of the C library for gcc"
        if compiler.c
        else "a C compiler"
    )
    advice, fix = _advice(env, packages)
    evidence = "; ".join(filter(None, (sign.evidence if sign else "", compiler.evidence)))
    return finding(
        env,
        location,
        f"{reason}, and neither {env.base.image} nor `apt` has {missing}",
        help=advice + ("; or set `compiles: false`" if word else f", or {_WORD}"),
        about="compiler",
        evidence=evidence,
        level="error" if word else "warning" if sign else "notice",
        fix=fix,
    )


def _advice(env: Environment, packages: tuple[str, ...]) -> tuple[str, tuple[Change, ...]]:
    """How the image gets a compiler, and the edits: by apt-get, where its distribution has one."""
    additions, image = " and ".join(packages), env.base.image
    row = facts.base_image(image)
    if row is None or row.os is None or row.os.startswith(WITH_APT):
        return f"add {additions} to `apt`", tuple(Change(path="apt[+]", value=name) for name in packages)
    other = on_ubuntu(image, row.os)
    choice = f"set `image: {other.image}`" if other else "choose a base image of Debian or Ubuntu"
    return (
        f"{row.os} has no apt-get: {choice} and add {additions} to `apt`, or choose a base image with a compiler",
        (),
    )
