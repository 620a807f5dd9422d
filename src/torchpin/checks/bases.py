"""BAS: does the base image exist, is it the one that is meant, and does it carry what is described?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from torchpin import facts, pinned, plan
from torchpin.checks import Evidence, Ok, Unknown, at, check, finding, lock_of
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks import Answer
    from torchpin.model import Environment, Finding

_CUDA = re.compile(
    r"(?P<cuda>[\d.]+)-(?:(?P<cudnn>cudnn\d*)-)?(?P<kind>base|runtime|devel|\w+)(?:-(?P<os>\w[\w.]*))?"
)
_CUDNN8, _CUDNN9 = Version("12.2.2"), Version("12.3.2")
_PYTORCH = re.compile(r"\d+\.\d+\.\d+-cuda\d+\.\d+-cudnn\d-(?:devel|runtime)")
_RUNPOD = re.compile(
    r"\d+\.\d+\.\d+-py3\.\d+-cuda\d+\.\d+\.\d+(?:-cudnn)?-devel-ubuntu\d\d\.04|\d+\.\d+\.\d+-cu\d+-torch\d+-ubuntu\d{4}"
)


def _path(env: Environment, key: str = "image") -> str:
    return f"variants.{env.variant.name}.base.{key}" if env.variant.base else f"base.{key}"


def _where(env: Environment) -> str:
    return at(env.service, _path(env))


def _said(row: facts.Base) -> str:
    return f"{row.source} ({row.date})"


def _unknown(env: Environment) -> Unknown:
    return Unknown(message=f"{env.base.image} is not in the facts", about=env.base.image)


# --- BAS001 ----------------------------------------------------------------------------------------------------------


@check("BAS001", "The base image exists and still gets fixes", judge=True)
def base_is_there(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Choose a tag that exists and is supported, or waive this until the service moves.

    nvidia/cuda's tags have a grammar: the whole X.Y.Z, `-cudnn8-` up to 12.2.2, `-cudnn9-` for 12.3.2 only, plain
    `-cudnn-` from 12.4.1. A tag is at its end of life when a newer point release is there or its driver's branch ends;
    NVIDIA then gives it no fixes, and announces to delete it six months later.

    Example: 12.1.0-cudnn8-runtime-ubuntu22.04 is at its end of life, since 12.1.1 is there; 12.4.1-cudnn8-devel never was.

    Sources: NVIDIA's container-images/cuda, lists of supported and unsupported tags and support policy; Docker Hub's list
    as replicate/cog has it.
    """
    image, row = env.base.image, facts.base(env.base.image)
    wrong, ended = _cannot_exist(image), _ended(row, evidence) if row else ""
    if row is None and not wrong:
        yield _unknown(env)
    elif row is None:
        yield _moved(env, f"{image} cannot exist: {wrong}", _scheme(image))
    elif row.on_hub is False:
        yield _moved(env, f"{image} is no longer on Docker Hub", _said(row))
    elif ended:
        message = f"{image} is past its end of life{ended}, and gets no fixes"
        yield _moved(env, message, _said(row), level="warning")
    else:
        yield Ok(
            about=image,
            evidence=f"{image} is known{', and supported' if row.status else ''}: {_said(row)}",
        )


def _moved(
    env: Environment, message: str, source: str, *, level: Literal["error", "warning"] = "error"
) -> Finding:
    remedy, repair = _move(env)
    return finding(
        env,
        _where(env),
        message,
        remedy=remedy,
        about=env.base.image,
        evidence=source,
        level=level,
        repair=repair,
    )


def _ended(row: facts.Base, evidence: Evidence) -> str:
    """When a base had its last fixes, "" while it still gets some."""
    if row.status == "end-of-life":
        return " by NVIDIA's list"
    ends = min((one for one in (row.ends, row.os_ends) if one), default="")
    return f" since {ends}" if ends and ends < evidence.today.isoformat() else ""


def _cannot_exist(image: str) -> str:
    """Why a tag breaks its repository's rules, "" where it does not or no rule is known."""
    name, _, tag = image.removeprefix("docker.io/").partition(":")
    if name == "pytorch/pytorch":
        return (
            ""
            if _PYTORCH.fullmatch(tag)
            else "its tags are <torch>-cuda<X.Y>-cudnn<major>-<runtime or devel>"
        )
    if name == "runpod/pytorch":
        return (
            "" if _RUNPOD.fullmatch(tag) else "its tags are <torch>-py<X.Y>-cuda<X.Y.Z>-devel-ubuntu<YY.04>"
        )
    return _cuda_tag(tag) if name == "nvidia/cuda" else ""


def _cuda_tag(tag: str) -> str:
    found = _CUDA.fullmatch(tag)
    if found is None or not found["os"]:
        return "its tags are <X.Y.Z>-<variant>-<system>, and there is no latest"
    if len(found["cuda"].split(".")) != 3:  # noqa: PLR2004 - X, Y and Z
        return f"{found['cuda']} is no full X.Y.Z"
    cuda, suffix = Version(found["cuda"]), found["cudnn"]
    right = "cudnn8" if cuda <= _CUDNN8 else "cudnn9" if cuda <= _CUDNN9 else "cudnn"
    if suffix and suffix != right:
        return f"for CUDA {cuda} the suffix is -{right}-, not -{suffix}-"
    return ""


def _scheme(image: str) -> str:
    name = image.removeprefix("docker.io/").partition(":")[0]
    wanted = {
        "nvidia/cuda": "nvidia-naming",
        "pytorch/pytorch": "pytorch-scheme",
        "runpod/pytorch": "runpod-legacy",
    }
    return next(
        (f"{one.source} ({one.date})" for one in facts.facts("bases") if one.id == wanted.get(name)), ""
    )


def _move(env: Environment) -> tuple[str, tuple[Change, ...]]:
    """The remedy and repair: the nearest supported tag, with its digest where it is recorded."""
    best = _nearest(env.base.image)
    if best is None:
        return "", ()
    digest = [Change(path=_path(env, "digest"), value=best.digest)] if best.digest or env.base.digest else []
    write = f"`image: {best.image}`" + (f" and `digest: {best.digest}`" if best.digest else "")
    changes = (Change(path=_path(env), value=best.image), *digest)
    return f"The nearest supported tag is this; write {write}.", changes


def _nearest(image: str) -> facts.Base | None:
    """Of the same CUDA minor, or the next one, and the same kind and system; the newest point release of it."""
    found = _CUDA.fullmatch(image.partition(":")[2]) if "nvidia/cuda:" in image else None
    if found is None:
        return None
    wanted = Version(".".join(found["cuda"].split(".")[:2]))
    rows = [
        row
        for row in facts.bases()
        if row.status == "supported"
        and row.cuda
        and _kind(row.variant) == (bool(found["cudnn"]), found["kind"])
        if (not found["os"] or row.os == found["os"]) and Version(row.cuda) >= wanted
    ]
    return min(
        rows,
        key=lambda row: (
            Version(row.cuda or "0").release[:2],
            -Version(row.cuda or "0").micro,
            row.os != "ubuntu22.04",
        ),
        default=None,
    )


def _kind(variant: str) -> tuple[bool, str]:
    return "cudnn" in variant, variant.rpartition("-")[2]


# --- BAS002 ----------------------------------------------------------------------------------------------------------


@check("BAS002", "The base image is pinned by its digest", judge=True)
def base_has_a_digest(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Write the image's digest beside it; `docker buildx imagetools inspect IMAGE` shows it.

    A tag is a name that its owner may give to other bytes, and NVIDIA does rebuild its tags in place. Only a digest makes
    two builds of the same description stand on the same image.

    Example: `image: nvidia/cuda:12.4.1-devel-ubuntu22.04` without `digest: sha256:da679129…`.

    Sources: NVIDIA/nvidia-container-toolkit issue 152, where a rebuilt tag had other contents.
    """
    del evidence
    image, row, own = env.base.image, facts.base(env.base.image), env.base.digest
    known = row.digest if row else None
    source = f"{row.digest_source or row.source} ({row.date})" if row else ""
    if own is None:
        write = (
            f"Write `digest: {known}` below the image."
            if known
            else f"Write the digest below the image; `docker buildx imagetools inspect {image}` shows it."
        )
        repair = (Change(path=_path(env, "digest"), value=known),) if known else ()
        yield finding(
            env,
            _where(env),
            f"{image} is not pinned by digest",
            remedy=write,
            about=image,
            evidence=source if known else "",
            level="warning",
            repair=repair,
            safe=bool(known),
        )
    elif known in {own, None}:
        told = f"recorded as that of {image}: {source}" if known else "which tag it is of, no fact tells"
        yield Ok(about=image, evidence=f"pinned as {own}; {told}")
    else:
        yield Unknown(
            message=f"{own} is not the recorded digest of {image} ({known}): a rebuilt tag, or another image",
            about=image,
        )


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
    build, row = plan.torch_build(env), facts.base(env.base.image)
    if build == "cpu" or env.service.torch.origin == "base":
        return
    cuda = plan.cuda(env)
    if row is None or cuda is None:
        yield (
            _unknown(env)
            if row is None
            else Unknown(
                message=f"the CUDA of torch {env.service.torch.version} from {env.variant.channel} is not in the facts",
                about=env.base.image,
            )
        )
    elif row.cuda is None:
        yield Ok(about=row.image, evidence=f"{row.image} brings no CUDA: {_said(row)}")
    elif row.variant == "base" and _minor(row.cuda) == cuda:
        yield Ok(
            about=row.image, evidence=f"{row.image} brings of CUDA {row.cuda} only the least: {_said(row)}"
        )
    else:
        yield _twice(evidence, env, row, cuda)


def _minor(cuda: str) -> str:
    return ".".join(cuda.split(".")[:2])


def _twice(evidence: Evidence, env: Environment, row: facts.Base, cuda: str) -> Answer:
    own = pinned.cudnn(env)
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
        _where(env),
        f"{row.image} carries {what}, and torch's wheels bring theirs again{weight}{disagree}"
        + ("; an extension does not compile with another major" if major else ""),
        remedy=_other_base(cuda, row) if differ else "",
        about=row.image,
        evidence=f"{_said(row)}; torch {env.service.torch.version}+{plan.torch_build(env)}",
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
    del evidence
    row, python = facts.base(env.base.image), str(env.service.python)
    if env.service.torch.origin == "index":
        own = f"brings Python {row.python}" if row and row.python else "brings no Python that is used"
        yield Ok(about="python", evidence=f"uv installs Python {python} by its own hash; the base {own}")
    elif row is None or row.python is None:
        yield Unknown(message=f"the Python of {env.base.image} is not in the facts", about="python")
    elif _agree(row.python, python):
        yield Ok(about="python", evidence=f"{row.image} has Python {row.python}: {_said(row)}")
    else:
        yield finding(
            env,
            at(env.service, "python"),
            f"Python {python} is described, and {row.image} has {row.python}",
            remedy=f'Write `python: "{row.python}"`, or choose another base.',
            about="python",
            evidence=_said(row),
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
    del evidence
    row, torch = facts.base(env.base.image), env.service.torch
    described = f"{torch.version}+{env.variant.channel}"
    if torch.origin == "index":
        if row and row.torch:
            message = f"{row.image} brings torch {row.torch}, and another is installed beside it"
            remedy = "Write `from: base` below `torch:`, or choose a base without torch."
            yield finding(
                env,
                _where(env),
                message,
                remedy=remedy,
                about=row.image,
                evidence=_said(row),
                level="warning",
            )
    elif row is None or row.torch is None:
        yield Unknown(message=f"the torch of {env.base.image} is not in the facts", about="torch")
    elif row.torch in {described, str(torch.version)} and _channel_of(row) in {None, env.variant.channel}:
        yield Ok(about="torch", evidence=f"{row.image} has torch {row.torch}: {_said(row)}")
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
        evidence=_said(row),
        repair=changes,
    )
