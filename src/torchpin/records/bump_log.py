"""records/log.yaml: every bump with its steps, as values and as text; and the page's section that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import yaml

from torchpin.errors import InputError
from torchpin.model import Mark, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOG = "records/log.yaml"
STEPS = (
    "test locally",
    "update descriptions and documents",
    "rebuild the image",
    "run the validation suite",
    "record the new pip_freeze.txt",
)  # the documented update policy, in its order
BUILD, VALIDATE, RECORD = 2, 3, 4
_OPENING = (
    "# Every bump, the oldest first, with the steps of the update policy. `invoke bump` writes this file.\n"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step of the policy: when it was done (UTC) and by whom; `told`: what it found, or why it is pending."""

    state: Literal["done", "pending"] = "pending"
    when: str = ""
    who: str = ""
    told: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """What a bump did to one service: in its description, in its locks, and to what was accepted."""

    pins: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One bump. `freeze`: what the new record holds otherwise than the old one, by environment."""

    bump: str
    why: str
    services: Mapping[str, Moved]
    held: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = (Step(),) * len(STEPS)
    freeze: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def pending(self) -> tuple[int, ...]:
        """The numbers of the steps that are not done, from 1."""
        return tuple(number for number, step in enumerate(self.steps, start=1) if step.state != "done")


def stepped(entry: Entry, number: int, step: Step) -> Entry:
    """An entry with another step; numbers count from 0."""
    return replace(entry, steps=(*entry.steps[:number], step, *entry.steps[number + 1 :]))


# --- as text ---------------------------------------------------------------------------------------------------------


def text(entries: Iterable[Entry]) -> str:
    rows = [_row(one) for one in entries]
    return _OPENING + yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=10_000)


def _row(one: Entry) -> dict[str, Any]:
    services = {
        name: _filled(pins=moved.pins, packages=moved.packages, closed=moved.closed, opened=moved.opened)
        for name, moved in one.services.items()
    }
    steps = [
        {"step": name} | _filled(state=step.state, when=step.when, who=step.who, told=step.told)
        for name, step in zip(STEPS, one.steps, strict=True)
    ]
    freeze = {name: list(rows) for name, rows in one.freeze.items()}
    return {"bump": one.bump, "why": one.why, "services": services} | _filled(
        held=dict(one.held), steps=steps, freeze=freeze
    )


def _filled(**values: Any) -> dict[str, Any]:
    return {name: list(one) if isinstance(one, tuple) else one for name, one in values.items() if one}


def entries(text: str | None) -> tuple[Entry, ...]:
    """The log. Raises InputError, with the place, for what is none."""
    try:
        rows = yaml.safe_load(text or "") or []
        return tuple(_entry(row) for row in rows)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Mark(file=LOG, line=mark.line + 1 if mark else 1, column=mark.column + 1 if mark else 1)
        told = error.problem or "is no YAML"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        where, told = Mark(file=LOG, line=1, column=1), f"is no log of bumps: {error}"
    problem = Problem(where=where, path="", message=told)
    raise InputError("Restore it, for example with `git checkout`; nothing was written.", [problem])


def _entry(row: Mapping[str, Any]) -> Entry:
    steps = {one["step"]: one for one in row["steps"]}
    if [*steps] != [*STEPS]:
        message = "its steps are not those of the update policy"
        raise ValueError(message)
    return Entry(
        bump=row["bump"],
        why=row["why"],
        services={
            name: Moved(**{key: tuple(value) for key, value in moved.items()})
            for name, moved in row["services"].items()
        },
        held=row.get("held", {}),
        steps=tuple(
            Step(**{key: value for key, value in one.items() if key != "step"}) for one in steps.values()
        ),
        freeze={name: tuple(rows) for name, rows in row.get("freeze", {}).items()},
    )


# --- as a section ----------------------------------------------------------------------------------------------------
