"""Names say what a thing is: words that could stand for anything are counted, and a type name is used once."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ("src", "tests", "bench", "site") for path in (REPOSITORY / folder).rglob("*.py")
) + [REPOSITORY / name for name in ("bootstrap.py", "noxfile.py", "tasks.py")]
EMPTY_WORDS = {
    *("again", "all_", "asked", "below", "beside", "each", "found", "given", "held", "here", "is_", "kept"),
    *("known", "made", "more", "now", "one", "other", "others", "own", "rest", "said", "there", "told"),
    *("wanted", "was", "way", "ways", "words"),
}
# Of these no module of the package has one.
UNUSED_WORDS = {"again", "asked", "each", "given", "here", "said", "told", "way", "ways"}
CEILING = (
    0.01  # of all names that are bound: 15 % were such words once, and under 1 % are in tools that read well
)


def bound_names(tree: ast.AST) -> list[str]:
    """Every name that a tree binds: variables, parameters, functions and classes."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
    return names


def empty_share(names: list[str]) -> float:
    return sum(name.strip("_") in EMPTY_WORDS for name in names) / len(names)


@pytest.mark.parametrize(
    ("source", "share"),
    [
        ("for one in packages: print(one)", 1.0),
        ("def install(package, *, said): found = package", 0.5),
        ("packages = [package for package in lock]", 0.0),
    ],
)
def test_the_share_of_empty_words_is_counted(source: str, share: float) -> None:
    assert empty_share(bound_names(ast.parse(source))) == share


def test_words_that_name_nothing_are_not_in_the_package() -> None:
    occurrences = {
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in SOURCES
        if path.is_relative_to(REPOSITORY / "src")
        for name in bound_names(ast.parse(path.read_text(encoding="utf-8")))
        if name.strip("_") in UNUSED_WORDS
    }
    assert occurrences == set()


def test_at_most_one_name_in_a_hundred_says_nothing() -> None:
    names = [name for path in SOURCES for name in bound_names(ast.parse(path.read_text(encoding="utf-8")))]
    assert empty_share(names) <= CEILING


def test_a_type_name_is_used_once() -> None:
    classes = Counter(
        node.name
        for path in (REPOSITORY / "src").rglob("*.py")
        if "resources" not in path.parts  # scripts for images, which import nothing of torchpin
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, number in classes.items() if number > 1} == set()
