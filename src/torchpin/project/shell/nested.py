"""Scripts within a script: `bash -c`, `eval`, a heredoc for a shell, and the functions that a script defines and calls."""

from __future__ import annotations

import posixpath
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from torchpin.project.shell.simple_commands import CommandReader
from torchpin.project.shell.state import ShellState
from torchpin.project.shell.values import ScriptFile, ShellCommand, Status
from torchpin.project.text import PlacedText

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torchpin.project.shell.state import ShellFunction
    from torchpin.project.shell.values import ShellWord
    from torchpin.project.shell.words import ExpandedWord

SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh"}
SHEBANG = re.compile(r"#!\s*(?:/usr/bin/env\s+(?:-S\s+)?)?(\S+)((?:[ \t]+\S+)*)")
_MOST_OF_A_FILE = 2  # of a script within itself: some call themselves once, with another argument
NOT_IN_PROJECT = "the script is not in the project"
_MOST_CALLS = 10  # functions that call each other
_OPTION_NAMES = {"e": "errexit", "u": "nounset", "a": "allexport"}


class ShellCall(NamedTuple):
    """`script`: the index of the word that `-c` runs, `file`: that of the script file; -1 for none."""

    options: frozenset[str]
    script: int = -1
    file: int = -1


def parse_shell_call(texts: Sequence[str]) -> ShellCall:
    """The options and the script of the words of `bash …`."""
    options: set[str] = set()
    position, takes_script = 1, False
    while position < len(texts) and re.fullmatch(r"[-+][A-Za-z-][\w=-]*", texts[position]):
        text = texts[position]
        position += 1
        if text == "--":
            break
        if text.startswith("--"):
            position += text in {"--rcfile", "--init-file"}
            continue
        letters = text[1:]
        takes_script |= text[0] == "-" and "c" in letters
        options |= {_OPTION_NAMES[letter] for letter in letters if letter in _OPTION_NAMES}
        if letters.endswith(("o", "O")) and position < len(texts):
            options.add(texts[position])
            position += 1
        if "s" in letters and not takes_script:
            return ShellCall(frozenset(options))
    has_word = position < len(texts)
    if takes_script:
        return ShellCall(frozenset(options), script=position if has_word else -1)
    return ShellCall(frozenset(options), file=position if has_word else -1)


def script_file(command: ShellCommand) -> str:
    """The script that a command runs from a file (`bash x.sh`, `./x.sh`, `. x.sh`), relative to its folder; "" for none.

    A file without a path and the ending `.sh` is a program.
    """
    texts = command.texts
    if not texts:
        return ""
    name = posixpath.basename(texts[0])
    if texts[0] in {".", "source"}:
        index = 1 if len(texts) > 1 else -1
    elif name in SHELLS:
        index = parse_shell_call(texts).file
    else:
        index = 0 if re.fullmatch(r"(?:[^\s]*/)?[^\s/]+\.(?:sh|bash)", texts[0]) else -1
    if index < 0 or command.argv[index].unresolved:
        return ""
    return texts[index]


class NestedReader(CommandReader):
    """Reads what a command runs that is shell itself."""

    _calls = 0

    def run_inner(self, command: ShellCommand, values: Sequence[ExpandedWord]) -> Status | None:
        name = command.argv[0].text
        function = self.state.functions.get(name)
        if function and not command.prefixes:
            return self._call(command, function)
        if name == "eval":
            return self._eval(command, values)
        file = script_file(command)
        if file and (self.find_script or self.path_here(file) in self.written_files):
            return self._run_file(command, file)
        if posixpath.basename(name) in SHELLS:
            return self._run_shell(command, values)
        return None

    def _call(self, command: ShellCommand, function: ShellFunction) -> Status:
        if self._calls >= _MOST_CALLS:
            self.note(command.place, "functions call each other too deep", command.texts[0])
            return Status.LIKELY
        arguments = None if any(word.unresolved for word in command.argv) else command.texts[1:]
        state, self._calls = self.state, self._calls + 1
        outer = (state.arguments, state.local_names, {**state.variables})
        state.arguments, state.local_names = arguments, set()
        with self.reading(function.source), self.standing(depth=self.context.depth + 1):
            status = self.run_statement(function.body)
        self._calls -= 1
        for name in state.local_names:
            if name in outer[2]:
                state.variables[name] = outer[2][name]
            else:
                state.variables.pop(name, None)
        state.arguments, state.local_names = outer[:2]
        state.left = "" if state.left == "return" else state.left
        state.fails = state.fails and bool(state.left)
        return status

    def _eval(self, command: ShellCommand, values: Sequence[ExpandedWord]) -> Status:
        unknown = [name for word in command.argv[1:] for name in word.unresolved]
        if unknown:
            source = " ".join(word.source for word in command.argv)
            self.note(command.place, f"what eval runs depends on {' and '.join(unknown)}", source)
            return Status.LIKELY
        blank = PlacedText.at(" ", command.place)
        parts = [part for value in values[1:] for part in (self.words.placed(value), blank)]
        return self.run_script(PlacedText.joined(parts))

    def _run_shell(self, command: ShellCommand, values: Sequence[ExpandedWord]) -> Status | None:
        call = parse_shell_call(command.texts)
        if call.script >= 0:
            word = command.argv[call.script]
            if any(not re.fullmatch(r"\w+", name) for name in word.unresolved):
                names = " and ".join(word.unresolved)
                self.note(word.place, f"the script depends on {names}", word.source)
                return Status.LIKELY
            text = self.words.placed(values[call.script])
            arguments = command.argv[call.script + 2 :]
        elif call.file < 0 and (body := self._input(command)) is not None:
            text, arguments = body, ()
        else:
            return None
        is_bash = posixpath.basename(command.texts[0]) not in {"sh", "dash", "ash"}
        with self._started(command, arguments, call.options, is_bash=is_bash):
            return self.run_script(text)

    @contextmanager
    def _started(
        self, command: ShellCommand, arguments: Sequence[ShellWord], options: Iterable[str], *, is_bash: bool
    ) -> Iterator[None]:
        """Reads in the state of a shell that a command starts meanwhile."""
        state = ShellState(
            variables=self.state.environment(),
            exported={*self.state.exported},
            arguments=None
            if any(word.unresolved for word in arguments)
            else tuple(word.text for word in arguments),
            options={*options},
            folder=self.state.folder,
        )
        for name, value in command.assignments:
            state.set(name, None if value.unresolved else value.text)
            state.exported.add(name)
        outer, outer_is_bash = self.state, self.is_bash
        self.state, self.is_bash = state, is_bash
        try:
            yield
        finally:
            self.state, self.is_bash = outer, outer_is_bash

    def _run_file(self, command: ShellCommand, name: str) -> Status:
        """Reads a script of the project where it is run; one that is sourced in the state that there is."""
        script = self._find_script(name)
        is_sourced = command.texts[0] in {".", "source"}
        if script is None:
            if (
                not is_sourced
            ):  # what is sourced sets variables, as a rule: a virtual environment, /etc/os-release
                self.note(command.place, NOT_IN_PROJECT, " ".join(command.texts))
            return Status.LIKELY
        match = SHEBANG.match(script.text.text)
        program = posixpath.basename(match[1]) if match else "sh"
        is_run_by_shell = posixpath.basename(command.texts[0]) in SHELLS
        if program not in SHELLS and not is_sourced and not is_run_by_shell:
            return Status.LIKELY
        if script.path and self.context.files.count(script.path) >= _MOST_OF_A_FILE:
            self.note(command.place, "the script runs itself", " ".join(command.texts))
            return Status.LIKELY
        outer, self.file = self.file, script.path
        outer_context, self.context = (
            self.context,
            self.context._replace(files=(*self.context.files, script.path)),
        )
        try:
            if is_sourced:
                return self._run_sourced(script.text)
            index = command.texts.index(name)
            options = parse_shell_call(command.texts[:index]).options if is_run_by_shell else ()
            if match and not is_run_by_shell:
                options = parse_shell_call((program, *match[2].split())).options
            program = posixpath.basename(command.texts[0]) if is_run_by_shell else program
            with self._started(command, command.argv[index + 1 :], options, is_bash=program == "bash"):
                return self.run_script(script.text)
        finally:
            self.file, self.context = outer, outer_context

    def _find_script(self, name: str) -> ScriptFile | None:
        """A script that was written before, or lies in the project."""
        path = self.path_here(name)
        if path in self.written_files:
            return ScriptFile(self.file, self.written_files[path])
        return self.find_script(name, self.state.folder) if self.find_script else None

    def _run_sourced(self, text: PlacedText) -> Status:
        status = self.run_script(text)
        self.state.left = "" if self.state.left == "return" else self.state.left
        return status

    def _input(self, command: ShellCommand) -> PlacedText | None:
        """What a shell without a script reads: its heredoc, or what is piped into it; None for what cannot be determined."""
        for redirect in reversed(command.redirects):
            if redirect.operator in {"<<", "<<-"}:
                return self.document(redirect.place)
            if redirect.operator[0] == "<":
                return PlacedText.at(redirect.body, redirect.place) if redirect.body else None
        stdin = self.context.stdin
        return None if stdin is None else PlacedText.at(stdin, command.place)
