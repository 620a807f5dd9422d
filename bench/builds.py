"""Builds of a real service: torchpin's two ways against the pip recipe, a Dockerfile by uv's guide, and the floor.

    python bench/builds.py [RUNS] [CHECKOUT]

Requires root on Debian, dockerd, buildx, mmdebstrap, 60 GB of disk and PyPI; about ten minutes a run. With another checkout of
torchpin (set up by `python3 bootstrap.py invoke --list`) its builds are a side, too. `nox -s bench -- builds` keeps the figures.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import workload
from measuring import Sample, run_command, run_with_engine, summarize
from results import Aim, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RECIPES = Path(__file__).parent / "recipes"
WITHOUT_PROOF = "torchpin without the proof"
PIP, GUIDE, FLOOR, TORCHPIN, ASSEMBLED = (
    "pip recipe",
    "uv's guide",
    "floor",
    "torchpin",
    "torchpin --assemble",
)
LEAF_PACKAGE = "aiofiles"  # a package of few kilobytes on which no other package depends
LEAF_VERSIONS = ("25.1.0", "24.1.0")


COLD, LEAF, AGAIN, IMPORTS = "cold build", "one leaf pin moved", "nothing to do", "first imports"
REPEATED = 5  # how often what takes seconds is measured in each run


def main(runs: int, other: Path | None) -> list[Row]:
    """The rows of builds: cold, one leaf pin moved, nothing to do, first imports."""
    samples: dict[str, dict[str, list[Sample]]] = {COLD: {}, LEAF: {}, AGAIN: {}, IMPORTS: {}}
    with workload.engine() as data, tempfile.TemporaryDirectory(prefix="tpb-") as name:
        workload.make_base()
        bench = BuildBench(Path(name), data, other)
        for _ in range(runs):
            for side in bench.sides():
                for work, listed in bench.measure(side).items():
                    samples[work].setdefault(side, []).extend(listed)
                    print(
                        f"{side}: {work}: {', '.join(f'{sample.wall:.2f} s' for sample in listed)}",
                        flush=True,
                    )
    rows = [
        Row(work=work, sides={side: summarize(listed) for side, listed in sides.items()}, aims=AIMS[work])
        for work, sides in samples.items()
    ]
    for row in rows:
        print_row(row)
    return rows


AIMS = {
    COLD: [
        Aim(side=TORCHPIN, other=PIP, limit=1 / 3),
        Aim(side=ASSEMBLED, other=PIP, limit=1 / 3),
        Aim(side=WITHOUT_PROOF, other=FLOOR, limit=1.3),
    ],
    LEAF: [
        *(Aim(side=side, other=PIP, limit=1 / 5) for side in (TORCHPIN, ASSEMBLED)),
        Aim(side=TORCHPIN, limit=10),
    ],
    AGAIN: [Aim(side=TORCHPIN, other=GUIDE, limit=1.5)],
    IMPORTS: [Aim(side=TORCHPIN, other=PIP, limit=1)],
}


class BuildBench:
    """The contexts of the recipes and the projects of torchpin in a folder, and the engine whose data lie in `data`."""

    def __init__(self, folder: Path, data: Path, other: Path | None) -> None:
        self.data = data
        self.checkouts = {TORCHPIN: workload.ROOT} | ({"torchpin before": other} if other else {})
        self.projects = {}
        for number, (side, checkout) in enumerate(self.checkouts.items()):
            self.projects[side] = folder / f"project{number}"
            self.projects[side].mkdir()
            workload.make_project(self.projects[side], checkout)
        self.context = folder / "context"
        self.context.mkdir()
        self.write_context()

    def write_context(self) -> None:
        """The build context of the recipes, from the lock of torchpin's project."""
        project = self.projects[TORCHPIN]
        versions = workload.locked_requirements(project)
        pins = "".join(f"{package}=={version}\n" for package, version in sorted(versions.items()))
        (self.context / "constraints.txt").write_text(pins, encoding="utf-8")
        (self.context / "requirements.txt").write_text(pins, encoding="utf-8")
        hashed = [
            file.read_text(encoding="utf-8")
            for file in sorted(project.glob("lockfiles/*/*.requirements.txt"))
        ]
        (self.context / "locked.txt").write_text("\n".join(hashed), encoding="utf-8")
        shutil.copyfile(project / "services/zopilot/smoke.py", self.context / "smoke.py")
        shutil.copy2(workload.ROOT / ".venv/bin/uv", self.context / "uv")

    def recipe(self, name: str) -> Callable[[], object]:
        command = (
            *("docker", "buildx", "build", "--quiet", "--load", "--network", "host", "--provenance", "false"),
            *(
                "--file",
                str(RECIPES / f"{name}.Dockerfile"),
                "--tag",
                f"torchpin-bench/{name}:1",
                str(self.context),
            ),
        )
        return lambda: subprocess.run(command, check=True, capture_output=True)

    def torchpin(self, side: str, *options: str) -> Callable[[], object]:
        command = workload.torchpin(self.checkouts[side], "build", "--service", "zopilot", *options)
        return lambda: run_command(command, cwd=self.projects[side], env=build_environment())

    def image_stage(self) -> None:
        """Builds torchpin's Dockerfile up to its stage `image`, which is everything but the proof."""
        project = self.projects[TORCHPIN]
        environ = build_environment()
        run_command(
            workload.torchpin(workload.ROOT, "bake", "--service", "zopilot"), cwd=project, env=environ
        )
        command = (
            *("docker", "buildx", "build", "--quiet", "--load", "--network", "host", "--provenance", "false"),
            *("--target", "image", "--tag", "torchpin-bench/stage:1", ".torchpin/bake/zopilot-gpu"),
        )
        run_command(command, cwd=project, env=environ)

    def sides(self) -> dict[str, Callable[[], object]]:
        """What builds the image of each side."""
        recipes = {PIP: self.recipe("pip"), GUIDE: self.recipe("uv"), FLOOR: self.recipe("floor")}
        own = {side: self.torchpin(side) for side in self.checkouts}
        return {
            **recipes,
            **own,
            WITHOUT_PROOF: self.image_stage,
            ASSEMBLED: self.torchpin(TORCHPIN, "--assemble"),
        }

    def measure(self, side: str) -> dict[str, list[Sample]]:
        """The samples of a side: from nothing, with a leaf's pin moved, with nothing to do, and of imports in its image."""
        build = self.sides()[side]
        self.forget()
        samples = {COLD: [run_with_engine(build, self.data)]}
        if side in {FLOOR, WITHOUT_PROOF}:
            return samples
        self.move_leaf(*LEAF_VERSIONS)
        samples[LEAF] = [run_with_engine(build, self.data)]
        samples[AGAIN] = [run_with_engine(build, self.data) for _ in range(REPEATED)]
        command = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", self.image(side))
        work = lambda: run_command((*command, "/opt/zopilot/smoke.py"))  # noqa: E731
        samples[IMPORTS] = [run_with_engine(work, self.data) for _ in range(REPEATED)]
        self.move_leaf(*LEAF_VERSIONS[::-1])
        return samples

    def image(self, side: str) -> str:
        names = {PIP: "torchpin-bench/pip:1", GUIDE: "torchpin-bench/uv:1"}
        return (
            names.get(side)
            or docker_lines("images", "--format", "{{.Repository}}:{{.Tag}}", "torchpin/zopilot-gpu")[0]
        )

    def move_leaf(self, old: str, new: str) -> None:
        """Move the leaf's pin in all sides, and lock again; this is not measured."""
        for side, project in self.projects.items():
            file = project / workload.SERVICE
            text = file.read_text(encoding="utf-8").replace(
                f"{LEAF_PACKAGE}=={old}", f"{LEAF_PACKAGE}=={new}"
            )
            file.write_text(text, encoding="utf-8")
            for command in (("lock",), ("document", "--overwrite")):
                run_command(workload.torchpin(self.checkouts[side], *command), cwd=project)
        self.write_context()

    def forget(self) -> None:
        """Remove all images but the base, the build cache and the stored wheels and layers."""
        base = docker_lines("images", "--quiet", "--no-trunc", workload.BASE)
        own = {*docker_lines("images", "--all", "--quiet", "--no-trunc")} - {*base}
        if own:
            subprocess.run(("docker", "rmi", "--force", *own), check=True, capture_output=True)
        subprocess.run(("docker", "builder", "prune", "--all", "--force"), check=True, capture_output=True)
        shutil.rmtree(self.data.parent / "cache", ignore_errors=True)
        os.environ["XDG_CACHE_HOME"] = str(self.data.parent / "cache")


def build_environment() -> Mapping[str, str]:
    """The variables of a machine that reaches PyPI without certificates of its own."""
    environ = {
        name: value for name, value in os.environ.items() if name not in workload.CERTIFICATE_VARIABLES
    }
    return {**environ, "TORCHPIN_BUILD_NETWORK": "host"}


def docker_lines(*arguments: str) -> list[str]:
    """The lines that a docker command prints."""
    command = ("docker", *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def print_row(row: Row) -> None:
    first = next(iter(row.sides.values()))
    for side, summary in row.sides.items():
        print(
            f"{row.work}: {side}: {summary.wall:.2f} s ({summary.shortest:.2f} to {summary.longest:.2f}), "
            f"ratio {summary.wall / first.wall:.3f}, CPU {summary.cpu:.1f} s, {summary.written / 1e9:.2f} GB written"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3, Path(sys.argv[2]).resolve() if sys.argv[2:] else None)
