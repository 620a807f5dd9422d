"""prove: compare this environment with its expectation, then run the smoke test, in one interpreter.

What the probe has imported, the smoke test finds imported: the packages are compiled and loaded once.

    prove.py DOCUMENT SMOKE [OPTION ...]   DOCUMENT is where the probe's document is written, OPTIONs are those of probe.py

Exit code 1 if the environment is not as expected, in which case the smoke test does not run; else that of the smoke test.
Standard library only, Python 3.8 and later; `probe.py` is in the same folder.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
import runpy
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import probe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

ARGUMENTS = 2  # the document and the smoke test; what follows are options of the probe
# New objects between two searches for cycles, by default 700: imports make many, of which none is garbage.
OBJECTS = 1_000_000


def write_document(path: str, options: Sequence[str]) -> int:
    """Run the probe, write its document and return its exit code. Without an end of the probe there is no document."""
    document = io.StringIO()
    with contextlib.redirect_stdout(document):
        code = probe.main(options)
    Path(path).write_text(document.getvalue(), encoding="utf-8")
    return code


def forget_scripts() -> None:
    """Remove the modules of this folder: a service may have modules of the same names."""
    folder = str(Path(__file__).resolve().parent)
    sys.path[:] = [entry for entry in sys.path if str(Path(entry).resolve()) != folder or not entry]
    for name, module in list(sys.modules.items()):
        if name != "__main__" and str(getattr(module, "__file__", None) or "").startswith(f"{folder}/"):
            del sys.modules[name]


def run_smoke_test(path: str) -> int:
    """Run a script as Python runs a program and return its exit code; one that calls `sys.exit` ends this program."""
    forget_scripts()
    sys.argv[:] = [path]
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        runpy.run_path(path, run_name="__main__")
    except Exception as error:
        sys.stdout.flush()
        traceback.print_exception(type(error), error, own_frames(error.__traceback__, path))
        return 1
    return 0


def own_frames(trace: TracebackType | None, path: str) -> TracebackType | None:
    """Return a traceback from its first frame in a file on, None if it has none there (a syntax error)."""
    while trace and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    return trace


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    if len(argv) < ARGUMENTS:
        sys.stderr.write("prove: usage: prove.py DOCUMENT SMOKE [OPTION ...]\n")
        return 2
    document, smoke, *options = argv
    gc.set_threshold(OBJECTS)
    code = write_document(document, options)
    if code:
        return code
    sys.stderr.flush()
    code = run_smoke_test(smoke)
    if code:
        sys.stderr.write(f"prove: {smoke} failed\n")
    return code


if __name__ == "__main__":
    faulthandler.enable()  # an import that crashes the interpreter leaves a traceback
    sys.exit(main(sys.argv[1:]))
