"""Scripts of a distribution: entry points, launchers, first lines."""

from __future__ import annotations

import pytest

from torchpin.assembly.scripts import (
    EntryPoint,
    is_launcher_of,
    launcher,
    read_entry_points,
    require_script_name,
    with_interpreter,
)

PYTHON = "/opt/venv/bin/python"


def entry_points(text: str) -> list[EntryPoint]:
    return read_entry_points(text, 11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[console_scripts]\nx = a.b:c\n", [("x", "a.b", "c")]),
        ("[console_scripts]\n  X.y-z=a:b.c  \n", [("X.y-z", "a", "b.c")]),
        ("[console_scripts]\nx = a : b [extra, other]\n", [("x", "a", "b")]),
        ("# comment\n[gui_scripts]\n; comment\nx=a:b\n[console_scripts]\ny=a:b\n", [("y", "a", "b"), ("x", "a", "b")]),
        ("[plugins]\nx = a\n[console_scripts]\n", []),
        ("", []),
        ("[console_scripts]\nx = %(y)s:z\n", None),
        ("[console_scripts]\npip = p:m\npip3 = p:m\npip3.9 = p:m\n", [("pip", "p", "m"), ("pip3", "p", "m"), ("pip3.11", "p", "m")]),
        ("[console_scripts]\npip3.9x = p:m\n", [("pip3.9x", "p", "m")]),
    ],
)  # fmt: skip
def test_entry_points_are_read(text: str, expected: list[tuple[str, str, str]] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="is not a module and a function"):
            entry_points(text)
    else:
        assert entry_points(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = a:b\n", "entry_points.txt cannot be read"),
        ("[console_scripts]\nx = a\n", "'a' is not a module and a function"),
        ("[console_scripts]\nx = a:b # why\n", "is not a module and a function"),
        ("[console_scripts]\nx = a:b; import os\n", "is not a module and a function"),
        ("[console_scripts]\n../x = a:b\n", "'../x' is not the name of a script"),
        ("[console_scripts]\npython3 = a:b\n", "python3 would replace Python's own python3"),
    ],
)
def test_entry_points_of_no_script_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        entry_points(text)


@pytest.mark.parametrize(
    "name",
    ["python", "Python3", "python3.11", "python3.14t", "python.exe", "pypy3", "python.py", "..", "", "a/b"],
)
def test_a_name_that_no_script_may_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not the name of a script|would replace Python's own"):
        require_script_name(name)


@pytest.mark.parametrize("name", ["python-config", "pythonx", "ipython", "python3.x", "x", "activate"])
def test_other_names_are_names_of_scripts(name: str) -> None:
    require_script_name(name)


def test_a_launcher_calls_the_function_of_its_entry_point() -> None:
    text = launcher(EntryPoint("x", "a.b", "Group.main"), PYTHON).decode()
    assert text.startswith(f"#!{PYTHON}\n# -*- coding: utf-8 -*-\nimport sys\nfrom a.b import Group\n")
    assert text.endswith("    sys.exit(Group.main())\n")
    compile(text, "launcher", "exec")


@pytest.mark.parametrize("executable", [f"/{'long' * 40}/python", "/with space/python"])
def test_a_path_that_a_first_line_cannot_have_is_started_by_the_shell(executable: str) -> None:
    text = launcher(EntryPoint("x", "a", "main"), executable).decode()
    assert text.startswith(f"#!/bin/sh\n'''exec' '{executable}' \"$0\" \"$@\"\n' '''\n# -*- coding")
    compile(text, "launcher", "exec")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#!python\nx\n", b"#!/opt/venv/bin/python\nx\n"),
        (b"#!pythonw -s\r\nx\r\n", b"#!/opt/venv/bin/python\nx\r\n"),
        (b"#!python3.9\rx", b"#!/opt/venv/bin/python\nx"),
        (b"#!python", b"#!/opt/venv/bin/python\n"),
        (b"#!/usr/bin/python\n", None),
        (b"#!", None),
        (b"\x7fELF", None),
    ],
)
def test_the_first_line_of_a_script_of_python_is_replaced(content: bytes, expected: bytes | None) -> None:
    assert with_interpreter(content, PYTHON) == expected


@pytest.mark.parametrize(
    ("filename", "expected"),
    [("x", True), ("x.exe", True), ("x-script.py", True), ("x.pya", True), ("x.py", False), ("y", False)],
)
def test_a_script_that_an_entry_point_makes_is_not_installed(filename: str, expected: bool) -> None:
    assert is_launcher_of(filename, [EntryPoint("x", "a", "b")]) is expected
