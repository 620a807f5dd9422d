"""The register of checks, and of rules for the files of other projects; what checks report."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from torchpin.checks.context import CheckContext, Need
    from torchpin.model import Change, Environment, Level, Verdict, Waiver


@dataclass(frozen=True, kw_only=True, slots=True)
class Ok:
    """What a check of the judge verified. Without one of these, the check did not apply to the environment."""

    about: str
    evidence: str  # what is right and why, with the source of the fact


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """What a check could not decide because a fact is missing. It is shown and counted, and never ok."""

    message: str
    about: str = ""
    location: str = ""  # file:line:column, where a description can be corrected
    help: str = ""


Answer = Finding | Unknown | Ok
Reads = Literal["files", "documents", "machine"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A registered function with the texts of its page in docs/CHECKS.md."""

    id: str
    title: str  # what goes wrong, as a clause
    help: str  # what to do about it, in sentences
    meaning: str
    example: str
    sources: str
    run: Callable[..., Iterator[Any]]
    # A check runs on an environment and yields answers, a rule on the files of another project and yields findings.
    kind: Literal["check", "rule"] = "check"
    needs: tuple[Need, ...] = ()  # without these the check is skipped
    # decides from descriptions, locks and facts, before any download, whether pins can work
    judge: bool = False
    level: Level = "error"  # of a rule: that of its findings, unless one has its own
    # of a rule: files that it matches, and files that it leaves alone, text by name
    wrong: Mapping[str, str] = field(default_factory=dict)
    right: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads(self) -> Reads:
        """What it is about: the files of its environment alone, the documents of all services, or this machine too."""
        if self.id.startswith("DOC"):
            return "documents"
        return "files" if {*self.needs} <= {"lock"} else "machine"

    @property
    def help_line(self) -> str:
        """The help in the form of a finding's: lower case, no full stop at its end."""
        return f"{self.help[:1].lower()}{self.help[1:].removesuffix('.')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A finding that its service waives."""

    finding: Finding
    waiver: Waiver


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of one check on one environment.

    `status`: incompatible (a judge's check with an open error), failed (an open error of another check), warning (open
    warnings only), unknown (a fact is missing), waived, ok, not applicable (a judge's check without anything to judge),
    skipped (a need is not met).
    """

    check: str
    title: str
    environment: str
    status: Verdict
    findings: tuple[Finding, ...] = ()  # the open errors and warnings
    notices: tuple[Finding, ...] = ()  # the open notices
    accepted: tuple[Accepted, ...] = ()  # the waived findings
    unknown: tuple[str, ...] = ()  # what no fact decides, whatever the status
    located: tuple[Unknown, ...] = ()  # those of `unknown` that have a place
    evidence: tuple[Ok, ...] = ()
    note: str = ""  # why the check was skipped
    need: str = ""  # the need that is not met; `docker` where an image is missing for want of an engine
    image: bool = False  # an image is missing, with or without an engine


REGISTRY: dict[str, Check] = {}


def register(id: str, title: str, function: Callable[..., Iterator[Any]], **options: Any) -> None:
    """Adds a check or a rule with the texts of its docstring. Raises ValueError where the id is taken.

    The first paragraph of the docstring is the help; those that begin with `Example:` and `Sources:` are the example and
    the sources; the others are the meaning. `Wrong:` and `Right:` begin the lines of a Dockerfile, or of the file that is
    named behind the colon, as an example that a rule matches, or leaves alone.
    """
    if id in REGISTRY:
        message = f"{id} is registered twice"
        raise ValueError(message)
    parts = re.split(r"\n\s*\n", inspect.cleandoc(function.__doc__ or ""))
    texts = [part for part in parts if not part.startswith(("Wrong:", "Right:"))]
    help_text, *paragraphs = [" ".join(part.split()) for part in texts]
    REGISTRY[id] = Check(
        id=id,
        title=title,
        help=help_text,
        meaning="\n\n".join(text for text in paragraphs if not text.startswith(("Example:", "Sources:"))),
        example=_paragraph_after(paragraphs, "Example:"),
        sources=_paragraph_after(paragraphs, "Sources:"),
        wrong=_example_files(parts, "Wrong:"),
        right=_example_files(parts, "Right:"),
        run=function,
        **options,
    )


def _paragraph_after(paragraphs: Iterable[str], prefix: str) -> str:
    return " ".join(text.removeprefix(prefix).strip() for text in paragraphs if text.startswith(prefix))


def _example_files(parts: Iterable[str], prefix: str) -> dict[str, str]:
    """The files of an example: each paragraph has a name behind its prefix, and the file's lines below it."""
    files: dict[str, str] = {}
    for part in parts:
        if part.startswith(prefix):
            name, _, lines = part.removeprefix(prefix).partition("\n")
            files[name.strip() or "Dockerfile"] = inspect.cleandoc("\n" + lines) + "\n"
    return files


def registered(kind: Literal["check", "rule"]) -> tuple[Check, ...]:
    """What is registered of a kind, in the order of ids. The caller has to import the package of rules that fills it."""
    return tuple(check for _, check in sorted(REGISTRY.items()) if check.kind == kind)


def check(id: str, title: str, *needs: Need, judge: bool = False) -> Callable[..., Any]:
    """Registers a check by decorator, with its needs; the other texts are in the docstring (see `register`)."""

    def decorate(function: Callable[[CheckContext, Environment], Iterator[Answer]]) -> Any:
        register(id, title, function, needs=needs, judge=judge)
        return function

    return decorate


def finding(
    env: Environment,
    location: str,
    message: str,
    *,
    help: str = "",
    about: str = "",
    evidence: str = "",
    level: Level = "error",
    fix: Sequence[Change] = (),
    fix_is_safe: bool = False,
) -> Finding:
    """A finding of an environment's service; without a help of its own it gets the one of its check."""
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
