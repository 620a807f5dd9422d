"""DEVIATIONS.md: what is used against what is recommended, and the accepted findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.compat.recommendations import compute_deviations
from torchpin.documents.markdown import code, escape_literal, link, paragraphs, prose, table, wrap_section
from torchpin.documents.sections import (
    NOTHING,
    generated_from,
    heading,
    locked_environments,
    missing_locks_text,
    recommendations_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Deviation, Lock, Service


DEVIATIONS_OPENING = """\
# Deviations

This page lists where we use something else than what was recommended, and why.
The deviations are computed from the descriptions and the locks; the reasons are written by hand, in `services/<service>/service.yaml`.
<!-- Text outside the generated sections is kept. -->
"""


def deviation_sections(services: Sequence[Service], locks: Mapping[str, Lock]) -> dict[str, str]:
    """The sections of DEVIATIONS.md by service."""
    return {
        service.name: wrap_section(
            service.name,
            paragraphs(
                heading(service), deviation_table(service, locks), _waiver_table(service), _pages(service)
            ),
            source=generated_from(service),
        )
        for service in services
    }


def _pages(service: Service) -> str:
    page = paths.page_path(service.name)
    pins, bumps = link("pins", page), link("bumps", f"{page}#bumps")
    return f"Its {pins} and {bumps} are on a page of their own."


def deviation_table(service: Service, locks: Mapping[str, Lock]) -> str:
    """The deviations of a service's environments; a row that not all of them share names those that have it."""
    locked_envs = locked_environments(service, locks)
    names_by_deviation: dict[Deviation, list[str]] = {}
    for env, lock in locked_envs:
        for deviation in compute_deviations(env, lock):
            names_by_deviation.setdefault(deviation, []).append(code(env.name))
    order = list(dict.fromkeys(deviation.component for deviation in names_by_deviation))
    rows = [
        _deviation_row(deviation, [] if len(names) == len(locked_envs) else names)
        for deviation, names in sorted(
            names_by_deviation.items(), key=lambda item: order.index(item[0].component)
        )
    ]
    rendered = table(("Component", "Report Says", "We Use", "Reason", "Evidence"), rows)
    nothing = "Nothing deviates from what was recommended." if locked_envs else ""
    return paragraphs(rendered if rows else nothing, missing_locks_text(service, locks))


def _deviation_row(deviation: Deviation, names: Sequence[str]) -> tuple[str, ...]:
    used = escape_literal(deviation.used) + (f" in {', '.join(names)}" if names else "")
    return (
        prose(deviation.component),
        recommendations_text(deviation.recommendations),
        f"{used} (a choice inside the range)" if deviation.is_choice else used,
        prose(deviation.reason.because) if deviation.reason else "**no reason given**",
        prose(deviation.reason.evidence) if deviation.reason else NOTHING,
    )


def _waiver_table(service: Service) -> str:
    rows = [
        (code(waiver.check), prose(waiver.about), prose(waiver.reason), waiver.review_by.isoformat())
        for waiver in service.waivers
    ]
    rendered = table(("Check", "About", "Reason", "Review by"), rows)
    return paragraphs("Waived findings, each until its review date:", rendered) if rows else ""
