"""Scripts that are broken, hostile or beyond what can be followed: said with place and reason, in bounded time."""

from __future__ import annotations

import random
from time import process_time

import pytest

from support.shell_scripts import argvs, read_script
from torchpin.project.shell.script import parse_script
from torchpin.project.shell.values import Budget
from torchpin.project.text import PlacedText


@pytest.mark.parametrize(
    ("text", "place", "reason", "source"),
    [
        ('p\neval "$(conda shell.bash hook)"', (2, 1), "what eval runs depends on $(…)", 'eval "$(conda shell.bash hook)"'),
        ("p; $PIP install a", (1, 4), "which command runs depends on PIP", "$PIP"),
        ("cat f | xargs pip install", (1, 9), "the arguments that xargs adds are not known", "pip install"),
        ("for w in *.whl; do p; done", (1, 1), "the words that the loop runs over are not known", "for w in *.whl; do p; done"),
        ("while ! p; do ls; done", (1, 1), "how often the loop runs is not known", "while ! p; do ls; done"),
        ("while true; do p; done", (1, 1), "the loop runs more than 200 times", "while true; do p; done"),
        ("select w in a b; do p; done", (1, 1), "what select chooses is not known", "select w in a b; do p; done"),
        ('sh -c "$(curl -s https://x.example)"', (1, 7), "the script depends on $(…)", '"$(curl -s https://x.example)"'),
        ("f() { f; }; f", (1, 7), "functions call each other too deep", "f"),
        ("p a )", (1, 5), "it is not the shell's syntax", ")"),
        ("p `a", (1, 5), "a ``` is missing", ""),
        ("if a; then p", (1, 1), "it is not the shell's syntax", "if a; then p"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_said(text: str, place: tuple[int, int], reason: str, source: str) -> None:
    (part,) = read_script(text).unread
    assert (tuple(part.place), part.reason, part.source) == (place, reason, source)


def test_what_does_not_run_need_not_be_followed() -> None:
    assert read_script('if [ "$N" = 4 ]; then $PIP install a; fi').unread == ()


def test_reading_goes_on_after_a_syntax_error() -> None:
    assert argvs("p a\np ) b\np c") == ["p|a", "p|b", "p|c"]
    assert argvs("if a; then p b") == ["?a", "?p|b"]


def test_messages_hold_no_controls_and_no_secrets() -> None:
    (escape,) = read_script("eval '\x1b]0;x\x07' $Q").unread
    assert escape.source == "eval '\\x1b]0;x\\x07' $Q"
    (secret,) = read_script("eval curl --password=hunter2xyz $Q").unread
    assert "hunter2" not in secret.source
    (long,) = read_script("eval " + "a" * 1_000 + " $Q").unread
    assert len(long.source) == 61


HOSTILE = {
    "open parentheses": "(" * 10_000,
    "parentheses": "(" * 10_000 + "p" + ")" * 10_000,
    "nested groups": "{ " * 1_000 + "p; " + "}; " * 1_000,
    "open substitutions": "p " + "$(" * 10_000,
    "nested substitutions": "p " + "$(" * 900 + "p" + ")" * 900,
    "backquotes": "p " + "`" * 10_001,
    "open quotes": '"' * 100_001,
    "quoted parentheses": '"' * 100_000 + "(a" * 50_000,
    "a long word": "p " + "a" * 900_000,
    "a line that is too long": "p " + "a" * 1_000_001,
    "many words": "p " + "a " * 30_000,
    "open variables": "p " + "${a-" * 20_000,
    "nested defaults": "p " + "${a:-" * 2_000 + "x" + "}" * 2_000,
    "redirections": "pip install " + "a>1 " * 10_000,
    "pipes": "p | " * 10_000 + "p",
    "alternatives": "p || " * 900 + "p",
    "a long list": "p && " * 5_000 + "p",
    "NUL": "p a\0b\0" * 1_000,
    "open branches": "if a; then " * 5_000,
    "many arms": "if a; then b; " + "elif c; then d; " * 2_000 + "fi",
    "open heredocs": "p <<A " * 2_000,
    "heredocs": "p <<A\nx\nA\n" * 2_000,
    "braces": "p " + "{a,b}" * 40,
    "open braces": "p " + "{a," * 20_000,
    "ranges": "p {1..99999999999} {1..999999}",
    "arrays": "a=(" * 5_000,
    "definitions": "f() " * 5_000,
    "functions that call themselves twice": "f() { f; f; }; f",
    "doubling": "Y=aaaaaaaaaa\n" + 'Y="$Y$Y"\n' * 40 + "p $Y",
    "nested loops": "".join(f"for a{n} in {{1..100}}; do " for n in range(5)) + "p;" + "done;" * 5,
    "many variables": "".join(f"if [ $Q{n} ]; then V{n}=1; fi\n" for n in range(3_000)),
    "stars": "Y=" + "a" * 5_000 + "\np ${Y//a*b/} ${Y%%*a*a*a*b} ${Y##*x}",
    "sums": "p $((" + "1+" * 5_000 + "1)) $((" + "(" * 400 + "1" + ")" * 400 + "))",
    "a long test": "[ " + "a -a " * 5_000 + "b ] && p",
    "a long condition": "[[ " + "a && " * 5_000 + "b ]] && p",
    "shells in shells": "bash -c " + "'bash -c " * 50,
    "eval of itself": "Y='eval $Y'; eval $Y",
    "large numbers": "p ${N:0:99999999999999999999} ${99999999999999} $((99999999999999999999)) $((2**62*9))",
    "half characters": "p \ud800 \udcff",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_scripts_are_read_in_seconds(text: str) -> None:
    start = process_time()
    script = read_script(text)
    assert process_time() - start < 10  # below one or two; minutes, where a reader is quadratic
    assert len(script.commands) <= 20_000
    assert len(script.unread) <= 101


def test_a_bound_says_what_is_not_read() -> None:
    for text, budget, reason in (
        (
            'Y=aaaaaaaaaa; Y="$Y$Y"; p "$Y$Y"',
            Budget(characters=50),
            "its variables fill in too many characters",
        ),
        ("for n in 1 2 3; do p; done", Budget(commands=2), "its loops and functions run too many commands"),
        ("(p); (p)", Budget(copies=5), "it has too many branches and subshells for its many variables"),
        ("(p); (p)", Budget(operators=1), "the scripts up to it have too many parentheses and pipes"),
    ):
        script = parse_script(PlacedText.of_text(text), {"A": "1", "B": "2", "C": "3"}, budget=budget)
        assert [part.reason for part in script.unread] == [f"{reason}; what follows is not read"]
    assert [part.reason for part in read_script(HOSTILE["parentheses"]).unread] == [
        "it has more than 2000 parentheses and pipes"
    ]
    assert [part.reason for part in read_script(HOSTILE["nested groups"]).unread] == ["it is nested too deep"]
    assert len(read_script("$Q;\n" * 200).unread) == 101


def test_scripts_of_a_file_share_a_budget() -> None:
    budget = Budget(commands=3)
    first = parse_script(PlacedText.of_text("p; p"), {}, budget=budget)
    second = parse_script(PlacedText.of_text("p; p"), {}, budget=budget)
    assert (len(first.commands), len(second.commands)) == (2, 1)
    assert (len(first.unread), len(second.unread)) == (0, 1)


@pytest.mark.parametrize(
    "text",
    [
        "curl -H 'Authorization: Bearer abcdef0123456789abcdef' https://x.example",
        "API_TOKEN=hunter2hunter2 p",
        "API_TOKEN=hunter2hunter2; p $API_TOKEN",
        'export API_TOKEN=hunter2hunter2; p "x $API_TOKEN"',
        "API_KEY=hunter2hunter2; git clone https://user:$API_KEY@x.example/r.git",
        'p --password "hunter2hunter2"',
        "p --password=${Q:-hunter2hunter2}",
        "bash -c 'p --token=hunter2hunter2'",
        "for API_TOKEN in hunter2hunter2; do p $API_TOKEN; done",
        "p ${API_TOKEN:-hunter2hunter2} ${API_TOKEN:=hunter2hunter2}",
        "p > https://user:hunter2hunter2@x.example",
        "cat <<E > f\npassword=hunter2hunter2\nE",
        "API_TOKEN=(hunter2hunter2); p ${API_TOKEN[0]}",
        "printf -v Y x; env API_TOKEN=hunter2hunter2 p",
    ],
)
def test_secrets_are_hidden_in_all_that_is_read(text: str) -> None:
    shown = repr(read_script(text))
    assert "hunter2" not in shown
    assert "abcdef0123456789" not in shown


PIECES = (
    *(
        "if ",
        "then ",
        "else ",
        "elif ",
        "fi ",
        "; ",
        "\n",
        "for x in ",
        "do ",
        "done ",
        "while ",
        "case ",
        "in ",
        "a) ",
        ";; ",
    ),
    *(
        "esac ",
        "(",
        ")",
        "{ ",
        "} ",
        "$(",
        "`",
        "${",
        "}",
        "$X",
        "${V%.*}",
        "${X:-",
        "'",
        '"',
        "\\",
        "\\\n",
        "<<E\n",
        "E\n",
    ),
    *(
        "<<-'E'\n",
        "<<<",
        " > f ",
        " 2>&1 ",
        "&& ",
        "|| ",
        "| ",
        "& ",
        "! ",
        "[[ ",
        "]] ",
        "[ ",
        "] ",
        "=~ ",
        "bash -c ",
        "eval ",
    ),
    *(
        "f() ",
        "A=(",
        "A+=",
        "${A[@]}",
        "{a,b}",
        "$((",
        "))",
        "set -- ",
        "exit 0",
        "cd ",
        "read x ",
        "export ",
        "# c",
        "xargs ",
    ),
    *(
        "sudo -u ",
        "env A=1 ",
        "\0",
        "é",
        "\r\n",
        "time ",
        "coproc ",
        "((",
        ">(",
        "$'",
        '$"',
        "@(",
        "*",
        "~",
        "printf -v ",
        "echo ",
    ),
)
BROKEN = (
    "local A=(local A=( é in for x in $X A+= coproc == break  || ",
    '${X:-$" ${X:-else until A=(${X%.*}&&  &> f${#X} coproc  ]] done  <<< ',
    "()) xargs  A=( ]  env A=1  [  ) <<<;  done done set --  ",
)


def test_whatever_stands_in_a_script_is_read_and_has_its_place() -> None:
    generator = random.Random(7)
    scripts = ["".join(generator.choices(PIECES, k=generator.randrange(1, 40))) for _ in range(300)]
    for text in (*BROKEN, *scripts):
        lines = text.split("\n")
        script = read_script(text)
        places = [word.place for command in script.commands for word in command.argv]
        places += [part.place for part in script.unread]
        assert all(1 <= place.line <= len(lines) for place in places), text
        assert all(1 <= place.column <= len(lines[place.line - 1]) + 1 for place in places), text
