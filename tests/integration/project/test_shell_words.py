"""The words of commands are those that bash itself makes: `p` stands for any program, and prints what it gets."""

from __future__ import annotations

import subprocess

import pytest

from torchpin.project.shell.script import parse_script
from torchpin.project.text import PlacedText

VARIABLES = {
    "X": "x y", "V": "12.8.1", "E": "", "U": "https://h.example/a/b.tar.gz", "N": "3", "T": "v2.7.1+cu128",
    "P": "*.txt", "W": "  lead and trail ",
}  # fmt: skip
PRELUDE = 'exec 9>&1 >/dev/null 2>&1; p() { { printf "%s\\037" "$@"; printf "\\036"; } >&9; }; export -f p; set -f\n'
LINES = r"""
p a 'b c' "d e" f\ g 'it'\''s' "a\"b" "a\$b" \$x "\\n" 'a\n' "a\nb"
p $X "$X" $E "$E" ''$E a$E pre${X}post "pre $X" $W "$W" a$W'b'
p ${X:-d} ${E:-d} ${E-d} ${E:+a} ${X:+a} "${E:-a b}" ${E:-a b} ${E:-"a b"} ${E:-$N} ${E:-${E:-z}} ${X:+"$X"}
p ${V%.*} ${V%%.*} ${V#*.} ${V##*.} ${V/./-} ${V//./} ${V//./-} ${V/#12/x} ${V/%1/y} ${U##*/} ${U%/*} ${U%%:*}
p ${T#v} ${T%%+*} ${T##*+} ${T^^} ${T^} ${X^} ${#V} ${#E} ${V:0:2} ${V:3} ${V: -1} ${V:0:-2} ${V:1:2} "${V:0:4}"
p "${T%+*}" ${T%"+cu128"} ${T%[+]*} ${T/[0-9]/N} ${T//[0-9]/N} ${T//[!0-9]/} ${T/+/ } "${T/+/ }" ${V//1/}
p $((1+2)) $((N*2)) $(( $N - 1 )) $((10/3)) $((-7/2)) $((-7%3)) $((2**3)) $((N>2)) $((N==3?4:5)) $((1<<4)) $((0x10))
p {a,b}.txt a{b,c}d {1..3} {a..c} x{1,2}{3,4} {a,b{c,d}} {a} {} {a,} "{a,b}" {01..03} {3..1} a{,b} {$N,4}
A=(x "y z" $N); p "${A[@]}" ${A[1]} ${#A[@]} ${A[-1]} ${A[@]:1} "${A[*]}" "pre${A[@]}post" ${A[0]}
A=(); p a "${A[@]}" b; A+=(c); A+=(d e); p "${A[@]}"
for i in 1 2 3; do p $i; done; for i in $X; do p "$i"; done; for i in "$X" {a,b}; do p $i; done
for i in 1 2 3; do [ $i = 2 ] && continue; p $i; done; for i in 1 2 3; do [ $i -eq 2 ] && break; p $i; done
if [ "$N" = 3 ]; then p a; else p b; fi; if [ "$N" != 3 ]; then p c; elif [ -n "$E" ]; then p d; else p e; fi
if [[ $T == v2* && -z $E ]]; then p a; fi; [[ $T == "v2*" ]] && p b; [[ $T =~ ^v2 ]] && p c; [[ ! $N == 3 ]] || p d
[ -z "$E" -a "$N" = 3 ] && p a; [ "$N" -gt 2 ] && p b || p c; [ "$N" -lt 2 ] && p d || p e; test -n "$X" && p f
! [ "$N" = 3 ] && p a; if ! [ "$N" = 4 ]; then p b; fi; [ ! "$N" = 4 ] && p c; [ "$N" = 3 ] || [ x = x ] && p d
case $V in 11*) p a;; 12.[0-8]*|13*) p b;; *) p c;; esac; case "$E" in "") p d;; ?*) p e;; esac; case x in (x) p f;; esac
case $T in *+cu*) p a ;; esac; case $T in v2.7*) p 1;; v2*) p 2;; esac; case "$X" in "x y") p s;; esac
true && p a || p b; false && p c || p d; false || p e; true; p f; : && p g
f() { p "$1" "$2" $#; }; f a "b c"; f $X; g() { local N=9; p $N; }; g; p $N
f() { for a in "$@"; do p "$a"; done; shift; p "$@"; return 0; p no; }; f 1 2 3
set -- a "b c" d; p "$@"; p $# "$1" $2 "${2}" "$*"; shift; p "$@"
bash -c 'p a "b c" $V'; bash -c "p \$V $N '$X'"; bash -c 'p "$@"' name a 'b c'; bash -ec 'p "$1"' _ z
(cd /tmp; p a); { p b; p c; }; (N=4; p $N); p $N
p a | cat; echo x | p b; p c > /dev/null 2>&1; p d 2>/dev/null <<< "x"; p e >/dev/null f
p $(echo a b) "$(echo a b)" $(printf '%s ' a b) `echo $N` "$(echo "a $(echo "b")")" x$(echo y)z
p $(echo $V | cut -d. -f1,2) $(echo $V | cut -d. -f1-2 | tr -d .) $(echo "$V" | tr . -) $(echo $X | tr a-z A-Z)
p $(echo "$V" | sed 's/\.//') $(echo $V | sed s/12/13/g) $(basename $U) $(basename $U .tar.gz) $(dirname $U)
Y=$(echo $V | cut -d. -f1); Z="$Y$N"; p $Z; Y+=z; p $Y; Y= ; p "$Y"
export Y=1 Z="a b"; p $Y "$Z"; readonly R=2; p $R; declare D=3; p $D; unset D; p "$D"
Y="a b"; p $Y; Z=$Y; p "$Z"; Q='$N'; p $Q "$Q"; M=a\ b; p $M
p a=b c==d 'e>=1' "f<2" g~=1 h[extra]==1 'i;j' k\;l m#n --opt=$N --opt="$X" -r$V
p $'a\tb' $'it\'s' $'\x41' $'a\nb'
eval p a b; eval "p $N '$X'"; eval 'p $N'
env N=5 bash -c 'p $N'; N=6 bash -c 'p $N'; Y=7 bash -c 'p $Y'; Y=8; bash -c 'p "${Y:-unset}"'; export Y; bash -c 'p $Y'
while read -r a b; do p "$a" "$b"; done <<< $'1 2 3\n4'; i=0; while [ $i -lt 3 ]; do p $i; i=$((i+1)); done
for ((i=0; i<3; i++)); do p $i; done; i=5; ((i++)); p $i; let "i=i+2"; p $i; ((i>7)) && p big
p "${E:-"a b"}" "${X:+"$X" z}" ${E:-'a b'} "${V%.*}.$N" "$X"$N'q'
p ${E:=dflt} $E
p "$N$E$V" $N$E$V "${N}${E}" $E$E a ""$E"" "$E$E"
p ~x a~ "~" a:~b
p \"a b\" \'c\' a\\b "a\\b" 'a\\b'
p !x a! "a!"
p a& wait; p b
p -- -x --y=z -I{} {}x x{}
p [ab] a? 'a*' "$P" $P
IFS= read -r L <<< "  a b "; p "$L"; read -r a b <<< "1 2 3"; p $a "$b"
printf '%s\n' q w | while read l; do p $l; done; echo "a b" | { read l m; p $m $l; }
if true; then p a; fi >/dev/null; if false; then p b; fi; until true; do p c; done; while false; do p d; done
x=1; if [ $x = 1 ]; then x=2; fi; p $x; { x=3; }; p $x; (x=4); p $x; x=5 | cat; p $x; [ $x = 3 ] && x=6; p $x
exit 0; p never
set -e; p a; false; p never
"""
SCRIPTS = (
    "p \"a\nb\" 'c\nd'",
    "p a \\\n  b\np a; # comment\np b # comment 'with quote\np c#d",
    'cat <<EOF | while read -r line; do p "$line"; done\na $N\nb \\$N \\\nc\nEOF',
    "bash <<'EOF'\np \"$N\" a\nEOF\np b",
    "bash <<-EOF\n\tp $N '$X'\n\tEOF\np c",
    "p after <<A <<B\na\nA\nb\nB\np last",
    "if [ $N = 3 ]\nthen\n  p a\n  p b\nelse\n  p c\nfi",
    'f() {\n  p "$1"\n}\nfor i in a \\\n  b; do\n  f $i\ndone',
    "case $N in\n  1|2) p a ;;\n  3)\n    p b\n    p c\n    ;;\nesac",
    'p "${E:-a\nb}" $(cat <<E\nx $N\nE\n)',
    "{ p a\n  p b &&\n  p c; } # d\n(\n  p e\n)",
)
SNIPPETS = (*LINES.strip("\n").split("\n"), *SCRIPTS)


def words_of_bash(snippet: str) -> list[list[str]]:
    result = subprocess.run(
        ["bash", "-c", PRELUDE + snippet],
        env={**VARIABLES, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return [call.split("\037")[:-1] for call in result.stdout.split("\036")[:-1]]


def words_read(snippet: str) -> list[list[str]]:
    script = parse_script(PlacedText.of_text(snippet), VARIABLES)
    return [
        [*command.texts[1:]] for command in script.commands if command.runs and command.texts[:1] == ("p",)
    ]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_words_are_those_of_bash(snippet: str) -> None:
    expected = words_of_bash(snippet)
    assert words_read(snippet) == expected
