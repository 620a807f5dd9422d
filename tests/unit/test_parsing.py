"""JSON and TOML of others: values, and one kind of error for everything that is wrong with a text."""

from __future__ import annotations

import re
import time

import pytest

from torchpin.parsing import parse_json, parse_toml

DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, "é"]}', {"a": [1, "é"]}),
        ('{"a": [1, "é"]}'.encode(), {"a": [1, "é"]}),
        (r'"\ud83d\ude00"', "😀"),
        (r'"C:\\udata"', r"C:\udata"),
    ],
)
def test_json_is_its_value(text: str | bytes, value: object) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("[" * DEEP + "]" * DEEP, "it is nested too deep"),
        ('{"a":' * DEEP + "1" + "}" * DEEP, "it is nested too deep"),
        (b'"\xe9"', "it is not UTF-8"),
        (r'["\ud800"]', "it is not UTF-8"),
        ("1" * 5000, "Exceeds the limit"),
    ],
)
def test_json_that_cannot_be_read_says_why(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_json(text)


def test_toml_is_its_tables() -> None:
    assert parse_toml('[a]\nb.c = "1.2.3"\n') == {"a": {"b": {"c": "1.2.3"}}}
    assert parse_toml(f"a = '{'1. 2' * 1000}'")["a"].startswith("1. 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "Expected '='"),
        ("a = " + "[" * DEEP, "it is nested too deep"),
        ("a." * 100_000 + "b = 1", "it has a key of more than 100 parts"),
        ('"a b" . ' * 200 + "b = 1", "it has a key of more than 100 parts"),
        (r'"\"".' * 200 + "b = 1", "it has a key of more than 100 parts"),
    ],
)
def test_toml_that_cannot_be_read_says_why(text: str, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(ValueError, match=message):
        parse_toml(text)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("part", ["a", '"', "'", "a.", "a .", '"a".', '"\\', " .", "a-"])
def test_long_toml_takes_linear_time(part: str) -> None:
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"."):
        parse_toml(part * 200_000)
    assert time.monotonic() - start < 5
