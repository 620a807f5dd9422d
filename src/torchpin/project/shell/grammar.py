"""Bash's grammar: the syntax tree of a script, and what is asked of its nodes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tree_sitter import Node, Parser

_STATEMENTS = frozenset({
    "command", "declaration_command", "unset_command", "variable_assignment", "variable_assignments", "test_command",
    "compound_statement", "subshell", "if_statement", "case_statement", "for_statement", "c_style_for_statement",
    "while_statement", "function_definition", "list", "pipeline", "negated_command", "redirected_statement", "do_group",
    "elif_clause", "else_clause", "case_item", "ERROR",
})  # fmt: skip
REDIRECTS = frozenset({"file_redirect", "herestring_redirect", "heredoc_redirect"})
_IN_EXPRESSIONS = frozenset({"binary_expression", "unary_expression", "parenthesized_expression"})
_MOST_ERRORS = 100


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def parse_tree(masked: str) -> Node:
    """The root of a script's syntax tree; offsets are those of characters, since all of them are ASCII."""
    return _parser().parse(masked.encode("ascii")).root_node


def statements(nodes: Iterable[Node]) -> list[tuple[Node, str]]:
    """The statements among nodes, each with the operator that follows it, "" for none."""
    pairs: list[tuple[Node, str]] = []
    for node in nodes:
        if node.is_named:
            if node.type in _STATEMENTS:
                pairs.append((node, ""))
        elif pairs and node.type in {";", "&"}:
            pairs[-1] = (pairs[-1][0], node.type)
    return pairs


def flat_list(node: Node) -> tuple[list[Node], list[str]]:
    """The statements of `a && b || c`, and the operators between them."""
    nodes, operators = [], []
    while node.type == "list":
        parts = [child for child in node.children if child.type != "comment"]
        inner = statements(parts)
        operator = next((child.type for child in parts if child.type in {"&&", "||"}), "&&")
        if len(inner) != 2:  # noqa: PLR2004 - broken by a syntax error
            nodes += [child for child, _ in reversed(inner)]
            operators += [operator] * (len(inner) - 1)
            return nodes[::-1], operators[: max(len(nodes) - 1, 0)][::-1]
        nodes.append(inner[1][0])
        operators.append(operator)
        node = inner[0][0]
    return [*reversed([*nodes, node])], operators[::-1]


def word_spans(nodes: Iterable[Node]) -> list[tuple[int, int]]:
    """The words of nodes, as offsets: nodes that touch each other are a word."""
    spans: list[tuple[int, int]] = []
    for node in nodes:
        start, stop = node.start_byte, node.end_byte
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], stop)
        elif stop > start:
            spans.append((start, stop))
    return spans


def expression_leaves(node: Node) -> Iterator[Node]:
    """The words and operators of a condition in their order."""
    pending = [*reversed(node.children)]
    while pending:
        child = pending.pop()
        if child.type in _IN_EXPRESSIONS and child.is_named:
            pending += reversed(child.children)
        else:
            yield child


def syntax_errors(root: Node) -> list[Node]:
    """The nodes that do not fit into the grammar, and those that are missing."""
    if not root.has_error:
        return []
    errors: list[Node] = []
    pending = [root]
    while pending and len(errors) < _MOST_ERRORS:
        node = pending.pop()
        if node.type == "ERROR" or node.is_missing:
            errors.append(node)
        if node.has_error:
            pending += reversed(node.children)
    return errors
