"""docs/PINNING.md: on one screen what each environment is pinned to, the update policy, and how to verify.

A line of it is about one environment alone, and a service begins and ends with a line that its pins do not change: so
git merges branches that move different services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.documents.environment_rows import HEADERS, environment_rows
from torchpin.documents.markdown import anchor, block, link, table, wrap_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Lock, Service
    from torchpin.records.bump_log import BumpEntry

PINNING_OPENING = f"""\
# Environment pinning

This page shows what every image is pinned to, how pins are updated, and how to go back.
The page of a service has everything that its images are built from; [Deviations](../{paths.DEVIATIONS}) has what differs from what was recommended, and why.
A version is changed in `services/<service>/service.yaml`, never here.
<!-- Text outside the generated sections is kept: `invoke document` replaces what is between their markers and nothing else. -->
"""
_POLICY = f"""\
## Update policy

1. Test new versions locally first: try them in `services/<service>/service.yaml`, then `invoke lock --service <service>` and `invoke install --service <service>`.
2. Update the description and the documents: keep what worked, give the reason where it deviates, then `invoke document`.
3. Rebuild the Docker image: `invoke render`, then `invoke build --service <service>`.
4. Run the validation suite: `invoke verify --service <service>`.
5. Record the new `pip_freeze.txt`: commit `{paths.freeze_path("<environment>")}` with the rest.

`invoke bump PIN` carries these steps out, for the services that it concerns, and writes a file about them to `{paths.BUMPS}`.
Branches that move different services merge without conflicts.

## Rollback

A change of a description is one commit with its lock, its Dockerfile and its record; revert it whole.

```bash
git log --oneline -- {paths.service_folder("<service>")} {paths.lock_folder("<environment>")}
git revert COMMIT  # description and lock together; never one without the other
invoke build --service <service>
```

An image is tagged with its image key, a digest of its inputs.
So the previous image exists until it is removed, and this build then has nothing to do:

```bash
docker image ls '*torchpin/<environment>'
```"""
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
    contents = table(HEADERS, rows) if rows else "There is no service yet."
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
    """A row with the name, a row for each environment, and a row with a link, which lets services be added and removed."""
    name, empty = service.name, ("",) * (len(HEADERS) - 1)
    page = paths.page_path(name).removeprefix(f"{paths.PINNING.rpartition('/')[0]}/")
    return [
        (f"**{link(name, page)}**", *empty),
        *environment_rows(service, locks, records, log),
        (link(f"deviations of {name}", f"../{paths.DEVIATIONS}#{anchor(name)}"), *empty),
    ]
