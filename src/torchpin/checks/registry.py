"""The register of checks: their ids, texts and functions, and the results that they give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from torchpin.checks.context import CheckContext, Need
    from torchpin.model import Change, Environment, Waiver


@dataclass(frozen=True, kw_only=True, slots=True)
class Ok:
    """What a judge's check holds to be right, and the evidence with its source. Without one, nothing was judged."""

    about: str
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """What a check cannot say for want of a fact. It is shown and counted; it is never ok."""

    message: str
    about: str = ""


Answer = Finding | Unknown | Ok


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """`remedy`: what people are told to do; `meaning`, `example`, `sources`: what `invoke explain` tells beside it."""

    id: str
    title: str
    help: str
    meaning: str
    example: str
    sources: str
    needs: tuple[Need, ...]
    judge: bool
    run: Callable[[CheckContext, Environment], Iterator[Answer]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A finding that its service waives."""

    finding: Finding
    waiver: Waiver


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One check on one environment.

    `moot`: a judge's check found nothing that it could judge. `findings`: the open ones; `accepted`: the waived ones;
    `unknown`: what no fact tells, whatever the status; `grounds`: what was held right, on what evidence. `note` tells
    why a skipped one could not run.
    """

    check: str
    title: str
    environment: str
    status: Literal["ok", "found", "waived", "skipped", "unknown", "moot"]
    findings: tuple[Finding, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    unknown: tuple[str, ...] = ()
    evidence: tuple[Ok, ...] = ()
    note: str = ""
    need: str = ""
    image: bool = False  # what is missing is an image, whatever it is missing for


REGISTRY: dict[str, Check] = {}


def check(id: str, title: str, *needs: Need, judge: bool = False) -> Callable[..., Any]:
    """Registers a check. `judge`: it says before any work whether pins can work, and answers Ok only from evidence.

    The first paragraph of its docstring is the remedy, which people are told; one that begins with `Example:` or
    `Sources:` is that; the others tell what the check means.
    """

    def register(function: Callable[[CheckContext, Environment], Iterator[Answer]]) -> Any:
        if id in REGISTRY:
            message = f"{id} is the id of two checks"
            raise ValueError(message)
        help_text, *paragraphs = _paragraphs(function.__doc__ or "")
        example, sources = (
            _paragraphs_after(paragraphs, "Example:"),
            _paragraphs_after(paragraphs, "Sources:"),
        )
        meaning = "\n\n".join(
            paragraph for paragraph in paragraphs if not paragraph.startswith(("Example:", "Sources:"))
        )
        REGISTRY[id] = Check(
            id=id,
            title=title,
            help=help_text,
            meaning=meaning,
            example=example,
            sources=sources,
            needs=needs,
            judge=judge,
            run=function,
        )
        return function

    return register


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]


def _paragraphs_after(paragraphs: Iterable[str], prefix: str) -> str:
    return " ".join(
        paragraph.removeprefix(prefix).strip() for paragraph in paragraphs if paragraph.startswith(prefix)
    )


def finding(
    env: Environment,
    location: str,
    message: str,
    *,
    help: str = "",
    about: str = "",
    evidence: str = "",
    level: Literal["error", "warning"] = "error",
    fix: Sequence[Change] = (),
    fix_is_safe: bool = False,
) -> Finding:
    return Finding(
        location=location,
        message=message,
        help=help,
        about=about,
        service=env.service.name,
        evidence=evidence,
        level=level,
        fix=tuple(fix),
        fix_is_safe=fix_is_safe,
    )
