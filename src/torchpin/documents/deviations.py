"""DEVIATIONS.md: what is used against what is recommended, and the accepted findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.compat import recommendations
from torchpin.documents.markdown import code, literal, marked, paragraphs, prose, table
from torchpin.documents.sections import NOTHING, heading, locked, missing, origin, says

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Deviation, Lock, Service


DEVIATIONS_OPENING = """\
# Deviations

This page says where we use something else than what was recommended, and why.
The deviations are computed from the descriptions and the locks; the reasons are written by people, in `services/<service>/service.yaml`.
Write outside the generated sections as you like.
"""


def deviations(services: Sequence[Service], locks: Mapping[str, Lock]) -> dict[str, str]:
    """The sections of DEVIATIONS.md, one a service."""
    return {
        service.name: marked(
            service.name,
            paragraphs(heading(service), deviation_table(service, locks), _waivers(service)),
            source=origin(service),
        )
        for service in services
    }


def deviation_table(service: Service, locks: Mapping[str, Lock]) -> str:
    here = locked(service, locks)
    found: dict[Deviation, list[str]] = {}
    for env, lock in here:
        for one in recommendations.deviations(env, lock):
            found.setdefault(one, []).append(code(env.name))
    order = list(dict.fromkeys(one.component for one in found))
    rows = [
        _deviation(one, [] if len(names) == len(here) else names)
        for one, names in sorted(found.items(), key=lambda item: order.index(item[0].component))
    ]
    told = table(("Component", "Report Says", "We Use", "Reason", "Evidence"), rows)
    nothing = "Nothing deviates from what was recommended." if here else ""
    return paragraphs(told if rows else nothing, missing(service, locks))


def _deviation(one: Deviation, names: Sequence[str]) -> tuple[str, ...]:
    used = literal(one.used) + (f" in {', '.join(names)}" if names else "")
    return (
        prose(one.component),
        says(one.says),
        f"{used} (a choice inside the range)" if one.choice else used,
        prose(one.reason.because) if one.reason else "**no reason given**",
        prose(one.reason.evidence) if one.reason else NOTHING,
    )


def _waivers(service: Service) -> str:
    rows = [
        (code(one.check), prose(one.about), prose(one.reason), one.review_by.isoformat())
        for one in service.waivers
    ]
    told = table(("Check", "About", "Reason", "Review by"), rows)
    return paragraphs("Findings that are accepted, each until its review:", told) if rows else ""
