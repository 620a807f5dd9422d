"""The arguments of pip's and uv's installs."""

from __future__ import annotations

import pytest

from torchpin.project.pip_arguments import Argument, PipArguments, parse_arguments


def parsed(text: str, hidden: str = "***") -> PipArguments:
    return parse_arguments([Argument(word, f"D:1:{n}") for n, word in enumerate(text.split())], hidden=hidden)


def test_targets_options_and_flags_are_told_apart() -> None:
    arguments = parsed(
        "-U torch==2.7.1 --index-url=https://a.example -rbase.txt -r more.txt -e . --no-deps einops"
    )
    assert [word.text for word in arguments.targets] == ["torch==2.7.1", "einops"]
    assert [word.text for word in arguments.values("requirement")] == ["base.txt", "more.txt"]
    assert [word.text for word in arguments.values("editable")] == ["."]
    assert arguments.last("index-url") == Argument("https://a.example", "D:1:2")
    assert {"-U", "--no-deps"} <= arguments.flags


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("-i a -i b", "index-url", ["a", "b"]),
        ("--torch-backend=cu128", "torch-backend", ["cu128"]),
        ("--index pt=https://x.example", "index", ["pt=https://x.example"]),
        ("--group dev --only-group docs", "group", ["dev", "docs"]),
        ("--index-url", "index-url", []),
        ("--cache-dir /c torch", "", ["/c"]),
    ],
)
def test_the_values_of_an_option(text: str, kind: str, values: list[str]) -> None:
    assert [word.text for word in parsed(text).values(kind)] == values


def test_a_hidden_value_behind_an_unknown_option_is_no_package() -> None:
    assert parsed("--token *** torch").targets == (Argument("torch", "D:1:2"),)
    assert len(parsed("torch ***").targets) == 2
