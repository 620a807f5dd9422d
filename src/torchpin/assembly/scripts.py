"""The scripts of a distribution, as uv writes them: launchers of its entry points, and the scripts that it brings along."""

from __future__ import annotations

import re
from configparser import ConfigParser
from configparser import Error as ConfigError
from typing import NamedTuple

# As uv reads a value, which is `module:function [extra]`.
_REFERENCE = re.compile(r"(?P<module>[\w.-]+)\s*:\s*(?P<function>[\w.-]+)(?:\s*\[\s*(?:[^,]+,?\s*)+\])?\s*")
_VERSIONED_PIP = re.compile(r"pip3\.\d{1,3}")
_RESERVED = re.compile(
    r"(?:python|pythonw|python3|graalpy|pypy|pypy2|pypy3|python3\.\d{1,3}|pythonw?3\.\d{1,3}t)(?:\.py)?"
)
_PLACEHOLDER = b"#!python"
_LONGEST_SHEBANG = 127  # bytes with `#!` and the end of the line; some kernels cut off what is longer
_LAUNCHER = """\
{shebang}
# -*- coding: utf-8 -*-
import sys
from {module} import {name}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({function}())
"""


class EntryPoint(NamedTuple):
    """A script that calls a function: its name, the module, and the function in it."""

    name: str
    module: str
    function: str


def read_entry_points(text: str, minor: int) -> list[EntryPoint]:
    """The console and GUI scripts of entry_points.txt; pip's `pip3.X` is that of the Python with this minor version.

    Raises ValueError for a text that is not such a file, and for a name that is not one of a script.
    """
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[method-assign,assignment] # names keep their capitals
    try:
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except ConfigError as error:
        message = f"entry_points.txt cannot be read: {' '.join(str(error).split())}"
        raise ValueError(message) from None
    console, gui = (
        [_entry_point(name, value) for name, value in parser[section].items()]
        if parser.has_section(section)
        else []
        for section in ("console_scripts", "gui_scripts")
    )
    console = [script for script in console if not _VERSIONED_PIP.fullmatch(script.name)]
    versioned = [script._replace(name=f"pip3.{minor}") for script in console if script.name == "pip3"]
    return [*console, *versioned, *gui]


def _entry_point(name: str, value: str) -> EntryPoint:
    match = _REFERENCE.fullmatch(value.strip())
    if not match:
        message = f"entry_points.txt: {value!r} is not a module and a function"
        raise ValueError(message)
    require_script_name(name)
    return EntryPoint(name, match["module"], match["function"])


def require_script_name(name: str) -> None:
    """Raises ValueError for a name that no script may have: one of Python's own, or a path."""
    if "/" in name or not name.isprintable() or name in {"", ".", ".."}:
        message = f"{name!r} is not the name of a script"
        raise ValueError(message)
    if _RESERVED.fullmatch(name.lower().removesuffix(".exe")):
        message = f"{name} would replace Python's own {name}"
        raise ValueError(message)


def launcher(script: EntryPoint, executable: str) -> bytes:
    """The text of an entry point's script, for the Python at a path."""
    name = script.function.partition(".")[0]
    text = _LAUNCHER.format(
        shebang=_shebang(executable), module=script.module, name=name, function=script.function
    )
    return text.encode()


def with_interpreter(content: bytes, executable: str) -> bytes | None:
    """A script that begins with `#!python`, with the Python at a path; None for any other script, which stays as it is."""
    if not content.startswith(_PLACEHOLDER):
        return None
    end = re.search(rb"\r?\n|\r", content)
    return _shebang(executable).encode() + b"\n" + (content[end.end() :] if end else b"")


def is_launcher_of(filename: str, scripts: list[EntryPoint]) -> bool:
    """Whether a script of the wheel is what an entry point makes, in which case that is written instead."""
    for suffix in (".exe", "-script.py", ".pya"):
        if filename.endswith(suffix):
            filename = filename.removesuffix(suffix)
            break
    return any(script.name == filename for script in scripts)


def _shebang(executable: str) -> str:
    if len(f"#!{executable}\n".encode()) > _LONGEST_SHEBANG or " " in executable:
        quoted = executable.replace("'", "'\"'\"'")
        return f"#!/bin/sh\n'''exec' '{quoted}' \"$0\" \"$@\"\n' '''"
    return f"#!{executable}"
