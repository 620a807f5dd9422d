"""BAS001, BAS002: does the base image exist, and is it the one that is meant?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import Evidence, at, stands_in
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
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


def place(env: Environment) -> str:
    return at(env.service, _path(env))


def said(row: facts.Base) -> str:
    return f"{row.source} ({row.date})"


def unknown(env: Environment) -> Unknown:
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
    if stands_in(evidence):
        return
    image, row = env.base.image, facts.base(env.base.image)
    wrong, ended = _cannot_exist(image), _ended(row, evidence) if row else ""
    if row is None and not wrong:
        yield unknown(env)
    elif row is None:
        yield _moved(env, f"{image} cannot exist: {wrong}", _scheme(image))
    elif row.on_hub is False:
        yield _moved(env, f"{image} is no longer on Docker Hub", said(row))
    elif ended:
        message = f"{image} is past its end of life{ended}, and gets no fixes"
        yield _moved(env, message, said(row), level="warning")
    else:
        yield Ok(
            about=image,
            evidence=f"{image} is known{', and supported' if row.status else ''}: {said(row)}",
        )


def _moved(
    env: Environment, message: str, source: str, *, level: Literal["error", "warning"] = "error"
) -> Finding:
    remedy, repair = _move(env)
    return finding(
        env,
        place(env),
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
    if stands_in(evidence):
        return
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
            place(env),
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
