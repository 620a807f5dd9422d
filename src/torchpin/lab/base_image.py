"""The small base image of the lab: pulled, or built from packages of this machine's distribution."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.errors import ToolError, TorchpinError
from torchpin.lab import docker_engine
from torchpin.lab.leftovers import note_build_cache
from torchpin.tools import buildx, docker, files, process
from torchpin.tools.scratch import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.model import Service, StatusCallback

# What the engine mounts in each step of a build; without them it would make and remove them, and leave the time on /etc.
_MOUNTED_FILES = ("hostname", "hosts", "resolv.conf")


@contextmanager
def base_image(
    service: Service, prefix: str, scratch: Path, show_status: StatusCallback
) -> Iterator[tuple[str, str]]:
    """The tag of a small base image with Python, and ""; without Docker or an image "", and the reason.

    At the end every image below `prefix` is removed, and the build cache of the Dockerfiles in the folder `scratch`.
    What another lab needs to do so, should this one be killed, is noted beside it.
    """
    try:
        with docker.engine() as client:
            buildx.expect_buildx()
            cached = docker_engine.build_cache_ids(client)
            note_build_cache(scratch.parent, cached)
            tag = f"{prefix}/base:1"
            _make_base(client, service, tag, show_status)
    except TorchpinError as error:
        yield "", str(error).splitlines()[0]
        return
    try:
        yield tag, ""
    finally:
        rendered = (scratch / paths.DOCKER).glob("*/Dockerfile")
        dockerfiles = [text for path in rendered if (text := files.read_text(path))]
        with docker.engine() as client:
            docker.remove_tags(client, docker_engine.list_tags(client, f"{prefix}/"))
            docker_engine.prune_build_cache(client, cached, [*dockerfiles, docker_engine.EXTEND_INSTRUCTION])


def _make_base(client: Any, service: Service, tag: str, show_status: StatusCallback) -> None:
    """Pull the base image, or build it from this machine's distribution if Docker Hub cannot be reached."""
    if docker_engine.pull(client, f"python:{service.python.major}.{service.python.minor}-slim-bookworm", tag):
        return
    show_status("lab: Docker Hub cannot be reached; building a base image from this machine's distribution")
    with temporary_folder("base") as folder:
        archive = _bootstrap_archive(folder)
        docker_engine.import_tree(client, archive, tag)


def _bootstrap_archive(folder: Path) -> Path:
    """A tar of a minimal Debian or Ubuntu with Python, made by mmdebstrap or debootstrap.

    Raises ToolError when neither is installed, or when this is not root on Debian or Ubuntu.
    """
    suite = _distribution_suite()
    tree, archive = folder / "tree", folder / "base.tar"
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not suite:
        raise ToolError("no base image can be pulled, and only root on Debian or Ubuntu can build one")
    environ = {**os.environ, "TMPDIR": str(folder)}  # so that what they leave when they are killed is found
    if process.which("mmdebstrap"):
        # Packages are unpacked, not configured: it takes a fifth of the time and is enough for Python, a shell and torch.
        packages = "--include=python3,dash,coreutils,findutils,base-files,passwd,libstdc++6"
        process.run(
            ("mmdebstrap", "--variant=extract", packages, suite, str(tree)), env=environ, timeout=process.LONG
        )
        files.write_files(
            {
                tree / "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
                tree / "etc/group": "root:x:0:\n",
                **{tree / "etc" / name: "" for name in _MOUNTED_FILES},
            }
        )
        if not (tree / "bin/sh").exists():  # configuring dash would create it
            (tree / "bin/sh").symlink_to("dash")
    elif process.which("debootstrap"):
        process.run(
            ("debootstrap", "--variant=minbase", "--include=python3", suite, str(tree)),
            env=environ,
            timeout=process.LONG,
        )
    else:
        raise ToolError("no base image can be pulled; to build one install mmdebstrap (or debootstrap)")
    process.run(
        ("tar", "--create", "--file", str(archive), "--directory", str(tree), "."), timeout=process.LONG
    )
    return archive


def _distribution_suite() -> str:
    """The code name of this machine's Debian or Ubuntu release, "" on other systems."""
    text = files.read_text(Path("/etc/os-release")) or ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip('"') if sys.platform == "linux" else ""


def python_version(base: str) -> str:
    """The version of the Python in an image."""
    script = "import platform; print(platform.python_version())"
    with docker.engine() as client:
        return docker_engine.run_in_image(client, base, "python3", "-c", script)
