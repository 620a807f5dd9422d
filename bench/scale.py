"""Whole commands on a repository of many services: this checkout's torchpin, and another one's, in turn, in one run.

    python bench/scale.py [--services 500] [--runs 3] [--other CHECKOUT] [--keep FOLDER]

The services are copies of this repository's five, each with a name and a pin of its own, and with locks, renderings and
documents that are up to date. Prints for each command wall seconds, CPU seconds and the largest memory, as median and
spread: at the first run, when nothing has changed since, and when one description has. `--services 0` takes a copy of
this repository as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import workload
from measuring import Sample, run_command, summarize
from results import Aim, Row

if TYPE_CHECKING:
    from torchpin.model import Environment, LayerLock, Lock

THIS = Path(__file__).parents[1]
COMMANDS = (
    ("judge",),
    ("lock", "--check"),
    ("render", "--check"),
    ("document", "--check"),
    ("verify",),
)
# The commands are run as people have them: with bytecode, and each with the package of its own checkout.
IGNORED_VARIABLES = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH"}
COPIED = ("docs", "docker/runtime", "docker/Dockerfile.j2", "services/policy.yaml", "DEVIATIONS.md")
_PIN = re.compile(r"^      - (?P<name>[A-Za-z][A-Za-z0-9-]*)==(?P<version>[0-9.]+)$", re.MULTILINE)


def copy_service(service: str, name: str, number: int, target: Path) -> None:
    """A copy of one of this repository's services under another name, with one of its pins varied, and its locks."""
    folder = target / "services" / name
    shutil.copytree(THIS / "services" / service, folder)
    text = (folder / "service.yaml").read_text().replace(f"name: {service}\n", f"name: {name}\n", 1)
    text = text.replace(f"services/{service}/", f"services/{name}/")
    pins = list(_PIN.finditer(text))
    pin = pins[number // 5 % len(pins)] if pins else None
    if pin:
        varied = f"{pin['version']}.post{number}"
        text = f"{text[: pin.start('version')]}{varied}{text[pin.end('version') :]}"
    (folder / "service.yaml").write_text(text)
    for lock_folder in (THIS / "lockfiles").glob(f"{service}-*"):
        variant = lock_folder.name.removeprefix(f"{service}-")
        shutil.copytree(lock_folder, target / "lockfiles" / f"{name}-{variant}")


def rename_lock(env: Environment, lock: Lock) -> Lock:
    """A lock of another service, as the lock of an environment with other pins."""
    from packaging.utils import canonicalize_name

    from torchpin.compat.pins import pinned_version
    from torchpin.lock.layers import inputs_digest

    former = env.service.name.rpartition("-n")[0]
    versions: dict[str, str] = {
        canonicalize_name(p.name): pinned_version(p) for _, _, p in env.declared_packages
    }

    def layer_of(layer: LayerLock) -> LayerLock:
        packages = []
        for package in layer.packages:
            version = versions.get(package.name, package.version)
            is_varied = version.startswith(f"{package.version}.post")
            filename = package.filename.replace(package.version, version) if is_varied else package.filename
            chosen = version if is_varied else package.version
            requirers = tuple(env.service.name if name == former else name for name in package.required_by)
            packages.append(replace(package, version=chosen, filename=filename, required_by=requirers))
        digest = inputs_digest(env, layer.name)
        return replace(layer, environment=env.name, inputs_digest=digest, packages=tuple(packages))

    layers = tuple(map(layer_of, lock.layers))
    moved = {package.name: package.version for layer in layers for package in layer.packages}
    return replace(
        lock,
        layers=layers,
        build=lock.build and layer_of(lock.build),
        stage=lock.stage and layer_of(lock.stage),
        provided=lock.provided and layer_of(lock.provided),
        licenses=tuple(replace(row, version=moved.get(row.name, row.version)) for row in lock.licenses),
        wheels=tuple(replace(row, version=moved.get(row.name, row.version)) for row in lock.wheels),
    )


def generate(target: Path, count: int) -> None:
    """A repository of `count` services below a folder, with all that is generated from them."""
    from torchpin.description.environments import select_environments
    from torchpin.lock import file_format
    from torchpin.workspace import generated, workspace

    names = sorted(path.parent.name for path in (THIS / "services").glob("*/service.yaml"))
    for number in range(count):
        copy_service(names[number % len(names)], f"{names[number % len(names)]}-n{number:04}", number, target)
    repo = workspace.open_repository(target)
    texts: dict[str, str | None] = {}
    for env in select_environments(repo.services):
        folder = f"lockfiles/{env.name}"
        lock = rename_lock(env, file_format.parse_lock(folder, workspace.read_lock_files(repo, env)))
        lock_texts = {f"{folder}/{name}": text for name, text in file_format.lock_texts(lock).items()}
        texts = {**lock_texts, **generated.environment_files(repo, env, lock)}
        write(target, texts)
    write(target, dict(generated.expected_documents(repo, {}, strict=True)))


def write(target: Path, texts: dict[str, str | None]) -> None:
    for path, text in texts.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text or "")


def copy_repository(target: Path) -> None:
    for name in ("services", "lockfiles", "docker", "records", "docs", "DEVIATIONS.md"):
        source = THIS / name
        if source.is_dir():
            shutil.copytree(source, target / name)
        else:
            shutil.copy2(source, target / name)


# Runs a command, and prints its wall seconds, CPU seconds and largest memory in MiB as JSON.
_MEASURE = """
import json, os, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
wall = time.perf_counter() - start
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, code]))
"""


def measure(checkout: Path, repository: Path, arguments: tuple[str, ...]) -> tuple[float, float, float, int]:
    """Wall seconds, CPU seconds, memory in MiB and exit code of a command of a checkout in a repository."""
    variables = {name: value for name, value in os.environ.items() if name not in IGNORED_VARIABLES}
    variables["PYTHONPATH"] = str(checkout / "src")
    process = subprocess.run(
        (sys.executable, "-c", _MEASURE, sys.executable, "-m", "torchpin", *arguments),
        cwd=repository,
        env=variables,
        stdout=subprocess.PIPE,
        check=True,
    )
    wall, cpu, memory, code = json.loads(process.stdout)
    return wall, cpu, memory, code


def edit_description(repository: Path) -> None:
    """One more comment in one description."""
    path = min((repository / "services").glob("*/service.yaml"))
    path.write_text(f"{path.read_text()}# edited at {time.time_ns()}\n")


def compare(repository: Path, checkouts: dict[str, Path], runs: int) -> None:
    """Prints a line for each command, state and checkout."""
    print(f"{'command':<18}{'state':<12}{'checkout':<10}{'wall s':>16}{'CPU s':>16}{'MiB':>8}{'exit':>6}")
    for arguments in COMMANDS:
        for state in ("first", "unchanged", "one edited"):
            rows: dict[str, list[tuple[float, float, float, int]]] = {name: [] for name in checkouts}
            for _ in range(runs):
                for name, checkout in checkouts.items():
                    if state == "first":
                        shutil.rmtree(repository / ".torchpin", ignore_errors=True)
                    elif state == "one edited":
                        edit_description(repository)
                    rows[name].append(measure(checkout, repository, arguments))
            for name, samples in rows.items():
                print(f"{' '.join(arguments):<18}{state:<12}{name:<10}{summary(samples)}", flush=True)


def rows(runs: int, services: int = 1000) -> list[Row]:
    """The rows of each command on a repository of many services; the first run is made once."""
    with tempfile.TemporaryDirectory(prefix="tpb-") as scratch:
        repository = Path(scratch, "repository")
        repository.mkdir()
        generate(repository, services)
        return [command_row(repository, arguments, runs, services) for arguments in COMMANDS]


def command_row(repository: Path, arguments: tuple[str, ...], runs: int, services: int) -> Row:
    command = workload.torchpin(THIS, *arguments)

    def run() -> Sample:
        return run_command(command, cwd=repository, codes=(0, 1))

    def run_edited() -> Sample:
        edit_description(repository)
        return run()

    shutil.rmtree(repository / ".torchpin", ignore_errors=True)
    sides = {
        "first run": summarize([run()]),
        "unchanged": summarize([run() for _ in range(runs)]),
        "one description edited": summarize([run_edited() for _ in range(runs)]),
    }
    return Row(
        work=f"{' '.join(arguments)}, {services:,} services",
        sides=sides,
        aims=[Aim(side="first run", limit=10), Aim(side="one description edited", limit=2)],
    )


def summary(samples: list[tuple[float, float, float, int]]) -> str:
    walls, cpus, memories, codes = zip(*samples, strict=True)
    spread = [f"{statistics.median(row):.2f} ({min(row):.2f}-{max(row):.2f})" for row in (walls, cpus)]
    return f"{spread[0]:>16}{spread[1]:>16}{max(memories):>8.0f}{'/'.join(map(str, sorted(set(codes)))):>6}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--services", type=int, default=500, help="how many; 0: this repository as it is")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--other", type=Path, help="a checkout to compare with")
    parser.add_argument(
        "--keep", type=Path, help="make the repository here and keep it, or use the one that is here"
    )
    parser.add_argument("--only-make", action="store_true", help="make the repository and measure nothing")
    options = parser.parse_args()
    checkouts = {"this": THIS} | ({"other": options.other.resolve()} if options.other else {})
    with tempfile.TemporaryDirectory() as scratch:
        target = (options.keep or Path(scratch) / "repository").resolve()
        if not target.exists():
            target.mkdir(parents=True)
            generate(target, options.services) if options.services else copy_repository(target)
        if not options.only_make:
            compare(target, checkouts, options.runs)


if __name__ == "__main__":
    main()
