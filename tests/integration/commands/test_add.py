"""`add` and `remove` with packages, resolved by uv from indexes on the loopback: all files are written, or none is."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.stub_service import CHANNELS, stub
from torchpin.commands.add import AddOptions, add
from torchpin.commands.edited_pins import EditOptions
from torchpin.commands.judge import check
from torchpin.commands.lock import lock
from torchpin.commands.remove_packages import remove_pins
from torchpin.commands.report import Watcher
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError
from torchpin.model import Settings
from torchpin.tools import index_server
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin.commands.edited_pins import PinEdit
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
  # what the model needs
  - name: model
    packages:
      - api==1.0  # not 1.1
  - {name: extras, packages: [tools==1.0], optional: true}

reasons:
  web: {because: people like it, evidence: own survey}
"""
OLD, NEW = (
    f"{dt.datetime.now(tz=dt.timezone.utc).date() - dt.timedelta(days=days)}T12:00:00Z" for days in (90, 3)
)
PYPI = {
    **CHANNELS["pypi"],
    "sympy": [stub("sympy", "1.13.1")],
    "api": [stub("api", "1.0", "sympy>=1.13", "rows>=1"), stub("api", "1.1", "rows>=1")],
    "rows": [stub("rows", "1.0"), stub("rows", "1.1"), stub("rows", "1.2rc1")],
    "tools-more": [stub("tools-more", "3.0")],
    "tools": [stub("tools", "1.0")],
    "web": [stub("web", "1.0", "rows<2"), stub("web", "1.1", "rows<2"), stub("web", "2.0", "api>=1.1")],
    "transformers": [stub("transformers", "5.19.0"), stub("transformers", "5.20.2")],
    "strict": [stub("strict", "1.0", "api>=1.1"), stub("strict", "1.1", "api>=1.1")],
}
AGED = {name: [replace(file, uploaded=OLD) for file in files] for name, files in PYPI.items()}
AGED["web"][1] = replace(AGED["web"][1], uploaded=NEW)
FILE = "services/cropper/service.yaml"


class Checkout:
    """A service that is locked, and its two indexes."""

    def __init__(self, root: Path, base: str) -> None:
        self.root = root
        self.settings = Settings(mirrors={"pypi": f"{base}/pypi/", "cpu": f"{base}/cpu/"})

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def open(self) -> Repository:
        return replace(workspace.open_repository(self.root), settings=self.settings)

    def add(self, *packages: str, layer: str = "", dry_run: bool = False) -> PinEdit:
        edit = EditOptions(dry_run=dry_run)
        options = AddOptions(service="cropper", packages=packages, layer=layer, edit=edit)
        return add(self.open(), options, Watcher())

    def remove(self, *packages: str) -> PinEdit:
        return remove_pins(self.open(), "cropper", packages, EditOptions(), Watcher())

    def texts(self) -> dict[str, str]:
        return {
            path.relative_to(self.root).as_posix(): path.read_text()
            for path in self.root.rglob("*")
            if path.is_file() and ".torchpin" not in path.parts
        }

    def layer(self, name: str) -> str:
        return (self.root / f"lockfiles/cropper-cpu/{name}.requirements.txt").read_text()

    def open_findings(self) -> list[str]:
        repo = self.open()
        results = check(repo, select_environments(repo.services), "LCK", "TXT")
        return [finding.message for result in results for finding in result.findings]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with index_server.serve({"cpu": CHANNELS["cpu"], "pypi": AGED}) as base:
        checkout = Checkout(tmp_path_factory.mktemp("locked"), base)
        checkout.write(FILE, DESCRIPTION)
        checkout.write("services/cropper/smoke.py", "import torch\n")
        repo = checkout.open()
        outcomes = lock(repo, select_environments(repo.services))
        assert not any(outcome.code for outcome in outcomes), outcomes
        yield checkout


@pytest.fixture
def checkout(locked: Checkout, tmp_path: Path) -> Checkout:
    root = tmp_path / "checkout"
    shutil.copytree(locked.root, root)
    copy = Checkout(root, "")
    copy.settings = locked.settings
    return copy


def test_the_newest_that_fits_is_pinned_locked_and_written_everywhere(checkout: Checkout) -> None:
    before = checkout.texts()
    planned = checkout.add("web", dry_run=True)
    assert planned.diff.endswith("+      - web==1.1\n")  # 2.0 requires another api
    assert checkout.texts() == before

    edited = checkout.add("web")
    assert (edited.pins, edited.diff) == (("web==1.1",), planned.diff)
    assert edited.messages == (f"web==1.1 in layer model of {FILE}",)
    assert checkout.texts()[FILE] == DESCRIPTION.replace(
        "      - api==1.0  # not 1.1\n", "      - api==1.0  # not 1.1\n      - web==1.1\n"
    )
    assert "web==1.1" in checkout.layer("02-model")
    assert {FILE, "docker/cropper-cpu/Dockerfile", "docs/services/cropper.md"} <= {*edited.files}
    assert checkout.open_findings() == []


def test_a_dependency_that_is_added_keeps_its_version_and_its_layer(checkout: Checkout) -> None:
    edited = checkout.add("rows", "tools-more", layer="")
    assert edited.pins == ("rows==1.1", "tools-more==3.0")
    assert edited.messages[0].endswith("it was a dependency already, at 1.1")


def test_a_cool_down_holds_for_what_is_looked_up(checkout: Checkout) -> None:
    checkout.write("services/policy.yaml", "cooldown: 7 days\n")
    assert checkout.add("web").pins == ("web==1.0",)
    assert "# cutoff: " in checkout.layer("02-model")


def test_what_has_no_solution_changes_nothing_and_names_the_pin(checkout: Checkout) -> None:
    before = checkout.texts()
    with pytest.raises(FindingsError) as error:
        checkout.add("strict")
    sentence, uv_text = str(error.value).split("\n", 1)
    assert sentence == (
        f"cropper-cpu: every release of strict requires api>=1.1, and api==1.0 is pinned ({FILE}:12:9); "
        "move api first (`invoke bump api==VERSION --service cropper`), or ask for another version of strict"
    )
    assert "No solution found" in uv_text
    assert uv_text.endswith("nothing was changed")
    with pytest.raises(FindingsError, match="no index has a package weeb; check its name"):
        checkout.add("weeb")
    with pytest.raises(FindingsError, match=r"requires api>=1.1, and api==1.0 is pinned"):
        checkout.add("strict==1.0")
    assert checkout.texts() == before


def test_a_chosen_version_that_the_judge_refuses_is_replaced_by_one_that_it_accepts(
    checkout: Checkout,
) -> None:
    edited = checkout.add("transformers")  # 5.20.2 imports a name that torch 2.5.1 does not have
    assert edited.pins == ("transformers==5.19.0",)
    assert edited.messages[0].startswith(
        "transformers 5.19.0 is taken instead of 5.20.2: transformers==5.20.2 imports torch._dynamo."
    )
    assert checkout.open_findings() == []


def test_a_requested_version_that_the_judge_refuses_changes_nothing(checkout: Checkout) -> None:
    before = checkout.texts()
    with pytest.raises(FindingsError) as error:
        checkout.add("transformers==5.20.2")
    lines = str(error.value).splitlines()
    assert lines[0].startswith("transformers==5.20.2 imports ")
    assert lines[1:] == ["  help: ask for transformers==5.19.0 instead", "nothing was changed"]
    with pytest.raises(FindingsError, match=r"^transformers==5.20.2 imports (?s:.*)nothing was changed$"):
        checkout.add("transformers>=5.20")  # the only release that is asked for
    assert checkout.texts() == before


def test_a_pin_is_removed_with_its_layer_and_what_requires_it_keeps_it(checkout: Checkout) -> None:
    edited = checkout.remove("tools")
    assert edited.diff.endswith("-  - {name: extras, packages: [tools==1.0], optional: true}\n")
    assert checkout.open_findings() == []
    assert not (checkout.root / "lockfiles/cropper-cpu/03-extras.requirements.txt").exists()
    with pytest.raises(InputError, match="rows is not pinned: api requires it"):
        checkout.remove("rows")
    assert checkout.remove("api").messages == ()
    assert "layers: []" in checkout.texts()[FILE]
