"""What a run of a command costs: wall time, CPU seconds, bytes written and peak memory; and how runs are summed up."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SECTOR_BYTES = 512  # the unit of /proc/diskstats, whatever the disk's own sectors are
# Commands are run as people have them: with bytecode, and with the packages of their own environment.
_IGNORED_VARIABLES = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One run: wall and CPU time in seconds, bytes written to the disk, and the peak memory of its largest process; 0 if unknown."""

    wall: float
    cpu: float
    written: int = 0
    memory: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The medians of several runs, and the shortest and longest wall time of them; seconds and bytes."""

    runs: int
    wall: float
    shortest: float
    longest: float
    cpu: float
    written: int
    memory: int


def summarize(samples: Sequence[Sample]) -> Summary:
    """Raises statistics.StatisticsError without samples."""
    walls = [sample.wall for sample in samples]
    return Summary(
        runs=len(samples),
        wall=statistics.median(walls),
        shortest=min(walls, default=0),
        longest=max(walls, default=0),
        cpu=statistics.median(sample.cpu for sample in samples),
        written=int(statistics.median(sample.written for sample in samples)),
        memory=int(statistics.median(sample.memory for sample in samples)),
    )


def run_command(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
) -> Sample:
    """Runs a command with its processes to the end. Raises RuntimeError with its output for an exit code not in `codes`."""
    environ = {
        name: value
        for name, value in (os.environ if env is None else env).items()
        if name not in _IGNORED_VARIABLES
    }
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode not in codes:
        raise RuntimeError(
            f"{' '.join(map(str, command))}: exit code {process.returncode}\n{output.decode(errors='replace')[-4000:]}"
        )
    # a process begins with the peak of the one that started it, and a smaller one of its own is not known
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = usage.ru_maxrss * 1024 if usage.ru_maxrss > inherited else 0
    return Sample(wall=wall, cpu=usage.ru_utime + usage.ru_stime, memory=memory)


def run_with_engine(work: Callable[[], object], disk: Path) -> Sample:
    """Runs work that a daemon shares: the CPU time and the bytes are those of the whole machine and of the disk of a folder.

    The machine must be quiet. What the work wrote is on the disk when the time ends.
    """
    os.sync()
    written, cpu, start = _written_bytes(disk), _machine_cpu(), time.perf_counter()
    work()
    wall = time.perf_counter() - start
    os.sync()
    return Sample(wall=wall, cpu=_machine_cpu() - cpu, written=_written_bytes(disk) - written)


def _machine_cpu() -> float:
    """The CPU seconds of all processes since the machine started, without idle and waiting time."""
    fields = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, *_ = fields
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _written_bytes(folder: Path) -> int:
    """The bytes written so far to the disk of a folder."""
    device = folder.stat().st_dev
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == (os.major(device), os.minor(device)):
            return int(fields[9]) * _SECTOR_BYTES
    return 0


def machine_lines() -> list[str]:
    """What the figures depend on: the processor, memory, system and the versions of the tools, a line each."""
    cpu_info = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.partition(":")[2].strip() for line in cpu_info.splitlines() if line.startswith("model name")),
        "",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    tools = {
        "Docker engine, with the classic image store": ("dockerd", "--version"),
        "buildx": ("docker", "buildx", "version"),
        "uv": (str(Path(__file__).parents[1] / ".venv/bin/uv"), "--version"),
    }
    return [
        f"{os.cpu_count()} processors ({model or platform.machine()}), {memory / 2**30:.0f} GiB of memory",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        *(f"{name}: {_first_line(command)}" for name, command in tools.items()),
    ]


def _first_line(command: Sequence[str]) -> str:
    try:
        completed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return "not installed"
    return (completed.stdout.strip() or "does not answer").splitlines()[0]
