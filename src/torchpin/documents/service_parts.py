"""What the documents say of one service, which follows from that service alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.documents.deviations import deviation_sections
from torchpin.documents.gpus import served_gpus
from torchpin.documents.pinning import service_rows
from torchpin.documents.service_page import page_section
from torchpin.memory import remembering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Lock, Service
    from torchpin.records.bump_log import BumpEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceParts:
    """The section of its page, its rows in docs/PINNING.md, its section in DEVIATIONS.md and its text in docs/GPUS.md."""

    page: str
    rows: tuple[tuple[str, ...], ...]
    deviations: str
    gpus: str


def service_parts(
    service: Service,
    locks: Mapping[str, Lock],
    records: Mapping[str, str | None],
    log: Sequence[BumpEntry],
) -> ServiceParts:
    """The parts of a service.

    `locks` and `records` (freeze records) are by environment name; `log`: all updates, the oldest first.
    """
    with remembering():
        return ServiceParts(
            page=page_section(service, locks, records, log),
            rows=tuple(service_rows(service, locks, records, log)),
            deviations=deviation_sections([service], locks)[service.name],
            gpus=served_gpus(service),
        )
