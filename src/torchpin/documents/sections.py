"""Descriptions and locks to the generated sections of DEVIATIONS.md, docs/CHECKS.md and docs/GPUS.md, and what all pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.compat import recommendations
from torchpin.documents import gpus as documents_gpus
from torchpin.documents.markdown import code, literal, marked, paragraphs, prose, table
from torchpin.model import Environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.adopt.registry import Trap
    from torchpin.checks.run import Check
    from torchpin.model import Deviation, Lock, Service

DEVIATIONS_OPENING = """\
# Deviations

This page says where we use something else than what was recommended, and why.
The deviations are computed from the descriptions and the locks; the reasons are written by people, in `services/<service>/service.yaml`.
Write outside the generated sections as you like.
"""
CHECKS_OPENING = """\
# Checks

This page lists every check that `invoke verify` and `nox -s verify` run; those that need nothing are the judge's, which `invoke judge` runs alone.
A check whose needs are not met is skipped, visibly and counted.
A check of the judge is ok only from evidence; where a fact is missing it is unknown, and where there is nothing to judge it is moot.
`invoke judge --json` prints one document: `version`, `today`, `notices`, `services` (each with its verdict: ok, warned, refused or unknown) and `results` (check, environment, status, findings, accepted, unknown, grounds).
Write outside the generated sections as you like.
"""
TRAPS_OPENING = "What `invoke adopt` finds in Dockerfiles and requirement files that others wrote."
GPUS_OPENING = """\
# GPUs

This page says for each GPU which of our images run on it, what would, and what a wrong pair looks like.
It is computed from the descriptions and from the facts in `src/torchpin/facts`; nothing here was run on these GPUs for this page.
Write outside the generated sections as you like.
"""
NOTHING = "-"


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


def checks(known: Iterable[Check], trapped: Mapping[str, Trap]) -> dict[str, str]:
    """The sections of docs/CHECKS.md: every check in a table, then each with its meaning; and the traps."""
    rows = list(known)
    cells = [
        (code(one.id), prose(one.title), prose(", ".join(one.needs)) or NOTHING, prose(one.remedy))
        for one in rows
    ]
    told = [_explained(one.id, one) for one in rows]
    body = paragraphs(table(("Check", "Title", "Needs", "Remedy"), cells), *told)
    traps_ = paragraphs(*(_explained(id_, one) for id_, one in trapped.items()))
    return {
        "checks": marked("checks", body, source="src/torchpin/checks"),
        "traps": marked("traps", paragraphs("## Traps", TRAPS_OPENING, traps_), source="src/torchpin/traps"),
    }


def _explained(id_: str, one: Check | Trap) -> str:
    return paragraphs(
        f"### {id_}",
        f"{prose(one.title)}.",
        prose(one.meaning),
        f"What to do: {prose(one.remedy)}",
        f"Example: {prose(one.example)}",
        f"Sources: {prose(one.sources)}",
    )


def gpus(services: Sequence[Service], locks: Mapping[str, Lock]) -> dict[str, str]:
    """The sections of docs/GPUS.md: the GPUs that services want, known failures, and every GPU that the facts know."""
    here = [env for service in services for env in environments(service)]
    origins = {
        "wanted": "services/*/service.yaml, their locks and src/torchpin/facts",
        "failures": "src/torchpin/facts/data/failures.yaml",
        "known": "src/torchpin/facts/data/gpus.yaml",
    }
    bodies = {
        "wanted": documents_gpus.wanted(here, locks),
        "failures": documents_gpus.failures(),
        "known": documents_gpus.known(here),
    }
    return {name: marked(name, body, source=origins[name]) for name, body in bodies.items()}


def says(said: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{prose(by)}: {literal(words)}" for by, words in said) or NOTHING


def origin(service: Service) -> str:
    return f"{service.file} and its locks"


def heading(service: Service) -> str:
    return f"## {service.name}\n\n{prose(service.summary)}"


def environments(service: Service) -> list[Environment]:
    return [Environment(service=service, variant=variant) for variant in service.variants]


def locked(service: Service, locks: Mapping[str, Lock]) -> list[tuple[Environment, Lock]]:
    return [(env, locks[env.name]) for env in environments(service) if env.name in locks]


def missing(service: Service, locks: Mapping[str, Lock]) -> str:
    names = [code(env.name) for env in environments(service) if env.name not in locks]
    return f"Not locked yet: {', '.join(names)}. Run `invoke lock --service {service.name}`." if names else ""


def once(texts: Iterable[tuple[Environment, str]]) -> str:
    """Each text once, below the names of its environments where not all have the same."""
    grouped: dict[str, list[str]] = {}
    for env, text in texts:
        grouped.setdefault(text, []).append(code(env.name))
    if len(grouped) <= 1:
        return next(iter(grouped), "")
    return paragraphs(
        *(part for text, names in grouped.items() for part in (f"In {', '.join(names)}:", text))
    )


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else f"no {noun}"


def frozen(freeze: str) -> dict[str, str]:
    """What a freeze record names, by normalized name."""
    pins = (line.strip().partition("==") for line in freeze.splitlines() if "==" in line)
    return {canonicalize_name(name): version for name, _, version in pins}


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
