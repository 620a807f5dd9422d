"""Commands that write lists of requirements, and where to."""

from __future__ import annotations

import pytest

from support.shell_scripts import read_script
from torchpin.project.exported_lists import export_words, without_output, written_list


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("poetry export -f requirements.txt -o a.txt", "poetry export", "a.txt"),
        ("poetry export --output=/t/a.txt --with dev", "poetry export", "/t/a.txt"),
        ("uv export --no-dev > a.txt", "uv export", "a.txt"),
        ("uv export", "uv export", ""),
        ("uv pip compile a.in --output-file b.txt", "uv pip compile", "b.txt"),
        ("pip-compile a.in", "pip-compile", "a.txt"),
        ("/v/bin/pip-compile a.in -o b.txt", "pip-compile", "b.txt"),
        ("pdm export -o a.txt", "pdm export", "a.txt"),
        ("curl -fsSL -o a.txt https://a.example/a", "", "a.txt"),
        ("wget https://a.example/a -O a.txt", "", "a.txt"),
        ("curl https://a.example/a > a.txt", "", "a.txt"),
        ("pip install -r a.txt", "", ""),
        ("gcc -o a.txt", "", ""),
        ("uv pip install a", "", ""),
    ],
)
def test_the_words_tell_the_list(text: str, name: str, path: str) -> None:
    (command,) = read_script(text).commands
    assert (export_words(command)[0], written_list(command)) == (name, path)


def test_the_output_is_none_of_the_arguments() -> None:
    texts = ("a.in", "-o", "b.txt", "--upgrade", "--output-file=c.txt", "-f", "requirements.txt")
    assert [texts[index] for index in without_output(texts)] == ["a.in", "--upgrade"]
