"""Tables for people: columns two blanks apart, which wrap between words, and blocks of lines where they do not fit."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from torchpin.controls import show_controls
from torchpin.output.console import console, print_hanging, print_lines, wrap_text
from torchpin.output.program import name_program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    Rows = Sequence[Sequence[str]]

_GAP = 2  # blanks between columns
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")


def print_table(
    title: str, headers: Sequence[str], rows: Rows, *, styles: Mapping[str, str] | None = None
) -> None:
    """A table; what does not fit is wrapped between words. On a terminal too narrow for it: a block of lines a row.

    `styles`: of cells, by their text.
    """
    out = console()
    cells = [[show_controls(name_program(cell)) for cell in row] for row in rows]
    widths = _column_widths([headers, *cells], _width(out))
    if title:
        print_lines(out, Text(title, style="bold"))
    if widths is None:
        _print_blocks(out, headers, cells)
        return
    _print_row(out, [Text(header, style="bold") for header in headers], widths)
    for row in cells:
        _print_row(out, [Text(cell, style=(styles or {}).get(cell, "")) for cell in row], widths)


def print_fitting_table(
    choices: Sequence[tuple[Sequence[str], Rows]], *, styles: Mapping[str, str] | None = None
) -> None:
    """The first of these tables, which say the same in ever fewer words, that needs no wrapping; the last, if none does."""
    width = _width(console())
    headers, rows = next(
        (
            (headers, rows)
            for headers, rows in choices
            if width is None or sum(_natural_widths([headers, *rows])) + _GAP * (len(headers) - 1) <= width
        ),
        choices[-1],
    )
    print_table("", headers, rows, styles=styles)


def with_short_digests(rows: Rows) -> Rows:
    """Rows with the first twelve digits of each digest, which tell images apart."""
    return [[_DIGEST.sub(r"\1…", cell) for cell in row] for row in rows]


def _width(out: Console) -> int | None:
    """The columns of a terminal; None elsewhere, where no line is wrapped, so that programs find a row in a line."""
    return out.width if out.file.isatty() else None


def _natural_widths(rows: Rows) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def _column_widths(rows: Rows, width: int | None) -> list[int] | None:
    """The width of each column of a table that is at most `width` wide; None where its words do not fit.

    Each column first gets room for its longest word, and what is left is shared by those that need more: names, addresses
    and digests stay whole, and can be copied.
    """
    natural = _natural_widths(rows)
    if width is None:
        return natural
    columns = zip(*rows, strict=True)
    minimums = [max(map(cell_len, " ".join(column).split()), default=0) for column in columns]
    needs = [full - minimum for full, minimum in zip(natural, minimums, strict=True)]
    spare = min(width - _GAP * (len(natural) - 1) - sum(minimums), sum(needs))
    if spare < 0:
        return None
    shares = [spare * need // (sum(needs) or 1) for need in needs]
    return [minimum + share for minimum, share in zip(minimums, shares, strict=True)]


def _print_row(out: Console, cells: Sequence[Text], widths: Sequence[int]) -> None:
    columns = [wrap_text(cell, width, 0) for cell, width in zip(cells, widths, strict=True)]
    for parts in zip_longest(*columns, fillvalue=Text()):
        line = Text()
        for part, width in zip(parts, widths, strict=True):
            part.rstrip()
            line.append_text(part).append(" " * (width + _GAP - cell_len(part.plain)))
        line.rstrip()
        print_hanging(out, line, 0)


def _print_blocks(out: Console, headers: Sequence[str], rows: Rows) -> None:
    for first, *others in rows:
        print_lines(out, Text(first, style="bold"))
        for header, cell in zip(headers[1:], others, strict=True):
            if cell:
                print_lines(out, Text(f"  {header}: {cell}"))
