"""Which service runs on which GPU: environments by GPUs, each cell with its verdict and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin import facts
from torchpin.compat.base_torch import image_with_code
from torchpin.compat.builds import build_with_code
from torchpin.compat.gpus import is_cpu_variant, judge_gpu
from torchpin.description.environments import torch_build, torch_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchpin.checks.registry import Result
    from torchpin.compat.gpus import GpuVerdict
    from torchpin.model import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One environment on one GPU. `described`: the service lists the GPU; `notes`: other checks' findings about it."""

    environment: str
    gpu: str
    verdict: Literal["ok", "incompatible", "unknown"]
    reason: str
    evidence: str
    described: bool = False
    waived: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """Row by row, `cells[n]` are those of `environments[n]`, in the order of `gpus`. `cpu`: environments for no GPU."""

    environments: tuple[str, ...]
    gpus: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    cpu: tuple[str, ...] = ()


def select_gpus(
    environments: Iterable[Environment], requested: Sequence[str] = (), *, every: bool = False
) -> tuple[str, ...]:
    """The GPUs of a matrix: the requested ones, every known one, or those that services list; each once, by its own name.

    In the order of the facts; those that they do not have come last.
    """
    named = [name for env in environments for name in env.service.gpus]
    known_gpus = [gpu.name for gpu in facts.gpus()]
    chosen = list(requested) or (known_gpus if every else named)
    names = {(gpu.name if (gpu := facts.gpu(name)) else name): None for name in chosen}
    places = {name: place for place, name in enumerate(known_gpus)}
    return tuple(sorted(names, key=lambda name: places.get(name, len(places))))


def build_matrix(
    environments: Sequence[Environment], gpu_names: Sequence[str], results: Iterable[Result]
) -> Matrix:
    """The verdict on each GPU in each environment, with notes and waivers from the results of the judge on them."""
    rows = list(results)
    on_gpus = [env for env in environments if not is_cpu_variant(env)]
    return Matrix(
        environments=tuple(env.name for env in on_gpus),
        gpus=tuple(gpu_names),
        cells=tuple(tuple(_build_cell(env, name, rows) for name in gpu_names) for env in on_gpus),
        cpu=tuple(env.name for env in environments if is_cpu_variant(env)),
    )


def _build_cell(env: Environment, name: str, results: Iterable[Result]) -> Cell:
    gpu = facts.gpu(name)
    verdict = judge_gpu(env, gpu)
    env_results = [result for result in results if result.environment == env.name]
    notes = [
        f"{result.check}: {finding.message}"
        for result in env_results
        if result.check != "GPU001"  # its finding is the verdict of the cell itself
        for finding in result.findings
        if facts.is_same_gpu(finding.about, name)
    ]
    waived = next(
        (
            accepted.waiver.reason
            for result in env_results
            for accepted in result.accepted
            if result.check == "GPU001" and facts.is_same_gpu(accepted.finding.about, name)
        ),
        "",
    )
    return Cell(
        environment=env.name,
        gpu=name,
        verdict=verdict.status,
        reason=_reason(env, name, verdict),
        evidence=verdict.evidence,
        described=torch_build(env) != "cpu"
        and any(facts.is_same_gpu(gpu_name, name) for gpu_name in env.service.gpus),
        waived=waived,
        notes=tuple(notes),
    )


def _reason(env: Environment, name: str, verdict: GpuVerdict) -> str:
    """Why a cell is not ok, "" where it is: which torch it is about and, where it has no code, which one has."""
    if verdict.status != "incompatible":
        return verdict.reason
    torch = torch_text(env)
    if env.service.torch.origin == "base":
        image = image_with_code(env, name)
        other = f"{image.image} has a torch with code for it" if image else ""
    else:
        build = build_with_code(env, name, (name,))
        other = f"torch {build.version} on {build.channel} has code for it" if build else ""
    verb = " is" if verdict.reason.startswith("compiled for ") else ":"
    return f"{torch}{verb} {verdict.reason}" + (f"; {other}" if other else "")


def gpus_by_verdict(cells: Iterable[Cell]) -> dict[str, list[str]]:
    """The GPUs of each verdict in a row; * marks those that the service lists, ! those with another check's finding."""
    groups: dict[str, list[str]] = {}
    for cell in cells:
        mark = (
            ("*" if cell.described else "")
            + (" (waived)" if cell.waived else "")
            + (" !" if cell.notes else "")
        )
        groups.setdefault(cell.verdict, []).append(f"{cell.gpu}{mark}")
    return {verdict: groups[verdict] for verdict in ("ok", "incompatible", "unknown") if verdict in groups}


def explain_cells(matrix: Matrix) -> list[str]:
    """Why cells are not ok, `ENVIRONMENT on GPU, GPU: reason`; cells with the same reason share a sentence."""
    gpus_by_reason: dict[tuple[str, str], list[str]] = {}
    for row in matrix.cells:
        for cell in row:
            for reason in (*([cell.reason] if cell.reason else []), *cell.notes):
                gpus_by_reason.setdefault((cell.environment, reason), []).append(cell.gpu)
    return [
        f"{environment} on {', '.join(gpu_names)}: {reason}"
        for (environment, reason), gpu_names in gpus_by_reason.items()
    ]
