"""Dockerfiles are read as BuildKit reads them: lines, directives, flags, heredocs, and the place of each word."""

from __future__ import annotations

import pytest

from torchpin.project.dockerfile import is_dockerfile, parse_dockerfile, parse_instructions
from torchpin.project.run_commands import parse_commands


def test_a_word_keeps_its_place() -> None:
    (instruction,) = parse_instructions("RUN pip install \\\n  # why\n  'a>=1' b>2\n")
    (command,) = parse_commands(instruction).commands
    assert [(word.text, word.line, word.column) for word in command.argv][2:] == [
        ("a>=1", 3, 3),
        ("b", 3, 10),
    ]
    assert [(row.operator, row.target.text) for row in command.redirects] == [(">", "2")]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("RUN a \\\n# why\n\n  b\nRUN c\n", ["a   b", "c"]),
        ("\ufeffRUN a\n", ["a"]),
        ("RUN a \\\r\n  b\r\nRUN c\r\n", ["a   b", "c"]),
        ("RUN a \\  \n b\n", ["a  b"]),  # blanks after the backslash
        ("RUN a \\\\\nRUN b\n", ["a \\\\", "b"]),  # two of them are no continuation
        ("# escape=`\nRUN a `\n  C:\\\nRUN b\n", ["a   C:\\", "b"]),
        ("# Escape = `\nRUN a `\n  b\n", ["a   b"]),
        ("# a comment\n# escape=`\nRUN a `\nRUN b\n", ["a `", "b"]),  # a comment ends the directives
        ("\n# escape=`\nRUN a `\nRUN b\n", ["a `", "b"]),
        ("# syntax=docker/dockerfile:1\n# check=skip=all\n# escape=`\nRUN a `\n b\n", ["a  b"]),
        ("# unknown=1\n# escape=`\nRUN a `\nRUN b\n", ["a `", "b"]),
        ("RUN a \\\n", ["a"]),
        ("RUN a\u2028b\x0bc\n", ["a\u2028b\x0bc"]),  # a line ends at a line feed only
        ("  run a # b\n", ["a # b"]),
    ],
)
def test_lines_are_joined_as_buildkit_joins_them(text: str, arguments: list[str]) -> None:
    assert [instruction.text for instruction in parse_instructions(text)] == arguments


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("RUN --mount=type=cache,target=/a --network=none pip", {"mount": "type=cache,target=/a", "network": "none"}, "pip"),
        ("COPY --link --chown=a:b x y", {"link": "", "chown": "a:b"}, "x y"),
        ("COPY --from='a b' x y", {"from": "a b"}, "x y"),
        ("RUN -- --a b", {}, "--a b"),
        ("RUN \\\n  --mount=type=bind \\\n  a", {"mount": "type=bind"}, "a"),
        ("RUN a --b=c", {}, "a --b=c"),
    ],
)  # fmt: skip
def test_flags_stand_in_front_of_the_arguments(text: str, flags: dict[str, str], rest: str) -> None:
    (instruction,) = parse_instructions(text)
    assert (dict(instruction.flags), instruction.text) == (flags, rest)


def test_a_flag_has_the_place_of_its_value() -> None:
    (instruction,) = parse_instructions("RUN \\\n --mount=type=bind --mount=type=cache pip\n")
    assert [(flag.value, *flag.place) for flag in instruction.all_flags] == [
        ("type=bind", 2, 10),
        ("type=cache", 2, 28),
    ]
    assert instruction.arguments.place(0) == (2, 39)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("RUN <<EOF\na\nb\nEOF\nRUN c\n", "a\nb\n"),
        ("RUN <<-EOF\n\ta\n\t\tb\n\tEOF\n", "a\nb\n"),
        ("RUN <<'E O'\na\nE O\n", "a\n"),
        ('RUN <<"EOF"\na\nEOF\n', "a\n"),
        ("RUN 3<<EOF\na\nEOF\n", "a\n"),
        ("RUN <<EOF bash\na\nEOF\n", "<<EOF bash\na\nEOF"),
        ("RUN python3 <<EOF\na\nEOF\n", "python3 <<EOF\na\nEOF"),
        ("RUN cat <<A <<B\na\nA\nb\nB\n", "cat <<A <<B\na\nA\nb\nB"),
        ("RUN <<EOF\r\na\r\nEOF\r\n", "a\n"),
        ("RUN --mount=type=cache,target=/x <<EOF\na\nEOF\n", "a\n"),
        ("RUN echo '<<EOF'\n", "echo '<<EOF'"),
        ("RUN echo $((1<<2))\n", "echo $((1<<2))"),
        ("RUN cat <<<EOF\n", "cat <<<EOF"),
    ],
)
def test_a_heredoc_is_the_script_only_where_a_run_has_nothing_else(text: str, script: str) -> None:
    instruction = parse_instructions(text)[0]
    assert instruction.script.text == script


def test_the_characters_of_a_script_have_their_places() -> None:
    (first, second) = parse_instructions("RUN cat <<-A <<B\n\tx\n\tA\ny\nB\nRUN <<-E\n\t\tz\n\tE\n")
    places = {char: first.script.place(first.script.text.index(char)) for char in "xy"}
    assert places == {"x": (2, 2), "y": (4, 1)}
    assert (second.script.place(0), second.line, second.end) == ((7, 3), 6, 8)


def test_a_copy_has_heredocs_too_and_an_env_has_none() -> None:
    copy, env = parse_instructions("COPY <<EOF <<'B' /x/\na $b\nEOF\nc\nB\nENV A=<<EOF\n")
    assert [(row.name, row.content.text, row.expands) for row in copy.heredocs] == [
        ("EOF", "a $b\n", True),
        ("B", "c\n", False),
    ]
    assert (env.text, env.heredocs) == ("A=<<EOF", ())


def test_a_script_for_another_program_has_no_commands_of_a_shell() -> None:
    python, bash = parse_instructions(
        "RUN <<EOF\n#!/usr/bin/env python3\nimport pip; install\nEOF\nRUN <<EOF\n#!/bin/bash -e\npip install a\nEOF\n"
    )
    assert parse_commands(python).commands == ()
    assert [command.texts for command in parse_commands(bash).commands] == [("pip", "install", "a")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('["pip", "install", "a>=1"]', ("pip", "install", "a>=1")),
        ("['pip', 'install']", ()),  # no JSON, so a shell reads it
        ('["pip", 1]', ()),
        ("[ -f x ] && y", ()),
        ("[]", ()),
    ],
)
def test_the_exec_form_is_a_list_of_strings(arguments: str, words: tuple[str, ...]) -> None:
    (instruction,) = parse_instructions(f"RUN {arguments}\n")
    assert instruction.exec_form == words


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("FROM a\nRUN x\n", []),
        ("ARG A=1\nFROM a\n", []),
        ("FROM a\nRNU x\n", [("'RNU' is not a Dockerfile instruction", 2, 1)]),
        ("FROM a\n  token=abc\n", [("'TOKEN…' is not a Dockerfile instruction", 2, 3)]),
        ("RUN x\n", [("RUN stands before the first FROM", 1, 1), ("there is no FROM, so no stage to build", 1, 1)]),
        ("# nothing\n", [("there is no FROM, so no stage to build", 1, 1)]),
        ("FROM a\nRUN <<EOF\nx\n", [("the heredoc EOF has no end: no line is EOF", 2, 1)]),
        ("FROM a\nRUN\nRUN b\n", [("RUN has no arguments", 2, 1)]),
        ("FROM a\nENV A\n", [("ENV has a name and no value", 2, 1)]),
        ("FROM a\nENV A=1 \\\n  B\n", [("ENV takes name=value, and this word has no `=`", 3, 3)]),
        ("# escape=x\nFROM a\n", [("the escape character must be \\ or `", 1, 1)]),
        ("# escape=`\n# escape=`\nFROM a\n", [("the directive `escape` stands twice", 2, 1)]),
    ],
)  # fmt: skip
def test_what_buildkit_refuses_is_a_problem_with_its_place(
    text: str, problems: list[tuple[str, int, int]]
) -> None:
    assert [(row.message, *row.place) for row in parse_dockerfile(text).problems] == problems


def test_reading_goes_on_behind_a_problem() -> None:
    assert [row.keyword for row in parse_instructions("FROM a\nNONSENSE\nRUN b\n")] == [
        "FROM",
        "NONSENSE",
        "RUN",
    ]


@pytest.mark.parametrize(
    ("names", "is_one"),
    [
        ("Dockerfile dockerfile Containerfile Dockerfile.gpu Dockerfile-gpu Dockerfile_cu128 Containerfile.x Dockerfile.cu12.8+x", True),
        ("gpu.Dockerfile gpu.dockerfile a.b.Containerfile Dockerfile.go Dockerfile.c++", True),
        ("dockerfile.py Dockerfile.py dockerfile_parser.ts dockerfile.go Dockerfile-build.sh containerfile.rs", False),
        ("Dockerfile.j2 Dockerfile.dockerignore Dockerfiles MyDockerfile dockerfile.py.tmpl Dockerfile.md gpu.Dockerfile.bak", False),
    ],
)  # fmt: skip
def test_a_dockerfile_is_known_by_its_name(names: str, is_one: bool) -> None:
    assert {is_dockerfile(name) for name in names.split()} == {is_one}
