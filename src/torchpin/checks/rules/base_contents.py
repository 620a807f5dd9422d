"""BAS003-005: does the base image carry what is described, and nothing of it twice?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock, location_of, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.rules.base_image import image_location, source_text, unknown_base
from torchpin.compat.pins import cudnn_version
from torchpin.description.environments import cuda_version, torch_build
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment


# --- BAS003 ----------------------------------------------------------------------------------------------------------


@check("BAS003", "The base's CUDA is the wheels', and there only once", judge=True)
def cuda_is_there_once(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a base of the wheels' CUDA, or one without CUDA if nothing is compiled in the image; or waive it with the reason.

    Torch's wheels bring the CUDA runtime, cuBLAS, cuDNN and NCCL as packages and never load the base's. A toolkit in the
    base is of use to what is compiled there, if it is of torch's own CUDA: another major stops the build of an extension,
    another minor only warns. Everything else of it is carried and pulled twice.

    Example: nvidia/cuda:12.1.1-cudnn8-devel brings cuDNN 8.9, torch 2.5.1+cu121 its own 9.1.0.70.

    Sources: METADATA of torch's wheels (exact nvidia-* pins); torch/utils/cpp_extension.py; edutelligence issue 682, where
    CUDA was there three times.
    """
    build, row = torch_build(env), facts.base_image(env.base.image)
    if uses_stubs(evidence) or build == "cpu" or env.service.torch.origin == "base":
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
    elif row.cuda is None:
        yield Ok(about=row.image, evidence=f"{row.image} brings no CUDA: {source_text(row)}")
    elif row.variant == "base" and _minor_version(row.cuda) == cuda:
        yield Ok(
            about=row.image,
            evidence=f"{row.image} brings of CUDA {row.cuda} only the least: {source_text(row)}",
        )
    else:
        yield _duplicate_finding(evidence, env, row, cuda)


def _minor_version(cuda: str) -> str:
    return ".".join(cuda.split(".")[:2])


def _duplicate_finding(evidence: CheckContext, env: Environment, row: facts.BaseImage, cuda: str) -> Answer:
    wheel_cudnn = cudnn_version(env)
    differences = [
        *([f"CUDA {row.cuda} and {cuda}"] if _minor_version(row.cuda or "") != cuda else []),
        *(
            [f"cuDNN {row.cudnn} and {wheel_cudnn}"]
            if row.cudnn and wheel_cudnn and not _is_same_version(row.cudnn, wheel_cudnn)
            else []
        ),
    ]
    lock = current_lock(evidence, env)
    size = (
        sum(package.size or 0 for name, package in lock.packages.items() if name.startswith("nvidia-"))
        if lock
        else 0
    )
    size_note = f" ({size / 1e6:,.0f} MB of packages)" if size else ""
    what = "a toolkit" if "devel" in row.variant else "a CUDA runtime"
    disagree = f"; they disagree: {', '.join(differences)}" if differences else ""
    major = row.cuda and row.cuda.partition(".")[0] != cuda.partition(".")[0]
    return finding(
        env,
        image_location(env),
        f"{row.image} carries {what}, and torch's wheels bring theirs again{size_note}{disagree}"
        + ("; an extension does not compile with another major" if major else ""),
        help=_base_help(cuda, row) if differences else "",
        about=row.image,
        evidence=f"{source_text(row)}; torch {env.service.torch.version}+{torch_build(env)}",
        level="warning",
    )


def _is_same_version(base: str, wheel: str) -> bool:
    """`8.9.0.131` and `9.1.0.70` differ; a bare major is the same as any of it."""
    parts = base.split(".")
    return wheel.split(".")[: len(parts)] == parts


def _base_help(cuda: str, row: facts.BaseImage) -> str:
    """The least that a base of the wheels' CUDA can be: without cuDNN, and with a toolkit only where there was one."""
    kind = "devel" if "devel" in row.variant else "base"
    candidates = [
        base
        for base in facts.base_images()
        if base.image.startswith("nvidia/cuda:") and base.status == "supported" and base.os == row.os
        if _minor_version(base.cuda or "") == cuda and base.variant == kind
    ]
    if not candidates:
        return (
            "Choose a base without CUDA if nothing is compiled in the image; no base of this CUDA is known."
        )
    best = max(candidates, key=lambda base: Version(base.cuda or "0"))
    digest = f" and `digest: {best.digest}`" if best.digest else ""
    return f"Write `image: {best.image}`{digest}; or choose a base without CUDA if nothing is compiled in the image."


# --- BAS004, BAS005 --------------------------------------------------------------------------------------------------


@check("BAS004", "The base's Python is the described one", judge=True)
def base_has_the_python(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Describe the Python that the base image has, or choose a base that has the described one.

    Where the base brings torch, its Python runs it, so no other can be meant. Elsewhere the pinned uv installs exactly the
    described Python, whatever the base has.

    Example: pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel has Python 3.11; `python: "3.10"` is not what runs there.

    Sources: the Dockerfiles that these images were made from.
    """
    if uses_stubs(evidence):
        return
    row, python = facts.base_image(env.base.image), str(env.service.python)
    if env.service.torch.origin == "index":
        base_python = f"brings Python {row.python}" if row and row.python else "brings no Python that is used"
        yield Ok(
            about="python", evidence=f"uv installs Python {python} by its own hash; the base {base_python}"
        )
    elif row is None or row.python is None:
        yield Unknown(message=f"the Python of {env.base.image} is not in the facts", about="python")
    elif _versions_agree(row.python, python):
        yield Ok(about="python", evidence=f"{row.image} has Python {row.python}: {source_text(row)}")
    else:
        yield finding(
            env,
            location_of(env.service, "python"),
            f"Python {python} is described, and {row.image} has {row.python}",
            help=f'Write `python: "{row.python}"`, or choose another base.',
            about="python",
            evidence=source_text(row),
            fix=(Change(path="python", value=row.python),),
        )


def _versions_agree(base_version: str, described_version: str) -> bool:
    """At the precision that both give."""
    pairs = zip(base_version.split("."), described_version.split("."), strict=False)
    return all(left == right for left, right in pairs)


@check("BAS005", "The base's torch is the described one", judge=True)
def base_has_the_torch(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Describe the torch that the base image has, or choose a base that has the described one.

    With `from: base` torch is never installed: what the image brings is what runs, in the build that it was made with.
    A base that brings torch beside one from an index carries gigabytes that nothing uses.

    Example: runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04 has torch 2.1.0+cu118.

    Sources: the build files of these images (pytorch/pytorch, runpod/containers).
    """
    if uses_stubs(evidence):
        return
    row, torch = facts.base_image(env.base.image), env.service.torch
    described = f"{torch.version}+{env.variant.channel}"
    if torch.origin == "index":
        if row and row.torch:
            message = f"{row.image} brings torch {row.torch}, and another is installed beside it"
            help_text = "Write `from: base` below `torch:`, or choose a base without torch."
            yield finding(
                env,
                image_location(env),
                message,
                help=help_text,
                about=row.image,
                evidence=source_text(row),
                level="warning",
            )
    elif row is None or row.torch is None:
        yield Unknown(message=f"the torch of {env.base.image} is not in the facts", about="torch")
    elif row.torch in {described, str(torch.version)} and _image_channel(row) in {None, env.variant.channel}:
        yield Ok(about="torch", evidence=f"{row.image} has torch {row.torch}: {source_text(row)}")
    else:
        yield _torch_finding(env, row, described)


def _image_channel(row: facts.BaseImage) -> str | None:
    """The channel whose CUDA an image is named for, where its torch does not say it."""
    local = (row.torch or "").partition("+")[2]
    return local or (f"cu{_minor_version(row.cuda).replace('.', '')}" if row.cuda else None)


def _torch_finding(env: Environment, row: facts.BaseImage, described: str) -> Answer:
    version, channel = (row.torch or "").partition("+")[0], _image_channel(row) or env.variant.channel
    changes = (
        *([Change(path="torch.version", value=version)] if version != str(env.service.torch.version) else []),
        *(
            [Change(path=f"variants.{env.variant.name}.channel", value=channel)]
            if channel != env.variant.channel
            else []
        ),
    )
    return finding(
        env,
        location_of(env.service, "torch.version"),
        f"torch {described} is described, and {row.image} has {version}+{channel}",
        help=f'Write `version: "{version}"` below `torch:` and `channel: {channel}`, or choose another base.',
        about="torch",
        evidence=source_text(row),
        fix=changes,
    )
