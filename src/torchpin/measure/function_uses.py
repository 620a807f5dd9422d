"""What functions do with other modules, by the syntax tree: the attributes that they use, and the names that they give."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from torchpin.measure.python_source import Import, executed, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Modules that removed much of what people call and never import: `torchaudio.list_audio_backends()`.
_USED_OF = {"torchaudio"}
_CAUGHT = {"Exception", "BaseException", "AttributeError", "ImportError", "ModuleNotFoundError"}
_GUARDS = ("version", "hasattr", "getattr")


def function_uses(tree: ast.Module) -> Iterator[tuple[str, Import]]:
    """The attributes of a few modules that functions use in their annotations and code, each with the function.

    Code that catches the error, or asks for a version or the attribute first, is left out.
    """
    statements = [statement for statement, certain in executed(tree.body) if certain]
    aliases = {
        alias.asname or alias.name: alias.name
        for statement in statements
        if isinstance(statement, ast.Import)
        for alias in statement.names
        if alias.name in _USED_OF
    }
    if not aliases:
        return
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.iter_child_nodes(statement):
                yield from ((statement.name, used) for used in _uses(node, aliases))


def fills_module(tree: ast.Module, module: str) -> bool:
    """Whether any code of a module gives names to another one: `setattr(module, …)`."""
    return any(
        isinstance(node, ast.Call) and last_name(node.func) == "setattr" and last_name(node.args[0]) == module
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args
    )


def _uses(node: ast.AST, aliases: Mapping[str, str]) -> Iterator[Import]:
    if isinstance(node, ast.Try) and any(_is_caught(handler.type) for handler in node.handlers):
        return
    if isinstance(node, (ast.If, ast.IfExp)) and any(word in ast.dump(node.test).lower() for word in _GUARDS):
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
        yield Import(module=aliases[node.value.id], name=node.attr)
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, aliases)


def _is_caught(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = [node.id for node in ast.walk(caught) if isinstance(node, ast.Name)]
    return bool(_CAUGHT.intersection(names))
