"""A copy of this repository, and an update of lora in it that can be undone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from support.bumps import ENTRY
from torchpin import paths
from torchpin.commands import generate, undo
from torchpin.records import bump_log
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[2]
LORA, COAXIAL = "services/lora/service.yaml", "services/coaxial/service.yaml"


def copy_repository(root: Path) -> Repository:
    """A copy of this repository, with fresh documents and without updates."""
    for name in ("services", "lockfiles", "docker", "docs"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / paths.DEVIATIONS, root / paths.DEVIATIONS)
    repo = workspace.open_repository(root)
    generate.write_documents(repo)
    return repo


def update_lora(repo: Repository) -> Repository:
    return update(repo, LORA, ENTRY)


def update(repo: Repository, file: str, entry: BumpEntry) -> Repository:
    """The copy after an update, which changes a description, its documents and the update's record."""
    environment = f"{repo.root.joinpath(file).parent.name}-gpu"
    records = (paths.freeze_path(environment), paths.build_path(environment))
    before = {path: repo.text(path) for path in (file, entry.file, *records, *generated.document_paths(repo))}
    after = change_summary(repo.root, file, "updated")
    (repo.root / file).write_text(before[file] or "")
    staged = {file: after.descriptions[file], entry.file: bump_log.render_entry(entry)}
    documents = generated.expected_documents(replace(after, staged=staged), {}, strict=True)
    undo.write_update_files(repo, {**staged, **documents}, before, {}, entry)
    return workspace.open_repository(repo.root)


def change_summary(root: Path, file: str, summary: str) -> Repository:
    lines = (root / file).read_text().splitlines(keepends=True)
    (root / file).write_text(
        "".join(f"summary: {summary}\n" if line.startswith("summary:") else line for line in lines)
    )
    return workspace.open_repository(root)


def tree(root: Path) -> dict[str, bytes]:
    """Every file of a repository but those of git and of torchpin's own work, path to content."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] not in {paths.WORK, ".git"}
    }


def put_tree(root: Path, files: dict[str, bytes]) -> None:
    """Makes a repository hold these files and no others, as git does for another branch."""
    for path in tree(root):
        if path not in files:
            (root / path).unlink()
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
