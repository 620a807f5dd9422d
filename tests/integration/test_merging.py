"""Branches that change different services merge with plain git, and what they give together is up to date."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from packaging.version import Version

from support.bumps import other_entry
from support.command_line import run_command
from support.git_repositories import git
from torchpin import paths
from torchpin.description.environments import select_environments
from torchpin.documents import deviations, gpus, markdown, pinning
from torchpin.model import Lock, Service, Waiver
from torchpin.records.bump_log import BumpEntry, ServiceChange
from torchpin.workspace import workspace

ROOT = Path(__file__).parents[2]
NAMES = ("coaxial", "lora", "seedvr", "videogen", "zopilot")


@cache
def committed() -> tuple[dict[str, Service], dict[str, Lock]]:
    repo = workspace.open_repository(ROOT)
    locks = {env.name: workspace.read_lock(repo, env) for env in select_environments(repo.services)}
    return {service.name: service for service in repo.services}, locks


def shared_pages(services: dict[str, Service], log: tuple[BumpEntry, ...] = ()) -> dict[str, str]:
    """The pages that tell of several services."""
    ordered, (_, locks) = [services[name] for name in sorted(services)], committed()
    sections = {
        paths.PINNING: pinning.pinning_sections(ordered, locks, {}, log),
        paths.DEVIATIONS: deviations.deviation_sections(ordered, locks),
        paths.GPUS: gpus.gpu_sections(ordered),
    }
    return {path: markdown.splice_sections(path, "prose\n", named) for path, named in sections.items()}


def moved(service: Service) -> Service:
    """A service of which every line changes that its pins can change, and its summary."""
    waiver = Waiver(check="GPU001", about="B200", reason="later", review_by=date(2027, 1, 31))
    return replace(
        service,
        summary=f"{service.summary}, changed",
        python=Version("3.12.1"),
        torch=replace(service.torch, version=Version("2.6.0")),
        variants=tuple(
            replace(variant, base=replace(service.base, image="debian:13")) for variant in service.variants
        ),
        gpus=("T4", *service.gpus),
        waivers=(*service.waivers, waiver),
        reasons=tuple(replace(reason, because="other") for reason in service.reasons),
    )


def merge_texts(folder: Path, base: str, ours: str, theirs: str) -> str:
    """What git makes of three versions of a file. Fails with git's conflicts."""
    for name, text in {"base": base, "ours": ours, "theirs": theirs}.items():
        (folder / name).write_text(text, encoding="utf-8")
    result = subprocess.run(
        ("git", "merge-file", "-p", "ours", "base", "theirs"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def bump_of(service: str) -> BumpEntry:
    return other_entry(services={service: ServiceChange(pins=("tqdm 1 -> 2",))})


@pytest.mark.parametrize(("first", "second"), [*itertools.combinations(NAMES, 2)])
def test_pages_merge_where_two_services_move(first: str, second: str, tmp_path: Path) -> None:
    services, _ = committed()
    ours, theirs = ({**services, name: moved(services[name])} for name in (first, second))
    base = shared_pages(services)
    our_pages, their_pages = shared_pages(ours, (bump_of(first),)), shared_pages(theirs, (bump_of(second),))
    both = shared_pages({**ours, second: theirs[second]}, (bump_of(first), bump_of(second)))
    for path, text in base.items():
        assert our_pages[path] != text != their_pages[path]
        assert merge_texts(tmp_path, text, our_pages[path], their_pages[path]) == both[path]


@pytest.mark.parametrize(
    ("new", "moving"), [(new, name) for new in ("able", "mine", "zzz") for name in NAMES]
)
def test_pages_merge_where_a_service_is_added_or_removed_and_another_moves(
    new: str, moving: str, tmp_path: Path
) -> None:
    services, _ = committed()
    larger = {**services, new: replace(services["seedvr"], name=new)}
    for before, after in ((services, larger), (larger, services)):
        base, ours = shared_pages(before), shared_pages(after)
        theirs = shared_pages({**before, moving: moved(services[moving])})
        both = shared_pages({**after, moving: moved(services[moving])})
        for path, text in base.items():
            assert merge_texts(tmp_path, text, ours[path], theirs[path]) == both[path]


TWO = ("first", "second")
DESCRIPTION = """\
name: {name}
summary: A small service
python: "3.10.14"
base: {{image: "python:3.10.14-slim-bookworm", rationale: small}}
torch: {{version: "2.5.1"}}
variants:
  gpu: {{channel: cu121, platform: linux/amd64}}
layers:
  - name: app
    packages:
      - tqdm==4.66.5
"""


@pytest.fixture
def root(tmp_path: Path, plain_git: None) -> Path:
    """A repository with two small services, locked and committed on the branch `main`."""
    root = tmp_path / "repository"
    (root / "services").mkdir(parents=True)
    (root / "docker/runtime").mkdir(parents=True)
    (root / ".gitignore").write_text("/.torchpin/\n")
    git(root, "init", "--quiet", "--initial-branch=main")
    for name in TWO:
        (root / "services" / name).mkdir()
        (root / paths.description_path(name)).write_text(DESCRIPTION.format(name=name))
        shutil.copy(ROOT / "services/lora/smoke.py", root / paths.smoke_path(name))
    locked = run_command(root, "lock", "--recorded")
    assert locked.code == 0, locked.output
    commit(root, "locked")
    return root


def commit(root: Path, message: str) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)


def bump_on_a_branch(root: Path, service: str) -> None:
    git(root, "checkout", "--quiet", "-b", service, "main")
    result = run_command(
        root,
        *(
            "bump",
            "tqdm==4.67.0",
            "--service",
            service,
            "--recorded",
            "--no-build",
            "--yes",
            "--reason",
            "so",
        ),
    )
    assert result.code == 0, result.output
    commit(root, f"bump of {service}")


@pytest.mark.network
def test_two_bumps_of_different_services_merge_and_everything_is_up_to_date(root: Path) -> None:
    for name in TWO:
        bump_on_a_branch(root, name)
    git(root, "merge", "--quiet", "--no-edit", "first")
    assert git(root, "status", "--porcelain") == ""
    for command in ("lock", "render", "document"):
        result = run_command(root, command, "--check")
        assert result.code == 0, result.output
    assert len([*(root / paths.BUMPS).glob("*.yaml")]) == len(TWO)
    pinning_page = (root / paths.PINNING).read_text()
    assert all(f"| `{name}-gpu` |" in pinning_page for name in TWO)
    assert pinning_page.count("`tqdm==4.67.0` pending at step 3") == len(TWO)
    assert run_command(root, "document").code == 0  # nothing of the merge is taken for an edit by hand
    assert git(root, "status", "--porcelain") == ""
    undone = run_command(root, "bump", "--undo")
    assert undone.code == 0, undone.output
    assert run_command(root, "document", "--check").code == 0
    assert len([*(root / paths.BUMPS).glob("*.yaml")]) == 1
