"""`services`: every environment with its verdict, its pins and the state of its lock, image and record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks import run
from torchpin.checks.registry import REGISTRY
from torchpin.compat.gpus import is_cpu_variant
from torchpin.description.environments import cuda_version
from torchpin.quantities import count
from torchpin.workspace import evidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Result
    from torchpin.commands.selection import Workspace
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # headers, and the cells of each row
HEADERS = ("environment", "verdict", "torch", "CUDA", "Python", "base", "GPUs", "lock", "image", "record")
_SHORT_HEADERS = ("environment", "verdict", "torch", "CUDA", "py", "base", "GPUs", "lock", "img", "rec")
_CUT_BASES, _AS_SIGNS = 2, 3  # the steps of shortening at which these are
_SIGNS = {
    **dict.fromkeys(("current", "built", "matches"), "ok"),
    **dict.fromkeys(("old", "differs"), "old"),
    "missing": "-",
    "unknown": "?",
}
_TAG_WIDTH = 9  # columns of a tag that is cut, such as `12.8.1-c…`


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceRow:
    """An environment. `verdict` is the judge's; `cuda` is "" for a CPU build; `gpus`: those that it is described for.

    `lock`: current, old or missing; `image`: built, missing or unknown (no engine); `record`: matches, differs or missing.
    """

    environment: str
    service: str
    variant: str
    verdict: str
    torch: str
    channel: str
    cuda: str
    python: str
    base: str
    gpus: tuple[str, ...]
    sources: tuple[str, ...]
    lock: str
    image: str
    record: str


def service_rows(repo: Repository, environments: Sequence[Environment]) -> list[ServiceRow]:
    """A row an environment."""
    context = evidence.from_machine(repo, environments)
    results: dict[str, list[Result]] = {env.name: [] for env in environments}
    for result in run.run(context):
        results[result.environment].append(result)
    return [_service_row(context, env, results[env.name]) for env in environments]


def _service_row(context: CheckContext, env: Environment, results: Sequence[Result]) -> ServiceRow:
    service = env.service
    status = {result.check: result.status for result in results}
    judged = [result for result in results if REGISTRY[result.check].judge]
    return ServiceRow(
        environment=env.name,
        service=service.name,
        variant=env.variant.name,
        verdict=run.verdicts(judged, [env])[service.name],
        torch=str(service.torch.version),
        channel=env.variant.channel,
        cuda=cuda_version(env) or "",
        python=str(service.python),
        base=env.base.image,
        gpus=() if is_cpu_variant(env) else facts.own_gpu_names(service.gpus),
        sources=tuple(f"{source.name} {source.version}" for source in service.sources),
        lock=_lock_state(context, env, status),
        image="unknown" if context.engine_problem else "built" if env.name in context.images else "missing",
        record={"ok": "matches", "failed": "differs"}.get(status["REC001"], "missing"),
    )


def _lock_state(context: CheckContext, env: Environment, status: Mapping[str, str]) -> str:
    if not context.lock_files[env.name]:
        return "missing"
    return "old" if "failed" in {status["LCK001"], status["LCK002"]} else "current"


def service_tables(rows: Sequence[ServiceRow]) -> list[Table]:
    """Headers and cells, each table narrower than the last: all; GPUs counted; base images cut; states as signs; fewer columns."""
    shorter: list[Table] = [(HEADERS, [_cells(row, shortened=steps) for row in rows]) for steps in range(4)]
    tables: list[Table] = [*shorter[:-1], (_SHORT_HEADERS, shorter[-1][1])]
    for dropped in ("base", "py", "CUDA"):
        headers, cells = tables[-1]
        place = headers.index(dropped)
        tables.append(
            (
                headers[:place] + headers[place + 1 :],
                [row[:place] + row[place + 1 :] for row in cells],
            )
        )
    return tables


def _cells(row: ServiceRow, *, shortened: int) -> tuple[str, ...]:
    python = row.python if shortened < _AS_SIGNS else ".".join(row.python.split(".")[:2])
    base = row.base if shortened < _CUT_BASES else short_image(row.base)
    states: tuple[str, ...] = (row.lock, row.image, row.record)
    if shortened == _AS_SIGNS:
        base = base.partition("-")[0].rstrip("…")
        states = tuple(_SIGNS[state] for state in states)
    gpus = _gpu_cell(row.gpus, shortened)
    return row.environment, row.verdict, row.torch, row.cuda or "-", python, base, gpus, *states


def _gpu_cell(gpus: Sequence[str], shortened: int) -> str:
    if not gpus:
        return "-"
    if shortened == 0:
        return ", ".join(gpus)
    if shortened == _AS_SIGNS:
        return str(len(gpus))
    return f"{gpus[0]} +{len(gpus) - 1}" if len(gpus) > 1 else gpus[0]


def short_image(image: str) -> str:
    """An image's name without its namespace, its tag cut: `cuda:12.8.1-c…` of `nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04`."""
    path, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    cut = f"{tag[: _TAG_WIDTH - 1]}…" if len(tag) > _TAG_WIDTH else tag
    return f"{path}:{cut}" if cut else path


def state_notes(rows: Sequence[ServiceRow]) -> list[str]:
    """What to run for missing or old locks and images, and what is unknown, one sentence each."""
    counts = {
        "`invoke lock` writes the missing or outdated locks of {}": sum(
            row.lock != "current" for row in rows
        ),
        "`invoke build` makes the missing image of {}": sum(row.image == "missing" for row in rows),
        "no Docker engine: the image of {} was not looked for": sum(row.image == "unknown" for row in rows),
    }
    return [text.format(count(number, "environment")) for text, number in counts.items() if number]


def list_services(workspace: Workspace) -> list[ServiceRow]:
    """A row for each selected environment."""
    return service_rows(workspace.repo, workspace.environments)
