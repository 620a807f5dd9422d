"""The small base image of the lab: pulled, or built from packages of this machine's distribution, once a day."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.errors import ToolError, TorchpinError
from torchpin.lab import docker_engine
from torchpin.lab.leftovers import note_build_cache
from torchpin.progress import step
from torchpin.tools import buildx, docker, files, process
from torchpin.tools.cache import cache_folder, partial_file
from torchpin.tools.scratch import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.model import Service, Settings, StatusCallback

# What the engine mounts in each step of a build; without them it would make and remove them, and leave the time on /etc.
# Packages are unpacked, not configured: it takes a fifth of the time and is enough for Python, a shell and torch.
_PACKAGES = "python3,dash,coreutils,findutils,base-files,passwd,libstdc++6"
_MOUNTED_FILES = ("hostname", "hosts", "resolv.conf")


@contextmanager
def base_image(
    service: Service, settings: Settings, prefix: str, scratch: Path, show_status: StatusCallback
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
            with step(show_status, "lab: making the base image", is_part=True):
                _make_base(client, service, settings, tag, show_status)
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


def _make_base(
    client: Any, service: Service, settings: Settings, tag: str, show_status: StatusCallback
) -> None:
    """Pull the base image, or build it from this machine's distribution if Docker Hub cannot be reached."""
    if docker_engine.pull(client, f"python:{service.python.major}.{service.python.minor}-slim-bookworm", tag):
        return
    show_status("lab: Docker Hub cannot be reached; building a base image from this machine's distribution")
    docker_engine.import_tree(client, _base_archive(settings), tag)


def _base_archive(settings: Settings) -> Path:
    """A tar of a minimal Debian or Ubuntu with Python, in the user's cache: of today, so that it has the latest fixes.

    Raises ToolError as `_write_archive`.
    """
    suite, today = _distribution_suite(), datetime.now(timezone.utc).date()
    packages = hashlib.sha256(_PACKAGES.encode()).hexdigest()[:8]
    folder = cache_folder(settings) / "lab"
    archive = folder / f"{suite}-{platform.machine()}-{packages}-{today}.tar"
    with partial_file(archive, archive.exists) as part:
        if part is not None:
            written = archive.with_name(f"{archive.name}.part")
            with temporary_folder("base") as scratch:
                _write_archive(written, scratch / "tree", suite)
            for earlier in folder.glob("*.tar"):
                earlier.unlink(missing_ok=True)
            written.replace(archive)
    return archive


def _write_archive(archive: Path, tree: Path, suite: str) -> None:
    """Write the base image's files, made by mmdebstrap or debootstrap in a folder of their own.

    Raises ToolError when neither is installed, or when this is not root on Debian or Ubuntu.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not suite:
        raise ToolError("no base image can be pulled, and only root on Debian or Ubuntu can build one")
    environ = {
        **os.environ,
        "TMPDIR": str(tree.parent),
    }  # so that what they leave when they are killed is found
    if process.which("mmdebstrap"):
        command = ("mmdebstrap", "--variant=extract", f"--include={_PACKAGES}", suite, str(tree))
        process.run(command, env=environ, timeout=process.LONG)
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
