"""Docker engine operations of the lab alone: base images from a file tree, and removal of its build cache."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from torchpin.tools import files, process
from torchpin.tools.docker import api_error, engine, engine_errors, remove_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torchpin.tools.docker import Client

EXTEND_INSTRUCTION = "COPY . "
# How BuildKit describes cache entries that belong to no instruction: the build context and the cache mounts.
_UNNAMED_ENTRIES = (
    "local source for",
    "from local",
    "cached mount /var/cache/uv",
    "cached mount /var/lib/apt/lists",
    "cached mount /var/cache/apt",
)


def pull(client: Client, image: str, tag: str) -> bool:
    """Pull an image and give it another tag; False when the registry cannot be reached or does not have it."""
    name, _, label = image.rpartition(":")
    try:
        client.images.pull(name, tag=label).tag(*tag.rsplit(":", 1))
    except engine_errors():
        return False
    remove_tags(client, [image])
    return True


def import_tree(client: Client, archive: Path, tag: str) -> None:
    """Create an image of one layer from a tar of a file tree."""
    name, _, label = tag.rpartition(":")
    client.api.import_image_from_file(str(archive), repository=name, tag=label)


def run_in_image(client: Client, image: str, *command: str) -> str:
    """The output of a command in an image, run without network."""
    output: bytes = client.containers.run(image, list(command), remove=True, network_mode="none")
    return output.decode().strip()


def list_tags(client: Client, prefix: str) -> list[str]:
    return [tag for image in client.images.list() for tag in image.tags if tag.startswith(prefix)]


def build_cache_ids(client: Client) -> frozenset[str]:
    """The ids of all entries of the engine's build cache."""
    return frozenset(row["ID"] for row in client.api.df().get("BuildCache") or [])


def prune_build_cache(client: Client, before: frozenset[str], dockerfiles: Sequence[str]) -> None:
    """Remove the build cache entries that are not in `before` and come from instructions of these Dockerfiles (texts).

    The engine lists an instruction for each entry, but no build: entries of other builds are kept by that.
    """
    step_texts = {
        _normalize_instruction(step) for text in dockerfiles for step in re.split(r"\n(?=[A-Z]+ )", text)
    }

    def is_from_steps(row: Mapping[str, Any]) -> bool:
        description = row["Description"]
        return description.startswith(_UNNAMED_ENTRIES) or any(
            _normalize_instruction(description)[:120] in step for step in step_texts
        )

    def new_entries() -> frozenset[str]:
        rows = client.api.df().get("BuildCache") or []
        return frozenset(row["ID"] for row in rows if row["ID"] not in before and is_from_steps(row))

    remaining = new_entries()
    while remaining:
        for cache_id in remaining:
            # the engine takes one id at a time; types-docker lacks this filter
            filters: Any = {"id": [cache_id]}
            with suppress(api_error()):
                client.api.prune_builds(filters=filters, all=True)
        still = new_entries()  # again, since an entry can be removed only after those that build on it
        if still == remaining:
            return  # another build uses them
        remaining = still


def _normalize_instruction(instruction: str) -> str:
    """An instruction as the engine lists it: without mounts, one space between words."""
    plain = re.sub(r"^mount / from exec /bin/sh -c |^RUN |^\[[^]]*\] |--mount=\S+|\\\n", " ", instruction)
    return " ".join(plain.split())


def extend_image(base: str, tag: str, tree: Path) -> None:
    """Build an image from another one with a file tree copied into the site-packages of its Python."""
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    with engine() as client:
        target = run_in_image(client, base, "python3", "-c", script)
    file = tree.parent / f"{tree.name}.dockerfile"
    files.write_files({file: f"FROM {base}\n{EXTEND_INSTRUCTION}{target}/\n"})
    command = ("docker", "buildx", "build", "--load", "--provenance", "false")
    process.run((*command, "--file", str(file), "--tag", tag, str(tree)))
