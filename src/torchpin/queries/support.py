"""Which service runs on which card: environments by GPUs, each cell with its answer and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin import facts
from torchpin.compat.gpus import verdict
from torchpin.description.environments import torch_build

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """`described`: the service names this card; `notes`: what other checks find about it there."""

    environment: str
    gpu: str
    answer: Literal["ok", "refused", "unknown"]
    reason: str
    evidence: str
    described: bool = False
    waived: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """Row by row, `cells[n]` are those of `environments[n]`, in the order of `gpus`."""

    environments: tuple[str, ...]
    gpus: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]


def gpus(
    environments: Iterable[Environment], asked: Sequence[str] = (), *, every: bool = False
) -> tuple[str, ...]:
    """The cards to draw: those asked for, every known one, or those that services name; each once, whatever it is called."""
    named = [name for env in environments for name in env.service.gpus]
    chosen = list(asked) or ([one.name for one in facts.gpus()] if every else named)
    known = {(card.name if (card := facts.gpu(name)) else name): None for name in chosen}
    return tuple(known)


def matrix(environments: Sequence[Environment], cards: Sequence[str], results: Iterable[Result]) -> Matrix:
    rows = list(results)
    return Matrix(
        environments=tuple(env.name for env in environments),
        gpus=tuple(cards),
        cells=tuple(tuple(_cell(env, name, rows) for name in cards) for env in environments),
    )


def _cell(env: Environment, name: str, results: Iterable[Result]) -> Cell:
    card = facts.gpu(name)
    found = verdict(env, card)
    own = [row for row in results if row.environment == env.name]
    notes = [
        f"{row.check}: {one.message}"
        for row in own
        if row.check != "GPU001"
        for one in row.findings
        if _about(one.about, name)
    ]
    waived = next(
        (
            each.waiver.reason
            for row in own
            for each in row.accepted
            if row.check == "GPU001" and _about(each.finding.about, name)
        ),
        "",
    )
    return Cell(
        environment=env.name,
        gpu=name,
        answer=found.answer,
        reason=found.reason,
        evidence=found.evidence,
        described=torch_build(env) != "cpu" and any(_about(one, name) for one in env.service.gpus),
        waived=waived,
        notes=tuple(notes),
    )


def _about(about: str, name: str) -> bool:
    """Whether two names are the same card."""
    return about == name or (facts.gpu(about) is not None and facts.gpu(about) == facts.gpu(name))


def text(cell: Cell) -> str:
    """A cell in words that need no colour; * marks a card that the service names."""
    word = {"ok": "ok", "refused": "no", "unknown": "?"}[cell.answer]
    return (
        word
        + ("*" if cell.described else "")
        + (" (waived)" if cell.waived else "")
        + (" !" if cell.notes else "")
    )


def reasons(found: Matrix) -> list[str]:
    """Why each cell is not ok, each sentence once with all the cells that it is true of."""
    told: dict[str, list[str]] = {}
    for row in found.cells:
        for cell in row:
            for sentence in ([cell.reason] if cell.reason else []) + list(cell.notes):
                told.setdefault(f"{cell.environment}: {sentence}", []).append(cell.gpu)
    return [f"{sentence} ({', '.join(cards)})" for sentence, cards in told.items()]
