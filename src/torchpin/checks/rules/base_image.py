"""BAS001, BAS002: does the base image exist, and is it the one that is meant?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, location_of, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment, Finding

_CUDA_TAG = re.compile(
    r"(?P<cuda>[\d.]+)-(?:(?P<cudnn>cudnn\d*)-)?(?P<kind>base|runtime|devel|\w+)(?:-(?P<os>\w[\w.]*))?"
)
_CUDNN8, _CUDNN9 = Version("12.2.2"), Version("12.3.2")
_PYTORCH_TAG = re.compile(r"\d+\.\d+\.\d+-cuda\d+\.\d+-cudnn\d-(?:devel|runtime)")
_RUNPOD_TAG = re.compile(
    r"\d+\.\d+\.\d+-py3\.\d+-cuda\d+\.\d+\.\d+(?:-cudnn)?-devel-ubuntu\d\d\.04|\d+\.\d+\.\d+-cu\d+-torch\d+-ubuntu\d{4}"
)


def _key_path(env: Environment, key: str = "image") -> str:
    return f"variants.{env.variant.name}.base.{key}" if env.variant.base else f"base.{key}"


def image_location(env: Environment) -> str:
    return location_of(env.service, _key_path(env))


def source_text(row: facts.BaseImage) -> str:
    return f"{row.source} ({row.date})"


def unknown_base(env: Environment) -> Unknown:
    return Unknown(message=f"{env.base.image} is not in the facts", about=env.base.image)


# --- BAS001 ----------------------------------------------------------------------------------------------------------


@check("BAS001", "The base image exists and still gets fixes", judge=True)
def base_is_there(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a tag that exists and is supported, or waive this until the service moves.

    nvidia/cuda's tags have a grammar: the whole X.Y.Z, `-cudnn8-` up to 12.2.2, `-cudnn9-` for 12.3.2 only, plain
    `-cudnn-` from 12.4.1. A tag is at its end of life when a newer point release is there or its driver's branch ends;
    NVIDIA then gives it no fixes, and announces to delete it six months later.

    Example: 12.1.0-cudnn8-runtime-ubuntu22.04 is at its end of life, since 12.1.1 is there; 12.4.1-cudnn8-devel never was.

    Sources: NVIDIA's container-images/cuda, lists of supported and unsupported tags and support policy; Docker Hub's list
    as replicate/cog has it.
    """
    if uses_stubs(evidence):
        return
    image, row = env.base.image, facts.base_image(env.base.image)
    violation, ended = _tag_violation(image), _end_of_life(row, evidence) if row else ""
    if row is None and not violation:
        yield unknown_base(env)
    elif row is None:
        yield _move_finding(env, f"{image} cannot exist: {violation}", _tag_scheme_source(image))
    elif row.on_hub is False:
        yield _move_finding(env, f"{image} is no longer on Docker Hub", source_text(row))
    elif ended:
        message = f"{image} is past its end of life{ended}, and gets no fixes"
        yield _move_finding(env, message, source_text(row), level="warning")
    else:
        yield Ok(
            about=image,
            evidence=f"{image} is known{', and supported' if row.status else ''}: {source_text(row)}",
        )


def _move_finding(
    env: Environment, message: str, source: str, *, level: Literal["error", "warning"] = "error"
) -> Finding:
    help_text, fix = _nearest_fix(env)
    return finding(
        env,
        image_location(env),
        message,
        help=help_text,
        about=env.base.image,
        evidence=source,
        level=level,
        fix=fix,
    )


def _end_of_life(row: facts.BaseImage, evidence: CheckContext) -> str:
    """When a base had its last fixes, "" while it still gets some."""
    if row.status == "end-of-life":
        return " by NVIDIA's list"
    ends = min((date for date in (row.ends, row.os_ends) if date), default="")
    return f" since {ends}" if ends and ends < evidence.today.isoformat() else ""


def _tag_violation(image: str) -> str:
    """Why a tag breaks its repository's rules, "" where it does not or no rule is known."""
    name, _, tag = image.removeprefix("docker.io/").partition(":")
    if name == "pytorch/pytorch":
        return (
            ""
            if _PYTORCH_TAG.fullmatch(tag)
            else "its tags are <torch>-cuda<X.Y>-cudnn<major>-<runtime or devel>"
        )
    if name == "runpod/pytorch":
        return (
            ""
            if _RUNPOD_TAG.fullmatch(tag)
            else "its tags are <torch>-py<X.Y>-cuda<X.Y.Z>-devel-ubuntu<YY.04>"
        )
    return _cuda_tag_violation(tag) if name == "nvidia/cuda" else ""


def _cuda_tag_violation(tag: str) -> str:
    match = _CUDA_TAG.fullmatch(tag)
    if match is None or not match["os"]:
        return "its tags are <X.Y.Z>-<variant>-<system>, and there is no latest"
    if len(match["cuda"].split(".")) != 3:  # noqa: PLR2004 - X, Y and Z
        return f"{match['cuda']} is no full X.Y.Z"
    cuda, suffix = Version(match["cuda"]), match["cudnn"]
    expected_suffix = "cudnn8" if cuda <= _CUDNN8 else "cudnn9" if cuda <= _CUDNN9 else "cudnn"
    if suffix and suffix != expected_suffix:
        return f"for CUDA {cuda} the suffix is -{expected_suffix}-, not -{suffix}-"
    return ""


def _tag_scheme_source(image: str) -> str:
    name = image.removeprefix("docker.io/").partition(":")[0]
    fact_ids = {
        "nvidia/cuda": "nvidia-naming",
        "pytorch/pytorch": "pytorch-scheme",
        "runpod/pytorch": "runpod-legacy",
    }
    return next(
        (f"{fact.source} ({fact.date})" for fact in facts.facts("bases") if fact.id == fact_ids.get(name)), ""
    )


def _nearest_fix(env: Environment) -> tuple[str, tuple[Change, ...]]:
    """The remedy and repair: the nearest supported tag, with its digest where it is recorded."""
    best = _nearest_base(env.base.image)
    if best is None:
        return "", ()
    digest = (
        [Change(path=_key_path(env, "digest"), value=best.digest)] if best.digest or env.base.digest else []
    )
    lines = f"`image: {best.image}`" + (f" and `digest: {best.digest}`" if best.digest else "")
    changes = (Change(path=_key_path(env), value=best.image), *digest)
    return f"The nearest supported tag is this; write {lines}.", changes


def _nearest_base(image: str) -> facts.BaseImage | None:
    """Of the same CUDA minor, or the next one, and the same kind and system; the newest point release of it."""
    match = _CUDA_TAG.fullmatch(image.partition(":")[2]) if "nvidia/cuda:" in image else None
    if match is None:
        return None
    minimum = Version(".".join(match["cuda"].split(".")[:2]))
    rows = [
        row
        for row in facts.base_images()
        if row.status == "supported"
        and row.cuda
        and _kind(row.variant) == (bool(match["cudnn"]), match["kind"])
        if (not match["os"] or row.os == match["os"]) and Version(row.cuda) >= minimum
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
def base_has_a_digest(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write the image's digest beside it; `docker buildx imagetools inspect IMAGE` shows it.

    A tag is a name that its owner may give to other bytes, and NVIDIA does rebuild its tags in place. Only a digest makes
    two builds of the same description stand on the same image.

    Example: `image: nvidia/cuda:12.4.1-devel-ubuntu22.04` without `digest: sha256:da679129…`.

    Sources: NVIDIA/nvidia-container-toolkit issue 152, where a rebuilt tag had other contents.
    """
    if uses_stubs(evidence):
        return
    image, row, digest = env.base.image, facts.base_image(env.base.image), env.base.digest
    recorded_digest = row.digest if row else None
    source = f"{row.digest_source or row.source} ({row.date})" if row else ""
    if digest is None:
        help_text = (
            f"Write `digest: {recorded_digest}` below the image."
            if recorded_digest
            else f"Write the digest below the image; `docker buildx imagetools inspect {image}` shows it."
        )
        fix = (Change(path=_key_path(env, "digest"), value=recorded_digest),) if recorded_digest else ()
        yield finding(
            env,
            image_location(env),
            f"{image} is not pinned by digest",
            help=help_text,
            about=image,
            evidence=source if recorded_digest else "",
            level="warning",
            fix=fix,
            fix_is_safe=bool(recorded_digest),
        )
    elif recorded_digest in {digest, None}:
        provenance = (
            f"recorded as that of {image}: {source}"
            if recorded_digest
            else "which tag it is of, no fact tells"
        )
        yield Ok(about=image, evidence=f"pinned as {digest}; {provenance}")
    else:
        yield Unknown(
            message=f"{digest} is not the recorded digest of {image} ({recorded_digest}): a rebuilt tag, or another image",
            about=image,
        )
