"""Updates with the steps of the update policy, as values and as texts: a file each, or all of a former log in one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import yaml

from torchpin import paths
from torchpin.controls import CONTROL, show_controls
from torchpin.errors import InputError
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_Parsed = TypeVar("_Parsed")
# The update policy of docs/PINNING.md, in its order.
STEPS = (
    "test locally",
    "update descriptions and documents",
    "rebuild the image",
    "run the validation suite",
    "record the new pip_freeze.txt",
)
BUILD, VALIDATE, RECORD = 2, 3, 4
_FIELDS = {"told": "note", "closed": "resolved", "opened": "new"}  # keys of the file
_OPENING = "# A bump, with the steps of the update policy. `invoke bump` writes this file.\n"
_FORMER_OPENING = (
    "# Every bump, the oldest first, with the steps of the update policy. `invoke bump` writes this file.\n"
)
_MOST_NAME = 60  # characters of a file name that tell services and target


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyStep:
    """A step of the update policy: when it was done (UTC), by whom, and a note: its result, or why it is pending."""

    state: Literal["done", "pending"] = "pending"
    when: str = ""
    who: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceChange:
    """What an update changed in one service: pins, locked packages, and accepted findings and deviations."""

    pins: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BumpEntry:
    """One update.

    `held_back` has the services that it left out, with the reason; `freeze` has what changed in the freeze records, by
    environment. `name`: of its file, which tells it from all others; it stays when later steps change the entry.
    """

    bump: str
    why: str
    services: Mapping[str, ServiceChange]
    held_back: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[PolicyStep, ...] = (PolicyStep(),) * len(STEPS)
    freeze: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = ""

    @property
    def file(self) -> str:
        """The path of its file."""
        return paths.bump_path(self.name)

    @property
    def pending(self) -> tuple[int, ...]:
        """The numbers of the pending steps, from 1."""
        return tuple(number for number, step in enumerate(self.steps, start=1) if step.state != "done")


def with_step(entry: BumpEntry, number: int, step: PolicyStep) -> BumpEntry:
    """An entry with one step replaced; `number` counts from 0."""
    return replace(entry, steps=(*entry.steps[:number], step, *entry.steps[number + 1 :]))


def with_name(entry: BumpEntry, *, occurrence: int = 0) -> BumpEntry:
    """An entry with the name of its file: when it began (UTC), its services, its target, and a digest of what it changed.

    Two entries of one second differ in the digest. `occurrence`: how many equal ones a former log has before it.
    """
    began = re.sub(r"[^0-9A-Za-z-]", "", entry.steps[0].when)[:32] or "undated"
    words = re.findall(r"[0-9A-Za-z+_]+(?:\.[0-9A-Za-z+_]+)*", " ".join([*entry.services, entry.bump]))
    what = "-".join(words)[:_MOST_NAME].rstrip("-.")
    row = _to_row(entry)
    change = {key: row[key] for key in ("bump", "why", "services", "held") if key in row}
    digest = sha256(json.dumps([change, occurrence]).encode()).hexdigest()[:8]
    return replace(entry, name="-".join(filter(None, (began, what, digest))))


def render_entry(entry: BumpEntry) -> str:
    """The text of an entry's file."""
    return _OPENING + _dump(_to_row(entry))


def render_former_log(log: Iterable[BumpEntry]) -> str:
    """The text of a former log of these entries."""
    return _FORMER_OPENING + _dump([_to_row(entry) for entry in log])


def _dump(value: Any) -> str:
    # a note may be the output of a program; PyYAML folds lines at 80 columns by default, and a clause is one line
    return yaml.safe_dump(_map_texts(value, show_controls), sort_keys=False, allow_unicode=True, width=10_000)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A value of the log with each of its texts changed."""
    if isinstance(value, dict):
        return {key: _map_texts(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map_texts(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _to_row(entry: BumpEntry) -> dict[str, Any]:
    services = {
        name: _without_empty(
            pins=change.pins, packages=change.packages, closed=change.resolved, opened=change.new
        )
        for name, change in entry.services.items()
    }
    steps = [
        {"step": name} | _without_empty(state=step.state, when=step.when, who=step.who, told=step.note)
        for name, step in zip(STEPS, entry.steps, strict=True)
    ]
    freeze = {name: list(rows) for name, rows in entry.freeze.items()}
    return {"bump": entry.bump, "why": entry.why, "services": services} | _without_empty(
        held=dict(entry.held_back), steps=steps, freeze=freeze
    )


def _without_empty(**values: Any) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value
    }


def parse_entry(file: str, text: str) -> BumpEntry:
    """The entry of a file. Raises InputError with the position of what is not one."""
    entry = _parse(file, text, _parse_row)
    return replace(entry, name=paths.bump_name(file))


def parse_former_log(text: str | None) -> tuple[BumpEntry, ...]:
    """The entries of a former log, each with its name; None is an empty one. Raises InputError as `parse_entry` does."""
    entries = _parse(
        paths.FORMER_BUMP_LOG, text or "", lambda rows: tuple(_parse_row(row) for row in rows or [])
    )
    named: list[BumpEntry] = []
    for number, entry in enumerate(entries):
        named.append(with_name(entry, occurrence=entries[:number].count(entry)))
    return tuple(named)


def _parse(file: str, text: str, parse: Callable[[Any], _Parsed]) -> _Parsed:
    try:
        position, message = _find_control(file, text), "a text has a control character; write it without"
        if position is None:
            return parse(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        position = Position(
            file=file, line=mark.line + 1 if mark else 1, column=mark.column + 1 if mark else 1
        )
        message = error.problem or "invalid YAML"
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        position = Position(file=file, line=line, column=1)
        message = f"invalid YAML: {error.reason}"
    except KeyError as error:
        position, message = Position(file=file, line=1, column=1), f"an update has no key {error}"
    except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        position, message = Position(file=file, line=1, column=1), f"is not the record of an update: {error}"
    problem = Problem(position=position, path="", message=message)
    raise InputError(f"restore it, for example by `git checkout {file}`; nothing was written", [problem])


def _find_control(file: str, text: str) -> Position | None:
    """The position of the first text with a control character; None without one. Line breaks and tabs are none here."""
    if "\\" not in text and not CONTROL.search(text.replace("\n", "")):
        return None
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent) and CONTROL.search(re.sub(r"[\n\t]", "", event.value)):
            mark: Any = event.start_mark
            return Position(file=file, line=mark.line + 1, column=mark.column + 1)
    return None


def _parse_row(row: Mapping[str, Any]) -> BumpEntry:
    steps = {step["step"]: step for step in row["steps"]}
    if [*steps] != [*STEPS]:
        message = "the steps are not those of the update policy"
        raise ValueError(message)
    names = [*row["services"], *row.get("held", {}), *row.get("freeze", {})]
    texts = [row["bump"], row["why"], *names, *row.get("held", {}).values()]
    texts += [value for step in steps.values() for value in step.values()]
    clauses = [*row["services"].values(), row.get("freeze", {})]
    texts += [text for lists in clauses for rows in lists.values() for text in _require_list(rows)]
    if not all(isinstance(text, str) for text in texts):
        message = "a value is not a text"
        raise TypeError(message)
    if any(step.get("state", "pending") not in {"done", "pending"} for step in steps.values()):
        message = "a step is neither done nor pending"
        raise ValueError(message)
    return BumpEntry(
        bump=row["bump"],
        why=row["why"],
        services={
            name: ServiceChange(**{_FIELDS.get(key, key): tuple(rows) for key, rows in change.items()})
            for name, change in row["services"].items()
        },
        held_back=row.get("held", {}),
        steps=tuple(
            PolicyStep(**{_FIELDS.get(key, key): value for key, value in step.items() if key != "step"})
            for step in steps.values()
        ),
        freeze={name: tuple(rows) for name, rows in row.get("freeze", {}).items()},
    )


def _require_list(rows: object) -> list[object]:
    if not isinstance(rows, list):
        message = "a value is not a list"
        raise TypeError(message)
    return rows
