"""BAS006: whether the base image can run the steps of a build, and has the apt-get that installs system packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.context import CheckContext, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.rules.base_image import image_location
from torchpin.description.environments import base_path
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment

WITH_APT = ("ubuntu", "debian")  # distributions, as the facts name them
_UBUNTUS = ("ubuntu22.04", "ubuntu24.04", "ubuntu20.04")  # in the order of preference


@check("BAS006", "the base image has no apt-get or no shell", judge=True)
def base_runs_the_build(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a base image of Debian or Ubuntu, or remove `apt` if the image has what the service needs.

    Every step of a build is run by /bin/sh of the base image, which distroless images do not have. The packages under
    `apt` are installed by apt-get: Red Hat's images, Rocky Linux, Fedora and Amazon Linux have dnf or yum, Alpine has apk, and
    the names of their packages differ. The distribution is read in the name of the image.

    Example: `apt: [ffmpeg]` on nvidia/cuda:12.8.1-devel-ubi8: the build stops with "apt-get: not found".

    Sources: the images' own documentation; GoogleContainerTools/distroless.
    """
    if uses_stubs(context):
        return
    image, row = env.base.image, facts.base_image(env.base.image)
    if row is not None and not row.has_shell:
        message = f"{image} has no shell, and every step of a build is run by /bin/sh"
        help_text = "choose a base image with a shell, such as debian:bookworm-slim or ubuntu:24.04"
        yield finding(env, image_location(env), message, help=help_text, about=image, evidence=row.citation)
    elif not env.service.apt:
        return
    elif row is None or row.os is None:
        message = f"whether {image} has apt-get is not in the facts: its distribution is not known"
        yield Unknown(message=message, about=image)
    elif row.os.startswith(WITH_APT):
        yield Ok(about=image, evidence=f"{image} is of {row.os}, which has apt-get: {row.citation}")
    else:
        yield _no_apt(env, row.os, row.citation)


def _no_apt(env: Environment, system: str, citation: str) -> Answer:
    image, packages = env.base.image, ", ".join(env.service.apt)
    other = on_ubuntu(image, system)
    digest = f" and `digest: {other.digest}`" if other and other.digest else ""
    choice = (
        f"set `image: {other.image}`{digest}, the same on Ubuntu"
        if other
        else "choose a base image of Debian or Ubuntu"
    )
    changes = []
    if other:
        changes.append(Change(path=f"{base_path(env)}.image", value=other.image))
        if other.digest or env.base.digest:
            changes.append(Change(path=f"{base_path(env)}.digest", value=other.digest))
    return finding(
        env,
        env.service.location("apt"),
        f"{image} is of {system}, which has no apt-get, so {packages} cannot be installed",
        help=f"{choice}, or remove `apt:` if the image has what the service needs",
        about=image,
        evidence=citation,
        fix=changes,
    )


def on_ubuntu(image: str, system: str) -> facts.BaseImage | None:
    """The image of nvidia/cuda with the same tag on an Ubuntu that gets fixes; None where there is none."""
    name = facts.parse_image_name(image)
    if name.repository != "nvidia/cuda" or not name.tag.endswith(f"-{system}"):
        return None
    tags = (f"{name.tag.removesuffix(system)}{ubuntu}" for ubuntu in _UBUNTUS)
    rows = (facts.base_image(name.with_tag(tag)) for tag in tags)
    return next((row for row in rows if row and row.listed and not row.withdrawn), None)
