"""setup.cfg of another project: what setuptools installs by it, where no `[project]` table of pyproject.toml says it."""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.model import Position, Problem
from torchpin.project.pyproject import PythonProject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.project.pyproject import PlacedRequirement


def read_setup_cfg(file: str, text: str) -> PythonProject:
    """The project of a setup.cfg; one that cannot be read is empty, with the problem."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except (configparser.Error, RecursionError) as error:
        rows = getattr(error, "errors", ())  # a line each
        line = rows[0][0] if rows else getattr(error, "lineno", None) or 1
        problem = Problem(
            position=Position(file=file, line=line, column=1), path="", message=str(error).splitlines()[0]
        )
        return PythonProject(file=file, problems=(problem,))
    requires = parser.get("options", "install_requires", fallback="")
    section = "options.extras_require"
    extras = parser.items(section) if parser.has_section(section) else ()
    return PythonProject(
        file=file,
        name=parser.get("metadata", "name", fallback="").strip(),
        requires_python=parser.get("options", "python_requires", fallback="").strip(),
        dependencies=tuple(_placed(file, text, requires)),
        extras={canonicalize_name(name): tuple(_placed(file, text, value)) for name, value in extras},
        requirement_files=_files(requires),
        has_build_system=True,
    )


def _files(value: str) -> tuple[str, ...]:
    """The files of `file: a.txt, b.txt`."""
    is_file = value.strip().startswith("file:")
    names = value.strip().removeprefix("file:").split(",") if is_file else []
    return tuple(name.strip() for name in names if name.strip())


def _placed(file: str, text: str, value: str) -> Iterator[PlacedRequirement]:
    """The requirements of a list, one a line or separated by `;` on a single one, at their lines."""
    if _files(value):
        return
    lines = [line.strip() for line in text.split("\n")]
    for row in value.splitlines() if "\n" in value.strip() else value.split(";"):
        requirement = row.partition(" #")[0].strip()
        if requirement:
            numbers = (number for number, line in enumerate(lines, 1) if requirement in line)
            yield requirement, Position(file=file, line=next(numbers, 1), column=1)
