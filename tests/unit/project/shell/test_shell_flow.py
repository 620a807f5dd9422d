"""Which commands run: branches, loops, functions, exits, and what hides a failure."""

from __future__ import annotations

import pytest

from support.shell_scripts import argvs, read_script


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('if [ "$N" = 3 ]; then p a; else p b; fi', ["p|a"]),
        ('if [ "$Q" = 3 ]; then p a; else p b; fi; p c', ["?p|a", "?p|b", "p|c"]),
        ('if [ "$N" = 4 ]; then p a; elif [ -z "$E" ]; then p b; else p c; fi', ["p|b"]),
        ('if [ $N -gt 2 ] && [ -n "$X" ]; then p a; fi', ["p|a"]),
        ("if [[ $V == 12.* && ! $V == 12.9* ]]; then p a; fi", ["p|a"]),
        ("[[ $V =~ ^12 ]] && p a || p b", ["p|a", "?p|b"]),
        ("[[ $V =~ (a+)+$ ]] && p a", ["?p|a"]),
        ("test -z $E && p a; test $N = 4 || p b", ["test|-z", "p|a", "test|3|=|4", "p|b"]),
        ("[ -f /etc/x ] && p a", ["?p|a"]),
        ("! [ $N = 3 ] || p a", ["p|a"]),
        ("if true; then p a; fi; if false; then p b; fi; false || p c", ["true", "p|a", "false", "false", "p|c"]),
        ('case "$V" in 11*) p a;; 12*|13*) p b;; *) p c;; esac', ["p|b"]),
        ('case "$(uname -m)" in aarch64) p a;; x86_64) p b;; esac', ["uname|-m", "p|b"]),
        ('case "$Q" in a) p a;; *) p b;; esac', ["?p|a", "?p|b"]),
        ("command -v uv && p a || p b", ["command|-v|uv", "?p|a", "?p|b"]),
        ("p a && p b", ["p|a", "p|b"]),
        ("p a || p b", ["p|a", "?p|b"]),
        ("exit 0; p a", ["exit|0"]),
        ('[ -z "$Q" ] && exit 0; p a', ["?exit|0", "?p|a"]),
        ("p a || exit 1; p b", ["p|a", "?exit|1", "p|b"]),
        ("p a || { echo no; exit 1; }; p b", ["p|a", "?echo|no", "?exit|1", "p|b"]),
        ("set -e; false; p a", ["set|-e", "false"]),
    ],
)  # fmt: skip
def test_conditions_decide_what_runs(text: str, expected: list[str]) -> None:
    assert argvs(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for x in a b; do p $x; done", ["p|a", "p|b"]),
        ('for x in $X "$X"; do p $x; done', ["p|x", "p|y", "p|x|y"]),
        ("for x in $(echo a b); do p $x; done", ["echo|a|b", "p|a", "p|b"]),
        ("for x in 1 2 3; do [ $x = 2 ] && continue; p $x; done", ["p|1", "continue", "p|3"]),
        ("for x in 1 2 3; do pip install a && break || sleep 1; done", ["pip|install|a", "break", "?sleep|1"]),
        ("for x in *.txt; do p $x; done; p $x", ["?p|$x", "p|$x"]),
        ("while read -r a b; do p $a $b; done <<E\n1 2\n3 4\nE", ["read|-r|a|b", "p|1|2", "read|-r|a|b", "p|3|4", "read|-r|a|b"]),
        ("printf '%s\\n' a b | while read l; do p $l; done", ["printf|%s\\n|a|b", "read|l", "p|a", "read|l", "p|b", "read|l"]),
        ("while read -r l; do p $l; done < f", ["read|-r|l", "?p|$l"]),
        ("i=0; while [ $i -lt 2 ]; do p $i; i=$((i+1)); done", ["p|0", "p|1"]),
        ("for ((i=0; i<2; i++)); do p $i; done", ["p|0", "p|1"]),
        ("until p a; do sleep 1; done; p b", ["p|a", "p|b"]),
    ],
)  # fmt: skip
def test_loops_over_what_is_known_are_unrolled(text: str, expected: list[str]) -> None:
    assert argvs(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f() { p \"$1\" $#; }; f 'a b' c", ["f|a b|c", "p|a b|2"]),
        ("f() { p; }; p a", ["p|a"]),
        ("function f { local N=4; p $N; }; f; p $N", ["f", "local|N=4", "p|4", "p|3"]),
        ('f() { for a in "$@"; do p $a; done; return; p no; }; f 1 2', ["f|1|2", "p|1", "p|2", "return"]),
        ("set -- a 'b c'; p \"$@\"; shift; p $1", ["set|--|a|b c", "p|a|b c", "shift", "p|b|c"]),
        ("bash -c 'p $V \"a b\"'", ['bash|-c|p $V "a b"', "p|12.8.1|a b"]),
        ('sh -lc "p $N"', ["sh|-lc|p 3", "p|3"]),
        ("Y=1; bash -c 'p $Y'; export Y; bash -c 'p $Y'", ["bash|-c|p $Y", "p|$Y", "export|Y", "bash|-c|p $Y", "p|1"]),
        ("bash <<'E'\np $N\nE", ["bash", "p|3"]),
        ("echo 'p a' | sh", ["echo|p a", "sh", "p|a"]),
        ('eval "p $N"', ["eval|p 3", "p|3"]),
        ('export A="$X z" B; p "$A"', ["export|A=x y z|B", "p|x y z"]),
        ('if [ -n "$Q" ]; then Y=a; else Y=b; fi; p $Y', ["p|$Y"]),
        ('if [ -n "$Q" ]; then Y=a; else Y=a; fi; p $Y', ["p|a"]),
        ("[ $N = 3 ] && Y=a || Y=b; p $Y", ["p|a"]),
        ('[ -n "$Q" ] && N=4; p $N', ["p|$N"]),
        ('if [ -z "$Q" ]; then exit 1; N=4; fi; p $N', ["?exit|1", "p|3"]),
        ("(N=4; p $N); p $N; N=5 | p; p $N; { N=6; }; p $N", ["p|4", "p|3", "p", "p|3", "p|6"]),
    ],
)  # fmt: skip
def test_what_scripts_set_and_call_is_followed(text: str, expected: list[str]) -> None:
    assert argvs(text) == expected


def folders(text: str) -> list[str | None]:
    return [command.folder for command in read_script(text).commands if command.texts[:1] == ("p",)]


def test_the_folder_is_followed() -> None:
    assert folders("p; cd a && p; cd /b/../c; p; cd -; p") == [".", "a", "/c", "a"]
    assert folders("(cd a; p); p; pushd b; p; popd; p") == ["a", ".", "b", "."]
    assert folders("cd $Q && p; cd a; p; cd /x; p") == [None, None, "/x"]
    assert folders("bash -c 'cd a; p'; p; cd a | p; p") == ["a", ".", ".", "."]
    assert folders("if [ $Q ]; then cd a; fi; p; cd *; p; cd; p") == [None, None, None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p || true", "|| true"),
        ("p || :", "|| :"),
        ("p a && p b || echo failed", "|| echo failed"),
        ("(p a && p b) || true", "|| true"),
        ("if p; then true; fi || true", ""),
        ("p || exit 1", ""),
        ("p || (echo failed; exit 1)", ""),
        ("p || { echo failed; }", "|| { echo"),
        ("p || pip install b", ""),
        ("p; true", "; true"),
        ("p; exit 0", "; exit 0"),
        ("p; ls", ";"),
        ("set -e; p; ls", ""),
        ("set -e; p && ls; ls", "&&"),
        ("set -e; set +e; p; ls", ";"),
        ("set -e; p && ls", ""),
        ("p | tee log", "|"),
        ("set -o pipefail; p | tee log", ""),
        ("cat f | p", ""),
        ("p &", "&"),
        ("p", ""),
        ("p && ls", ""),
        ("p || true && ls", "|| true"),
        ("! p", ""),
    ],
)
def test_what_hides_a_failure_is_named(text: str, expected: str) -> None:
    command = next(command for command in read_script(text).commands if command.texts[:1] == ("p",))
    assert command.ignored_by == expected


def test_the_options_of_the_shell_count() -> None:
    (first, _) = read_script("p | tee log", options=("errexit", "pipefail")).commands
    assert first.ignored_by == ""


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ('if [ "$D" = gpu ]; then p a; else p b; fi', True),
        ('[ "$D" = gpu ] && p a || p b', True),
        ("p a || p b", True),
        ("case $D in a) p a;; b) p b;; esac", True),
        ('if [ "$D" = gpu ]; then p a; p b; fi', False),
        ("p a && p b", False),
        ('if [ "$D" = gpu ]; then p a; fi; p b', False),
        ("x || p a && p b", False),
        ('for x in 1 2; do if [ "$D" = $x ]; then p $x; else ls; fi; done', False),
        ("if [ $D ]; then if [ $C ]; then p a; fi; else p b; fi", True),
    ],
)
def test_arms_exclude_each_other(text: str, excluded: bool) -> None:
    first, second = (command for command in read_script(text).commands if command.texts[:1] == ("p",))
    shared = dict(first.branch).keys() & dict(second.branch).keys()
    assert any(dict(first.branch)[name] != dict(second.branch)[name] for name in shared) is excluded


def test_the_operator_that_follows_is_kept() -> None:
    commands = read_script("a && b || c; d | e |& f &\ng\nh").commands
    assert [command.operator for command in commands] == ["&&", "||", ";", "|", "|&", "&", "\n", ""]


@pytest.mark.parametrize(
    ("text", "words", "prefixes", "assigned"),
    [
        ("sudo -E -u root pip install a", "pip install a", ("sudo",), []),
        ("env -u A N=4 pip install a", "pip install a", ("env",), [("N", "4")]),
        ("sudo env A=1 B=2 time -p pip install a", "pip install a", ("sudo", "env", "time"), [("A", "1"), ("B", "2")]),
        ("timeout -k 5 60 nice -n 5 pip install a", "pip install a", ("timeout", "nice"), []),
        ("exec pip install a", "pip install a", ("exec",), []),
        ("exec >log", "exec", (), []),
        ("command -v pip", "command -v pip", (), []),
        ("command pip install a", "pip install a", ("command",), []),
        ("env", "env", (), []),
    ],
)  # fmt: skip
def test_commands_that_start_others_are_prefixes(
    text: str, words: str, prefixes: tuple[str, ...], assigned: list[tuple[str, str]]
) -> None:
    (command,) = read_script(text).commands
    assert " ".join(command.texts) == words
    assert command.prefixes == prefixes
    assert [(name, word.text) for name, word in command.assignments] == assigned


def test_commands_in_substitutions_are_read_and_marked() -> None:
    commands = read_script(
        'sh -c "$(curl -fsSL https://x.example/i.sh)"; p <(wget -qO- https://y.example)'
    ).commands
    assert [(command.texts[0], command.substitution) for command in commands] == [
        ("curl", True),
        ("sh", False),
        ("wget", True),
        ("p", False),
    ]
