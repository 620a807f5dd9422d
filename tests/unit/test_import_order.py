"""The import order of docs/ARCHITECTURE.md holds: folders, the pure core, the home of each library, no circles."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "src" / "torchpin"
ORDER = re.search(
    r"## The import order\n.*?```text\n(?P<core>[^|]+)\|(?P<outside>[^`]+)```",
    (REPOSITORY / "docs" / "ARCHITECTURE.md").read_text(),
    re.DOTALL,
)
assert ORDER, "docs/ARCHITECTURE.md has no import order"
CORE = [level.split() for level in ORDER["core"].split("<")]
RANK = {
    name: rank
    for rank, names in enumerate([*CORE, *(level.split() for level in ORDER["outside"].split("<"))])
    for name in names
}
OUTSIDE = {"git", "docker", "invoke", "rich"} | {
    *("http", "os", "pathlib", "shutil", "socket", "subprocess", "tempfile", "urllib")
}
HOMES = {  # the modules or folders that may import a library
    "cyclonedx": ("sbom",),
    "deflate": ("assembly.compression",),
    "docker": ("tools.docker", "tools.ignore_patterns"),
    "git": ("tools.git", "tools.git_checkout", "tools.git_export"),
    "hcl2": ("project.bake_file",),
    "invoke": ("cli",),
    "isal": ("assembly.archive",),
    "jinja2": ("image.dockerfile", "output.report_page"),
    "markupsafe": ("output.report_page",),
    "lark": ("project.bake_file",),
    "license_expression": ("sbom",),
    "packageurl": ("sbom",),
    "poetry": ("project.poetry",),
    "rich": ("output",),
    "spdx_tools": ("sbom.spdx_document",),
    "subprocess": ("tools.process",),
    "tree_sitter": ("project.shell",),
    "tree_sitter_bash": ("project.shell",),
    "urllib": ("tools.credentials", "tools.http", "tools.http_opener", "tools.index_server"),
    "zstandard": ("assembly.compression",),
    "yaml": ("description", "facts.load", "project.compose_file", "project.conda_file", "records.bump_log"),
}


def module_name(path: Path) -> str:
    """`checks/rules/lock.py` is `checks.rules.lock`, `checks/__init__.py` is `checks`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


RESOURCES = PACKAGE / "resources"  # scripts for images: they are data here
PATHS = {
    module_name(path): path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py" and RESOURCES not in path.parents
}
MODULES = {*PATHS}


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that a module imports, also for types alone and inside of functions; its own ones without `torchpin.`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(PATHS[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            own = {name for name in inner if name.removeprefix("torchpin.") in MODULES}
            names |= own if own == inner else own | {node.module}
    return frozenset(name.removeprefix("torchpin.") for name in names)


every_module = pytest.mark.parametrize("module", sorted(MODULES))


def folder(module: str) -> str:
    return module.partition(".")[0]


@every_module
def test_a_module_imports_from_its_own_folder_and_from_those_before_it(module: str) -> None:
    assert folder(module) in RANK, "its folder has no place in the import order"
    later = {name for name in imports(module) & MODULES if RANK[folder(name)] > RANK[folder(module)]}
    assert not later


@every_module
def test_the_core_imports_nothing_of_the_outside_world(module: str) -> None:
    if folder(module) in {name for names in CORE for name in names}:
        allowed = {"pathlib"} if folder(module) == "facts" else set()  # it reads its own tables
        assert not {name.split(".")[0] for name in imports(module)} & OUTSIDE - allowed


@every_module
def test_a_library_is_imported_in_its_home_alone(module: str) -> None:
    libraries = {name.split(".")[0] for name in imports(module)} & HOMES.keys()
    assert not {
        name for name in libraries if not f"{module}.".startswith(tuple(f"{home}." for home in HOMES[name]))
    }


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: imports(module) & MODULES - {module} for module in MODULES}
    assert list(TopologicalSorter(graph).static_order())  # CycleError names the circle
