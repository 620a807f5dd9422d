"""What only the lab does with a Docker engine: base images from a tree, its cache, its clean-up."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from torchpin.tools import files
from torchpin.tools import process as tools_process
from torchpin.tools.docker import engine, remove

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import docker


def pull(client: docker.DockerClient, image: str, tag: str) -> bool:
    """An image from its registry under another tag; False when the registry does not answer or has none."""
    from docker.errors import DockerException

    name, _, label = image.rpartition(":")
    try:
        client.images.pull(name, tag=label).tag(*tag.rsplit(":", 1))
    except DockerException:
        return False
    remove(client, [image])
    return True


def load_tree(client: docker.DockerClient, archive: Path, tag: str) -> None:
    """An image of one layer from a tar of a file tree."""
    name, _, label = tag.rpartition(":")
    client.api.import_image_from_file(str(archive), repository=name, tag=label)


def said(client: docker.DockerClient, image: str, *command: str) -> str:
    """What a command inside an image prints, without network."""
    output: bytes = client.containers.run(image, list(command), remove=True, network_mode="none")
    return output.decode().strip()


def tagged(client: docker.DockerClient, prefix: str) -> list[str]:
    return [tag for image in client.images.list() for tag in image.tags if tag.startswith(prefix)]


def cache(client: docker.DockerClient) -> frozenset[str]:
    """The ids of the engine's build cache."""
    return frozenset(row["ID"] for row in client.api.df().get("BuildCache") or [])


def prune(client: docker.DockerClient, before: frozenset[str], dockerfiles: Sequence[str]) -> None:
    """Removes the build cache that came since and that steps of these Dockerfiles (texts) left.

    The engine's list names no builds, only instructions: what another build did meanwhile is told by its own and stays.
    """
    from docker.errors import APIError

    own = {_words(step) for text in dockerfiles for step in re.split(r"\n(?=[A-Z]+ )", text)}
    local = (
        "local source for",
        "from local",
        "cached mount /var/cache/uv",
        "cached mount /var/lib/apt/lists",
        "cached mount /var/cache/apt",
    )

    def ours(row: Mapping[str, Any]) -> bool:
        said = row["Description"]
        return said.startswith(local) or any(_words(said)[:120] in step for step in own)

    def left() -> frozenset[str]:
        rows = client.api.df().get("BuildCache") or []
        return frozenset(row["ID"] for row in rows if row["ID"] not in before and ours(row))

    here = left()
    while here:
        for one in here:
            wanted: Any = {
                "id": [one]
            }  # the stubs do not know this filter; the engine takes one id at a time
            with suppress(APIError):
                client.api.prune_builds(filters=wanted, all=True)
        still = left()  # a parent goes only after its children
        if still == here:
            return  # another build uses what is left
        here = still


def _words(instruction: str) -> str:
    """An instruction as the engine's list tells it: without mounts, one space between words."""
    plain = re.sub(r"^mount / from exec /bin/sh -c |^RUN |^\[[^]]*\] |--mount=\S+|\\\n", " ", instruction)
    return " ".join(plain.split())


EXTENDS = "COPY . "


def extend(base: str, tag: str, tree: Path) -> None:
    """An image that is another one with a file tree in its Python's own site-packages."""
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    with engine() as client:
        target = said(client, base, "python3", "-c", script)
    file = tree.parent / f"{tree.name}.dockerfile"
    files.write_files({file: f"FROM {base}\n{EXTENDS}{target}/\n"})
    words = ("docker", "buildx", "build", "--load", "--provenance", "false")
    tools_process.run((*words, "--file", str(file), "--tag", tag, str(tree)))
