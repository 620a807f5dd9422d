"""Edits of texts: at their place, one after another where they overlap, and only those that end their finding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.lint.fixes import fix_texts
from torchpin.lint.matches import Edit, FixableFinding, Match

if TYPE_CHECKING:
    from collections.abc import Mapping


def match(
    text: str, before: str, after: str, *, is_safe: bool = True, id_: str = "ADO001", line: int = 1
) -> Match:
    """A match of the first place of `before` in a line."""
    column = text.split("\n")[line - 1].index(before) + 1
    finding = FixableFinding(
        location=f"f:{line}:{column}", message=before, help="h", about="word", fix_is_safe=is_safe,
        edits=(Edit(file="f", line=line, column=column, before=before, after=after),),
    )  # fmt: skip
    return Match(id=id_, finding=finding)


def bad_words(texts: Mapping[str, str]) -> list[Match]:
    """A rule: words in lower case become capitals; `x` becomes `y`, which is as bad, and `w` causes an error elsewhere."""
    matches = []
    for line, content in enumerate(texts["f"].split("\n"), start=1):
        for word in re.finditer(r"[a-z]+", content):
            after = {"x": "y", "y": "x", "w": "!"}.get(word[0], word[0].upper())
            edit = Edit(file="f", line=line, column=word.start() + 1, before=word[0], after=after)
            about = "xy" if word[0] in {"x", "y"} else word[0]
            finding = FixableFinding(
                location=f"f:{line}:{word.start() + 1}", message=word[0], help="h", about=about, edits=(edit,),
                fix_is_safe=word[0] != "u",
            )  # fmt: skip
            matches.append(Match(id="ADO001", finding=finding))
    if "!" in texts["f"]:
        matches.append(Match(id="ADO002", finding=FixableFinding(location="f:1:1", message="!", help="h")))
    return matches


def fixed(text: str, *, unsafe: bool = False) -> tuple[str, list[str], list[str]]:
    """The text after its fixes, the words that were fixed, and those whose edits did not stay."""
    texts = {"f": text, "other": "o"}
    result = fix_texts(texts, bad_words(texts), bad_words, unsafe=unsafe)
    return (
        result.texts.get("f", text),
        [row.finding.message for row in result.fixed],
        [row.finding.message for row in result.refused],
    )


def test_edits_are_made_at_their_places() -> None:
    assert fixed("ab A cd\r\n\tef\n") == ("AB A CD\r\n\tEF\n", ["ab", "cd", "ef"], [])


def test_what_does_not_end_its_finding_or_causes_an_error_is_taken_back() -> None:
    assert fixed("ab x cd w") == ("AB x CD w", ["cd", "ab"], ["w", "x"])


def test_unsafe_edits_are_made_where_they_are_asked_for() -> None:
    assert fixed("ab u") == ("AB u", ["ab"], [])
    assert fixed("ab u", unsafe=True) == ("AB U", ["ab", "u"], [])


def test_of_edits_that_overlap_the_first_is_made_and_the_others_are_looked_at_again() -> None:
    text = "abc\n"
    first, second = match(text, "ab", "AB"), match(text, "bc", "BC")
    calls: list[str] = []

    def rules(texts: Mapping[str, str]) -> list[Match]:
        calls.append(texts["f"])
        return [match(texts["f"], "Bc", "BC")] if "Bc" in texts["f"] else []

    result = fix_texts({"f": text}, [first, second], rules)
    assert result.texts == {"f": "ABC\n"}
    assert calls == ["ABc\n", "ABC\n"]


def test_an_edit_whose_text_does_not_stand_there_changes_nothing() -> None:
    edit = Edit(file="f", line=1, column=2, before="ab", after="AB")
    elsewhere = (
        edit,
        Edit(file="f", line=9, column=1, before="", after="x"),
        Edit(file="gone", line=1, column=1, before="", after="x"),
    )
    for row in elsewhere:
        finding = FixableFinding(location="f:1:1", message="m", help="h", edits=(row,), fix_is_safe=True)
        assert fix_texts({"f": "ab\n"}, [Match(id="A", finding=finding)], lambda _: []).texts == {}


def test_the_edit_of_a_quoted_word_is_behind_its_quote() -> None:
    texts = {"f": "RUN pip install 'a==1' \"b==1\"\n"}
    edits = [
        Edit(file="f", line=1, column=column, before=before, after=after)
        for column, before, after in ((17, "a==1", "a==2"), (24, "b==1", "b==2"))
    ]
    matches = [
        Match(
            id="X1",
            finding=FixableFinding(location="f:1:1", message="m", help="h", edits=(edit,), fix_is_safe=True),
        )
        for edit in edits
    ]
    result = fix_texts(texts, matches, lambda _: [])
    assert result.texts == {"f": "RUN pip install 'a==2' \"b==2\"\n"}


def test_many_edits_of_which_one_does_not_end_are_tried_by_halves() -> None:
    texts = {"f": "".join(f"{'x' if number == 37 else 'ab'}\n" for number in range(100))}
    calls = 0

    def rules(changed: Mapping[str, str]) -> list[Match]:
        nonlocal calls
        calls += 1
        return bad_words(changed)

    result = fix_texts(texts, bad_words(texts), rules)
    assert (len(result.fixed), len(result.refused)) == (99, 1)
    assert calls < 30


def test_a_line_ends_at_a_line_feed_alone() -> None:
    assert fixed("A\x0bA\u2028A\nab\n")[0] == "A\x0bA\u2028A\nAB\n"
