"""Branches and loops: `if` and `case` by what is known, `for` over words that are known, `while` as long as its condition is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.project.shell import builtins, grammar
from torchpin.project.shell.conditions import both
from torchpin.project.shell.nested import NestedReader
from torchpin.project.shell.patterns import UndecidedPatternError, matches
from torchpin.project.shell.values import Arm, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node

    from torchpin.project.shell.state import ShellState

_MOST_ROUNDS = 200  # of a loop
_DECIDED = {Status.SUCCESS: True, Status.FAILURE: False, Status.LIKELY: None, Status.OPEN: None}


def _end_of_arms(statuses: Sequence[Status]) -> Status:
    """How one of several arms ends."""
    kinds = {*statuses}
    if len(kinds) == 1:
        return kinds.pop()
    return Status.LIKELY if not kinds & {Status.FAILURE, Status.OPEN} else Status.OPEN


class _Arms:
    """The arms of a branching: which one runs, and the states that those leave behind that may."""

    def __init__(self, reader: BranchReader) -> None:
        self._reader = reader
        self._branching = reader.new_branching()
        self._number = 0
        self._states: list[ShellState] = []
        self._statuses: list[Status] = []
        self.remaining: bool | None = True  # whether an arm that follows runs

    def run(self, nodes: Sequence[Node], condition: bool | None) -> None:
        """Reads an arm that runs where its condition holds and no earlier one did."""
        runs = both(self.remaining, condition)
        arm = Arm(self._branching, self._number)
        self._number += 1
        with self._reader.copied() as state:
            status = self._reader.run_arm(nodes, runs, arm)
        if runs is not False and not (state.fails and not state.left):
            self._states.append(state)
            self._statuses.append(status)
        self.remaining = both(self.remaining, None if condition is None else not condition)

    def end(self) -> Status:
        """Takes the state after the arms."""
        if self.remaining is not False:
            self._states.append(self._reader.state)
            self._statuses.append(Status.SUCCESS)
        if self._states:
            self._reader.state.merge(self._states)
        return _end_of_arms(self._statuses) if self._statuses else Status.SUCCESS


class BranchReader(NestedReader):
    """Reads branches and loops."""

    def run_if(self, node: Node) -> Status:
        arms = _Arms(self)
        for condition, body in _if_arms(node):
            truth: bool | None = True
            if condition is not None:
                runs = both(self.context.runs, arms.remaining)
                with self.standing(runs=runs, tested=True, operator="", ignored_by=""):
                    truth = _DECIDED[self.run_block(condition)]
            arms.run(body, truth)
        return arms.end()

    def run_case(self, node: Node) -> Status:
        arms = _Arms(self)
        parts = node.children
        opening = next((n for n, part in enumerate(parts) if part.type == "in"), len(parts))
        spans = grammar.word_spans(part for part in parts[1:opening] if part.is_named)
        word = self.words.value(*spans[0]) if spans else None
        value = None if word is None or word.unresolved else word.text
        for item in (part for part in parts[opening:] if part.type == "case_item"):
            closing = next(
                (n for n, part in enumerate(item.children) if part.type == ")"), len(item.children)
            )
            arms.run(item.children[closing + 1 :], self._matches(item.children[:closing], value))
        return arms.end()

    def _matches(self, nodes: Sequence[Node], value: str | None) -> bool | None:
        """Whether one of the patterns of an arm matches; of a value that is not known `*` alone does."""
        patterns = [
            self.words.value(start, stop)
            for group in _groups(nodes)
            for start, stop in grammar.word_spans(group)
        ]
        result: bool | None = False
        for pattern in patterns:
            if pattern.pattern == "*":
                return True
            try:
                matched = None if value is None or pattern.unresolved else matches(value, pattern.pattern)
            except UndecidedPatternError:
                matched = None
            if matched:
                return True
            result = result if matched is False else None
        return result

    def run_for(self, node: Node) -> Status:
        parts = node.children
        name = self.written(next((part for part in parts if part.type == "variable_name"), node))
        body = [
            child
            for part in parts
            if part.type in {"do_group", "compound_statement"}
            for child in part.children
        ]
        opening = next((n for n, part in enumerate(parts) if part.type == "in"), None)
        if parts[0].type == "select":
            self.note(self.place(node), "what select chooses is not known", self.written(node))
            return self._run_once(body, name)
        if opening is None:
            arguments = self.state.arguments
            values = None if arguments is None else [*arguments]
        else:
            values = self._loop_words([part for part in parts[opening + 1 :] if part.is_named])
        if values is None:
            self.note(self.place(node), "the words that the loop runs over are not known", self.written(node))
            return self._run_once(body, name)
        if len(values) > _MOST_ROUNDS:
            self.note(self.place(node), f"the loop runs more than {_MOST_ROUNDS} times", self.written(node))
            values = values[:_MOST_ROUNDS]
        return self._run_rounds(body, name, values)

    def _loop_words(self, nodes: Sequence[Node]) -> list[str] | None:
        stop = next(
            (n for n, part in enumerate(nodes) if part.type in {"do_group", "compound_statement"}), len(nodes)
        )
        spans = grammar.word_spans(part for part in nodes[:stop] if part.type != "comment")
        fields = [(field, span) for span in spans for field in self.words.fields(*span)]
        if any(word.unresolved for word, _ in fields):
            return None
        if any(
            re.search(r"[*?]|\[.+\]", part.text)
            for word, _ in fields
            for part in word.fragments
            if not part.quoted
        ):
            return None
        return [word.text for word, _ in fields]

    def _run_rounds(self, body: Sequence[Node], name: str, values: Sequence[str]) -> Status:
        status = Status.SUCCESS
        if not values:
            self._skip(body)
        for value in values:
            if self.context.runs is not False:
                self.state.set(name, value)
            status = self._run_round(body, runs=True)
            if self.state.left:
                break
        if self.state.left in {"break", "continue"}:
            self.state.left = ""
        return status

    def _run_round(self, body: Sequence[Node], *, runs: bool | None) -> Status:
        status = self.run_arm(body, runs)
        if self.state.left == "continue":
            self.state.left = ""
        return status

    def _run_once(self, body: Sequence[Node], *names: str) -> Status:
        """Reads the body of a loop of which it is not known how often it runs."""
        with self.copied() as state:
            for name in names:
                state.set(name, None)
            self.run_arm(body, runs=None)
        if state.left in {"break", "continue"}:
            state.left = ""
        self.state.merge([state, self.state])
        return Status.LIKELY

    def run_while(self, node: Node) -> Status:
        opening = next(
            (n for n, part in enumerate(node.children) if part.type == "do_group"), len(node.children)
        )
        condition, is_until = node.children[1:opening], node.children[0].type == "until"
        body = node.children[opening].children if opening < len(node.children) else []
        stdin = self.context.stdin
        for number in range(_MOST_ROUNDS):
            with self.standing(tested=True, operator="", ignored_by="", stdin=stdin):
                status = self.run_block(condition)
            truth = True if is_until and status is Status.LIKELY else _DECIDED[status]
            if truth is None:
                self.note(self.place(node), "how often the loop runs is not known", self.written(node))
                return self._run_once(body)
            if truth == is_until:
                if not number:
                    self._skip(body)
                return Status.SUCCESS
            stdin = self._next_lines(condition, stdin)
            with self.standing(stdin=stdin):
                self._run_round(body, runs=True)
            if self.state.left or self.context.runs is False:
                break
        else:
            self.note(self.place(node), f"the loop runs more than {_MOST_ROUNDS} times", self.written(node))
        if self.state.left in {"break", "continue"}:
            self.state.left = ""
        return Status.LIKELY

    def _skip(self, body: Sequence[Node]) -> None:
        """Reads the body of a loop that does not run."""
        with self.copied():
            self.run_arm(body, runs=False)

    def _next_lines(self, condition: Sequence[Node], stdin: str | None) -> str | None:
        """What is left of the input after `read` took a line of it."""
        if stdin is None or not any(re.search(r"\bread\b", self.written(part)) for part in condition):
            return stdin
        return stdin.partition("\n")[2]

    def run_counting_for(self, node: Node) -> Status:
        """`for ((i=0; i<3; i++))`."""
        match = re.match(r"for\s*\(\(([^;)]*);([^;)]*);([^;]*?)\)\)", self.written(node))
        body = [
            child
            for part in node.children
            if part.type in {"do_group", "compound_statement"}
            for child in part.children
        ]
        if match is None or self.context.runs is False:
            return self._run_once(body)
        builtins.assign(match[1], self.state)
        for _ in range(_MOST_ROUNDS):
            truth = _DECIDED[builtins.assign(match[2], self.state)]
            if truth is False:
                return Status.SUCCESS
            if truth is None:
                break
            self._run_round(body, runs=True)
            if self.state.left:
                self.state.left = "" if self.state.left == "break" else self.state.left
                return Status.LIKELY
            builtins.assign(match[3], self.state)
        self.note(self.place(node), "how often the loop runs is not known", self.written(node))
        return self._run_once(body)


def _if_arms(node: Node) -> list[tuple[list[Node] | None, list[Node]]]:
    """The condition and the body of each arm; None for the condition of `else`."""
    arms: list[tuple[list[Node] | None, list[Node]]] = []
    for part in (node, *(child for child in node.children if child.type in {"elif_clause", "else_clause"})):
        children = [child for child in part.children if child.type not in {"elif_clause", "else_clause"}]
        if part.type == "else_clause":
            arms.append((None, children))
            continue
        then = next((n for n, child in enumerate(children) if child.type == "then"), len(children))
        arms.append((children[:then], children[then + 1 :]))
    return arms


def _groups(nodes: Sequence[Node]) -> list[list[Node]]:
    """The patterns of an arm of a `case`, which `|` separates."""
    groups: list[list[Node]] = [[]]
    for node in nodes:
        if node.type == "|":
            groups.append([])
        elif node.is_named:
            groups[-1].append(node)
    return groups
