"""Nothing prints but the modules of the output."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "torchpin"
PATHS = {*SOURCES.rglob("*.py")} - {*(SOURCES / "resources").rglob("*.py")}  # these are scripts for images
PRINTING = "output/"


def printing_lines(tree: ast.AST) -> list[int]:
    """The lines that print, or end the process, or touch a stream."""
    line_numbers = []
    for node in ast.walk(tree):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        stream = (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "sys"
            and node.attr in {"stdout", "stderr", "exit", "__stdout__", "__stderr__"}
        )
        imported = isinstance(node, ast.ImportFrom) and node.module == "sys" and {
            alias.name for alias in node.names
        } & {"stdout", "stderr", "exit"}  # fmt: skip
        if called or stream or imported:
            line_numbers.append(getattr(node, "lineno", 0))
    return sorted(line_numbers)


@pytest.mark.parametrize("path", sorted(PATHS), ids=lambda path: str(path.relative_to(SOURCES)))
def test_nothing_prints_but_the_report(path: Path) -> None:
    if not path.relative_to(SOURCES).as_posix().startswith(PRINTING):
        assert printing_lines(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_the_search_for_prints_finds_them() -> None:
    text = "import sys\nprint(1)\nsys.stdout.write('')\nfrom sys import exit\n"
    assert printing_lines(ast.parse(text)) == [2, 3, 4]
