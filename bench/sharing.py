"""Five services with the same torch, Python and base: built by BuildKit and assembled, and pushed to one registry.

    python bench/sharing.py

Requires root on Debian, dockerd, buildx, mmdebstrap, docker-registry, 40 GB of disk and PyPI; some ten minutes. It is run once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import workload
from builds import build_environment, print_row
from measuring import Sample, run_command, run_with_engine, summarize
from results import Aim, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

# The packages of each service beside torch, a shape of the five that this repository has.
SERVICES = {
    "lora": ("accelerate==0.34.2", "safetensors==0.5.3", "einops==0.8.1", "toml==0.10.2"),
    "seedvr": ("omegaconf==2.3.0", "einops==0.8.1", "tqdm==4.67.1", "rotary-embedding-torch==0.5.3"),
    "videogen": ("imageio==2.37.0", "ftfy==6.3.1", "easydict==1.13"),
    "coaxial": ("soundfile==0.13.1", "librosa==0.10.2.post1"),
    "zopilot": ("fastapi==0.114.2", "uvicorn==0.31.1", "httpx==0.28.1", "aiofiles==25.1.0"),
}
BUILT, ASSEMBLED = "torchpin", "torchpin --assemble"
FIRST, FURTHER = "the first service", "a further service"
_DESCRIPTION = """\
name: {name}
summary: A service of the benchmark
python: "{python}"
base: {{image: "{base}", rationale: The base image of the benchmark.}}
torch: {{version: "2.5.1", companions: {{torchvision: "0.20.1"}}}}
gpus: [A40]
variants:
  gpu: {{channel: pypi, platform: linux/amd64}}
layers:
  - name: app
    packages: [{packages}]
imports: [torch]
"""


def main(_runs: int) -> list[Row]:
    """A row for each way to make the images, and what the registry holds of them."""
    rows = []
    for side in (BUILT, ASSEMBLED):
        with workload.engine() as data, tempfile.TemporaryDirectory(prefix="tpb-") as name:
            workload.make_base()
            rows.append(_measure(side, data, Path(name)))
            print_row(rows[-1])
    return rows


def _measure(side: str, data: Path, folder: Path) -> Row:
    """The row of a side: the time to the image of the first service and of each further one, and their bytes when pushed."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    project = folder / "project"
    _make_project(project)
    options = ("--assemble",) if side == ASSEMBLED else ()
    samples: list[Sample] = []
    stored: list[int] = []
    with workload.registry(folder / "registry") as address:
        environ: Mapping[str, str] = {**build_environment(), "TORCHPIN_REGISTRY": address}
        for service in SERVICES:
            command = workload.torchpin(workload.ROOT, "build", "--service", service, *options)
            samples.append(
                run_with_engine(lambda command=command: run_command(command, cwd=project, env=environ), data)  # type: ignore[misc]
            )
            run_command((*command, "--push"), cwd=project, env=environ)
            stored.append(_stored_bytes(folder / "registry"))
    more = ", ".join(
        f"{service} {sample.wall:.1f} s and {(after - before) / 1e6:,.0f} MB more"
        for service, sample, before, after in zip(
            [*SERVICES][1:], samples[1:], stored, stored[1:], strict=False
        )
    )
    limit = [Aim(side=FURTHER, other=FIRST, limit=0.1)] if side == ASSEMBLED else []
    return Row(
        work=f"{side}, services with the same torch",
        sides={FIRST: summarize(samples[:1]), FURTHER: summarize(samples[1:])},
        aims=limit,
        note=f"in the registry {stored[0] / 1e6:,.0f} MB after {next(iter(SERVICES))}; {more}",
    )


def _make_project(project: Path) -> None:
    """A repository with the services, locked, rendered and documented."""
    project.mkdir()
    python = workload.base_python()
    for path in ("tasks.py", "noxfile.py", "docs", "DEVIATIONS.md"):
        source = workload.ROOT / path
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, project / path)
    shutil.rmtree(project / "docs/services")
    for name, packages in SERVICES.items():
        service = project / "services" / name
        service.mkdir(parents=True)
        text = _DESCRIPTION.format(name=name, python=python, base=workload.BASE, packages=", ".join(packages))
        (service / "service.yaml").write_text(text, encoding="utf-8")
        (service / "smoke.py").write_text(
            "import torch\n\nassert torch.ones(2).sum() == 2\n", encoding="utf-8"
        )
    for command in (("lock",), ("document", "--overwrite")):
        run_command(workload.torchpin(workload.ROOT, *command), cwd=project)


def _stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(1)
