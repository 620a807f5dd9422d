"""`lock` with a cool-down: the cut-off is recorded, stays while nothing moves, and is held by LCK008."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

from support.stub_service import CHANNELS, stub
from torchpin import paths
from torchpin.commands import lock
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, ToolError
from torchpin.model import Settings
from torchpin.tools import index_server
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.model import Outcome
    from torchpin.workspace.workspace import Repository

DESCRIPTION = """\
name: cropper
summary: Crops
python: "3.12.11"
base: {image: "ubuntu:22.04"}
torch: {version: "2.5.1"}
variants:
  cpu: {channel: cpu, platform: linux/amd64}
layers:
  - {name: model, packages: [api==1.0]}
"""
TODAY = dt.datetime.now(tz=dt.timezone.utc).date()
CUTOFF = f"# cutoff: {TODAY - dt.timedelta(days=7)}T00:00:00Z\n"


def published(days: int) -> str:
    return f"{TODAY - dt.timedelta(days=days)}T12:00:00Z"


CHANNELS_WITH_TIMES = {
    **CHANNELS,
    "pypi": {
        "sympy": [replace(stub("sympy", "1.13.1"), uploaded=published(300))],
        "rows": [
            replace(stub("rows", "1.0"), uploaded=published(100)),
            replace(stub("rows", "1.1"), uploaded=published(5)),
        ],
        "api": [
            replace(stub("api", "1.0", "rows>=1"), uploaded=published(50)),
            replace(stub("api", "1.1", "rows>=1"), uploaded=published(3)),
        ],
    },
}


class Checkout:
    def __init__(self, root: Path, base: str) -> None:
        self.root = root
        self.settings = Settings(mirrors={"pypi": f"{base}/pypi/", "cpu": f"{base}/cpu/"})
        self.write("services/cropper/service.yaml", DESCRIPTION)
        self.write("services/cropper/smoke.py", "import torch\n")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def open(self) -> Repository:
        return replace(workspace.open_repository(self.root), settings=self.settings)

    def lock(self, *upgrade: str, refresh: bool = False) -> Outcome:
        repo = self.open()
        environments = select_environments(repo.services)
        (outcome,) = lock.lock(repo, environments, upgrade=upgrade, refresh=refresh)
        return outcome

    def layer(self, name: str) -> str:
        return (self.root / f"lockfiles/cropper-cpu/{name}.requirements.txt").read_text()


def test_a_cool_down_is_recorded_kept_and_moved_on(tmp_path: Path) -> None:
    with index_server.serve(CHANNELS_WITH_TIMES) as base:
        checkout = Checkout(tmp_path, base)
        assert checkout.lock().status == "changed"
        assert "cutoff" not in checkout.layer("02-model")
        assert "rows==1.1" in checkout.layer("02-model")

        checkout.write("services/policy.yaml", "cooldown: 7 days\n")
        assert checkout.lock().status == "changed"
        assert CUTOFF in checkout.layer("02-model")
        assert "rows==1.0" in checkout.layer("02-model")
        assert "cutoff" not in checkout.layer("00-torch")
        assert checkout.lock().status == "same"

        checkout.write("services/policy.yaml", "cooldown: 3 days\n")  # nothing moves: the lock stays
        assert checkout.lock().status == "same"
        assert CUTOFF in checkout.layer("02-model")
        checkout.lock("rows")
        assert f"# cutoff: {TODAY - dt.timedelta(days=3)}T00:00:00Z\n" in checkout.layer("02-model")
        assert "rows==1.1" in checkout.layer("02-model")


def test_a_young_pin_is_refused_or_excepted_with_a_notice(tmp_path: Path) -> None:
    with index_server.serve(CHANNELS_WITH_TIMES) as base:
        checkout = Checkout(tmp_path, base)
        checkout.write("services/cropper/service.yaml", DESCRIPTION.replace("api==1.0", "api==1.1"))
        checkout.write("services/policy.yaml", "cooldown: 7 days\n")
        outcome = checkout.lock()
        assert (outcome.status, outcome.code) == ("failed", FindingsError.exit_code)
        allowed = TODAY + dt.timedelta(days=5)
        assert f"services/cropper/service.yaml:9:30: api 1.1 was published on {TODAY - dt.timedelta(days=3)}; it is allowed from {allowed}" in outcome.detail  # fmt: skip

        checkout.write("services/policy.yaml", "cooldown: {time: 7 days, except: {api: we need its fix}}\n")
        outcome = checkout.lock()
        assert outcome.status == "changed"
        assert outcome.detail.endswith(
            f"younger than the cool-down allows, and excepted: api 1.1, published on {TODAY - dt.timedelta(days=3)} "
            "(we need its fix)"
        )
        assert checkout.lock().status == "same"

        checkout.write("services/policy.yaml", "cooldown: 7 days\n")  # no lock tells what was excepted
        assert checkout.lock().status == "failed"


def test_what_answers_its_description_is_not_resolved_again(tmp_path: Path) -> None:
    with index_server.serve(CHANNELS_WITH_TIMES) as base:
        checkout = Checkout(tmp_path, base)
        checkout.write("services/policy.yaml", "cooldown: 7 days\n")
        assert checkout.lock().status == "changed"
    # nothing is served any more
    assert checkout.lock().status == "same"
    assert checkout.lock("rows").code == checkout.lock(refresh=True).code == ToolError.exit_code
    checkout.write(f"{paths.RESOLVED}/cropper-cpu", "something else")
    assert checkout.lock().code == ToolError.exit_code
