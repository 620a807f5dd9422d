"""Nothing changes what all threads of a process share: its variables, folder, umask, locale and time zone.

A thread that copies the variables just then fails (`dictionary changed size during iteration`), and another reads half of a
change. What a program is started with is given to it instead.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[2] / "src" / "torchpin"
# Functions that do so, and the only file that may call them: where a program begins, before it starts a thread.
BEFORE_THREADS = {"settle_variables": "cli/entry.py"}
_FUNCTIONS = {
    "os": {"chdir", "fchdir", "chroot", "putenv", "unsetenv", "umask", "setpriority", "nice"},
    "contextlib": {"chdir"},
    "locale": {"setlocale"},
    "time": {"tzset"},
    "socket": {"setdefaulttimeout"},
}
_EDITS = {"update", "pop", "popitem", "setdefault", "clear", "__setitem__", "__delitem__", "__ior__"}


def _dotted(node: ast.expr) -> str:
    """`os.environ` of a name or attribute, "" for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    parent = _dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{parent}.{node.attr}" if parent and isinstance(node, ast.Attribute) else ""


def _is_environment(node: ast.expr) -> bool:
    return _dotted(node) in {"os.environ", "os.environb", "environ"}


def _targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, (ast.Assign, ast.Delete)):
        return node.targets
    return [node.target] if isinstance(node, (ast.AugAssign, ast.AnnAssign)) else []


def _edits(node: ast.AST) -> str:
    """How a node changes the state of its process; "" if it does not."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner, name = node.func.value, node.func.attr
        if name in _FUNCTIONS.get(_dotted(owner), ()) or (_is_environment(owner) and name in _EDITS):
            return ast.unparse(node.func)
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names} & (
            _FUNCTIONS.get(node.module or "", set()) | {"environ", "environb"}
        )
        return f"from {node.module} import {', '.join(sorted(names))}" if names else ""
    for target in _targets(node) if isinstance(node, ast.stmt) else ():
        is_item = isinstance(target, ast.Subscript) and _is_environment(target.value)
        if is_item or _dotted(target) in {"os.environ", "os.environb"}:
            return ast.unparse(target)
    return ""


def _changes(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    allowed = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in BEFORE_THREADS
    ]
    excepted = {id(child) for function in allowed for child in ast.walk(function)}
    for node in ast.walk(tree):
        if id(node) not in excepted and (change := _edits(node)):
            yield f"{getattr(node, 'lineno', 0)}: {change}"


def test_nothing_changes_the_state_of_the_process() -> None:
    assert not [
        f"{path.relative_to(SOURCE)}:{change}"
        for path in sorted(SOURCE.rglob("*.py"))
        for change in _changes(path.read_text())
    ]


def test_what_does_so_is_called_where_a_program_begins() -> None:
    callers = {
        (node.func.id, path.relative_to(SOURCE).as_posix())
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BEFORE_THREADS
    }
    assert callers == {*BEFORE_THREADS.items()}


@pytest.mark.parametrize(
    "line",
    [
        'os.environ["A"] = "1"',
        'os.environ["A"] += "1"',
        'del os.environ["A"]',
        'os.environ.update({"A": "1"})',
        'os.environ.setdefault("A", "1")',
        'value = os.environ.pop("A")',
        'os.environ |= {"A": "1"}',
        'os.putenv("A", "1")',
        "os.chdir(folder)",
        "old = os.umask(0)",
        'locale.setlocale(locale.LC_ALL, "C")',
        "from os import environ",
        "from contextlib import chdir",
    ],
)
def test_every_change_is_noticed(line: str) -> None:
    assert [*_changes(line)]


@pytest.mark.parametrize(
    "line",
    [
        'value = os.environ["A"]',
        'value = os.environ.get("A")',
        'variables = {**os.environ, "A": "1"}',
        'variables["A"] = os.environ["A"]',
        "variables.update(os.environ)",
        "from contextlib import suppress",
    ],
)
def test_to_read_is_no_change(line: str) -> None:
    assert not [*_changes(line)]
