"""Which worker runs which tests: those of a group run in one, so that what they share is made once.

pytest-xdist has `--dist loadgroup` for that. It writes the group into the id of each test, which pytest 9.2 ignores, and
then runs the tests anywhere. Here each worker writes the groups of its tests to a file, which the scheduler reads.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

FOLDER = "shared_folder"  # in the input of a worker: where all workers of a run have files
_FILE = "groups-{}.json"


def write_groups(config: pytest.Config, groups: Mapping[str, str]) -> None:
    """Tell the scheduler the groups by test id; without workers there is none."""
    folder = shared_folder(config)
    if folder:
        path = folder / _FILE.format(worker_input(config)["workerid"])
        path.write_text(json.dumps({**groups}), encoding="utf-8")


def require_one_worker(config: pytest.Config, group: str) -> None:
    """Raises RuntimeError where another worker has run a test of this group."""
    folder = shared_folder(config)
    if folder:
        name = worker_input(config)["workerid"]
        path = folder / f"{group.replace('/', '-')}.worker"
        with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
            file.write(name)
        if (first := path.read_text(encoding="utf-8")) != name:
            raise RuntimeError(f"tests of the group {group} run in {name} and in {first or 'another worker'}")


def worker_input(config: pytest.Config) -> Mapping[str, str]:
    """What the controller gave this worker; nothing in a run without workers."""
    values: Mapping[str, str] = getattr(config, "workerinput", {})
    return values


def shared_folder(config: pytest.Config) -> Path | None:
    """The folder of the workers of this run; None in a run without workers."""
    name = worker_input(config).get(FOLDER)
    return Path(name) if name else None


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """The groups in the order in which the tests were collected, one worker a group; a test without a group is one."""

    def __init__(self, config: pytest.Config, log: Producer, folder: Path) -> None:
        super().__init__(config, log)
        self._folder = folder
        self._groups: dict[str, str] = {}

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        path = self._folder / _FILE.format(node.gateway.id)
        self._groups |= json.loads(path.read_text(encoding="utf-8"))
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid, nodeid)
