"""Simple commands: their words, assignments and redirections, and what they do to the shell."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.project.secret_values import hide_secret, hide_secrets
from torchpin.project.shell import conditions, grammar
from torchpin.project.shell.builtins import TRUTHS, is_query, run_builtin
from torchpin.project.shell.conditions import Operand
from torchpin.project.shell.prefixes import strip_prefixes
from torchpin.project.shell.read_files import LONGEST_READ, edits_files, first_file
from torchpin.project.shell.reader import ShellReader
from torchpin.project.shell.values import ReadFiles, Redirect, ShellCommand, ShellWord, Status
from torchpin.project.shell.written_files import written_file
from torchpin.project.text import PlacedText
from torchpin.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tree_sitter import Node

    from torchpin.project.shell.state import Value
    from torchpin.project.shell.values import WrittenFile
    from torchpin.project.shell.words import ExpandedWord
    from torchpin.project.text import Place

_REDIRECTION = re.compile(r"&>>|&>|>>|>&-|<&-|>&|<&|>\||>|<")
# Tools whose projects no reader here knows.
_UNREAD_TOOLS = {("pixi", "install"), ("rye", "sync"), ("hatch", "env"), ("hatch", "run")}
_MOST_ADDED = 500  # words that xargs adds to a command
_XARGS_OTHERWISE = {
    "-I",
    "-i",
    "-a",
    "--arg-file",
    "-d",
    "--delimiter",
    "-0",
    "--null",
}  # not the words of its input
_KEYED = re.compile(r"\[[^]]*\]\+?=")  # an element of an array with its index


class CommandReader(ShellReader):
    """Reads what is not a list, branch or loop."""

    def run_simple(self, node: Node, redirects: Sequence[Node] = ()) -> Status:
        """Reads a command, with the redirections that stand around it."""
        nodes = [*node.children, *redirects]
        is_declaration = node.type == "declaration_command"
        values: list[ExpandedWord] = []
        argv: list[ShellWord] = []
        for start, stop in _argument_spans(node, nodes):
            words = self.words
            fields = [words.value(start, stop)] if is_declaration else words.fields(start, stop)
            values += fields
            argv += [words.shell_word(value, start, stop) for value in fields]
        assigned = [
            child
            for child in ([node] if node.type == "variable_assignment" else node.children)
            if child.type == "variable_assignment"
        ]
        pairs = [] if is_declaration else [self._assignment(child) for child in assigned]
        command, start = self._emit(node, argv, pairs, self._redirects(nodes))
        if not argv:
            for child in assigned:
                self._assign(child)
            return Status.LIKELY if any(word.unresolved for _, word in pairs) else Status.SUCCESS
        status = self._run_effect(command, values[start:])
        for child in assigned if is_declaration else ():
            if any(part.type in {"array", "+="} for part in child.children):
                self._assign(child)
        return status

    def run_condition(self, node: Node, redirects: Sequence[Node] = ()) -> Status:
        """Reads `[ … ]` and `[[ … ]]`."""
        extended = node.children[0].type == "[["
        operands: list[Operand] = []
        argv: list[ShellWord] = []
        words = self.words
        for start, stop in _operand_spans(node):
            for value in [words.value(start, stop)] if extended else words.fields(start, stop):
                argv.append(words.shell_word(value, start, stop))
                text = None if value.unresolved else value.text
                operands.append(Operand(text, value.pattern, argv[-1].quoted))
        self._emit(node, argv, [], self._redirects(redirects))
        return TRUTHS[conditions.decide(operands[1:-1], extended=extended)]

    def _redirects(self, nodes: Iterable[Node]) -> tuple[Redirect, ...]:
        return tuple(self._redirect(child) for child in nodes if child.type in grammar.REDIRECTS)

    def _redirect(self, node: Node) -> Redirect:
        text = self.source.text
        targets = _targets(node)
        sign = next((part for part in node.children if not part.is_named), node)
        descriptor = text.text[node.start_byte : sign.start_byte]
        match = _REDIRECTION.match(text.text, sign.start_byte)
        operator = self.source.operators.get(sign.start_byte) or (match[0] if match else sign.type)
        start, stop = next(iter(grammar.word_spans(targets)), (sign.end_byte, sign.end_byte))
        word = self.words.shell_word(self.words.value(start, stop), start, stop)
        hidden = hide_secret(word.text)
        return Redirect(
            operator=operator,
            target=word if hidden == word.text else replace(word, text=hidden, source=HIDDEN),
            place=text.place(node.start_byte),
            descriptor=int(descriptor) if descriptor.isdecimal() and len(descriptor) < 4 else None,  # noqa: PLR2004 - 255 is the last
            body=self._body(sign.start_byte, operator, word),
        )

    def _body(self, offset: int, operator: str, word: ShellWord) -> str | None:
        """The text of the heredoc or the here-string at an offset; None where there is none, or it cannot be determined."""
        document = self.source.heredocs.get(offset)
        if document is not None:
            self.documents[self.source.text.place(offset)] = document
        else:
            if operator == "<" and not word.unresolved:
                return self.read_text(word.text)
            return hide_secret(word.text) + "\n" if operator == "<<<" and not word.unresolved else None
        if not document.expands:
            return hide_secret(document.body.text)
        return hide_secret(self.words_of(document.body).body().text)

    def _assignment(self, node: Node) -> tuple[str, ShellWord]:
        name, _, start = self._assignment_parts(node)
        word = self.words.shell_word(self.words.value(start, node.end_byte), start, node.end_byte)
        hidden = hide_secrets((f"{name}={word.text}",))[0]
        if hidden != f"{name}={word.text}":
            word = replace(word, text=HIDDEN, source=HIDDEN)
        return name, replace(word, source=hide_secret(word.source))

    def _assignment_parts(self, node: Node) -> tuple[str, str, int]:
        """The name, the operator and the offset of the value of an assignment."""
        sign = next(part for part in node.children if part.type in {"=", "+="})
        return self.source.text.text[node.start_byte : sign.start_byte], sign.type, sign.end_byte

    def _assign(self, node: Node) -> None:
        if self.context.runs is False:
            return
        name, operator, start = self._assignment_parts(node)
        array = next((part for part in node.children if part.type == "array"), None)
        value: Value
        if array:
            spans = grammar.word_spans(part for part in array.children[1:-1] if part.type != "comment")
            fields = [field for span in spans for field in self.words.fields(*span)]
            is_known = not any(word.unresolved or _KEYED.match(word.text) for word in fields)
            value = tuple(word.text for word in fields) if is_known else None
        else:
            expanded = self.words.value(start, node.end_byte)
            value = None if expanded.unresolved else expanded.text
        if "[" in name:
            name, value = name.partition("[")[0], None
        elif operator == "+=":
            value = _appended(self.state.variables.get(name, ""), value)
        self.state.set(name, value)

    def _emit(
        self,
        node: Node,
        argv: Sequence[ShellWord],
        pairs: Sequence[tuple[str, ShellWord]],
        redirects: tuple[Redirect, ...],
    ) -> tuple[ShellCommand, int]:
        """Adds a command, without its secrets; returns it with them, for what it runs, and how many words start it."""
        self.budget.run()
        started = strip_prefixes(argv)
        for word in started.assignments:
            name, _, value = word.text.partition("=")
            pairs = [*pairs, (name, replace(word, text=value))]
        context = self.context
        command = ShellCommand(
            argv=started.argv,
            place=self.place(node),
            assignments=tuple(pairs),
            redirects=redirects,
            operator=context.operator,
            folder=self.state.folder,
            branch=context.branch,
            runs=conditions.both(context.outer_runs, context.runs),
            ignored_by="" if context.tested else context.ignored_by,
            prefixes=started.prefixes,
            substitution=context.level > 0,
            file=self.file,
        )
        command = self._with_input(command, started.options)
        command = replace(command, writes=self._write(command))
        self.add(without_secrets(command))
        return command, len(argv) - len(started.argv)

    def _with_input(self, command: ShellCommand, options: Sequence[str]) -> ShellCommand:
        """A command with the text of the files that it reads, and with the words that xargs gives it, where they are known."""
        if edits_files(command.texts):
            self.edited_files |= {self.path_here(text) for text in command.texts[2:]}
        first = first_file(command.texts)
        names = command.argv[first:] if first else ()
        texts = [None if word.unresolved else self.read_text(word.text) for word in names]
        known = [text for text in texts if text is not None]
        if known and len(known) == len(names):
            command = replace(command, reads=ReadFiles("".join(known), first))
        if "xargs" in command.prefixes:
            stdin = next((row.body for row in command.redirects if row.body is not None), self.context.stdin)
            if stdin is None or _XARGS_OTHERWISE & {*options}:
                reason = "the arguments that xargs adds are not known"
                self.note(command.place, reason, " ".join(command.texts))
                return command
            place = command.place
            added = [
                ShellWord(text=word, source=word, place=place, end=place, quoted=True)
                for word in stdin.split()
            ]
            command = replace(command, argv=(*command.argv, *added[:_MOST_ADDED]))
        return command

    def read_text(self, name: str) -> str | None:
        """The text of a file that was written before, or that was copied from the project; None for others and for long ones."""
        path = self.path_here(name)
        if self.context.runs is False or path in self.edited_files:
            return None
        text = self.written_files.get(path or "")
        if text is None and self.find_script:
            script = self.find_script(name, self.state.folder)
            text = script.text if script else None
        if text is None or len(text.text) > LONGEST_READ:
            return None
        self.budget.fill_in(len(text.text))
        return hide_secret(text.text)

    def _write(self, command: ShellCommand) -> WrittenFile | None:
        """What a command writes to a file, which is kept for those that run it."""
        if self.context.runs is False or not (command.redirects or command.texts[:1] == ("tee",)):
            return None
        file = written_file(command, self.document, self.known_outputs, self.context.stdin)
        path = file and self.path_here(file.path)
        if file and path:
            earlier = self.written_files.get(path) if file.appends else None
            self.written_files[path] = PlacedText.joined((earlier, file.text)) if earlier else file.text
            self.budget.fill_in(len(self.written_files[path].text))
        return file

    def path_here(self, name: str) -> str | None:
        """A path as it is for the script, absolute or relative to where it starts; None where that cannot be told."""
        folder = self.state.folder
        if folder is None and not name.startswith("/"):
            return None
        return posixpath.normpath(posixpath.join(folder or ".", name))

    def document(self, place: Place) -> PlacedText | None:
        """The heredoc whose redirection stands at a place, filled in where it is expanded."""
        document = self.documents.get(place)
        if document is None or not document.expands:
            return document.body if document else None
        words = self.words_of(document.body)
        return words.placed(words.body())

    def _run_effect(self, command: ShellCommand, values: Sequence[ExpandedWord]) -> Status:
        """What a command does to the shell, or the script that it runs."""
        if not command.argv:
            return Status.LIKELY
        name = command.argv[0]
        if name.unresolved:
            names = " and ".join(name.unresolved)
            self.note(name.place, f"which command runs depends on {names}", name.source)
            return Status.LIKELY
        if (posixpath.basename(name.text), *command.texts[1:2]) in _UNREAD_TOOLS:
            self.note(command.place, "its settings and its lock are not read", " ".join(command.texts))
        status = self.run_inner(command, values)
        if status is None and not command.prefixes:
            status = run_builtin(command, self.state, runs=self.context.runs, stdin=self.context.stdin)
        if status is None:
            status = Status.OPEN if is_query(command.texts) else Status.LIKELY
        return status


def _targets(redirect: Node) -> list[Node]:
    """The words behind the operator of a redirection; all but the first one are arguments of the command."""
    return [
        part for part in redirect.children if part.is_named and part.type not in {"file_descriptor", "ERROR"}
    ]


def _argument_spans(node: Node, nodes: Iterable[Node]) -> list[tuple[int, int]]:
    """The words of a command as offsets."""
    if node.type in {"variable_assignment", "variable_assignments"}:
        return []
    is_declaration = node.type in {"declaration_command", "unset_command"}
    parts: list[Node] = []
    for child in nodes:
        if child.type in grammar.REDIRECTS:
            targets = _targets(child)
            spans = grammar.word_spans(targets)  # none where the grammar misses the target
            parts += [target for target in targets if spans and target.start_byte >= spans[0][1]]
        elif child.type == "variable_assignment":
            parts += [child] if is_declaration else []
        elif child.type not in {"comment", "ERROR", "\n"} and (
            child.is_named or is_declaration or child.type == "$"
        ):
            parts.append(child)
    return grammar.word_spans(sorted(parts, key=lambda part: part.start_byte))


def _operand_spans(node: Node) -> list[tuple[int, int]]:
    """The words and signs of a condition as offsets, its brackets included."""
    spans: list[tuple[int, int]] = []
    stop = -1
    for leaf in grammar.expression_leaves(node):
        if leaf.is_named and stop == leaf.start_byte:
            spans[-1] = (spans[-1][0], leaf.end_byte)
        elif leaf.end_byte > leaf.start_byte and leaf.type != "\n":
            spans.append((leaf.start_byte, leaf.end_byte))
        stop = leaf.end_byte if leaf.is_named else -1
    return spans


def _appended(value: Value, addition: Value) -> Value:
    if value is None or addition is None:
        return None
    if isinstance(addition, tuple):
        return (*(value if isinstance(value, tuple) else (value,) if value else ()), *addition)
    return value + addition if isinstance(value, str) else None


def without_secrets(command: ShellCommand) -> ShellCommand:
    """A command with *** in the place of its secrets."""
    texts = command.texts
    hidden = hide_secrets(texts)
    words = []
    for word, text in zip(command.argv, hidden, strict=True):
        source = (
            HIDDEN if text != word.text else hide_secret(word.source) if "$" in word.source else word.source
        )
        is_same = text == word.text and source == word.source
        words.append(word if is_same else replace(word, text=text, source=source))
    pairs = []
    for name, word in command.assignments:
        whole = f"{name}={word.text}"
        is_secret = hide_secrets((whole,))[0] != whole
        pairs.append((name, replace(word, text=HIDDEN, source=HIDDEN) if is_secret else word))
    return replace(command, argv=tuple(words), assignments=tuple(pairs))
