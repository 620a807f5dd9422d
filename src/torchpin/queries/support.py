"""Which service runs on which card: environments by GPUs, each cell with its answer and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin import facts
from torchpin.compat.gpus import judge_gpu
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
    verdict: Literal["ok", "refused", "unknown"]
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


def select_gpus(
    environments: Iterable[Environment], requested: Sequence[str] = (), *, every: bool = False
) -> tuple[str, ...]:
    """The cards to draw: those asked for, every known one, or those that services name; each once, whatever it is called."""
    named = [name for env in environments for name in env.service.gpus]
    chosen = list(requested) or ([gpu.name for gpu in facts.gpus()] if every else named)
    names = {(gpu.name if (gpu := facts.gpu(name)) else name): None for name in chosen}
    return tuple(names)


def build_matrix(
    environments: Sequence[Environment], gpu_names: Sequence[str], results: Iterable[Result]
) -> Matrix:
    rows = list(results)
    return Matrix(
        environments=tuple(env.name for env in environments),
        gpus=tuple(gpu_names),
        cells=tuple(tuple(_build_cell(env, name, rows) for name in gpu_names) for env in environments),
    )


def _build_cell(env: Environment, name: str, results: Iterable[Result]) -> Cell:
    gpu = facts.gpu(name)
    verdict = judge_gpu(env, gpu)
    env_results = [result for result in results if result.environment == env.name]
    notes = [
        f"{result.check}: {finding.message}"
        for result in env_results
        if result.check != "GPU001"
        for finding in result.findings
        if _is_same_gpu(finding.about, name)
    ]
    waived = next(
        (
            accepted.waiver.reason
            for result in env_results
            for accepted in result.accepted
            if result.check == "GPU001" and _is_same_gpu(accepted.finding.about, name)
        ),
        "",
    )
    return Cell(
        environment=env.name,
        gpu=name,
        verdict=verdict.answer,
        reason=verdict.reason,
        evidence=verdict.evidence,
        described=torch_build(env) != "cpu"
        and any(_is_same_gpu(gpu_name, name) for gpu_name in env.service.gpus),
        waived=waived,
        notes=tuple(notes),
    )


def _is_same_gpu(about: str, name: str) -> bool:
    """Whether two names are the same card."""
    return about == name or (facts.gpu(about) is not None and facts.gpu(about) == facts.gpu(name))


def cell_text(cell: Cell) -> str:
    """A cell in words that need no colour; * marks a card that the service names."""
    word = {"ok": "ok", "refused": "no", "unknown": "?"}[cell.verdict]
    return (
        word
        + ("*" if cell.described else "")
        + (" (waived)" if cell.waived else "")
        + (" !" if cell.notes else "")
    )


def explain_cells(support_matrix: Matrix) -> list[str]:
    """Why each cell is not ok, each sentence once with all the cells that it is true of."""
    gpus_by_sentence: dict[str, list[str]] = {}
    for row in support_matrix.cells:
        for cell in row:
            for sentence in ([cell.reason] if cell.reason else []) + list(cell.notes):
                gpus_by_sentence.setdefault(f"{cell.environment}: {sentence}", []).append(cell.gpu)
    return [f"{sentence} ({', '.join(gpu_names)})" for sentence, gpu_names in gpus_by_sentence.items()]
