"""A module imports only from floors below its own, or from its own without a circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

FLOORS = (
    {"errors", "model"},
    {"nodes", "rules", "read", "describe", "facts", "lockfile", "plan", "imageplan", "settings", "compare", "render", "markdown", "documents", "pinning", "buildpage", "gpupage", "layerpage", "risks", "softfloors", "sdists",
     "buildlog", "checks", "pinned", "edits", "choices", "support", "matrix", "outputs", "whys", "htmlreport",
     "dockerfile", "traps", "adoption", "differences", "advisories", "releases", "outdated", "explanations", "steps",
     "bumps", "bumplog", "acceptance", "foresight"},
    {"shell", "repository", "index", "standins", "locks", "web", "installs", "sources", "images", "labbase", "lab", "indexpages", "auditing", "transaction"},
    {"gathering", "actions", "builds", "native", "scaffold", "overview", "report", "facting", "adopting", "history", "repairs", "bumping"},
    {"tasks"},
)  # fmt: skip
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
PURE = FLOORS[0] | FLOORS[1]
OUTSIDE = ("subprocess", "socket", "urllib", "http", "pathlib", "os", "shutil", "tempfile")
HOMES = {"subprocess": {"shell"}, "git": {"sources"}, "docker": {"images"}, "yaml": {"nodes", "read", "describe", "facts", "edits", "bumplog"},
         "jinja2": {"render"}, "rich": {"report"}, "urllib": {"web", "index"}}  # fmt: skip
ROOT = Path(__file__).parents[2] / "src" / "torchpin"


def imports(tree: ast.AST) -> set[str]:
    """Every module that a tree imports, `from torchpin import x` as `torchpin.x`; what only type checkers see is left out."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return set().union(*map(imports, tree.orelse))
    if isinstance(tree, ast.Import):
        return {alias.name for alias in tree.names}
    if isinstance(tree, ast.ImportFrom):
        own = tree.module == "torchpin"
        return {f"torchpin.{alias.name}" for alias in tree.names} if own else {tree.module or "."}
    return set().union(*map(imports, ast.iter_child_nodes(tree)))


def module(path: Path) -> str:
    """`checks/locks.py` is part of `checks`."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


PATHS = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
IMPORTS = {path: imports(ast.parse(path.read_text())) for path in PATHS}
EACH = pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))


def inner(path: Path) -> set[str]:
    """The package's own modules that one imports; `torchpin.__version__` is none."""
    own = {name.split(".")[1] for name in IMPORTS[path] if name.startswith("torchpin.")}
    return {name for name in own if not name.startswith("__")}


@EACH
def test_a_module_stands_on_a_floor_and_imports_only_from_it_and_those_below(path: Path) -> None:
    assert module(path) in FLOOR, f"{module(path)} stands on no floor"
    above = {name for name in inner(path) if FLOOR.get(name, 99) > FLOOR[module(path)]}
    assert not above


@EACH
def test_the_core_reaches_nothing_outside(path: Path) -> None:
    # facts reads its own tables, which lie beside it
    allowed = {"pathlib"} if module(path) == "facts" else set()
    outside = {name.split(".")[0] for name in IMPORTS[path]} & set(OUTSIDE) - allowed
    assert module(path) not in PURE or not outside


@EACH
def test_a_library_with_a_home_is_imported_there_alone(path: Path) -> None:
    strangers = {name.split(".")[0] for name in IMPORTS[path]} & HOMES.keys()
    assert not {name for name in strangers if module(path) not in HOMES[name]}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in PATHS:
        graph.setdefault(module(path), set()).update(inner(path) - {module(path)})
    assert list(TopologicalSorter(graph).static_order())  # CycleError names the circle
