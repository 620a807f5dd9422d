"""BAS001, BAS002: whether the base image exists, gets fixes, and is pinned by its digest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.description.environments import base_path, cuda_version
from torchpin.facts.versions import major_minor
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment, Finding

_CUDA_TAG = re.compile(
    r"(?P<cuda>\d+(?:\.\d+)*)-(?:(?P<cudnn>cudnn\d*)-)?(?P<kind>base|runtime|devel|\w+)(?:-(?P<os>\w[\w.]*))?"
)
_TORCH_TAG = re.compile(r"(?P<torch>\d[\d.]*)-cuda(?P<cuda>\d+\.\d+)-cudnn\d+-(?P<kind>runtime|devel)")


def image_location(env: Environment) -> str:
    """Where the description names the base image, as file:line:column."""
    return env.service.location(f"{base_path(env)}.image")


def unknown_base(env: Environment) -> Unknown:
    """The answer of a check for a base image whose name says nothing that is in the facts."""
    image = env.base.image
    description = facts.image_description(image)
    explanation = f": {description}" if description else ""
    return Unknown(message=f"{image} is not in the facts{explanation}", about=image)


@check("BAS001", "the base image does not exist, or gets no more fixes", judge=True)
def base_is_there(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a tag that exists and is supported, or waive this until the service moves.

    The name is read by the grammar of its repository, on Docker Hub and on mirrors alike. The tags of nvidia/cuda have the
    full X.Y.Z, then `-cudnn8-` up to 12.2.2, `-cudnn9-` for 12.3.2 only, and `-cudnn-` from 12.4.1 on; each is looked up in
    NVIDIA's list of all of them. A tag is end of life when a later patch release exists or its driver branch ends; NVIDIA then
    publishes no fixes for it, and may delete it six months later.

    Example: 12.1.0-cudnn8-runtime-ubuntu22.04 is end of life, since 12.1.1 exists; 12.4.1-cudnn8-devel never existed.

    Sources: NVIDIA's container-images/cuda, lists of supported and unsupported tags and support policy; the tags on Docker
    Hub, as listed by replicate/cog.
    """
    if uses_stubs(context):
        return
    image, row = env.base.image, facts.base_image(env.base.image)
    violation, citation = facts.tag_violation(image)
    if violation:
        yield _move_finding(context, env, f"{image} does not exist: {violation}", citation)
    elif row is None:
        yield unknown_base(env)
    elif row.withdrawn:
        yield _move_finding(context, env, f"{image} is no longer on Docker Hub", row.citation)
    elif row.platforms and env.variant.platform not in row.platforms:
        message = f"{image} is published for {', '.join(row.platforms)}, not for {env.variant.platform}"
        yield _move_finding(context, env, message, row.citation)
    elif ended := _end_of_life(row, context):
        message = f"{image} {ended} and gets no more fixes"
        yield _move_finding(context, env, message, row.citation, level="warning")
    elif not row.listed:
        yield Unknown(message=f"whether {image} exists is not in the facts: {row.citation}", about=image)
    else:
        yield Ok(
            about=image,
            evidence=f"{image} exists{' and is supported' if row.status else ''}: {row.citation}",
        )


def _move_finding(
    context: CheckContext,
    env: Environment,
    message: str,
    evidence: str,
    *,
    level: Literal["error", "warning"] = "error",
) -> Finding:
    help_text, fix = _nearest_fix(context, env)
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


def _nearest_fix(context: CheckContext, env: Environment) -> tuple[str, tuple[Change, ...]]:
    """The help and the fix: the nearest image that exists and gets fixes, with its digest where it is recorded."""
    name = facts.parse_image_name(env.base.image)
    best = _nearest_base(context, env, name)
    if best is None:
        return _example_help(context, env, name), ()
    image = name.with_tag(best.tag)
    row = facts.base_image(image)
    recorded_digest = row.digest if row else None
    digest = (
        [Change(path=f"{base_path(env)}.digest", value=recorded_digest)]
        if recorded_digest or env.base.digest
        else []
    )
    keys = f"`image: {image}`" + (f" and `digest: {recorded_digest}`" if recorded_digest else "")
    changes = (Change(path=f"{base_path(env)}.image", value=image), *digest)
    return f"set {keys}, the nearest supported tag", changes


def _example_help(context: CheckContext, env: Environment, name: facts.ImageName) -> str:
    """The help for a tag of nvidia/cuda that names no CUDA: a supported one with the CUDA of the channel; "" for none."""
    cuda = cuda_version(env)
    if name.repository != "nvidia/cuda" or cuda is None:
        return ""
    best = _nearest_cuda(_candidates(context, env, name), f"{cuda}-base-ubuntu22.04")
    if best is None or major_minor(best.cuda or "") != major_minor(cuda):
        return ""
    return f"choose a tag that exists, such as {name.with_tag(best.tag)}, for {env.variant.channel}"


def _nearest_base(context: CheckContext, env: Environment, name: facts.ImageName) -> facts.BaseImage | None:
    """The image that is nearest to a name of nvidia/cuda or pytorch/pytorch, for the platform of the environment."""
    candidates = _candidates(context, env, name)
    if name.repository == "nvidia/cuda":
        return _nearest_cuda(candidates, name.tag)
    return _nearest_torch(candidates, name.tag) if name.repository == "pytorch/pytorch" else None


def _candidates(context: CheckContext, env: Environment, name: facts.ImageName) -> list[facts.BaseImage]:
    """The images of a repository that exist and get fixes, for the platform of the environment."""
    return [
        row
        for row in facts.base_images(f"{name.repository}:")
        if row.listed and not row.withdrawn
        if not _end_of_life(row, context) and (not row.platforms or env.variant.platform in row.platforms)
    ]


def _nearest_cuda(candidates: list[facts.BaseImage], tag: str) -> facts.BaseImage | None:
    """The image of the same variant and, if it can be, system, with the same or the next CUDA minor, in its latest patch."""
    match = _CUDA_TAG.fullmatch(tag)
    if match is None:
        return None
    minimum = Version(major_minor(match["cuda"]))
    rows = [
        row
        for row in candidates
        if row.status == "supported" and row.cuda and Version(row.cuda) >= minimum
        if _kind(row.variant) == (bool(match["cudnn"]), match["kind"])
    ]
    on_system = [row for row in rows if row.os == match["os"]]
    return min(
        on_system or [row for row in rows if (row.os or "").startswith("ubuntu")],
        key=lambda row: (
            Version(row.cuda or "0").release[:2],
            -Version(row.cuda or "0").micro,
            row.os != "ubuntu22.04",
        ),
        default=None,
    )


def _nearest_torch(candidates: list[facts.BaseImage], tag: str) -> facts.BaseImage | None:
    """The image of the same torch and variant, with the CUDA that is nearest from above."""
    match = _TORCH_TAG.fullmatch(tag)
    if match is None:
        return None
    rows = [
        row
        for row in candidates
        if (row.torch or "").partition("+")[0] == match["torch"] and row.variant == match["kind"]
    ]
    cuda = Version(match["cuda"])
    return min(
        rows,
        key=lambda row: (
            Version(row.cuda or "0") < cuda,
            abs(_minor_number(row.cuda) - _minor_number(match["cuda"])),
        ),
        default=None,
    )


def _minor_number(cuda: str | None) -> int:
    major, minor = (*Version(cuda or "0").release, 0)[:2]
    return major * 100 + minor


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
