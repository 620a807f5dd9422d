"""The judge's results as one HTML page without external files: verdicts, findings, and the support matrix as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from torchpin import __version__
from torchpin.checks.report import count_statuses, entries
from torchpin.checks.run import verdicts
from torchpin.queries.support import explain_cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from torchpin.checks.registry import Result
    from torchpin.checks.report import Entry
    from torchpin.model import Environment
    from torchpin.queries.support import Cell, Matrix

_STYLE = """
:root{color-scheme:light dark;--ok:#1a7f37;--no:#cf222e;--unknown:#8250df;--warn:#9a6700;--line:#8885;--dim:#656d76}
@media (prefers-color-scheme:dark){:root{--ok:#3fb950;--no:#f85149;--unknown:#bc8cff;--warn:#d29922;--dim:#9198a1}}
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h2{border-bottom:1px solid var(--line);margin-top:2.5rem}
code{font-size:.9em}.ok{color:var(--ok)}.incompatible,.failed,.error{color:var(--no)}.warning{color:var(--warn)}
.unknown{color:var(--unknown)}.dim,.waived,.notice{color:var(--dim)}article{border-left:.25rem solid currentColor;padding-left:1rem;margin:1rem 0}
article>*{color:CanvasText}article h3{margin:.2rem 0}article .dim{color:var(--dim)}svg{max-width:100%;height:auto}
svg text{fill:CanvasText;font:13px system-ui,sans-serif}table{border-collapse:collapse}
td,th{border:1px solid var(--line);padding:.2rem .6rem;text-align:left}
"""
_SIGNS = {"ok": "✓", "incompatible": "✗", "unknown": "?"}
_CELL, _ROW, _LEFT, _TOP = 44, 26, 150, 150  # pixels of the picture


def render_page(
    results: Sequence[Result], environments: Sequence[Environment], matrix: Matrix, today: date
) -> str:
    """The page of all services; `matrix`: the support matrix of the same environments."""
    verdict_by_service = verdicts(results, environments)
    home = {env.name: env.service.name for env in environments}
    services = "".join(
        _service_section(name, verdict, [row for row in results if home[row.environment] == name])
        for name, verdict in verdict_by_service.items()
    )
    rows = "".join(
        f'<tr><td><a href="#{escape(name)}">{escape(name)}</a></td><td class="{_css_class(verdict)}">{verdict}</td></tr>'
        for name, verdict in verdict_by_service.items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>torchpin: verdicts</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>Verdicts</h1>"
        f'<p class="dim">torchpin {__version__}, {today.isoformat()}, offline, from descriptions, locks and facts.</p>'
        f"<table><tr><th>Service</th><th>Verdict</th></tr>{rows}</table>"
        f"<h2>Services and GPUs</h2>{matrix_svg(matrix)}{_reason_list(matrix)}{services}</main></body></html>\n"
    )


def _service_section(name: str, verdict: str, results: Sequence[Result]) -> str:
    articles = "".join(map(_article, entries(results)))
    counts = ", ".join(f"{number} {status}" for status, number in count_statuses(results).items())
    return (
        f'<h2 id="{escape(name)}">{escape(name)}: <span class="{_css_class(verdict)}">{verdict}</span></h2>'
        f'<p class="dim">{len(results)} checks: {counts}</p>{articles}'
    )


def _article(entry: Entry) -> str:
    location = f"<code>{escape(entry.location)}</code> in " if entry.location else ""
    waiver = f"Waived until {entry.waiver.review_by}: {entry.waiver.reason}" if entry.waiver else ""
    parts = [
        f"<h3>{entry.kind} {escape(entry.check)}: {escape(entry.title)}</h3><p>{escape(entry.message)}</p>",
        f'<p class="dim">{location}{escape(", ".join(entry.environments))}</p>',
        f'<p class="dim">Evidence: {escape(entry.evidence)}</p>' if entry.evidence else "",
        f"<p>{escape(waiver)}</p>" if waiver else "",
        f"<p><strong>{escape(entry.help)}</strong></p>" if entry.help and not waiver else "",
    ]
    return f'<article class="{entry.kind}">{"".join(parts)}</article>'


def _css_class(verdict: str) -> str:
    return verdict.replace(" ", "-")


def matrix_svg(matrix: Matrix) -> str:
    """The matrix as inline SVG: a sign and a colour a cell, its reason as the cell's title."""
    width, height = _LEFT + _CELL * len(matrix.gpus), _TOP + _ROW * len(matrix.environments)
    heads = "".join(
        f'<text transform="translate({_LEFT + _CELL * n + 28},{_TOP - 8}) rotate(-55)">{escape(name)}</text>'
        for n, name in enumerate(matrix.gpus)
    )
    names = "".join(
        f'<text x="0" y="{_TOP + _ROW * n + 18}">{escape(name)}</text>'
        for n, name in enumerate(matrix.environments)
    )
    cells = "".join(
        _cell(cell, _LEFT + _CELL * column, _TOP + _ROW * row)
        for row, row_cells in enumerate(matrix.cells)
        for column, cell in enumerate(row_cells)
    )
    caption = f"{len(matrix.environments)} environments by {len(matrix.gpus)} GPUs: ✓ ok, ✗ incompatible, ? unknown; framed: listed by the service."
    return (
        f'<svg role="img" viewBox="0 0 {width + 90} {height}" width="{width + 90}" height="{height}" '
        f'xmlns="http://www.w3.org/2000/svg" aria-labelledby="m-title m-desc"><title id="m-title">Services and GPUs</title>'
        f'<desc id="m-desc">{escape(caption)}</desc>{heads}{names}{cells}</svg><p class="dim">{escape(caption)}</p>'
    )


def _cell(cell: Cell, x: int, y: int) -> str:
    colour = {"ok": "--ok", "incompatible": "--no", "unknown": "--unknown"}[cell.verdict]
    frame = ' stroke="currentColor" stroke-width="2"' if cell.described else ""
    text = f"{cell.environment} on {cell.gpu}: {cell.verdict}" + (f", {cell.reason}" if cell.reason else "")
    waived = f"; waived: {cell.waived}" if cell.waived else ""
    notes = "".join(f"; {note}" for note in cell.notes)
    return (
        f"<g><title>{escape(text + waived + notes)}</title>"
        f'<rect x="{x + 2}" y="{y + 2}" width="{_CELL - 4}" height="{_ROW - 4}" rx="3" style="fill:var({colour})" fill-opacity=".18"{frame}/>'
        f'<text x="{x + _CELL // 2}" y="{y + 18}" text-anchor="middle">{_SIGNS[cell.verdict]}</text></g>'
    )


def _reason_list(matrix: Matrix) -> str:
    lines = "".join(f"<li>{escape(reason)}</li>" for reason in explain_cells(matrix))
    return f"<details><summary>Reasons</summary><ul>{lines}</ul></details>" if lines else ""
