"""What commands write to files, as far as their words tell, and the scripts in them that are run later."""

from __future__ import annotations

import pytest

from support.shell_scripts import argvs, read_script


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo a $N > f", [("f", "a 3\n", False)]),
        ("printf 'a\\n%s\\n' b >> /x/f", [("/x/f", "a\nb\n", True)]),
        ("cat > f <<E\na $N\nE\n", [("f", "a 3\n", False)]),
        ("cat <<'E' >| f\na $N\nE\n", [("f", "a $N\n", False)]),
        ("echo a | tee -a f", [("f", "a\n", True)]),
        ("tee f <<E >/dev/null\na\nE\n", [("f", "a\n", False)]),
        ("echo a 1> f", [("f", "a\n", False)]),
        ("echo a 2> f", []),
        ("echo a > /dev/null", []),
        ("echo a > $Q", []),
        ("echo $Q > f", []),
        ("curl x > f", []),
        ("> f", []),
        ("false && echo a > f", []),
    ],
)
def test_what_is_written_is_told_by_the_words(text: str, expected: list[tuple[str, str, bool]]) -> None:
    written = [command.writes for command in read_script(text).commands if command.writes]
    assert [(file.path, file.text.text, file.appends) for file in written] == expected


def test_a_heredoc_keeps_its_places() -> None:
    (command,) = read_script("\ncat > f <<E\na\nbc\nE\n").commands
    assert command.writes
    assert [place.line for _, place in command.writes.text.lines()] == [3, 4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat > i.sh <<'E'\np a $1\nE\nsh i.sh b", ["cat", "sh|i.sh|b", "p|a|b"]),
        ("echo p a > /t/i.sh; cd /t && . ./i.sh", ["echo|p|a", "cd|/t", ".|./i.sh", "p|a"]),
        ("echo p a > i; echo p b >> i; bash i", ["echo|p|a", "echo|p|b", "bash|i", "p|a", "p|b"]),
        ("echo p a > i; echo p b > i; bash i", ["echo|p|a", "echo|p|b", "bash|i", "p|b"]),
    ],
)
def test_a_script_that_was_written_is_read_where_it_runs(text: str, expected: list[str]) -> None:
    script = "f() { :; }\n" + text
    assert argvs(script) == expected


def test_a_script_that_runs_itself_ends() -> None:
    assert len(read_script("echo 'sh a.sh; sh a.sh' > a.sh; sh a.sh").commands) <= 20_001


def test_a_secret_is_not_kept() -> None:
    (command,) = read_script("echo https://user:s3cr3t-pass@a.example/ > f").commands
    assert command.writes
    assert "s3cr3t" not in command.writes.text.text
