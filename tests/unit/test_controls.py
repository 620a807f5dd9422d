"""Control characters: visible in what is printed, refused in what is read."""

from __future__ import annotations

from io import StringIO

import pytest
from invoke import Context, Exit
from rich.text import Text

from torchpin import paths
from torchpin.cli.command_line import command
from torchpin.controls import show_controls
from torchpin.errors import InputError
from torchpin.lock import file_format, sealing
from torchpin.output.console import SafeConsole
from torchpin.output.tables import print_table
from torchpin.output.terminal import print_error, print_raw
from torchpin.records import bump_log

HOSTILE = "a\x1b[2Jb\x1b]0;t\x07c\x9b1md\u202ee\u2066f"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tqdm … é\n\tplain\n", "tqdm … é\n\tplain\n"),
        ("\x1b[1;31mred\x1b[0m\x1b[K", "red"),
        ("a\r\nb\rc", "a\nb\\rc"),
        (HOSTILE, "a\\x1b[2Jb\\x1b]0;t\\x07c\\x9b1md\\u202ee\\u2066f"),
        ("\ud800", "\\ud800"),
    ],
)
def test_controls_are_shown_as_escapes(text: str, shown: str) -> None:
    assert show_controls(text) == shown
    assert show_controls(shown) == shown


def test_nothing_that_is_printed_has_a_control(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(HOSTILE)
    print_raw(f"{HOSTILE}\n")
    print_table("", ("name", "what"), [(HOSTILE, HOSTILE), ("b", "c")])
    out, err = capsys.readouterr()
    for text in (out, err):
        assert "\\x1b[2J" in text
        assert "\\u202e" in text
        assert not {*text} & {*"\x1b\x07\x9b\u202e\u2066"}


def test_the_styles_of_torchpin_itself_reach_a_terminal() -> None:
    file = StringIO()
    SafeConsole(file=file, force_terminal=True, color_system="standard").print(Text("x\x1b[2J", style="red"))
    assert file.getvalue() == "\x1b[31mx\\x1b[2J\x1b[0m\n"


@pytest.mark.parametrize("control", ["\x1b", "\n", "\x85", "\u202e"])
def test_an_option_with_a_control_is_refused(control: str, capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def quiet(_: Context, reason: str = "") -> None:
        """Do nothing."""

    with pytest.raises(Exit) as end:
        quiet(Context(), reason=f"ab{control}")
    assert end.value.code == 2
    assert f"--reason: {f'ab{control}'!a} has a control character at column 3" in capsys.readouterr().err


def test_a_lock_file_with_a_control_is_refused_with_its_place() -> None:
    text = sealing.seal("# torchpin", {"environment": "a"}, ["tqdm\u202e==1"])
    with pytest.raises(InputError, match=r"l/a\.txt:5:1: a control character at column 5"):
        file_format.parse_layer("l/a.txt", text)


def test_an_update_log_with_a_control_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match=r"records/log\.yaml:2:8: a text has a control character"):
        bump_log.parse_former_log('- bump: x\n  why: "\\e[2J"\n')
    with pytest.raises(
        InputError, match=r"records/bumps/a\.yaml:1:1: invalid YAML: special characters are not allowed"
    ):
        bump_log.parse_entry(paths.bump_path("a"), "a\x1db\n")


def test_a_note_from_a_program_is_written_without_controls() -> None:
    steps = (bump_log.PolicyStep(state="done", note="\x1b[31mred\x1b[2J"), *[bump_log.PolicyStep()] * 4)
    entry = bump_log.BumpEntry(bump="a", why="b", services={}, steps=steps)
    read = bump_log.parse_entry(paths.bump_path("a"), bump_log.render_entry(entry))
    assert read.steps[0].note == "red\\x1b[2J"
