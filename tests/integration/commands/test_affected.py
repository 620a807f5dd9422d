"""Which environments a change concerns, in a real git repository: committed, uncommitted, in own files, and removed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from support.small_service import DESCRIPTION, write_service
from torchpin.commands import generate
from torchpin.commands.affected import find_affected
from torchpin.commands.bake import BakeOptions, bake_document_of
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.queries.affected import AffectedList

pytestmark = pytest.mark.usefixtures("plain_tools")
WITH_FILES = DESCRIPTION + "files:\n  - {from: server, to: server}\n"


@pytest.fixture
def committed(root: Path) -> Path:
    """The small service with a folder of its own, rendered and committed."""
    (root / "server").mkdir()
    (root / "server/main.py").write_text("print(1)\n")
    (root / "services/lora/smoke.py").write_text("import torch\n")
    describe(root, WITH_FILES)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "rendered")
    return root


def describe(root: Path, description: str, **versions: str) -> None:
    """Another description, with its lock and its rendering."""
    write_service(root, description, **versions)
    repo = workspace.open_repository(root)
    generate.write_renderings(repo, select_environments(repo.services))


def affected_since(root: Path, revision: str) -> AffectedList:
    repo = workspace.open_repository(root)
    return find_affected(repo, select_environments(repo.services), revision)


def states(affected: AffectedList) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {row.environment: (row.state, row.inputs) for row in affected.environments}


def test_a_change_concerns_what_is_made_of_it(committed: Path) -> None:
    assert states(affected_since(committed, "HEAD")) == {"lora-gpu": ("same", ())}

    (committed / "README.md").write_text("no input of an image\n")
    describe(committed, WITH_FILES + "# no input either\n")
    assert states(affected_since(committed, "HEAD")) == {"lora-gpu": ("same", ())}

    (committed / "services/lora/smoke.py").write_text("import torch, six\n")
    assert states(affected_since(committed, "HEAD")) == {"lora-gpu": ("changed", ("smoke.py",))}
    git(committed, "checkout", "-q", "services/lora/smoke.py")

    (committed / "server/new.py").write_text("untracked\n")
    assert states(affected_since(committed, "HEAD")) == {"lora-gpu": ("changed", ("server (files/0)",))}
    (committed / "server/new.py").unlink()

    describe(committed, WITH_FILES, six="1.16.0")
    git(committed, "commit", "-q", "-a", "-m", "six moves")
    (row,) = affected_since(committed, "HEAD~1").environments
    assert row.state == "changed"
    assert "layers/02-training.requirements.txt" in row.inputs
    assert states(affected_since(committed, "HEAD")) == {"lora-gpu": ("same", ())}


def test_another_torchpin_concerns_all(committed: Path) -> None:
    scripts = committed / "docker/lora-gpu/context.txt"
    scripts.write_text(
        scripts.read_text().replace("runtime/probe.py  sha256:", "runtime/probe.py  sha256:00")
    )
    git(committed, "commit", "-q", "-a", "-m", "rendered by another release")
    git(committed, "checkout", "-q", "HEAD~1", "--", "docker")
    assert states(affected_since(committed, "HEAD")) == {"lora-gpu": ("changed", ("runtime/probe.py",))}


def test_the_work_tree_stays_as_it_is(committed: Path) -> None:
    (committed / "server/main.py").write_text("staged\n")
    git(committed, "add", ".")
    (committed / "server/main.py").write_text("and edited\n")
    before = git(committed, "status", "--porcelain")
    assert states(affected_since(committed, "v0.2"))["lora-gpu"][0] == "unreadable"  # it was not rendered
    assert git(committed, "status", "--porcelain") == before
    assert (committed / "server/main.py").read_text() == "and edited\n"


def test_environments_of_one_side_and_descriptions_that_cannot_be_read(committed: Path) -> None:
    (committed / "services/lora/service.yaml").write_text("name: [")
    git(committed, "commit", "-q", "-a", "-m", "broken")
    git(committed, "checkout", "-q", "HEAD~1", "--", "services")
    (row,) = affected_since(committed, "HEAD").environments
    assert (row.state, row.reason.partition(":")[0]) == ("unreadable", "services/lora/service.yaml")

    two = WITH_FILES.replace("variants:\n", "variants:\n  cpu: {channel: cpu, platform: linux/amd64}\n")
    (committed / "services/lora/service.yaml").write_text(two)
    rows = {row.environment: row for row in affected_since(committed, "HEAD~1").environments}
    assert (rows["lora-cpu"].state, rows["lora-cpu"].reason.partition(";")[0]) == (
        "new",
        "lora-cpu is not locked",
    )

    shutil.copytree(committed / "services/lora", committed / "services/other")
    other = committed / "services/other/service.yaml"
    other.write_text(WITH_FILES.replace("name: lora", "name: other"))
    shutil.rmtree(committed / "services/lora")
    affected = affected_since(committed, "HEAD~1")
    assert (states(affected)["other-gpu"][0], affected.removed) == ("new", ("lora-gpu",))


def test_without_a_revision_all_are_affected_and_an_unknown_one_is_refused(committed: Path) -> None:
    assert states(affected_since(committed, "")) == {"lora-gpu": ("new", ())}
    with pytest.raises(InputError, match="revision 'v9' does not exist"):
        affected_since(committed, "v9")


def test_a_repository_below_the_top_of_git_is_compared_alone(committed: Path, tmp_path: Path) -> None:
    top = tmp_path / "top"
    root = top / "of/gpu services"
    shutil.copytree(committed, root, ignore=shutil.ignore_patterns(".git", ".torchpin"))
    shutil.copytree(root / "services", top / "services")  # somebody else's of the same name
    git(top, "init", "-q", "-b", "main")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "all")
    (top / "services/lora/smoke.py").write_text("another one's\n")
    assert states(affected_since(root, "HEAD")) == {"lora-gpu": ("same", ())}
    (root / "server/main.py").write_text("print(2)\n")
    assert states(affected_since(root, "HEAD")) == {"lora-gpu": ("changed", ("server (files/0)",))}


def test_a_bake_is_of_what_changed(committed: Path) -> None:
    def targets(since: str = "") -> set[str]:
        repo = workspace.open_repository(committed)
        document = bake_document_of(repo, select_environments(repo.services), BakeOptions(since=since))
        return {*json.loads(document)["target"]}

    assert targets() == {"lora-gpu"}
    assert targets("HEAD") == set()
    describe(committed, WITH_FILES.replace("six==1.17.0", "six==1.16.0"), six="1.16.0")
    assert targets("HEAD") == {"lora-gpu"}
