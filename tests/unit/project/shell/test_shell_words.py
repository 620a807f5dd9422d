"""The words of shell commands: quotes, expansions, splitting, braces, and where each one stands."""

from __future__ import annotations

import pytest

from support.shell_scripts import argvs, read_script


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p 'a b' \"c d\" e\\ f 'it'\\''s' \"\\$X\"", "p|a b|c d|e f|it's|$X"),
        ('p $X "$X" a${X}b', "p|x|y|x y|ax|yb"),
        ('p $E "$E" a$E', "p||a"),
        ("p ${E:-d} ${E-d} ${X:+a} ${E:+a} ${E:-$N} ${E:-${E:-z}}", "p|d|a|3|z"),
        ("p ${V%.*} ${V%%.*} ${V#*.} ${V##*.} ${V/./-} ${V//./} ${#V} ${V:0:2} ${V: -1}", "p|12.8|12|8.1|1|12-8.1|1281|6|12|1"),
        ('p ${X^^} "${X^}" ${V%"$N"} ${V%[12]}', "p|X|Y|X y|12.8.1|12.8."),
        ("p ${E:=set} $E", "p|set|set"),
        ("p $((N+1)) $((N*2-10/3)) $(( $N > 2 ? 7 : 8 ))", "p|4|3|7"),
        ("p torch=={1.0,2.0} a{b,c}d {1..3} {x} '{a,b}' {a,", "p|torch==1.0|torch==2.0|abd|acd|1|2|3|{x}|{a,b}|{a,"),
        ('A=(x "y z"); A+=($N); p "${A[@]}" ${#A[@]} ${A[1]} "${A[*]}"', "p|x|y z|3|3|y|z|x y z 3"),
        ('p $(echo a b) "$(echo a b)" `echo $N` $(echo $V | cut -d. -f1,2 | tr -d .)', "p|a|b|a b|3|128"),
        ("p $(printf '%s-' a b) $(basename /a/b.txt .txt) $(dirname /a/b) $(echo $V | sed 's/\\.//g')", "p|a-b-|b|/a|1281"),
        ("p $'a\\tb' a#b a=b", "p|a\tb|a#b|a=b"),
        ("p a \\\n  b", "p|a|b"),
        ("p to\\\nrch", "p|torch"),
    ],
)  # fmt: skip
def test_words_are_what_the_shell_makes_of_them(text: str, expected: str) -> None:
    assert argvs(text)[-1] == expected


def test_an_unquoted_empty_variable_is_no_word_and_a_quoted_one_is() -> None:
    assert argvs("pip install einops==0.8.1 $E") == ["pip|install|einops==0.8.1"]
    assert argvs("pip install einops==0.8.1 ${E:-} $E$E '' \"$E\"") == ["pip|install|einops==0.8.1||"]


def test_braces_are_characters_in_sh() -> None:
    assert argvs("mkdir {a,b}", shell="sh") == ["mkdir|{a,b}"]
    assert argvs("mkdir {a,b}") == ["mkdir|a|b"]


@pytest.mark.parametrize(
    ("text", "word", "names"),
    [
        ("p $Q", "$Q", ("Q",)),
        ('p "a${Q%.*}b"', "a${Q%.*}b", ("Q",)),
        ("p ${Q:?needed}", "${Q:?needed}", ("Q",)),
        ("p $(curl -s https://x.example)", "$(curl -s https://x.example)", ("$(…)",)),
        ("p $((Q+1))", "$((Q+1))", ("$((…))",)),
        ("p ${X:-$Q}", "x", ()),
        ("p ${Q:-d}", "d", ()),
        ("Y=$(date); p ${Y:-d}", "${Y:-d}", ("Y",)),
        ("p <(ls)", "<(ls)", ("$(…)",)),
        ("p $1", "$1", ("1",)),
        ("p $?", "$?", ("?",)),
        ("M[1]=x; p ${M[1]}", "${M[1]}", ("M",)),
    ],
)
def test_what_has_no_value_stays_as_it_is_written(text: str, word: str, names: tuple[str, ...]) -> None:
    argument = read_script(text).commands[-1].argv[1]
    assert (argument.text, argument.unresolved) == (word, names)


def test_what_a_command_prints_on_the_machine_can_be_given() -> None:
    assert argvs("p $(uname -m) $(uname -s)")[-1] == "p|x86_64|$(uname -s)"


def test_words_have_their_places_and_what_is_written_there() -> None:
    (command,) = read_script("cd;\npip install 'a>=1' \\\n  b$N").commands[1:]
    assert [(word.source, *word.place, *word.end) for word in command.argv] == [
        ("pip", 2, 1, 2, 4),
        ("install", 2, 5, 2, 12),
        ("'a>=1'", 2, 13, 2, 19),
        ("b$N", 3, 3, 3, 6),
    ]
    assert [word.quoted for word in command.argv] == [False, False, True, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p 2>&1", (2, ">&", "1")),
        ("p &>f", (None, "&>", "f")),
        ("p >>f", (None, ">>", "f")),
        ("p a>2", (None, ">", "2")),
        ("p 2>/dev/null", (2, ">", "/dev/null")),
        ("p >|f", (None, ">|", "f")),
        ("p <>f", (None, "<>", "f")),
        ("p &>>f", (None, "&>>", "f")),
        ("p 3>&-", (3, ">&-", "")),
        ('p > "$V"', (None, ">", "12.8.1")),
        ("p lightning>=2.0.0", (None, ">", "=2.0.0")),
    ],
)
def test_redirections_have_their_descriptors(text: str, expected: tuple[int | None, str, str]) -> None:
    (command,) = read_script(text).commands
    (redirect,) = command.redirects
    assert (redirect.descriptor, redirect.operator, redirect.target.text) == expected


def test_a_redirection_is_no_argument_wherever_it_stands() -> None:
    (command,) = read_script("pip >log install 2>&1 a <in b").commands
    assert command.texts == ("pip", "install", "a", "b")
    assert [redirect.operator for redirect in command.redirects] == [">", ">&", "<"]


def test_a_redirection_behind_a_list_is_that_of_its_last_command() -> None:
    first, last = read_script("p a && p b > f").commands
    assert (first.redirects, last.redirects[0].target.text) == ((), "f")


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        ("cat <<EOF > f\na $N\nEOF\np", ["a 3\n"]),
        ("cat > f <<'EOF'\na $N\nEOF\np", ["a $N\n"]),
        ("cat <<-EOF\n\ta\n\tEOF\np", ["a\n"]),
        ("p <<A <<B\na\nA\nb\nB\np", ["a\n", "b\n"]),
        ("cat >> f <<< $V\np", ["12.8.1\n"]),
        ("cat <<EOF; p x\na\\\n b\nEOF\np", ["a b\n"]),
        ("cat <<EOF\nnever ends", ["never ends"]),
    ],
)
def test_heredocs_are_the_input_and_no_commands(text: str, bodies: list[str]) -> None:
    script = read_script(text)
    assert [redirect.body for redirect in script.commands[0].redirects if redirect.body] == bodies
    assert all(command.texts[:1] in {("cat",), ("p",)} for command in script.commands)


def test_assignments_stand_before_the_command_and_set_nothing_else() -> None:
    first, second = read_script('N=9 M="a b" pip install a; p $N').commands
    assert [(name, word.text) for name, word in first.assignments] == [("N", "9"), ("M", "a b")]
    assert second.texts == ("p", "3")
