"""Recorded index pages, rows of the tables, and compiled architectures."""

from __future__ import annotations

from typing import Any

from torchpin import facts
from torchpin.facts.index_pages import all_pages

RECORDED_CHANNELS = (
    "cpu",
    "cu92",
    "cu100",
    "cu101",
    "cu102",
    "cu110",
    "cu111",
    "cu113",
    "cu115",
    "cu116",
    "cu117",
    "cu118",
    "cu121",
    "cu124",
    "cu126",
    "cu128",
    "cu129",
    "cu130",
)


def make_archs(*, sm: tuple[str, ...] = (), ptx: tuple[str, ...] = ()) -> facts.Archs:
    return facts.Archs(
        series="2.7",
        channel="cu128",
        platform="x86_64",
        sm=sm,
        ptx=ptx,
        source="a test",
        date="2026-11-22",
        method="inferred",
    )


PAGES = all_pages()


def find_row(tables: dict[str, Any], name: str, entry_name: str) -> dict[str, Any]:
    section, key = {
        "channels": ("channels", "name"),
        "torch": ("releases", "version"),
        "gpus": ("gpus", "name"),
    }[name]
    return next(entry for entry in tables[name][section] if entry[key] == entry_name)
