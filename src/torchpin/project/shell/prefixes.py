"""Commands that only start another: sudo, env, time, nice, timeout, xargs."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.project.shell.values import ShellWord

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


class _Starter(NamedTuple):
    """`valued`: its options whose next word is their value; `words`: how many words stand before the command it starts."""

    valued: frozenset[str] = frozenset()
    words: int = 0
    assigns: bool = False


_STARTERS = {
    "sudo": _Starter(frozenset({"-u", "-g", "-p", "-h", "-C", "-D", "-R", "-T", "-U", "--user", "--group"}), assigns=True),
    "doas": _Starter(frozenset({"-u", "-C"})),
    "env": _Starter(frozenset({"-u", "--unset", "-C", "--chdir"}), assigns=True),
    "time": _Starter(frozenset({"-f", "-o"})),
    "exec": _Starter(frozenset({"-a"})),
    "command": _Starter(),
    "builtin": _Starter(),
    "nohup": _Starter(),
    "setsid": _Starter(),
    "nice": _Starter(frozenset({"-n", "--adjustment"})),
    "ionice": _Starter(frozenset({"-c", "-n", "--class", "--classdata"})),
    "stdbuf": _Starter(frozenset({"-i", "-o", "-e"})),
    "timeout": _Starter(frozenset({"-k", "-s", "--kill-after", "--signal"}), words=1),
    "chroot": _Starter(words=1),
    "eatmydata": _Starter(),
    "xargs": _Starter(
        frozenset({"-a", "-d", "-E", "-I", "-L", "-n", "-P", "-s", "--arg-file", "--delimiter", "--max-args", "--max-procs"})
    ),
}  # fmt: skip


class StartedCommand(NamedTuple):
    argv: tuple[ShellWord, ...]
    prefixes: tuple[str, ...] = ()
    assignments: tuple[ShellWord, ...] = ()  # NAME=value
    options: tuple[str, ...] = ()  # of its starters


def strip_prefixes(argv: Sequence[ShellWord]) -> StartedCommand:
    """The command that words start in the end; one that only asks, such as `command -v`, stays as it is."""
    prefixes: list[str] = []
    assigned: list[ShellWord] = []
    options: list[str] = []
    position = 0
    while position < len(argv):
        name = posixpath.basename(argv[position].text)
        starter = _STARTERS.get(name)
        if starter is None or argv[position].unresolved:
            break
        stop = _skip_options(argv, position + 1, starter)
        starter_options = [word.text for word in argv[position + 1 : stop]]
        if name == "command" and {"-v", "-V"} & {*starter_options}:
            break
        while starter.assigns and stop < len(argv) and _ASSIGNMENT.match(argv[stop].text):
            assigned.append(argv[stop])
            stop += 1
        stop += starter.words
        if stop >= len(argv):
            break
        prefixes.append(name)
        options += starter_options
        position = stop
    return StartedCommand(tuple(argv[position:]), tuple(prefixes), tuple(assigned), tuple(options))


def _skip_options(argv: Sequence[ShellWord], position: int, starter: _Starter) -> int:
    while position < len(argv) and argv[position].text.startswith("-") and argv[position].text != "-":
        if argv[position].text == "--":
            return position + 1
        position += 2 if argv[position].text in starter.valued else 1
    return position
