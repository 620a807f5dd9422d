"""Answers against what is right: findings by kind and place, drafts by value, and the shares that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adopt.corpus import LEVELS, Expected, Project, load_kinds
from adopt.tool import UNKNOWN
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adopt.tool import Draft, Found

VALUES = ("base", "torch", "channel", "python", "platform")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a tool says of a project: `draft` None with the reason `missing`; `seconds` of CPU time.

    `printed`: what people and CI get of a project with forbidden texts.
    """

    project: Project
    draft: Draft | None
    missing: str
    findings: tuple[Found, ...]
    seconds: float
    printed: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """`right` of `all`; None as a number where there is nothing to share."""

    right: int
    all: int

    @property
    def number(self) -> float | None:
        return self.right / self.all if self.all else None

    def __str__(self) -> str:
        return (
            f"{self.number:.3f} ({self.right} of {self.all})" if self.number is not None else "none (0 of 0)"
        )


def kinds_of(found: Found, tool: str = "torchpin") -> frozenset[str]:
    """The kinds that a finding of a tool names."""
    ids = {found.rule, f"{found.rule}:{found.level}"}
    return frozenset(kind.name for kind in load_kinds().values() if ids & kind.rules[tool])


def is_counted(found: Found) -> bool:
    """Whether a finding is held against a project: not a notice, and not of a kind that a right project gets too."""
    kinds = kinds_of(found)
    return found.level != "notice" and not (
        kinds and all(not load_kinds()[kind].is_counted for kind in kinds)
    )


def fits(found: Found, expected: Expected, *, with_place: bool = True, with_level: bool = False) -> bool:
    """Whether a finding is the expected one: of a kind of it, at a place of it, and no heavier than it."""
    return bool(
        kinds_of(found) & expected.kinds
        and (not with_place or (found.file, found.line) in expected.places)
        and (not with_level or LEVELS.index(found.level) <= LEVELS.index(expected.level))
    )


def verdict(project: Project, found: Found, *, with_place: bool = True) -> str:
    """`right`, `allowed` or `wrong`."""
    if any(fits(found, row, with_place=with_place, with_level=True) for row in project.findings):
        return "right"
    return "allowed" if any(fits(found, row, with_place=with_place) for row in project.allowed) else "wrong"


def precision(answers: Sequence[Answer], level: str, *, with_place: bool = True) -> Share:
    """Of the findings at a level, those that are right; allowed ones count on neither side."""
    verdicts = [
        verdict(answer.project, found, with_place=with_place)
        for answer in answers
        for found in answer.findings
        if found.level == level and is_counted(found)
    ]
    return Share(right=verdicts.count("right"), all=len(verdicts) - verdicts.count("allowed"))


def trap_of(project: Project) -> Expected:
    """The finding that the project is about."""
    return next(expected for expected in project.findings if project.trap in expected.kinds)


def names_trap(answer: Answer, *, with_place: bool = True) -> bool:
    """Whether the trap is named, at its place; at whatever level."""
    return any(fits(found, trap_of(answer.project), with_place=with_place) for found in answer.findings)


def traps(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """The answers about projects with a trap, by its kind."""
    by_kind: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.project.trap:
            by_kind.setdefault(answer.project.trap, []).append(answer)
    return dict(sorted(by_kind.items()))


def should_be_drafted(project: Project) -> bool:
    """Whether there is enough in the files for a draft: base image, torch and channel."""
    return not {"none", "unscored"} & set(project.draft) and UNKNOWN not in [
        project.draft.get(name) for name in ("base", "torch", "channel")
    ]


def differences(project: Project, draft: Draft) -> dict[str, tuple[Any, Any]]:
    """The values of a draft that are not right, by name: the right one and the draft's."""
    if "none" in project.draft:
        return {"draft": (f"none, {project.draft['none']}", draft.base)}
    pairs: Mapping[str, tuple[Any, Any, bool]] = {
        name: (project.draft[name], value, is_same)
        for name, value, is_same in (
            ("base", draft.base, _is_same_base(project.draft.get("base"), draft.base)),
            ("torch", draft.torch, _is_same_version(project.draft.get("torch"), draft.torch)),
            ("channel", sorted(draft.channels), _as_set(project.draft.get("channel")) == draft.channels),
            ("python", draft.python, _is_same_python(project.draft.get("python"), draft.python)),
            ("platform", sorted(draft.platforms), _as_set(project.draft.get("platform")) == draft.platforms),
        )
        if name in project.draft
    }
    return {name: (right, value) for name, (right, value, is_same) in pairs.items() if not is_same}


def _is_same_base(right: Any, value: str) -> bool:
    return bool(right == value.partition("@")[0].removeprefix("docker.io/") or _is_unknown(right, value))


def _is_same_version(right: Any, value: str) -> bool:
    if _is_unknown(right, value):
        return True
    try:
        return Version(str(right)).public == Version(value).public
    except InvalidVersion:
        return False


def _is_same_python(right: Any, value: str) -> bool:
    """Whether a Python is the right one as far as the right one is known: 3.12.3 is 3.12."""
    parts = str(right).split(".")
    return _is_unknown(right, value) or value.split(".")[: len(parts)] == parts


def _is_unknown(right: Any, value: str) -> bool:
    return bool(right == UNKNOWN and value in {"", "None", UNKNOWN})


def _as_set(value: Any) -> frozenset[str]:
    return frozenset(value if isinstance(value, list) else [value])


def leaks(answer: Answer) -> list[str]:
    """The forbidden texts that the draft or what is printed holds."""
    outputs = (answer.draft.text if answer.draft else "", answer.printed)
    return [text for text in answer.project.forbidden if any(text in output for output in outputs)]
