"""The proof of an environment: probe and smoke test in two interpreters and in one, and with what an earlier proof has shown.

    python bench/proofs.py [RUNS]

Requires uv's cache or PyPI. The environment has transformers, scikit-learn and pandas without bytecode, as images have by default;
the smoke test imports numpy and pandas.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from measuring import Sample, run_command, summarize
from results import Aim, Row

from torchpin.tools import uv

PACKAGES = ("transformers==4.46.3", "scikit-learn==1.5.2", "pandas==2.2.3", "numpy==1.26.4", "scipy==1.14.1")
IMPORTS = ["numpy", "scipy", "sklearn", "pandas", "transformers"]
SMOKE_TEST = "import numpy, pandas\nassert pandas.Series(numpy.ones(2)).sum() == 2\n"
RUNTIME = Path(__file__).parents[1] / "src/torchpin/resources/runtime"
TWO, ONE, KEPT = "two interpreters", "one interpreter", "nothing moved since an earlier proof"


def main(runs: int) -> list[Row]:
    """The row of proofs."""
    with tempfile.TemporaryDirectory(prefix="tpb-") as name:
        proof = Proof(Path(name))
        sides = {TWO: proof.by_two, ONE: proof.by_one, KEPT: proof.with_kept}
        turns = [{side: work() for side, work in sides.items()} for _ in range(runs + 1)]
    return [
        Row(
            work="proof of an environment",
            sides={side: summarize([turn[side] for turn in turns[1:]]) for side in sides},
            aims=[
                Aim(side=ONE, other=TWO, limit=1, figure="cpu"),
                Aim(side=KEPT, other=ONE, limit=1, figure="cpu"),
            ],
            note=f"imports {', '.join(IMPORTS)}; the smoke test imports numpy and pandas",
        )
    ]


class Proof:
    """An environment in a folder with its expectation and its smoke test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.python = folder, str(folder / "venv/bin/python")
        self.kept, self.document = folder / "kept.json", folder / "proof.json"
        self.smoke = folder / "smoke.py"
        self.smoke.write_text(SMOKE_TEST)
        tool = uv.uv_executable()
        run_command((tool, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")))
        run_command((tool, "pip", "install", "--quiet", "--python", self.python, *PACKAGES))
        versions = self._frozen()
        minor = f"{sys.version_info.major}.{sys.version_info.minor}"
        expected = {"python": minor, "distributions": versions, "imports": IMPORTS}
        (folder / "expect.json").write_text(json.dumps(expected))
        self.options = ("--no-gpu", "--expect", str(folder / "expect.json"))
        self.by_one()
        self.earlier = self.document.read_text()

    def _frozen(self) -> dict[str, str]:
        info = (self.folder / "venv").glob("lib/python*/site-packages/*.dist-info")
        names = (folder.name.removesuffix(".dist-info").partition("-") for folder in info)
        return {name: version for name, _, version in names}

    def by_two(self) -> Sample:
        self.kept.unlink(missing_ok=True)
        probe = run_command((self.python, "-B", str(RUNTIME / "probe.py"), *self.options))
        smoke = run_command((self.python, "-B", str(self.smoke)))
        return Sample(
            wall=probe.wall + smoke.wall, cpu=probe.cpu + smoke.cpu, memory=max(probe.memory, smoke.memory)
        )

    def by_one(self) -> Sample:
        self.kept.unlink(missing_ok=True)
        return self._prove()

    def with_kept(self) -> Sample:
        self.kept.write_text(self.earlier)
        return self._prove()

    def _prove(self) -> Sample:
        script = str(RUNTIME / "prove.py")
        return run_command((self.python, "-B", script, str(self.document), str(self.smoke), *self.options))


if __name__ == "__main__":
    for row in main(int(sys.argv[1]) if sys.argv[1:] else 3):
        for side, summary in row.sides.items():
            print(f"{row.work}: {side}: {summary.wall:.2f} s, CPU {summary.cpu:.2f} s")
