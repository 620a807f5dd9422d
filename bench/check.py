"""`check` of a small Dockerfile, of a long one and of a large repository, beside hadolint and tally.

    python bench/check.py [RUNS]

The peers are those of bench/adopt/peers.py, installed by uv into `.torchpin/bench/peers`. Each side gets the same Dockerfiles;
what else lies in the repository torchpin alone reads. Requires a set-up checkout (`python3 bootstrap.py invoke --list`).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import workload
from measuring import Sample, run_command, summarize
from results import Aim, Row

from adopt import peers

_OURS = "torchpin"
_BASE = "FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04\n"
_TORCH = (
    "RUN apt-get update && apt-get install -y python3-pip && rm -rf /var/lib/apt/lists/*\n"
    "RUN pip install torch==2.5.1 torchvision==0.20.1 --index-url https://download.pytorch.org/whl/cu124\n"
)
_LISTED = (
    "COPY requirements.txt .\nRUN pip install -r requirements.txt\nRUN pip install 'transformers>=4.40'\n"
)
_INSTRUCTIONS = 800
_FILES = 5_000
_DOCKERFILES = 30
_FINDINGS = (0, 1)  # exit codes of all three: none, and some


def main(runs: int) -> list[Row]:
    peers.install()
    with tempfile.TemporaryDirectory(prefix="tpb-") as name:
        root = Path(name)
        return [
            _row("a small Dockerfile", _small(root / "small"), runs, limit=0.5),
            _row(f"{_INSTRUCTIONS} instructions", _long(root / "long"), runs, limit=1.0),
            _row(f"{_FILES} files, {_DOCKERFILES} Dockerfiles", _repository(root / "large"), runs, limit=3.0),
        ]


def _row(work: str, folder: Path, runs: int, *, limit: float) -> Row:
    dockerfiles = sorted(str(path.relative_to(folder)) for path in folder.rglob("Dockerfile"))
    commands = {
        _OURS: (str(workload.ROOT / ".venv/bin/torchpin"), "check", "."),
        "hadolint": (str(peers.HOME / "venv/bin/hadolint"), *dockerfiles),
        "tally": (str(peers.HOME / "venv/bin/tally"), "lint", "--slow-checks=off", *dockerfiles),
    }
    samples: dict[str, list[Sample]] = {side: [] for side in commands}
    for number in range(runs + 1):
        for side, command in commands.items():
            sample = run_command(command, cwd=folder, codes=_FINDINGS)
            if number:  # the first round writes bytecode
                samples[side].append(sample)
    sides = {side: summarize(listed) for side, listed in samples.items()}
    return Row(work=work, sides=sides, aims=[Aim(side=_OURS, limit=limit, figure="cpu")])


def _small(folder: Path) -> Path:
    _write(folder / "Dockerfile", _BASE + _TORCH + _LISTED)
    _write(folder / "requirements.txt", "numpy==1.26.4\ntqdm\naccelerate==0.34.0\n")
    return folder


def _long(folder: Path) -> Path:
    """Installs of pip and of apt in turn, with what follows them in real files."""
    lines = [
        f"RUN pip install package{number}=={number % 9}.1 && rm -rf /tmp/{number} || true\n"
        if number % 2
        else f"RUN apt-get update && apt-get install -y lib{number} && rm -rf /var/lib/apt/lists/*\n"
        for number in range(_INSTRUCTIONS)
    ]
    _write(folder / "Dockerfile", _BASE + _TORCH + "".join(lines))
    return folder


def _repository(folder: Path) -> Path:
    """Modules of Python in many folders, and services with a Dockerfile each."""
    for number in range(_FILES - 2 * _DOCKERFILES):
        _write(folder / f"package{number // 50}/part{number % 5}/module{number}.py", "import os\n" * 20)
    for number in range(_DOCKERFILES):
        _small(folder / f"service{number}")
    return folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for row in main(int(sys.argv[1]) if sys.argv[1:] else 5):
        for side, summary in row.sides.items():
            print(f"{row.work}: {side}: {summary.wall:.2f} s, CPU {summary.cpu:.2f} s")
