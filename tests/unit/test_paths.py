"""Every path of a repository is written in paths.py alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from torchpin import paths

PACKAGE = Path(paths.__file__).parent
PATH = re.compile(
    r"(?:(?:records|lockfiles|docker|services)/(?:[a-z*]|$)|\.torchpin(?:/|$)|docs/[A-Z]+\.md|DEVIATIONS\.md)"
)


def path_literals(source: str) -> list[str]:
    """The texts of a module that start with a path, docstrings left out."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings and PATH.match(node.value)
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""docs/PINNING.md: the page."""', []),
        ('folder = f"lockfiles/{name}"', ["lockfiles/"]),
        ('path = "records/log.yaml"', ["records/log.yaml"]),
        ('path = root / ".torchpin" / "logs"', [".torchpin"]),
        ('help = "services/NAME: the place of a draft"', []),
    ],
)
def test_path_literals_are_found(source: str, expected: list[str]) -> None:
    assert path_literals(source) == expected


def test_no_other_module_writes_a_path() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "paths.py"]
    literals = {path.name: path_literals(path.read_text(encoding="utf-8")) for path in modules}
    assert {name: texts for name, texts in literals.items() if texts} == {}


def test_paths_are_inside_their_folders() -> None:
    assert paths.description_path("lora") == "services/lora/service.yaml"
    assert (
        paths.lock_path("lora-gpu", "00-torch.requirements.txt")
        == "lockfiles/lora-gpu/00-torch.requirements.txt"
    )
    assert paths.lock_file("00-torch") == "00-torch.requirements.txt"
    assert paths.lock_part("00-torch.requirements.txt") == "00-torch"


@pytest.mark.parametrize("name", ["00-torch", "03-requirements", "build", "upstream-sd-scripts"])
def test_a_lock_file_has_one_name_now_and_one_of_before(name: str) -> None:
    assert paths.present_name(f"{name}.txt") == paths.lock_file(name)
    assert paths.present_name(paths.lock_file(name)) == paths.lock_file(name)


def test_a_file_that_never_was_of_a_lock_keeps_its_name() -> None:
    for name in ("notes.txt", "1-a.txt", "00-torch.txt.orig", "building.txt"):
        assert paths.present_name(name) == name


def test_paths_of_images_and_records_are_inside_their_folders() -> None:
    assert paths.rendered_paths("lora-gpu")[0] == f"{paths.image_folder('lora-gpu')}/Dockerfile"
    assert paths.freeze_path("lora-gpu").startswith(f"{paths.RECORDS}/lora-gpu/")
    assert paths.bump_path("2026-a") == f"{paths.BUMPS}/2026-a.yaml"
    assert paths.bump_name(paths.bump_path("2026-a")) == "2026-a"


def test_the_records_of_updates_are_told_from_those_of_images() -> None:
    assert paths.is_bump(paths.bump_path("2026-a"))
    assert paths.is_bump(paths.FORMER_BUMP_LOG)
    assert not paths.is_bump(paths.freeze_path("bumps-gpu"))
    assert not paths.is_bump(f"{paths.BUMPS}/README.md")
