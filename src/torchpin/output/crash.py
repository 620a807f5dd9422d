"""An unexpected error, for people. It imports as little as it can, since any import may be what failed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin.output.console import console

if TYPE_CHECKING:
    from pathlib import Path

ISSUES_URL = "https://github.com/torchpin/torchpin/issues"


def print_crash(error: BaseException, log: Path | None, trace: str) -> None:
    """One line, where the traceback is (all of it, if no log could be written), and where to report it."""
    first_line = next(iter(str(error).splitlines()), "")
    name = f"error: unexpected {type(error).__name__}"
    place = f"  traceback: {log}" if log else trace.rstrip("\n")
    for line in (f"{name}: {first_line}" if first_line else name, place, f"  please report it: {ISSUES_URL}"):
        console(sys.stderr).print(Text(line, style="red"))
