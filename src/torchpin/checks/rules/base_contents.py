"""BAS003-005: does the base image carry what is described, and nothing of it twice?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import Evidence, at, lock_of, stands_in
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.rules.base_image import place, said, unknown
from torchpin.compat import pins
from torchpin.description import environments
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment


# --- BAS003 ----------------------------------------------------------------------------------------------------------


@check("BAS003", "The base's CUDA is the wheels', and there only once", judge=True)
def cuda_is_there_once(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Choose a base of the wheels' CUDA, or one without CUDA if nothing is compiled in the image; or waive it with the reason.

    Torch's wheels bring the CUDA runtime, cuBLAS, cuDNN and NCCL as packages and never load the base's. A toolkit in the
    base is of use to what is compiled there, if it is of torch's own CUDA: another major stops the build of an extension,
    another minor only warns. Everything else of it is carried and pulled twice.

    Example: nvidia/cuda:12.1.1-cudnn8-devel brings cuDNN 8.9, torch 2.5.1+cu121 its own 9.1.0.70.

    Sources: METADATA of torch's wheels (exact nvidia-* pins); torch/utils/cpp_extension.py; edutelligence issue 682, where
    CUDA was there three times.
    """
    build, row = environments.torch_build(env), facts.base(env.base.image)
    if stands_in(evidence) or build == "cpu" or env.service.torch.origin == "base":
        return
    cuda = environments.cuda(env)
    if row is None or cuda is None:
        yield (
            unknown(env)
            if row is None
            else Unknown(
                message=f"the CUDA of torch {env.service.torch.version} from {env.variant.channel} is not in the facts",
                about=env.base.image,
            )
        )
    elif row.cuda is None:
        yield Ok(about=row.image, evidence=f"{row.image} brings no CUDA: {said(row)}")
    elif row.variant == "base" and _minor(row.cuda) == cuda:
        yield Ok(
            about=row.image, evidence=f"{row.image} brings of CUDA {row.cuda} only the least: {said(row)}"
        )
    else:
        yield _twice(evidence, env, row, cuda)


def _minor(cuda: str) -> str:
    return ".".join(cuda.split(".")[:2])


def _twice(evidence: Evidence, env: Environment, row: facts.Base, cuda: str) -> Answer:
    own = pins.cudnn(env)
    differ = [
        *([f"CUDA {row.cuda} and {cuda}"] if _minor(row.cuda or "") != cuda else []),
        *([f"cuDNN {row.cudnn} and {own}"] if row.cudnn and own and not _same(row.cudnn, own) else []),
    ]
    lock = lock_of(evidence, env)
    size = (
        sum(one.size or 0 for name, one in lock.packages.items() if name.startswith("nvidia-")) if lock else 0
    )
    weight = f" ({size / 1e6:,.0f} MB of packages)" if size else ""
    what = "a toolkit" if "devel" in row.variant else "a CUDA runtime"
    disagree = f"; they disagree: {', '.join(differ)}" if differ else ""
    major = row.cuda and row.cuda.partition(".")[0] != cuda.partition(".")[0]
    return finding(
        env,
        place(env),
        f"{row.image} carries {what}, and torch's wheels bring theirs again{weight}{disagree}"
        + ("; an extension does not compile with another major" if major else ""),
        remedy=_other_base(cuda, row) if differ else "",
        about=row.image,
        evidence=f"{said(row)}; torch {env.service.torch.version}+{environments.torch_build(env)}",
        level="warning",
    )


def _same(base: str, wheel: str) -> bool:
    """`8.9.0.131` and `9.1.0.70` differ; a bare major is the same as any of it."""
    parts = base.split(".")
    return wheel.split(".")[: len(parts)] == parts


def _other_base(cuda: str, row: facts.Base) -> str:
    """The least that a base of the wheels' CUDA can be: without cuDNN, and with a toolkit only where there was one."""
    kind = "devel" if "devel" in row.variant else "base"
    rows = [
        one
        for one in facts.bases()
        if one.image.startswith("nvidia/cuda:") and one.status == "supported" and one.os == row.os
        if _minor(one.cuda or "") == cuda and one.variant == kind
    ]
    if not rows:
        return (
            "Choose a base without CUDA if nothing is compiled in the image; no base of this CUDA is known."
        )
    best = max(rows, key=lambda one: Version(one.cuda or "0"))
    digest = f" and `digest: {best.digest}`" if best.digest else ""
    return f"Write `image: {best.image}`{digest}; or choose a base without CUDA if nothing is compiled in the image."


# --- BAS004, BAS005 --------------------------------------------------------------------------------------------------


@check("BAS004", "The base's Python is the described one", judge=True)
def base_has_the_python(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Describe the Python that the base image has, or choose a base that has the described one.

    Where the base brings torch, its Python runs it, so no other can be meant. Elsewhere the pinned uv installs exactly the
    described Python, whatever the base has.

    Example: pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel has Python 3.11; `python: "3.10"` is not what runs there.

    Sources: the Dockerfiles that these images were made from.
    """
    if stands_in(evidence):
        return
    row, python = facts.base(env.base.image), str(env.service.python)
    if env.service.torch.origin == "index":
        own = f"brings Python {row.python}" if row and row.python else "brings no Python that is used"
        yield Ok(about="python", evidence=f"uv installs Python {python} by its own hash; the base {own}")
    elif row is None or row.python is None:
        yield Unknown(message=f"the Python of {env.base.image} is not in the facts", about="python")
    elif _agree(row.python, python):
        yield Ok(about="python", evidence=f"{row.image} has Python {row.python}: {said(row)}")
    else:
        yield finding(
            env,
            at(env.service, "python"),
            f"Python {python} is described, and {row.image} has {row.python}",
            remedy=f'Write `python: "{row.python}"`, or choose another base.',
            about="python",
            evidence=said(row),
            repair=(Change(path="python", value=row.python),),
        )


def _agree(one: str, other: str) -> bool:
    """At the precision that both give."""
    pairs = zip(one.split("."), other.split("."), strict=False)
    return all(left == right for left, right in pairs)


@check("BAS005", "The base's torch is the described one", judge=True)
def base_has_the_torch(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Describe the torch that the base image has, or choose a base that has the described one.

    With `from: base` torch is never installed: what the image brings is what runs, in the build that it was made with.
    A base that brings torch beside one from an index carries gigabytes that nothing uses.

    Example: runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04 has torch 2.1.0+cu118.

    Sources: the build files of these images (pytorch/pytorch, runpod/containers).
    """
    if stands_in(evidence):
        return
    row, torch = facts.base(env.base.image), env.service.torch
    described = f"{torch.version}+{env.variant.channel}"
    if torch.origin == "index":
        if row and row.torch:
            message = f"{row.image} brings torch {row.torch}, and another is installed beside it"
            remedy = "Write `from: base` below `torch:`, or choose a base without torch."
            yield finding(
                env,
                place(env),
                message,
                remedy=remedy,
                about=row.image,
                evidence=said(row),
                level="warning",
            )
    elif row is None or row.torch is None:
        yield Unknown(message=f"the torch of {env.base.image} is not in the facts", about="torch")
    elif row.torch in {described, str(torch.version)} and _channel_of(row) in {None, env.variant.channel}:
        yield Ok(about="torch", evidence=f"{row.image} has torch {row.torch}: {said(row)}")
    else:
        yield _other_torch(env, row, described)


def _channel_of(row: facts.Base) -> str | None:
    """The channel whose CUDA an image is named for, where its torch does not say it."""
    local = (row.torch or "").partition("+")[2]
    return local or (f"cu{_minor(row.cuda).replace('.', '')}" if row.cuda else None)


def _other_torch(env: Environment, row: facts.Base, described: str) -> Answer:
    version, channel = (row.torch or "").partition("+")[0], _channel_of(row) or env.variant.channel
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
        at(env.service, "torch.version"),
        f"torch {described} is described, and {row.image} has {version}+{channel}",
        remedy=f'Write `version: "{version}"` below `torch:` and `channel: {channel}`, or choose another base.',
        about="torch",
        evidence=said(row),
        repair=changes,
    )
