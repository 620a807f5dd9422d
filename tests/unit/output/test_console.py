"""Text on a terminal is wrapped between words, and elsewhere not at all."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from torchpin.output.console import console, print_hanging, print_lines
from torchpin.output.program import called_as

DIGEST = f"sha256:{'ab' * 32}"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def output(text: str, indent: int, width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that are printed on a terminal of a width, without colours."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    print_hanging(console(stream), Text(text), indent)
    return stream.getvalue().splitlines()


def test_a_line_that_fits_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output("a" * 20 + " " + "b" * 19, 2, 40, monkeypatch) == ["a" * 20 + " " + "b" * 19]


def test_a_longer_line_is_wrapped_between_words_with_a_hanging_indent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "  help: pin the base image to its digest, and the package to its version"
    lines = output(text, 4, 40, monkeypatch)
    assert lines == ["  help: pin the base image to its", "    digest, and the package to its", "    version"]


@pytest.mark.parametrize("width", range(40, 100, 7))
def test_no_word_is_broken_and_no_line_is_too_long(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "evidence: NVIDIA container-images/cuda (mirror pdtgct/cuda @e3c1b680) doc/supported-tags.md " * 4
    lines = output(text, 4, width, monkeypatch)
    assert " ".join(line.strip() for line in lines) == text.strip()
    assert max(map(len, lines)) <= width


def test_a_word_longer_than_a_line_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = output(f"write {DIGEST} into base.digest", 2, 40, monkeypatch)
    assert lines == ["write", f"  {DIGEST}", "  into base.digest"]


def test_a_first_word_that_is_indented_stays_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output(f"    {DIGEST} next", 6, 40, monkeypatch) == [f"    {DIGEST}", "      next"]


def test_wide_characters_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output(" ".join(["字字字字字字字字字字"] * 3), 2, 44, monkeypatch) == [
        "字字字字字字字字字字 字字字字字字字字字字",
        "  字字字字字字字字字字",
    ]


def test_line_breaks_of_a_message_are_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output("move.\n\nOr not.", 4, 80, monkeypatch) == ["move.", "", "    Or not."]


@pytest.mark.parametrize("width", [1, 39])
def test_a_terminal_too_narrow_for_a_hanging_indent_wraps_by_itself(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(["word"] * 20)
    assert output(text, 4, width, monkeypatch) == [text]


def test_no_line_is_wrapped_where_a_program_reads() -> None:
    stream, text = io.StringIO(), " ".join(["word"] * 200)
    print_hanging(console(stream), Text(f"{text}\nnext"), 2)
    assert stream.getvalue() == f"{text}\n  next\n"


def test_each_line_keeps_its_indentation_and_what_is_wrapped_is_deeper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    print_lines(console(stream), Text("lora: update\n    why: the driver of these hosts is too old\n"))
    assert stream.getvalue().splitlines() == [
        "lora: update",
        "    why: the driver of these hosts is",
        "      too old",
        "",
    ]


def test_styles_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = Console(file=Terminal(), markup=False, force_terminal=True, color_system="standard", record=True)
    print_hanging(out, Text.assemble(("error[X] ", "red"), "word " * 12), 2)
    assert "\x1b[31merror[X] \x1b[0mword" in out.export_text(styles=True)


def test_a_command_line_is_that_of_the_called_program_and_prose_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "run `invoke lock`; this is how tasks that nobody can\n  invoke by hand are found"
    with called_as("torchpin"):
        assert output(text, 2, 80, monkeypatch)[0].startswith("run `torchpin lock`")
        wrapped = output("a command line that has a long name to invoke it", 2, 40, monkeypatch)
    assert wrapped == ["a command line that has a long name to", "  invoke it"]
