"""BAS003-005: whether CUDA, Python and torch of the base image match the description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.rules.base_image import image_location, unknown_base
from torchpin.compat.base_torch import torch_images
from torchpin.compat.pins import cudnn_version
from torchpin.description.environments import cuda_version, has_other_channel, torch_build, torch_text
from torchpin.facts.versions import major_minor
from torchpin.model import Change
from torchpin.quantities import format_megabytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment

_MAX_PATCHES = 10  # of one minor of CUDA; NVIDIA has never published more
_WITHOUT_CUDA = "choose a base image without CUDA if nothing is compiled in the image"


@check("BAS003", "the base image's CUDA is not that of the wheels, or is installed twice", judge=True)
def cuda_is_there_once(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a base image with the same CUDA as the wheels, or one without CUDA if nothing is compiled in the image.

    Torch's wheels depend on packages of the CUDA runtime, cuBLAS, cuDNN and NCCL, and never load those of the base image. A
    CUDA toolkit in the base image serves only extensions that are compiled there, and only with torch's CUDA: with another
    major the compilation fails, with another minor it warns. Everything else in it is stored and pulled twice.

    Example: nvidia/cuda:12.1.1-cudnn8-devel has cuDNN 8.9, torch 2.5.1+cu121 depends on 9.1.0.70.

    Sources: METADATA of torch's wheels (exact nvidia-* pins); torch/utils/cpp_extension.py; edutelligence issue 682, where
    CUDA was installed three times.
    """
    build, row = torch_build(env), facts.base_image(env.base.image)
    if uses_stubs(context) or build == "cpu" or env.service.torch.origin == "base" or has_other_channel(env):
        return
    cuda = cuda_version(env)
    if row is None or cuda is None:
        yield (
            unknown_base(env)
            if row is None
            else Unknown(
                message=f"the CUDA of torch {env.service.torch.version} from {env.variant.channel} is not in the facts",
                about=env.base.image,
            )
        )
    elif row.cuda is None and row.brings_torch and "rocm" not in (row.torch or ""):
        yield Unknown(message=f"the CUDA of {row.image} is not in the facts", about=row.image)
    elif row.cuda is None:
        yield Ok(about=row.image, evidence=f"{row.image} has no CUDA: {row.citation}")
    elif row.variant == "base" and major_minor(row.cuda) == cuda:
        yield Ok(
            about=row.image,
            evidence=f"{row.image} has the minimal variant of CUDA {row.cuda}: {row.citation}",
        )
    else:
        yield _duplicate_finding(context, env, row, cuda)


def _duplicate_finding(context: CheckContext, env: Environment, row: facts.BaseImage, cuda: str) -> Answer:
    wheel_cudnn = cudnn_version(env)
    differences = [
        *(
            [f"CUDA {row.cuda} in the image, {cuda} in the wheels"]
            if major_minor(row.cuda or "") != cuda
            else []
        ),
        *(
            [f"cuDNN {row.cudnn} in the image, {wheel_cudnn} in the wheels"]
            if row.cudnn and wheel_cudnn and not _is_same_version(row.cudnn, wheel_cudnn)
            else []
        ),
    ]
    lock = current_lock(context, env)
    size = (
        sum(package.size or 0 for name, package in lock.packages.items() if name.startswith("nvidia-"))
        if lock
        else 0
    )
    size_note = f" ({format_megabytes(size)} of packages)" if size else ""
    contents = "the CUDA toolkit" if "devel" in row.variant else "the CUDA runtime"
    versions = f"; the versions differ: {'; '.join(differences)}" if differences else ""
    has_other_major = row.cuda and row.cuda.partition(".")[0] != cuda.partition(".")[0]
    return finding(
        env,
        image_location(env),
        f"{row.image} has {contents}, and torch's wheels install CUDA again{size_note}{versions}"
        + ("; extensions do not compile with another CUDA major version" if has_other_major else ""),
        help=_base_help(cuda, row) if differences else _WITHOUT_CUDA,
        about=row.image,
        evidence=f"{row.citation}; {torch_text(env)}",
        level="warning" if has_other_major else "notice",
    )


def _is_same_version(base: str, wheel: str) -> bool:
    """Whether two cuDNN versions agree in the parts that the base image's has: `9` and `9.1.0.70` do."""
    parts = base.split(".")
    return wheel.split(".")[: len(parts)] == parts


def _base_help(cuda: str, row: facts.BaseImage) -> str:
    """The help: the smallest base image with the wheels' CUDA, that is without cuDNN, and a toolkit only if `row` has one."""
    kind = "devel" if "devel" in row.variant else "base"
    names = (f"nvidia/cuda:{cuda}.{patch}-{kind}-{row.os}" for patch in range(_MAX_PATCHES))
    bases = (facts.base_image(name) for name in names)
    candidates = [base for base in bases if base and base.status == "supported"]
    if not candidates:
        return f"{_WITHOUT_CUDA}; no nvidia/cuda image with the CUDA of the wheels is in the facts"
    best = max(candidates, key=lambda base: Version(base.cuda or "0"))
    digest = f" and `digest: {best.digest}`" if best.digest else ""
    return f"set `image: {best.image}`{digest}, or {_WITHOUT_CUDA}"


@check("BAS004", "the base image's Python does not match the description", judge=True)
def base_has_the_python(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Describe the Python that the base image has, or choose a base image that has the described one.

    Where torch comes from the base image, the Python of the base image runs it. Elsewhere the pinned uv installs exactly
    the described Python, whatever the base image has.

    Example: pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel has Python 3.11, so `python: "3.10"` does not match it.

    Sources: the Dockerfiles of these images.
    """
    if uses_stubs(context):
        return
    row, python = facts.base_image(env.base.image), str(env.service.python)
    if env.service.torch.origin == "index":
        unused = f"; that of the base image, {row.python}, is not used" if row and row.python else ""
        yield Ok(about="python", evidence=f"uv installs Python {python}, whose hash it contains{unused}")
    elif row is None or row.python is None:
        yield Unknown(message=f"the Python of {env.base.image} is not in the facts", about="python")
    elif _versions_agree(row.python, python):
        yield Ok(about="python", evidence=f"{row.image} has Python {row.python}: {row.citation}")
    else:
        yield finding(
            env,
            env.service.location("python"),
            f"Python {python} does not match {row.image}, which has Python {row.python}",
            help=f'set `python: "{row.python}"`, or choose another base image',
            about="python",
            evidence=row.citation,
            fix=(Change(path="python", value=row.python),),
        )


def _versions_agree(base_version: str, described_version: str) -> bool:
    """Whether two versions are equal in the parts that both have."""
    pairs = zip(base_version.split("."), described_version.split("."), strict=False)
    return all(left == right for left, right in pairs)


@check("BAS005", "the base image's torch does not match the description", judge=True)
def base_has_the_torch(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Describe the torch that the base image has, or choose a base image that has the described one.

    With `from: base` torch is not installed: the torch of the base image runs. Where torch is installed from an index, a
    torch in the base image is gigabytes that nothing uses.

    Example: runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04 has torch 2.1.0+cu118.

    Sources: the build files of these images (pytorch/pytorch, runpod/containers).
    """
    if uses_stubs(context):
        return
    row, torch = facts.base_image(env.base.image), env.service.torch
    described = f"{torch.version}+{env.variant.channel}"
    if torch.origin == "index":
        if row is None:
            message = f"whether {env.base.image} has a torch of its own is not in the facts"
            yield Unknown(message=message, about=env.base.image)
        elif row.brings_torch:
            message = f"{row.image} has {f'torch {row.torch}' if row.torch else 'a torch'}, and torch {torch.version} is installed on top of it"
            help_text = "set `from: base` under `torch:`, or choose a base image without torch"
            yield finding(
                env,
                image_location(env),
                message,
                help=help_text,
                about=row.image,
                evidence=row.citation,
                level="warning",
            )
    elif row is None or row.torch is None:
        yield Unknown(message=f"the torch of {env.base.image} is not in the facts", about="torch")
    elif row.torch in {described, str(torch.version)} and row.torch_channel in {None, env.variant.channel}:
        yield Ok(about="torch", evidence=f"{row.image} has torch {row.torch}: {row.citation}")
    elif row.own_build and major_minor(row.torch) == major_minor(str(torch.version)):
        message = f"{row.image} has torch {row.torch}, its publisher's own build, which is on no channel"
        yield Unknown(message=message, about="torch")
    else:
        yield _torch_finding(env, row, described)


def _torch_finding(env: Environment, row: facts.BaseImage, described: str) -> Answer:
    version, channel = (row.torch or "").partition("+")[0], row.torch_channel or env.variant.channel
    if row.own_build:
        message = f"torch {described} does not match {row.image}, which has torch {row.torch}"
        help_text = "choose another base image, or set `from: index` under `torch:`"
        return finding(
            env,
            env.service.location("torch.version"),
            message,
            help=help_text,
            about="torch",
            evidence=row.citation,
        )
    changes = (
        *([Change(path="torch.version", value=version)] if version != str(env.service.torch.version) else []),
        *(
            [Change(path=f"variants.{env.variant.name}.channel", value=channel)]
            if channel != env.variant.channel
            else []
        ),
    )
    other = next((image.image for image in torch_images(env) if image.torch == described), "")
    otherwise = f"choose {other}, which has torch {described}" if other else "choose another base image"
    return finding(
        env,
        env.service.location("torch.version"),
        f"torch {described} does not match {row.image}, which has torch {version}+{channel}",
        help=f'set `version: "{version}"` under `torch:` and `channel: {channel}`, or {otherwise}',
        about="torch",
        evidence=row.citation,
        fix=changes,
    )
