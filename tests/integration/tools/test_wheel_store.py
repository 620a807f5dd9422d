"""Wheels that are fetched by hash: from servers that are private, slow, interrupted or wrong, by several at once."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.hostile_server import serve_bytes
from support.private_index import HEADER, PASSWORD, USER, serve_privately
from support.wheel_files import artifact_of, build_wheel
from torchpin.errors import ToolError
from torchpin.tools.index_server import File
from torchpin.tools.wheel_store import WheelStore

if TYPE_CHECKING:
    from collections.abc import Iterator

FILENAME = "large_one-1.0-py3-none-any.whl"
CONTENT = build_wheel(FILENAME, {"large_one.bin": os.urandom(600_000)})
WHEEL = artifact_of(FILENAME, CONTENT)
ROW = File(filename=FILENAME, sha256=WHEEL.sha256, content=CONTENT, size=len(CONTENT))
CHANNELS = {"pypi": {"large-one": [ROW]}}


def ignore(size: int) -> None:
    """Nothing is told."""


@pytest.fixture
def store(tmp_path: Path) -> WheelStore:
    return WheelStore(folder=tmp_path / "wheels")


@pytest.fixture
def server() -> Iterator[Any]:
    with serve_privately(CHANNELS) as running:
        yield running


def private(address: str) -> str:
    return address.replace("://", f"://{USER}:{PASSWORD.replace('%', '%25').replace('/', '%2F')}@")


def address_of(server: Any) -> str:
    return private(f"{server.base}/pypi/files/{FILENAME}")


def test_a_wheel_is_fetched_once(store: WheelStore, server: Any) -> None:
    sizes: list[int] = []
    path = store.fetch(WHEEL, lambda: address_of(server), sizes.append)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o077 == 0
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(CONTENT)

    def no_address() -> str:
        raise AssertionError("the address is not needed")

    assert store.fetch(WHEEL, no_address, ignore) == path
    assert [(command, header) for command, _, header in server.seen] == [("GET", HEADER)]


def test_several_threads_fetch_a_wheel_once(store: WheelStore, server: Any) -> None:
    threads = [
        threading.Thread(target=store.fetch, args=(WHEEL, lambda: address_of(server), ignore))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.has(WHEEL)
    assert len(server.seen) == 1


@pytest.mark.parametrize("left", [CONTENT[:300_000], b"of another file", CONTENT, CONTENT + b"more", b""])
def test_what_an_interrupted_process_left_is_gone_on_with_where_it_is_the_beginning(
    store: WheelStore, server: Any, left: bytes
) -> None:
    part = store.path(WHEEL).with_name(f"{WHEEL.sha256}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    sizes: list[int] = []
    assert store.fetch(WHEEL, lambda: address_of(server), sizes.append).read_bytes() == CONTENT
    assert not part.exists()
    assert (min(sizes) > 300_000) is (left == CONTENT[:300_000])


def test_a_server_without_ranges_sends_the_whole_file(store: WheelStore) -> None:
    part = store.path(WHEEL).with_name(f"{WHEEL.sha256}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    answer = [f"HTTP/1.0 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode(), CONTENT]
    with serve_bytes(answer) as host:
        path = store.fetch(WHEEL, lambda: f"http://{host}/x.whl", ignore)
    assert path.read_bytes() == CONTENT


def test_a_file_address_is_copied(store: WheelStore, tmp_path: Path) -> None:
    (tmp_path / FILENAME).write_bytes(CONTENT)
    address = (tmp_path / FILENAME).as_uri()
    assert store.fetch(WHEEL, lambda: address, ignore).read_bytes() == CONTENT


def test_a_file_with_another_hash_is_refused_and_not_kept(store: WheelStore, server: Any) -> None:
    other = replace(WHEEL, sha256="0" * 64)
    with pytest.raises(ToolError) as excinfo:
        store.fetch(other, lambda: address_of(server), ignore)
    assert f"its SHA-256 is {WHEEL.sha256}, and {'0' * 64} is locked" in str(excinfo.value)
    assert PASSWORD not in str(excinfo.value)
    assert not store.has(other)
    assert all(path.stat().st_size == 0 for path in store.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [None, 1000])
def test_a_file_that_does_not_end_is_not_read_for_ever(
    store: WheelStore, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchpin.tools.wheel_store._LARGEST", 100_000)
    answer = [b"HTTP/1.0 200 OK\r\n\r\n", *[bytes(65536)] * 40]
    with (
        serve_bytes(answer) as host,
        pytest.raises(ToolError, match=f"it has more than {size or 100_000} bytes"),
    ):
        store.fetch(replace(WHEEL, size=size), lambda: f"http://{host}/x.whl", ignore)


def test_a_disk_that_is_full_is_named(
    store: WheelStore, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchpin.tools.cache.os.fdopen", lambda handle, mode: full_file(handle))
    with pytest.raises(ToolError, match=rf"the cache: {FILENAME}: No space left on device"):
        store.fetch(WHEEL, lambda: address_of(server), ignore)


def full_file(handle: int) -> Any:
    """A file on a disk that is full."""

    class FullFile(io.FileIO):
        def write(self, content: object) -> int:
            raise OSError(28, "No space left on device")

    return FullFile(handle, "r+")


def test_a_killed_process_leaves_no_wheel_and_the_next_one_ends_its_work(
    store: WheelStore, server: Any, tmp_path: Path
) -> None:
    """It is killed while it reads, and holds the lock."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom torchpin.model import Artifact\n"
        "from torchpin.tools.wheel_store import WheelStore\n"
        f"wheel = {WHEEL!r}\n"
        "WheelStore(folder=Path(sys.argv[1])).fetch(wheel, lambda: sys.argv[2], lambda size: print(size, flush=True))\n"
    )
    head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode()
    with (
        serve_bytes([head, CONTENT[:200_000]], pause=0.3) as host,
        subprocess.Popen(
            (sys.executable, "-c", script, str(store.folder), f"http://{host}/x.whl"),
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        ) as process,
    ):
        assert process.stdout
        while int(process.stdout.readline()) < 200_000:
            pass
        process.send_signal(signal.SIGKILL)
    assert not store.has(WHEEL)
    assert store.path(WHEEL).with_name(f"{WHEEL.sha256}.part").exists()
    assert store.fetch(WHEEL, lambda: address_of(server), ignore).read_bytes() == CONTENT
