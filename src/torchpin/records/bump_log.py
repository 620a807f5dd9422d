"""records/log.yaml: every bump with its steps, as values and as text; and the page's section that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import yaml

from torchpin.errors import InputError
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOG_PATH = "records/log.yaml"
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
class PolicyStep:
    """A step of the policy: when it was done (UTC) and by whom; `told`: what it found, or why it is pending."""

    state: Literal["done", "pending"] = "pending"
    when: str = ""
    who: str = ""
    told: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceChange:
    """What a bump did to one service: in its description, in its locks, and to what was accepted."""

    pins: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BumpEntry:
    """One bump. `freeze`: what the new record holds otherwise than the old one, by environment."""

    bump: str
    why: str
    services: Mapping[str, ServiceChange]
    held: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[PolicyStep, ...] = (PolicyStep(),) * len(STEPS)
    freeze: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def pending(self) -> tuple[int, ...]:
        """The numbers of the steps that are not done, from 1."""
        return tuple(number for number, step in enumerate(self.steps, start=1) if step.state != "done")


def with_step(entry: BumpEntry, number: int, step: PolicyStep) -> BumpEntry:
    """An entry with another step; numbers count from 0."""
    return replace(entry, steps=(*entry.steps[:number], step, *entry.steps[number + 1 :]))


# --- as text ---------------------------------------------------------------------------------------------------------


def render_log(log: Iterable[BumpEntry]) -> str:
    rows = [_to_row(entry) for entry in log]
    return _OPENING + yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=10_000)


def _to_row(entry: BumpEntry) -> dict[str, Any]:
    services = {
        name: _without_empty(
            pins=change.pins, packages=change.packages, closed=change.closed, opened=change.opened
        )
        for name, change in entry.services.items()
    }
    steps = [
        {"step": name} | _without_empty(state=step.state, when=step.when, who=step.who, told=step.told)
        for name, step in zip(STEPS, entry.steps, strict=True)
    ]
    freeze = {name: list(rows) for name, rows in entry.freeze.items()}
    return {"bump": entry.bump, "why": entry.why, "services": services} | _without_empty(
        held=dict(entry.held), steps=steps, freeze=freeze
    )


def _without_empty(**values: Any) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value
    }


def parse_log(text: str | None) -> tuple[BumpEntry, ...]:
    """The log. Raises InputError, with the place, for what is none."""
    try:
        rows = yaml.safe_load(text or "") or []
        return tuple(_parse_entry(row) for row in rows)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        position = Position(
            file=LOG_PATH, line=mark.line + 1 if mark else 1, column=mark.column + 1 if mark else 1
        )
        message = error.problem or "is no YAML"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        position, message = Position(file=LOG_PATH, line=1, column=1), f"is no log of bumps: {error}"
    problem = Problem(position=position, path="", message=message)
    raise InputError("Restore it, for example with `git checkout`; nothing was written.", [problem])


def _parse_entry(row: Mapping[str, Any]) -> BumpEntry:
    steps = {step["step"]: step for step in row["steps"]}
    if [*steps] != [*STEPS]:
        message = "its steps are not those of the update policy"
        raise ValueError(message)
    return BumpEntry(
        bump=row["bump"],
        why=row["why"],
        services={
            name: ServiceChange(**{key: tuple(rows) for key, rows in change.items()})
            for name, change in row["services"].items()
        },
        held=row.get("held", {}),
        steps=tuple(
            PolicyStep(**{key: value for key, value in step.items() if key != "step"})
            for step in steps.values()
        ),
        freeze={name: tuple(rows) for name, rows in row.get("freeze", {}).items()},
    )


# --- as a section ----------------------------------------------------------------------------------------------------
