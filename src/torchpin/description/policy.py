"""`services/policy.yaml`: what holds for all services of a repository, and is committed with them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import paths
from torchpin.description.patterns import PROSE
from torchpin.description.shape_reader import read_shape
from torchpin.description.shapes import Alternatives, Key, Record, Table, Text
from torchpin.description.yaml_reader import Reader, text_rule
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIME = text_rule(r"[1-9][0-9]{0,2} (?:days?|weeks?)", "a time such as `7 days` or `2 weeks`")
_PACKAGE = text_rule(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", "the name of a package")
_COOLDOWN = Alternatives(
    text=Text(rule=_TIME),
    record=Record(
        keys=(
            Key(name="time", shape=Text(rule=_TIME), doc="How long a file has to be published.", example="7 days", required=True),
            Key(name="except", shape=Table(name=_PACKAGE, of=Text(rule=PROSE)), doc="Packages that need not wait, each with the reason.", example="{vllm: fixes of its API must not wait}"),
        )
    ),
)  # fmt: skip
POLICY = Record(
    keys=(
        Key(
            name="cooldown",
            shape=_COOLDOWN,
            doc="How long a file has to be published on PyPI before it is locked; without it, no time.",
            example="7 days",
        ),
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """`cooldown`: days that a file has to be published before it is locked, 0 for none.

    `exceptions`: the packages, by normalized name, that need not wait, each with its reason.
    """

    cooldown: int = 0
    exceptions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def parse_policy(text: str | None) -> Policy:
    """The policy of a repository from the text of its file; None: there is none. Raises InputError with every problem."""
    if text is None:
        return Policy()
    reader = Reader(paths.POLICY)
    root = reader.compose(text)
    values = read_shape(reader, root, "", POLICY) if root else {}
    if reader.problems:
        raise InputError(f"correct {paths.POLICY}; nothing was written", reader.problems)
    cooldown = values.get("cooldown")
    if cooldown is None:
        return Policy()
    time, reasons = (
        (cooldown, {}) if isinstance(cooldown, str) else (cooldown["time"], cooldown.get("except", {}))
    )
    exceptions: dict[str, str] = {canonicalize_name(name): reason for name, reason in reasons.items()}
    return Policy(cooldown=_days(time), exceptions=MappingProxyType(exceptions))


def _days(time: str) -> int:
    number, unit = re.split(" ", time)
    return int(number) * (7 if unit.startswith("week") else 1)
