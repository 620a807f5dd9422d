"""BAS001, BAS002: whether the base image exists, gets fixes, and is pinned by its digest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.description.environments import base_path
from torchpin.facts.versions import major_minor
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment, Finding

_CUDA_TAG = re.compile(
    r"(?P<cuda>[\d.]+)-(?:(?P<cudnn>cudnn\d*)-)?(?P<kind>base|runtime|devel|\w+)(?:-(?P<os>\w[\w.]*))?"
)
# The last CUDA versions whose nvidia/cuda tags have the suffix -cudnn8- and -cudnn9-; later ones have -cudnn-.
_LAST_CUDNN8, _LAST_CUDNN9 = Version("12.2.2"), Version("12.3.2")
_PYTORCH_TAG = re.compile(r"\d+\.\d+\.\d+-cuda\d+\.\d+-cudnn\d-(?:devel|runtime)")
_RUNPOD_TAG = re.compile(
    r"\d+\.\d+\.\d+-py3\.\d+-cuda\d+\.\d+\.\d+(?:-cudnn)?-devel-ubuntu\d\d\.04|\d+\.\d+\.\d+-cu\d+-torch\d+-ubuntu\d{4}"
)


def image_location(env: Environment) -> str:
    """Where the description names the base image, as file:line:column."""
    return env.service.location(f"{base_path(env)}.image")


def unknown_base(env: Environment) -> Unknown:
    """The answer of a check for a base image that is not in the facts."""
    return Unknown(message=f"{env.base.image} is not in the facts", about=env.base.image)


@check("BAS001", "the base image does not exist, or gets no more fixes", judge=True)
def base_is_there(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a tag that exists and is supported, or waive this until the service moves.

    The tags of nvidia/cuda have a fixed form: the full X.Y.Z, then `-cudnn8-` up to 12.2.2, `-cudnn9-` for 12.3.2 only, and
    `-cudnn-` from 12.4.1 on. A tag is end of life when a later patch release exists or its driver branch ends; NVIDIA then
    publishes no fixes for it, and may delete it six months later.

    Example: 12.1.0-cudnn8-runtime-ubuntu22.04 is end of life, since 12.1.1 exists; 12.4.1-cudnn8-devel never existed.

    Sources: NVIDIA's container-images/cuda, lists of supported and unsupported tags and support policy; the tags on Docker
    Hub, as listed by replicate/cog.
    """
    if uses_stubs(context):
        return
    image, row = env.base.image, facts.base_image(env.base.image)
    violation, ended = _tag_violation(image), _end_of_life(row, context) if row else ""
    if row is None and not violation:
        yield unknown_base(env)
    elif row is None:
        yield _move_finding(env, f"{image} does not exist: {violation}", _tag_scheme_citation(image))
    elif row.on_hub is False:
        yield _move_finding(env, f"{image} is no longer on Docker Hub", row.citation)
    elif ended:
        message = f"{image} {ended} and gets no more fixes"
        yield _move_finding(env, message, row.citation, level="warning")
    else:
        yield Ok(
            about=image,
            evidence=f"{image} exists{' and is supported' if row.status else ''}: {row.citation}",
        )


def _move_finding(
    env: Environment, message: str, evidence: str, *, level: Literal["error", "warning"] = "error"
) -> Finding:
    help_text, fix = _nearest_fix(env)
    return finding(
        env,
        image_location(env),
        message,
        help=help_text,
        about=env.base.image,
        evidence=evidence,
        level=level,
        fix=fix,
    )


def _end_of_life(row: facts.BaseImage, context: CheckContext) -> str:
    """Since when or by whose list a base image is end of life; "" while it gets fixes."""
    if row.status == "end-of-life":
        return "is listed as end of life by NVIDIA"
    ends = min((date for date in (row.ends, row.os_ends) if date), default="")
    return f"reached its end of life on {ends}" if ends and ends < context.today.isoformat() else ""


def _tag_violation(image: str) -> str:
    """Why a tag does not have the form of its repository; "" where it does, or the form is not known."""
    name, _, tag = image.removeprefix("docker.io/").partition(":")
    if name == "pytorch/pytorch":
        return (
            ""
            if _PYTORCH_TAG.fullmatch(tag)
            else f"tags of {name} are <torch>-cuda<X.Y>-cudnn<major>-<runtime or devel>"
        )
    if name == "runpod/pytorch":
        return (
            ""
            if _RUNPOD_TAG.fullmatch(tag)
            else f"tags of {name} are <torch>-py<X.Y>-cuda<X.Y.Z>-devel-ubuntu<YY.04>"
        )
    return _cuda_tag_violation(tag) if name == "nvidia/cuda" else ""


def _cuda_tag_violation(tag: str) -> str:
    match = _CUDA_TAG.fullmatch(tag)
    if match is None or not match["os"]:
        return "tags of nvidia/cuda are <X.Y.Z>-<variant>-<system>, and there is no `latest`"
    if len(match["cuda"].split(".")) != 3:  # noqa: PLR2004 - X, Y and Z
        return f"its CUDA version {match['cuda']} is not a full X.Y.Z"
    cuda, suffix = Version(match["cuda"]), match["cudnn"]
    expected_suffix = "cudnn8" if cuda <= _LAST_CUDNN8 else "cudnn9" if cuda <= _LAST_CUDNN9 else "cudnn"
    if suffix and suffix != expected_suffix:
        return f"for CUDA {cuda} the suffix is -{expected_suffix}-, not -{suffix}-"
    return ""


def _tag_scheme_citation(image: str) -> str:
    name = image.removeprefix("docker.io/").partition(":")[0]
    note_ids = {
        "nvidia/cuda": "nvidia-naming",
        "pytorch/pytorch": "pytorch-scheme",
        "runpod/pytorch": "runpod-legacy",
    }
    return next((note.citation for note in facts.notes("base_images") if note.id == note_ids.get(name)), "")


def _nearest_fix(env: Environment) -> tuple[str, tuple[Change, ...]]:
    """The help and the fix: the nearest supported tag, with its digest where it is recorded."""
    best = _nearest_base(env.base.image)
    if best is None:
        return "", ()
    digest = (
        [Change(path=f"{base_path(env)}.digest", value=best.digest)] if best.digest or env.base.digest else []
    )
    keys = f"`image: {best.image}`" + (f" and `digest: {best.digest}`" if best.digest else "")
    changes = (Change(path=f"{base_path(env)}.image", value=best.image), *digest)
    return f"set {keys}, the nearest supported tag", changes


def _nearest_base(image: str) -> facts.BaseImage | None:
    """The supported nvidia/cuda tag of the same variant and system with the same or the next CUDA minor, in its latest patch."""
    match = _CUDA_TAG.fullmatch(image.partition(":")[2]) if "nvidia/cuda:" in image else None
    if match is None:
        return None
    minimum = Version(major_minor(match["cuda"]))
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


@check("BAS002", "the base image is not pinned by its digest", judge=True)
def base_has_a_digest(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Add the digest of the image; `docker buildx imagetools inspect IMAGE` prints it.

    The owner of a tag can move it to another image, and NVIDIA does rebuild tags in place. Only with a digest do two builds
    of the same description start from the same image.

    Example: `image: nvidia/cuda:12.4.1-devel-ubuntu22.04` without `digest: sha256:da679129…`.

    Sources: NVIDIA/nvidia-container-toolkit issue 152, where a rebuilt tag had different contents.
    """
    if uses_stubs(context):
        return
    image, row, digest = env.base.image, facts.base_image(env.base.image), env.base.digest
    recorded_digest = row.digest if row else None
    evidence = row.digest_citation if row else ""
    if digest is None:
        yield _missing_digest(env, recorded_digest, evidence if recorded_digest else "")
    elif recorded_digest in {digest, None}:
        provenance = (
            f"the recorded digest of the tag: {evidence}"
            if recorded_digest
            else "the tag of the digest is not in the facts"
        )
        yield Ok(about=image, evidence=f"{image} is pinned as {digest}; {provenance}")
    else:
        yield Unknown(
            message=f"{digest} is not the recorded digest of {image} ({recorded_digest}): the tag was rebuilt, or the digest is of another image",
            about=image,
        )


def _missing_digest(env: Environment, recorded_digest: str | None, evidence: str) -> Finding:
    image = env.base.image
    help_text = (
        f"add `digest: {recorded_digest}` below `image:`"
        if recorded_digest
        else f"add the digest that `docker buildx imagetools inspect {image}` prints, below `image:`"
    )
    return finding(
        env,
        image_location(env),
        f"{image} is not pinned by digest",
        help=help_text,
        about=image,
        evidence=evidence,
        level="warning",
        fix=(Change(path=f"{base_path(env)}.digest", value=recorded_digest),) if recorded_digest else (),
        fix_is_safe=bool(recorded_digest),
    )
