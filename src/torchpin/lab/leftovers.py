"""What labs that were killed left: their folders, and in the Docker engine their containers, images and build cache."""

from __future__ import annotations

import json
import stat
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.errors import ToolError, TorchpinError
from torchpin.lab import docker_engine
from torchpin.lab.docker_engine import CacheWindow
from torchpin.quantities import count
from torchpin.tools import docker, scratch
from torchpin.tools.files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin.model import StatusCallback
    from torchpin.tools.docker import Client

IMAGE_PREFIX = "torchpin-lab"  # of every image; a lab adds its owner
CACHE_NOTE = "build-cache.json"  # in a lab's folder: the entries of the build cache that were there before it
_CACHE_GRACE = 60  # seconds that an engine may go on with a build whose lab was killed
_MOST_NOTE_BYTES = 4_000_000


def new_prefix() -> str:
    """The prefix of the images of a lab that this process opens."""
    return f"{IMAGE_PREFIX}/{scratch.current_owner()}"


def clear_leftovers(show_status: StatusCallback, *, uses_docker: bool) -> None:
    """Clear what killed labs left, and say in one line what it was. `uses_docker`: whether this lab needs an engine.

    A lab that still runs, and whatever is not a lab's own by its name and owner, is left alone.
    """
    folders = [*scratch.abandoned_folders()]
    labs = [folder for folder in folders if (folder / CACHE_NOTE).is_file()]
    counts, is_answered = {"folder": 0}, False
    if uses_docker or labs:
        with suppress(TorchpinError), docker.engine() as client:
            counts |= _clear_engine(client, labs)
            is_answered = True
    failures = []
    for folder in folders:
        owner = scratch.read_owner(folder)
        if folder in labs and not is_answered and owner and owner.age < scratch.UNSEEN_AFTER:
            continue  # it says which part of the build cache was its own, once the engine answers
        try:
            scratch.remove_abandoned(folder)
            counts["folder"] += 1
        except ToolError as error:
            failures.append(str(error))
    if any(counts.values()):
        show_status(f"lab: cleared what killed commands left: {_count_words(counts)}")
    for reason in failures:
        show_status(f"lab: what a killed command left stays: {reason}")


def _count_words(counts: dict[str, int]) -> str:
    plurals = {"build cache entry": "build cache entries"}
    return ", ".join(count(number, name, plurals.get(name, "")) for name, number in counts.items() if number)


def note_build_cache(folder: Path, cached: frozenset[str]) -> None:
    """Write into a lab's folder which entries of the build cache are not its own."""
    (folder / CACHE_NOTE).write_text(json.dumps(sorted(cached)))


def _clear_engine(client: Client, labs: list[Path]) -> dict[str, int]:
    tags = [tag for tag in docker_engine.list_tags(client, f"{IMAGE_PREFIX}/") if _is_abandoned_tag(tag)]
    return {
        "container": docker_engine.remove_ended_containers(client, tags),
        "image": docker_engine.remove_unused_images(client, tags),
        "build cache entry": sum(_clear_cache(client, lab) for lab in labs),
    }


def _is_abandoned_tag(tag: str) -> bool:
    owner = scratch.parse_owner(tag.split("/")[1]) if tag.count("/") > 1 else None
    return owner is not None and scratch.is_abandoned(owner)


def _clear_cache(client: Client, lab: Path) -> int:
    """Prune what a lab's builds left in the build cache; the number of entries."""
    before = _read_note(lab / CACHE_NOTE)
    owner = scratch.read_owner(lab)
    if before is None or owner is None:
        return 0
    files = [path.lstat() for path in lab.rglob("*")]
    last = max((status.st_mtime for status in files if not stat.S_ISLNK(status.st_mode)), default=0.0)
    window = CacheWindow(
        begin=datetime.fromtimestamp(owner.created / 1000, timezone.utc),
        end=datetime.fromtimestamp(last + _CACHE_GRACE, timezone.utc),
    )
    dockerfiles = [*_dockerfiles(lab / "monorepo" / paths.DOCKER), docker_engine.EXTEND_INSTRUCTION]
    return docker_engine.prune_build_cache(client, before, dockerfiles, window)


def _dockerfiles(folder: Path) -> Iterator[str]:
    for path in folder.glob("*/Dockerfile"):
        if not path.is_symlink():
            with suppress(ToolError):
                yield read_text(path) or ""


def _read_note(path: Path) -> frozenset[str] | None:
    """The entries of a note; None for one that was not written completely."""
    try:
        if path.is_symlink() or path.stat().st_size > _MOST_NOTE_BYTES:
            return None
        entries: Any = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return frozenset(map(str, entries)) if isinstance(entries, list) else None
