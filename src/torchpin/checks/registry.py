"""The register of checks: their ids, texts and functions, and the results that they give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from torchpin.checks.context import Evidence, Need
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
    remedy: str
    meaning: str
    example: str
    sources: str
    needs: tuple[Need, ...]
    judge: bool
    run: Callable[[Evidence, Environment], Iterator[Answer]]


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
    grounds: tuple[Ok, ...] = ()
    note: str = ""
    need: str = ""
    image: bool = False  # what is missing is an image, whatever it is missing for


REGISTRY: dict[str, Check] = {}


def check(id: str, title: str, *needs: Need, judge: bool = False) -> Callable[..., Any]:  # noqa: A002 - the field's word
    """Registers a check. `judge`: it says before any work whether pins can work, and answers Ok only from evidence.

    The first paragraph of its docstring is the remedy, which people are told; one that begins with `Example:` or
    `Sources:` is that; the others tell what the check means.
    """

    def register(function: Callable[[Evidence, Environment], Iterator[Answer]]) -> Any:
        if id in REGISTRY:
            message = f"{id} is the id of two checks"
            raise ValueError(message)
        remedy, *told = _paragraphs(function.__doc__ or "")
        example, sources = _told(told, "Example:"), _told(told, "Sources:")
        meaning = "\n\n".join(one for one in told if not one.startswith(("Example:", "Sources:")))
        REGISTRY[id] = Check(
            id=id,
            title=title,
            remedy=remedy,
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


def _told(paragraphs: Iterable[str], word: str) -> str:
    return " ".join(one.removeprefix(word).strip() for one in paragraphs if one.startswith(word))


def finding(
    env: Environment,
    where: str,
    message: str,
    *,
    remedy: str = "",
    about: str = "",
    evidence: str = "",
    level: Literal["error", "warning"] = "error",
    repair: Sequence[Change] = (),
    safe: bool = False,
) -> Finding:
    return Finding(
        where=where,
        message=message,
        remedy=remedy,
        about=about,
        service=env.service.name,
        evidence=evidence,
        level=level,
        repair=tuple(repair),
        safe=safe,
    )
