"""The proof of an image, read out of its Dockerfile: an image that is assembled is verified as one that is built."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin.assembly import tar

if TYPE_CHECKING:
    from collections.abc import Mapping

PROOF_DOCUMENT = "/tmp/proof.json"  # noqa: S108 - in the image
REPORT_STEP = "the report of the proof"
_REPORT = "opt/torchpin/proof.json"  # in an image
_STAGE = re.compile(r"^FROM \S+ AS proof\n(?P<body>.*?)(?=^FROM )", re.MULTILINE | re.DOTALL)
_MOUNT = re.compile(r"--mount=(?P<options>\S+)\s+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What verifies an image: a script of its shell, and its user, "" for that of the base image.

    `files` are files of the build context by their path in the container, `scratch` folders that are empty.
    """

    script: str
    user: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    scratch: tuple[str, ...] = ()


def read_proof(dockerfile: str) -> Proof:
    """The proof of a rendered Dockerfile. Raises ValueError where its stage `proof` is not as torchpin's template has it."""
    stage = _STAGE.search(dockerfile)
    text = re.sub(r"^#.*\n", "", stage["body"], flags=re.MULTILINE).replace("\\\n", " ") if stage else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    users = [line.removeprefix("USER ") for line in lines if line.startswith("USER ")]
    runs = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ")]
    if len(runs) != 1 or len(users) + len(runs) != len(lines):
        message = "its stage `proof` must be one RUN, as the user of the container"
        raise ValueError(message)
    mounts = [
        dict(option.partition("=")[::2] for option in match["options"].split(","))
        for match in _MOUNT.finditer(runs[0])
    ]
    unknown = [mount for mount in mounts if mount.get("type") not in {"bind", "tmpfs"} or "from" in mount]
    if unknown:
        message = f"its stage `proof` mounts {unknown[0]}, which a container cannot have"
        raise ValueError(message)
    return Proof(
        script=_MOUNT.sub("", runs[0]).strip(),
        user=users[-1] if users else "",
        files={mount["target"]: mount["source"] for mount in mounts if mount["type"] == "bind"},
        scratch=tuple(mount["target"] for mount in mounts if mount["type"] == "tmpfs"),
    )


def report_tar(report: bytes, *, epoch: int) -> bytes:
    """The layer that has the report of a proof, as a tar archive."""
    folders = (
        tar.header(path, size=0, mode=0o755, time=epoch, folder=True) for path in ("opt", "opt/torchpin")
    )
    file = tar.header(_REPORT, size=len(report), mode=0o644, time=epoch)
    return b"".join((*folders, file, report, tar.padding(len(report)), tar.END))
