"""Reads a shell script: its commands in the order in which they run, with their words, places and conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.project.shell import grammar
from torchpin.project.shell.branches import BranchReader
from torchpin.project.shell.outputs import printed
from torchpin.project.shell.state import ShellFunction, ShellState
from torchpin.project.shell.values import Arm, Budget, ExhaustedError, Script, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tree_sitter import Node

    from torchpin.project.shell.reader import FindScript
    from torchpin.project.text import PlacedText

_MOST_ALTERNATIVES = 16  # `||` in a list of which commands are told apart; real ones have one or two
_NO_OPS = {"true", ":", "echo", "printf", "exit", "return"}
_GROUPS = {"compound_statement", "subshell"}


def parse_script(
    text: PlacedText,
    variables: Mapping[str, str],
    *,
    shell: str = "bash",
    options: Iterable[str] = (),
    outputs: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    find_script: FindScript | None = None,
) -> Script:
    """The commands of a script, and what of it cannot be followed.

    `variables`: its environment; a variable without a value stays in the words as it is written.
    `shell`: sh, in which braces are no more than characters, or bash. `options`: those it starts with: errexit, pipefail.
    `outputs`: what commands print that depend on the machine, such as `uname -m`, by their words.
    `find_script`: finds a script that it runs from a file, which is then read where it is run.
    `budget`: what the scripts of a file may grow by together.
    """
    reader = ScriptReader(
        ShellState.started(variables, options),
        budget or Budget(),
        is_bash=shell != "sh",
        known_outputs=outputs or {},
        find_script=find_script,
    )
    try:
        reader.run_script(text)
    except ExhaustedError as error:
        reader.context = reader.context._replace(runs=True)
        reader.note(text.place(0), f"{error}; what follows is not read", text.text)
    return Script(commands=tuple(reader.commands), unread=tuple(reader.unread))


class ScriptReader(BranchReader):
    """Reads blocks, lists, pipelines, groups and definitions."""

    def run_block(self, nodes: Iterable[Node]) -> Status:
        statements = grammar.statements(nodes)
        outer = self.context
        status = Status.SUCCESS
        for number, (node, sign) in enumerate(statements):
            is_last = number == len(statements) - 1
            runs = outer.runs
            if runs is not False and (self.state.left or self.state.may_have_left):
                runs = False if self.state.left else None
            with self.standing(
                runs=runs,
                operator=sign or (outer.operator if is_last else "\n"),
                ignored_by=outer.ignored_by
                if is_last and sign != "&"
                else self._ignored_by(statements, number),
            ):
                status = self.run_statement(node)
                self._end_on_failure(node, status)
        return status

    def _end_on_failure(self, node: Node, status: Status) -> None:
        """What `set -e` does where a command fails for sure."""
        is_plain = node.type in {
            "command",
            "test_command",
            "redirected_statement",
            "subshell",
            "compound_statement",
        }
        context = self.context
        if (
            is_plain
            and status is Status.FAILURE
            and context.runs
            and not context.tested
            and "errexit" in self.state.options
        ):
            self.state.left = self.state.left or "exit"

    def _ignored_by(self, statements: Sequence[tuple[Node, str]], number: int) -> str:
        """What hides the failure of a statement that is not the last."""
        if statements[number][1] == "&":
            return "&"
        if "errexit" in self.state.options:
            return ""
        following = statements[number + 1][0]
        if number == len(statements) - 2 and self._always_succeeds(following):
            return f"; {self._first_words(following)}"
        return ";"

    def _always_succeeds(self, node: Node) -> bool:
        """Whether a statement ends with success whatever happened before, such as `true`, `echo …` or `exit 0`."""
        while node.type in _GROUPS | {"redirected_statement"}:
            inner = grammar.statements(node.children)
            if not inner:
                return False
            node = inner[-1][0]
        if node.type == "list":
            nodes, operators = grammar.flat_list(node)
            return bool(operators) and (
                self._always_succeeds(nodes[-1])
                and (operators[-1] == "||" or self._always_succeeds(nodes[0]))
            )
        words = self.written(node).split(None, 2)
        return (
            node.type == "command"
            and words[:1] != []
            and words[0] in _NO_OPS
            and (words[0] not in {"exit", "return"} or words[1:2] == ["0"])
        )

    def _first_words(self, node: Node) -> str:
        return " ".join(self.written(node).split()[:2])[:40]

    def run_statement(self, node: Node) -> Status:
        if self.is_too_deep(node):
            return Status.LIKELY
        kind = node.type
        if kind in {
            "command",
            "declaration_command",
            "unset_command",
            "variable_assignment",
            "variable_assignments",
        }:
            return self.run_simple(node)
        if kind == "test_command":
            return self.run_condition(node)
        if kind == "redirected_statement":
            return self._run_redirected(node, ())
        if kind == "ERROR":
            with self.copied(), self.standing(depth=self.context.depth + 1):
                self.run_arm(node.children, runs=None)
            return Status.LIKELY
        with self.standing(depth=self.context.depth + 1):
            return self._run_compound(node)

    def _run_compound(self, node: Node) -> Status:
        kind = node.type
        methods = {
            "list": self._run_list, "pipeline": self._run_pipeline, "negated_command": self._run_negated,
            "compound_statement": self._run_group, "subshell": self._run_subshell, "if_statement": self.run_if,
            "case_statement": self.run_case, "for_statement": self.run_for, "while_statement": self.run_while,
            "c_style_for_statement": self.run_counting_for, "function_definition": self._define,
        }  # fmt: skip
        return methods[kind](node) if kind in methods else self.run_block(node.children)

    def _run_redirected(self, node: Node, redirects: Sequence[Node]) -> Status:
        """A statement with redirections; those behind a list belong to its last command."""
        bodies = [part for part, _ in grammar.statements(node.children)]
        redirects = [*(part for part in node.children if part.type in grammar.REDIRECTS), *redirects]
        if not bodies:
            return self.run_simple(node)
        body = bodies[0]
        if body.type == "redirected_statement":
            return self._run_redirected(body, redirects)
        if body.type in {"list", "pipeline", "negated_command"}:
            with self.standing(depth=self.context.depth + 1):
                return self._run_parts(body, redirects)
        if body.type == "test_command":
            return self.run_condition(body, redirects)
        if body.type in {"command", "declaration_command", "unset_command", "variable_assignment"}:
            return self.run_simple(body, redirects)
        stdin = self.context.stdin
        for redirect in self._redirects(redirects):
            stdin = redirect.body if redirect.operator[0] == "<" else stdin
        with self.standing(stdin=stdin):
            return self.run_statement(body)

    def _run_parts(self, node: Node, redirects: Sequence[Node]) -> Status:
        if node.type == "list":
            return self._run_list(node, redirects)
        if node.type == "pipeline":
            return self._run_pipeline(node, redirects)
        return self._run_negated(node, redirects)

    def _run_part(self, node: Node, redirects: Sequence[Node]) -> Status:
        """A part of a list or a pipeline, with redirections that the grammar has around the whole."""
        if not redirects:
            return self.run_statement(node)
        if node.type in {"list", "pipeline", "negated_command"}:
            return self._run_parts(node, redirects)
        return self._run_with(node, redirects)

    def _run_with(self, node: Node, redirects: Sequence[Node]) -> Status:
        if node.type == "redirected_statement":
            return self._run_redirected(node, redirects)
        if node.type == "test_command":
            return self.run_condition(node, redirects)
        if node.type in {"command", "declaration_command", "unset_command", "variable_assignment"}:
            return self.run_simple(node, redirects)
        return self.run_statement(node)

    def _run_list(self, node: Node, redirects: Sequence[Node] = ()) -> Status:
        nodes, operators = grammar.flat_list(node)
        outer = self.context
        branches = self._list_branches(operators)
        hidden = self._list_ignored(nodes, operators)
        status = Status.SUCCESS
        for number, part in enumerate(nodes):
            runs: bool | None = True
            sign = operators[number - 1] if number else ""
            if sign == "&&":
                runs = {Status.FAILURE: False, Status.OPEN: None}.get(status, True)
            elif sign == "||":
                runs = {Status.SUCCESS: False, Status.FAILURE: True}.get(status)
            is_last = number == len(nodes) - 1
            with self.standing(
                runs=False if outer.runs is False or runs is False else outer.runs and runs,
                branch=(*outer.branch, *branches[number]),
                operator=outer.operator if is_last else operators[number],
                ignored_by=hidden[number],
            ):
                status = self._run_list_part(part, redirects if is_last else (), runs, status, sign)
        return status

    def _run_list_part(
        self, node: Node, redirects: Sequence[Node], runs: bool | None, before: Status, sign: str
    ) -> Status:
        """Reads a part in the state that the parts before leave; how the list ends up to it."""
        if runs:
            status = self._run_part(node, redirects)
            is_weaker = sign == "&&" and before is Status.LIKELY and status is Status.SUCCESS
            return before if is_weaker else status
        with self.copied() as state:
            status = self._run_part(node, redirects)
        if runs is False:
            return before
        if sign == "||":
            if status is Status.FAILURE:  # such as `|| exit 1`: what follows runs after success alone
                return Status.LIKELY
            if before is Status.OPEN:
                self.state.merge([state, self.state])
            return Status.LIKELY
        self.state.merge([state, self.state])
        return Status.OPEN

    def _list_branches(self, operators: Sequence[str]) -> list[list[Arm]]:
        """The arms in which each part stands: what is before an `||`, and what is behind it."""
        branches: list[list[Arm]] = [[] for _ in range(len(operators) + 1)]
        if operators.count("||") <= _MOST_ALTERNATIVES:
            for number, operator in enumerate(operators):
                if operator == "||":
                    branching = self.new_branching()
                    for part in branches[: number + 1]:
                        part.append(Arm(branching, 0))
                    branches[number + 1].append(Arm(branching, 1))
        return branches

    def _list_ignored(self, nodes: Sequence[Node], operators: Sequence[str]) -> list[str]:
        """What hides the failure of each part."""
        outer = self.context.ignored_by
        is_followed = self.context.operator in {";", "\n"}
        hides_first = (
            "&&" if "errexit" in self.state.options and is_followed and not self.context.tested else ""
        )
        hidden = [outer or hides_first] * (len(nodes) - 1) + [outer]
        for number, operator in enumerate(operators):
            if operator == "||":
                follows = nodes[number + 1]
                text = f"|| {self._first_words(follows)}" if self._always_succeeds(follows) else ""
                hidden[: number + 1] = [text] * (number + 1)
        return hidden

    def _run_pipeline(self, node: Node, redirects: Sequence[Node] = ()) -> Status:
        parts = [part for part, _ in grammar.statements(node.children)]
        signs = [child.type for child in node.children if child.type in {"|", "|&"}]
        if len(signs) < len(parts) - 1:
            return self.run_block(node.children)
        outer, status = self.context, Status.SUCCESS
        is_negated = bool(parts) and parts[0].type == "negated_command"
        stdin = outer.stdin
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            before = len(self.commands)
            ignored = outer.ignored_by if is_last or "pipefail" in self.state.options else "|"
            with (
                self.copied(),
                self.standing(
                    stdin=stdin, operator=outer.operator if is_last else signs[number], ignored_by=ignored
                ),
            ):
                status = self._run_part(part, redirects if is_last else ())
            stdin = None if is_last else printed(self.commands_since(before), self.known_outputs, stdin)
        return _negated(status) if is_negated and len(parts) > 1 else status

    def _run_negated(self, node: Node, redirects: Sequence[Node] = ()) -> Status:
        inner = [part for part, _ in grammar.statements(node.children)]
        with self.standing(tested=True):
            return _negated(self._run_part(inner[0], redirects)) if inner else Status.OPEN

    def _run_group(self, node: Node) -> Status:
        if node.children[0].type == "((":
            from torchpin.project.shell.builtins import assign

            text = self.written(node)[2:-2]
            return assign(text, self.state) if self.context.runs is not False else Status.OPEN
        return self.run_block(node.children)

    def _run_subshell(self, node: Node) -> Status:
        with self.copied() as state:
            status = self.run_block(node.children)
        return Status.FAILURE if state.left and status is Status.FAILURE else status

    def _define(self, node: Node) -> Status:
        names = [part for part in node.children if part.type == "word"]
        bodies = [part for part, _ in grammar.statements(node.children)]
        if names and bodies and self.context.runs is not False:
            self.state.functions[self.written(names[0])] = ShellFunction(bodies[0], self.source)
        return Status.SUCCESS


def _negated(status: Status) -> Status:
    return {Status.SUCCESS: Status.FAILURE, Status.FAILURE: Status.SUCCESS}.get(status, Status.OPEN)
