"""The probe on real libraries: those of this Python, and some that this machine's compiler made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest

from support.elf import place
from support.runtime_scripts import RUNTIME

COMPILER = shutil.which("gcc") or shutil.which("cc")
SITE = sysconfig.get_paths()["purelib"]


def examined(*options: str, **environ: str) -> dict[str, Any]:
    command = (sys.executable, "-B", str(RUNTIME / "probe.py"), "--no-gpu", *options)
    result = subprocess.run(
        command, env=environ or None, capture_output=True, text=True, timeout=60, check=True
    )
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_the_libraries_of_this_python_resolve() -> None:
    start = time.monotonic()
    document = examined("--files")
    assert document["libraries"] > 10
    assert [entry for entry in document["findings"] if entry["level"] == "error"] == []
    assert time.monotonic() - start < 10


def test_files_are_examined_on_request_alone() -> None:
    assert "findings" not in examined()


@pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")
def test_a_library_that_was_linked_and_is_gone_is_named(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (tmp_path / "lib.c").write_text("int gone(void) { return 1; }\n")
    (tmp_path / "module.c").write_text("int gone(void); int module(void) { return gone(); }\n")
    for name, source, links in (
        ("libgone.so.4", "lib.c", ()),
        ("module.abi3.so", "module.c", ("-l:libgone.so.4",)),
    ):
        command = (
            str(COMPILER),
            "-shared",
            "-fPIC",
            f"-Wl,-soname,{name}",
            source,
            "-o",
            name,
            "-L.",
            *links,
        )
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    script = "import json, sys, platform; import probe_findings; json.dump(probe_findings.file_findings([sys.argv[1]], [], ['pkg'], platform.machine()), sys.stdout)"  # fmt: skip

    def report() -> Any:
        command = (sys.executable, "-B", "-c", script, str(site))
        result = subprocess.run(command, cwd=RUNTIME, capture_output=True, text=True, check=True)
        return json.loads(result.stdout)

    place(site, {"pkg/module.abi3.so": (tmp_path / "module.abi3.so").read_bytes()}, "pkg")
    ((entry,), count) = (report()["findings"], report()["libraries"])
    assert (entry["id"], entry["level"], count) == ("IMG007", "error", 1)
    assert (
        entry["message"]
        == "pkg/module.abi3.so of pkg needs libgone.so.4, which the environment does not have"
    )
    place(site, {"gone.libs/libgone.so.4": (tmp_path / "libgone.so.4").read_bytes()}, "gone")
    assert report()["findings"] == []


@pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")
def test_a_compiler_is_proven_by_what_it_compiles(tmp_path: Path) -> None:
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        pytest.skip("this Python has no headers")
    assert [entry for entry in examined("--compiles")["findings"] if entry["id"] == "IMG010"] == []
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'probe.c:1:10: fatal error: stdlib.h: No such file' >&2\nexit 1\n")
    broken.chmod(0o755)
    (entry,) = [
        entry for entry in examined("--compiles", CC=str(broken))["findings"] if entry["id"] == "IMG010"
    ]
    assert "fatal error: stdlib.h" in entry["message"]
    assert entry["help"] == "add gcc and libc6-dev to `apt:`"
