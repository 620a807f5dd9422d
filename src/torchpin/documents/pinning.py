"""docs/PINNING.md: on one screen what each environment is pinned to, the update policy, and how to verify.

A line of it is about one environment alone, and a service begins and ends with a line that its pins do not change: so
git merges branches that move different services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts, paths
from torchpin.compat.compiled import compiled_versions
from torchpin.compat.gpus import judge_gpu
from torchpin.compat.recommendations import used_components
from torchpin.description.environments import torch_build
from torchpin.documents.markdown import anchor, block, code, link, prose, table, wrap_section
from torchpin.documents.sections import environments, pluralize
from torchpin.documents.service_page import cuda_cell, torch_cell
from torchpin.records.freeze import freeze_differences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock, Service
    from torchpin.records.bump_log import BumpEntry

PINNING_OPENING = f"""\
# Environment pinning

This page shows what every image is pinned to; the page of each service, in `{paths.SERVICE_PAGES}`, has all of it.
Text outside the generated sections is kept: `invoke document` replaces what is between their markers and nothing else.
A version is changed in `services/<service>/service.yaml`, never here.
"""
_HEADERS = ("Environment", "torch", "CUDA", "Python", "Base image", "GPUs", "State")
_POLICY = f"""\
## Update policy

1. Test new versions locally first: try them in `services/<service>/service.yaml`, then `invoke lock --service <service>` and `invoke install --service <service>`.
2. Update the description and the documents: keep what worked, give the reason where it deviates, then `invoke document`.
3. Rebuild the Docker image: `invoke render`, then `invoke build --service <service>`.
4. Run the validation suite: `invoke verify --service <service>`.
5. Record the new `pip_freeze.txt`: commit `{paths.freeze_path("<environment>")}` with the rest.

`invoke bump PIN` carries these steps out, for the services that it concerns, and writes a file about them to `{paths.BUMPS}`.
Branches that move different services merge without conflicts."""
_COMMANDS = (
    "invoke judge              # whether the pins can work together; needs no network",
    "invoke lock --check       # whether the locks are those of the descriptions",
    "invoke render --check     # whether the Dockerfiles are those of the locks",
    "invoke document --check   # whether the documents are",
    "invoke build              # an image that is not its lock is not tagged",
    "invoke verify             # every check that this machine can run",
)


def pinning_sections(
    services: Sequence[Service],
    locks: Mapping[str, Lock],
    records: Mapping[str, str | None],
    log: Sequence[BumpEntry] = (),
) -> dict[str, str]:
    """The sections of docs/PINNING.md.

    `locks` and `records` (freeze records) are by environment name; `log`: all updates, the oldest first.
    """
    return sections_of([row for service in services for row in service_rows(service, locks, records, log)])


def sections_of(rows: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """The sections of docs/PINNING.md, of the rows of all services."""
    contents = table(_HEADERS, rows) if rows else "There is no service yet."
    bodies = {
        "services": (f"## Services\n\n{contents}", f"{paths.description_path('*')} and their locks"),
        "policy": (_POLICY, "torchpin"),
        "verification": (f"## How to verify\n\n{block(_COMMANDS, 'bash')}", "torchpin"),
    }
    return {name: wrap_section(name, body, source=source) for name, (body, source) in bodies.items()}


def service_rows(
    service: Service,
    locks: Mapping[str, Lock],
    records: Mapping[str, str | None],
    log: Sequence[BumpEntry] = (),
) -> list[tuple[str, ...]]:
    """A row with the name, a row for each environment, and a row with links."""
    bump = next((entry for entry in reversed(log) if service.name in entry.services), None)
    name, empty = service.name, ("",) * (len(_HEADERS) - 1)
    page = paths.page_path(name).removeprefix(f"{paths.PINNING.rpartition('/')[0]}/")
    links = (
        link("all pins", page),
        link("deviations", f"../{paths.DEVIATIONS}#{anchor(name)}"),
        link("description", f"../{service.file}"),
    )
    return [
        (f"**{name}**", *empty),
        *(
            _environment_row(env, locks.get(env.name), records.get(env.name), bump)
            for env in environments(service)
        ),
        (", ".join(links), *empty),
    ]


def _environment_row(
    env: Environment, lock: Lock | None, freeze: str | None, bump: BumpEntry | None
) -> tuple[str, ...]:
    torch = torch_cell(env, used_components(env, lock)) if lock else code(str(env.service.torch.version))
    return (
        code(env.name),
        f"{torch} of the base image" if env.service.torch.origin == "base" else torch,
        cuda_cell(env),
        code(str(env.service.python)),
        code(env.base.image),
        _gpus_cell(env),
        _state_cell(lock, freeze, bump, compiled_versions(env)),
    )


def _gpus_cell(env: Environment) -> str:
    """The described GPUs, those that this build does not serve with a word about it."""
    if torch_build(env) == "cpu":
        return "none: a CPU build"
    words = {"ok": "", "incompatible": " (no code)", "unknown": " (unknown)"}
    verdicts = {name: judge_gpu(env, facts.gpu(name)).status for name in env.service.gpus}
    return ", ".join(f"{prose(name)}{words[status]}" for name, status in verdicts.items()) or "none listed"


def _state_cell(
    lock: Lock | None, freeze: str | None, bump: BumpEntry | None, compiled: Mapping[str, str]
) -> str:
    if lock is None:
        return "not locked yet"
    differences = freeze_differences(freeze, lock, compiled) if freeze is not None else ()
    built = "built and recorded" if freeze is not None else "no image recorded"
    if differences:
        built = f"the recorded image differs in {pluralize(len(differences), 'package')}"
    pending = f"{code(bump.bump)} pending at step {bump.pending[0]}" if bump and bump.pending else ""
    return "; ".join(filter(None, ("locked", built, pending)))
