"""What the generated pages share: headings, environments with their locks, and grouped texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.documents.markdown import code, escape_literal, paragraphs, prose
from torchpin.memory import remembered
from torchpin.model import Environment
from torchpin.quantities import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Lock, Service

NOTHING = "-"
ROOT = "../../"  # from the page of a service


def recommendations_text(recommendations: Iterable[tuple[str, str]]) -> str:
    return (
        "; ".join(f"{prose(by)}: {escape_literal(requirement)}" for by, requirement in recommendations)
        or NOTHING
    )


def generated_from(service: Service) -> str:
    return f"{service.file} and its locks"


def heading(service: Service) -> str:
    return f"## {service.name}\n\n{prose(service.summary)}"


@remembered
def environments(service: Service) -> tuple[Environment, ...]:
    """The environments of a service: the same ones for each section, so that what follows from them is remembered."""
    return tuple(Environment(service=service, variant=variant) for variant in service.variants)


def locked_environments(service: Service, locks: Mapping[str, Lock]) -> list[tuple[Environment, Lock]]:
    return [(env, locks[env.name]) for env in environments(service) if env.name in locks]


def missing_locks_text(service: Service, locks: Mapping[str, Lock]) -> str:
    names = [code(env.name) for env in environments(service) if env.name not in locks]
    return f"Not locked yet: {', '.join(names)}. Run `invoke lock --service {service.name}`." if names else ""


def group_by_text(texts: Iterable[tuple[Environment, str]]) -> str:
    """Each text once; where environments have different ones, each below the names of those that share it."""
    grouped: dict[str, list[str]] = {}
    for env, text in texts:
        grouped.setdefault(text, []).append(code(env.name))
    if len(grouped) <= 1:
        return next(iter(grouped), "")
    return paragraphs(
        *(part for text, names in grouped.items() for part in (f"In {', '.join(names)}:", text))
    )


def pluralize(number: int, noun: str) -> str:
    return count(number, noun) if number else f"no {noun}"
