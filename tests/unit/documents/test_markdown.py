"""Tables and prose are escaped, and generated sections leave alone what people wrote around them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.descriptions import LORA
from support.documents import SMALL, service_text
from torchpin.documents import markdown
from torchpin.documents.markdown import escape_literal, prose
from torchpin.errors import InputError


def test_a_cell_keeps_its_bars_and_its_line_breaks() -> None:
    assert markdown.table(("A", "B"), [("a|b", "c\nd\r\ne\rf"), (r"a\|b", " ")]).splitlines() == [
        "| A | B |",
        "| --- | --- |",
        r"| a\|b | c<br>d<br>e<br>f |",
        r"| a\\\|b |  |",
    ]


def test_prose_keeps_its_markdown_but_makes_no_html_and_no_marker() -> None:
    assert prose("see `<name>` and <b>, 1 <2\n  then") == "see `<name>` and \\<b>, 1 <2 then"
    assert escape_literal("2.* / ~=3\n<x") == "2.\\* / \\~=3 \\<x"
    text = service_text(replace(SMALL, summary="<!-- end generated: small -->"))
    assert markdown.splice_sections("p", text, {"small": text}) == text


OLD = markdown.wrap_section("one", "old", source="there")
NEW = markdown.wrap_section("one", "new\n\nlines", source="here")
ODD = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\t <!-\u2028\x85\ufeff"))


def test_the_markers_say_where_a_section_comes_from() -> None:
    assert markdown.section_markers("lora", source=LORA) == (
        "<!-- begin generated: lora (services/lora/service.yaml; invoke document) -->",
        "<!-- end generated: lora -->",
    )


@given(before=ODD, after=ODD, newline=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_what_stands_outside_the_markers_survives_byte_for_byte(
    before: str, after: str, newline: str, last: bool
) -> None:
    assume("generated:" not in before + after)
    before = before and before + newline
    after = "" if last else newline + after
    text = before + OLD.replace("\n", newline) + after
    spliced = markdown.splice_sections("p", text, {"one": NEW})
    assert spliced.encode() == (before + NEW.replace("\n", newline) + after).encode()
    assert markdown.splice_sections("p", spliced, {"one": NEW}) == spliced


@given(text=ODD)
def test_a_missing_section_is_appended_once(text: str) -> None:
    assume("generated:" not in text)
    sections = {"one": NEW, "two": markdown.wrap_section("two", "x", source="here")}
    spliced = markdown.splice_sections("p", text, sections)
    assert spliced.startswith(text)
    assert spliced.count("begin generated: ") == 2
    assert markdown.splice_sections("p", spliced, sections) == spliced


@pytest.mark.parametrize(
    ("text", "gap"), [("", ""), ("a", "\n\n"), ("a\n", "\n"), ("a\n\n", ""), ("a\r\n", "\r\n")]
)
def test_one_blank_line_stands_before_an_appended_section(text: str, gap: str) -> None:
    newline = "\r\n" if "\r" in text else "\n"
    assert markdown.splice_sections("p", text, {"one": NEW}) == text + gap + (NEW + "\n").replace(
        "\n", newline
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("present", ["ac", "ca", "c", "a", "xc", ""])
def test_a_missing_section_goes_before_those_that_follow_it(present: str, newline: str) -> None:
    sections = {name: markdown.wrap_section(name, "x", source="here") for name in "abc"}
    parts = ["prose", *(markdown.wrap_section(name, "x", source="here") for name in present), ""]
    text = "\n\n".join(parts).replace("\n", newline)
    spliced = markdown.splice_sections("p", text, sections)
    order = "".join(markdown.generated_sections("p", spliced))
    assert {*order} == {*"abc"}
    assert order.index("b") < order.index("c")
    assert [name for name in order if name in present] == [name for name in present if name in "abc"]
    assert spliced.count("\r\n") == (spliced.count("\n") if newline == "\r\n" else 0)
    assert "\n\n\n" not in spliced.replace("\r", "").rstrip("\n")
    assert markdown.splice_sections("p", spliced, sections) == spliced


def test_an_indented_marker_and_one_in_a_sentence_are_prose() -> None:
    text = "  <!-- begin generated: x -->\nas <!-- end generated: x -->\n"
    assert markdown.splice_sections("p", text, {}) == text


B1, E1, B2, E2 = (
    *markdown.section_markers("one", source="here"),
    *markdown.section_markers("two", source="here"),
)
BROKEN = {
    "doubled": (
        (B1, E1, "", B1, E1),
        ["p:4:1: the section 'one' begins again, first on line 1"],
    ),
    "unclosed": (("prose", B1), ["p:2:1: the section 'one' has no end marker"]),
    "never begun": (
        (E1,),
        ["p:1:1: the end marker of the section 'one' has no begin marker before it"],
    ),
    "crossing": (
        (B1, B2, E1, E2),
        [
            "p:1:1: the section 'one' has no end marker; the marker on line 2 is not its end",
            "p:2:1: the section 'two' has no end marker; the marker on line 3 is not its end",
            "p:3:1: the end marker of the section 'one' has no begin marker before it",
            "p:4:1: the end marker of the section 'two' has no begin marker before it",
        ],
    ),
    "begun twice": (
        (B1, B1, E1),
        [
            "p:1:1: the section 'one' has no end marker; the marker on line 2 is not its end",
            "p:2:1: the section 'one' begins again, first on line 1",
        ],
    ),
}


def test_a_section_that_nothing_makes_any_more_goes_and_the_prose_around_it_stays() -> None:
    stale_section = "<!-- begin generated: gone -->\nbody\n<!-- end generated: gone -->"
    text = f"before\n\n{stale_section}\n\nafter\n\n{NEW}\n"
    assert markdown.splice_sections("p", text, {"one": NEW}) == f"before\n\nafter\n\n{NEW}\n"


@pytest.mark.parametrize("case", BROKEN)
def test_markers_that_make_no_sense_stop_with_their_lines(case: str) -> None:
    lines, messages = BROKEN[case]
    sections = {"one": NEW, "two": markdown.wrap_section("two", "x", source="here")}
    with pytest.raises(InputError) as excinfo:
        markdown.splice_sections("p", "\n".join(lines), sections)
    help_text = "correct these lines, then run `invoke document` again; nothing was written"
    assert str(excinfo.value).splitlines() == [*messages, help_text]
