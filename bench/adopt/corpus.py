"""The projects of the corpus: YAML files below `projects/`, their form in README.md, their kinds of findings in kinds.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # much faster, where there is libyaml
LEVELS = ("notice", "warning", "error")  # by weight
# `https://PYPI` stands for PyPI's index until a project is written: no file of the repository names the host of a package
# registry.
_PYPI = "https://pypi" + ".org"
_TOOLS = ("torchpin", "hadolint", "tally", "env_doctor")

Place = tuple[str, int]  # a file's path below the project, a line from 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of finding: the heaviest level that it is worth, and by tool the ids of the rules that name it."""

    name: str
    level: str
    means: str
    rules: Mapping[str, frozenset[str]]
    is_counted: bool = True  # false: what depends on the day, or is advice that a right project can get too


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """A finding that is right: any of `kinds`, at any of `places`; `level` is the heaviest that is right."""

    kinds: frozenset[str]
    level: str
    places: frozenset[Place]


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A project: its files, the draft that is right, and what is to be found in it.

    `trap`: the kind that the project is about, "" for a project in which nothing is wrong. `allowed`: findings that are
    right to have and right to leave out. `forbidden`: texts that no output may hold as they are.
    """

    name: str
    style: str
    files: Mapping[str, str]
    draft: Mapping[str, Any]
    trap: str = ""
    findings: tuple[Expected, ...] = ()
    allowed: tuple[Expected, ...] = ()
    forbidden: tuple[str, ...] = field(default=())

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def write(self, folder: Path) -> None:
        """Write the files below a folder, as they are: a BOM and line ends are kept."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.replace("https://PYPI", _PYPI).encode())


@cache
def load_kinds() -> Mapping[str, Kind]:
    rows = yaml.safe_load((FOLDER / "kinds.yaml").read_text(encoding="utf-8"))
    return {
        name: Kind(
            name=name,
            level=row["level"],
            means=row["means"],
            rules={tool: frozenset(row.get(tool, ())) for tool in _TOOLS},
            is_counted=row.get("counted", True),
        )
        for name, row in rows.items()
    }


@cache
def load_projects() -> tuple[Project, ...]:
    """Every project, by file and in its order. Raises ValueError for a place that is not in the project."""
    return tuple(
        _read_project(row, path.stem)
        for path in sorted((FOLDER / "projects").glob("*.yaml"))
        for row in yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    )


def _read_project(row: Mapping[str, Any], style: str) -> Project:
    return Project(
        name=row["name"],
        style=style,
        files=row["files"],
        draft=row["draft"],
        trap=row.get("trap", ""),
        findings=tuple(_read_expected(row, finding) for finding in row.get("findings", ())),
        allowed=tuple(_read_expected(row, finding) for finding in row.get("may", ())),
        forbidden=tuple(row.get("forbidden", ())),
    )


def _read_expected(row: Mapping[str, Any], finding: Mapping[str, Any]) -> Expected:
    kinds = _as_list(finding["kind"])
    unknown = [kind for kind in kinds if kind not in load_kinds()]
    if unknown:
        raise ValueError(f"{row['name']}: unknown kind {', '.join(unknown)}")
    places: set[Place] = set()
    for text in _as_list(finding["at"]):
        matches = {
            (file, number)
            for file in _as_list(finding["in"])
            for number, line in enumerate(row["files"][file].split("\n"), 1)
            if (line.startswith(text[1:]) if text.startswith("^") else text in line)
        }
        if not matches:
            raise ValueError(f"{row['name']}: {text!r} is not in {finding['in']}")
        places |= matches
    level = max((load_kinds()[kind].level for kind in kinds), key=LEVELS.index)
    return Expected(kinds=frozenset(kinds), level=finding.get("level", level), places=frozenset(places))


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
