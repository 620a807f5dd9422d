"""Which sections of the tables of facts a function reaches: calls are followed by name through src/torchpin."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
Node = tuple[str, str]  # module, function or class or constant


@dataclass
class Definition:
    """A function, a class or a constant of a module: the names that it mentions, and its texts."""

    names: set[Node] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)  # the tables that it loads; "" where a variable names it


@cache
def definitions() -> tuple[dict[Node, Definition], dict[Node, Node]]:
    """Every definition of the package, and where an imported name comes from."""
    by_node: dict[Node, Definition] = {}
    imported: dict[Node, Node] = {}
    for path in SOURCE.rglob("*.py"):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torchpin"):
                for alias in node.names:
                    origin = (str(node.module), alias.name)
                    if origin != (module, alias.asname or alias.name):  # a package imports its own module
                        imported[module, alias.asname or alias.name] = origin
        for statement in tree.body:
            for name in _defined(statement):
                definition = by_node.setdefault((module, name), Definition())
                _read(statement, module, definition)
    return by_node, imported


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _read(statement: ast.stmt, module: str, definition: Definition) -> None:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            definition.names.add((module, node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            definition.names.add((module, f"{node.value.id}.{node.attr}"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            definition.texts.add(node.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"load_table", "load.load_table"}:
            argument = node.args[0]
            definition.loads.add(str(argument.value) if isinstance(argument, ast.Constant) else "")


@cache
def reached(start: Node) -> frozenset[Node]:
    """All definitions that a definition reaches, itself included."""
    functions, imported = definitions()
    seen: set[Node] = set()
    queue = [start]
    while queue:
        node = _origin(queue.pop(), imported)
        if node in seen or node not in functions:
            continue
        seen.add(node)
        queue += functions[node].names
    return frozenset(seen)


def _origin(node: Node, imported: dict[Node, Node]) -> Node:
    module, name = node
    first, _, attribute = name.partition(".")
    if attribute and (module, first) in imported:  # an attribute of an imported module
        parent, child = imported[module, first]
        node = (f"{parent}.{child}", attribute)
    while node in imported:
        node = imported[node]
    return node


@dataclass(frozen=True)
class Reached:
    """What all definitions that one reaches have: the tables that they load, their texts, the texts of the facts' own."""

    loads: frozenset[str]
    texts: frozenset[str]
    texts_of_facts: frozenset[str]


@cache
def contents(start: Node) -> Reached:
    """What a definition reaches."""
    functions, _ = definitions()
    nodes = reached(start)
    return Reached(
        loads=frozenset(name for node in nodes for name in functions[node].loads),
        texts=frozenset(text for node in nodes for text in functions[node].texts),
        texts_of_facts=frozenset(
            text for node in nodes if node[0].startswith("torchpin.facts") for text in functions[node].texts
        ),
    )


def reads(start: Node, table: str, section: str) -> bool:
    """Whether a definition reaches one that loads a table, and one of the facts that names the section."""
    content = contents(start)
    return (table in content.loads or ("" in content.loads and table in content.texts)) and (
        section in content.texts_of_facts
    )


def mentions(start: Node, text: str) -> bool:
    """Whether a definition reaches one with a text, such as the id of a row."""
    return text in contents(start).texts
