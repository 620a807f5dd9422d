"""Messages name the program that was called."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from torchpin.output import documents, tables, terminal
from torchpin.output.console import PeopleConsole, name_program_in_text
from torchpin.output.program import called_as, name_program, program_name

MESSAGES = {
    "Run `invoke lock --service lora`.": "Run `torchpin lock --service lora`.",
    "`invoke lock` or `invoke render`": "`torchpin lock` or `torchpin render`",
    "take the native way:\n    invoke install --service x": "take the native way:\n    torchpin install --service x",
    "`invoke`": "`torchpin`",
}
UNCHANGED = (
    "facts invoke nothing",
    "`python3 bootstrap.py invoke build`",
    "`invoked` is no command",
    "invoke.yaml",
    "x",
    "",
)


@pytest.mark.parametrize(("message", "expected"), MESSAGES.items())
def test_a_command_line_is_that_of_the_called_program(message: str, expected: str) -> None:
    assert name_program(message) == message
    with called_as("torchpin"):
        assert name_program(message) == expected
        assert name_program_in_text(Text(message)).plain == expected


@pytest.mark.parametrize("message", UNCHANGED)
def test_what_is_no_command_line_stays(message: str) -> None:
    with called_as("torchpin"):
        assert name_program(message) == message
        assert name_program_in_text(Text(message)).plain == message


def test_the_name_holds_until_the_end_and_within_others() -> None:
    with called_as("torchpin"):
        assert program_name() == "torchpin"
        with called_as("invoke"):
            assert program_name() == "invoke"
        assert program_name() == "torchpin"
    assert program_name() == "invoke"


def test_the_name_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), called_as("torchpin"):
        raise KeyError
    assert program_name() == "invoke"


def test_styles_stay_where_they_are() -> None:
    text = Text("help: ", style="green").append("run `invoke lock`", style="bold").append(" now", style="red")
    with called_as("torchpin"):
        named = name_program_in_text(text)
    assert named.plain == "help: run `torchpin lock` now"
    console = PeopleConsole(width=80)
    styles = [str(named.get_style_at_offset(console, offset)) for offset in range(len(named))]
    assert (set(styles[:6]), set(styles[6:25]), set(styles[25:])) == ({"green"}, {"bold green"}, {"red"})


def test_a_console_for_people_names_the_program_in_all_it_prints() -> None:
    file = io.StringIO()
    console = PeopleConsole(file=file, markup=False, highlight=False, width=80)
    with called_as("torchpin"):
        console.print("`invoke a`", Text("`invoke b`"), 3)
    assert file.getvalue() == "`torchpin a` `torchpin b` 3\n"


def test_lines_errors_and_tables_name_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with called_as("torchpin"):
        terminal.print_line("`invoke lock`")
        tables.print_table("", ("what",), [("`invoke clone`",)])
        terminal.print_status("`invoke build`")
        terminal.print_error("`invoke judge`")
    out, err = capsys.readouterr()
    assert "`torchpin lock`" in out
    assert "`torchpin clone`" in out
    assert err == "`torchpin build`\n`torchpin judge`\n"


def test_documents_for_programs_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with called_as("torchpin"):
        documents.print_json(["`invoke lock`"])
        terminal.print_raw("# `invoke lock` writes this\n")
    assert "torchpin" not in capsys.readouterr().out
