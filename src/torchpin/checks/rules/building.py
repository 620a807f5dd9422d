"""BLD: whether the stage that compiles wheels can compile them, for torch, for the GPUs, and for the image that gets them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.rules.base_contents import base_has_the_python, base_has_the_torch
from torchpin.checks.rules.base_image import base_has_a_digest, base_is_there
from torchpin.checks.rules.base_packages import base_runs_the_build
from torchpin.compat.compiled import compiled_versions, compute_capabilities
from torchpin.compat.compilers import compiler_of
from torchpin.description.environments import cuda_version, torch_text
from torchpin.facts.versions import major_minor
from torchpin.model import Change, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import BuildStage, Environment

_BASE = "build.base"


@check("BLD001", "the build stage cannot compile for this torch and these GPUs", judge=True)
def stage_compiles(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a devel image with torch's CUDA under `build.base`; for a CPU build any with a C++ compiler.

    Extensions of torch are compiled by nvcc, which devel images have and runtime images do not. torch refuses a nvcc of
    another CUDA major than its own, and warns about another minor. A nvcc compiles for the architectures that it knows: RTX
    5090 (12.0) needs CUDA 12.8.

    Example: torch 2.8.0+cu128 and `build: {base: {image: nvidia/cuda:11.8.0-devel-ubuntu22.04}}`.

    Sources: torch/utils/cpp_extension.py ("The detected CUDA version mismatches"); NVIDIA's tables of architectures.
    """
    stage = env.stage
    if stage is None or uses_stubs(context):
        return
    if cuda_version(env) is None:
        yield from _cpu_compiler(env, stage)
        return
    row = facts.base_image(stage.base.image)
    if row is None:
        yield Unknown(message=f"{stage.base.image} is not in the facts", about=stage.base.image)
    elif row.cuda is None or "devel" not in row.variant:
        lack = "no CUDA" if row.cuda is None else "the CUDA runtime, and no nvcc"
        yield _toolkit_finding(env, stage, f"{row.image} has {lack}", row)
    else:
        yield from _toolkit_answers(env, stage, row, row.cuda)


def _cpu_compiler(env: Environment, stage: BuildStage) -> Iterator[Answer]:
    image = stage.base.image
    compiler = compiler_of(image, stage.apt, has_variable="CXX" in stage.env)
    if compiler.cxx:
        yield Ok(about=image, evidence=f"the build stage has a C++ compiler: {compiler.evidence}")
    elif compiler.cxx is None:
        yield Unknown(message=f"whether {image} has a C++ compiler is not in the facts", about=image)
    else:
        yield finding(
            env,
            env.service.location(f"{_BASE}.image"),
            f"neither {image} nor `build.apt` has a C++ compiler",
            help="add g++ to `apt` under `build:`",
            about=image,
            evidence=compiler.evidence,
            # wheels of Python alone need none
            level="warning",
        )


def _toolkit_answers(
    env: Environment, stage: BuildStage, row: facts.BaseImage, toolkit: str
) -> Iterator[Answer]:
    cuda = cuda_version(env) or ""
    torch = torch_text(env)
    if toolkit.partition(".")[0] != cuda.partition(".")[0]:
        message = f"{row.image} has nvcc of CUDA {toolkit}, and {torch} is compiled with {cuda}: torch refuses another major"
        yield _toolkit_finding(env, stage, message, row)
        return
    rows = {capability: facts.toolkits_of(capability) for capability in compute_capabilities(env)}
    unknown = [
        name
        for name, toolkits in rows.items()
        if toolkits and not toolkits.is_compiled_by(major_minor(toolkit))
    ]
    if unknown:
        message = (
            f"nvcc of CUDA {toolkit} in {row.image} does not compile for capability {', '.join(unknown)}"
        )
        yield _toolkit_finding(env, stage, message, row)
    elif major_minor(toolkit) != cuda:
        message = f"{row.image} has nvcc of CUDA {toolkit}, and {torch} is compiled with {cuda}: torch warns about another minor"
        yield replace(_toolkit_finding(env, stage, message, row), level="notice")
    else:
        evidence = f"{row.image} has nvcc of CUDA {toolkit}, that of {torch}: {row.citation}"
        yield Ok(about=row.image, evidence=evidence)


def _toolkit_finding(env: Environment, stage: BuildStage, message: str, row: facts.BaseImage) -> Finding:
    best = _devel_image(env)
    digest = f" and `digest: {best.digest}`" if best and best.digest else ""
    choice = f"set `image: {best.image}`{digest}" if best else "choose a devel image with the CUDA of torch"
    return finding(
        env,
        env.service.location(f"{_BASE}.image"),
        message,
        help=f"{choice} under `build.base:`",
        about=stage.base.image,
        evidence=row.citation,
        fix=_base_changes(stage, best) if best else (),
    )


def _base_changes(stage: BuildStage, best: facts.BaseImage) -> tuple[Change, ...]:
    image = Change(path=f"{_BASE}.image", value=best.image)
    if best.digest or stage.base.digest:
        return image, Change(path=f"{_BASE}.digest", value=best.digest)
    return (image,)


def _devel_image(env: Environment) -> facts.BaseImage | None:
    """The newest supported devel image of nvidia/cuda with torch's CUDA, on the system of the image; None: not in the facts."""
    image = facts.base_image(env.base.image)
    system = image.os if image and (image.os or "").startswith("ubuntu") else "ubuntu22.04"
    rows = [
        row
        for row in facts.base_images("nvidia/cuda:")
        if row.variant == "devel" and row.os == system and row.listed and row.status == "supported"
        if row.cuda and major_minor(row.cuda) == cuda_version(env)
    ]
    return max(rows, key=lambda row: Version(row.cuda or "0"), default=None)


@check("BLD002", "the base image of the build stage is not right by itself", judge=True)
def stage_base_is_right(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a base image for the build stage that exists and is supported, pin it by its digest, and describe what it has.

    What holds for the base image of a service (BAS001, BAS002, BAS006) holds for that of its build stage: a tag that was
    moved compiles other wheels. Where torch comes from the base image, both images need the same Python and torch (BAS004,
    BAS005).

    Example: `build: {base: {image: nvidia/cuda:12.8.1-devel-ubuntu22.04}}` without a digest.

    Sources: those of the checks of base images.
    """
    if env.stage is None:
        return
    rules = [base_is_there, base_has_a_digest, base_runs_the_build]
    if env.service.torch.origin == "base":
        rules += [base_has_the_python, base_has_the_torch]
    for rule in rules:
        for answer in rule(context, _stage_environment(env, env.stage)):
            yield _of_stage(answer) if isinstance(answer, Finding) else answer


def _stage_environment(env: Environment, stage: BuildStage) -> Environment:
    """The environment as if the build stage were its image."""
    of_stage = {
        path.removeprefix("build."): position
        for path, position in env.service.positions.items()
        if path.startswith(("build.base", "build.apt"))
    }
    service = replace(
        env.service, base=stage.base, apt=stage.apt, positions={**env.service.positions, **of_stage}
    )
    return replace(env, service=service, variant=replace(env.variant, base=None))


def _of_stage(answer: Finding) -> Finding:
    """A finding about an environment with the base image of its build stage, with fixes that are made there."""
    fix = tuple(
        replace(change, path=f"build.{change.path}") if change.path.startswith(("base.", "apt")) else change
        for change in answer.fix
    )
    return replace(answer, fix=fix)


@check("BLD003", "wheels are compiled on a newer system than that of the image", judge=True)
def stage_is_not_newer(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Compile on the distribution of the image, or on an older one.

    What is compiled needs the C library that it was compiled with, or a later one. The proof of the image reads the symbol
    versions that each library needs (IMG008).

    Example: `build.base` on Ubuntu 24.04 (glibc 2.39), and an image on Ubuntu 22.04 (2.35).

    Sources: glibc's symbol versions; the manylinux policies (PEP 600).
    """
    if env.stage is None or uses_stubs(context):
        return
    stage, image = facts.base_image(env.stage.base.image), facts.base_image(env.base.image)
    rows = {env.stage.base.image: stage, env.base.image: image}
    missing = [name for name, row in rows.items() if row is None or row.glibc is None]
    if missing or stage is None or image is None or stage.glibc is None or image.glibc is None:
        message = f"the C library of {', '.join(missing)} is not in the facts"
        yield Unknown(message=message, about=env.stage.base.image)
    elif stage.glibc == image.glibc or (
        "musl" not in {stage.glibc, image.glibc} and Version(stage.glibc) <= Version(image.glibc)
    ):
        evidence = f"{stage.image} has glibc {stage.glibc}, {image.image} {image.glibc}: {stage.citation}"
        yield Ok(about=stage.image, evidence=evidence)
    else:
        names = ", ".join(compiled_versions(env))
        yield finding(
            env,
            env.service.location(f"{_BASE}.image"),
            f"{names} is compiled with the C library of {stage.image} ({stage.glibc}), and {image.image} has {image.glibc}",
            help=f"choose a build image of {image.os or 'the distribution of the image'}, or a newer base image",
            about=stage.image,
            evidence=f"{stage.citation}; {image.citation}",
            level="warning",
        )
