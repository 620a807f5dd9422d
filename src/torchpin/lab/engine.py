"""What only the lab does with a Docker engine: base images from a tree, its cache, its clean-up."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from torchpin.tools import files
from torchpin.tools import process as tools_process
from torchpin.tools.docker import engine, remove_tags

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
    remove_tags(client, [image])
    return True


def import_tree(client: docker.DockerClient, archive: Path, tag: str) -> None:
    """An image of one layer from a tar of a file tree."""
    name, _, label = tag.rpartition(":")
    client.api.import_image_from_file(str(archive), repository=name, tag=label)


def run_in_image(client: docker.DockerClient, image: str, *command: str) -> str:
    """What a command inside an image prints, without network."""
    output: bytes = client.containers.run(image, list(command), remove=True, network_mode="none")
    return output.decode().strip()


def list_tags(client: docker.DockerClient, prefix: str) -> list[str]:
    return [tag for image in client.images.list() for tag in image.tags if tag.startswith(prefix)]


def build_cache_ids(client: docker.DockerClient) -> frozenset[str]:
    """The ids of the engine's build cache."""
    return frozenset(row["ID"] for row in client.api.df().get("BuildCache") or [])


def prune_build_cache(
    client: docker.DockerClient, before: frozenset[str], dockerfiles: Sequence[str]
) -> None:
    """Removes the build cache that came since and that steps of these Dockerfiles (texts) left.

    The engine's list names no builds, only instructions: what another build did meanwhile is told by its own and stays.
    """
    from docker.errors import APIError

    step_texts = {
        _normalize_instruction(step) for text in dockerfiles for step in re.split(r"\n(?=[A-Z]+ )", text)
    }
    local = (
        "local source for",
        "from local",
        "cached mount /var/cache/uv",
        "cached mount /var/lib/apt/lists",
        "cached mount /var/cache/apt",
    )

    def is_from_steps(row: Mapping[str, Any]) -> bool:
        description = row["Description"]
        return description.startswith(local) or any(
            _normalize_instruction(description)[:120] in step for step in step_texts
        )

    def new_entries() -> frozenset[str]:
        rows = client.api.df().get("BuildCache") or []
        return frozenset(row["ID"] for row in rows if row["ID"] not in before and is_from_steps(row))

    remaining = new_entries()
    while remaining:
        for cache_id in remaining:
            filters: Any = {
                "id": [cache_id]
            }  # the stubs do not know this filter; the engine takes one id at a time
            with suppress(APIError):
                client.api.prune_builds(filters=filters, all=True)
        still = new_entries()  # a parent goes only after its children
        if still == remaining:
            return  # another build uses what is left
        remaining = still


def _normalize_instruction(instruction: str) -> str:
    """An instruction as the engine's list tells it: without mounts, one space between words."""
    plain = re.sub(r"^mount / from exec /bin/sh -c |^RUN |^\[[^]]*\] |--mount=\S+|\\\n", " ", instruction)
    return " ".join(plain.split())


EXTEND_INSTRUCTION = "COPY . "


def extend_image(base: str, tag: str, tree: Path) -> None:
    """An image that is another one with a file tree in its Python's own site-packages."""
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    with engine() as client:
        target = run_in_image(client, base, "python3", "-c", script)
    file = tree.parent / f"{tree.name}.dockerfile"
    files.write_files({file: f"FROM {base}\n{EXTEND_INSTRUCTION}{target}/\n"})
    command = ("docker", "buildx", "build", "--load", "--provenance", "false")
    tools_process.run((*command, "--file", str(file), "--tag", tag, str(tree)))
