"""Assembles layers of real wheels, torch 2.5.1 with cuDNN and cuBLAS: each compression, and again with what is kept.

    python bench/assembling.py [RUNS] [FOLDER]

Beside them uv unpacks and copies the same wheels into an environment. FOLDER has the wheels; without it they are fetched
(1.9 GB from PyPI). Requires 15 GB of disk. CPU time is that of the command alone, so that a busy machine changes it least.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from measuring import Sample, run_command, summarize
from packaging.utils import parse_wheel_filename
from results import Aim, Row

from torchpin.assembly.compression import COMPRESSIONS
from torchpin.assembly.layer import LayerPlan
from torchpin.assembly.wheel import VenvLayout
from torchpin.facts import index_pages
from torchpin.model import Artifact, Settings
from torchpin.tools import http, pypi
from torchpin.tools.layer_store import LayerStore, make_layers
from torchpin.tools.uv import uv_executable
from torchpin.tools.wheel_store import WheelStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.assembly.compression import Compression

WHEELS = {
    "torch-2.5.1-cp311-cp311-manylinux1_x86_64.whl": "de5b7d6740c4b636ef4db92be922f0edc425b65ed78c5076c43c42d362a45457",
    "nvidia_cudnn_cu12-9.1.0.70-py3-none-manylinux2014_x86_64.whl": "165764f44ef8c61fcdfdfdbe769d687e06374059fbb388b6c89ecb0e28793a6f",
    "nvidia_cublas_cu12-12.4.5.8-py3-none-manylinux2014_x86_64.whl": "2fc8da60df463fdefa81e323eef2e36489e1c94335b5358bcb38360adf75ac9b",
}
UV, PLAIN, KEPT = "uv pip install", "torchpin, none", "torchpin, none, kept"
MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredWheels:
    """Wheels of a store, which gets them from a folder that has them, or from PyPI."""

    store: WheelStore
    folder: Path | None = None

    def fetch(self, artifact: Artifact, report: Callable[[int], object]) -> Path:
        return self.store.fetch(artifact, lambda: self.address(artifact), report)

    def address(self, artifact: Artifact) -> str:
        if self.folder and (self.folder / artifact.filename).is_file():
            return (self.folder / artifact.filename).as_uri()
        page = f"{pypi.index_address(Settings())}/{artifact.name}/"
        links = index_pages.parse_addresses(http.fetch(page).content.decode())
        return http.join(page, links[artifact.filename])


def ignore(*_: object) -> None:
    """No progress is shown."""


def artifacts() -> list[Artifact]:
    rows = [(filename, digest, parse_wheel_filename(filename)) for filename, digest in WHEELS.items()]
    return [
        Artifact(name=parsed[0], version=str(parsed[1]), filename=filename, sha256=digest)
        for filename, digest, parsed in rows
    ]


def make(store: Path, compression: Compression) -> int:
    """The layers, one a wheel; their size before compression in bytes."""
    layers = LayerStore(
        folder=store / "layers",
        layout=VenvLayout(python="3.11"),
        epoch=1_700_000_000,
        compression=compression,
    )
    plans = [LayerPlan(name=artifact.name, wheels=(artifact,)) for artifact in artifacts()]
    wheels = StoredWheels(store=WheelStore(folder=store / "wheels"))
    blobs = make_layers(plans, layers, wheels, ignore)
    return sum(blob.uncompressed for blob in blobs)


def install(store: Path) -> Sample:
    """uv's way, without a cache and into a new environment."""
    work = store / "uv"
    shutil.rmtree(work, ignore_errors=True)
    links = work / "links"
    links.mkdir(parents=True)
    for artifact in artifacts():
        (links / artifact.filename).symlink_to(store / "wheels" / artifact.sha256[:2] / artifact.sha256)
    run_command((uv_executable(), "venv", "--quiet", "--no-project", "--python", "3.11", str(work / "venv")))
    command = (
        *(uv_executable(), "pip", "install", "--no-deps", "--no-index", "--link-mode", "copy"),
        *("--cache-dir", str(work / "cache"), "--python", str(work / "venv")),
        *(str(links / artifact.filename) for artifact in artifacts()),
    )
    sample = run_command(command)
    shutil.rmtree(work)
    return sample


def main(runs: int, folder: Path | None = None) -> list[Row]:
    """The rows of assembling: each compression, and layers that are kept already."""
    samples: dict[str, list[Sample]] = {}
    with tempfile.TemporaryDirectory(prefix="tpa-") as name:
        store = Path(name)
        wheels = StoredWheels(store=WheelStore(folder=store / "wheels"), folder=folder)
        for artifact in artifacts():
            wheels.fetch(artifact, ignore)
        for _ in range(runs):
            round_samples = {UV: install(store)}
            for compression in COMPRESSIONS:
                shutil.rmtree(store / "layers", ignore_errors=True)
                round_samples[f"torchpin, {compression}"] = measure(store, compression)
                if compression == "none":
                    round_samples[KEPT] = measure(store, compression)
            for side, sample in round_samples.items():
                samples.setdefault(side, []).append(sample)
        size = make(store, "none")
    row = Row(
        work="layers of torch, cuDNN and cuBLAS",
        sides={side: summarize(listed) for side, listed in samples.items()},
        aims=[Aim(side=KEPT, other=PLAIN, limit=1 / 10)],
        note=f"{size / MEGABYTE:.0f} MB before compression",
    )
    for side, summary in row.sides.items():
        rate = size / MEGABYTE / summary.wall
        print(f"{side}: {summary.wall:.2f} s, CPU {summary.cpu:.2f} s, {rate:.0f} MB/s")
    return [row]


def measure(store: Path, compression: Compression) -> Sample:
    return run_command((sys.executable, __file__, "make", str(store), compression))


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(Path(sys.argv[2]), cast("Compression", sys.argv[3]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 3, Path(sys.argv[2]).resolve() if sys.argv[2:] else None)
