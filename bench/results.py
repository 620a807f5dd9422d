"""What was measured, kept as JSON a group, and the page docs/BENCHMARKS.md that is made of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from measuring import Summary, machine_lines

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "bench/results"
PAGE = ROOT / "docs/BENCHMARKS.md"
_HUNDRED_SECONDS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Aim:
    """What a side must not exceed: `limit` times the wall time of `other`, or `limit` in the unit of `figure` itself.

    `figure` is a field of Summary: `wall`, `cpu`, `written` or `memory`.
    """

    side: str
    limit: float
    other: str = ""
    figure: str = "wall"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Some work, done by several sides in one run; `note` says what the figures do not."""

    work: str
    sides: dict[str, Summary]
    aims: list[Aim] = field(default_factory=list)
    note: str = ""


def save(group: str, rows: list[Row]) -> None:
    """Write the rows of a group with the machine and the day."""
    FOLDER.mkdir(exist_ok=True)
    day = datetime.now(tz=timezone.utc).date().isoformat()
    content = {"day": day, "machine": machine_lines(), "rows": [asdict(row) for row in rows]}
    (FOLDER / f"{group}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_rows(content: dict[str, list[dict[str, object]]]) -> list[Row]:
    return [
        Row(
            work=str(row["work"]),
            sides={name: Summary(**values) for name, values in row["sides"].items()},  # type: ignore[attr-defined]
            aims=[Aim(**aim) for aim in row["aims"]],  # type: ignore[attr-defined]
            note=str(row["note"]),
        )
        for row in content["rows"]
    ]


def page(titles: dict[str, str]) -> str:
    """The text of docs/BENCHMARKS.md: a section for each group of `titles` that has been measured."""
    lines = [
        "# Benchmarks",
        "",
        "Made by `nox -s bench`; do not edit. All sides of a row are measured in one run, in turn, on a machine that does nothing else.",
        "Wall time is the median, with the shortest and the longest run; CPU time, bytes written and memory are medians.",
        "CPU time and bytes of builds are those of the whole machine, since the engine is a daemon.",
        "",
    ]
    for group, title in titles.items():
        file = FOLDER / f"{group}.json"
        if file.is_file():
            lines += _section(title, json.loads(file.read_text(encoding="utf-8")))
    return "\n".join(lines)


def _section(title: str, content: dict[str, list[dict[str, object]]]) -> list[str]:
    rows = read_rows(content)
    lines = [f"## {title}", "", f"Measured on {content['day']}.", ""]
    lines += [f"- {line}" for line in content["machine"]]
    lines += [
        "",
        "| Work | Side | Wall time | Runs | CPU | Written | Memory |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [line for row in rows for line in _side_lines(row)]
    lines += ["", "| Work | Aim | Measured | |", "|---|---|---|---|"]
    lines += [line for row in rows for line in map(lambda aim, row=row: _aim_line(row, aim), row.aims)]  # type: ignore[misc]
    notes = [f"{row.work}: {row.note}" for row in rows if row.note]
    lines += ["", *(f"- {note}" for note in notes), *([""] if notes else [])]
    return lines


def _side_lines(row: Row) -> list[str]:
    return [
        f"| {'' if number else row.work} | {name} | {seconds(side.wall)} ({seconds(side.shortest)} to {seconds(side.longest)}) "
        f"| {side.runs} | {seconds(side.cpu)} | {size(side.written)} | {size(side.memory)} |"
        for number, (name, side) in enumerate(row.sides.items())
    ]


def _aim_line(row: Row, aim: Aim) -> str:
    value = float(getattr(row.sides[aim.side], aim.figure))
    text = {"wall": "", "cpu": " in CPU time", "written": " in bytes written", "memory": " in memory"}[
        aim.figure
    ]
    if aim.other:
        value /= float(getattr(row.sides[aim.other], aim.figure)) or 1
        wanted, measured = f"{aim.side} ≤ {aim.limit:g} times {aim.other}{text}", f"{value:.2f} times"
    else:
        unit = seconds if aim.figure in {"wall", "cpu"} else size
        wanted, measured = f"{aim.side} ≤ {unit(aim.limit)}{text}", unit(value)
    verdict = "met" if value <= aim.limit else f"missed by {value / aim.limit - 1:.0%}"
    return f"| {row.work} | {wanted} | {measured} | {verdict} |"


def seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= _HUNDRED_SECONDS else f"{value:.3g} s"


def size(value: float) -> str:
    """A number of bytes in the unit that fits it, "-" for none."""
    if not value:
        return "-"
    unit = next((pair for pair in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if value >= pair[1]), ("B", 1.0))
    return f"{value / unit[1]:.3g} {unit[0]}"
