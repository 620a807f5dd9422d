"""Docker engine operations of the lab alone: base images from a file tree, and removal of what a lab made."""

from __future__ import annotations

import io
import re
import tarfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torchpin.tools import files, process
from torchpin.tools.docker import RUN_LABEL, api_error, engine, engine_errors, remove_tags, run_container

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torchpin.tools.docker import Client

EXTEND_INSTRUCTION = "COPY . "
# How BuildKit describes cache entries that belong to no instruction: the build context and the cache mounts.
_UNNAMED_ENTRIES = (
    "local source for",
    "from local",
    "cached mount /run/torchpin/cache",
    "cached mount /var/lib/apt/lists",
    "cached mount /var/cache/apt",
)


_ATTEMPT_SECONDS = 1800  # for importing what is large, on an emulated platform too
_BEGIN_SECONDS = 60  # until a container has started its command
_PAUSE = 0.1  # seconds between two looks at a container
_OUTPUT_LINES = 500  # the last ones of what it prints
_ENDED = {"created", "exited", "dead"}  # states of containers


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheWindow:
    """The time in which a build made its entries of the build cache, and used them last."""

    begin: datetime
    end: datetime

    def holds(self, row: Mapping[str, Any]) -> bool:
        created, used = _time(row.get("CreatedAt")), _time(row.get("LastUsedAt") or row.get("CreatedAt"))
        return created is not None and used is not None and self.begin <= created and used <= self.end


def _time(text: object) -> datetime | None:
    """A time of the engine, which writes nanoseconds; Python 3.10 reads microseconds."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?\d*Z", str(text))
    return datetime.fromisoformat(f"{match[1]}{(match[2] or '.0').ljust(7, '0')}+00:00") if match else None


def pull(client: Client, image: str, tag: str) -> bool:
    """Pull an image and give it another tag; False when the registry cannot be reached or does not have it.

    The image keeps its own tag where it had it before.
    """
    name, _, label = image.rpartition(":")
    had_tag = image in list_tags(client, image)
    try:
        client.images.pull(name, tag=label).tag(*tag.rsplit(":", 1))
    except engine_errors():
        return False
    if not had_tag:
        remove_tags(client, [image])
    return True


def import_tree(client: Client, archive: Path, tag: str) -> None:
    """Create an image of one layer from a tar of a file tree."""
    name, _, label = tag.rpartition(":")
    client.api.import_image_from_file(str(archive), repository=name, tag=label)


def run_in_image(client: Client, image: str, *command: str) -> str:
    """The output of a command in an image, run without network."""
    return run_container(client, image, command).decode(errors="replace").strip()


def run_attempt(
    client: Client,
    image: str,
    *,
    command: Sequence[str] = (),
    files: Mapping[str, str] = MappingProxyType({}),
    seconds: float = _ATTEMPT_SECONDS,
    begins_after: bytes = b"",
) -> tuple[int | None, str]:
    """Run a command in an image, without network: its exit code, None where it still runs after so many seconds, and its output.

    Without a command it is what the image runs when it is started. `files`: by their paths, put into the container first.
    The seconds count from where it has printed `begins_after`.
    """
    options: Any = {"entrypoint": [command[0]], "command": [*command[1:]]} if command else {}
    container: Any = client.containers.create(image, network_mode="none", labels=[RUN_LABEL], **options)
    try:
        if files:
            container.put_archive("/", _archive(files))
        container.start()
        _await(container, _BEGIN_SECONDS, lambda: begins_after in container.logs(tail=_OUTPUT_LINES))
        state = _await(container, seconds)
        output = container.logs(tail=_OUTPUT_LINES).decode(errors="replace")
        return (None if state["Running"] else state["ExitCode"]), state["Error"] + output
    except api_error() as error:  # the program is not there
        return 127, str(error)
    finally:
        container.remove(force=True)


def _await(container: Any, seconds: float, until: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """The state of a container once it has ended, the time is over, or `until` holds."""
    end = time.monotonic() + seconds
    while True:
        container.reload()
        state: dict[str, Any] = container.attrs["State"]
        if not state["Running"] or time.monotonic() > end or until():
            return state
        time.sleep(_PAUSE)


def _archive(files: Mapping[str, str]) -> bytes:
    """A tar of texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def list_tags(client: Client, prefix: str) -> list[str]:
    return [tag for image in client.images.list() for tag in image.tags if tag.startswith(prefix)]


def keep_images(prefix: str, kept_prefix: str) -> list[str]:
    """Tag the images of a prefix, except base images, with names below another prefix; returns these names."""
    names = []
    with engine() as client:
        for tag in list_tags(client, f"{prefix}/"):
            name, _, label = tag.removeprefix(f"{prefix}/").rpartition(":")
            if label == "latest":  # base images have another one
                client.images.get(tag).tag(f"{kept_prefix}/{name}", "latest")
                names.append(f"{kept_prefix}/{name}:latest")
    return sorted(names)


def remove_ended_containers(client: Client, tags: Sequence[str]) -> int:
    """Remove the containers that torchpin ran from these images and that have ended; their number."""
    ended = [
        container
        for container in client.containers.list(all=True, filters={"label": RUN_LABEL})
        if container.status in _ENDED and container.attrs["Config"]["Image"] in tags
    ]
    removed = 0
    for container in ended:
        with suppress(api_error()):
            container.remove()
            removed += 1
    return removed


def remove_unused_images(client: Client, tags: Sequence[str]) -> int:
    """Remove tags, with the last one of an image the image, but those that a container uses; their number."""
    containers = client.containers.list(all=True)
    used_ids = {container.attrs["Image"] for container in containers}
    removed = 0
    for tag in tags:
        with suppress(api_error()):
            if client.images.get(tag).id not in used_ids:
                client.images.remove(tag)
                removed += 1
    return removed


def build_cache_ids(client: Client) -> frozenset[str]:
    """The ids of all entries of the engine's build cache."""
    return frozenset(row["ID"] for row in client.api.df().get("BuildCache") or [])


def prune_build_cache(
    client: Client, before: frozenset[str], dockerfiles: Sequence[str], window: CacheWindow | None = None
) -> int:
    """Remove the build cache entries that are not in `before` and come from instructions of these Dockerfiles (texts).

    The engine lists an instruction for each entry, but no build: entries of other builds are kept by that, and with a
    window by their times. Returns the number of entries.
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
        return frozenset(
            row["ID"]
            for row in rows
            if row["ID"] not in before and is_from_steps(row) and (window is None or window.holds(row))
        )

    first = remaining = new_entries()
    while remaining:
        for cache_id in remaining:
            # the engine takes one id at a time; types-docker lacks this filter
            filters: Any = {"id": [cache_id]}
            with suppress(api_error()):
                client.api.prune_builds(filters=filters, all=True)
        still = new_entries()  # again, since an entry can be removed only after those that build on it
        if still == remaining:
            break  # another build uses them
        remaining = still
    return len(first) - len(remaining)


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
    process.run((*command, "--file", str(file), "--tag", tag, str(tree)), timeout=process.LONG)
