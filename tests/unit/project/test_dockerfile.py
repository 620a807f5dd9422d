"""A Dockerfile's commands keep each word's place."""

from __future__ import annotations

from torchpin.project import dockerfile
from torchpin.project.run_commands import parse_commands


def test_a_word_keeps_its_place() -> None:
    (instruction,) = dockerfile.parse_instructions("RUN pip install \\\n  # why\n  'a>=1' b>2\n")
    (command,) = parse_commands(instruction)
    assert [(token.text, token.line, token.column) for token in command.argv][2:] == [
        ("a>=1", 3, 3),
        ("b", 3, 10),
    ]
    assert [(operator, token.text) for operator, token in command.redirects] == [(">", "2")]
