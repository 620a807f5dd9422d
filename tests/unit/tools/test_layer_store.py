"""The store of layers: what is made, what is taken, and what is not believed. Wheels are files here; nothing is fetched."""

from __future__ import annotations

import json
import os
import tarfile
import threading
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.wheel_files import artifact_of, build_wheel
from torchpin.assembly.layer import LayerPlan
from torchpin.assembly.wheel import VenvLayout
from torchpin.errors import ToolError
from torchpin.tools.layer_store import LayerStore, make_layers
from torchpin.tools.wheel_store import WheelStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.assembly.compression import Compression
    from torchpin.assembly.layer import LayerBlob
    from torchpin.model import Artifact

CONTENTS = {
    artifact_of(filename, content): content
    for name in ("alpha", "beta", "gamma")
    for filename in [f"{name}-1.0-py3-none-any.whl"]
    for content in [build_wheel(filename, {f"{name}/__init__.py": name.encode() * 50_000})]
}
ALPHA, BETA, GAMMA = CONTENTS
PLANS = [LayerPlan(name="first", wheels=(ALPHA, BETA)), LayerPlan(name="second", wheels=(GAMMA,))]


class FolderWheels:
    """Wheels that are written into the store when they are asked for; `fetched` has what was."""

    def __init__(self, folder: Path) -> None:
        self.store = WheelStore(folder=folder / "wheels")
        self.fetched: list[str] = []
        self.failing: Artifact | None = None

    def fetch(self, artifact: Artifact, report: Callable[[int], object]) -> Path:
        path = self.store.path(artifact)
        if self.failing == artifact:
            raise ToolError("no network")
        if not path.exists():
            self.fetched.append(artifact.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CONTENTS[artifact])
        report(path.stat().st_size)
        return path


def no_progress(action: str, name: str, done: int, total: int) -> None:
    """Nothing is told."""


def store_in(folder: Path, compression: Compression = "none") -> LayerStore:
    return LayerStore(
        folder=folder / "layers",
        layout=VenvLayout(python="3.11"),
        epoch=1_700_000_000,
        compression=compression,
    )


def make(
    folder: Path, wheels: FolderWheels | None = None, compression: Compression = "none"
) -> list[LayerBlob]:
    return make_layers(PLANS, store_in(folder, compression), wheels or FolderWheels(folder), no_progress)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_layer_is_what_its_digests_and_sizes_say(tmp_path: Path, compression: Compression) -> None:
    blobs = make(tmp_path, compression=compression)
    assert [blob.name for blob in blobs] == ["first", "second"]
    for blob in blobs:
        content = Path(blob.path).read_bytes()
        assert (blob.digest, blob.size) == (f"sha256:{sha256(content).hexdigest()}", len(content))
        assert (blob.digest == blob.diff_id) is (compression == "none")
        assert blob.media_type.endswith("tar" if compression == "none" else f"tar+{compression}")
        assert blob.uncompressed >= blob.size
    plain = make(tmp_path)
    assert [blob.diff_id for blob in blobs] == [blob.diff_id for blob in plain]
    with tarfile.open(plain[0].path) as archive:
        assert "opt/venv/lib/python3.11/site-packages/beta/__init__.py" in archive.getnames()


def test_the_same_layers_are_made_in_another_folder_with_another_umask_and_another_time(
    tmp_path: Path,
) -> None:
    blobs = make(tmp_path / "first")
    before = os.umask(0o077)
    try:
        others = make(tmp_path / "elsewhere" / "deep")
    finally:
        os.umask(before)
    assert [blob.digest for blob in blobs] == [blob.digest for blob in others]
    assert Path(others[0].path).stat().st_mode & 0o077 == 0


def test_what_was_made_is_taken_and_nothing_is_fetched_for_it(tmp_path: Path) -> None:
    blobs = make(tmp_path)
    wheels = FolderWheels(tmp_path / "nowhere")
    assert make(tmp_path, wheels) == blobs
    assert wheels.fetched == []
    renamed = make_layers(
        [replace(PLANS[1], name="of another service")], store_in(tmp_path), wheels, no_progress
    )
    assert renamed == [replace(blobs[1], name="of another service")]


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)


def break_note(path: Path) -> None:
    path.with_name(f"{path.name}.json").write_text("[1]")


def claim_another_digest(path: Path) -> None:
    note = path.with_name(f"{path.name}.json")
    note.write_text(json.dumps({**json.loads(note.read_text()), "size": 1}))


def remove_note(path: Path) -> None:
    path.with_name(f"{path.name}.json").unlink()


@pytest.mark.parametrize(
    "harm", [cut_off, change_a_byte, break_note, claim_another_digest, remove_note, Path.unlink]
)
def test_a_layer_that_is_not_what_was_kept_is_made_anew(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    blobs = make(tmp_path)
    harm(Path(blobs[0].path))
    assert store_in(tmp_path).read(PLANS[0]) is None
    assert make(tmp_path) == blobs
    assert sha256(Path(blobs[0].path).read_bytes()).hexdigest() == blobs[0].digest.removeprefix("sha256:")


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    path = store_in(tmp_path).path(PLANS[0])
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}.part").write_bytes(b"half" * 1_000_000)
    blobs = make(tmp_path)
    assert Path(blobs[0].path).stat().st_size == blobs[0].size
    assert not [*tmp_path.rglob("*.part")]


def test_a_wheel_of_the_cache_that_is_damaged_is_fetched_again(tmp_path: Path) -> None:
    expected = make(tmp_path / "other")
    wheels = FolderWheels(tmp_path)
    path = wheels.fetch(BETA, lambda size: None)
    content = bytearray(path.read_bytes())
    content[content.index(b"beta/__init__.py") + 20] ^= 0xFF
    path.write_bytes(content)
    assert [blob.digest for blob in make(tmp_path, wheels)] == [blob.digest for blob in expected]
    assert wheels.fetched.count("beta") == 2


def test_a_wheel_that_is_what_is_locked_and_no_wheel_is_an_error(tmp_path: Path) -> None:
    artifact = artifact_of("broken-1.0-py3-none-any.whl", b"no zip file")
    wheels = FolderWheels(tmp_path)
    wheels.store.path(artifact).parent.mkdir(parents=True)
    wheels.store.path(artifact).write_bytes(b"no zip file")
    plan = LayerPlan(name="broken", wheels=(artifact,))
    with pytest.raises(ToolError, match=r"broken-1.0-py3-none-any.whl: it is not a zip file"):
        make_layers([plan], store_in(tmp_path), wheels, no_progress)
    assert store_in(tmp_path).read(plan) is None


def test_a_wheel_that_cannot_be_fetched_is_the_error_and_what_was_made_stays(tmp_path: Path) -> None:
    wheels = FolderWheels(tmp_path)
    wheels.failing = GAMMA
    with pytest.raises(ToolError, match="no network"):
        make(tmp_path, wheels)
    wheels.failing = None
    assert len(make(tmp_path, wheels)) == 2


def test_work_of_other_threads_ends_after_a_failure(tmp_path: Path) -> None:
    """A download that goes on calls its report, which ends it."""
    ended, started = threading.Event(), threading.Event()

    class SlowWheels(FolderWheels):
        def fetch(self, artifact: Artifact, report: Callable[[int], object]) -> Path:
            if artifact == GAMMA:
                started.wait(5)
                raise ToolError("no network")
            try:
                for size in range(100_000):
                    report(size)
                    started.set()
                    ended.wait(0.001)
            finally:
                ended.set()
            raise AssertionError("it read to its end")

    with pytest.raises(ToolError, match="no network"):
        make(tmp_path, SlowWheels(tmp_path))
    assert ended.is_set()


def test_two_threads_that_need_one_layer_make_it_once(tmp_path: Path) -> None:
    made: list[str] = []
    results: list[list[LayerBlob]] = []

    def progress(action: str, name: str, done: int, total: int) -> None:
        made.extend([name] if action == "make" and done == total_of[name] else [])

    total_of = {blob.name: blob.uncompressed for blob in make(tmp_path / "other")}

    def work() -> None:
        results.append(make_layers(PLANS, store_in(tmp_path), FolderWheels(tmp_path), progress))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result == results[0] for result in results)
    assert sorted(made) == ["first", "second"]


def test_progress_tells_what_is_fetched_made_and_taken(tmp_path: Path) -> None:
    calls: list[tuple[str, str, int, int]] = []
    for _ in range(2):
        make_layers(PLANS[1:], store_in(tmp_path), FolderWheels(tmp_path), lambda *call: calls.append(call))
    size = len(CONTENTS[GAMMA])
    assert calls[0] == ("fetch", GAMMA.filename, size, size)
    assert calls[1][:2] == ("make", "second")
    assert [call[0] for call in calls].count("reuse") == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "layers").write_text("a file")
    with pytest.raises(ToolError, match=r"the cache: .*/layers"):
        make(tmp_path)
