"""What README.md shows of real runs: the output of its first commands, and figures of the benchmarks.

A line of a console block that begins with `$` is a command; what follows it is its whole output, on a terminal of 80 columns.
A command with nothing below it prints what is of no interest there.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.documents.markdown import table

if TYPE_CHECKING:
    from collections.abc import Mapping

README = "README.md"
BENCHMARKS = "docs/BENCHMARKS.md"
_SCREENS = re.compile(r"^## In ten seconds\n.*?(?=^## )", re.MULTILINE | re.DOTALL)
_DOCKERFILE = re.compile(r"^```dockerfile\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FIGURES = re.compile(r"^(<!-- begin figures.*? -->\n).*?^(<!-- end figures -->)$", re.MULTILINE | re.DOTALL)
_SHOWN = ("cold build", "one leaf pin moved")
_SIDES = {
    "pip recipe": "Dockerfile with pip",
    "uv's guide": "Dockerfile by uv's guide",
    "torchpin": "torchpin, verification included",
}


def screens(text: str) -> dict[str, str]:
    """The first commands of the README in their order, each with the output that is shown, "" where none is."""
    outputs: dict[str, str] = {}
    for body in _CONSOLE.findall(_SCREENS.search(text)[0]):  # type: ignore[index]
        command = ""
        for line in body.splitlines(keepends=True):
            if line.startswith("$ "):
                command = line[2:].strip()
                outputs[command] = ""
            else:
                outputs[command] += line
    return outputs


def dockerfile(text: str) -> str:
    """The Dockerfile of the README."""
    return str(_DOCKERFILE.findall(text)[0])


def printed_screens(text: str, programs: Path) -> dict[str, str]:
    """What these commands print in an empty folder in git with the Dockerfile of the README; `programs` has torchpin."""
    with tempfile.TemporaryDirectory(prefix="torchpin-readme-") as folder:
        project = Path(folder, "project")
        subprocess.run(("git", "init", "--quiet", str(project)), check=True)
        (project / "Dockerfile").write_text(dockerfile(text), encoding="utf-8")
        return {command: printed(command, project, programs) for command in screens(text)}


def printed(command: str, folder: Path, programs: Path) -> str:
    """What a command prints on standard output, where that is a terminal without colours."""
    parent, child = pty.openpty()
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("TORCHPIN_", "PYTHON"))
    }
    environ |= {"PATH": f"{programs}:{os.environ['PATH']}", "TERM": "dumb", "COLUMNS": "80", "NO_COLOR": "1"}
    environ |= {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    with subprocess.Popen(
        command,
        shell=True,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=child,
        stderr=subprocess.DEVNULL,
    ):
        os.close(child)
        text = _read_all(parent)
    return text.replace("\r\n", "\n").rstrip("\n") + "\n"


def _read_all(terminal: int) -> str:
    chunks = []
    try:
        while chunk := os.read(terminal, 65536):
            chunks.append(chunk)
    except OSError:  # Linux ends a terminal whose other side is closed with EIO
        pass
    os.close(terminal)
    return b"".join(chunks).decode()


def with_screens(text: str, outputs: Mapping[str, str]) -> str:
    """The README with these outputs; commands without output stay without."""
    for command, output in screens(text).items():
        if output:
            text = text.replace(f"$ {command}\n{output}", f"$ {command}\n{outputs[command]}")
    return text


def with_figures(text: str, benchmarks: str) -> str:
    """The README with the figures of docs/BENCHMARKS.md."""
    return _FIGURES.sub(lambda match: f"{match[1]}\n{figures(benchmarks)}\n\n{match[2]}", text)


def figures(benchmarks: str) -> str:
    """A table of the medians of a real service's image."""
    section = benchmarks.split("\n## Images of a real service\n")[1].split("\n## ", maxsplit=1)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    medians: dict[tuple[str, str], str] = {}
    work = ""
    for row in cells:
        work = row[0] or work
        medians.setdefault((work, row[1]), row[2].partition(" (")[0])
    rows = [(name, *(medians[work, side] for work in _SHOWN)) for side, name in _SIDES.items()]
    headers = ("Image of 171 packages, torch among them", "built from nothing", "after one pin moved")
    return table(headers, rows)


def readme_text(root: Path) -> str:
    """The README with the present output of its commands and the present figures."""
    text = (root / README).read_text(encoding="utf-8")
    text = with_screens(text, printed_screens(text, Path(sys.executable).parent))
    return with_figures(text, (root / BENCHMARKS).read_text(encoding="utf-8"))
