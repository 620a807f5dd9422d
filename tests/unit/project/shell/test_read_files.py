"""What commands print of the project's files, and what follows from it: substitutions, xargs, loops over lines."""

from __future__ import annotations

import pytest

from torchpin.project.shell.read_files import first_file, grep
from torchpin.project.shell.script import parse_script
from torchpin.project.shell.values import ScriptFile
from torchpin.project.text import PlacedText

FILES = {
    "r.txt": "torch==2.6.0\n# a comment\neinops==0.8.1\n",
    "v": "2.6.0\n",
    "w": "a b\nc\n",
    "long": "x\n" * 20_000,
}


def commands(text: str) -> list[str]:
    """The commands of pip, their words separated by `|`, with the files of the project beside them."""

    def find(name: str, _: str | None) -> ScriptFile | None:
        return ScriptFile(name, PlacedText.of_text(FILES[name])) if name in FILES else None

    script = parse_script(PlacedText.of_text(text), {}, find_script=find)
    return ["|".join(row.texts) for row in script.commands if row.runs and row.texts[:1] == ("pip",)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pip torch==$(cat v)", ["pip|torch==2.6.0"]),
        ("pip torch==$(< v)", ["pip|torch==2.6.0"]),
        ("pip $(grep ^torch r.txt)", ["pip|torch==2.6.0"]),
        ("pip $(grep -v '^#' r.txt | sed 's/==.*//')", ["pip|$(grep -v '^#' r.txt | sed 's/==.*//')"]),
        ("pip $(cat r.txt | grep -vE '^(#|torch)')", ["pip|einops==0.8.1"]),
        ("cat w | xargs pip", ["pip|a|b|c"]),
        ("xargs -n 1 pip -q < w", ["pip|-q|a|b|c"]),
        ("cat w | xargs -I {} pip {}", ["pip|{}"]),
        ("curl x | xargs pip", ["pip"]),
        ("while read -r p; do pip $p; done < w", ["pip|a|b", "pip|c"]),
        ("cat w v > all; pip $(cat all)", ["pip|a|b|c|2.6.0"]),
        ("sed -i s/a/b/ w; pip $(cat w)", ["pip|$(cat w)"]),
        ("pip $(cat elsewhere)", ["pip|$(cat elsewhere)"]),
        ("pip $(cat long)", ["pip|$(cat long)"]),
    ],
)
def test_the_words_of_files_are_those_of_commands(text: str, expected: list[str]) -> None:
    assert commands(text) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a"], "ab\nA|a\n"),
        (["-i", "^a"], "ab\nA|a\n"),
        (["-v", "a"], "c.\n"),
        (["-F", "."], "c.\n"),
        ([r"A\|c"], "A|a\nc.\n"),
        (["A|a"], "A|a\n"),
        (["-E", "A|c"], "A|a\nc.\n"),
        (["-x", "ab"], "ab\n"),
        (["-w", "b"], ""),
        (["-c", "a"], None),
        (["--color", "a"], None),
        (["[[:alpha:]]"], None),
        (["(", "x"], None),
        (["-E", "("], None),
    ],
)
def test_grep_is_followed_where_its_pattern_is_plain(arguments: list[str], expected: str | None) -> None:
    assert grep(arguments, "ab\nA|a\nc.\n") == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cat a b", 1),
        ("cat -n a", 2),
        ("cat", 0),
        ("grep x", 0),
        ("grep -v x f", 3),
        ("grep x f -v", 0),
        ("sed s/a/b/ f", 2),
        ("sed -i s/a/b/ f", 0),
        ("head f", 0),
        ("", 0),
    ],
)
def test_the_words_behind_the_pattern_are_files(words: str, expected: int) -> None:
    assert first_file(tuple(words.split())) == expected
