"""Variables in a Dockerfile's words are filled in as BuildKit does it."""

from __future__ import annotations

from time import process_time

import pytest

from torchpin.project.expansion import expand
from torchpin.project.variables import BoundError, Variables

VALUES = {"V": "12.8.1", "E": "", "P": "a/b/c.tar.gz", "Q": "a*b", "1": "x"}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("$V", "12.8.1"), ("cu${V}-x", "cu12.8.1-x"), ("$V.0", "12.8.1.0"), ("$Vx", "$Vx"), ("${N}", "${N}"), ("$", "$"),
        ("${E:-d}", "d"), ("${E-d}", ""), ("${N-d}", "d"), ("${N:-d}", "d"), ("${V:+y}", "y"), ("${E:+y}", ""), ("${E+y}", "y"),
        ("${N+y}", ""), ("${V:?gone}", "12.8.1"), ("${N:?gone}", "${N:?gone}"), ("${N:-${M:-$V}}", "12.8.1"), ("${N:-a b}", "a b"),
        ("${V%.*}", "12.8"), ("${V%%.*}", "12"), ("${V#*.}", "8.1"), ("${V##*.}", "1"), ("${V%x}", "12.8.1"), ("${V#1?}", ".8.1"),
        ("${P##*/}", "c.tar.gz"), ("${P%.tar.gz}", "a/b/c"), (r"${Q#a\*}", "b"), (r"${Q%\*b}", "a"), ("${N%x}", "${N%x}"),
        ("${V/./}", "128.1"), ("${V//./}", "1281"), ("${V/8*/9}", "12.9"), ("${V//[/}", "12.8.1"), ("${N/a/b}", "${N/a/b}"),
        ("'$V'", "$V"), ('"$V"', "12.8.1"), (r"\$V", "$V"), (r'"\$V \a"', r"$V \a"), ("a\\ b", "a b"), ("'a'\"b\"c", "abc"),
        ("${", "${"), ("${}", "${}"), ("${V", "${V"), ("${V!x}", "${V!x}"), ("$1", "x"),
    ],
)  # fmt: skip
def test_a_word_is_filled_in(word: str, value: str) -> None:
    assert expand(word, VALUES) == value


def test_the_escape_character_is_that_of_the_file() -> None:
    assert expand("C:\\`$V", VALUES, escape="`") == "C:\\$V"


def test_words_of_a_shell_have_lost_their_quotes_already() -> None:
    assert expand("it's \\$V", VALUES, quotes=False) == "it's \\12.8.1"


@pytest.mark.parametrize(
    "word",
    [
        "${a-" * 50_000,
        "${V:-" * 10_000 + "}" * 10_000,
        "$V" * 100_000,
        "${V" * 50_000,
        "'" * 100_001,
        "\\" * 100_001,
    ],
    ids=["open", "nested", "many", "unnamed", "quotes", "escapes"],
)
def test_a_hostile_word_takes_linear_time(word: str) -> None:
    start = process_time()
    expand(word, VALUES)
    assert process_time() - start < 5


@pytest.mark.parametrize("word", ["$A" * 50, "${A//a/bb}", "${A%%*a*a*a*a}" * 100])
def test_what_is_filled_in_is_bounded(word: str) -> None:
    with pytest.raises(BoundError, match="fill in more than"):
        Variables({"A": "a" * 100_000}).expand(word)
