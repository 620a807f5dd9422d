"""ADO: what does not do what it looks like, in Dockerfiles and requirement files that others wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.adopt import installs
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.adopt.installs import Install, Project, Run, Want

FAMILY = ("torch", "torchvision", "torchaudio")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trap:
    """What `invoke explain` tells of a trap, and what finds it."""

    title: str
    remedy: str
    meaning: str
    example: str
    sources: str
    find: Callable[[Project], Iterator[Finding]]


TRAPS: dict[str, Trap] = {}


def trap(
    id_: str, title: str
) -> Callable[[Callable[[Project], Iterator[Finding]]], Callable[[Project], Iterator[Finding]]]:
    """Registers a trap. Its docstring has the paragraphs of a check's: remedy, meaning, Example:, Sources:."""

    def register(function: Callable[[Project], Iterator[Finding]]) -> Callable[[Project], Iterator[Finding]]:
        parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", function.__doc__ or "")]
        told = {
            word: next((p.removeprefix(word).strip() for p in parts if p.startswith(word)), "")
            for word in ("Example:", "Sources:")
        }
        TRAPS[id_] = Trap(
            title=title,
            remedy=parts[0],
            meaning=" ".join(p for p in parts[1:] if not p.startswith(("Example:", "Sources:"))),
            example=told["Example:"],
            sources=told["Sources:"],
            find=function,
        )
        return function

    return register


def caught_at(
    id_: str, where: str, message: str, *, remedy: str = "", about: str = "", evidence: str = ""
) -> Finding:
    return Finding(
        where=where,
        message=message,
        remedy=remedy or TRAPS[id_].remedy,
        about=about,
        evidence=evidence,
        level="warning",
    )


def all_runs(project: Project) -> Iterator[Run]:
    for file in project.dockerfiles:
        yield from installs.runs(project, file)


def all_installs(project: Project) -> Iterator[Install]:
    for file in project.dockerfiles:
        yield from installs.installs(project, file)


def name_of(want: Want) -> str:
    return canonicalize_name(want.requirement.name) if want.requirement else ""


def exact(want: Want) -> str:
    """The one version that a requirement names, "" for a range."""
    spec = list(want.requirement.specifier) if want.requirement else []
    return (
        spec[0].version
        if len(spec) == 1 and spec[0].operator in {"==", "==="} and "*" not in spec[0].version
        else ""
    )


def channel_of(step: Install, want: Want) -> tuple[str, str]:
    """The channel that a torch comes from, and how that is known; ("", "") where nothing tells."""
    pin = exact(want)
    local = pin.partition("+")[2]
    for address, how in ((step.index, "from that index"), (step.extra, "from that extra index")):
        found = re.search(r"/(cu\d+|cpu)/?$", address)
        if found:
            return found[1], how
    if local:
        return local, "by its name"
    release = facts.release(pin) if pin else None
    return (
        (release.pypi_local, "from PyPI") if release and release.pypi_local and not step.index else ("", "")
    )
